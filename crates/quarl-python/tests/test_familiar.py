"""A program written for Stable-Baselines3 runs with another import and constructor."""

import runpy

import gymnasium
import numpy as np
import pytest

import quarl

# The first two lines are those that differ.
PROGRAM = """
{imports}
def create(env): return {constructor}

import gymnasium as gym
import numpy as np

env = gym.make("CartPole-v1")
model = create(env)


class StopAfter(BaseCallback):
    def __init__(self, steps, verbose=0):
        super().__init__(verbose)
        self.steps, self.saved = steps, False

    def _on_training_start(self):
        self.start = self.num_timesteps

    def _on_step(self):
        if self.n_calls == 100:
            self.model.save(PATH + "-early")
            self.saved = True
        return self.num_timesteps - self.start < self.steps


stop = StopAfter(400)
model.learn(total_timesteps=1_000, callback=stop, log_interval=50)
assert stop.saved and model.num_timesteps == 400, model.num_timesteps
model.learn(200, reset_num_timesteps=False, tb_log_name="second")
assert model.num_timesteps == 600
assert 0 <= model.exploration_rate <= 1

mean_reward, std_reward = evaluate_policy(model, model.get_env(), n_eval_episodes=3, deterministic=True)
assert mean_reward > 0 and std_reward >= 0
rewards, lengths = evaluate_policy(model, gym.make("CartPole-v1"), 2, return_episode_rewards=True, warn=False)
assert len(rewards) == len(lengths) == 2

obs, info = env.reset(seed=1)
for _ in range(20):
    action, _states = model.predict(obs, deterministic=True)
    obs, reward, terminated, truncated, info = env.step(action)
    if terminated or truncated:
        obs, info = env.reset()
actions, _ = model.predict(np.stack([obs, obs, obs]))
assert actions.shape == (3,)

model.save(PATH)
expected = model.predict(obs)[0]
del model
model = DQN.load(PATH, env=env)
assert model.predict(obs)[0] == expected
model.learn(100, reset_num_timesteps=False, progress_bar=False)
assert model.num_timesteps == 700, model.num_timesteps
model.set_env(gym.make("CartPole-v1"))
model.learn(total_timesteps=52, reset_num_timesteps=False)
print("done", model.num_timesteps)
"""
SETTINGS = (
    "learning_rate=1e-3, buffer_size=5_000, learning_starts=100, batch_size=32, tau=1.0, gamma=0.98, train_freq=4, "
    "gradient_steps=1, target_update_interval=100, exploration_fraction=0.2, exploration_final_eps=0.05, max_grad_norm=10, "
    "policy_kwargs=dict(net_arch=[32, 32]), verbose=0, seed=3, device='cpu'"
)


def run(tmp_path, capsys, imports, constructor):
    program = PROGRAM.replace("{imports}", imports).replace("{constructor}", constructor)
    path = tmp_path / "program.py"
    path.write_text(program)
    runpy.run_path(str(path), {"PATH": str(tmp_path / "model")})
    assert capsys.readouterr().out.splitlines()[-1] == "done 752"


@pytest.mark.parametrize("constructor", [f"DQN('MlpPolicy', env, {SETTINGS})", f"DQN(env, preset='dqn', {SETTINGS})"])
def test_the_program_runs(tmp_path, capsys, constructor):
    run(tmp_path, capsys, "from quarl import DQN, BaseCallback, evaluate_policy", constructor)


@pytest.mark.slow
def test_the_program_is_one_for_stable_baselines3(tmp_path, capsys):
    pytest.importorskip("stable_baselines3")
    imports = (
        "from stable_baselines3 import DQN; from stable_baselines3.common.callbacks import BaseCallback; "
        "from stable_baselines3.common.evaluation import evaluate_policy"
    )
    run(tmp_path, capsys, imports, f"DQN('MlpPolicy', env, {SETTINGS})")


def test_a_vector_environment_runs(tmp_path):
    envs = gymnasium.make_vec("CartPole-v1", num_envs=4, vectorization_mode="sync")
    model = quarl.DQN("MlpPolicy", envs, learning_starts=100, batch_size=32, seed=1).learn(400)
    observations, _ = envs.reset(seed=0)
    actions, _ = model.predict(observations)
    assert actions.shape == (4,)
    envs.step(actions)
    mean, _ = quarl.evaluate_policy(model, envs, n_eval_episodes=2)
    assert mean == quarl.evaluate_policy(model, n_eval_episodes=2)[0]
    model.save(tmp_path / "run")
    loaded = quarl.DQN.load(tmp_path / "run", env=envs)
    np.testing.assert_array_equal(loaded.predict(observations)[0], actions)
    assert loaded.learn(100, reset_num_timesteps=False).num_timesteps == 500


def test_errors_of_the_familiar_arguments(tmp_path):
    (tmp_path / "agent.zip").write_bytes(b"PK")
    with pytest.raises(quarl.FileError, match="quarl import"):
        quarl.DQN.load(tmp_path / "agent.zip")

    with pytest.raises(quarl.ConfigError, match="CnnPolicy.*MlpPolicy"):
        quarl.DQN("CnnPolicy", "CartPole-v1")
    with pytest.raises(quarl.ConfigError, match="the environment first"):
        quarl.DQN("CartPole-v1", "MlpPolicy")
    model = quarl.DQN("CartPole-v1", preset="dqn").learn(50)
    with pytest.raises(quarl.StateError, match="create another model"):
        model.learn(50, reset_num_timesteps=True)
