//! Uses a trained policy, without any training code.
//!
//!     quarl train CartPole-v1 --out agent
//!     cargo run -p quarl --example trained_policy agent/model.safetensors

use quarl::exploration::Exploration;
use quarl::{Error, Policy};

fn main() -> Result<(), Error> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "agent/model.safetensors".to_owned());
    show(&mut Policy::load(path)?)
}

fn show(policy: &mut Policy) -> Result<(), Error> {
    // A cart in the middle of its track; its pole leans to the right.
    let observation = [0.0, 0.0, 0.05, 0.3];
    println!("push the cart to the {}", ["left", "right"][policy.act(&observation, None)?]);
    let q_values = policy.q_values(&observation)?;
    println!("Q-values: {} and {}", q_values.get(0, 0), q_values.get(0, 1));
    let probabilities = policy.probabilities(&observation, None, Exploration::Softmax(1.0))?;
    println!("softmax exploration at temperature 1 would push to the right with probability {:.2}", probabilities[1]);
    Ok(())
}

#[test]
fn a_policy_needs_its_file_alone() {
    let config = quarl::TrainConfig::preset("textbook").set("training.episodes", 1).build().unwrap();
    let mut trainer = quarl::Trainer::new(config).unwrap();
    trainer.try_for_each(|event| event.map(|_| ())).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    trainer.model().save(&path).unwrap();
    show(&mut Policy::load(&path).unwrap()).unwrap();
}
