//! Throughput, failed attempts and latency over time.

use super::axis::Axis;
use super::plot::{Frame, Plot, draw};
use super::points::{Latency, Point};
use crate::html::numbers::{instant, ms, short};
use crate::html::palette::{Colour, FAILED, P50, P99, THROUGHPUT, WORST};
use anyhow::Result;
use maud::Markup;

/// Points up to which the line of the 99th percentile is a thick one.
const THICK_POINTS_MAX: usize = 250;

/// What the three charts have in common.
pub(super) struct OverTime<'t> {
    /// The time axis.
    pub x: &'t Axis,
    /// What was measured.
    pub points: &'t [Point],
    /// When there was a fault, in milliseconds.
    pub faults: &'t [(f64, f64)],
}

impl OverTime<'_> {
    /// Turns acknowledged in a second.
    pub fn throughput(&self) -> Result<Markup> {
        self.rate(190, "turns / s", &THROUGHPUT, |point| point.turns_per_s)
    }

    /// Attempts that failed in a second.
    pub fn failed(&self) -> Result<Markup> {
        self.rate(110, "failed / s", &FAILED, |point| point.failed_per_s)
    }

    /// Median, 99th percentile and worst latency.
    pub fn latency(&self) -> Result<Markup> {
        let seen = || self.points.iter().filter_map(|point| point.latency);
        let y = Axis::log(seen().flat_map(|l| [l.p50_ms, l.p99_ms, l.max_ms])).in_ms();
        // Thick lines of many points hide each other.
        let width = if self.points.len() > THICK_POINTS_MAX { 1 } else { 2 };
        draw(&Frame { height: 230, x: self.x, y: &y, y_title: Some("latency, log scale") }, |plot| {
            plot.shade(self.faults)?;
            let mut line = |colour: &Colour, width: u32, of: fn(Latency) -> f64| {
                plot.line(&self.series(|point| point.latency.map(of)), colour, width)
            };
            line(&WORST, 1, |latency| latency.max_ms)?;
            line(&P99, width, |latency| latency.p99_ms)?;
            line(&P50, 2, |latency| latency.p50_ms)?;
            self.tips(plot, &y);
            Ok(())
        })
    }

    fn rate(&self, height: u32, y_title: &str, colour: &Colour, of: fn(&Point) -> f64) -> Result<Markup> {
        let y = Axis::linear(self.points.iter().map(of));
        draw(&Frame { height, x: self.x, y: &y, y_title: Some(y_title) }, |plot| {
            plot.shade(self.faults)?;
            plot.line(&self.series(|point| (!point.rested).then(|| of(point))), colour, 2)?;
            self.tips(plot, &y);
            Ok(())
        })
    }

    fn series(&self, of: impl Fn(&Point) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
        self.points.iter().map(|point| (point.middle_ms(), of(point))).collect()
    }

    fn tips(&self, plot: &mut Plot<'_, '_, '_>, y: &Axis) {
        let (bottom, top) = y.ends();
        for point in self.points {
            plot.tip((point.from_ms, bottom), (point.to_ms, top), tip(point));
        }
    }
}

fn tip(point: &Point) -> String {
    if point.rested {
        return format!("{} to {}: the load rested", instant(point.from_ms), instant(point.to_ms));
    }
    let rates = format!(
        "{} to {}: {} turns/s, {} failed/s",
        instant(point.from_ms),
        instant(point.to_ms),
        short(point.turns_per_s),
        short(point.failed_per_s),
    );
    match point.latency {
        None => format!("{rates}, no turn was acknowledged"),
        Some(l) => format!("{rates}, P50 {}, P99 {}, max {}", ms(l.p50_ms), ms(l.p99_ms), ms(l.max_ms)),
    }
}
