//! Reads an assistant's folder, and those of skills, into the texts that `dialogue` parses.

use anyhow::{Context, bail, ensure};
use dialogue::format::{SkillOutline, SourceFile, skill_outline};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Most files in one assistant, its skills included.
const FILES_MAX: usize = 10_000;
/// Largest file of an assistant, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Most folders beside a skill that are looked into for what it needs.
const NEIGHBOURS_MAX: usize = 1_000;
/// The file that names the skills which come from elsewhere.
const ADDED: &str = "skills.added.yml";
const MANIFESTS: [&str; 2] = ["skill.yml", "skill.yaml"];

/// An assistant's files, with the skills that were put beside them.
#[derive(Debug)]
pub struct Composed {
    /// All files; those of skills from elsewhere below `skills/`.
    pub files: Vec<SourceFile>,
    /// Under which folder each skill from elsewhere stands, and where it was read.
    pub from: Vec<(String, PathBuf)>,
}

/// All `.yml` and `.yaml` files below `dir`, in the order of their paths. Hidden folders and releases are left out.
pub fn read(dir: &Path) -> anyhow::Result<Vec<SourceFile>> {
    Ok(compose(dir, &[])?.files)
}

/// The files of an assistant together with skills from other folders. Where `dir` is a skill itself, those that it needs are
/// found beside it.
pub fn compose(dir: &Path, skills: &[PathBuf]) -> anyhow::Result<Composed> {
    let mut composed = Composed { files: read_folder(dir)?, from: Vec::new() };
    for skill in skills {
        let path = manifest_of(skill)
            .with_context(|| format!("{}: found no skill.yml, expected a skill's folder", skill.display()))?;
        let outline = skill_outline(&read_file(&path, skill)?);
        composed.add(skill, outline.as_ref())?;
    }
    if composed.files.iter().any(|f| MANIFESTS.contains(&f.path.as_str())) {
        composed.add_neighbours(dir)?;
    } else if !composed.from.is_empty() {
        composed.list()?;
    }
    ensure!(composed.files.len() <= FILES_MAX, "{}: more than {FILES_MAX} files", dir.display());
    Ok(composed)
}

impl Composed {
    /// Puts the files of a skill below `skills/`.
    fn add(&mut self, skill: &Path, outline: Option<&SkillOutline>) -> anyhow::Result<()> {
        let real = skill.canonicalize().with_context(|| format!("{}: cannot be read", skill.display()))?;
        let name = match outline {
            Some(outline) => outline.name.clone(),
            // What is wrong with it is said when it is loaded.
            None => real.file_name().map_or_else(|| "skill".into(), |n| n.to_string_lossy().into_owned()),
        };
        let folder = format!("skills/{name}");
        let taken = format!("{folder}/");
        ensure!(
            !self.files.iter().any(|f| f.path.starts_with(&taken)),
            "{}: the folder {folder} is there already; name it below `skills` of config.yml, or give this one another name",
            skill.display()
        );
        for file in read_folder(skill)? {
            self.files.push(SourceFile { path: format!("{folder}/{}", file.path), text: file.text });
        }
        self.from.push((folder, real));
        Ok(())
    }

    /// Names what was added, as config.yml would.
    fn list(&mut self) -> anyhow::Result<()> {
        ensure!(
            !self.files.iter().any(|f| f.path == ADDED),
            "{ADDED}: is written where skills come from elsewhere; give this file another name"
        );
        let lines: String = self.from.iter().map(|(folder, _)| format!("  - {folder}\n")).collect();
        self.files.push(SourceFile { path: ADDED.into(), text: format!("skills:\n{lines}") });
        Ok(())
    }

    /// Adds the skills that those which are there need and that lie beside the first of them.
    fn add_neighbours(&mut self, dir: &Path) -> anyhow::Result<()> {
        let mut beside: Option<BTreeMap<String, (PathBuf, SkillOutline)>> = None;
        loop {
            let there: Vec<SkillOutline> = self.files.iter().filter_map(skill_outline).collect();
            let missing = there.iter().flat_map(|s| &s.needs).find(|need| {
                let known = there.iter().any(|s| s.name == **need);
                !known && beside.as_ref().is_none_or(|b| b.contains_key(*need))
            });
            let Some(missing) = missing.cloned() else { return Ok(()) };
            let beside = match &mut beside {
                Some(beside) => beside,
                None => beside.insert(neighbours(dir)?),
            };
            // What is taken out is not asked for again: the loop ends.
            if let Some((path, outline)) = beside.remove(&missing) {
                self.add(&path, Some(&outline))?;
            }
        }
    }
}

fn manifest_of(folder: &Path) -> Option<PathBuf> {
    MANIFESTS.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The skills in the folder that `dir` lies in, by their names.
fn neighbours(dir: &Path) -> anyhow::Result<BTreeMap<String, (PathBuf, SkillOutline)>> {
    let dir = dir.canonicalize().with_context(|| format!("{}: cannot be read", dir.display()))?;
    let Some(parent) = dir.parent() else { return Ok(BTreeMap::new()) };
    let mut found = BTreeMap::new();
    let entries = WalkDir::new(parent).min_depth(1).max_depth(1).sort_by_file_name();
    for entry in entries.into_iter().take(NEIGHBOURS_MAX) {
        let entry = entry.with_context(|| format!("{}: cannot list the folder", parent.display()))?;
        let folder = entry.path();
        let Some(path) = manifest_of(folder).filter(|_| folder != dir) else { continue };
        if let Some(outline) = skill_outline(&read_file(&path, folder)?) {
            found.entry(outline.name.clone()).or_insert((folder.to_owned(), outline));
        }
    }
    Ok(found)
}

fn read_folder(dir: &Path) -> anyhow::Result<Vec<SourceFile>> {
    if !dir.is_dir() {
        bail!("{}: not a folder; expected an assistant (domain.yml, data/, config.yml)", dir.display());
    }
    let mut files = Vec::new();
    let entries = WalkDir::new(dir).sort_by_file_name().into_iter().filter_entry(|e| {
        let hidden = e.depth() > 0 && e.file_name().to_string_lossy().starts_with('.');
        let release = e.depth() > 0 && e.path().join(crate::release::MANIFEST).exists();
        !hidden && !release
    });
    for entry in entries {
        let entry = entry.with_context(|| format!("{}: cannot list the folder", dir.display()))?;
        let path = entry.path();
        let yaml = path.extension().is_some_and(|x| x == "yml" || x == "yaml");
        if !yaml || !entry.file_type().is_file() {
            continue;
        }
        files.push(read_file(path, dir)?);
        if files.len() > FILES_MAX {
            bail!("{}: more than {FILES_MAX} files", dir.display());
        }
    }
    if files.is_empty() {
        bail!("{}: no .yml file; expected an assistant (domain.yml, data/, config.yml)", dir.display());
    }
    Ok(files)
}

fn read_file(path: &Path, dir: &Path) -> anyhow::Result<SourceFile> {
    let bytes = path.metadata().with_context(|| path.display().to_string())?.len();
    if bytes > FILE_BYTES_MAX {
        bail!("{}: {bytes} bytes, the limit for one file is {FILE_BYTES_MAX}", path.display());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot read the file", path.display()))?;
    let path = path.strip_prefix(dir).unwrap_or(path).to_string_lossy().into_owned();
    Ok(SourceFile { path, text })
}
