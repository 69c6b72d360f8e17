//! The `TextAnalyzer` of the pipeline: language, sentiment and personal data, read off a text beside the extractors.

use crate::format::{AnalyzerConfig, Assistant};
use crate::{PersonalData, TextAnalysis, TextLanguage, TextSentiment, limits::PII_SPANS_MAX};
use analysis::Language;

/// From this confidence on, a text that is in another language than the assistant is read by the rules of its own.
const SURE_LANGUAGE: f32 = 0.5;

/// What the configuration asks for.
pub(super) fn analyze(assistant: &Assistant, text: &str) -> Option<TextAnalysis> {
    let config = assistant.config.analyzer.as_ref()?;
    let needs_language = config.language || config.sentiment && rules_of(assistant).is_none();
    let detected = needs_language.then(|| analysis::language(text)).flatten();
    Some(TextAnalysis {
        language: detected
            .filter(|_| config.language)
            .map(|(code, confidence)| TextLanguage { code: code.to_owned(), confidence: thousandths(confidence) }),
        sentiment: sentiment(assistant, config, text, detected),
        pii: (!config.pii.is_empty()).then(|| pii(assistant, config, text)),
    })
}

/// The assistant's language decides by which lexicon; where there is none for it, the text's own does.
fn sentiment(
    assistant: &Assistant,
    config: &AnalyzerConfig,
    text: &str,
    detected: Option<(&str, f32)>,
) -> Option<TextSentiment> {
    if !config.sentiment {
        return None;
    }
    let own = || detected.filter(|(_, sure)| *sure >= SURE_LANGUAGE).and_then(|(code, _)| Language::from_code(code));
    let found = analysis::sentiment(text, rules_of(assistant).or_else(own)?);
    Some(TextSentiment { label: found.label.name().to_owned(), score: thousandths(found.score) })
}

fn pii(assistant: &Assistant, config: &AnalyzerConfig, text: &str) -> Vec<PersonalData> {
    let spans = analysis::pii(text, pii_language(assistant));
    let wanted = spans.into_iter().filter(|span| config.pii.contains(&span.kind));
    let of = |span: analysis::PiiSpan| PersonalData { kind: span.kind, start: span.start as u32, end: span.end as u32 };
    wanted.take(PII_SPANS_MAX).map(of).collect()
}

/// The rules of the assistant's language, if there are any.
fn rules_of(assistant: &Assistant) -> Option<Language> {
    Language::from_code(&assistant.config.language)
}

/// Whose words announce personal data: most kinds have a form of their own in every language, and English words stand for
/// those without rules.
pub(super) fn pii_language(assistant: &Assistant) -> Language {
    rules_of(assistant).unwrap_or(Language::English)
}

/// Is there a lexicon for the assistant's language?
pub(crate) fn has_lexicon(language: &str) -> bool {
    Language::from_code(language).is_some()
}

/// Few digits, so that records stay small and read well.
fn thousandths(number: f32) -> f64 {
    (f64::from(number) * 1_000.0).round() / 1_000.0
}
