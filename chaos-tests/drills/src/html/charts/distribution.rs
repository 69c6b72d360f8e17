//! How the failover times of all rounds are distributed: for each time the share of rounds that took no longer.

use super::axis::Axis;
use super::plot::{Frame, Plot, draw};
use crate::html::numbers::ms;
use crate::html::palette::Colour;
use crate::pauses::percentile;
use anyhow::Result;
use maud::Markup;

/// From this ratio of the longest to the shortest time on, the axis is logarithmic.
const LOG_FROM_RATIO: f64 = 20.0;
/// The marked quantiles.
pub(super) const MARKS: [(f64, &str); 2] = [(0.5, "median"), (0.99, "P99")];
/// Between a mark's name and the chart's left edge and the line that it names, in pixels.
const GAP: (i32, i32) = (8, 10);

/// One side's times.
pub(super) struct Sample<'s> {
    /// Whose.
    pub name: &'s str,
    /// In which colour.
    pub colour: &'static Colour,
    /// In milliseconds, ascending, all finite.
    pub times_ms: Vec<f64>,
}

impl<'s> Sample<'s> {
    /// What is no number is left out.
    pub fn new(name: &'s str, colour: &'static Colour, times_ms: impl IntoIterator<Item = f64>) -> Self {
        let mut times_ms: Vec<f64> = times_ms.into_iter().filter(|time| time.is_finite()).collect();
        times_ms.sort_by(f64::total_cmp);
        Self { name, colour, times_ms }
    }

    /// The marked quantiles in words.
    pub fn marks(&self) -> String {
        let marks =
            MARKS.iter().filter_map(|(q, name)| Some(format!("{name} {}", ms(percentile(&self.times_ms, *q)?))));
        marks.collect::<Vec<_>>().join(", ")
    }
}

/// Draws the samples, of which at least one has a time.
pub(super) fn chart(samples: &[Sample<'_>]) -> Result<Markup> {
    let times = || samples.iter().flat_map(|sample| sample.times_ms.iter().copied());
    let (least, most) = times().fold((f64::MAX, 0.0), |(a, b): (f64, f64), time| (a.min(time), b.max(time)));
    let log = least > 0.0 && most / least >= LOG_FROM_RATIO;
    let x = if log { Axis::log(times()) } else { Axis::linear(times()) }.in_ms();
    let y = Axis::shares();
    draw(&Frame { height: 240, x: &x, y: &y, y_title: Some("share of rounds") }, |plot| {
        marks(plot, &x)?;
        for sample in samples.iter().rev() {
            curve(plot, &x, sample)?;
        }
        Ok(())
    })
}

/// Lines across at the marked shares, each with its name where the curves have not yet risen.
fn marks(plot: &mut Plot<'_, '_, '_>, x: &Axis) -> Result<()> {
    let (left, right) = x.ends();
    for (share, name) in MARKS {
        plot.line(&[(left, Some(share)), (right, Some(share))], &crate::html::palette::MUTED, 1)?;
        let (x, y) = plot.pixel((left, share));
        plot.text_at((x + GAP.0, y + GAP.1), name)?;
    }
    Ok(())
}

/// A staircase that rises by one round's share at each round's time.
fn curve(plot: &mut Plot<'_, '_, '_>, x: &Axis, sample: &Sample<'_>) -> Result<()> {
    let Sample { colour, times_ms, .. } = sample;
    let share = |n: usize| n as f64 / times_ms.len() as f64;
    let (left, right) = x.ends();
    let steps = times_ms.iter().enumerate().flat_map(|(n, time)| [(*time, share(n)), (*time, share(n + 1))]);
    let whole = [(left, 0.0)].into_iter().chain(steps).chain([(right, 1.0)]);
    let stairs: Vec<(f64, Option<f64>)> = whole.map(|(x, y)| (x, Some(y))).collect();
    if times_ms.is_empty() {
        return Ok(());
    }
    plot.line(&stairs, colour, 2)?;
    for (quantile, _) in MARKS {
        let Some(time) = percentile(times_ms, quantile) else { continue };
        plot.line(&[(time, Some(0.0)), (time, Some(quantile))], colour, 1)?;
        plot.dot((time, quantile), colour)?;
    }
    for (n, time) in times_ms.iter().enumerate() {
        let until = times_ms.get(n + 1).copied().unwrap_or(right);
        let text = format!("{}: {} of {} rounds took {} or less", sample.name, n + 1, times_ms.len(), ms(*time));
        plot.tip((*time, share(n)), (until, share(n + 1)), text);
    }
    Ok(())
}
