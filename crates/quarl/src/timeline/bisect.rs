//! The updates within the largest fall of a run's score.

use serde::Serialize;

use super::{Fork, Moment, Timeline, mean};
use crate::error::Error;
use crate::run::{EvaluationRow, read_evaluations};
use crate::train::{Event, Trainer};

/// The largest number of updates that are scored by default.
const MOST_SCORES: u64 = 4000;
/// The number of largest falls that are reported.
const FALLS: usize = 5;
/// The share of the whole fall from which a single update explains it.
const EXPLAINS: f64 = 0.5;

/// The score of the agent after each update between two evaluations, and the updates at which it falls.
#[derive(Clone, Debug, Serialize)]
pub struct Bisection {
    /// The evaluations before and after the largest drop.
    pub before: EvaluationRow,
    /// The evaluation after it.
    pub after: EvaluationRow,
    /// Every how many updates the agent was scored.
    pub every: u64,
    /// The scores, in order. The first one is that before the first update.
    pub scores: Vec<ScoredUpdate>,
    /// The updates with the largest falls, largest first.
    pub falls: Vec<ScoredUpdate>,
    /// Whether the largest fall explains the drop: it is at least half as large, and so is the difference between the mean scores
    /// before and after it.
    pub is_explained: bool,
    /// The verdict in a sentence.
    pub verdict: String,
}

/// The score after an update.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ScoredUpdate {
    /// The number of updates since the evaluation before the drop.
    pub update: u64,
    /// The environment steps so far.
    pub env_steps: u64,
    /// The mean return of greedy episodes from fixed initial observations.
    pub score: f64,
    /// The score before, less this one.
    pub fall: f64,
    /// What the update learnt from; `None` for the first score, and where several updates lie between two scores.
    pub batch: Option<UpdateBatch>,
}

/// The batch of an update.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UpdateBatch {
    /// The loss.
    pub loss: f64,
    /// The mean Q-value of the actions taken.
    pub q_value: f64,
    /// The mean and the largest absolute TD error.
    pub td_error: f64,
    /// The largest absolute TD error.
    pub largest_td_error: f64,
    /// The mean reward.
    pub reward: f64,
    /// The share of transitions that end an episode.
    pub terminal: f64,
    /// The mean age of its transitions: the number of transitions stored since.
    pub age: f64,
    /// How often each action is in the batch.
    pub actions: Vec<usize>,
}

/// Scores the agent after every `every`-th update within the largest drop between two evaluations of a run, with `episodes` greedy
/// episodes from fixed initial observations. Without `every`, about four thousand updates are scored at most.
///
/// # Errors
/// [`Error::Unusable`] where no evaluation is below the one before it, [`Error::Stopped`] after a stop was requested, and those of
/// the run.
pub fn bisect(run: &Timeline, every: Option<u64>, episodes: u64) -> Result<Bisection, Error> {
    let evaluations = read_evaluations(run.dir)?;
    // The evaluations before a run branched off are those of the other run.
    let first = Fork::of(run.dir)?.map_or(0, |fork| fork.env_steps);
    let is_own = |row: &&EvaluationRow| !row.closing && row.env_steps >= first;
    let periodic: Vec<&EvaluationRow> = evaluations.iter().filter(is_own).collect();
    let pairs = periodic.windows(2).map(|pair| (*pair[0], *pair[1]));
    let drop = |(before, after): &(EvaluationRow, EvaluationRow)| before.mean_return - after.mean_return;
    let largest = pairs.max_by(|one, other| drop(one).total_cmp(&drop(other))).filter(|pair| drop(pair) > 0.0);
    let Some((before, after)) = largest else {
        let message = "no evaluation is below the one before it, so there is no fall to look into; evaluations at an interval \
                       need evaluation.every_steps or evaluation.every_episodes";
        return Err(Error::Unusable { what: run.dir.display().to_string(), message: message.to_owned() });
    };
    // The updates between the two evaluations are counted first, unless the caller chooses the interval.
    let Moment { mut trainer, .. } = run.at(before.env_steps, before.env_steps, |_, _| Ok(()))?;
    let training = &run.config().training;
    let expected = (after.env_steps - before.env_steps) / training.train_frequency.max(1) * training.gradient_steps;
    let every = every.unwrap_or_else(|| expected.div_ceil(MOST_SCORES)).max(1);

    let mut env = run.environment()?;
    let mut score = |trainer: &Trainer| -> Result<f64, Error> {
        let returns = run.greedy_returns(&mut trainer.agent().policy()?, &mut *env, episodes)?;
        Ok(mean(returns.into_iter()))
    };
    let first = ScoredUpdate { env_steps: before.env_steps, score: score(&trainer)?, ..ScoredUpdate::default() };
    let (mut scores, mut update) = (vec![first], 0);
    run.run_to(&mut trainer, after.env_steps, |event, trainer| {
        let Event::Learn { env_steps, report } = event else { return Ok(()) };
        update += 1;
        if !u64::is_multiple_of(update, every) {
            return Ok(());
        }
        let score = score(trainer)?;
        let last = scores.last().map_or(score, |last| last.score);
        let batch = (every == 1).then(|| batch(trainer, f64::from(report.loss), f64::from(report.mean_q)));
        scores.push(ScoredUpdate { update, env_steps: *env_steps, score, fall: last - score, batch });
        Ok(())
    })?;

    let mut falls: Vec<ScoredUpdate> = scores.iter().filter(|scored| scored.fall > 0.0).cloned().collect();
    falls.sort_by(|one, other| other.fall.total_cmp(&one.fall));
    falls.truncate(FALLS);
    let (is_explained, verdict) = verdict(&scores, &falls, every);
    Ok(Bisection { before, after, every, scores, falls, is_explained, verdict })
}

/// What an update has learnt from.
fn batch(trainer: &Trainer, loss: f64, q_value: f64) -> UpdateBatch {
    let (agent, batch) = (trainer.agent(), trainer.agent().last_batch());
    let replay = agent.replay();
    let newest = replay.pushed().saturating_sub(1);
    let capacity = replay.header().capacity.max(1) as u64;
    // An id is a place in the ring; the newest transition is at place newest % capacity.
    let age = |id: usize| (newest % capacity + capacity - id as u64) % capacity;
    let td_errors = agent.td_errors();
    let mut actions = Vec::new();
    for action in &batch.actions {
        actions.resize(actions.len().max(action + 1), 0);
        actions[*action] += 1;
    }
    UpdateBatch {
        loss,
        q_value,
        td_error: mean(td_errors.iter().map(|x| f64::from(*x))),
        largest_td_error: td_errors.iter().map(|x| f64::from(*x)).fold(0.0, f64::max),
        reward: mean(batch.rewards.iter().map(|x| f64::from(*x))),
        terminal: mean(batch.discounts.iter().map(|x| f64::from(u8::from(*x == 0.0)))),
        age: mean(batch.ids.iter().map(|id| age(*id) as f64)),
        actions,
    }
}

/// Whether a single update explains the drop, in a sentence.
fn verdict(scores: &[ScoredUpdate], falls: &[ScoredUpdate], every: u64) -> (bool, String) {
    let (Some(first), Some(last)) = (scores.first(), scores.last()) else { return (false, String::new()) };
    let whole = first.score - last.score;
    let Some(largest) = falls.first().filter(|_| whole > 0.0) else {
        return (false, "The score does not fall from the first to the last update that was scored.".to_owned());
    };
    // A score that goes up and down by as much falls often, but its level before and after is the same.
    let (before, later): (Vec<&ScoredUpdate>, Vec<_>) =
        scores.iter().partition(|scored| scored.update < largest.update);
    let level = |scores: Vec<&ScoredUpdate>| mean(scores.into_iter().map(|scored| scored.score));
    let stays = level(before) - level(later) >= EXPLAINS * whole;
    let share = largest.fall / whole;
    let what = if every == 1 {
        format!("update {}", largest.update)
    } else {
        format!("updates {} to {}", largest.update + 1 - every, largest.update)
    };
    let fall = format!(
        "{what} (step {}): the score falls by {:.1}, and by {whole:.1} between the two evaluations",
        largest.env_steps, largest.fall
    );
    match (share >= EXPLAINS, stays) {
        (true, true) => (true, format!("The fall comes from {fall}.")),
        (true, false) => {
            let level = "but the mean score is nearly the same before and after it";
            (false, format!("No single update explains the fall: the largest is {fall}, {level}."))
        }
        (false, _) => (false, format!("No single update explains the fall: the largest is {fall}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(values: &[f64]) -> Vec<ScoredUpdate> {
        let score = |at: usize| values[at];
        let one = |update: usize| ScoredUpdate {
            update: update as u64,
            score: score(update),
            fall: if update == 0 { 0.0 } else { score(update - 1) - score(update) },
            ..ScoredUpdate::default()
        };
        (0..values.len()).map(one).collect()
    }

    fn of(values: &[f64]) -> (bool, String) {
        let scores = scored(values);
        let mut falls: Vec<ScoredUpdate> = scores.iter().filter(|scored| scored.fall > 0.0).cloned().collect();
        falls.sort_by(|one, other| other.fall.total_cmp(&one.fall));
        verdict(&scores, &falls, 1)
    }

    #[test]
    fn one_update_explains_a_fall_only_if_it_is_large_and_stays() {
        let (explained, verdict) = of(&[200.0, 199.0, 60.0, 55.0, 50.0]);
        assert!(explained && verdict.contains("update 2") && verdict.contains("139.0"), "{verdict}");
        let (explained, verdict) = of(&[200.0, 170.0, 140.0, 110.0, 80.0]);
        assert!(!explained && verdict.starts_with("No single update explains"), "{verdict}");
        let (explained, verdict) = of(&[190.0, 130.0, 80.0, 200.0, 60.0, 198.0, 197.0, 90.0, 100.0]);
        assert!(!explained && verdict.contains("nearly the same before and after"), "{verdict}");
        assert!(of(&[100.0, 90.0, 120.0]).1.contains("does not fall"));
    }
}
