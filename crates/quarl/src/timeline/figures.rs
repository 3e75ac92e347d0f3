//! Figures of moments and of falls.

use std::path::Path;

use super::{Bisection, Inspection};
use crate::error::Error;
use crate::plot::{Color, Figure, Reference, Series, Style, write};

const BLUE: Color = Color(0x00, 0x72, 0xb2);
const ORANGE: Color = Color(0xd5, 0x5e, 0x00);

impl Inspection {
    /// The figures: Q-values along the episode, and TD errors by age.
    pub fn figures(&self) -> Vec<Figure> {
        let mut panels = Vec::new();
        if let Some(episode) = self.episode.as_ref().filter(|episode| !episode.steps.is_empty()) {
            let actions = episode.steps[0].q_values.len();
            let line = |action: usize| Series {
                name: format!("action {action}"),
                points: (0..)
                    .zip(&episode.steps)
                    .map(|(i, step)| (f64::from(i), f64::from(step.q_values[action])))
                    .collect(),
                ..Series::default()
            };
            panels.push(Figure {
                title: format!("Episode {} as the network after {} steps values it", episode.number, self.env_steps),
                x_label: "Step of the episode".to_owned(),
                y_label: "Q-value".to_owned(),
                series: (0..actions).map(line).collect(),
                ..Figure::default()
            });
        }
        let points = |value: fn(&super::AgeGroup) -> f64| -> Vec<(f64, f64)> {
            self.replay.iter().map(|group| ((group.ages.0 + group.ages.1) as f64 / 2.0, value(group))).collect()
        };
        panels.push(Figure {
            title: format!("Replay buffer after {} steps: {} transitions", self.env_steps, self.stored),
            x_label: "Age (transitions stored since)".to_owned(),
            y_label: "Absolute TD error".to_owned(),
            series: vec![
                Series {
                    name: "largest".to_owned(),
                    color: Some(ORANGE),
                    points: points(|group| group.largest_td_error),
                    style: Style::Points,
                    ..Series::default()
                },
                Series {
                    name: "mean".to_owned(),
                    color: Some(BLUE),
                    points: points(|group| group.td_error),
                    ..Series::default()
                },
            ],
            note: Some(format!("Mean greedy return {:.1}, action gap {:.3}", self.greedy_mean, self.action_gap)),
            ..Figure::default()
        });
        panels
    }

    /// Writes the figures, one above the other, as SVG or PNG, by the file's extension.
    ///
    /// # Errors
    /// Those of [`write`](crate::plot::write).
    pub fn draw(&self, path: &Path) -> Result<(), Error> {
        write(&self.figures(), path)
    }
}

impl Bisection {
    /// The figure: the score after every update that was scored, and the largest falls.
    pub fn figure(&self) -> Figure {
        let point = |scored: &super::ScoredUpdate| (scored.update as f64, scored.score);
        Figure {
            title: format!("Score after each update, steps {} to {}", self.before.env_steps, self.after.env_steps),
            x_label: "Updates since the evaluation before the fall".to_owned(),
            y_label: "Mean greedy return".to_owned(),
            series: vec![
                Series {
                    name: if self.every == 1 {
                        "each update".to_owned()
                    } else {
                        format!("every {} updates", self.every)
                    },
                    color: Some(BLUE),
                    points: self.scores.iter().map(point).collect(),
                    ..Series::default()
                },
                Series {
                    name: "largest falls".to_owned(),
                    color: Some(ORANGE),
                    points: self.falls.iter().map(point).collect(),
                    style: Style::Points,
                    ..Series::default()
                },
            ],
            references: vec![
                Reference {
                    value: self.before.mean_return,
                    label: format!("evaluation before: {:.1}", self.before.mean_return),
                },
                Reference {
                    value: self.after.mean_return,
                    label: format!("evaluation after: {:.1}", self.after.mean_return),
                },
            ],
            note: Some(self.verdict.clone()),
            ..Figure::default()
        }
    }
}
