//! What a path holds: a run, an experiment, or a directory of several of these.

use std::fs;
use std::path::{Path, PathBuf};

use crate::ablation;
use crate::error::Error;
use crate::run_dir;

/// The results in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultsDir {
    /// One run.
    Run,
    /// The runs of one configuration, below `runs/`.
    Experiment,
    /// An ablation: one experiment for each combination of parts, the complete algorithm first.
    Ablation(Vec<PathBuf>),
    /// Runs and experiments, each in a directory of its own, in order of their names.
    Several(Vec<PathBuf>),
}

impl ResultsDir {
    /// What `dir` holds.
    ///
    /// # Errors
    /// [`Error::File`] where it is no directory or holds none of these; [`Error::Io`] where it cannot be read.
    pub fn of(dir: &Path) -> Result<Self, Error> {
        let refused = |message: &str| Err(Error::File { path: dir.to_owned(), message: message.to_owned() });
        if !dir.is_dir() {
            return refused(match dir.exists() {
                true => "this is a file; name the directory of a run or an experiment",
                false => "there is no such file or directory",
            });
        }
        if let Some(contents) = Self::of_results(dir) {
            return Ok(contents);
        }
        let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?;
        let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        found.retain(|path| Self::of_results(path).is_some());
        if found.is_empty() {
            return refused(
                "this directory holds no run and no experiment (neither it nor its directories have a config.toml)",
            );
        }
        found.sort_by_cached_key(|path| natural(&name(path)));
        let place = |path: &PathBuf| ablation::parts_without(&name(path));
        let places: Option<Vec<_>> = found.iter().map(place).collect();
        Ok(match places {
            None => Self::Several(found),
            Some(_) => {
                found.sort_by_cached_key(|path| place(path).map(|parts| (parts.len(), parts)));
                Self::Ablation(found)
            }
        })
    }

    /// What a directory with a configuration of its own holds.
    fn of_results(dir: &Path) -> Option<Self> {
        if !dir.join(run_dir::CONFIG).is_file() {
            return None;
        }
        Some(if dir.join("runs").is_dir() { Self::Experiment } else { Self::Run })
    }
}

/// A path's last component.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A key that sorts names as a reader expects: `seed-9` before `seed-10`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        parts.push((text.to_owned(), tail[..end].parse().unwrap_or(u64::MAX)));
        rest = &tail[end..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_their_numbers() {
        let mut names = ["b-seed10", "b-seed9", "a", "b-seed9-2"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["a", "b-seed9", "b-seed9-2", "b-seed10"]);
    }

    #[test]
    fn a_directory_says_what_it_holds() {
        let here = tempfile::tempdir().unwrap();
        let root = here.path();
        let add = |path: &str| {
            fs::create_dir_all(root.join(path)).unwrap();
            fs::write(root.join(path).join(run_dir::CONFIG), "").unwrap();
        };
        assert!(ResultsDir::of(root).unwrap_err().to_string().contains("holds no run and no experiment"));
        assert!(ResultsDir::of(&root.join("absent")).unwrap_err().to_string().contains("no such file"));
        add("runs/x-seed0");
        add("runs/x-seed1");
        add("exp");
        add("exp/runs/seed-0");
        for name in ["all", "no-replay", "no-target_network", "no-replay-no-target_network"] {
            add(&format!("why/{name}/runs/seed-0"));
            add(&format!("why/{name}"));
        }
        let paths = |base: &str, names: &[&str]| names.iter().map(|name| root.join(base).join(name)).collect();
        assert_eq!(ResultsDir::of(&root.join("exp")).unwrap(), ResultsDir::Experiment);
        assert_eq!(ResultsDir::of(&root.join("runs/x-seed0")).unwrap(), ResultsDir::Run);
        assert_eq!(
            ResultsDir::of(&root.join("runs")).unwrap(),
            ResultsDir::Several(paths("runs", &["x-seed0", "x-seed1"]))
        );
        assert_eq!(
            ResultsDir::of(&root.join("why")).unwrap(),
            ResultsDir::Ablation(paths(
                "why",
                &["all", "no-replay", "no-target_network", "no-replay-no-target_network"]
            ))
        );
        assert!(ResultsDir::of(&root.join("exp/config.toml")).unwrap_err().to_string().contains("this is a file"));
    }
}
