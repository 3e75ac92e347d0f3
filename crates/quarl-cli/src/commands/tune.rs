//! `quarl tune`: searches for settings, in trials of several seeds each.

mod report;

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use quarl::config::TrainConfig;
use quarl::config::reference::{self, Entry};
use quarl::experiment::Shard;
use quarl::tune::{Plan, Space, StudyEvent, StudySummary};

use super::experiment::report::Audience;
use crate::args::{TuneArgs, command_line, read};
use crate::output::Usage;
use crate::{Outcome, interrupt, output};
use report::Report;

pub(crate) fn run(args: TuneArgs) -> Result<Outcome> {
    let config = args.config.resolve()?.config;
    let space = space(&args, &config)?;
    if args.print_space {
        print_space(&space);
        return Ok(Outcome::Done);
    }
    interrupt::listen();
    let plan = Plan::new(config, space, args.out())
        .trials(args.trials)
        .seeds_per_trial(args.seeds_per_trial)
        .jobs(args.jobs())
        .sampler(args.sampler.into())
        .pruner(args.pruner.into())
        .score_episodes(args.score_episodes)
        .confirmations(args.confirm)
        .shard(args.shard.unwrap_or(Shard::ALL))
        .command(command_line())
        .stop_flag(interrupt::stop_flag());
    run_plan(plan, Audience::of(args.quiet, args.json))
}

/// The search space: that of the file, or the default without the keys that the command sets.
fn space(args: &TuneArgs, config: &TrainConfig) -> Result<Space> {
    let assignments = &args.config.settings.assignments;
    let assigned: Vec<&str> =
        assignments.iter().filter_map(|assignment| Some(assignment.split_once('=')?.0.trim())).collect();
    let Some(path) = &args.space else {
        let space = assigned.iter().fold(Space::default_for(config), |space, key| space.without(key));
        if space.parameters().is_empty() {
            let message =
                "--set sets every key of the default space: set fewer, or give other keys to search with --space";
            return Err(Usage(message.to_owned()).into());
        }
        return Ok(space);
    };
    let space = Space::parse(&path.display().to_string(), &read(path)?, config)?;
    match assigned.iter().find(|key| space.parameters().iter().any(|parameter| parameter.key == **key)) {
        Some(key) => Err(Usage(format!("{key} is given with --set and searched by --space: remove one")).into()),
        None => Ok(space),
    }
}

/// Prints a space with the meaning of each key.
fn print_space(space: &Space) {
    output::line("[space]");
    for parameter in space.parameters() {
        let outer = parameter.key.rsplit_once('.').map_or("", |(outer, _)| outer);
        if let Ok(Entry::Key(key)) = reference::find(&parameter.key).or_else(|_| reference::find(outer)) {
            output::line(format!("# {}", key.meaning));
        }
        output::line(format!("\"{}\" = {}", parameter.key, parameter.values));
    }
}

/// Runs what is missing, writes the results and reports them.
fn run_plan(plan: Plan, audience: Audience) -> Result<Outcome> {
    let study = plan.open()?;
    let mut report = Report::new(audience, &study);
    let mut unfinished = BTreeSet::new();
    interrupt::end_at_once(false);
    let mut runs = study.start()?;
    for event in &mut runs {
        let event = event?;
        report.take(&event);
        if let StudyEvent::Unfinished { trial, seed, error } = event {
            unfinished.insert(format!("trial {trial}, seed {seed}: {error}"));
        }
    }
    report.end_progress();
    drop(runs);
    // The journal holds everything now; everything after this can be repeated.
    interrupt::end_at_once(true);
    if interrupt::requested() {
        report.interrupted();
        return Ok(Outcome::Interrupted);
    }
    let summary = study.results()?;
    report.result(&summary);
    match failure(&summary, &unfinished) {
        None => Ok(Outcome::Done),
        Some(failure) => Err(anyhow!(failure)),
    }
}

/// Why a study with these results is not a success. Failed trials are part of a search.
fn failure(summary: &StudySummary, unfinished: &BTreeSet<String>) -> Option<String> {
    if let Some(first) = unfinished.first() {
        let runs = if unfinished.len() == 1 { "1 run" } else { &format!("{} runs", unfinished.len()) };
        return Some(format!("{runs} did not end ({first}); the same command runs them again"));
    }
    if summary.best.is_none() && summary.missing == 0 {
        return Some("no trial is complete: trials.csv has the reasons".to_owned());
    }
    let failed = &summary.confirmation.as_ref()?.failed;
    let first = failed.first()?;
    Some(format!("{} of the runs with fresh seeds failed (seed {}: {})", failed.len(), first.seed, first.error))
}
