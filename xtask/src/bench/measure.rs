//! Measuring two things in turn, and saying honestly what came of it.

use std::fmt;
use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

/// Most by which a floor may move between the first and the last fifth of a measurement.
const MAX_DRIFT: f64 = 1.5;
/// Most times one row is measured because its floor moved.
const MAX_ATTEMPTS: usize = 3;
/// A warm-up is this part of the rounds, and one more.
const WARM_UP_SHARE: usize = 10;

/// What is measured, and against what.
pub(crate) struct Plan<'a> {
    pub(crate) name: &'a str,
    pub(crate) floor: &'a str,
    /// The figure to reach, in words.
    pub(crate) target: &'a str,
    pub(crate) conditions: &'a str,
    pub(crate) rounds: usize,
}

/// One line of the result.
pub(crate) enum Row {
    /// A figure beside its floor.
    Measured(Figure),
    /// What could not be measured here, and how it can be.
    Missing {
        /// What is missing.
        name: String,
        /// Why, and what to do.
        why: String,
    },
}

/// A figure beside its floor.
pub(crate) struct Figure {
    name: String,
    floor_name: String,
    target: String,
    conditions: String,
    floor: Sample,
    ours: Sample,
    attempts: usize,
    facts: Vec<Fact>,
}

/// Something else that was seen while measuring.
struct Fact {
    name: String,
    value: f64,
    unit: &'static str,
    /// Whether it means nothing where the floor moved.
    is_timed: bool,
}

/// Times of one thing, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    p50: f64,
    p99: f64,
    drift: f64,
}

impl Figure {
    /// Runs the floor and ours in turn, `rounds` times each after a warm-up, and takes the time of each. Both are
    /// told a number that no other call gets.
    pub(crate) fn measure<F, O>(
        plan: &Plan<'_>,
        mut floor: impl FnMut(usize) -> Result<F>,
        mut ours: impl FnMut(usize) -> Result<O>,
    ) -> Result<Self> {
        Self::measure_timed(
            plan,
            |round| micros(|| floor(round)),
            |round| micros(|| ours(round)),
        )
    }

    /// As [`Figure::measure`], for what takes its own time, in microseconds, because it has more to do than what is
    /// measured.
    pub(crate) fn measure_timed(
        plan: &Plan<'_>,
        mut floor: impl FnMut(usize) -> Result<f64>,
        mut ours: impl FnMut(usize) -> Result<f64>,
    ) -> Result<Self> {
        let warm_up = plan.rounds / WARM_UP_SHARE + 1;
        let mut attempts = 0;
        loop {
            let first = attempts * (warm_up + plan.rounds);
            attempts += 1;
            let (mut floors, mut figures) = (Vec::new(), Vec::new());
            for round in 0..warm_up + plan.rounds {
                let one = floor(first + round)?;
                let other = ours(first + round)?;
                if round >= warm_up {
                    floors.push(one);
                    figures.push(other);
                }
            }
            let figure = Self {
                name: plan.name.to_owned(),
                floor_name: plan.floor.to_owned(),
                target: plan.target.to_owned(),
                conditions: format!("{}; {} rounds", plan.conditions, plan.rounds),
                floor: Sample::of(floors),
                ours: Sample::of(figures),
                attempts,
                facts: Vec::new(),
            };
            if figure.is_steady() || attempts == MAX_ATTEMPTS {
                return Ok(figure);
            }
            println!(
                "  {}: the floor moved by {:.2} × while measuring; once more ({} of {MAX_ATTEMPTS})",
                plan.name,
                figure.floor.drift,
                attempts + 1
            );
        }
    }

    /// Median of ours, in microseconds.
    pub(crate) fn p50(&self) -> f64 {
        self.ours.p50
    }

    /// Adds a rate or a time: not reported where the floor moved.
    pub(crate) fn timed(mut self, name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        self.facts.push(Fact {
            name: name.into(),
            value,
            unit,
            is_timed: true,
        });
        self
    }

    /// Adds a count, which no noise changes.
    pub(crate) fn counted(
        mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        self.facts.push(Fact {
            name: name.into(),
            value,
            unit,
            is_timed: false,
        });
        self
    }

    fn is_steady(&self) -> bool {
        self.floor.drift <= MAX_DRIFT
    }

    fn ratio(&self) -> f64 {
        self.ours.p50 / self.floor.p50
    }

    fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.facts
            .iter()
            .filter(|fact| self.is_steady() || !fact.is_timed)
    }

    fn to_json(&self) -> Value {
        let facts: Vec<Value> = self
            .facts()
            .map(|fact| json!({ "name": fact.name, "value": fact.value, "unit": fact.unit }))
            .collect();
        let mut document = json!({
            "name": self.name,
            "floor": { "name": self.floor_name },
            "floor_drift": self.floor.drift,
            "reported": self.is_steady(),
            "attempts": self.attempts,
            "target": self.target,
            "conditions": self.conditions,
            "facts": facts,
        });
        if self.is_steady() {
            document["floor"]["p50_us"] = json!(self.floor.p50);
            document["floor"]["p99_us"] = json!(self.floor.p99);
            document["ours"] = json!({ "p50_us": self.ours.p50, "p99_us": self.ours.p99 });
            document["ratio"] = json!(self.ratio());
        }
        document
    }

    fn to_markdown(&self) -> String {
        let facts: Vec<String> = self.facts().map(Fact::to_string).collect();
        let more = if facts.is_empty() {
            "–".to_owned()
        } else {
            facts.join("; ")
        };
        let head = format!("| {} | {}", self.name, self.floor_name);
        if !self.is_steady() {
            let drift = self.floor.drift;
            return format!(
                "{head} | | | not reported: the floor moved by {drift:.2} × | {} | {more} |",
                self.target
            );
        }
        format!(
            "{head} | {} | {} / {} | {:.2} | {} | {more} |",
            Time(self.floor.p50),
            Time(self.ours.p50),
            Time(self.ours.p99),
            self.ratio(),
            self.target
        )
    }
}

impl Row {
    pub(crate) fn header() -> String {
        format!(
            "{:<44} {:>9} {:>9} {:>9} {:>9} {:>6}  target",
            "what", "floor p50", "floor p99", "ours p50", "ours p99", "ratio"
        )
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Measured(figure) => figure.to_json(),
            Self::Missing { name, why } => json!({ "name": name, "reported": false, "why": why }),
        }
    }

    /// The head of a Markdown table of rows.
    pub(crate) fn markdown_header() -> &'static str {
        "| what | floor | floor p50 | ours p50 / p99 | ratio | target | beside it |\n|---|---|---|---|---|---|---|"
    }

    pub(crate) fn to_markdown(&self) -> String {
        match self {
            Self::Measured(figure) => figure.to_markdown(),
            Self::Missing { name, why } => format!("| {name} | | | not measured: {why} | | | |"),
        }
    }

    /// The name of a row whose figure is not reported because its floor moved.
    pub(crate) fn refused(&self) -> Option<&str> {
        match self {
            Self::Measured(figure) if !figure.is_steady() => Some(&figure.name),
            _ => None,
        }
    }
}

impl From<Figure> for Row {
    fn from(figure: Figure) -> Self {
        Self::Measured(figure)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured(figure) => figure.fmt(out),
            Self::Missing { name, why } => write!(out, "{name:<44} not measured: {why}"),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_steady() {
            writeln!(
                out,
                "{:<44} {:>9} {:>9} {:>9} {:>9} {:>6.2}  {}",
                self.name,
                Time(self.floor.p50).to_string(),
                Time(self.floor.p99).to_string(),
                Time(self.ours.p50).to_string(),
                Time(self.ours.p99).to_string(),
                self.ratio(),
                self.target
            )?;
        } else {
            writeln!(
                out,
                "{:<44} not reported: the floor moved by {:.2} × while measuring, in each of {} attempts",
                self.name, self.floor.drift, self.attempts
            )?;
        }
        write!(out, "    floor: {}; {}", self.floor_name, self.conditions)?;
        if self.is_steady() && self.attempts > 1 {
            write!(out, "; attempt {}", self.attempts)?;
        }
        for fact in self.facts() {
            write!(out, "\n    {fact}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.value.abs() < 100.0 && self.value.fract() != 0.0) * 2;
        write!(
            out,
            "{}: {:.decimals$} {}",
            self.name, self.value, self.unit
        )
    }
}

/// Microseconds, shown in the unit that fits.
struct Time(f64);

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            micros if micros < 1e3 => write!(out, "{micros:.1} µs"),
            micros if micros < 1e6 => write!(out, "{:.2} ms", micros / 1e3),
            micros => write!(out, "{:.2} s", micros / 1e6),
        }
    }
}

impl Sample {
    fn of(mut times: Vec<f64>) -> Self {
        let fifth = (times.len() / 5).max(1);
        let first = median(times.get(..fifth).unwrap_or_default());
        let last = median(
            times
                .get(times.len().saturating_sub(fifth)..)
                .unwrap_or_default(),
        );
        let drift = (first / last).max(last / first);
        times.sort_by(f64::total_cmp);
        Self {
            p50: percentile(&times, 0.5),
            p99: percentile(&times, 0.99),
            drift,
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    percentile(&values, 0.5)
}

/// The value at this part of a sorted list: 0.5 is the median. Not a number where the list is empty.
pub(crate) fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = ((sorted.len() as f64 - 1.0) * part).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// How long something took, in microseconds.
pub(crate) fn micros<T>(what: impl FnOnce() -> Result<T>) -> Result<f64> {
    let began = Instant::now();
    black_box(what()?);
    Ok(began.elapsed().as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    //! Without these a bench could show a wrong percentile, or report what noise made of it.
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PLAN: Plan<'_> = Plan {
        name: "1 something",
        floor: "the floor",
        target: "≤ 2 µs",
        conditions: "made up",
        rounds: 20,
    };
    /// Rounds of one attempt, warm-up included.
    const ATTEMPT: usize = 20 + 3;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        for (part, expected) in [(0.0, 1.0), (0.5, 51.0), (0.99, 99.0), (1.0, 100.0)] {
            assert_eq!(percentile(&sorted, part), expected, "{part}");
        }
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_sample_sorts_and_compares_its_ends() {
        let sample = Sample::of(vec![4.0, 1.0, 9.0, 1.0, 2.0]);
        assert_eq!(sample.p50, 2.0);
        assert_eq!(sample.p99, 9.0);
        assert_eq!(sample.drift, 2.0, "from 4 to 2");
        assert_eq!(Sample::of(vec![1.0; 10]).drift, 1.0);
    }

    #[test]
    fn a_ratio_is_ours_to_the_floor_without_the_warm_up() {
        let slow_start = |round| if round < 3 { 1e6 } else { 4.0 };
        let figure = Figure::measure_timed(&PLAN, |_| Ok(2.0), |round| Ok(slow_start(round)));
        let figure = figure.unwrap();
        assert_eq!((figure.ratio(), figure.ours.p99), (2.0, 4.0));
        assert_eq!(figure.attempts, 1);
        assert_eq!(figure.to_json()["ratio"], 2.0);
        assert_eq!(figure.to_json()["reported"], true);
    }

    #[test]
    fn a_floor_that_moves_is_measured_again_and_then_refused() {
        let mut calls = 0;
        let floor = |round: usize| {
            calls += 1;
            Ok(if round % ATTEMPT > 12 { 1.6 } else { 1.0 })
        };
        let figure = Figure::measure_timed(&PLAN, floor, |_| Ok(1.0)).unwrap();
        assert_eq!(calls, MAX_ATTEMPTS * ATTEMPT);
        let figure = figure
            .timed("rate", 5.0, "tasks/s")
            .counted("lost", 0.0, "receipts");
        let (document, shown) = (figure.to_json(), figure.to_string());
        assert_eq!(document["reported"], false);
        assert!(document.get("ratio").is_none() && document.get("ours").is_none());
        assert!(
            shown.contains("not reported") && shown.contains("1.60 ×"),
            "{shown}"
        );
        assert!(
            !shown.contains("rate") && shown.contains("lost: 0 receipts"),
            "{shown}"
        );
        assert_eq!(Row::from(figure).refused(), Some("1 something"));
    }

    #[test]
    fn a_floor_that_calms_down_is_reported_with_its_attempt() {
        let floor = |round: usize| Ok(if round == ATTEMPT - 1 { 9.0 } else { 1.0 });
        // Only the last fifth of the first attempt is slow.
        let moved = |round: usize| {
            if (ATTEMPT - 4..ATTEMPT).contains(&round) {
                Ok(9.0)
            } else {
                floor(ATTEMPT)
            }
        };
        let figure = Figure::measure_timed(&PLAN, moved, |_| Ok(3.0)).unwrap();
        assert_eq!((figure.attempts, figure.ratio()), (2, 3.0));
        assert!(figure.to_string().contains("attempt 2"));
    }

    #[test]
    fn a_steady_floor_within_the_bound_is_reported() {
        let floor = |round: usize| Ok(if round % ATTEMPT > 12 { 1.4 } else { 1.0 });
        let figure = Figure::measure_timed(&PLAN, floor, |_| Ok(1.0)).unwrap();
        assert_eq!(figure.attempts, 1);
        assert!(Row::from(figure).refused().is_none());
    }

    #[test]
    fn times_are_shown_in_the_unit_that_fits() {
        for (micros, shown) in [
            (12.34, "12.3 µs"),
            (12_340.0, "12.34 ms"),
            (1_234_000.0, "1.23 s"),
        ] {
            assert_eq!(Time(micros).to_string(), shown);
        }
    }
}
