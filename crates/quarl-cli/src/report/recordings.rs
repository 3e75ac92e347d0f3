//! Recordings of the agents, as GIFs within the page.

use std::path::Path;

use anyhow::bail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use quarl::env::MakeOptions;
use quarl::evaluate::step_limit;
use quarl::policy::Policy;
use quarl::rng::Stream;
use quarl::run::record_greedy_episode;
use quarl::trained::{SavedModel, TrainedAgent};

use crate::args::TrustArgs;
use crate::interrupt;

/// The number of bytes that all recordings of a page may have together: with figures and tables, a page stays below 5 MB.
const BUDGET: usize = 2_400_000;

/// Plays agents and records them while the page has space.
pub(super) struct Recordings {
    /// The number of bytes that are left; `None` if nothing is recorded.
    left: Option<usize>,
    trust: TrustArgs,
}

impl Recordings {
    pub(super) fn new(enabled: bool, trust: TrustArgs) -> Self {
        Self { left: enabled.then_some(BUDGET), trust }
    }

    /// The recordings of several agents, each with its description.
    pub(super) fn gallery(&mut self, agents: &[(String, std::path::PathBuf)]) -> Markup {
        if self.left.is_none() {
            return html! {};
        }
        let shown: Vec<(&str, Result<String, String>)> =
            agents.iter().map(|(description, run)| (description.as_str(), self.play(run))).collect();
        let films = shown.iter().filter_map(|(description, film)| Some((description, film.as_ref().ok()?)));
        let mut reasons: Vec<&String> = shown.iter().filter_map(|(_, film)| film.as_ref().err()).collect();
        reasons.dedup();
        html! {
            h3 { "The agents" }
            div .films {
                @for (description, film) in films {
                    figure .film { img src=(film) alt=(format!("{description}, as an animation")) width="300" height="200";
                        figcaption { (description) } }
                }
            }
            @for reason in reasons { p .note { (reason) } }
        }
    }

    /// The first episode of the closing evaluation, as the address of an image with its data.
    fn play(&mut self, run: &Path) -> Result<String, String> {
        let left = self
            .left
            .as_mut()
            .filter(|left| **left > 0)
            .ok_or("Further agents are left out, to keep this page small.")?;
        let gif = record(run, self.trust).map_err(|error| format!("{} is not shown: {error:#}", run.display()))?;
        let text = format!("data:image/gif;base64,{}", STANDARD.encode(gif));
        if text.len() > *left {
            *left = 0;
            return Err("Further agents are left out, to keep this page small.".to_owned());
        }
        *left -= text.len();
        Ok(text)
    }
}

fn record(run: &Path, trust: TrustArgs) -> anyhow::Result<Vec<u8>> {
    let agent = TrainedAgent::load(run, SavedModel::Last)?;
    if !trust.allows(&agent.env) {
        bail!("its environment is a Python program, which quarl report --trust starts");
    }
    let options = MakeOptions { rendering: true, stop: interrupt::stop_flag() };
    let mut env = agent.make_environment(&options)?;
    let mut policy = Policy::new(&agent.model)?;
    policy.check_environment(env.spec())?;
    let limit = step_limit(agent.max_episode_steps, env.spec());
    let directory = std::env::temp_dir().join(format!("quarl-report-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(quarl::Error::io("create", &directory))?;
    let path = directory.join("agent.gif");
    let seed = Stream::Evaluation.seed(agent.seed);
    let recorded = record_greedy_episode(&mut policy, &mut *env, seed, limit, &path);
    let gif = recorded.map_err(anyhow::Error::from).and_then(|_| Ok(std::fs::read(&path)?));
    let _ = std::fs::remove_dir_all(&directory);
    gif
}
