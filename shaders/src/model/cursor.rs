//! `Cursor`: little-endian numbers of a file, in order.

use crate::error::ModelError;
use std::path::Path;

/// Reads in order and says what was cut off.
pub(super) struct Cursor<'a> {
    /// The file, for the errors.
    pub path: &'a Path,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What is read next.
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], ModelError> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..count) else {
            let found = format!("{} bytes are left at byte {}", rest.len(), self.at);
            return Err(self.broken(format!("cut off: {found}, {what} takes {count}")));
        };
        self.at += count;
        Ok(taken)
    }

    pub fn u16(&mut self, what: &str) -> Result<u16, ModelError> {
        self.take(2, what).map(|b| u16::from_le_bytes([b[0], b[1]]))
    }

    pub fn u32(&mut self, what: &str) -> Result<u32, ModelError> {
        self.take(4, what).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    pub fn u64(&mut self, what: &str) -> Result<u64, ModelError> {
        self.take(8, what).map(|b| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
    }

    pub fn broken(&self, message: String) -> ModelError {
        ModelError::Broken { path: self.path.to_owned(), message }
    }

    pub fn unsupported(&self, field: &'static str, found: String, expected: String) -> ModelError {
        ModelError::Unsupported { path: self.path.to_owned(), field, found, expected }
    }
}
