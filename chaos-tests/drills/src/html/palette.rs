//! The colours of the page and of its charts, each in a light and in a dark surrounding.
//!
//! The charts are drawn in the light colours; for a dark surrounding the style sheet replaces each of them by its dark one.
//! The series keep apart for eyes that do not tell red from green.

use plotters::style::RGBColor;
use std::fmt::Write;

/// A colour with a part to play.
pub(super) struct Colour {
    /// The name of its CSS variable and class.
    pub name: &'static str,
    /// In a light surrounding.
    pub light: RGBColor,
    /// In a dark one.
    pub dark: RGBColor,
}

const fn colour(name: &'static str, light: RGBColor, dark: RGBColor) -> Colour {
    Colour { name, light, dark }
}

/// Text.
pub(super) const INK: Colour = colour("ink", RGBColor(27, 34, 44), RGBColor(230, 234, 240));
/// Text beside it.
pub(super) const MUTED: Colour = colour("muted", RGBColor(86, 96, 110), RGBColor(160, 170, 184));
/// Lines of tables and grids.
pub(super) const RULE: Colour = colour("rule", RGBColor(221, 226, 233), RGBColor(52, 60, 72));
/// Behind everything.
pub(super) const GROUND: Colour = colour("ground", RGBColor(244, 246, 249), RGBColor(15, 19, 26));
/// Behind a card.
pub(super) const CARD: Colour = colour("card", RGBColor(255, 255, 255), RGBColor(24, 29, 38));
/// Faults.
pub(super) const FAULT: Colour = colour("fault", RGBColor(196, 60, 80), RGBColor(255, 120, 140));
/// Turns acknowledged.
pub(super) const THROUGHPUT: Colour = colour("throughput", RGBColor(0, 98, 178), RGBColor(90, 170, 250));
/// Attempts that failed.
pub(super) const FAILED: Colour = colour("failed", RGBColor(200, 70, 0), RGBColor(255, 140, 70));
/// Median latency.
pub(super) const P50: Colour = colour("p50", RGBColor(0, 138, 104), RGBColor(60, 200, 160));
/// 99th percentile of latency.
pub(super) const P99: Colour = colour("p99", RGBColor(196, 128, 0), RGBColor(240, 180, 60));
/// Worst latency.
pub(super) const WORST: Colour = colour("worst", RGBColor(126, 70, 190), RGBColor(190, 140, 250));
/// Our failover times.
pub(super) const OURS: Colour = colour("ours", RGBColor(2, 90, 160), RGBColor(92, 172, 252));
/// The peer's.
pub(super) const PEER: Colour = colour("peer", RGBColor(180, 96, 20), RGBColor(245, 160, 90));
/// The verdict that all is well.
pub(super) const PASS: Colour = colour("pass", RGBColor(22, 120, 62), RGBColor(34, 140, 78));
/// The verdict that it is not.
pub(super) const FAIL: Colour = colour("fail", RGBColor(184, 28, 34), RGBColor(206, 48, 54));
/// The verdict that is none.
pub(super) const STOPPED: Colour = colour("stopped", RGBColor(168, 84, 6), RGBColor(178, 98, 20));

const ALL: [&Colour; 16] = [
    &INK,
    &MUTED,
    &RULE,
    &GROUND,
    &CARD,
    &FAULT,
    &THROUGHPUT,
    &FAILED,
    &P50,
    &P99,
    &WORST,
    &OURS,
    &PEER,
    &PASS,
    &FAIL,
    &STOPPED,
];

/// The part of the style sheet that knows colours.
pub(super) fn css() -> String {
    let mut css = String::new();
    let variables = |of: fn(&Colour) -> RGBColor| -> String {
        ALL.iter().map(|colour| format!("--{}:{};", colour.name, hex(of(colour)))).collect()
    };
    let light = variables(|colour| colour.light);
    let dark = variables(|colour| colour.dark);
    // Writing to a string does not fail.
    let _ = writeln!(css, ":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}");
    for colour in ALL {
        let (name, hex) = (colour.name, hex(colour.light));
        let _ =
            writeln!(css, "svg [fill=\"{hex}\"]{{fill:var(--{name})}}svg [stroke=\"{hex}\"]{{stroke:var(--{name})}}");
        let _ = writeln!(css, ".swatch.{name},.badge.{name}{{background:var(--{name})}}");
    }
    css
}

/// As the SVG backend writes it, so that the style sheet finds it.
fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_parts_share_a_colour() {
        let distinct = |of: fn(&Colour) -> RGBColor| ALL.iter().map(|c| hex(of(c))).collect::<BTreeSet<_>>().len();
        assert_eq!(distinct(|c| c.light), ALL.len());
        assert_eq!(distinct(|c| c.dark), ALL.len());
    }
}
