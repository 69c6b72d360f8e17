//! `Pooling`: how the states of a sequence's tokens become one embedding.

use crate::error::ModelError;
use crate::model::config::read_small;
use serde::Deserialize;
use std::path::Path;

/// The part of sentence-transformers' `Pooling` module that this engine runs; the length is scaled to 1 behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// The mean of all token states, special tokens included.
    #[default]
    Mean,
    /// The state of the first token.
    Cls,
}

/// `1_Pooling/config.json`, as sentence-transformers writes it: one switch for each mode.
#[derive(Deserialize)]
struct PoolingFile {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
    #[serde(default)]
    pooling_mode_weightedmean_tokens: bool,
    #[serde(default)]
    pooling_mode_lasttoken: bool,
    /// May be false: then the prompt's tokens are left out of the mean.
    #[serde(default = "yes")]
    include_prompt: bool,
}

fn yes() -> bool {
    true
}

impl Pooling {
    /// Reads `1_Pooling/config.json`; where there is none, it is the mean.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let Some(bytes) = read_small(path)? else { return Ok(Self::default()) };
        let file: PoolingFile = serde_json::from_slice(&bytes)
            .map_err(|e| ModelError::Broken { path: path.to_owned(), message: e.to_string() })?;
        let refuse = |field, found: &str, expected: &str| {
            Err(ModelError::Unsupported {
                path: path.to_owned(),
                field,
                found: found.into(),
                expected: expected.into(),
            })
        };
        for (field, on) in [
            ("pooling_mode_max_tokens", file.pooling_mode_max_tokens),
            ("pooling_mode_mean_sqrt_len_tokens", file.pooling_mode_mean_sqrt_len_tokens),
            ("pooling_mode_weightedmean_tokens", file.pooling_mode_weightedmean_tokens),
            ("pooling_mode_lasttoken", file.pooling_mode_lasttoken),
        ] {
            if on {
                return refuse(field, "true", "false: the mean or the first token are what this engine pools by");
            }
        }
        if !file.include_prompt {
            return refuse("include_prompt", "false", "true: the prompt's tokens count as the others do");
        }
        match (file.pooling_mode_mean_tokens, file.pooling_mode_cls_token) {
            (true, false) => Ok(Self::Mean),
            (false, true) => Ok(Self::Cls),
            (true, true) => refuse("pooling_mode_mean_tokens", "true beside pooling_mode_cls_token", "one of the two"),
            (false, false) => refuse("pooling_mode_mean_tokens", "no mode at all", "one mode that is true"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Pooling, String> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("config.json");
        std::fs::write(&path, text).expect("a write");
        Pooling::load(&path).map_err(|e| e.to_string().replace(&path.display().to_string(), "config.json"))
    }

    #[test]
    fn the_file_decides_and_other_modes_are_named() {
        let mean =
            r#"{"word_embedding_dimension": 384, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}"#;
        assert_eq!(load(mean), Ok(Pooling::Mean));
        assert_eq!(load(r#"{"pooling_mode_cls_token": true, "include_prompt": true}"#), Ok(Pooling::Cls));
        assert_eq!(Pooling::load(Path::new("no/such/1_Pooling/config.json")).ok(), Some(Pooling::Mean));
        for (text, words) in [
            (r#"{"pooling_mode_max_tokens": true}"#, "config.json: pooling_mode_max_tokens: found true"),
            (r#"{"pooling_mode_lasttoken": true}"#, "config.json: pooling_mode_lasttoken: found true"),
            (r#"{"pooling_mode_mean_tokens": true, "include_prompt": false}"#, "include_prompt: found false"),
            (r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}"#, "expected one of the two"),
            ("{}", "found no mode at all"),
            ("[", "config.json: EOF"),
        ] {
            let error = load(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
