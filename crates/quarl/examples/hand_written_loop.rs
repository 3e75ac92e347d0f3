//! A training loop written by hand from the parts: an environment, an agent with its replay buffer, and a schedule.
//!
//!     cargo run -p quarl --release --example hand_written_loop

use quarl::accumulator::{Accumulator, Next};
use quarl::env;
use quarl::evaluate;
use quarl::exploration::{Exploration, Explorer};
use quarl::schedule::{Changing, Schedule};
use quarl::{Agent, TrainConfig};

fn main() -> Result<(), quarl::Error> {
    let config = TrainConfig::preset("dqn").set("network.layer_norm", true).build()?;
    let mut env = env::make("CartPole-v0")?;
    let mut agent = Agent::new(&config, env.spec(), 0)?;
    let mut explorer = Explorer::new(0, 0);
    let mut accumulator = Accumulator::new(config.agent.n_step, config.agent.gamma, 4);
    let epsilon = Schedule::Changing(Changing::Linear { from: 1.0, to: 0.05, steps: 2_000 });

    let (mut observation, mut next_observation) = ([0.0; 4], [0.0; 4]);
    env.reset(Some(0), &mut observation)?;
    explorer.begin_episode();
    for step in 1..=15_000 {
        let exploration = Exploration::EpsilonGreedy(epsilon.value(step));
        let action = agent.act(&observation, env.action_mask(), exploration, &mut explorer)?;
        let taken = env.step(action, &mut next_observation)?;
        let next = Next { obs: &next_observation, mask: env.action_mask() };
        accumulator
            .push(&observation, action, taken.reward, next, taken.end, |transition| agent.observe(transition))?;
        observation = next_observation;
        if taken.end.is_some() {
            env.reset(None, &mut observation)?;
            explorer.begin_episode();
        }
        if agent.replay_len() >= 500 {
            agent.learn(step)?;
        }
        if step % 250 == 0 {
            agent.update_target();
        }
    }

    let episodes = evaluate::play(&mut agent.policy()?, &mut *env, 1, 10)?;
    let mean = episodes.iter().map(|episode| episode.total_reward).sum::<f64>() / 10.0;
    println!("mean return of ten greedy episodes: {mean}");
    assert!(mean > 100.0, "an untrained agent reaches about 10");
    Ok(())
}

#[test]
fn the_loop_learns() {
    main().unwrap();
}
