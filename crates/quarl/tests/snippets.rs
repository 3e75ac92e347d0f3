//! The Rust snippets of README and documentation, run. `crates/quarl-cli/tests/docs.rs` compares them line by line.
#![cfg(feature = "files")]

#[test]
fn a_run_is_an_iterator_of_events() -> Result<(), quarl::Error> {
    use quarl::config::TrainConfig;
    use quarl::train::{Event, Trainer};

    let config = TrainConfig::preset("textbook").set("agent.gamma", 0.99).build()?;
    for event in &mut Trainer::new(config)? {
        if let Event::Episode(episode) = event? {
            println!("{} {}", episode.episode, episode.total_reward);
        }
    }
    Ok(())
}

#[test]
fn a_program_needs_a_policy_alone() -> Result<(), quarl::Error> {
    use quarl::Policy;

    fn greedy_action(policy: &mut Policy, observation: &[f32]) -> Result<usize, quarl::Error> {
        policy.act(observation, None) // None: all actions are allowed
    }

    let config = quarl::TrainConfig::preset("textbook").set("training.episodes", 1).build()?;
    let mut trainer = quarl::Trainer::new(config)?;
    trainer.try_for_each(|event| event.map(|_| ()))?;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    trainer.model().save(&path)?;
    assert!(greedy_action(&mut Policy::load(&path)?, &[0.0, 0.0, 0.05, 0.3])? < 2);
    Ok(())
}
