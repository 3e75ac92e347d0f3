//! The examples below the help of each command.

pub(super) const QUARL: &str = "\
Examples:
  quarl train                                    Train DQN on CartPole-v0
  quarl play runs/CartPole-v0-textbook-seed0     Watch the trained agent
  quarl train --help                             Show the options of a command";
pub(super) const TRAIN: &str = "\
Examples:
  quarl train CartPole-v1 --preset rainbow --seed 3
  quarl train --preset dqn --set agent.target=double --set optimizer.lr=0.0005 --steps 20000
  quarl train --preset dqn --tui";
pub(super) const WATCH: &str = "\
Examples:
  quarl watch runs/CartPole-v0-textbook-seed0
  quarl watch textbook-20 --once";
pub(super) const PLAY: &str = "\
Examples:
  quarl play runs/CartPole-v0-textbook-seed0
  quarl play runs/CartPole-v0-textbook-seed0 --record agent.gif";
pub(super) const EVAL: &str = "\
Examples:
  quarl eval runs/CartPole-v0-textbook-seed0
  quarl eval runs/CartPole-v0-textbook-seed0 --best --episodes 1000";
pub(super) const EXPERIMENT: &str = "\
Examples:
  quarl experiment --runs 20 --out textbook-20
  quarl experiment --ablate replay,target_network --runs 20 --out ablation";
pub(super) const COMPARE: &str = "\
Examples:
  quarl compare dqn double rainbow --runs 10 --out family
  quarl compare dqn --sweep network.layer_norm=false,true --sweep agent.n_step=1,3 --out sweep
  quarl compare dqn c51 --envs CartPole-v1,Acrobot-v1 --normalize threshold --out two-environments";
pub(super) const TUNE: &str = "\
Examples:
  quarl tune CartPole-v1 --preset dqn --trials 50 --seeds-per-trial 3 --out study
  quarl tune CartPole-v1 --preset dqn --print-space > space.toml
  quarl tune CartPole-v1 --preset dqn --space space.toml --steps 20000 --out narrow";
pub(super) const EXPORT: &str = "\
Examples:
  quarl export runs/CartPole-v0-textbook-seed0 --format onnx
  quarl export runs/CartPole-v0-textbook-seed0 --format rust --out agent.rs";
pub(super) const INSPECT: &str = "\
Examples:
  quarl inspect runs/CartPole-v0-textbook-seed0 --at 400
  quarl inspect runs/CartPole-v0-textbook-seed0 --at 400 --figure moment.png";
pub(super) const FORK: &str = "\
Examples:
  quarl fork runs/CartPole-v0-textbook-seed0 --at 400 --set optimizer.lr=0.0001 --out slower";
pub(super) const BISECT: &str = "\
Examples:
  quarl bisect runs/CartPole-v0-textbook-seed0
  quarl bisect runs/CartPole-v0-textbook-seed0 --every 10 --episodes 20 --figure fall.png";
pub(super) const IMPORT: &str = "\
Examples:
  quarl import agent.zip --env CartPole-v1 --out imported
  quarl train --from imported --steps 10000 --out continued";
pub(super) const PLOT: &str = "\
Examples:
  quarl plot runs --out runs.svg
  quarl plot textbook-20 double-20 --label DQN --label 'Double DQN' --out comparison.png";
pub(super) const REPORT: &str = "\
Examples:
  quarl report family
  quarl report runs/CartPole-v0-textbook-seed0 textbook-20 --out textbook.html";
pub(super) const ENVS: &str = "\
Examples:
  quarl envs
  quarl envs gym:LunarLander-v3";
pub(super) const PRESETS: &str = "\
Examples:
  quarl presets
  quarl presets rainbow CartPole-v1 > rainbow.toml";
pub(super) const CONFIG: &str = "\
Examples:
  quarl config explain agent.gamma
  quarl config check my.toml --preset dqn
  quarl config schema > quarl.schema.json";
pub(super) const BENCH: &str = "\
Examples:
  quarl bench
  quarl bench --presets";
pub(super) const COMPLETIONS: &str = "\
Examples:
  source <(quarl completions bash)               Add to ~/.bashrc
  quarl completions zsh > ~/.zfunc/_quarl        With ~/.zfunc in fpath
  quarl completions fish > ~/.config/fish/completions/quarl.fish";
pub(super) const MAN: &str = "\
Examples:
  quarl man --out ~/.local/share/man/man1
  man quarl-train";
