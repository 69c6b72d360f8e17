//! One chart as inline SVG: the frame, lines, shaded times, words, and what the pointer is told.

use super::axis::Axis;
use crate::html::palette::{CARD, Colour, FAULT, INK, MUTED, RULE};
use anyhow::Result;
use maud::{Markup, PreEscaped, html};
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::{Shift, cartesian::Cartesian2d};
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, TextStyle};

/// Width of every chart in its own pixels; the page scales it.
const WIDTH: u32 = 1_120;
/// Left of the plotting area, the same in all charts, so that their time axes lie below each other.
const LEFT: u32 = 108;
/// Left of everything: a title that is turned on its side is taller than the backend believes.
const EDGE: u32 = 4;
const RIGHT: u32 = 28;
const TOP: u32 = 12;
const BOTTOM: u32 = 30;
/// The backend writes a font size of this divided by 1.24: 12 pixels.
const FONT: f64 = 15.0;
/// Width of a character of that size, with something to spare.
const CHAR_WIDTH: f64 = 6.8;
/// Opacity of a shaded time.
const SHADE: f64 = 0.16;
/// Opacity of a fault's own bar.
const BAR: f64 = 0.45;
/// Radius of a lone point, in pixels.
const DOT: i32 = 3;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// What surrounds a chart's contents.
pub(super) struct Frame<'f> {
    /// Of the plotting area, in pixels.
    pub height: u32,
    /// Along the bottom.
    pub x: &'f Axis,
    /// Along the left.
    pub y: &'f Axis,
    /// What the left axis counts, with lines across at its ticks; none where it has lanes.
    pub y_title: Option<&'f str>,
}

/// A chart that is being drawn.
pub(super) struct Plot<'p, 'a, 'b> {
    chart: &'p mut Chart<'a, 'b>,
    x: &'p Axis,
    y: &'p Axis,
    tips: Vec<Tip>,
}

/// What the pointer is told over a rectangle of pixels.
struct Tip {
    from: (i32, i32),
    to: (i32, i32),
    text: String,
}

/// Draws one chart. The style sheet replaces its colours in a dark surrounding.
pub(super) fn draw(frame: &Frame<'_>, paint: impl FnOnce(&mut Plot<'_, '_, '_>) -> Result<()>) -> Result<Markup> {
    let mut svg = String::new();
    let size = (WIDTH, frame.height + TOP + BOTTOM);
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let tips = draw_on(&area, frame, paint)?;
    area.present()?;
    drop(area);
    Ok(with_tips(&svg, &tips))
}

fn draw_on(
    area: &Area<'_>,
    frame: &Frame<'_>,
    paint: impl FnOnce(&mut Plot<'_, '_, '_>) -> Result<()>,
) -> Result<Vec<Tip>> {
    area.fill(&CARD.light)?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(TOP)
        .margin_right(RIGHT)
        .margin_left(EDGE)
        .x_label_area_size(BOTTOM)
        .y_label_area_size(LEFT - EDGE)
        .build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh()
        .bold_line_style(RULE.light)
        .axis_style(MUTED.light)
        .label_style(words(&MUTED))
        .axis_desc_style(words(&MUTED));
    match frame.y_title {
        None => mesh.disable_y_mesh(),
        Some(title) => mesh.y_desc(title),
    };
    mesh.draw()?;
    let mut plot = Plot { chart: &mut chart, x: frame.x, y: frame.y, tips: Vec::new() };
    paint(&mut plot)?;
    Ok(plot.tips)
}

/// Puts the tips over everything else, inside of the picture.
fn with_tips(svg: &str, tips: &[Tip]) -> Markup {
    let picture = svg.trim_end().trim_end_matches("</svg>");
    html! {
        (PreEscaped(picture))
        @for Tip { from, to, text } in tips {
            rect class="tip" x=(from.0) y=(from.1) width=((to.0 - from.0).max(1)) height=((to.1 - from.1).max(1)) {
                title { (text) }
            }
        }
        (PreEscaped("</svg>"))
    }
}

fn words(colour: &Colour) -> TextStyle<'static> {
    ("sans-serif", FONT).into_font().color(&colour.light)
}

impl Plot<'_, '_, '_> {
    /// A line through points; it is broken where a value is missing, and a lone point is a dot.
    pub fn line(&mut self, points: &[(f64, Option<f64>)], colour: &Colour, width: u32) -> Result<()> {
        let known = |(x, y): &(f64, Option<f64>)| Some((*x, y.filter(|y| y.is_finite())?));
        for run in points.split(|point| known(point).is_none()) {
            let run: Vec<(f64, f64)> = run.iter().filter_map(known).collect();
            match run.as_slice() {
                [] => {}
                [lone] => self.dot(*lone, colour)?,
                _ => {
                    let path = PathElement::new(run, colour.light.stroke_width(width));
                    self.chart.draw_series([path])?;
                }
            }
        }
        Ok(())
    }

    /// A dot.
    pub fn dot(&mut self, at: (f64, f64), colour: &Colour) -> Result<()> {
        self.chart.draw_series([Circle::new(at, DOT, colour.light.filled())])?;
        Ok(())
    }

    /// Shades times from top to bottom.
    pub fn shade(&mut self, times: &[(f64, f64)]) -> Result<()> {
        let (bottom, top) = self.y.ends();
        for (from, to) in times {
            self.rectangle((*from, bottom), (*to, top), SHADE)?;
        }
        Ok(())
    }

    /// A fault's bar from here to there.
    pub fn bar(&mut self, from: (f64, f64), to: (f64, f64)) -> Result<()> {
        self.rectangle(from, to, BAR)
    }

    fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), opacity: f64) -> Result<()> {
        let (start, end) = self.x.ends();
        // What is narrower than a pixel would not be seen.
        let pixel = (end - start) / f64::from(WIDTH - LEFT - RIGHT);
        let to = (to.0.max(from.0 + pixel), to.1);
        self.chart.draw_series([Rectangle::new([from, to], FAULT.light.mix(opacity).filled())])?;
        Ok(())
    }

    /// Words that begin at a pixel of the picture, in the middle of their height.
    pub fn text_at(&mut self, (x, y): (i32, i32), text: &str) -> Result<()> {
        let style = words(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        let area = self.chart.plotting_area().strip_coord_spec();
        let (left, top) = area.get_base_pixel();
        area.draw_text(text, &style, (x - left, y - top))?;
        Ok(())
    }

    /// What the pointer is told between two points.
    pub fn tip(&mut self, from: (f64, f64), to: (f64, f64), text: String) {
        let (a, b) = (self.pixel(from), self.pixel(to));
        let (from, to) = ((a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1)));
        self.tips.push(Tip { from, to, text });
    }

    /// Where a point is drawn.
    pub fn pixel(&self, at: (f64, f64)) -> (i32, i32) {
        self.chart.backend_coord(&at)
    }
}

/// About how wide words are, in pixels.
pub(super) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * CHAR_WIDTH
}
