//! A node's clock and disk, changed while it runs: a page of memory that `libtertulia_shim.so` reads in the node's process.

use anyhow::{Context, Result};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The library's file name; `cargo build -p tertulia-shim` makes it.
const LIBRARY: &str = "libtertulia_shim.so";
/// The variable that names the page to the library.
const PAGE: &str = "TERTULIA_SHIM_PAGE";
const PAGE_BYTES: u64 = 4_096;

/// One node's page.
pub struct Shim {
    library: PathBuf,
    path: PathBuf,
    file: std::fs::File,
}

impl Shim {
    /// The library, beside the program that is run now; tests lie one folder deeper.
    pub fn library() -> Option<PathBuf> {
        let me = std::env::current_exe().ok()?;
        me.ancestors().skip(1).take(2).map(|folder| folder.join(LIBRARY)).find(|file| file.is_file())
    }

    /// Why there can be none; `None` if there can.
    pub fn lacks() -> Option<String> {
        let lacks = Self::library().is_none();
        lacks.then(|| {
            format!("slow disks and clocks that jump need {LIBRARY} beside this program (cargo build -p tertulia-shim)")
        })
    }

    /// A page with nothing changed.
    pub fn make(path: &Path) -> Result<Self> {
        let library = Self::library().context("the library is not there")?;
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        file.set_len(PAGE_BYTES).with_context(|| format!("cannot size {}", path.display()))?;
        Ok(Self { library, path: path.to_owned(), file })
    }

    /// The environment of the node.
    pub fn env(&self) -> Vec<(String, String)> {
        vec![("LD_PRELOAD".into(), self.library.display().to_string()), (PAGE.into(), self.path.display().to_string())]
    }

    /// The wall clock shows so much more, in milliseconds.
    pub fn step_clock(&self, offset_ms: i64) -> Result<()> {
        self.write(0, offset_ms)
    }

    /// Each barrier takes so much longer, in milliseconds.
    pub fn slow_disk(&self, delay_ms: u64) -> Result<()> {
        self.write(8, i64::try_from(delay_ms).unwrap_or(i64::MAX))
    }

    fn write(&self, at: u64, value: i64) -> Result<()> {
        let written = self.file.write_all_at(&value.to_ne_bytes(), at);
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}
