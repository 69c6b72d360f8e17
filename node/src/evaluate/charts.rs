//! Charts of an evaluation, as SVG.

use anyhow::anyhow;
use dialogue::evaluate::{Confidences, Confusion};
use plotters::prelude::*;

/// Pixels of one cell of the matrix.
const CELL: i32 = 16;
/// Pixels of one letter of a label, and the most letters that are shown.
const LETTER: i32 = 6;
const LETTERS_MAX: usize = 40;
/// Names of a matrix that is still readable; the ones that are confused most are shown of more.
const NAMES_MAX: usize = 200;

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Rows are what it is, columns what it was taken for; the diagonal is right.
pub fn confusion(confusion: &Confusion) -> anyhow::Result<String> {
    let shown: Vec<usize> = shown(confusion);
    let names: Vec<String> = shown.iter().map(|i| label(&confusion.names[*i])).collect();
    let margin = LETTER * names.iter().map(|n| n.chars().count()).max().unwrap_or(0) as i32 + 12;
    let side = margin + CELL * names.len() as i32 + 12;
    let mut svg = String::new();
    let draw = |svg: &mut String| -> Drawn {
        let area = SVGBackend::with_string(svg, (side as u32, side as u32)).into_drawing_area();
        area.fill(&WHITE)?;
        let style = ("monospace", 10).into_font().color(&BLACK);
        let turned = ("monospace", 10).into_font().transform(FontTransform::Rotate270).color(&BLACK);
        for (i, name) in names.iter().enumerate() {
            let at = margin + CELL * i as i32;
            area.draw(&Text::new(name.clone(), (4, at + 3), style.clone()))?;
            area.draw(&Text::new(name.clone(), (at + 3, margin - 4), turned.clone()))?;
        }
        for (y, row) in shown.iter().enumerate() {
            let all = confusion.counts[*row].iter().sum::<usize>().max(1);
            for (x, column) in shown.iter().enumerate() {
                let count = confusion.counts[*row][*column];
                if count == 0 {
                    continue;
                }
                let share = count as f64 / all as f64;
                let colour = if row == column { RGBColor(0, 92, 175) } else { RGBColor(208, 76, 0) };
                let (left, top) = (margin + CELL * x as i32, margin + CELL * y as i32);
                let cell = [(left, top), (left + CELL - 1, top + CELL - 1)];
                area.draw(&Rectangle::new(cell, colour.mix(0.15 + 0.85 * share).filled()))?;
                area.draw(&Text::new(count.to_string(), (left + 1, top + 3), style.clone()))?;
            }
        }
        area.present()?;
        Ok(())
    };
    draw(&mut svg).map_err(|e| anyhow!("the confusion matrix cannot be drawn: {e}"))?;
    Ok(svg)
}

/// All names, or those of the most confused pairs where they are too many.
fn shown(confusion: &Confusion) -> Vec<usize> {
    if confusion.names.len() <= NAMES_MAX {
        return (0..confusion.names.len()).collect();
    }
    let mut shown = std::collections::BTreeSet::new();
    for name in confusion.pairs.iter().flat_map(|p| [&p.one, &p.other]) {
        if shown.len() < NAMES_MAX {
            shown.extend(confusion.names.binary_search(name));
        }
    }
    shown.into_iter().collect()
}

fn label(name: &str) -> String {
    let short: String = name.chars().take(LETTERS_MAX).collect();
    if name.is_empty() { "(nothing)".into() } else { short }
}

/// How many right answers (above) and wrong ones (below) have which confidence.
pub fn histogram(confidences: &Confidences) -> anyhow::Result<String> {
    let most = confidences.bins.iter().map(|b| b.right.max(b.wrong)).max().unwrap_or(0).max(1) as i32;
    let width = 1.0 / confidences.bins.len().max(1) as f64;
    let mut svg = String::new();
    let draw = |svg: &mut String| -> Drawn {
        let area = SVGBackend::with_string(svg, (720, 420)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption("Confidence of right (blue) and wrong (orange) answers", ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..1.0, -most..most)?;
        chart.configure_mesh().x_desc("confidence").y_desc("answers").light_line_style(WHITE).draw()?;
        for (i, bin) in confidences.bins.iter().enumerate() {
            let (left, right) = (i as f64 * width, (i + 1) as f64 * width);
            let mut bar = |count: i32, colour: RGBColor| {
                chart.draw_series([Rectangle::new([(left, 0), (right, count)], colour.filled())]).map(drop)
            };
            bar(bin.right as i32, RGBColor(0, 92, 175))?;
            bar(-(bin.wrong as i32), RGBColor(208, 76, 0))?;
        }
        area.present()?;
        Ok(())
    };
    draw(&mut svg).map_err(|e| anyhow!("the histogram cannot be drawn: {e}"))?;
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dialogue::evaluate::Bin;

    #[test]
    fn a_matrix_shows_names_and_counts() {
        let confusion = Confusion {
            names: vec!["bye".into(), "greet".into()],
            counts: vec![vec![7, 0], vec![3, 12]],
            pairs: Vec::new(),
        };
        let svg = super::confusion(&confusion).unwrap();
        for part in ["bye", "greet", ">\n7\n<", ">\n12\n<", ">\n3\n<", "<rect"] {
            assert!(svg.contains(part), "no {part:?} in {svg}");
        }
    }

    #[test]
    fn a_histogram_has_a_bar_for_each_bin() {
        let bins = vec![Bin::default(), Bin { confidence: 0.9, right: 4, wrong: 1 }];
        let svg = histogram(&Confidences { bins, calibration_error: 0.0 }).unwrap();
        assert!(svg.contains("confidence") && svg.matches("<rect").count() >= 3, "{svg}");
    }
}
