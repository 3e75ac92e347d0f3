//! Compares every number of the CPU engine with the f64 engine's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use quarl::config::TrainConfig;
use quarl::engine::cpu::{CpuEngine, kernels::CpuPath};
use quarl::engine::{Engine, EngineFactory, EngineState, TargetUpdate, Update, UpdateReport};
use quarl::error::Error;
use quarl::network::Architecture;
use quarl::observations::ObservationsView;
use quarl::rng::Rng;

use super::engine::{F64Engine, Learned};
use super::optimizer::{norm, numbers};
use super::targets_and_losses::largest;

/// The relative tolerance of a number in single precision, with respect to the largest number that it was computed from.
const TOLERANCE: f64 = 3e-6;
/// One rounding or two.
const ROUNDING: f64 = 3e-7;

/// The record of comparisons.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) updates: usize,
    target_updates: usize,
    acted: usize,
    /// Updates in which rounding decided between two actions, or whether a unit was active: they were not compared.
    undecided: usize,
    /// By quantity: the largest deviation, in tolerances.
    worst: BTreeMap<&'static str, f64>,
}

impl Tally {
    /// Prints what was compared, and holds that all but few updates were.
    pub(crate) fn report(&self) {
        let Self { updates, target_updates, acted, undecided, worst } = self;
        println!(
            "{updates} updates ({undecided} undecided), {target_updates} target updates, {acted} observations acted on"
        );
        for (what, deviation) in worst {
            println!("{what}: {deviation:.3} of its tolerance");
        }
        assert!(*undecided * 100 <= *updates, "{undecided} of {updates} updates were not compared");
    }
}

/// An engine that checks another one.
struct Checked {
    real: CpuEngine,
    reference: F64Engine,
    /// For messages.
    of: String,
    tally: Arc<Mutex<Tally>>,
}

/// The CPU engine, checked. `of` names the run in messages.
pub(crate) fn checked(of: String, tally: Arc<Mutex<Tally>>) -> EngineFactory {
    Box::new(move |config: &TrainConfig, spec| {
        let real = CpuEngine::new(config, spec, CpuPath::select()?)?;
        Ok(Box::new(Checked { real, reference: F64Engine::new(config, spec), of, tally }))
    })
}

impl Checked {
    fn compare(&self, what: &'static str, actual: f64, expected: f64, tolerance: f64) {
        let deviation = (actual - expected).abs() / tolerance.max(f64::MIN_POSITIVE);
        let mut tally = self.tally.lock().unwrap();
        let worst = tally.worst.entry(what).or_default();
        *worst = worst.max(deviation);
        let updates = tally.updates;
        drop(tally);
        assert!(
            deviation <= 1.0,
            "{}: {what} is {actual:e}, not {expected:e} (tolerance {tolerance:e}), after {updates} updates",
            self.of
        );
    }

    fn compare_all(&self, what: &'static str, actual: &[f32], expected: &[f64], tolerance: f64) {
        assert_eq!(actual.len(), expected.len(), "{}: {what}", self.of);
        for (actual, expected) in actual.iter().zip(expected) {
            self.compare(what, f64::from(*actual), *expected, tolerance);
        }
    }

    /// How much each gradient may be off: in proportion to the largest one of its tensor, and the more the smaller the errors
    /// are beside the values that they are the differences of.
    fn gradient_tolerances(&self, learned: &Learned) -> Vec<f64> {
        let error = norm(&learned.td_errors) / (learned.td_errors.len() as f64).sqrt();
        let cancellation = (learned.scale / error.min(1.0)).max(1.0);
        let mut tolerances = vec![0.0; learned.gradients.len()];
        let of_all = largest(&learned.gradients);
        for tensor in &self.reference.network.tensors {
            let of_tensor = largest(&learned.gradients[tensor.range.clone()]);
            tolerances[tensor.range.clone()].fill(TOLERANCE * cancellation * (of_tensor + 0.01 * of_all) + 1e-30);
        }
        tolerances
    }

    /// The parameters and moments after a step down the gradients, and down gradients that are off by the tolerances to either
    /// side: what lies between is within tolerance.
    fn compare_step(&self, lr: f64, learned: &Learned, after: &EngineState) {
        let tolerances = self.gradient_tolerances(learned);
        let step = |sign: f64| {
            let gradients: Vec<f64> =
                learned.gradients.iter().zip(&tolerances).map(|(g, off)| g + sign * off).collect();
            let (mut online, mut optimizer) = (self.reference.online.clone(), self.reference.optimizer.clone());
            optimizer.step(lr, &gradients, &mut online);
            (online, optimizer.moments)
        };
        let (exact, above, below) = (step(0.0), step(1.0), step(-1.0));
        let within = |what, before: &[f64], actual: &[f64], exact: &[f64], above: &[f64], below: &[f64]| {
            assert_eq!(actual.len(), exact.len(), "{}: {what}", self.of);
            for i in 0..actual.len() {
                let spread = (above[i] - exact[i]).abs().max((below[i] - exact[i]).abs());
                let rounding = ROUNDING * (before[i].abs() + (exact[i] - before[i]).abs());
                self.compare(what, actual[i], exact[i], spread + rounding + 1e-30);
            }
        };
        let online: Vec<f64> = after.online.iter().map(|x| f64::from(*x)).collect();
        within("a parameter", &self.reference.online, &online, &exact.0, &above.0, &below.0);
        for (name, before) in &self.reference.optimizer.moments {
            let actual = numbers(&after.optimizer[*name]);
            within(name, before, &actual, &exact.1[name], &above.1[name], &below.1[name]);
        }
    }
}

impl Engine for Checked {
    fn name(&self) -> &str {
        self.real.name()
    }

    fn architecture(&self) -> &Architecture {
        self.real.architecture()
    }

    fn parameters(&self) -> &[f32] {
        self.real.parameters()
    }

    fn q_values(&mut self, observations: ObservationsView, noise: &mut Rng, q_values: &mut [f32]) -> Result<(), Error> {
        self.reference.set_state(&self.real.state())?;
        let mut same_noise = noise.clone();
        self.real.q_values(observations, noise, q_values)?;
        let expected = self.reference.acting_values(observations, &mut same_noise);
        assert_eq!(*noise, same_noise, "{}: as much is drawn when acting", self.of);
        self.compare_all("a Q-value when acting", q_values, &expected, TOLERANCE * largest(&expected));
        self.tally.lock().unwrap().acted += 1;
        Ok(())
    }

    fn update(&mut self, update: Update) -> Result<UpdateReport, Error> {
        let Update { mut batch, learning_rate, env_steps, wants_diagnostics, noise, td_errors } = update;
        self.reference.set_state(&self.real.state())?;
        let mut same_noise = noise.clone();
        let learned = self.reference.learn(batch.with_next_observations()?, &mut same_noise);
        let mut report = self.real.update(Update {
            batch,
            learning_rate,
            env_steps,
            wants_diagnostics: true,
            noise: &mut *noise,
            td_errors: &mut *td_errors,
        })?;
        assert_eq!(*noise, same_noise, "{}: as much is drawn in an update", self.of);
        let mut tally = self.tally.lock().unwrap();
        tally.updates += 1;
        if learned.is_at_tie || learned.is_at_kink {
            tally.undecided += 1;
            return Ok(report);
        }
        drop(tally);

        let off = TOLERANCE * learned.scale;
        self.compare("the loss", f64::from(report.loss), learned.loss, off * (1.0 + 2.0 * learned.loss.sqrt()));
        self.compare("the mean Q-value", f64::from(report.mean_q), learned.mean_q, off);
        self.compare_all("a TD error", td_errors, &learned.td_errors, off);
        assert_eq!(report.clipped_share.is_some(), learned.clipped.is_some(), "{}: the clipped share", self.of);
        if let (Some(share), Some((least, most))) = (report.clipped_share, learned.clipped) {
            let nearest = f64::from(share).clamp(least, most);
            self.compare("the clipped share", f64::from(share), nearest, TOLERANCE);
        }
        let diagnostics = report.diagnostics.expect("they were asked for");
        let expected = &learned.diagnostics;
        let tolerance = norm(&self.gradient_tolerances(&learned));
        self.compare("the gradient norm", diagnostics.grad_norm, expected.grad_norm, tolerance);
        self.compare("the target drift", diagnostics.target_drift, expected.target_drift, 1e-6 * expected.target_drift);
        self.compare("the largest Q-value", diagnostics.max_q, expected.max_q, off);
        self.compare("the action gap", diagnostics.action_gap, expected.action_gap, off);
        self.compare_step(learning_rate, &learned, &self.real.state());
        if !wants_diagnostics {
            report.diagnostics = None;
        }
        Ok(report)
    }

    fn update_target(&mut self, rule: TargetUpdate) {
        self.reference.set_state(&self.real.state()).unwrap();
        self.reference.update_target(rule);
        self.real.update_target(rule);
        let target = self.reference.target.clone();
        self.compare_all("a target parameter", &self.real.state().target, &target, ROUNDING * largest(&target));
        self.tally.lock().unwrap().target_updates += 1;
    }

    fn set_parameters(&mut self, online: &[f32], target: &[f32]) {
        self.real.set_parameters(online, target);
    }

    fn state(&self) -> EngineState {
        self.real.state()
    }

    fn set_state(&mut self, state: &EngineState) -> Result<(), Error> {
        self.real.set_state(state)
    }

    fn invalidate(&mut self, id: usize) {
        self.real.invalidate(id);
    }

    fn invalidate_all(&mut self) {
        self.real.invalidate_all();
    }

    fn update_flops(&self) -> Option<u64> {
        self.real.update_flops()
    }
}
