//! Checkpoints: saved states of a run, from which it continues with the same results as without the interruption.
//!
//! A checkpoint is a safetensors file, `step-000010000.safetensors`, beside the segments of the replay buffer that it shares
//! with other checkpoints, `replay-00000-000000010000.safetensors`. Its header's metadata has one entry, `quarl`: JSON with the
//! format's version, the configuration, the counters and the checksums of the segments. Its tensors are the parameters of both
//! networks and of the best evaluation with the names of a model file (`online.l1.weight`, `target.l1.weight`,
//! `best.l1.weight`), the optimizer's arrays (`optimizer.adam.first_moment`), the priorities of the replay buffer
//! (`priorities`), and `rest`: the random streams, the environments' states and the loop's counters, as bytes that only quarl
//! reads. Every file has a tensor `checksum`.
//!
//! A segment has the tensors `obs`, `action`, `reward`, `discount`, `next_obs` and, with action masks, `next_mask`, with one row
//! for each transition.
#![cfg_attr(
    feature = "files",
    doc = r#"
```
use quarl::checkpoint::Checkpoint;
use quarl::{TrainConfig, Trainer};

# let directory = tempfile::tempdir().unwrap();
# let dir = directory.path();
let mut trainer = Trainer::new(TrainConfig::preset("dqn").set("training.steps", 300).build()?)?;
while trainer.env_steps() < 200 {
    trainer.next().transpose()?;
}
let path = Checkpoint::save(&trainer, dir)?;
let mut resumed = Trainer::resume(&Checkpoint::load(&path)?)?;
(&mut trainer).try_for_each(|event| event.map(|_| ()))?;
(&mut resumed).try_for_each(|event| event.map(|_| ()))?;
assert_eq!(resumed.model(), trainer.model());
# Ok::<(), quarl::Error>(())
```
"#
)]

pub(crate) mod config;
#[cfg(feature = "files")]
mod directory;
#[cfg(feature = "files")]
mod file;
#[cfg(feature = "files")]
mod saved;
#[cfg(feature = "files")]
mod segments;

#[cfg(feature = "files")]
#[doc(hidden)]
pub use directory::is_checkpoint_file;
#[cfg(feature = "files")]
pub use directory::{Checkpoints, list};
#[cfg(feature = "files")]
pub use saved::Checkpoint;
