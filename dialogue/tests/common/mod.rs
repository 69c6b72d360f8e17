//! What the tests share: files of an assistant, read from disk.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use tertulia_dialogue::format::{Assistant, Diagnostic, Loaded, SourceFile};

/// A folder of the shared data, if it is there; says so if it is not.
pub fn shared(path: &str) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    if !dir.is_dir() {
        eprintln!("{} is absent: this test did not run", dir.display());
        return None;
    }
    Some(dir)
}

/// All YAML files of a folder, sorted by path.
pub fn files(dir: &Path) -> Vec<SourceFile> {
    let mut out = Vec::new();
    collect(dir, dir, &mut out);
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

fn collect(root: &Path, dir: &Path, out: &mut Vec<SourceFile>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, out);
        } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            out.push(SourceFile { path: name, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
}

/// Loads the assistant of a folder.
pub fn load_dir(dir: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    Assistant::load(&files(dir))
}

/// Diagnostics as a person reads them.
pub fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
