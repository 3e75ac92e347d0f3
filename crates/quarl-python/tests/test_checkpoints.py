"""Saved runs continue with the results of runs that were never saved."""

import random

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import quarl

SMALL = {"preset": "dqn", "seed": 3, "learning_starts": 64, "batch_size": 16, "evaluation__episodes": 2}
TABLES = ["config.toml", "episodes.csv", "evaluations.csv", "model.safetensors", "best.safetensors"]


class Walk(gymnasium.Env):
    """Its random numbers come from `np_random`."""

    observation_space = spaces.Box(-50, 50, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.left = float(self.np_random.normal()), int(self.np_random.integers(5, 25))
        return self.observe(), {}

    def observe(self):
        return np.array([self.at, self.left], np.float32)

    def step(self, action):
        self.left -= 1
        self.at += (1 if action else -1) * float(self.np_random.random())
        return self.observe(), -abs(self.at), self.left == 0, False, {}


class OwnGenerator(Walk):
    """Its random numbers come from a generator that quarl does not know."""

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.generator = random.Random(seed)
        self.at, self.left = self.generator.gauss(), self.generator.randrange(5, 25)
        return self.observe(), {}

    def step(self, action):
        self.left -= 1
        self.at += (1 if action else -1) * self.generator.random()
        return self.observe(), -abs(self.at), self.left == 0, False, {}


ENVIRONMENTS = {
    "built in": lambda: "CartPole-v1",
    "several built in": lambda: "CartPole-v1",
    "by id": lambda: "gym:CartPole-v1",
    "object": Walk,
    "of unknown randomness": OwnGenerator,
    "next step": lambda: SyncVectorEnv([Walk] * 2, autoreset_mode=AutoresetMode.NEXT_STEP),
    "same step": lambda: SyncVectorEnv([Walk] * 3, autoreset_mode=AutoresetMode.SAME_STEP),
    "not reset": lambda: SyncVectorEnv([Walk] * 2, autoreset_mode=AutoresetMode.DISABLED),
}


def assert_same(one, other):
    assert one.num_timesteps == other.num_timesteps
    assert one.config == other.config
    assert one.evaluations == other.evaluations
    for name, column in one.episodes.items():
        np.testing.assert_array_equal(other.episodes[name], column, name)
    for name, parameters in one.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], parameters, name)


@pytest.mark.parametrize("kind", list(ENVIRONMENTS))
def test_a_loaded_model_learns_on_like_one_that_was_never_saved(kind, tmp_path):
    make = ENVIRONMENTS[kind]
    settings = SMALL | ({"training__num_envs": 2} if kind == "several built in" else {})
    whole = quarl.DQN(make(), **settings)
    whole.learn(301)
    whole.save(tmp_path / "run")
    loaded = quarl.DQN.load(tmp_path / "run", None if isinstance(make(), str) else make(), trust=True)
    assert loaded.exploration_rate == whole.exploration_rate
    assert_same(whole, loaded)
    # The share of exploration refers to the whole run, as in a model that was not saved.
    for model in (whole, loaded):
        model.learn(200).learn(99)
    assert whole.num_timesteps == 600
    assert_same(whole, loaded)
    loaded.save(tmp_path / "again")
    whole.save(tmp_path / "run")
    for name in TABLES:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name


def test_a_run_of_the_command_is_trained_on(tmp_path, command):
    options = ("--preset", "dqn", "--seed", "5", "--set", "evaluation.episodes=2", "--set", "evaluation.every_steps=300")
    command("train", "CartPole-v1", *options, "--steps", "500", "--set", "checkpoint.every_steps=100", "--out", "run", "--quiet")
    loaded = quarl.DQN.load(tmp_path / "run")
    assert loaded.num_timesteps == 500
    assert loaded.evaluations[0]["env_steps"] == 300 and loaded.evaluations[0]["returns"] is None
    loaded.learn(400)
    loaded.save(tmp_path / "ours")
    # The command's own continuation has the same bytes.
    command("train", "--resume", "run", "--steps", "900", "--quiet")
    for name in TABLES:
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name
    again = quarl.DQN.load(tmp_path / "ours")
    assert again.evaluations[0]["returns"] is None and len(again.evaluations[-1]["returns"]) == 2


@pytest.mark.parametrize("env", ["CartPole-v1", "gym:CartPole-v1"])
def test_the_command_continues_a_run_of_python(env, tmp_path, command):
    settings = {"preset": "dqn", "seed": 5, "evaluation__episodes": 2, "training__steps": 700, "exploration__epsilon": 0.2}
    model = quarl.DQN(env, **settings, out=tmp_path / "run")
    model.learn(callback=lambda model, event: event["event"] != "episode" or model.num_timesteps < 400)
    assert 400 <= model.num_timesteps < 700
    model.save(tmp_path / "saved")
    whole = quarl.DQN(env, **settings).learn()
    whole.save(tmp_path / "whole")
    for run in ("run", "saved"):
        command("train", "--resume", run, "--quiet", "--trust")
        for name in TABLES:
            assert (tmp_path / run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), (run, name)


def test_a_checkpoint_is_trained_on(tmp_path):
    settings = SMALL | {"training__steps": 400, "checkpoint__every_steps": 150}
    whole = quarl.DQN("CartPole-v1", **settings, out=tmp_path / "run").learn()
    first = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))[0]
    loaded = quarl.DQN.load(first)
    assert 150 <= loaded.num_timesteps < 400
    loaded.learn()
    assert_same(whole, loaded)
    # A damaged checkpoint is passed over, and the model of an earlier one says so.
    last = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))[-1]
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=r"after \d+ of 400 environment steps"):
        loaded = quarl.DQN.load(tmp_path / "run")
    loaded.learn()
    assert_same(whole, loaded)


def test_saving_during_training_changes_nothing(tmp_path):
    def save(model, event):
        if event["event"] == "episode" and event["episode"] in (2, 7):
            model.save(tmp_path / "run")

    for env in ("CartPole-v1", Walk()):
        whole = quarl.DQN(env, **SMALL).learn(300)
        saving = quarl.DQN(env, **SMALL).learn(300, callback=save)
        assert_same(whole, saving)
        assert 0 < quarl.DQN.load(tmp_path / "run", env).num_timesteps < 300


def test_an_episode_that_cannot_be_saved_is_left_out_with_a_warning(tmp_path):
    def save(model, event):
        if event["event"] == "evaluation" and not event["closing"]:
            model.save(tmp_path / "run")

    quarl.DQN(Walk(), **SMALL, evaluation__every_steps=101).learn(150, callback=save)
    loaded = quarl.DQN.load(tmp_path / "run", Walk())
    with pytest.warns(UserWarning, match="new episodes have been started at step 101"):
        loaded.learn(50)
    assert loaded.num_timesteps == 151


def test_what_cannot_learn_says_what_to_do(tmp_path, command):
    model = quarl.DQN("CartPole-v1", **SMALL, evaluation__every_steps=100).learn(200)
    model.save(tmp_path / "model.safetensors")
    model.save(tmp_path / "run")
    command("train", "--preset", "dqn", "--steps", "100", "--out", "short", "--quiet")
    own = quarl.DQN(Walk(), **SMALL).learn(100)
    own.save(tmp_path / "own")
    for path, options, text in [
        ("model.safetensors", {}, "holds the network only.*load the directory"),
        ("run/model.safetensors", {}, "holds the network only"),
        ("run", {"best": True}, "without best=True"),
        ("short", {}, "has no checkpoint.*checkpoint.every_steps.*model.save"),
        ("own", {}, r"Walk.*DQN.load\(path, env=env\)"),
    ]:
        loaded = quarl.DQN.load(tmp_path / path, **options)
        loaded.predict(np.zeros(loaded._current_policy().inputs))
        with pytest.raises(quarl.StateError, match=text):
            loaded.learn(10)
    # The environment may also be given later.
    loaded.set_env(Walk())
    assert_same(own.learn(50), loaded.learn(50))


def test_files_alone_choose_no_environment_of_gymnasium_and_no_module(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    settings = {"env.gym.imports": ["planted"]}
    whole = quarl.DQN("gym:CartPole-v1", **SMALL).learn(100)
    whole.save(tmp_path / "run")
    plain = (tmp_path / "run/config.toml").read_text()
    written = plain.replace("imports = []", 'imports = ["planted"]')
    (tmp_path / "own.toml").write_text(written)
    assert written != plain
    # Neither a run nor a model file nor a configuration.
    for path in ("run", "run/model.safetensors"):
        loaded = quarl.DQN.load(tmp_path / path)
        loaded.predict(np.zeros(4))
        for use in (quarl.evaluate_policy, quarl.DQN.get_env):
            with pytest.raises(quarl.EnvError, match="gym:CartPole-v1, which is a program.*trust=True"):
                use(loaded)
        with pytest.raises(quarl.StateError, match="trust=True" if path == "run" else "network only"):
            loaded.learn(10)
        assert len(quarl.evaluate_policy(loaded, "gym:CartPole-v1", 2, return_episode_rewards=True)[0]) == 2
    with pytest.raises(quarl.ConfigError, match=r"env.id = 'gym:CartPole-v1', env.gym.imports = \['planted'\].*trust=True"):
        quarl.DQN(config=tmp_path / "own.toml")
    with pytest.raises(quarl.ConfigError, match=r"asks for env.gym.imports = \['planted'\]"):
        quarl.DQN("gym:CartPole-v1", config=tmp_path / "own.toml")
    with pytest.raises(SystemExit, match="imported"):
        quarl.DQN(config=tmp_path / "own.toml", trust=True)
    with pytest.raises(SystemExit, match="imported"):
        quarl.DQN("gym:CartPole-v1", config=settings)
    # The environment that the program names is its own choice.
    assert_same(whole.learn(50), quarl.DQN.load(tmp_path / "run", "gym:CartPole-v1").learn(50))
    trusted = quarl.DQN.load(tmp_path / "run/model.safetensors", trust=True)
    assert len(quarl.evaluate_policy(trusted, n_eval_episodes=2, return_episode_rewards=True)[0]) == 2


def test_settings_that_decide_results_cannot_change_when_a_run_is_loaded(tmp_path):
    quarl.DQN("CartPole-v1", **SMALL).learn(100).save(tmp_path / "run")
    assert quarl.DQN.load(tmp_path / "run", learning_rate=1e-4).learn(50).config["optimizer"]["lr"] == 1e-4
    with pytest.raises(quarl.FileError, match="agent.gamma"):
        quarl.DQN.load(tmp_path / "run", gamma=0.5)
    with pytest.raises(quarl.QuarlError, match="Acrobot"):
        quarl.DQN.load(tmp_path / "run", "Acrobot-v1")


def test_the_environment_can_be_replaced():
    one, other = quarl.DQN(Walk(), **SMALL).learn(150), quarl.DQN(Walk(), **SMALL).learn(150)
    env = Walk()
    other.set_env(env)
    assert other.get_env() is env
    assert_same(one.learn(100), other.learn(100))
    assert env.left >= 0


def test_diagnostics_survive(tmp_path):
    model = quarl.DQN("CartPole-v1", **SMALL, training__diagnostics=True).learn(300)
    model.save(tmp_path / "run")
    quarl.DQN.load(tmp_path / "run").save(tmp_path / "again")
    assert (tmp_path / "again" / "diagnostics.csv").read_bytes() == (tmp_path / "run" / "diagnostics.csv").read_bytes()
