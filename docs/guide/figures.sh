#!/bin/sh
# Makes the figures of the course: docs/guide/figures.sh DIR, from the repository's root, with `quarl` on the path. DIR keeps the
# experiments; started again, it continues. An hour or two of one core (`JOBS=2` trains two seeds at a time).
set -e
dir=$1
figures=docs/guide/figures
mkdir -p "$dir" "$figures"

experiment() { # name runs arguments..
    name=$1 runs=$2
    shift 2
    quarl experiment "$@" --runs "$runs" --jobs "${JOBS:-1}" --quiet --out "$dir/$name"
}
draw() { # figure experiments..
    figure=$1
    shift
    (cd "$dir" && quarl plot "$@" --window 20 --out "$figure.png")
    mv "$dir/$figure.png" "$figures/$figure.png"
}

# The grid world, with a table and with a network.
cargo run --release --quiet -p quarl --example grid_world -- "$figures"

# The textbook with and without replay and target network.
experiment why 10 --preset textbook --ablate replay,target_network
cp "$dir/why/curve.png" "$figures/ablation.png"

# Settings of the textbook.
experiment "Adam 5e-4" 10 --preset textbook
experiment "RMSProp 5e-4" 10 --preset textbook --set optimizer.kind=rmsprop
experiment "SGD 1e-2" 10 --preset textbook --set optimizer.kind=sgd --set optimizer.lr=1e-2
draw optimizers "Adam 5e-4" "RMSProp 5e-4" "SGD 1e-2"
experiment "epsilon 0.1" 10 --preset textbook
experiment "epsilon 1 to 0.02 over 5000 steps" 10 --preset textbook \
    --set 'exploration.epsilon={ kind = "linear", from = 1.0, to = 0.02, steps = 5000 }'
experiment "softmax 0.1" 10 --preset textbook --set exploration.kind=softmax --set exploration.temperature=0.1
draw exploration "epsilon 0.1" "epsilon 1 to 0.02 over 5000 steps" "softmax 0.1"
experiment "without normalisation" 10 --preset textbook
experiment "layer normalisation" 10 --preset textbook --set network.layer_norm=true
draw layer_norm "without normalisation" "layer normalisation"
experiment "normalised observations" 10 --preset textbook --set env.normalize_observation=true
experiment "four stacked observations" 10 --preset textbook --set env.frame_stack=4
draw wrappers "Adam 5e-4" "normalised observations" "four stacked observations" \
    --label textbook --label "normalised observations" --label "four stacked observations"
experiment "copy after every episode" 10 --preset textbook --set target_network.every_episodes=1
draw diagnostics why/all "copy after every episode" why/no-target_network \
    --label "copy after every 20 episodes" --label "copy after every episode" --label "without target network"

# Each method beside DQN, on CartPole-v1 over 50,000 steps.
experiment dqn 10 --preset dqn
for preset in double dueling per nstep noisy munchausen c51 qrdqn; do
    experiment $preset 10 --preset $preset
    draw $preset dqn $preset
done
experiment rainbow 10 --preset rainbow
draw rainbow dqn rainbow
experiment iqn 5 --preset iqn
draw iqn dqn iqn
