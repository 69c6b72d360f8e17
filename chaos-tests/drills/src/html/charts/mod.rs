//! The charts of a report, each with a heading, a legend, a description for those who do not see it, and a caption.

mod axis;
mod distribution;
mod faults;
mod over_time;
mod plot;
mod points;
mod spans;

use super::numbers::{instant, ms, short, size};
use super::palette::{Colour, FAILED, OURS, P50, P99, PEER, THROUGHPUT, WORST};
use crate::limits::{LANES_MAX, TIMELINE_POINTS_MAX};
use crate::record::DrillRecord;
use anyhow::Result;
use axis::Axis;
use distribution::Sample;
use faults::Lanes;
use maud::{Markup, html};
use over_time::OverTime;
use points::Point;

/// What a chart is framed by on the page.
struct Figure<'f> {
    /// Its anchor.
    id: &'f str,
    title: &'f str,
    /// The lines' names and colours.
    legend: Vec<(&'static Colour, String)>,
    /// What it shows, for those who do not see it.
    label: String,
    caption: String,
}

impl Figure<'_> {
    fn around(&self, picture: &Markup) -> Markup {
        html! {
            figure id=(self.id) {
                h3 { (self.title) }
                @if !self.legend.is_empty() {
                    ul.legend {
                        @for (colour, name) in &self.legend { li { span class={ "swatch " (colour.name) } {} (name) } }
                    }
                }
                div.chart { div role="img" aria-label=(self.label) { (picture) } }
                @if !self.caption.is_empty() { figcaption { (self.caption) } }
            }
        }
    }
}

/// Faults, throughput, failed attempts and latency over one time axis.
pub(super) fn over_time(record: &DrillRecord) -> Result<Markup> {
    let points = points::points(&record.timeline, TIMELINE_POINTS_MAX);
    let known = record.acts.iter().map(|act| act.at_ms).chain(points.last().map(|point| point.to_ms));
    let end_ms = known.filter(|at_ms| at_ms.is_finite()).fold(0.0, f64::max);
    let spans = spans::spans(&record.acts, end_ms);
    let (x, faults) = (Axis::time(end_ms), spans::covered(&spans));
    let lanes = Lanes::of(&spans);
    let over_time = OverTime { x: &x, points: &points, faults: &faults };
    let mut shaded =
        format!("Shaded: {} in all, each from an act to the act that undid it.", faults_in_words(spans.len()));
    if let Some(peer) = record.peer.as_ref().filter(|_| record.timeline.buckets.iter().any(|b| b.rested)) {
        shaded += &format!(" Gaps: the load rested while {} had its round.", peer.name);
    }
    Ok(html! {
        @if !spans.is_empty() {
            (Figure {
                id: "chart-faults",
                title: "Faults by node",
                legend: Vec::new(),
                label: format!("{} on {} nodes over {}", faults_in_words(spans.len()), lanes.nodes.len(), instant(end_ms)),
                caption: lanes_in_words(&lanes),
            }.around(&faults::chart(&x, &spans, &lanes)?))
        }
        @if points.is_empty() {
            p.none { "No timeline was recorded." }
        } @else {
            (Figure {
                id: "chart-throughput",
                title: "Throughput",
                legend: vec![(&THROUGHPUT, "turns acknowledged per second".to_owned())],
                label: rate_in_words("Turns acknowledged per second", &points, |point| point.turns_per_s),
                caption: shaded,
            }.around(&over_time.throughput()?))
            (failed(&over_time)?)
            (latency(record, &over_time)?)
        }
    })
}

fn failed(over_time: &OverTime<'_>) -> Result<Markup> {
    if over_time.points.iter().all(|point| point.failed_per_s == 0.0) {
        return Ok(html! { p.none { "No attempt failed." } });
    }
    let figure = Figure {
        id: "chart-failed",
        title: "Failed attempts",
        legend: vec![(&FAILED, "attempts that failed per second".to_owned())],
        label: rate_in_words("Failed attempts per second", over_time.points, |point| point.failed_per_s),
        caption: "A client repeats a failed attempt on the next node: a failed attempt is not yet a failed turn."
            .to_owned(),
    };
    Ok(figure.around(&over_time.failed()?))
}

fn latency(record: &DrillRecord, over_time: &OverTime<'_>) -> Result<Markup> {
    if over_time.points.iter().all(|point| point.latency.is_none()) {
        return Ok(html! { p.none { "No turn was acknowledged: there are no latencies." } });
    }
    let load = &record.load;
    let figure = Figure {
        id: "chart-latency",
        title: "Latency of whole turns",
        legend: vec![(&P50, "P50".to_owned()), (&P99, "P99".to_owned()), (&WORST, "max".to_owned())],
        label: format!(
            "Latency over time on a logarithmic scale; over the whole run P50 {}, P99 {}, max {}",
            ms(load.p50_ms),
            ms(load.p99_ms),
            ms(load.max_ms)
        ),
        caption: resolution_in_words(record),
    };
    Ok(figure.around(&over_time.latency()?))
}

/// How long service paused in the rounds, beside the peer.
pub(super) fn failover(record: &DrillRecord) -> Result<Markup> {
    let ours = Sample::new("Tertulia", &OURS, record.rounds.iter().map(|round| round.shard_pause_ms));
    let peer = record.peer.as_ref().map(|peer| Sample::new(&peer.name, &PEER, peer.pause_ms.iter().copied()));
    let samples: Vec<Sample<'_>> = [ours].into_iter().chain(peer).filter(|s| !s.times_ms.is_empty()).collect();
    if samples.is_empty() {
        return Ok(html! { p.none { "No round was run: there are no failover times." } });
    }
    let name = |s: &Sample<'_>| format!("{}, {} rounds: {}", s.name, size(s.times_ms.len()), s.marks());
    let figure = Figure {
        id: "chart-failover",
        title: "Share of rounds in which service paused no longer",
        legend: samples.iter().map(|sample| (sample.colour, name(sample))).collect(),
        label: samples.iter().map(name).collect::<Vec<_>>().join("; "),
        caption:
            "Of each round the longest time without an acknowledgement of a single one of the shards that were hit. \
                  Dots mark the median and the 99th percentile, by the nearest rank."
                .to_owned(),
    };
    Ok(figure.around(&distribution::chart(&samples)?))
}

fn faults_in_words(count: usize) -> String {
    format!("{} {}", size(count), if count == 1 { "fault" } else { "faults" })
}

fn rate_in_words(what: &str, points: &[Point], of: fn(&Point) -> f64) -> String {
    let (least, most) = points
        .iter()
        .filter(|point| !point.rested)
        .map(of)
        .fold((f64::MAX, 0.0), |(a, b): (f64, f64), v| (a.min(v), b.max(v)));
    format!("{what} over time, from {} to {}", short(least), short(most))
}

fn lanes_in_words(lanes: &Lanes<'_>) -> String {
    let mut words = "The pointer over a bar and the table of acts tell what was done.".to_owned();
    if lanes.left_out > 0 {
        words += &format!(" {} nodes beyond the first {LANES_MAX} are left out.", lanes.left_out);
    }
    words
}

/// What a point of the lines stands for.
fn resolution_in_words(record: &DrillRecord) -> String {
    let bucket = ms(record.timeline.bucket_ms);
    match points::buckets_per_point(&record.timeline, TIMELINE_POINTS_MAX) {
        1 => format!("Each point stands for {bucket}."),
        n => format!(
            "Each point stands for {n} buckets of {bucket}: turns and failures are summed, P50 is the median of the \
             buckets' medians, P99 and max are the largest of any bucket."
        ),
    }
}
