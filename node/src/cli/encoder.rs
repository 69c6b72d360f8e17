//! Which encoder an assistant is trained and evaluated on: one rule for all commands.

use crate::model_store::{DEFAULT, default_for, encoder_for};
use dialogue::format::SourceFile;
use std::path::PathBuf;

/// The folder of the encoder that is named, else of the one for the assistant's `language:`; fetched where it is missing.
pub(crate) async fn encoder_of(named: Option<&str>, sources: &[SourceFile]) -> anyhow::Result<PathBuf> {
    let language = crate::brain::load_assistant(sources)?.assistant.config.language;
    let name = choose(named, &language);
    if named.is_none() && name != DEFAULT {
        eprintln!("language `{language}`: the encoder is {name} (--encoder names another)");
    }
    encoder_for(name).await
}

fn choose<'a>(named: Option<&'a str>, language: &str) -> &'a str {
    named.unwrap_or_else(|| default_for(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_chooses_unless_an_encoder_is_named() {
        for language in ["en", "EN", "en_GB", "en-us", ""] {
            assert_eq!(choose(None, language), "all-minilm-l6-v2", "{language}");
        }
        for language in ["zh", "zh-CN", "de", "es", "fr", "eng", "xx"] {
            assert_eq!(choose(None, language), "multilingual-e5-small", "{language}");
            assert_eq!(choose(Some("owner/name"), language), "owner/name", "{language}");
        }
    }
}
