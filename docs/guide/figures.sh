#!/bin/sh
# Makes the guide's figures: docs/guide/figures.sh DIR, from the repository's root, with `quarl` on the path. DIR keeps the
# experiments; interrupted, it goes on where it was. An hour or two of one core.
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

# Why DQN has both: the textbook's task with and without.
experiment why 10 --preset textbook --ablate replay,target_network
cp "$dir/why/curve.png" "$figures/ablation.png"

# What else can be chosen on the same task.
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
experiment "layer_norm" 10 --preset textbook --set network.layer_norm=true
draw layer_norm "without normalisation" layer_norm

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
