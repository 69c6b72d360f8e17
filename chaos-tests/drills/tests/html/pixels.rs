//! What the pixels of a page must be like.

use crate::browser::{Area, Layout, Picture};

/// The page's own colour of this name, in a light surrounding.
pub fn colour(page: &str, name: &str) -> [u8; 3] {
    let hex = page.split_once(&format!("--{name}:#")).unwrap().1;
    [0, 2, 4].map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
}

/// Likewise, in a dark one.
pub fn dark_colour(page: &str, name: &str) -> [u8; 3] {
    colour(page.split_once("prefers-color-scheme: dark").unwrap().1, name)
}

/// A colour over white, with so little of it.
fn mixed(colour: [u8; 3], opacity: f64) -> [u8; 3] {
    colour.map(|c| (f64::from(c) * opacity + 255.0 * (1.0 - opacity)).round() as u8)
}

/// Were all charts drawn? Each line must have left so many pixels in the place of its chart.
pub fn drawn(page: &str, layout: &Layout, picture: &Picture) -> Result<(), String> {
    let fault = colour(page, "fault");
    let lines = [
        ("chart-faults", "bars", mixed(fault, 0.45), 2_000),
        ("chart-throughput", "throughput", colour(page, "throughput"), 800),
        ("chart-throughput", "shades", mixed(fault, 0.16), 10_000),
        ("chart-failed", "failed attempts", colour(page, "failed"), 300),
        ("chart-failed", "shades", mixed(fault, 0.16), 5_000),
        ("chart-latency", "P50", colour(page, "p50"), 800),
        ("chart-latency", "P99", colour(page, "p99"), 300),
        ("chart-latency", "max", colour(page, "worst"), 300),
        ("chart-latency", "shades", mixed(fault, 0.16), 10_000),
        ("chart-failover", "ours", colour(page, "ours"), 300),
        ("chart-failover", "the peer", colour(page, "peer"), 300),
    ];
    for (chart, line, colour, pixels_min) in lines {
        let area = *layout.charts.get(chart).ok_or(format!("there is no {chart}"))?;
        let pixels = picture.count(area, colour);
        println!("{chart}: {line}: {pixels} pixels");
        if pixels < pixels_min {
            return Err(format!(
                "{chart}: {line}: {pixels} pixels of {colour:?}, no less than {pixels_min} are expected"
            ));
        }
    }
    Ok(())
}

/// The badge has the colour of this verdict and of no other one.
#[track_caller]
pub fn expect_badge(page: &str, layout: &Layout, picture: &Picture, verdict: &str) {
    let Area(left, top, right, bottom) = layout.badge;
    let size = ((right - left) * (bottom - top)) as usize;
    for name in ["pass", "fail", "stopped"] {
        let pixels = picture.count(layout.badge, colour(page, name));
        assert_eq!(
            pixels > size / 2,
            name == verdict,
            "{pixels} of {size} pixels of the badge have the colour of {name}"
        );
    }
}
