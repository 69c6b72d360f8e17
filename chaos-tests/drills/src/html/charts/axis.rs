//! Axes with round ticks: from zero on, or by powers of ten, or in units of time.

use crate::html::numbers;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// Ticks of a linear axis, about.
const TICKS: f64 = 5.0;
/// Ticks of a time axis, at most.
const TIME_TICKS_MAX: f64 = 10.0;
/// Powers of ten up to which a logarithmic axis also has ticks between them.
const DECADES_WITH_STEPS: i32 = 2;
/// Steps of a time axis, in milliseconds.
#[rustfmt::skip]
const TIME_STEPS_MS: [f64; 19] = [
    100.0, 200.0, 500.0,
    1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0, 30_000.0,
    60_000.0, 120_000.0, 300_000.0, 600_000.0, 900_000.0, 1_800_000.0,
    3_600_000.0, 7_200_000.0, 21_600_000.0, 86_400_000.0,
];

/// Where values lie on one side of a chart, and which of them have a label.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    ticks: Vec<f64>,
    log: bool,
    labels: Labels,
}

/// How a tick is told.
#[derive(Debug, Clone, PartialEq)]
enum Labels {
    Numbers,
    Milliseconds,
    Shares,
    /// An instant in milliseconds, told in a unit of so many of them.
    Instants(f64, &'static str),
    /// The name of each lane.
    Names(Vec<String>),
}

impl Axis {
    /// From zero to a round number that is no less than the largest of the values.
    pub fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let largest = values.into_iter().filter(|v| v.is_finite()).fold(0.0, f64::max);
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let step = round_step(largest / TICKS);
        let to = step * (largest / step).ceil().max(1.0);
        Self { from: 0.0, to, ticks: multiples(step, to), log: false, labels: Labels::Numbers }
    }

    /// By powers of ten around all positive values.
    pub fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let positive = values.into_iter().filter(|v| v.is_finite() && *v > 0.0);
        let (least, largest) = positive.fold((f64::MAX, f64::MIN_POSITIVE), |(a, b), v| (a.min(v), b.max(v)));
        let (least, largest) = if least > largest { (1.0, 10.0) } else { (least, largest) };
        let first = least.log10().floor() as i32;
        let last = (largest.log10().ceil() as i32).max(first + 1);
        let steps: &[f64] = if last - first <= DECADES_WITH_STEPS { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let to = 10_f64.powi(last);
        let ticks = (first..last).flat_map(|n| steps.iter().map(move |step| step * 10_f64.powi(n))).chain([to]);
        Self { from: 10_f64.powi(first), to, ticks: ticks.collect(), log: true, labels: Labels::Numbers }
    }

    /// Its values are milliseconds.
    pub fn in_ms(self) -> Self {
        Self { labels: Labels::Milliseconds, ..self }
    }

    /// From zero to an instant in milliseconds.
    pub fn time(end_ms: f64) -> Self {
        let to = if end_ms.is_finite() && end_ms > 0.0 { end_ms } else { 1.0 };
        let fits = |step: &&f64| to / **step <= TIME_TICKS_MAX;
        let step = TIME_STEPS_MS.iter().find(fits).copied().unwrap_or_else(|| round_step(to / TICKS));
        let labels = match step {
            step if step >= 3_600_000.0 => Labels::Instants(3_600_000.0, "h"),
            step if step >= 60_000.0 => Labels::Instants(60_000.0, "min"),
            step if step >= 1_000.0 => Labels::Instants(1_000.0, "s"),
            _ => Labels::Instants(1.0, "ms"),
        };
        Self { from: 0.0, to, ticks: multiples(step, to), log: false, labels }
    }

    /// A lane of height 1 for each name; the first lies lowest.
    pub fn lanes(names: Vec<String>) -> Self {
        let ticks = (0..names.len()).map(|lane| lane as f64 + 0.5).collect();
        Self { from: 0.0, to: names.len() as f64, ticks, log: false, labels: Labels::Names(names) }
    }

    /// Shares of a whole, with some room above it.
    pub fn shares() -> Self {
        Self { from: 0.0, to: 1.05, ticks: vec![0.0, 0.25, 0.5, 0.75, 1.0], log: false, labels: Labels::Shares }
    }

    /// Its ends.
    pub fn ends(&self) -> (f64, f64) {
        (self.from, self.to)
    }

    /// How far along the axis a value lies, from 0 to 1; what lies beyond an end is moved there.
    fn share(&self, value: f64) -> f64 {
        let (from, to) = if self.log { (self.from.log10(), self.to.log10()) } else { (self.from, self.to) };
        let value = value.clamp(self.from, self.to);
        let value = if self.log { value.log10() } else { value };
        (value - from) / (to - from)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        start + (f64::from(end - start) * self.share(*value)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light lines are asked for separately; there are none.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        match &self.labels {
            Labels::Numbers => short(*value),
            Labels::Milliseconds => format!("{} ms", short(*value)),
            Labels::Shares => format!("{} %", numbers::fixed(100.0 * value, 0)),
            Labels::Instants(unit_ms, unit) => format!("{} {unit}", numbers::fixed(value / unit_ms, 0)),
            Labels::Names(names) => names.get(*value as usize).cloned().unwrap_or_default(),
        }
    }
}

/// Ticks are round: what is small has as many digits as it needs.
fn short(tick: f64) -> String {
    let decimals = (0..6).find(|n| (tick * 10_f64.powi(*n)).fract().abs() < 1e-6).unwrap_or(6);
    numbers::fixed(tick, decimals as usize)
}

/// 1, 2 or 5 times a power of ten that is no less.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|n| n * power).find(|round| *round >= step).unwrap_or(10.0 * power)
}

fn multiples(step: f64, to: f64) -> Vec<f64> {
    // A multiple that rounding moved a little beyond the end belongs to it.
    let last = (to / step + 1e-9).floor() as usize;
    (0..=last).map(|n| n as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|tick| axis.format_ext(tick)).collect()
    }

    #[test]
    fn a_linear_axis_ends_at_a_round_number() {
        assert_eq!(labels(&Axis::linear([3.0, 870.0])), ["0", "200", "400", "600", "800", "1,000"]);
        assert_eq!(labels(&Axis::linear([0.9, f64::NAN])), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(Axis::linear([]).ends(), (0.0, 1.0));
    }

    #[test]
    fn a_logarithmic_axis_has_the_powers_of_ten_around_all_values() {
        assert_eq!(labels(&Axis::log([0.0, 0.3, 1_200.0]).in_ms())[..2], ["0.1 ms", "1 ms"]);
        assert_eq!(labels(&Axis::log([10.0])), ["10", "20", "50", "100"]);
        assert_eq!(labels(&Axis::log([])), ["1", "2", "5", "10"]);
        let axis = Axis::log([1.0, 1_000.0]);
        assert_eq!([0.1, 1.0, 100.0, 1e9].map(|v| axis.map(&v, (300, 0))), [300, 300, 100, 0]);
    }

    #[test]
    fn a_time_axis_has_ticks_in_units_of_time() {
        assert_eq!(labels(&Axis::time(45.0 * 60_000.0))[..3], ["0 min", "5 min", "10 min"]);
        assert_eq!(labels(&Axis::time(12_000.0))[..3], ["0 s", "2 s", "4 s"]);
        assert_eq!(Axis::time(f64::NAN).ends(), (0.0, 1.0));
    }
}
