//! A JSON-like value that every codec can carry: unlike `serde_json::Value` it is a plain tagged enum.

use crate::limits::VALUE_DEPTH_MAX;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use std::{cell::Cell, collections::BTreeMap};

/// The value of a slot, an entity or a piece of metadata.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Value {
    /// Nothing; an unset slot.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// An ordered list.
    List(#[serde(deserialize_with = "deeper")] Vec<Value>),
    /// An object, in the order of its keys.
    Map(#[serde(deserialize_with = "deeper")] BTreeMap<String, Value>),
}

thread_local! {
    /// How deep the value that is being read on this thread is nested.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Reads what is inside of a value, up to [`VALUE_DEPTH_MAX`]: a reader that follows any nesting runs out of stack,
/// which ends the whole process.
fn deeper<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
    DEPTH.set(DEPTH.get() + 1);
    let _leave = Leave;
    if DEPTH.get() > VALUE_DEPTH_MAX {
        return Err(D::Error::custom(format_args!("a value is nested deeper than {VALUE_DEPTH_MAX}")));
    }
    T::deserialize(deserializer)
}

impl Value {
    /// Is there nothing?
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(s) => Some(s),
            _ => None,
        }
    }
    /// What a person reads where the value is put into a sentence.
    pub fn display(&self) -> String {
        match self {
            Value::Text(s) => s.clone(),
            Value::Null => "None".into(),
            other => other.to_json().to_string(),
        }
    }
    /// The same value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as J;
        match self {
            Value::Null => J::Null,
            Value::Bool(b) => J::Bool(*b),
            Value::Int(i) => J::from(*i),
            Value::Float(f) => serde_json::Number::from_f64(*f).map_or(J::Null, J::Number),
            Value::Text(s) => J::String(s.clone()),
            Value::List(l) => J::Array(l.iter().map(Value::to_json).collect()),
            Value::Map(m) => J::Object(m.iter().map(|(k, v)| (k.clone(), v.to_json())).collect()),
        }
    }
    /// From JSON; whole numbers outside `i64` become floats.
    pub fn from_json(json: &serde_json::Value) -> Value {
        use serde_json::Value as J;
        match json {
            J::Null => Value::Null,
            J::Bool(b) => Value::Bool(*b),
            J::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap_or(0.0)), Value::Int),
            J::String(s) => Value::Text(s.clone()),
            J::Array(a) => Value::List(a.iter().map(Value::from_json).collect()),
            J::Object(o) => Value::Map(o.iter().map(|(k, v)| (k.clone(), Value::from_json(v))).collect()),
        }
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Value::Text(s.to_owned())
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}
