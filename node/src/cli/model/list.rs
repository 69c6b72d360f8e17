//! `model list`.

use crate::cli::{Outcome, style};
use crate::model_store::{Stock, stock};
use clap::Args;

/// List what is known and what is in the cache.
#[derive(Args)]
pub(crate) struct List {
    /// For programs
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(&self) -> anyhow::Result<Outcome> {
        let models = stock()?;
        let text = if self.json { format!("{:#}\n", serde_json::json!({ "models": models })) } else { table(&models) };
        style::print_all(&text);
        Ok(Outcome::Fine)
    }
}

fn table(models: &[Stock]) -> String {
    let width = models.iter().map(|m| m.name.chars().count()).max().unwrap_or(0).max(4);
    let head = format!(
        "{:width$}  {:6}  {:>9}  {:8}  {:12}  {:17}  {}",
        "name", "cached", "size", "layers", "licence", "languages", "source"
    );
    let mut lines = vec![style::bold(&head)];
    for model in models {
        let size = match (model.layers, model.width) {
            (Some(layers), Some(width)) => format!("{layers} × {width}"),
            _ => "?".into(),
        };
        let known = |field: &Option<String>| field.clone().unwrap_or_else(|| "?".into());
        let revision = model.revision.as_ref().map(|r| format!(" @{}", r.get(..12).unwrap_or(r))).unwrap_or_default();
        lines.push(format!(
            "{:width$}  {:6}  {:>6.1} MB  {size:8}  {:12}  {:17}  {}{revision}",
            model.name,
            if model.cached { "yes" } else { "no" },
            model.bytes as f64 / 1e6,
            known(&model.licence),
            known(&model.languages),
            model.source,
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}
