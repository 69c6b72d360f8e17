//! The one place that knows the YAML crate: text to nodes that remember where they stand.

use crate::Value;
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// A node with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What it is.
    pub data: Data,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub text: String,
    pub line: u32,
    pub column: u32,
}

/// Why a text is not YAML that we read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct YamlError {
    pub line: u32,
    pub column: u32,
    pub message: String,
}

/// Parses one document; `None` for an empty one.
pub(super) fn parse(text: &str) -> Result<Option<Node>, YamlError> {
    let documents = MarkedYaml::load_from_str(text).map_err(|e| YamlError {
        line: e.marker().line() as u32,
        column: e.marker().col() as u32 + 1,
        message: format!("malformed YAML: {}", e.info()),
    })?;
    if let Some(second) = documents.get(1) {
        let line = second.span.start.line() as u32;
        let message = "a file holds one YAML document, found a second one".to_owned();
        return Err(YamlError { line, column: 1, message });
    }
    let Some(document) = documents.first() else { return Ok(None) };
    let node = convert(document)?;
    Ok((node.data != Data::Null).then_some(node))
}

fn convert(yaml: &MarkedYaml<'_>) -> Result<Node, YamlError> {
    let line = yaml.span.start.line() as u32;
    let column = yaml.span.start.col() as u32 + 1;
    let data = match &yaml.data {
        YamlData::Value(scalar) => scalar_data(scalar),
        YamlData::Representation(text, ..) => Data::Text(text.to_string()),
        YamlData::Sequence(items) => Data::List(items.iter().map(convert).collect::<Result<_, _>>()?),
        YamlData::Mapping(map) => {
            let mut pairs: Vec<(Key, Node)> = Vec::with_capacity(map.len());
            for (key, value) in map {
                let key = convert(key)?;
                let Some(text) = key.scalar_text() else {
                    let message = "a key must be plain text".to_owned();
                    return Err(YamlError { line: key.line, column: key.column, message });
                };
                pairs.push((Key { text, line: key.line, column: key.column }, convert(value)?));
            }
            Data::Map(pairs)
        }
        YamlData::Tagged(_, inner) => convert(inner)?.data,
        YamlData::Alias(_) | YamlData::BadValue => Data::Null,
    };
    Ok(Node { line, column, data })
}

fn scalar_data(scalar: &Scalar<'_>) -> Data {
    match scalar {
        Scalar::Null => Data::Null,
        Scalar::Boolean(b) => Data::Bool(*b),
        Scalar::Integer(i) => Data::Int(*i),
        Scalar::FloatingPoint(f) => Data::Float(f.into_inner()),
        Scalar::String(s) => Data::Text(s.to_string()),
    }
}

impl Node {
    /// The text of a scalar, also of a number or a truth value, as in Rasa's names; `None` for lists and mappings.
    pub(super) fn scalar_text(&self) -> Option<String> {
        match &self.data {
            Data::Text(s) => Some(s.clone()),
            Data::Int(i) => Some(i.to_string()),
            Data::Float(f) => Some(f.to_string()),
            Data::Bool(b) => Some(b.to_string()),
            Data::Null | Data::List(_) | Data::Map(_) => None,
        }
    }
    /// The value as data.
    pub(super) fn value(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(b) => Value::Bool(*b),
            Data::Int(i) => Value::Int(*i),
            Data::Float(f) => Value::Float(*f),
            Data::Text(s) => Value::Text(s.clone()),
            Data::List(items) => Value::List(items.iter().map(Node::value).collect()),
            Data::Map(pairs) => Value::Map(pairs.iter().map(|(k, v)| (k.text.clone(), v.value())).collect()),
        }
    }
    /// What it is, for a message.
    pub(super) fn describe(&self) -> String {
        match &self.data {
            Data::Null => "nothing".into(),
            Data::Bool(b) => format!("the truth value {b}"),
            Data::Int(i) => format!("the number {i}"),
            Data::Float(f) => format!("the number {f}"),
            Data::Text(s) => {
                let short: String = s.chars().take(40).collect();
                format!("the text {short:?}{}", if short.len() < s.len() { "…" } else { "" })
            }
            Data::List(items) => format!("a list of {}", items.len()),
            Data::Map(pairs) => format!("a mapping of {}", pairs.len()),
        }
    }
}
