//! The envelope of a record: `{b"Trt", kind, u16 version, u32 length, payload, CRC32C}`, all little endian.
//!
//! The checksum covers everything before it, so that neither a flipped kind nor a flipped length goes unseen.

/// First bytes of every record.
const MAGIC: [u8; 3] = *b"Trt";
/// Bytes in front of the payload.
const HEAD_BYTES: usize = 10;
/// Bytes that the envelope adds to a payload.
pub const ENVELOPE_BYTES: usize = HEAD_BYTES + 4;

/// Why bytes are not the record that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too short to be any record.
    #[error("{found} bytes are too short for a record")]
    Short {
        /// How many there are.
        found: usize,
    },
    /// Not one of our records.
    #[error("no record begins with {found:02x?}")]
    Magic {
        /// What stands there.
        found: [u8; 3],
    },
    /// Another kind of record.
    #[error("a record of kind {found}, expected {expected}")]
    Kind {
        /// What stands there.
        found: u8,
        /// What was expected.
        expected: u8,
    },
    /// The stated length is not the length.
    #[error("a record that states {stated} bytes of payload has {actual}")]
    Length {
        /// What the head says.
        stated: u32,
        /// What there is.
        actual: usize,
    },
    /// The checksum does not fit.
    #[error("checksum {found:08x}, expected {expected:08x}")]
    Checksum {
        /// What stands there.
        found: u32,
        /// What the bytes sum up to.
        expected: u32,
    },
    /// Written by a version that this one does not know.
    #[error("record kind {kind} has version {found}, known is {known}")]
    Version {
        /// The kind.
        kind: u8,
        /// What stands there.
        found: u16,
        /// What is known.
        known: u16,
    },
    /// The payload is not what the kind says.
    #[error("payload of record kind {kind}: {detail}")]
    Payload {
        /// The kind.
        kind: u8,
        /// What is wrong.
        detail: String,
    },
}

impl From<DecodeError> for std::io::Error {
    fn from(e: DecodeError) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, e)
    }
}

/// Starts a record in an empty buffer; the payload is appended.
pub(super) fn begin(out: &mut Vec<u8>, kind: u8, version: u16) {
    out.extend_from_slice(&MAGIC);
    out.push(kind);
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
}

/// Fills in the length and appends the checksum.
pub(super) fn seal(out: &mut Vec<u8>) {
    let length = u32::try_from(out.len() - HEAD_BYTES).expect("records are far below 4 GiB");
    out[6..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
    let crc = crc32c::crc32c(out);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Checks the envelope and gives version and payload.
pub(super) fn open(kind: u8, bytes: &[u8]) -> Result<(u16, &[u8]), DecodeError> {
    if bytes.len() < ENVELOPE_BYTES {
        return Err(DecodeError::Short { found: bytes.len() });
    }
    let (body, crc) = bytes.split_at(bytes.len() - 4);
    if body[..3] != MAGIC {
        return Err(DecodeError::Magic { found: [body[0], body[1], body[2]] });
    }
    let stated = u32::from_le_bytes([body[6], body[7], body[8], body[9]]);
    if stated as usize != body.len() - HEAD_BYTES {
        return Err(DecodeError::Length { stated, actual: body.len() - HEAD_BYTES });
    }
    let found = u32::from_le_bytes([crc[0], crc[1], crc[2], crc[3]]);
    let expected = crc32c::crc32c(body);
    if found != expected {
        return Err(DecodeError::Checksum { found, expected });
    }
    if body[3] != kind {
        return Err(DecodeError::Kind { found: body[3], expected: kind });
    }
    Ok((u16::from_le_bytes([body[4], body[5]]), &body[HEAD_BYTES..]))
}
