//! What the clients say: one or more dialogues, said line by line.

use crate::limits::SCRIPT_LINE_BYTES_MAX;
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// A cycle of dialogues. A client says one dialogue in one session, then takes up the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    dialogues: Vec<Vec<String>>,
}

impl Script {
    /// Four turns that moodbot answers along its story "sad path 1" and its goodbye rule.
    pub fn moodbot() -> Self {
        Self { dialogues: vec![["hi", "I am sad", "yes", "bye"].map(str::to_owned).to_vec()] }
    }

    /// One utterance a line; an empty line ends a dialogue; `#` begins a comment line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut dialogues = vec![Vec::new()];
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            ensure!(
                line.len() <= SCRIPT_LINE_BYTES_MAX,
                "line {}: {} bytes, the limit is {SCRIPT_LINE_BYTES_MAX}",
                n + 1,
                line.len()
            );
            match (line, dialogues.last_mut()) {
                (comment, _) if comment.starts_with('#') => {}
                ("", Some(last)) if !last.is_empty() => dialogues.push(Vec::new()),
                ("", _) => {}
                (said, Some(last)) => last.push(said.to_owned()),
                (_, None) => unreachable!("the list begins with one dialogue and only grows"),
            }
        }
        dialogues.retain(|d| !d.is_empty());
        ensure!(!dialogues.is_empty(), "no utterance in it");
        Ok(Self { dialogues })
    }

    /// Reads a file in the format of [`Script::parse`].
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no script", path.display()))
    }

    /// The `n`th dialogue of the endless cycle.
    pub fn dialogue(&self, n: usize) -> &[String] {
        &self.dialogues[n % self.dialogues.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialogues_are_parted_by_empty_lines() {
        let script = Script::parse("# greetings\nhi\n\n\n  I am sad \nyes\n").unwrap();
        assert_eq!(script.dialogue(0), ["hi"]);
        assert_eq!(script.dialogue(1), ["I am sad", "yes"]);
        assert_eq!(script.dialogue(2), ["hi"]);
        assert!(Script::parse("# nothing\n\n").is_err());
    }

    #[test]
    fn a_line_without_end_is_named() {
        let error = Script::parse(&format!("hi\n{}", "x".repeat(SCRIPT_LINE_BYTES_MAX + 1))).unwrap_err();
        assert!(error.to_string().starts_with("line 2: 16385 bytes"), "{error}");
    }
}
