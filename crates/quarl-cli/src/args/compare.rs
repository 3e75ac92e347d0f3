//! The arguments of `quarl compare`.

use clap::Args;

use super::{ManyRunsArgs, SettingArgs, TrustArgs, whole};

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Configurations: names of presets, or complete TOML files. The first one is the baseline of the comparison
    #[arg(required = true, value_name = "PRESET|FILE")]
    pub(crate) configurations: Vec<String>,
    /// Environments, separated by commas [default: the environment of each configuration]
    #[arg(long, value_name = "ENV,..", value_delimiter = ',')]
    pub(crate) envs: Vec<String>,
    /// Train with each of these values of a key, such as network.layer_norm=true,false. Several sweeps are combined
    #[arg(long, value_name = "KEY=VALUE,..", value_parser = sweep)]
    pub(crate) sweep: Vec<(String, Vec<String>)>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// Number of runs of each configuration on each environment, with successive seeds
    #[arg(long, default_value_t = 10, value_parser = whole::<u64, 1, 1_000_000>)]
    pub(crate) runs: u64,
    /// Returns that are the scores 0 and 1 when scores are averaged over environments: "threshold" for the mean return of
    /// random play and the environment's threshold, or ENV=LOW:HIGH for each environment
    #[arg(long, value_name = "RANGE", value_parser = normalize)]
    pub(crate) normalize: Vec<Normalize>,
    #[command(flatten)]
    pub(crate) many: ManyRunsArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

/// The returns that are the scores 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Normalize {
    /// Of random play, and the threshold.
    Threshold,
    /// Given for an environment.
    Given(String, [f64; 2]),
}

fn normalize(text: &str) -> Result<Normalize, String> {
    if text == "threshold" {
        return Ok(Normalize::Threshold);
    }
    let expected = || "expected threshold, or ENV=LOW:HIGH such as CartPole-v1=20:475".to_owned();
    let (env, range) = text.split_once('=').ok_or_else(expected)?;
    let (low, high) = range.split_once(':').ok_or_else(expected)?;
    let [low, high] = [low, high].map(|end| end.trim().parse::<f64>().ok().filter(|end| end.is_finite()));
    match (low, high) {
        (Some(low), Some(high)) if low < high => Ok(Normalize::Given(env.trim().to_owned(), [low, high])),
        _ => Err(format!("{}, with LOW below HIGH", expected())),
    }
}

/// A key and its values. Commas within brackets belong to a value.
fn sweep(text: &str) -> Result<(String, Vec<String>), String> {
    let expected = || "expected KEY=VALUE,VALUE,.. such as agent.n_step=1,3".to_owned();
    let (key, list) = text.split_once('=').ok_or_else(expected)?;
    let (mut values, mut depth) = (vec![String::new()], 0_i32);
    for letter in list.chars() {
        depth += i32::from("[{".contains(letter)) - i32::from("]}".contains(letter));
        match letter {
            ',' if depth == 0 => values.push(String::new()),
            letter => values.last_mut().into_iter().for_each(|value| value.push(letter)),
        }
    }
    let values: Vec<String> = values.iter().map(|value| value.trim().to_owned()).collect();
    if key.trim().is_empty() || values.iter().any(String::is_empty) {
        return Err(expected());
    }
    Ok((key.trim().to_owned(), values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_has_a_key_and_values() {
        let values = |text: &str| sweep(text).map(|(_, values)| values);
        assert_eq!(
            sweep("agent.n_step=1, 3").unwrap(),
            ("agent.n_step".to_owned(), vec!["1".to_owned(), "3".to_owned()])
        );
        assert_eq!(values("network.hidden=[64, 64],[128]").unwrap(), ["[64, 64]", "[128]"]);
        assert_eq!(values("optimizer.lr={ kind = \"linear\", from = 1, to = 0 },1e-3").unwrap().len(), 2);
        assert!(values("agent.n_step").is_err() && values("agent.n_step=").is_err() && values("=1").is_err());
        assert!(values("agent.n_step=1,,3").is_err());
    }

    #[test]
    fn normalisation_is_by_threshold_or_given() {
        assert_eq!(normalize("threshold").unwrap(), Normalize::Threshold);
        assert_eq!(normalize("gym:A=-3:1e2").unwrap(), Normalize::Given("gym:A".to_owned(), [-3.0, 100.0]));
        assert!(["A", "A=1", "A=2:1", "A=x:1", "A=nan:1"].iter().all(|text| normalize(text).is_err()));
    }
}
