//! The chart of faults: a lane for each node, a bar for each fault.

use super::axis::Axis;
use super::plot::{Frame, Plot, draw, text_width};
use super::spans::{Span, kind};
use crate::html::numbers::{cut, instant};
use crate::limits::{CHART_NAME_CHARS_MAX, FAULTS_LABELLED_MAX, LANES_MAX};
use anyhow::Result;
use maud::Markup;
use std::collections::BTreeSet;

/// Height of a lane, in pixels.
const LANE: usize = 28;
/// Empty above and below a bar, as a share of its lane.
const LANE_MARGIN: f64 = 0.18;
/// Characters of a zone's name that fit beside a lane.
const ZONE_CHARS_MAX: usize = 10;
/// Between a bar's begin or end and its label, in pixels.
const GAP: i32 = 5;

/// The nodes that have a lane, and those that have none.
pub(super) struct Lanes<'a> {
    /// Zone and node, in order.
    pub nodes: Vec<(&'a str, u64)>,
    /// How many more there are.
    pub left_out: usize,
}

impl<'a> Lanes<'a> {
    /// The first few nodes on which there was a fault.
    pub fn of(spans: &[Span<'a>]) -> Self {
        let mut nodes: Vec<(&str, u64)> =
            spans.iter().map(|s| (s.act.zone.as_str(), s.act.node)).collect::<BTreeSet<_>>().into_iter().collect();
        let left_out = nodes.len().saturating_sub(LANES_MAX);
        nodes.truncate(LANES_MAX);
        Self { nodes, left_out }
    }

    /// The first lane is the highest.
    fn bottom(&self, span: &Span<'_>) -> Option<f64> {
        let lane = self.nodes.iter().position(|(zone, node)| *zone == span.act.zone && *node == span.act.node)?;
        Some((self.nodes.len() - 1 - lane) as f64)
    }
}

/// Draws the lanes over the time axis `x`.
pub(super) fn chart(x: &Axis, spans: &[Span<'_>], lanes: &Lanes<'_>) -> Result<Markup> {
    let name = |(zone, node): &(&str, u64)| format!("{} · {node}", cut(zone, ZONE_CHARS_MAX));
    let y = Axis::lanes(lanes.nodes.iter().rev().map(name).collect());
    let height = u32::try_from(LANE * lanes.nodes.len())?;
    draw(&Frame { height, x, y: &y, y_title: None }, |plot| {
        let bars: Vec<Bar<'_>> =
            spans.iter().filter_map(|span| Some(Bar { span, bottom: lanes.bottom(span)? })).collect();
        for bar in &bars {
            plot.bar(bar.from(), bar.to())?;
            plot.tip(bar.from(), bar.to(), tip(bar.span));
        }
        if bars.len() <= FAULTS_LABELLED_MAX {
            for bar in &bars {
                label(plot, x, bar, &bars)?;
            }
        }
        Ok(())
    })
}

struct Bar<'b> {
    span: &'b Span<'b>,
    bottom: f64,
}

impl Bar<'_> {
    fn from(&self) -> (f64, f64) {
        (self.span.act.at_ms, self.bottom + LANE_MARGIN)
    }

    fn to(&self) -> (f64, f64) {
        (self.span.to_ms, self.bottom + 1.0 - LANE_MARGIN)
    }
}

/// Writes a fault's name into its bar or behind it: with its parameters, or without them, or not at all, as there is room.
fn label(plot: &mut Plot<'_, '_, '_>, x: &Axis, bar: &Bar<'_>, bars: &[Bar<'_>]) -> Result<()> {
    let act = bar.span.act;
    for text in [act.what.as_str(), kind(&act.what)] {
        let text = cut(text, CHART_NAME_CHARS_MAX);
        if let Some(at) = room(plot, x, bar, bars, text_width(&text) as i32 + 2 * GAP) {
            return plot.text_at(at, &text);
        }
    }
    Ok(())
}

/// Where so many pixels of words touch no other bar of the lane: inside of this one, or else behind it.
fn room(plot: &Plot<'_, '_, '_>, x: &Axis, bar: &Bar<'_>, bars: &[Bar<'_>], width: i32) -> Option<(i32, i32)> {
    let middle = bar.bottom + 0.5;
    let left_of = |at_ms: f64| plot.pixel((at_ms, middle)).0;
    let (start, end) = (left_of(bar.span.act.at_ms), left_of(bar.span.to_ms));
    let others = || bars.iter().filter(|other| other.bottom == bar.bottom && !std::ptr::eq(*other, bar));
    let starts = || others().map(|other| left_of(other.span.act.at_ms));
    // A bar that begins no later and lasts longer would lie under words behind this one.
    let covered = others().any(|o| o.span.act.at_ms <= bar.span.to_ms && o.span.to_ms > bar.span.to_ms);
    let next = starts().filter(|other| *other > start).min().unwrap_or_else(|| left_of(x.ends().1));
    let inside = end - start >= width && !starts().any(|other| (start..start + width).contains(&other));
    let behind = !covered && next - end >= width;
    let at = if inside { start } else { behind.then_some(end)? };
    Some((at + GAP, plot.pixel((0.0, middle)).1))
}

fn tip(span: &Span<'_>) -> String {
    let act = span.act;
    let end = if span.undone { format!("to {}", instant(span.to_ms)) } else { "on, not undone".to_owned() };
    format!("{} on {} (node {}), from {} {end}", act.what, act.zone, act.node, instant(act.at_ms))
}
