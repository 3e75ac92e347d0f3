//! Short, distinct names for a legend.

use std::path::{Path, PathBuf};

/// For each path, as many of its last components as distinguish it from the others.
pub(super) fn distinct(paths: &[PathBuf]) -> Vec<String> {
    let components: Vec<Vec<String>> = paths.iter().map(|path| components(path)).collect();
    let tail = |path: &[String], depth: usize| path[path.len().saturating_sub(depth)..].join("/");
    let name = |path: &Vec<String>| {
        let alike =
            |depth: usize| components.iter().any(|other| other != path && tail(other, depth) == tail(path, depth));
        let depth = (1..=path.len()).find(|&depth| !alike(depth)).unwrap_or(path.len());
        tail(path, depth)
    };
    components.iter().map(name).collect()
}

/// Appends a number to each name that occurred before.
pub(super) fn number_repeated(names: &mut [String]) {
    let mut given: Vec<String> = Vec::new();
    for name in names {
        let mut numbered = name.clone();
        for count in 2.. {
            if !given.contains(&numbered) {
                break;
            }
            numbered = format!("{name} ({count})");
        }
        given.push(numbered.clone());
        *name = numbered;
    }
}

/// The common name of runs with different seeds: `CartPole-v0-dqn` for `CartPole-v0-dqn-seed0` and `CartPole-v0-dqn-seed1`;
/// `None` if they have no common name.
pub(super) fn without_seed(names: &[String]) -> Option<String> {
    let (first, others) = names.split_first()?;
    if others.is_empty() {
        return Some(first.clone());
    }
    let common = |a: &str, b: &str| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    let prefix: String = others.iter().fold(first.clone(), |prefix, name| common(&prefix, name));
    let prefix = prefix.trim_end_matches(|c: char| c.is_ascii_digit());
    let separator = ['-', '_', ' ', '.'];
    let prefix = prefix.trim_end_matches(separator);
    let prefix = prefix.strip_suffix("seed").unwrap_or(prefix).trim_end_matches(separator);
    (!prefix.is_empty()).then(|| prefix.to_owned())
}

fn components(path: &Path) -> Vec<String> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let text = |part: std::path::Component| match part {
        std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    };
    path.components().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn paths_get_as_many_components_as_tell_them_apart() {
        let paths = ["/a/x/dqn", "/b/x/dqn", "/b/y/dqn", "/b/c51"].map(PathBuf::from);
        assert_eq!(distinct(&paths), ["a/x/dqn", "b/x/dqn", "y/dqn", "c51"]);
        let same = ["/a/dqn", "/a/dqn"].map(PathBuf::from);
        assert_eq!(distinct(&same), ["dqn", "dqn"]);
        assert_eq!(distinct(&["/dqn", "/a/dqn"].map(PathBuf::from)), ["dqn", "a/dqn"]);
    }

    #[test]
    fn repeated_names_are_numbered() {
        let mut names = strings(&["a", "b", "a", "a"]);
        number_repeated(&mut names);
        assert_eq!(names, ["a", "b", "a (2)", "a (3)"]);
    }

    #[test]
    fn runs_of_several_seeds_are_named_for_what_they_share() {
        assert_eq!(without_seed(&strings(&["x-dqn-seed0", "x-dqn-seed1"])).unwrap(), "x-dqn");
        assert_eq!(without_seed(&strings(&["x-seed10", "x-seed11"])).unwrap(), "x");
        assert_eq!(without_seed(&strings(&["seed-0", "seed-1"])), None);
        assert_eq!(without_seed(&strings(&["alone-seed3"])).unwrap(), "alone-seed3");
    }
}
