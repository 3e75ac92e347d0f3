"""Environments of Gymnasium in this process."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import quarl

SMALL = {"preset": "dqn", "network__hidden": [32], "learning_rate": 3e-3, "replay__capacity": 500, "learning_starts": 32, "batch_size": 16}


class Corridor(gymnasium.Env):
    """Walk right to the end of a corridor; the mask forbids walking left out of it. Without a spec."""

    def __init__(self, space="box", masked=False, fail_at=None, error=ValueError("the door is stuck")):
        self.length = 4
        self.observation_space = {
            "box": spaces.Box(0, 4, (1,), np.float32),
            "discrete": spaces.Discrete(5),
            "dict": spaces.Dict({"at": spaces.Discrete(5), "goal": spaces.Box(-1, 1, (2,), np.float32)}),
            "tuple": spaces.Tuple((spaces.Discrete(5), spaces.MultiBinary(2))),
        }[space]
        self.space = space
        self.action_space = spaces.Discrete(2, start=5)
        self.masked, self.fail_at, self.error = masked, fail_at, error
        self.steps = 0
        self.actions = []

    def observe(self):
        return {
            "box": np.array([self.at], np.float32),
            "discrete": self.at,
            "dict": {"at": np.int64(self.at), "goal": np.array([1, -1], np.float32)},
            "tuple": (self.at, np.array([1, 0], np.int8)),
        }[self.space], ({"action_mask": np.array([self.at > 0, True], np.int8)} if self.masked else {})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = int(self.np_random.integers(2))
        self.length = 0
        return self.observe()

    def step(self, action):
        self.actions.append((self.at, action))
        assert action in (5, 6), action
        assert not (self.masked and self.at == 0 and action == 5), "a forbidden action"
        self.steps += 1
        self.length += 1
        if self.steps == self.fail_at:
            raise self.error
        self.at = max(0, self.at + (1 if action == 6 else -1))
        observation, info = self.observe()
        return observation, -1.0, self.at == 4, self.length >= 30, info


@pytest.mark.parametrize("space", ["box", "discrete", "dict", "tuple"])
@pytest.mark.parametrize("masked", [False, True])
def test_an_object_is_learnt_in(space, masked):
    env = Corridor(space, masked)
    model = quarl.DQN(env, **SMALL, exploration_fraction=0.5, target_update_interval=50).learn(1500)
    assert env.steps == 1500
    mean, _ = quarl.evaluate_policy(model, n_eval_episodes=5)
    assert mean >= -4.0  # straight to the end
    observation, info = env.reset(seed=1)
    action, _ = model.predict(observation, action_masks=info.get("action_mask"))
    assert action == 6
    if masked:
        assert all(action == 6 for at, action in env.actions if at == 0)


def test_an_object_equals_its_id():
    by_id = quarl.DQN("gym:MountainCar-v0", preset="dqn", seed=5).learn(600)
    made = quarl.DQN(gymnasium.make("MountainCar-v0"), preset="dqn", seed=5).learn(600)
    function = quarl.DQN(lambda: gymnasium.make("MountainCar-v0"), preset="dqn", seed=5).learn(600)
    for other in (made, function):
        np.testing.assert_array_equal(other.episodes["return"], by_id.episodes["return"])
        np.testing.assert_array_equal(other.q_values(np.zeros(2)), by_id.q_values(np.zeros(2)))


def test_keyword_arguments_reach_the_environment():
    model = quarl.DQN("FrozenLake-v1", env_kwargs={"is_slippery": False}, **SMALL).learn(50)
    assert model.config["env"]["gym"]["kwargs"] == {"is_slippery": False}


def test_an_exception_of_the_environment_is_the_cause():
    env = Corridor(fail_at=20)
    model = quarl.DQN(env, eval_env=Corridor, **SMALL)
    with pytest.raises(quarl.EnvError, match="Corridor failed at step 20.*ValueError: the door is stuck") as raised:
        model.learn(100)
    assert raised.value.__cause__ is env.error
    assert model.num_timesteps == 19
    with pytest.raises(quarl.StateError, match="an error ended the run"):
        model.learn(100)


def test_an_interruption_within_the_environment_keeps_the_run():
    env = Corridor(fail_at=200, error=KeyboardInterrupt())
    model = quarl.DQN(env, eval_env=Corridor, **SMALL)
    with pytest.raises(KeyboardInterrupt):
        model.learn(400)
    assert model.num_timesteps == 199
    model.learn(201)
    assert model.num_timesteps == 400


def test_an_environment_may_be_used_between_two_calls():
    """The episode that runs when `learn` ends is not continued, because the caller may have reset the environment."""
    env = Corridor()
    model = quarl.DQN(env, **SMALL).learn(101)
    quarl.evaluate_policy(model, env, 2)
    env.reset()
    model.learn(100)
    assert model.num_timesteps == 201


@pytest.mark.parametrize(
    ("observation", "reward", "text"),
    [(np.array([1.0]), 0.0, "float64"), (np.array([np.nan], np.float32), 0.0, "observation"), (None, "much", "reward")],
)
def test_wrong_values_are_refused(observation, reward, text):
    class Wrong(Corridor):
        def step(self, action):
            return observation if observation is not None else self.observe()[0], reward, False, False, {}

    with pytest.raises(quarl.EnvError, match=text):
        quarl.DQN(Wrong(), **SMALL).learn(40)


@pytest.mark.parametrize(
    ("observations", "actions", "text"),
    [
        (spaces.Box(0, 1, (2,)), spaces.Box(0, 1, (1,)), "only Discrete fits"),
        (spaces.Sequence(spaces.Discrete(2)), spaces.Discrete(2), "fixed number"),
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), spaces.Discrete(2), "images"),
    ],
)
def test_spaces_that_cannot_be_learnt_are_refused(observations, actions, text):
    env = Corridor()
    env.observation_space, env.action_space = observations, actions
    with pytest.raises(quarl.EnvError, match=text):
        quarl.DQN(env, **SMALL)


def test_an_environment_that_cannot_be_copied_needs_another_for_evaluations():
    class Single(Corridor):
        def __deepcopy__(self, memo):
            raise TypeError("only one")

    with pytest.raises(quarl.EnvError, match="eval_env"):
        quarl.DQN(Single(), **SMALL)
    quarl.DQN(Single(), eval_env=Single(), **SMALL).learn(40)


def test_wrappers_of_the_configuration_apply():
    model = quarl.DQN(gymnasium.make("CartPole-v1"), env__frame_stack=2, env__normalize_observation=True, **SMALL).learn(200)
    assert model.q_values(np.zeros(8)).shape == (2,)
    quarl.evaluate_policy(model, n_eval_episodes=2)
