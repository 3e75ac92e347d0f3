"""Training, acting and files."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import quarl

FILES = ["config.toml", "episodes.csv", "evaluations.csv", "model.safetensors", "best.safetensors"]


def contents(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in FILES}


@pytest.mark.parametrize("env", ["CartPole-v1", "gym:Acrobot-v1"])
def test_a_run_has_the_bytes_of_the_command(env, tmp_path, command):
    steps, few = 1200, ("--set", "evaluation.episodes=2")
    command("train", env, "--preset", "dqn", "--seed", "3", "--steps", str(steps), *few, "--out", "theirs", "--quiet")
    model = quarl.DQN(env, preset="dqn", seed=3, evaluation__episodes=2, out=tmp_path / "ours").learn(steps)
    model.save(tmp_path / "saved")
    theirs = contents(tmp_path / "theirs")
    assert contents(tmp_path / "ours") == theirs
    assert contents(tmp_path / "saved") == theirs


def test_the_budget_of_a_preset_is_the_default(tmp_path, command):
    command("train", "--episodes", "20", "--out", "theirs", "--quiet")
    quarl.DQN("CartPole-v0", preset="textbook", training__episodes=20, out=tmp_path / "ours").learn()
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")


def test_the_command_reads_a_saved_run(tmp_path, command):
    quarl.DQN("CartPole-v1", preset="dqn").learn(600).save(tmp_path / "run")
    model = quarl.DQN.load(tmp_path / "run")
    output = command("eval", "run", "--episodes", "4", "--json")
    returns, _ = quarl.evaluate_policy(model, n_eval_episodes=4, return_episode_rewards=True)
    assert f'"mean":{np.mean(returns)}' in output.replace(" ", "")
    assert model.config["agent"]["gamma"] == 0.99


def test_a_loaded_model_acts_as_the_saved_one(tmp_path):
    model = quarl.DQN("CartPole-v1", preset="dqn").learn(600)
    for path in (tmp_path / "run", tmp_path / "model.safetensors"):
        model.save(path)
        loaded = quarl.DQN.load(path)
        observations = np.random.default_rng(0).normal(size=(50, 4))
        np.testing.assert_array_equal(loaded.q_values(observations), model.q_values(observations))
        actions, state = loaded.predict(observations)
        np.testing.assert_array_equal(actions, loaded.q_values(observations).argmax(1))
        assert state is None
        assert quarl.evaluate_policy(loaded, n_eval_episodes=3) == quarl.evaluate_policy(model, n_eval_episodes=3)


def test_the_parameters_compute_the_q_values(tmp_path):
    """A forward pass in NumPy with the exported parameters, as torch.nn.Linear computes it."""
    model = quarl.DQN("CartPole-v1", preset="dqn", network__hidden=[16, 8]).learn(700)
    model.save(tmp_path / "run")
    for source in (model, quarl.DQN.load(tmp_path / "run")):
        layers = source.state_dict()
        hidden = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
        expected = source.q_values(hidden)
        for layer in ("l1", "l2", "l3"):
            hidden = hidden @ layers[f"{layer}.weight"].T + layers[f"{layer}.bias"]
            hidden = np.maximum(hidden, 0) if layer != "l3" else hidden
        np.testing.assert_allclose(hidden, expected, rtol=1e-4, atol=1e-5)


def test_one_observation_gives_one_action():
    model = quarl.DQN("CartPole-v1", preset="dqn")
    single, _ = model.predict(np.zeros(4, np.float32))
    assert single.shape == () and single.item() in (0, 1)
    assert model.predict(np.zeros((1, 4)))[0].shape == (1,)
    assert model.predict([0.0, 0.0, 0.0, 0.0])[0] == single
    forbidden = np.array([True, True])
    forbidden[single] = False
    assert model.predict(np.zeros(4), action_masks=forbidden)[0] == 1 - single
    with pytest.raises(quarl.InputError, match="4 numbers"):
        model.predict(np.zeros(3))


def test_later_calls_extend_the_run():
    model = quarl.DQN("CartPole-v1", preset="dqn", seed=2)
    model.learn(600)
    before = model.episodes["return"]
    model.learn(600)
    assert model.num_timesteps == 1200
    assert len(model.episodes["return"]) > len(before)
    np.testing.assert_array_equal(model.episodes["return"][: len(before)], before)
    # The schedule refers to the whole run: 10% of 1200 steps is over.
    assert model.exploration_rate == 0.05
    assert model.config["training"]["steps"] == 1200


def test_an_interruption_changes_no_result():
    """A run that a callback stops and that is continued equals an uninterrupted one."""
    whole = quarl.DQN("CartPole-v1", preset="dqn", training__steps=900).learn()
    parts = quarl.DQN("CartPole-v1", preset="dqn", training__steps=900)
    parts.learn(callback=lambda model, event: event["event"] != "episode" or event["episode"] < 9)
    assert len(parts.episodes["return"]) == 10 and parts.num_timesteps < 900
    parts.learn()
    for name, column in whole.episodes.items():
        np.testing.assert_array_equal(parts.episodes[name], column)
    assert parts.evaluations == whole.evaluations


def test_a_callback_object_is_called_after_every_step():
    class Stop(quarl.BaseCallback):
        def _on_training_start(self):
            self.log = [("start", self.num_timesteps)]

        def _on_step(self):
            assert self.n_calls == self.num_timesteps == self.model.num_timesteps
            return self.n_calls < 120

        def _on_training_end(self):
            self.log.append(("end", self.num_timesteps))

    stop, whole = Stop(), quarl.DQN("CartPole-v1", preset="dqn", training__steps=300)
    model = quarl.DQN("CartPole-v1", preset="dqn", training__steps=300).learn(callback=stop)
    assert stop.log == [("start", 0), ("end", 120)] and model.num_timesteps == 120
    model.learn()
    np.testing.assert_array_equal(model.episodes["return"], whole.learn().episodes["return"])
    with pytest.raises(quarl.ConfigError, match="callback is 3"):
        model.learn(10, callback=[3])


def test_callbacks_get_every_event():
    events = []
    model = quarl.DQN("CartPole-v1", preset="dqn", evaluation__every_steps=200)
    model.learn(600, callback=[lambda model, event: events.append((event["event"], model.num_timesteps))])
    kinds = [kind for kind, _ in events]
    assert kinds.count("episode") == len(model.episodes["episode"])
    assert kinds.count("evaluation") == len(model.evaluations) == 4
    assert [steps for _, steps in events] == sorted(steps for _, steps in events)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"agent__gama": 0.9}, quarl.ConfigError, "did you mean gamma"),
        ({"gamma": 2.0}, quarl.ConfigError, "agent.gamma"),
        ({"preset": "dqm"}, quarl.ConfigError, "did you mean dqn"),
        ({"config": {"agent": 3}}, quarl.ConfigError, "section"),
        ({"device": "cuda"}, quarl.ConfigError, "cpu"),
        ({"gamma": object()}, TypeError, "a setting cannot be a object"),
        ({"config": "absent.toml"}, quarl.FileError, "absent.toml"),
    ],
)
def test_errors_name_the_culprit(settings, error, text):
    with pytest.raises(error, match=text):
        quarl.DQN("CartPole-v1", **settings)


def test_an_unknown_environment_is_refused_with_suggestions():
    with pytest.raises(quarl.ConfigError, match="did you mean CartPole-v1"):
        quarl.DQN("CartPol-v1")


def test_a_directory_that_is_no_run_is_not_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("text")
    model = quarl.DQN("CartPole-v1", preset="dqn").learn(600)
    with pytest.raises(quarl.FileError, match="thesis.txt"):
        model.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "text"
    with pytest.raises(quarl.FileError, match="exists already"):
        model.save(tmp_path / "run")
        quarl.DQN("CartPole-v1", preset="dqn", out=tmp_path / "run").learn(600)


def test_names_of_stable_baselines3():
    model = quarl.DQN(
        "CartPole-v1",
        preset="dqn",
        policy="MlpPolicy",
        learning_rate=lambda left: 1e-3 * left,
        buffer_size=5000,
        learning_starts=100,
        batch_size=16,
        tau=1.0,
        gamma=0.98,
        train_freq=(2, "step"),
        gradient_steps=1,
        target_update_interval=50,
        exploration_fraction=0.5,
        exploration_final_eps=0.1,
        max_grad_norm=5,
        policy_kwargs={"net_arch": [32, 16]},
        verbose=0,
        seed=4,
        device="auto",
    ).learn(400)
    config = model.config
    assert config["replay"]["capacity"] == 5000
    assert config["agent"]["gamma"] == 0.98 and config["agent"]["batch_size"] == 16
    assert config["training"]["train_frequency"] == 2 and config["training"]["learning_starts"] == 100
    assert config["target_network"]["every_steps"] == 50
    assert config["network"]["hidden"] == [32, 16]
    assert config["optimizer"]["max_grad_norm"] == 5.0
    assert config["optimizer"]["lr"] == {"kind": "linear", "from": 1e-3, "to": 0.0, "steps": 400}
    assert config["exploration"]["epsilon"] == {"kind": "linear", "from": 1.0, "to": 0.1, "steps": 200}


@pytest.mark.parametrize("env", ["CartPole-v1", "gym:CartPole-v1"])
def test_ctrl_c_stops_within_a_second_and_keeps_what_was_learnt(env, tmp_path):
    # Processor time, because other programs may delay this one.
    program = f"""
import os, signal, threading, time
import quarl
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process may ignore it
model = quarl.DQN({env!r}, preset="dqn", out={str(tmp_path / "run")!r})
def interrupt():
    global at
    while not begun.wait(0.01):
        pass
    time.sleep(0.1)
    at = time.process_time()
    os.kill(os.getpid(), signal.SIGINT)
begun = threading.Event()
threading.Thread(target=interrupt).start()
try:
    model.learn(10_000_000, callback=lambda model, event: begun.set())
except KeyboardInterrupt:
    took = time.process_time() - at
    print("interrupted", model.num_timesteps > 0, len(model.episodes["return"]) >= 1, took < 1.0 or took)
steps = model.num_timesteps
print(steps, model.learn(100).num_timesteps == steps + 100)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    words = done.stdout.split()
    assert words[:4] == ["interrupted", "True", "True", "True"] and words[5] == "True", done.stdout + done.stderr
    loaded = quarl.DQN.load(tmp_path / "run", env)
    assert loaded.num_timesteps == int(words[4]) + 100


def test_a_defect_becomes_an_exception_and_the_model_is_not_used_further():
    model = quarl.DQN("CartPole-v1", preset="dqn").learn(100)
    model._training()._fail_next()
    with pytest.raises(quarl.InternalError, match="a defect for a test"):
        model.learn(100)
    with pytest.raises(quarl.InternalError, match="a defect for a test"):
        model.predict(np.zeros(4))


def test_two_threads_train_two_agents_at_once():
    alone = [quarl.DQN("CartPole-v1", preset="dqn", seed=seed).learn(2000) for seed in (0, 1)]
    together = [quarl.DQN("CartPole-v1", preset="dqn", seed=seed) for seed in (0, 1)]
    seen: list[tuple[int, int]] = []

    def note(model, event):
        seen.append((together.index(model), event["env_steps"]))

    threads = [threading.Thread(target=model.learn, args=(2000, note)) for model in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(other.episodes["return"], one.episodes["return"])
        np.testing.assert_array_equal(other.q_values(np.ones((1, 4))), one.q_values(np.ones((1, 4))))
    # Both made progress before either had ended.
    first_end = min(max(at for at, (model, _) in enumerate(seen) if model == i) for i in (0, 1))
    assert {model for model, _ in seen[:first_end]} == {0, 1}


def test_other_threads_run_while_one_learns():
    model = quarl.DQN("CartPole-v1", preset="dqn")
    thread = threading.Thread(target=lambda: model.learn(3000))
    refused = 0
    thread.start()
    while thread.is_alive():
        try:
            model.q_values(np.zeros(4))
        except quarl.StateError:  # the other thread is within a slice
            refused += 1
        time.sleep(0.001)
    # Python ran here while the other thread was computing.
    assert refused > 0
    assert model.num_timesteps == 3000


def test_learning_curves(tmp_path):
    model = quarl.DQN("CartPole-v1", preset="dqn").learn(600)
    assert model.episodes["return"].dtype == np.float64
    assert model.episodes["length"].sum() <= 600
    pd = pytest.importorskip("pandas")
    frame = model.episodes_frame()
    model.save(tmp_path / "run")
    pd.testing.assert_frame_equal(frame, pd.read_csv(tmp_path / "run" / "episodes.csv"), check_dtype=False)
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    axes = model.plot()
    assert axes.get_ylabel() == "return"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), model.episodes["return"])
