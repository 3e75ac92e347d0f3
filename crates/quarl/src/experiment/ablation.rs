//! Ablations: the same configuration with each of several parts switched on and off, in every combination.

#[cfg(feature = "plot")]
use std::path::PathBuf;
use std::str::FromStr;

use super::comparison::Variant;
use crate::config::settings::invalid;
use crate::config::{ExplorationKind, Head, ReplayKind, TargetNetworkKind, TrainConfig};
use crate::error::Error;
#[cfg(feature = "plot")]
use crate::run::name;
use crate::schedule::Schedule;
use crate::suggest;
use crate::target::TargetKind;

/// A part of an algorithm that an ablation can switch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Experience replay. Without it, each transition is learnt from once, when it is collected.
    Replay,
    /// The target network. Without it, targets bootstrap from the online network.
    TargetNetwork,
    /// Double DQN. Without it, the target network both selects and evaluates the action.
    Double,
    /// Prioritised replay. Without it, sampling is uniform.
    Prioritized,
    /// n-step returns. Without them, targets bootstrap after one step.
    NStep,
    /// The dueling network. Without it, the output layer gives one output for each action.
    Dueling,
    /// Noisy networks. Without them, exploration is epsilon-greedy with epsilon 0.05.
    Noisy,
    /// A distributional head. Without it, the head is scalar.
    Distributional,
}

impl Part {
    /// All parts.
    const ALL: [Self; 8] = [
        Self::Replay,
        Self::TargetNetwork,
        Self::Double,
        Self::Prioritized,
        Self::NStep,
        Self::Dueling,
        Self::Noisy,
        Self::Distributional,
    ];

    /// The name, as [`Part::from_str`] accepts it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::TargetNetwork => "target_network",
            Self::Double => "double",
            Self::Prioritized => "prioritized",
            Self::NStep => "n_step",
            Self::Dueling => "dueling",
            Self::Noisy => "noisy",
            Self::Distributional => "distributional",
        }
    }

    /// The name for readers.
    fn words(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::TargetNetwork => "target network",
            Self::Double => "Double DQN",
            Self::Prioritized => "priorities",
            Self::NStep => "n-step returns",
            Self::Dueling => "dueling",
            Self::Noisy => "noise",
            Self::Distributional => "distribution",
        }
    }

    /// Whether a configuration has this part.
    fn is_on(self, config: &TrainConfig) -> bool {
        match self {
            Self::Replay => config.replay.kind != ReplayKind::None,
            Self::TargetNetwork => config.target_network.kind != TargetNetworkKind::None,
            Self::Double => config.agent.target == TargetKind::Double,
            Self::Prioritized => config.replay.kind == ReplayKind::Prioritized,
            Self::NStep => config.agent.n_step > 1,
            Self::Dueling => config.network.dueling,
            Self::Noisy => config.network.noisy,
            Self::Distributional => config.network.head != Head::Scalar,
        }
    }

    /// Switches this part off, and removes the keys that no longer apply.
    fn take_from(self, config: &mut TrainConfig) {
        match self {
            Self::Replay => config.replay.kind = ReplayKind::None,
            Self::Prioritized => config.replay.kind = ReplayKind::Uniform,
            Self::TargetNetwork => {
                let target = &mut config.target_network;
                target.kind = TargetNetworkKind::None;
                (target.every_episodes, target.every_steps) = (None, None);
            }
            Self::Double => config.agent.target = TargetKind::Max,
            Self::NStep => config.agent.n_step = 1,
            Self::Dueling => config.network.dueling = false,
            Self::Noisy => {
                config.network.noisy = false;
                let exploration = &mut config.exploration;
                // Where the noise explored, another exploration rule is needed.
                let explores = exploration.kind != ExplorationKind::Noisy && exploration.epsilon.range().1 > 0.0;
                exploration.kind = ExplorationKind::EpsilonGreedy;
                if !explores {
                    exploration.epsilon = Schedule::Constant(0.05);
                }
            }
            Self::Distributional => config.network.head = Head::Scalar,
        }
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let known: Vec<&str> = Self::ALL.iter().map(|part| part.name()).collect();
        let part = Self::ALL.into_iter().find(|part| part.name() == name);
        part.ok_or_else(|| refused(format!("{name} is unknown: {}", suggest::remedy(name, &known))))
    }
}

/// Every combination of `parts` being on and off (two to the power of their number), the complete algorithm first.
///
/// # Errors
/// [`Error::Setting`] where a part is named twice or is not in the configuration, or where two parts exclude each
/// other.
pub fn variants(config: &TrainConfig, parts: &[Part]) -> Result<Vec<Variant>, Error> {
    for (i, part) in parts.iter().enumerate() {
        if parts[..i].contains(part) {
            return Err(refused(format!("{} is named twice: name it once", part.name())));
        }
        if !part.is_on(config) {
            return Err(refused(format!("the configuration does not have {}: switch it on first", part.name())));
        }
    }
    if parts.contains(&Part::Replay) && parts.contains(&Part::Prioritized) {
        let message = "without replay there are no priorities: name only one of replay and prioritized";
        return Err(refused(message.to_owned()));
    }
    let combination = |bits: usize| {
        let off: Vec<Part> =
            parts.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, part)| *part).collect();
        let mut config = config.clone();
        off.iter().for_each(|part| part.take_from(&mut config));
        let name: Vec<String> = off.iter().map(|part| format!("no-{}", part.name())).collect();
        Variant { name: if off.is_empty() { "all".to_owned() } else { name.join("-") }, label: label(&off), config }
    };
    Ok((0..1 << parts.len()).map(combination).collect())
}

/// The legend entry of the combination without these parts.
pub fn label(off: &[Part]) -> String {
    let words: Vec<&str> = off.iter().map(|part| part.words()).collect();
    if off.is_empty() { "everything on".to_owned() } else { format!("without {}", words.join(" and ")) }
}

/// The parts that are off in the combination whose directory has this name; `None` for other names.
#[cfg(any(test, feature = "plot"))]
fn parts_without(name: &str) -> Option<Vec<Part>> {
    if name == "all" {
        return Some(Vec::new());
    }
    let names = name.strip_prefix("no-")?.split("-no-");
    names.map(|name| Part::ALL.into_iter().find(|part| part.name() == name)).collect()
}

/// The combinations of an ablation in these directories, with the parts that are off, the complete algorithm first. `None`
/// if one of the names is not that of a combination.
#[cfg(feature = "plot")]
pub(crate) fn combinations(directories: &[PathBuf]) -> Option<Vec<(PathBuf, Vec<Part>)>> {
    let combination = |path: &PathBuf| Some((path.clone(), parts_without(&name(path))?));
    let mut found: Vec<_> = directories.iter().map(combination).collect::<Option<_>>()?;
    found.sort_by_cached_key(|(_, parts)| (parts.len(), parts.clone()));
    Some(found)
}

fn refused(message: String) -> Error {
    invalid("ablated part", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;

    #[test]
    fn two_parts_make_four_valid_configurations() {
        for preset in ["textbook", "tuned", "dqn"] {
            let config = TrainConfig::preset(preset).build().unwrap();
            let variants = variants(&config, &[Part::Replay, Part::TargetNetwork]).unwrap();
            let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
            assert_eq!(names, ["all", "no-replay", "no-target_network", "no-replay-no-target_network"]);
            assert_eq!(variants[0].config, config);
            assert_eq!(variants[3].label, "without replay and target network");
            for variant in &variants {
                assert_eq!(label(&parts_without(&variant.name).unwrap()), variant.label);
            }
            variants.iter().for_each(|variant| variant.config.validate().unwrap());
        }
    }

    #[test]
    fn every_part_can_be_taken_from_what_has_it() {
        for part in Part::ALL {
            assert_eq!(part.name().parse::<Part>().unwrap(), part);
            let mut config = TrainConfig::preset("rainbow").build().unwrap();
            assert!(part.is_on(&config), "{part:?}");
            part.take_from(&mut config);
            assert!(!part.is_on(&config), "{part:?}");
            config.validate().unwrap();
        }
    }

    #[test]
    fn another_name_is_no_combination() {
        for name in ["runs", "no-", "no-sleep", "all-no-replay", "no-replay-double"] {
            assert_eq!(parts_without(name), None, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_ablated_is_refused_with_the_reason() {
        let config = TrainConfig::preset("textbook").build().unwrap();
        for (parts, expected) in [
            (&[Part::Double][..], "ablated part: the configuration does not have double"),
            (&[Part::Replay, Part::Replay], "ablated part: replay is named twice"),
        ] {
            let message = variants(&config, parts).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
        assert!("replai".parse::<Part>().unwrap_err().to_string().contains("did you mean replay?"));
        let prioritized = TrainConfig::preset("per").build().unwrap();
        assert!(variants(&prioritized, &[Part::Replay, Part::Prioritized]).is_err());
    }
}
