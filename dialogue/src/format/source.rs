//! Where an assistant's text comes from and what is said about it: source files and diagnostics.

use std::fmt;

/// A file of an assistant; the caller reads it, this crate does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, relative to the assistant's folder, with `/` between the parts; it stands in every message.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// A place in a source file.
#[derive(Debug, Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Place {
    /// The file's path.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

/// Something to say about a source file: an error or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's path.
    pub path: String,
    /// Line, from 1; 0 where the message is about the whole assistant.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Dotted path of the field, such as `slots.city.mappings[0].entity`; empty for the whole file.
    pub field: String,
    /// What was found and what was expected.
    pub message: String,
}

impl Diagnostic {
    /// A message about a field at a place.
    pub fn at(place: &Place, field: impl Into<String>, message: impl Into<String>) -> Self {
        Diagnostic {
            path: place.path.clone(),
            line: place.line,
            column: place.column,
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: ", self.path)?,
            _ => write!(f, "{}:{}:{}: ", self.path, self.line, self.column)?,
        }
        match self.field.as_str() {
            "" => f.write_str(&self.message),
            field => write!(f, "{field}: {}", self.message),
        }
    }
}
