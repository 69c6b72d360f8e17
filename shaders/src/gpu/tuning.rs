//! `Tuning`: which variants of the kernels serve on a device. Measured, for no table knows every driver.

use crate::{
    gpu::{Attention, Gpu, GpuError, Matmul, Precision, Rows, candidates, source::sources_sha256},
    model::BertConfig,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fs, io, path::Path};

/// The version of wgpu that is compiled in: another one may make other code of the same kernels.
pub const WGPU_VERSION: &str = "30.0.1";
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 16;

/// What a choice holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningKey {
    /// The adapter's name.
    pub adapter: String,
    /// Its driver with the version.
    pub driver: String,
    /// wgpu's version.
    pub wgpu: String,
    /// SHA-256 of the kernels, hexadecimal.
    pub kernels_sha256: String,
    /// How weights are stored.
    pub precision: Precision,
    /// Numbers of a state.
    pub hidden_size: usize,
    /// Attention heads.
    pub heads: usize,
    /// Numbers of the feed-forward layer.
    pub intermediate_size: usize,
}

impl TuningKey {
    /// The key of a model on a device.
    pub fn new(gpu: &Gpu, config: &BertConfig, precision: Precision) -> Self {
        Self {
            adapter: gpu.name().to_owned(),
            driver: gpu.driver().to_owned(),
            wgpu: WGPU_VERSION.to_owned(),
            kernels_sha256: sources_sha256(),
            precision,
            hidden_size: config.hidden_size,
            heads: config.num_attention_heads,
            intermediate_size: config.intermediate_size,
        }
    }
}

impl TuningKey {
    /// A name for a file that holds this choice and no other.
    pub fn file_name(&self) -> String {
        let text = format!("{self:?}");
        let hash = Sha256::digest(text.as_bytes());
        format!("{}.json", hash.iter().take(8).map(|b| format!("{b:02x}")).collect::<String>())
    }
}

/// The variants that serve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// What it was measured with.
    pub key: TuningKey,
    /// Matrix products.
    pub matmul: Matmul,
    /// What the measured products took, in seconds: to compare precisions.
    pub matmul_seconds: f64,
    /// Attention.
    pub attention: Attention,
    /// Kernels that work row by row.
    pub rows: Rows,
}

/// What a candidate came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured<V> {
    /// The candidate.
    pub variant: V,
    /// Largest difference from the twin on the CPU.
    pub error: f32,
    /// Seconds for each size of the work; empty where it was wrong, short where it was given up.
    pub seconds: Vec<f64>,
}

/// A choice, and what it takes for all sizes together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fastest<V> {
    /// The choice.
    pub variant: V,
    /// Seconds.
    pub seconds: f64,
}

/// The fastest one over all sizes, each size weighed alike, of those that finished `sizes` of them.
pub fn fastest<V: Copy>(measured: &[Measured<V>], sizes: usize) -> Option<Fastest<V>> {
    let whole = || measured.iter().filter(|m| m.seconds.len() == sizes);
    let best = |size: usize| whole().map(|m| m.seconds[size]).fold(f64::INFINITY, f64::min);
    let slowness = |m: &Measured<V>| (0..sizes).map(|size| m.seconds[size] / best(size)).sum::<f64>();
    let best = whole().min_by(|a, b| slowness(a).total_cmp(&slowness(b)))?;
    Some(Fastest { variant: best.variant, seconds: best.seconds.iter().sum() })
}

impl Tuning {
    /// Runs every variant that the device supports: a wrong one is never chosen, of the others the fastest is.
    pub fn measure(gpu: &Gpu, config: &BertConfig, precision: Precision) -> Result<Self, GpuError> {
        let none = |what: &str| GpuError::Device(format!("{}: no kernel computes {what} right", gpu.name()));
        let matmul = candidates::matmul(gpu, config, precision)?.ok_or_else(|| none("matrix products"))?;
        Ok(Self {
            key: TuningKey::new(gpu, config, precision),
            matmul: matmul.variant,
            matmul_seconds: matmul.seconds,
            attention: candidates::attention(gpu, config)?.ok_or_else(|| none("attention"))?.variant,
            rows: candidates::rows(gpu, config)?.ok_or_else(|| none("LayerNorm"))?.variant,
        })
    }

    /// The choice of the file at `path` where it holds for this device and model; else it is measured, and left there.
    ///
    /// A file that is missing, broken, of another device or not writable costs the time of a measurement, nothing else.
    pub fn load_or_measure(
        path: Option<&Path>,
        gpu: &Gpu,
        config: &BertConfig,
        precision: Precision,
    ) -> Result<Self, GpuError> {
        let key = TuningKey::new(gpu, config, precision);
        if let Some(tuning) = path.and_then(Self::read).filter(|t| t.key == key && t.suits(gpu, config)) {
            return Ok(tuning);
        }
        let tuning = Self::measure(gpu, config, precision)?;
        if let Some(path) = path
            && let Err(error) = tuning.write(path)
        {
            tracing::warn!(%error, path = %path.display(), "the choice of kernels is not kept");
        }
        Ok(tuning)
    }

    /// The variant for a weight of this shape: the chosen one, or the plain one where that cannot.
    pub fn matmul_for(&self, gpu: &Gpu, (k, n): (usize, usize)) -> Matmul {
        if self.matmul.suits(&gpu.abilities(), self.key.precision, k, n) { self.matmul } else { Matmul::Plain }
    }

    /// A file may have been written by hand: what this device cannot run is not taken from it.
    fn suits(&self, gpu: &Gpu, config: &BertConfig) -> bool {
        let can = gpu.abilities();
        // Of the sizes that a kernel cannot, the plain one takes care.
        let matmul = self.matmul.suits(&can, self.key.precision, 32, 32);
        matmul && self.attention.suits(&can, config.head_size()) && self.rows.suits(&can)
    }

    fn read(path: &Path) -> Option<Self> {
        let length = fs::metadata(path).ok()?.len();
        let text = if length <= FILE_BYTES_MAX { fs::read(path).ok()? } else { Vec::new() };
        match serde_json::from_slice(&text) {
            Ok(tuning) => Some(tuning),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the file of chosen kernels is broken: measuring anew");
                None
            }
        }
    }

    /// Beside its place first: nobody reads half of it.
    fn write(&self, path: &Path) -> io::Result<()> {
        let fresh = path.with_extension(format!("new-{}", std::process::id()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&fresh, serde_json::to_string_pretty(self)?)?;
        fs::rename(&fresh, path).inspect_err(|_| drop(fs::remove_file(&fresh)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{budget::MemoryBudget, gpu::sample::minilm_config};

    #[test]
    fn the_fastest_right_one_is_chosen() {
        let measured = |variant, seconds: &[f64]| Measured { variant, error: 0.0, seconds: seconds.to_vec() };
        // Wrong ones have no times, slow ones were given up: neither is chosen, whatever the times they have.
        let all = [measured('w', &[]), measured('g', &[0.1]), measured('a', &[1.0, 9.0]), measured('b', &[2.0, 3.0])];
        let best = fastest(&all, 2);
        assert_eq!(
            best,
            Some(Fastest { variant: 'b', seconds: 5.0 }),
            "3 times faster at one size outweighs 2 times slower at the other"
        );
        assert_eq!(fastest(&all[..2], 2), None);
    }

    #[test]
    fn the_version_of_wgpu_is_the_locked_one() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"wgpu\"\nversion = \"{WGPU_VERSION}\"\n")), "not {WGPU_VERSION}");
    }

    #[test]
    fn a_file_is_used_where_it_holds_and_measured_anew_where_not() {
        let gpu = Gpu::open_noop(MemoryBudget::new(1 << 30)).unwrap();
        let config = minilm_config();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("devices/tuning.json");
        let kept = Tuning {
            key: TuningKey::new(&gpu, &config, Precision::F16),
            matmul: Matmul::Tile,
            matmul_seconds: 0.5,
            attention: Attention::Workgroup,
            rows: Rows::Subgroup,
        };
        kept.write(&path).unwrap();
        let load = |precision| Tuning::load_or_measure(Some(&path), &gpu, &config, precision);
        assert_eq!(load(Precision::F16).unwrap(), kept);

        // The noop device computes nothing, so measuring finds that every kernel is wrong: that is how it shows here.
        assert!(load(Precision::F32).is_err(), "another precision");
        fs::write(&path, "{\"key\":").unwrap();
        assert!(load(Precision::F16).is_err(), "a broken file");
        let old = TuningKey { driver: "of last year".into(), ..kept.key.clone() };
        Tuning { key: old, ..kept.clone() }.write(&path).unwrap();
        assert!(load(Precision::F16).is_err(), "another driver");
        fs::remove_file(&path).unwrap();
        assert!(load(Precision::F16).is_err(), "no file");
        assert_eq!(fs::read_dir(folder.path().join("devices")).unwrap().count(), 0, "nothing is left beside it");
    }
}
