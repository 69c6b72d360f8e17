//! `modules.json`: sentence-transformers' list of what a text goes through.

use crate::error::ModelError;
use crate::model::config::read_small;
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Refuses a model with a step that this engine does not take, such as a dense layer behind the pooling: without it the
/// embeddings would be others than the model's. Where there is no such file there is no such step.
pub fn check_modules(path: &Path) -> Result<(), ModelError> {
    let Some(bytes) = read_small(path)? else { return Ok(()) };
    let modules: Vec<Module> = serde_json::from_slice(&bytes)
        .map_err(|e| ModelError::Broken { path: path.to_owned(), message: e.to_string() })?;
    for module in modules {
        let fits = match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" => module.path.is_empty(),
            "Pooling" => module.path == "1_Pooling",
            "Normalize" => true,
            _ => false,
        };
        if !fits {
            return Err(ModelError::Unsupported {
                path: path.to_owned(),
                field: "type",
                found: format!("{} in {:?}", module.kind, module.path),
                expected: "Transformer in \"\", Pooling in \"1_Pooling\" and Normalize".into(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_is_not_taken_is_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("modules.json");
        assert!(check_modules(&path).is_ok(), "there is none");
        let module = |kind: &str, path: &str| {
            format!(r#"{{"idx": 0, "name": "0", "path": "{path}", "type": "sentence_transformers.models.{kind}"}}"#)
        };
        let check = |modules: &[String]| {
            std::fs::write(&path, format!("[{}]", modules.join(","))).expect("a write");
            check_modules(&path).map_err(|e| e.to_string())
        };
        let usual = [module("Transformer", ""), module("Pooling", "1_Pooling"), module("Normalize", "2_Normalize")];
        assert_eq!(check(&usual), Ok(()));
        let error = check(&[usual[0].clone(), module("Dense", "2_Dense")]).unwrap_err();
        assert!(error.contains("type: found sentence_transformers.models.Dense in \"2_Dense\""), "{error}");
        assert!(check(&[module("Pooling", "3_Pooling")]).is_err());
    }
}
