"""Vector environments, the built-in environments in Gymnasium, and training loops in Python."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import quarl

BUILT_IN = ["Acrobot-v1", "CartPole-v0", "CartPole-v1", "MountainCar-v0"]
SMALL = {"preset": "dqn", "learning_starts": 64, "batch_size": 16}


class Counter(gymnasium.Env):
    """Observations count the steps of an episode, whose length depends on the seed: wrong transitions show at once."""

    observation_space = gymnasium.spaces.Box(0, 100, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2, start=3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.limit, self.at = int(self.np_random.integers(2, 9)), 0
        return self.observe(), {}

    def observe(self):
        return np.array([self.at, self.limit], np.float32)

    def step(self, action):
        assert action in (3, 4)
        self.at += 1
        return self.observe(), float(self.at), self.at == self.limit, False, {}


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("count", [1, 3])
def test_every_autoreset_mode_gives_the_episodes_of_single_environments(mode, count):
    venv = SyncVectorEnv([Counter] * count, autoreset_mode=mode)
    model = quarl.DQN(venv, **SMALL).learn(400)
    episodes = model.episodes
    assert model.num_timesteps == 400
    # The return 1 + 2 + .. + n is right only if a reset is never a step, and no step is lost.
    np.testing.assert_array_equal(episodes["return"], episodes["length"] * (episodes["length"] + 1) / 2)
    assert set(episodes["length"]) == set(range(2, 9))
    if mode != AutoresetMode.NEXT_STEP:  # there, an environment sits out a round after each episode
        ends = []
        for i, seed in enumerate(quarl._quarl.reset_seeds(0, count)):
            env, rounds = Counter(), 0
            env.reset(seed=seed)
            while rounds < 400:
                rounds += env.limit
                ends.append((rounds, i, env.limit))
                env.reset()
        expected = [length for _, _, length in sorted(ends)][: len(episodes["length"])]
        np.testing.assert_array_equal(episodes["length"], expected)


def test_worker_processes():
    venv = AsyncVectorEnv([Counter] * 2)
    model = quarl.DQN(venv, **SMALL).learn(200)
    venv.close()
    np.testing.assert_array_equal(
        model.episodes["return"], model.episodes["length"] * (model.episodes["length"] + 1) / 2
    )


def test_a_vector_environment_may_be_used_between_two_calls():
    venv = SyncVectorEnv([Counter] * 2)
    model = quarl.DQN(venv, **SMALL).learn(101)
    venv.reset(seed=1)
    venv.step(np.array([3, 3]))
    model.learn(100)
    assert model.num_timesteps == 201
    np.testing.assert_array_equal(
        model.episodes["return"], model.episodes["length"] * (model.episodes["length"] + 1) / 2
    )


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_environments_pass_the_check_of_gymnasium(name):
    env = gymnasium.make(f"quarl/{name}")
    check_env(env.unwrapped)
    theirs = gymnasium.make(name) if name != "CartPole-v0" else gymnasium.make("CartPole-v1", max_episode_steps=200)
    assert env.observation_space == theirs.observation_space
    ours_first, theirs_first = env.reset(seed=7)[0], theirs.reset(seed=7)[0]
    for step in range(300):
        np.testing.assert_allclose(ours_first, theirs_first, rtol=1e-5, atol=1e-6)
        ours, other = env.step(step % 2), theirs.step(step % 2)
        assert ours[1:4] == other[1:4]
        ours_first, theirs_first = ours[0], other[0]
        if ours[2] or ours[3]:
            break
    env.reset()
    with pytest.raises(quarl.InputError, match="action 99"):
        env.unwrapped.step(99)


def test_pictures():
    env = gymnasium.make("quarl/CartPole-v1", render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (400, 600, 3) and picture.std() > 0


def test_a_native_vector_environment_equals_single_environments():
    venv = gymnasium.make_vec("quarl/CartPole-v1", num_envs=5)
    theirs = SyncVectorEnv([lambda: gymnasium.make("quarl/CartPole-v1")] * 5)
    ours, _ = venv.reset(seed=3)
    np.testing.assert_array_equal(ours, theirs.reset(seed=3)[0])
    generator = np.random.default_rng(0)
    for _ in range(200):
        actions = generator.integers(2, size=5)
        for one, other in zip(venv.step(actions)[:4], theirs.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(quarl.InputError, match="action 2"):
        venv.step(np.array([0, 1, 2, 0, 1]))


def test_a_loop_in_python_reproduces_the_run():
    settings = {"preset": "dqn", "seed": 6, "training__steps": 900, "agent__n_step": 3, "env__normalize_observation": True}
    run = quarl.DQN("CartPole-v1", **settings).learn()
    agent, env = quarl.Agent("CartPole-v1", **settings), gymnasium.make("quarl/CartPole-v1")
    returns, total, updates = [], 0.0, 0
    observation, _ = env.reset(seed=6)
    while agent.env_steps < 900:
        action = agent.act(observation)
        following, reward, terminated, truncated, _ = env.step(action)
        agent.observe(observation, action, reward, following, terminated, truncated)
        updates += len(agent.learn())
        total, observation = total + reward, following
        if terminated or truncated:
            returns.append(total)
            total, (observation, _) = 0.0, env.reset()
    np.testing.assert_array_equal(returns, run.episodes["return"])
    observations = np.random.default_rng(0).normal(size=(20, 4))
    np.testing.assert_array_equal(agent.q_values(observations), run.q_values(observations))
    assert updates == 400 + 1 and agent.replay_size > 800 and agent.epsilon == run.exploration_rate


def test_a_loop_with_a_vector_environment(tmp_path):
    venv = SyncVectorEnv([Counter] * 3)
    agent = quarl.Agent(venv, **SMALL)
    observations, _ = venv.reset(seed=0)
    for _ in range(100):
        actions = agent.act(observations)
        following, rewards, terminated, truncated, _ = venv.step(actions)
        agent.observe(observations, actions, rewards, following, terminated, truncated)
        agent.learn()
        observations = following
    assert 0 < 300 - agent.env_steps < 100  # resets are no steps
    agent.save(tmp_path / "model.safetensors")
    loaded = quarl.DQN.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.q_values(np.ones((2, 2))), agent.q_values(np.ones((2, 2))))
    with pytest.raises(ValueError, match="not finite"):
        agent.observe(observations * np.nan, actions, rewards, following, terminated, truncated)


@pytest.mark.parametrize("prioritized", [False, True])
def test_replay(prioritized):
    replay = quarl.Replay(100, 2, prioritized=prioritized, alpha=1.0)
    with pytest.raises(quarl.ReplayError):
        replay.sample(1)
    observations = np.arange(20).reshape(10, 2)
    ids = replay.add(observations, np.arange(10), np.arange(10) / 2, np.full(10, 0.9), observations + 1)
    assert len(replay) == 10
    if prioritized:
        replay.update_priorities(ids, np.where(ids == ids[3], 1.0, 0.0))
    batch = replay.sample(10, beta=0.5)
    np.testing.assert_array_equal(batch["obs"], observations[batch["actions"]])
    np.testing.assert_array_equal(batch["next_obs"], batch["obs"] + 1)
    np.testing.assert_array_equal(batch["rewards"], batch["actions"] / 2)
    if prioritized:
        assert (batch["actions"] == 3).all()
    else:
        assert len(set(batch["actions"])) > 3 and (batch["weights"] == 1).all()
    with pytest.raises(ValueError):
        replay.update_priorities([10_000], [1.0])


@pytest.mark.slow
def test_experiments_write_the_directories_of_the_command(tmp_path):
    pytest.importorskip("pandas")
    out = tmp_path / "experiment"
    settings = {"preset": "dqn", "steps": 600, "runs": 2, "jobs": 1, "config": {"agent": {"batch_size": 16}}}
    results = quarl.experiment("CartPole-v1", out=out, **settings)
    assert len(results.table("greedy")) == 2
    single = quarl.DQN("CartPole-v1", preset="dqn", seed=1, batch_size=16).learn(600)
    np.testing.assert_array_equal(single.evaluations[-1]["mean_return"], results.table("greedy")["mean_return"][1])
    compared = quarl.compare("dqn", "double", out=tmp_path / "compared", steps=600, runs=2, jobs=1)
    assert set(compared.table("scores").columns) >= {"seed"}
    assert compared.summary
    page = quarl.report(compared.directory, out=tmp_path / "page.html")
    assert "double" in page.read_text()
    with pytest.raises(quarl.ConfigError, match="greedy"):
        results.table("grdy")
    with pytest.raises(quarl.ConfigError, match="did you mean"):
        quarl.experiment("CartPole-v1", out=tmp_path / "other", preset="dqm", runs=1)
