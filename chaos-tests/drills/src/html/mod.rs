//! The report of a drill as one HTML file that needs nothing else: no network, no script, no font.

mod charts;
mod figures;
mod numbers;
mod page;
mod palette;
mod tables;

use crate::record::DrillRecord;
use anyhow::{Context, Result};
use std::path::Path;

/// The whole page. It fails only where a chart cannot be drawn.
pub fn render(record: &DrillRecord) -> Result<String> {
    Ok(page::document(record)?.into_string())
}

/// Renders the page into a file, which is replaced if it is there.
pub fn write(record: &DrillRecord, path: &Path) -> Result<()> {
    let page = render(record).with_context(|| format!("cannot render the report of {}", record.drill))?;
    std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
}
