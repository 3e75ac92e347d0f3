use super::*;
use crate::observations::Observations;
use crate::schedule::Schedule;
use crate::space::Dtype;

fn config(kind: ReplayKind, capacity: usize) -> ReplayConfig {
    // Spelled out: Miri takes minutes to read a preset.
    ReplayConfig { kind, capacity, alpha: 0.6, beta: Schedule::Constant(0.4), eps: 1e-6 }
}

fn space(features: usize) -> BoxSpace {
    BoxSpace::vector(vec![-1e9; features], vec![1e9; features])
}

fn push(replay: &mut Replay, i: usize) {
    let x = i as f32;
    let (obs, next_obs) = ([x, -x], [x + 1.0, -x - 1.0]);
    replay
        .push(Transition {
            obs: &obs,
            action: i % 3,
            reward: 10.0 * x,
            discount: 0.5,
            next_obs: &next_obs,
            next_mask: None,
        })
        .unwrap();
}

fn filled(kind: ReplayKind, capacity: usize, count: usize) -> Replay {
    let mut replay = Replay::new(&config(kind, capacity), 1, &space(2), 0).unwrap();
    (0..count).for_each(|i| push(&mut replay, i));
    replay
}

#[test]
fn a_full_ring_forgets_the_oldest_first() {
    for kind in [ReplayKind::Uniform, ReplayKind::Prioritized] {
        let mut replay = filled(kind, 4, 6);
        let mut batch = Batch::new(4, 2);
        replay.sample(0.4, &mut Rng::from_seed(0), &mut batch).unwrap();
        let mut rewards = batch.rewards.clone();
        rewards.sort_by(f32::total_cmp);
        // Equal priorities: one item from each quarter.
        assert_eq!(rewards, [20.0, 30.0, 40.0, 50.0]);
        for item in 0..4 {
            let x = batch.rewards[item] / 10.0;
            assert_eq!(batch.obs.to_floats()[2 * item..2 * item + 2], [x, -x]);
            assert_eq!(batch.next_obs.to_floats()[2 * item..2 * item + 2], [x + 1.0, -x - 1.0]);
            assert_eq!(batch.actions[item], x as usize % 3);
            assert_eq!(batch.weights[item], 1.0);
        }
    }
}

#[test]
fn what_is_overwritten_takes_its_priority_along() {
    let mut replay = filled(ReplayKind::Prioritized, 3, 3);
    replay.update_priorities(&[0, 1, 2], [50.0, 0.0, 0.0]);
    push(&mut replay, 3);
    push(&mut replay, 4);
    assert_eq!(replay.sampling_weight(0), replay.sampling_weight(1), "both are new");
    assert!(replay.sampling_weight(2) < 1e-3);
}

#[test]
fn without_replay_each_transition_is_drawn_once_in_order() {
    let mut replay = Replay::new(&config(ReplayKind::None, 1000), 3, &space(2), 0).unwrap();
    let (mut batch, mut rng, mut next) = (Batch::new(1, 2), Rng::from_seed(0), 0);
    for burst in [1, 1, 0, 3, 2, 1, 3] {
        for _ in 0..burst {
            push(&mut replay, next);
            next += 1;
        }
        assert_eq!(replay.pending(), Some(burst));
        for i in (0..burst as usize).rev() {
            replay.sample(0.4, &mut rng, &mut batch).unwrap();
            assert_eq!((batch.rewards[0], batch.weights[0]), (10.0 * (next - 1 - i) as f32, 1.0));
        }
        assert_eq!(replay.pending(), Some(0));
    }
    push(&mut replay, next);
    replay.discard_pending();
    assert_eq!(replay.pending(), Some(0));
    assert_eq!(filled(ReplayKind::Uniform, 2, 2).pending(), None);
}

#[test]
fn bytes_are_kept_as_bytes_and_come_back_as_they_were() {
    let space = BoxSpace { dtype: Dtype::U8, ..BoxSpace::vector(vec![0.0; 256], vec![255.0; 256]) };
    let mut replay = Replay::new(&config(ReplayKind::Uniform, 2), 1, &space, 0).unwrap();
    let obs: Vec<f32> = (0..256).map(|x| x as f32).collect();
    let next_obs: Vec<f32> = obs.iter().rev().copied().collect();
    for _ in 0..3 {
        replay
            .push(Transition { obs: &obs, action: 0, reward: 1.0, discount: 0.9, next_obs: &next_obs, next_mask: None })
            .unwrap();
    }
    let mut batch = Batch::new(1, 256).with_dtype(Dtype::U8);
    replay.sample(0.0, &mut Rng::from_seed(0), &mut batch).unwrap();
    let bytes = |values: &[f32]| Observations::U8(values.iter().map(|x| *x as u8).collect());
    assert_eq!((&batch.obs, &batch.next_obs), (&bytes(&obs), &bytes(&next_obs)));
    // As floats too, which normalised observations need.
    let mut floats = Batch::new(1, 256);
    replay.sample(0.0, &mut Rng::from_seed(0), &mut floats).unwrap();
    assert_eq!((floats.obs.to_floats(), floats.next_obs.to_floats()), (obs.to_vec(), next_obs.to_vec()));
    let bytes = postcard::to_stdvec(&replay).unwrap().len();
    assert!((2 * 512..2 * 512 + 64).contains(&bytes), "{bytes}");
}

#[test]
fn what_is_read_back_draws_the_same_and_costs_what_is_in_it() {
    for kind in [ReplayKind::Uniform, ReplayKind::Prioritized, ReplayKind::None] {
        for count in [3, 5, 11] {
            let mut replay = filled(kind, 7, count);
            replay.update_priorities(&[0, 2], [3.0, 0.1]);
            let mut read: Replay = postcard::from_bytes(&postcard::to_stdvec(&replay).unwrap()).unwrap();
            assert!(read.fits(&filled(kind, 7, 0), 3));
            // Without replay, the buffer holds only the last transition.
            let holds_third_action = kind != ReplayKind::None || count % 3 == 0;
            assert_eq!(
                read.fits(&filled(kind, 7, 0), 2),
                !holds_third_action,
                "an agent with two actions lacks the third"
            );
            read.reserve();
            for i in 0..9 {
                push(&mut replay, i);
                push(&mut read, i);
            }
            let (mut a, mut b) = (Batch::new(1, 2), Batch::new(1, 2));
            let (mut rng_a, mut rng_b) = (Rng::from_seed(4), Rng::from_seed(4));
            replay.sample(0.5, &mut rng_a, &mut a).unwrap();
            read.sample(0.5, &mut rng_b, &mut b).unwrap();
            assert_eq!((a.ids, a.rewards), (b.ids, b.rewards));
        }
    }
    let nearly_empty = filled(ReplayKind::Uniform, 1_000_000, 3);
    assert!(postcard::to_stdvec(&nearly_empty).unwrap().len() < 300);
}

#[test]
fn another_kinds_state_is_refused() {
    let kinds = [ReplayKind::Uniform, ReplayKind::Prioritized, ReplayKind::None];
    for a in kinds {
        for b in kinds {
            assert_eq!(filled(a, 1, 1).fits(&filled(b, 1, 0), 3), a == b, "{a:?} for {b:?}");
        }
    }
}

#[test]
fn more_memory_than_there_is_is_refused_not_tried() {
    let message = Replay::new(&config(ReplayKind::Uniform, usize::MAX / 16), 1, &space(4), 0).unwrap_err().to_string();
    assert!(message.contains("replay.capacity") && message.contains("lower it"), "{message}");
}

#[test]
fn a_transition_or_a_batch_of_another_environment_is_refused_and_nothing_is_stored() {
    for (masked_actions, obs, next_obs, mask) in [
        (0, 1, 2, None),
        (0, 2, 3, None),
        (0, 2, 2, Some(&[true; 3][..])),
        (3, 2, 2, Some(&[true; 2])),
        (3, 2, 2, Some(&[])),
    ] {
        let mut replay = Replay::new(&config(ReplayKind::Prioritized, 4), 1, &space(2), masked_actions).unwrap();
        let (obs, next_obs) = (&[0.0; 3][..obs], &[0.0; 3][..next_obs]);
        let transition = Transition { obs, action: 0, reward: 0.0, discount: 0.0, next_obs, next_mask: mask };
        let refused = replay.push(transition);
        assert!(refused.is_err() && replay.is_empty(), "{transition:?}: {refused:?}");
    }
    let mut replay = filled(ReplayKind::Uniform, 4, 4);
    let mut rng = Rng::from_seed(0);
    let bytes = Batch::new(2, 2).with_dtype(Dtype::U8);
    for mut batch in [Batch::new(2, 3), Batch::new(2, 2).with_action_masks(3), bytes] {
        assert!(replay.sample(0.0, &mut rng, &mut batch).is_err(), "{batch:?}");
    }
}

#[test]
fn fewer_transitions_than_a_batch_are_an_error() {
    for kind in [ReplayKind::Uniform, ReplayKind::Prioritized, ReplayKind::None] {
        for count in [0, 1] {
            let mut replay = Replay::new(&config(kind, 8), 8, &space(2), 0).unwrap();
            (0..count).for_each(|i| push(&mut replay, i));
            let drawn = replay.sample(0.4, &mut Rng::from_seed(0), &mut Batch::new(2, 2));
            assert!(
                matches!(drawn, Err(Error::TooFewTransitions { needed: 2, available }) if available == count),
                "{kind:?} with {count}: {drawn:?}"
            );
        }
    }
}
