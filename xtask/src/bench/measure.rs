//! Measuring two things in turn, and saying honestly what came of it.

use std::fmt;
use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

/// Most by which a floor may move between the first and the last fifth of a measurement.
const MAX_DRIFT: f64 = 1.5;

/// A figure beside its floor.
pub(crate) struct Figure {
    name: String,
    floor_name: String,
    target: String,
    conditions: String,
    floor: Sample,
    ours: Sample,
}

/// Times of one thing, in microseconds.
struct Sample {
    p50: f64,
    p99: f64,
    drift: f64,
}

/// What is measured, and against what.
pub(crate) struct Plan<'a> {
    pub(crate) name: &'a str,
    pub(crate) floor: &'a str,
    /// The figure to reach, in words.
    pub(crate) target: &'a str,
    pub(crate) conditions: &'a str,
    pub(crate) rounds: usize,
}

impl Figure {
    /// Runs the floor and ours in turn, `rounds` times each after a tenth as warm-up.
    pub(crate) fn measure<F, O>(
        plan: &Plan<'_>,
        mut floor: impl FnMut(usize) -> Result<F>,
        mut ours: impl FnMut(usize) -> Result<O>,
    ) -> Result<Self> {
        let warm_up = plan.rounds / 10 + 1;
        let (mut floors, mut figures) = (Vec::new(), Vec::new());
        for round in 0..warm_up + plan.rounds {
            let one = time(|| floor(round))?;
            let other = time(|| ours(round))?;
            if round >= warm_up {
                floors.push(one);
                figures.push(other);
            }
        }
        Ok(Self {
            name: plan.name.to_owned(),
            floor_name: plan.floor.to_owned(),
            target: plan.target.to_owned(),
            conditions: format!("{}; {} rounds", plan.conditions, plan.rounds),
            floor: Sample::of(floors),
            ours: Sample::of(figures),
        })
    }

    pub(crate) fn header() -> String {
        format!(
            "{:<34} {:>10} {:>10} {:>10} {:>10} {:>7}  target",
            "what (floor)", "floor p50", "floor p99", "ours p50", "ours p99", "ratio"
        )
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "floor": { "name": self.floor_name, "p50_us": self.floor.p50, "p99_us": self.floor.p99 },
            "ours": { "p50_us": self.ours.p50, "p99_us": self.ours.p99 },
            "ratio": self.ours.p50 / self.floor.p50,
            "floor_drift": self.floor.drift,
            "reported": self.floor.drift <= MAX_DRIFT,
            "target": self.target,
            "conditions": self.conditions,
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.floor.drift > MAX_DRIFT {
            return write!(
                out,
                "{:<34} not reported: the floor moved by {:.2} × while measuring",
                self.name, self.floor.drift
            );
        }
        writeln!(
            out,
            "{:<34} {:>10.1} {:>10.1} {:>10.1} {:>10.1} {:>7.2}  {}",
            self.name,
            self.floor.p50,
            self.floor.p99,
            self.ours.p50,
            self.ours.p99,
            self.ours.p50 / self.floor.p50,
            self.target
        )?;
        write!(out, "    floor: {}; {}", self.floor_name, self.conditions)
    }
}

impl Sample {
    fn of(times: Vec<f64>) -> Self {
        let fifth = (times.len() / 5).max(1);
        let median = |part: &[f64]| {
            let mut part = part.to_vec();
            part.sort_by(f64::total_cmp);
            percentile(&part, 0.5)
        };
        let first = median(times.get(..fifth).unwrap_or_default());
        let last = median(times.get(times.len() - fifth..).unwrap_or_default());
        let drift = (first / last).max(last / first);
        let mut times = times;
        times.sort_by(f64::total_cmp);
        Self {
            p50: percentile(&times, 0.5),
            p99: percentile(&times, 0.99),
            drift,
        }
    }
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = ((sorted.len() as f64 - 1.0) * part).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

fn time<T>(mut what: impl FnMut() -> Result<T>) -> Result<f64> {
    let began = Instant::now();
    black_box(what()?);
    Ok(began.elapsed().as_secs_f64() * 1e6)
}
