//! The prompt that a model wants before every text, from sentence-transformers' own file.

use crate::error::ModelError;
use crate::model::config::read_small;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Longest prompt, in bytes: it takes its tokens from the utterance's.
const PROMPT_BYTES_MAX: usize = 256;

/// `config_sentence_transformers.json`: named prompts, and which of them a text gets when nobody says.
#[derive(Deserialize)]
struct PromptFile {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    #[serde(default)]
    default_prompt_name: Option<String>,
}

/// The prompt named by `default_prompt_name`; empty where the file or the name is not there.
pub fn load_prompt(path: &Path) -> Result<String, ModelError> {
    let Some(bytes) = read_small(path)? else { return Ok(String::new()) };
    let file: PromptFile = serde_json::from_slice(&bytes)
        .map_err(|e| ModelError::Broken { path: path.to_owned(), message: e.to_string() })?;
    let Some(name) = file.default_prompt_name else { return Ok(String::new()) };
    let refuse =
        |field, found, expected: String| Err(ModelError::Unsupported { path: path.to_owned(), field, found, expected });
    match file.prompts.get(&name) {
        Some(prompt) if prompt.len() <= PROMPT_BYTES_MAX => Ok(prompt.clone()),
        Some(prompt) => {
            refuse("prompts", format!("{} bytes for {name:?}", prompt.len()), format!("at most {PROMPT_BYTES_MAX}"))
        }
        None => {
            let names: Vec<_> = file.prompts.keys().collect();
            refuse("default_prompt_name", format!("{name:?}"), format!("one of the prompts {names:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_prompt_is_taken_and_a_wrong_name_is_told() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("config_sentence_transformers.json");
        let load = |text: &str| {
            std::fs::write(&path, text).expect("a write");
            load_prompt(&path).map_err(|e| e.to_string())
        };
        let prompts = r#""prompts": {"query": "query: ", "passage": "passage: "}"#;
        assert_eq!(load(&format!(r#"{{{prompts}, "default_prompt_name": "query"}}"#)), Ok("query: ".into()));
        // Prompts without a default are for callers that name one; ours do not.
        assert_eq!(load(&format!(r#"{{{prompts}, "default_prompt_name": null}}"#)), Ok(String::new()));
        assert_eq!(load(r#"{"__version__": {"pytorch": "1.8.1"}}"#), Ok(String::new()));
        let error = load(&format!(r#"{{{prompts}, "default_prompt_name": "ask"}}"#)).unwrap_err();
        let words = r#"default_prompt_name: found "ask", expected one of the prompts ["passage", "query"]"#;
        assert!(error.ends_with(words), "{error}");
        let long = format!(r#"{{"prompts": {{"a": "{}"}}, "default_prompt_name": "a"}}"#, "x".repeat(300));
        assert!(load(&long).unwrap_err().contains("found 300 bytes for \"a\", expected at most 256"));
    }
}
