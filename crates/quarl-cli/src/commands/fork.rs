//! `quarl fork`: a run that branches off another one.

use anyhow::Result;
use quarl::config::TrainConfig;
use quarl::run;
use quarl::timeline::{self, Timeline};

use super::train;
use crate::args::{self, ForkArgs, TrainArgs};
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: ForkArgs) -> Result<Outcome> {
    interrupt::listen();
    let timeline = Timeline::open(&args.run, interrupt::stop_flag())?;
    args.trust.check(&timeline.config().env, &args.run)?;
    let path = args.run.join(run::CONFIG);
    let mut builder = TrainConfig::builder().file(&path.display().to_string(), &args::read(&path)?);
    builder = builder.assign_all(&args.assignments);
    for (key, value) in [("training.episodes", args.episodes), ("training.steps", args.steps)] {
        if let Some(value) = value {
            builder = builder.set(key, value);
        }
    }
    let config = builder.build()?;
    args.trust.check(&config.env, &path)?;
    let (trainer, writer) = timeline::fork(&timeline, args.at, config, &args.out, args.force)?;
    if !args.json && !args.quiet {
        output::line(format!(
            "{} shares {} environment steps with {}",
            args.out.display(),
            args.at,
            args.run.display()
        ));
    }
    train::complete(&TrainArgs { json: args.json, quiet: args.quiet, ..TrainArgs::default() }, trainer, writer)
}
