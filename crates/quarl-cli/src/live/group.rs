//! Many runs that are being trained: experiments, comparisons, and directories of runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quarl::Error;
use quarl::experiment::run_directories;
use quarl::run::{Contents, Holder, RunFollower, Summary};

use super::curve::Curve;
use crate::progress::Tally;

/// The number of parts of the budget for which the mean over the runs is computed.
const PARTS: usize = 100;

/// The interval in which new directories are looked for, and runs that have ended are read again.
const RESCAN: Duration = Duration::from_secs(2);

/// What a run is doing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RunStatus {
    /// Its directory has no configuration yet.
    NotStarted,
    Running,
    /// It has no summary, and no process trains it.
    Unfinished,
    Interrupted,
    Complete {
        greedy_mean: Option<f64>,
    },
    Failed(String),
    /// Its files cannot be read.
    Unreadable(String),
}

impl RunStatus {
    /// The status of a run in `dir` with this summary.
    pub(crate) fn of(dir: &Path, summary: Option<&Summary>) -> Self {
        match summary {
            Some(Summary { error: Some(error), .. }) => Self::Failed(error.clone()),
            Some(Summary { interrupted: true, .. }) => Self::Interrupted,
            Some(summary) => Self::Complete { greedy_mean: summary.greedy_mean },
            None => match Holder::of(dir) {
                Some(holder) if holder.is_running != Some(false) => Self::Running,
                _ => Self::Unfinished,
            },
        }
    }

    /// The status in a word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::NotStarted => "not started",
            Self::Running => "running",
            Self::Unfinished => "unfinished",
            Self::Interrupted => "interrupted",
            Self::Complete { .. } => "complete",
            Self::Failed(_) => "failed",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

/// A run of a group.
pub(crate) struct Member {
    pub(crate) seed: u64,
    /// The environment's id; empty before the run starts.
    env: String,
    follower: RunFollower,
    pub(crate) tally: Tally,
    pub(crate) status: RunStatus,
    summary: Option<Summary>,
    /// The sum and the number of the returns in each part of the budget.
    parts: Vec<(f64, u64)>,
    polled: Option<Instant>,
}

impl Member {
    fn new(seed: u64, dir: &Path) -> Self {
        Self {
            seed,
            env: String::new(),
            follower: RunFollower::new(dir),
            tally: Tally::default(),
            status: RunStatus::NotStarted,
            summary: None,
            parts: Vec::new(),
            polled: None,
        }
    }

    /// Reads what is new; returns whether there is more. Runs that have ended are read now and then.
    fn poll(&mut self) -> bool {
        let has_ended = self.summary.is_some();
        if has_ended && self.polled.is_some_and(|polled| polled.elapsed() < RESCAN) {
            return false;
        }
        self.polled = Some(Instant::now());
        let update = match self.follower.poll() {
            Ok(update) => update,
            Err(error) => {
                (self.status, self.summary) = (RunStatus::Unreadable(error.to_string()), None);
                return false;
            }
        };
        if update.is_absent {
            (self.status, self.summary) = (RunStatus::NotStarted, None);
            return false;
        }
        if let Some(config) = &update.started {
            self.tally = Tally::new(&config.training);
            (self.summary, self.parts) = (None, vec![(0.0, 0); PARTS]);
            (self.seed, self.env) = (config.training.seed, config.env.id.clone());
        }
        for record in &update.episodes {
            self.tally.episode(record);
            let position = if self.tally.counts_steps { record.env_steps.saturating_sub(1) } else { record.episode };
            let part = (position as f64 / self.tally.budget.max(1) as f64 * PARTS as f64) as usize;
            let (sum, count) = &mut self.parts[part.min(PARTS - 1)];
            *sum += record.total_reward;
            *count += 1;
        }
        for row in &update.evaluations {
            self.tally.evaluation(row.episodes, row.mean_return, row.best);
        }
        if let Some(summary) = update.summary {
            (self.tally.episodes, self.tally.env_steps) = (summary.episodes, summary.env_steps);
            self.summary = Some(*summary);
        }
        self.status = RunStatus::of(self.follower.dir(), self.summary.as_ref());
        update.has_more
    }

    /// The share of the run's work that is done.
    pub(crate) fn share(&self) -> f64 {
        if matches!(self.status, RunStatus::Complete { .. } | RunStatus::Failed(_)) { 1.0 } else { self.tally.share() }
    }
}

/// The runs of one configuration.
pub(crate) struct Group {
    pub(crate) name: String,
    dir: PathBuf,
    /// Whether the directory is that of an experiment; otherwise it is a single run.
    is_experiment: bool,
    pub(crate) members: Vec<Member>,
    /// The number of seeds that other groups have and this one lacks.
    missing: usize,
}

/// The numbers of runs of a group by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) complete: usize,
    pub(crate) running: usize,
    pub(crate) failed: usize,
    pub(crate) unreadable: usize,
    /// Runs that were interrupted or killed.
    pub(crate) unfinished: usize,
    /// Seeds without a directory or a configuration, as far as that is known.
    pub(crate) missing: usize,
}

impl Counts {
    /// The counts as text, without those that are zero.
    pub(crate) fn text(&self) -> String {
        let Self { complete, running, failed, unreadable, unfinished, missing } = *self;
        let others = [
            (running, "running"),
            (failed, "failed"),
            (unreadable, "unreadable"),
            (unfinished, "unfinished"),
            (missing, "missing"),
        ];
        let others = others.into_iter().filter(|(count, _)| *count > 0);
        let all = std::iter::once((complete, "complete")).chain(others);
        all.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    }

    /// Whether every run has ended.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete + self.failed > 0 && self.running + self.unreadable + self.unfinished + self.missing == 0
    }

    pub(crate) fn sum(counts: impl Iterator<Item = Self>) -> Self {
        counts.fold(Self::default(), |sum, counts| Self {
            complete: sum.complete + counts.complete,
            running: sum.running + counts.running,
            failed: sum.failed + counts.failed,
            unreadable: sum.unreadable + counts.unreadable,
            unfinished: sum.unfinished + counts.unfinished,
            missing: sum.missing + counts.missing,
        })
    }
}

impl Group {
    fn new(name: String, dir: PathBuf, is_experiment: bool) -> Self {
        let members = if is_experiment { Vec::new() } else { vec![Member::new(0, &dir)] };
        Self { name, dir, is_experiment, members, missing: 0 }
    }

    fn rescan(&mut self) {
        if !self.is_experiment {
            return;
        }
        // While the directory is removed or not yet complete, there are no runs.
        let found = run_directories(&self.dir).unwrap_or_default();
        self.members.retain(|member| found.iter().any(|(seed, _)| *seed == member.seed));
        for (seed, dir) in found {
            if let Err(at) = self.members.binary_search_by_key(&seed, |member| member.seed) {
                self.members.insert(at, Member::new(seed, &dir));
            }
        }
    }

    /// The environment's id; empty before a run starts.
    pub(crate) fn env(&self) -> &str {
        self.members.iter().map(|member| &*member.env).find(|env| !env.is_empty()).unwrap_or_default()
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts { missing: self.missing, ..Counts::default() };
        for member in &self.members {
            *match member.status {
                RunStatus::NotStarted => &mut counts.missing,
                RunStatus::Running => &mut counts.running,
                RunStatus::Unfinished | RunStatus::Interrupted => &mut counts.unfinished,
                RunStatus::Complete { .. } => &mut counts.complete,
                RunStatus::Failed(_) => &mut counts.failed,
                RunStatus::Unreadable(_) => &mut counts.unreadable,
            } += 1;
        }
        counts
    }

    /// The mean learning curve so far: in each part of the budget, the mean over the runs that have reached it.
    pub(crate) fn mean_curve(&self) -> Curve {
        let mut curve = Curve::default();
        let budget = self.members.iter().map(|member| member.tally.budget).max().unwrap_or(0);
        for part in 0..PARTS {
            let reached =
                self.members.iter().filter_map(|member| member.parts.get(part).filter(|(_, count)| *count > 0));
            if let Some(mean) = mean(reached.map(|(sum, count)| sum / *count as f64)) {
                curve.push((part as f64 + 0.5) / PARTS as f64 * budget as f64, mean);
            }
        }
        curve
    }

    /// The mean over the runs of a value that some of them have.
    pub(crate) fn mean_of(&self, value: impl Fn(&Member) -> Option<f64>) -> Option<f64> {
        mean(self.members.iter().filter_map(value))
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// All groups in a directory.
pub(crate) struct Groups {
    dir: PathBuf,
    pub(crate) groups: Vec<Group>,
    scanned: Option<Instant>,
    /// The run that is read next.
    next: usize,
}

impl Groups {
    /// Follows what is in `dir`, which [`Contents`] says holds an experiment or several results.
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), groups: Vec::new(), scanned: None, next: 0 }
    }

    /// Reads what is new for about as long as `budget`; returns whether there is more.
    ///
    /// # Errors
    /// Those of [`Contents::of`].
    pub(crate) fn poll(&mut self, budget: Duration) -> Result<bool, Error> {
        let started = Instant::now();
        if self.scanned.is_none_or(|scanned| scanned.elapsed() >= RESCAN) {
            self.rescan()?;
            self.scanned = Some(Instant::now());
        }
        let mut members: Vec<&mut Member> = self.groups.iter_mut().flat_map(|group| &mut group.members).collect();
        let count = members.len();
        // Every run in turn; a run with more to read does not hold up the others.
        let mut has_more = false;
        for _ in 0..count {
            self.next = (self.next + 1) % count;
            has_more |= members[self.next].poll();
            if started.elapsed() >= budget {
                return Ok(true);
            }
        }
        Ok(has_more)
    }

    fn rescan(&mut self) -> Result<(), Error> {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let found = match Contents::of(&self.dir)? {
            Contents::Experiment => vec![(self.dir.clone(), true)],
            Contents::Several { results, .. } => {
                let kind = |dir: PathBuf| {
                    let is_experiment = dir.join("runs").is_dir();
                    (dir, is_experiment)
                };
                results.into_iter().map(kind).collect()
            }
            _ => Vec::new(),
        };
        self.groups.retain(|group| found.iter().any(|(dir, _)| *dir == group.dir));
        for (at, (dir, is_experiment)) in found.into_iter().enumerate() {
            if self.groups.get(at).is_none_or(|group| group.dir != dir) {
                self.groups.insert(at, Group::new(name(&dir), dir, is_experiment));
            }
        }
        self.groups.iter_mut().for_each(Group::rescan);
        self.count_missing();
        Ok(())
    }

    /// Counts, for each experiment, the seeds that are missing between its own, or that another experiment here has.
    fn count_missing(&mut self) {
        let experiments = || self.groups.iter().filter(|group| group.is_experiment);
        let seeds = || experiments().flat_map(|group| group.members.iter().map(|member| member.seed));
        let (Some(first), Some(last)) = (seeds().min(), seeds().max()) else { return };
        let expected = usize::try_from(last - first + 1).unwrap_or(usize::MAX);
        for group in self.groups.iter_mut().filter(|group| group.is_experiment) {
            group.missing = expected.saturating_sub(group.members.len());
        }
    }

    /// The share of the work of the known runs that is done.
    pub(crate) fn share(&self) -> f64 {
        let members = || self.groups.iter().flat_map(|group| &group.members);
        let missing: usize = self.groups.iter().map(|group| group.missing).sum();
        let count = members().count() + missing;
        if count == 0 { 0.0 } else { members().map(Member::share).sum::<f64>() / count as f64 }
    }

    /// Why a run cannot be read, or has failed.
    pub(crate) fn problem(&self) -> Option<String> {
        let mut members = self.groups.iter().flat_map(|group| group.members.iter().map(move |member| (group, member)));
        members.find_map(|(group, member)| match &member.status {
            RunStatus::Failed(error) | RunStatus::Unreadable(error) => {
                Some(format!("{}, seed {}: {error}", group.name, member.seed))
            }
            _ => None,
        })
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts::sum(self.groups.iter().map(Group::counts))
    }
}
