//! `quarl import`: reads an agent of Stable-Baselines3.

use anyhow::{Context, Result};

use quarl::import::Imported;
use quarl::run::{self, RunWriter};
use quarl::train::Trainer;

use crate::args::{ImportArgs, asked_for};
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: ImportArgs) -> Result<Outcome> {
    let Imported { model, mut config, defaults } = Imported::load(&args.archive, &args.env)?;
    config.env = args.gym.config(config.env)?;
    asked_for(&config.env);
    interrupt::listen();
    // A run with these settings checks that network and environment fit, and completes what depends on the environment.
    let id = config.env.id.clone();
    let trainer = Trainer::builder(config).initial_model(model).stop_flag(interrupt::stop_flag()).build();
    let trainer = trainer.with_context(|| format!("{} with {id}", args.archive.display()))?;
    let writer = RunWriter::create(&args.out, args.force, trainer.config())?;
    trainer.model().save(&writer.dir().join(run::MODEL))?;
    if !defaults.is_empty() {
        output::warning(&format!(
            "the archive does not hold these settings as numbers, or quarl does not have them, so {} has Stable-Baselines3's \
             defaults: {}",
            run::CONFIG,
            defaults.join(", ")
        ));
    }
    let layers: Vec<String> = trainer.config().network.hidden.iter().map(usize::to_string).collect();
    let hidden = if layers.is_empty() {
        "no hidden layers".to_owned()
    } else {
        format!("hidden layers of {} units", layers.join(", "))
    };
    output::line(format!("imported an agent for {} with {hidden}: {}", trainer.config().env.id, args.out.display()));
    Ok(Outcome::Done)
}
