//! Draws a bench's plots as one SVG, one below the other.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use results::Plot;
use std::path::Path;

const WIDTH: u32 = 900;
const HEIGHT: u32 = 420;
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 92, 175),
    RGBColor(208, 76, 0),
    RGBColor(0, 128, 80),
    RGBColor(140, 60, 160),
    RGBColor(170, 130, 0),
    RGBColor(90, 90, 90),
];

/// Draws all plots into `file`.
pub fn draw(plots: &[Plot], file: &Path) -> Result<()> {
    let height = HEIGHT * u32::try_from(plots.len())?;
    let area = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    let drawn = || -> Result<(), Box<dyn std::error::Error + '_>> {
        area.fill(&WHITE)?;
        for (plot, area) in plots.iter().zip(area.split_evenly((plots.len(), 1))) {
            draw_one(plot, &area)?;
        }
        area.present()?;
        Ok(())
    };
    drawn().map_err(|e| anyhow!("cannot draw {}: {e}", file.display()))
}

fn draw_one<'a>(
    plot: &Plot,
    area: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let points = || plot.series.iter().flat_map(|s| s.points.iter());
    let x_max = points().map(|p| p.0).fold(1.0, f64::max);
    let y_max = points().map(|p| p.1).fold(0.0, f64::max).max(1e-9);
    let mut chart = ChartBuilder::on(area)
        .caption(&plot.title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..x_max * 1.05, 0.0..y_max * 1.1)?;
    chart.configure_mesh().x_desc(&plot.x).y_desc(&plot.y).light_line_style(WHITE).draw()?;
    for (series, colour) in plot.series.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(series.points.iter().copied(), style))?
            .label(&series.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        chart.draw_series(series.points.iter().map(|p| Circle::new(*p, 3, colour.filled())))?;
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use results::Series;

    #[test]
    fn a_plot_holds_its_title_and_its_series() {
        let series = |name: &str| Series { name: name.into(), points: vec![(1.0, 10.0), (8.0, 40.0)] };
        let plot = Plot {
            title: "Turns per second".into(),
            x: "clients".into(),
            y: "1/s".into(),
            series: vec![series("warm"), series("cold")],
        };
        let folder = std::env::temp_dir().join(format!("xtask-plot-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("plot.svg");
        draw(&[plot], &file).unwrap();
        let svg = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        for part in ["Turns per second", "clients", "warm", "cold", "polyline", "circle"] {
            assert!(svg.contains(part), "no {part} in {svg}");
        }
    }
}
