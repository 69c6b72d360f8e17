//! `TextAnalysis`: what is read off a text beside its meaning, and how it travels with a message.

use crate::Value;
use analysis::PiiKind;
use serde::{Deserialize, Serialize, de::Error};
use std::collections::BTreeMap;

/// The key in a message's metadata under which the analysis stands, so that it is recorded with the turn and action servers
/// see it.
pub(crate) const ANALYSIS: &str = "analysis";

/// What the `TextAnalyzer` of the pipeline found in a text.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TextAnalysis {
    /// The language that the text is in; none where no letter tells, or where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<TextLanguage>,
    /// How its author feels; none in a language without a lexicon, or where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentiment: Option<TextSentiment>,
    /// Where personal data stand, in order, at most [`PII_SPANS_MAX`](crate::limits::PII_SPANS_MAX); none where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pii: Option<Vec<PersonalData>>,
}

/// The language of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextLanguage {
    /// ISO 639-1.
    pub code: String,
    /// 0 to 1, in thousandths.
    pub confidence: f64,
}

/// How somebody feels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextSentiment {
    /// `negative`, `neutral` or `positive`.
    pub label: String,
    /// -1 (as bad as can be) to 1, in thousandths.
    pub score: f64,
}

/// A place with personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalData {
    /// What kind.
    #[serde(serialize_with = "write_kind", deserialize_with = "read_kind")]
    pub kind: PiiKind,
    /// First character (Unicode scalar values) of the text as it is shown or recorded.
    pub start: u32,
    /// One past its last character.
    pub end: u32,
}

fn write_kind<S: serde::Serializer>(kind: &PiiKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

fn read_kind<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PiiKind, D::Error> {
    let name = String::deserialize(deserializer)?;
    PiiKind::from_name(&name).ok_or_else(|| D::Error::custom(format_args!("unknown kind of personal data `{name}`")))
}

impl TextAnalysis {
    /// As the parse call, the turn's reply and the tracker show it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("names and numbers are JSON")
    }

    /// The analysis that a message's metadata hold, if they do.
    pub fn from_metadata(metadata: &Value) -> Option<Self> {
        let Value::Map(map) = metadata else { return None };
        serde_json::from_value(map.get(ANALYSIS)?.to_json()).ok()
    }

    /// Puts it into a message's metadata. Metadata that are no mapping stay as they are: there is no place in them.
    pub(crate) fn put_into(&self, metadata: &mut Value) {
        if metadata.is_null() {
            *metadata = Value::Map(BTreeMap::new());
        }
        if let Value::Map(map) = metadata {
            map.insert(ANALYSIS.into(), Value::from_json(&self.to_json()));
        }
    }
}
