"""Trains a small DQN with Stable-Baselines3 and records its archive, its Q-values and its greedy actions on 1,000 observations.

    python sb3_archives.py DIRECTORY            # writes stable_baselines3.zip and stable_baselines3.json
    python sb3_archives.py DIRECTORY --variants # also archives that quarl reads or refuses, for `cargo xtask external`
    python sb3_archives.py DIRECTORY --qrdqn    # writes qrdqn.zip and qrdqn.json, with sb3-contrib

With stable-baselines3 and sb3-contrib 2.9.2 (requirements.txt); `cargo xtask external` runs it with the installed packages and compares.
"""

import json
import sys
from pathlib import Path

import gymnasium
import numpy
import torch
from stable_baselines3 import A2C, DQN


def q_values(model, observations):
    with torch.no_grad():
        if hasattr(model, "quantile_net"):
            return model.quantile_net(torch.as_tensor(observations)).mean(dim=1).numpy()
        return model.q_net(torch.as_tensor(observations)).numpy()


def record(model, path):
    random = numpy.random.default_rng(0)
    observations = random.normal(0.0, [1.0, 1.0, 0.1, 1.0], (1000, 4)).astype(numpy.float32)
    actions, _ = model.predict(observations, deterministic=True)
    with open(path, "w") as file:
        json.dump(
            {
                # The shortest decimal numbers that single precision tells apart.
                "observations": [[float(str(x)) for x in row] for row in observations],
                "q_values": [[float(str(x)) for x in row] for row in q_values(model, observations)],
                "actions": [int(action) for action in actions],
            },
            file,
            separators=(",", ":"),
        )


def small(directory, name, steps=2000, **arguments):
    policy = {"net_arch": [16, 16], **arguments.pop("policy_kwargs", {})}
    env = arguments.pop("env", "CartPole-v1")
    model = DQN("MlpPolicy", env, seed=0, device="cpu", learning_starts=100, policy_kwargs=policy, **arguments)
    if steps:
        model.learn(steps)
    model.save(directory / f"{name}.zip")
    record(model, directory / f"{name}.json")


def main():
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    learning = {"learning_rate": 2.3e-3, "batch_size": 64, "train_freq": 256, "gradient_steps": 128}
    if "--qrdqn" in sys.argv:
        from sb3_contrib import QRDQN

        policy = {"net_arch": [16], "n_quantiles": 7, "activation_fn": torch.nn.Tanh}
        model = QRDQN("MlpPolicy", "CartPole-v1", seed=0, device="cpu", learning_starts=100, policy_kwargs=policy, **{**learning, "gradient_steps": 32})
        model.learn(2000)
        model.save(directory / "qrdqn.zip")
        record(model, directory / "qrdqn.json")
        return
    small(
        directory,
        "stable_baselines3",
        20_000,
        **learning,
        target_update_interval=10,
        buffer_size=100_000,
        exploration_fraction=0.16,
        exploration_final_eps=0.04,
    )
    if "--variants" not in sys.argv:
        return
    small(directory, "tanh", policy_kwargs={"activation_fn": torch.nn.Tanh})
    small(directory, "elu", policy_kwargs={"activation_fn": torch.nn.ELU, "net_arch": [8, 12, 8]})
    small(directory, "linear", policy_kwargs={"net_arch": []})
    small(directory, "untrained", steps=0)
    small(directory, "soft", tau=0.05, target_update_interval=1, train_freq=(1, "step"), gradient_steps=2)
    small(directory, "unclipped", max_grad_norm=float("inf"))
    small(directory, "sgd", policy_kwargs={"optimizer_class": torch.optim.SGD, "optimizer_kwargs": {"momentum": 0.9}})
    # A schedule is a function, which the archive holds as a pickle.
    small(directory, "schedule", learning_rate=lambda remaining: 1e-3 * remaining)
    small(directory, "refused_activation", steps=0, policy_kwargs={"activation_fn": torch.nn.Sigmoid})
    small(directory, "refused_own_class", steps=0, policy_kwargs={"activation_fn": type("ReLU", (torch.nn.Tanh,), {})})
    A2C("MlpPolicy", "CartPole-v1", device="cpu").save(directory / "refused_a2c.zip")
    image = gymnasium.spaces.Box(0, 255, (36, 36, 3), numpy.uint8)
    env = gymnasium.make("CartPole-v1")
    env = gymnasium.wrappers.TransformObservation(env, lambda _: numpy.zeros(image.shape, numpy.uint8), image)
    DQN("CnnPolicy", env, device="cpu", buffer_size=10).save(directory / "refused_cnn.zip")
    DQN("MlpPolicy", env, device="cpu", buffer_size=10, policy_kwargs={"net_arch": [4]}).save(directory / "refused_image.zip")


if __name__ == "__main__":
    main()
