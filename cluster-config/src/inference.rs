//! `InferenceOptions`: where the encoder runs, what it may hold, and what may wait for it.

use crate::node::{ConfigError, check, range};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{collections::BTreeMap, fmt};

/// The encoder and its queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InferenceOptions {
    /// `auto` (a real GPU if there is one, else the CPU), `gpu` (any adapter, software ones included) or `cpu`.
    pub device: Device,
    /// How weights lie on the device: `auto` (f16 where that is measured to be faster, else f32), `f32`, `f16` or `int8`.
    pub precision: Precision,
    /// How weights lie in memory where the CPU path serves alone: `f32`, `bf16`, which halves what it reads and holds, or `auto` (bf16 where
    /// that is measured to be faster).
    pub cpu_precision: CpuPrecision,
    /// Threads of the CPU path; 0 for all cores.
    pub cpu_threads: usize,
    /// Most tokens that wait for the device. Bulk work takes at most half of it, training a quarter.
    pub queue_tokens_max: usize,
    /// Most requests that wait for the device; shared as the tokens are.
    pub queue_requests_max: usize,
    /// Longest that an interactive request may be expected to wait for the device, in milliseconds: one that would wait longer
    /// is refused at once.
    pub wait_ms_max: u64,
    /// Most tokens in one batch.
    pub batch_tokens_max: usize,
    /// Longest that a batch of several requests may be expected to take, in milliseconds: who comes meanwhile waits so long. Bulk and
    /// training batches take half of it.
    pub batch_ms_max: u64,
    /// What weights, activations and staging may take on the device.
    pub device_memory_max: MemoryLimit,
    /// Bytes of the device that a model has for itself, by the model's name: others never take them.
    pub device_memory_floors: BTreeMap<String, u64>,
    /// What weights and activations of the CPU path and the cache of understandings may take, in bytes.
    pub host_memory_bytes_max: u64,
    /// What understandings that are kept by text may take, of all models together, in bytes; 0 turns the cache off. It is part of
    /// `host_memory_bytes_max`.
    pub cache_bytes_max: u64,
}

/// Where the encoder runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// A real GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// Any adapter, software ones included.
    Gpu,
    /// The CPU.
    Cpu,
}

/// How weights lie on the device. Sums are made in f32 whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// f16 where that is measured to be faster, else f32.
    #[default]
    Auto,
    /// As the model has them.
    F32,
    /// Half the memory.
    F16,
    /// A quarter of it: 8 bits with a scale for each column, word vectors in f16.
    Int8,
}

/// How the weights of the CPU path lie in memory. Sums are made in f32 whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum CpuPrecision {
    /// bf16 where that is measured to be faster, else f32.
    #[default]
    Auto,
    /// As the model has them.
    F32,
    /// The upper half of an f32, rounded: the matrices of the layers.
    Bf16,
}

/// A limit of memory: bytes, or a share of what the adapter has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    /// So many bytes; a number in the file.
    Bytes(u64),
    /// So many hundredths of the adapter's memory; a text such as `60%` in the file.
    Percent(u8),
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for MemoryLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(bytes) => serializer.serialize_u64(*bytes),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for MemoryLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Limit;
        impl de::Visitor<'_> for Limit {
            type Value = MemoryLimit;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or a share of the adapter's memory from 1% to 100%")
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<MemoryLimit, E> {
                Ok(MemoryLimit::Bytes(bytes))
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<MemoryLimit, E> {
                let bytes = u64::try_from(bytes).map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))?;
                Ok(MemoryLimit::Bytes(bytes))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<MemoryLimit, E> {
                let percent = text.strip_suffix('%').and_then(|p| p.trim().parse::<u8>().ok());
                let percent = percent.filter(|p| (1..=100).contains(p));
                percent.map(MemoryLimit::Percent).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Limit)
    }
}

impl Default for InferenceOptions {
    fn default() -> Self {
        Self {
            device: Device::Auto,
            precision: Precision::Auto,
            cpu_precision: CpuPrecision::Auto,
            cpu_threads: 0,
            queue_tokens_max: 65_536,
            queue_requests_max: 1_024,
            wait_ms_max: 400,
            batch_tokens_max: 4_096,
            batch_ms_max: 20,
            device_memory_max: MemoryLimit::Bytes(1 << 30),
            device_memory_floors: BTreeMap::new(),
            host_memory_bytes_max: 1 << 30,
            cache_bytes_max: 16 << 20,
        }
    }
}

impl InferenceOptions {
    /// Checks every value; the error names the first that is wrong.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        range("inference.batch_tokens_max", self.batch_tokens_max, 512, 1 << 20)?;
        range("inference.queue_tokens_max", self.queue_tokens_max, self.batch_tokens_max, 1 << 24)?;
        range("inference.queue_requests_max", self.queue_requests_max, 1, 1 << 20)?;
        range("inference.wait_ms_max", self.wait_ms_max, 1, 120_000)?;
        range("inference.batch_ms_max", self.batch_ms_max, 1, 10_000)?;
        range("inference.host_memory_bytes_max", self.host_memory_bytes_max, 1 << 20, 1 << 44)?;
        range("inference.cache_bytes_max", self.cache_bytes_max, 0, 1 << 40)?;
        let Self { device_memory_max, device_memory_floors, .. } = self;
        if let MemoryLimit::Bytes(limit) = *device_memory_max {
            range("inference.device_memory_max", limit, 1 << 20, 1 << 44)?;
            let floors = device_memory_floors.values().fold(0_u64, |sum, floor| sum.saturating_add(*floor));
            let expected = format!("at most device_memory_max ({limit}) in all");
            check(floors <= limit, "inference.device_memory_floors", floors, expected)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_bytes_or_a_share() {
        let read = |text: &str| serde_saphyr::from_str::<InferenceOptions>(text).map_err(|e| e.to_string());
        for (text, limit) in [("1048576", MemoryLimit::Bytes(1 << 20)), ("60%", MemoryLimit::Percent(60))] {
            let options = read(&format!("device_memory_max: {text}\n")).unwrap();
            assert_eq!(options.device_memory_max, limit);
            let written = serde_json::to_string(&options).unwrap();
            assert_eq!(serde_json::from_str::<InferenceOptions>(&written).unwrap(), options);
        }
        for text in ["0%", "101%", "half", "-5", "1.5"] {
            let error = read(&format!("device_memory_max: {text}\n")).unwrap_err();
            assert!(error.contains("a share of the adapter's memory from 1% to 100%"), "{text}: {error}");
        }
    }

    #[test]
    fn floors_fit_the_limit() {
        let floors = BTreeMap::from([("a".to_owned(), 3 << 20), ("b".to_owned(), 2 << 20)]);
        let options = |limit| InferenceOptions {
            device_memory_max: MemoryLimit::Bytes(limit),
            device_memory_floors: floors.clone(),
            ..InferenceOptions::default()
        };
        assert!(options(5 << 20).check().is_ok());
        assert_eq!(
            options(4 << 20).check().unwrap_err().to_string(),
            "inference.device_memory_floors: found 5242880, expected at most device_memory_max (4194304) in all"
        );
    }
}
