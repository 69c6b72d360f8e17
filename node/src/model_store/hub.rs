//! `Hub`: models from Hugging Face repositories, in the layout that sentence-transformers gives them.

use super::download::{self, Download, Fetched};
use super::manifest::ModelManifest;
use super::{fresh_beside, lock, put_in_place};
use anyhow::{Context, ensure};
use cluster_config::{Device, InferenceOptions};
use shaders::{Encoder, limits, model::BertConfig};
use std::fs;
use std::path::{Path, PathBuf};

const ENDPOINT: &str = "https://huggingface.co";
const MIB: u64 = 1 << 20;

/// A file of a repository: its path, whether the model needs it, its largest size in bytes.
type RepoFile = (&'static str, bool, u64);

/// The small ones come first: what this engine does not run is refused before the weights are fetched.
const FILES: [RepoFile; 7] = [
    ("config.json", true, MIB),
    ("modules.json", false, MIB),
    ("1_Pooling/config.json", false, MIB),
    ("config_sentence_transformers.json", false, MIB),
    ("README.md", false, 4 * MIB),
    ("tokenizer.json", true, 128 * MIB),
    ("model.safetensors", true, limits::WEIGHTS_BYTES_MAX),
];
/// The model card: read for the licence, and not kept.
const CARD: &str = "README.md";

/// A repository's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubRepo {
    /// Whose it is.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// Branch, tag or commit; `main` where nothing is said.
    pub revision: Option<String>,
}

impl HubRepo {
    /// `owner/name` or `owner/name@revision`, of letters, digits, `-`, `_` and `.` as the site has them.
    pub fn parse(text: &str) -> Option<Self> {
        let (repo, revision) = match text.split_once('@') {
            Some((repo, revision)) => (repo, Some(revision)),
            None => (text, None),
        };
        let (owner, name) = repo.split_once('/')?;
        let plain = |part: &str| {
            let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let begins = part.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
            begins && part.len() <= 96 && part.chars().all(fine) && !part.contains("--") && !part.contains("..")
        };
        let fine = plain(owner) && plain(name) && revision.is_none_or(plain);
        fine.then(|| Self { owner: owner.into(), name: name.into(), revision: revision.map(Into::into) })
    }

    /// Its folder's name in the cache: no name of the site holds two hyphens in a row.
    pub fn folder(&self) -> String {
        format!("{}--{}", self.owner, self.name)
    }

    /// Without the revision.
    fn repo(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

impl std::fmt::Display for HubRepo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))
    }
}

/// The site, or a mirror of it.
pub struct Hub {
    endpoint: String,
    token: Option<String>,
    client: reqwest::Client,
}

impl Hub {
    /// `HF_ENDPOINT` and `HF_TOKEN`, as the site's own tools have them.
    pub fn from_env() -> anyhow::Result<Self> {
        let var = |name| std::env::var(name).ok().filter(|v| !v.is_empty());
        Self::new(&var("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into()), var("HF_TOKEN"))
    }

    /// The site at an address, with a token for what is not public.
    pub fn new(endpoint: &str, token: Option<String>) -> anyhow::Result<Self> {
        Ok(Self { endpoint: endpoint.trim_end_matches('/').into(), token, client: download::client()? })
    }

    /// The model's folder in `cache`, after fetching it: where it is there in the revision asked for, nothing is
    /// fetched unless by `force`.
    ///
    /// The folder appears when every file is there and the encoder loads from them; until then there is none, or the
    /// old one.
    pub async fn pull(&self, repo: &HubRepo, cache: &Path, force: bool) -> anyhow::Result<PathBuf> {
        let _lock = lock(cache, &repo.folder())?;
        let dir = cache.join("models").join(repo.folder());
        if let Some(manifest) = ModelManifest::read(&dir)?.filter(|_| !force) {
            let asked_for = |found: &str| repo.revision.as_ref().is_none_or(|r| of_revision(found, r));
            if manifest.revision.as_deref().is_some_and(asked_for) && manifest.verify(&dir).is_ok() {
                return Ok(dir);
            }
        }
        let fresh = fresh_beside(&dir)?;
        let fetched = self.fetch(repo, &cache.join("downloads"), &fresh).await;
        let done = fetched.and_then(|manifest| {
            let names = FILES.map(|f| f.0).into_iter().filter(|name| fresh.join(name).is_file());
            manifest.write(&fresh, &names.map(Into::into).collect::<Vec<String>>())?;
            put_in_place(&fresh, &dir)
        });
        if done.is_err() {
            let _ = fs::remove_dir_all(&fresh);
        }
        done.with_context(|| format!("the model {repo} was not fetched from {}", self.endpoint))?;
        Ok(dir)
    }

    /// Fetches all files into `fresh` and loads the encoder from them once.
    async fn fetch(&self, repo: &HubRepo, downloads: &Path, fresh: &Path) -> anyhow::Result<ModelManifest> {
        let wanted = repo.revision.as_deref().unwrap_or("main");
        // Once the other side has named the commit, all other files are of it.
        let mut revision = wanted.to_owned();
        let mut licence = None;
        for file in FILES {
            let Some(commit) = self.file(repo, &revision, file, downloads, fresh).await? else { continue };
            let path = fresh.join(file.0);
            match file.0 {
                "config.json" => drop(BertConfig::load(&path)?),
                CARD => {
                    licence = licence_of(&fs::read_to_string(&path).unwrap_or_default());
                    fs::remove_file(&path)?;
                }
                _ => {}
            }
            if let Some(commit) = commit.filter(|c| c.len() == 40 && c.chars().all(|c| c.is_ascii_hexdigit())) {
                revision = commit;
            }
        }
        let folder = fresh.to_owned();
        let options = InferenceOptions { device: Device::Cpu, cpu_threads: 1, ..InferenceOptions::default() };
        tokio::task::spawn_blocking(move || Encoder::load(&folder, &options))
            .await?
            .context("the model does not load")?;
        let source = format!("{}/{}", self.endpoint, repo.repo());
        let revision = if revision == wanted { revision } else { format!("{revision} ({wanted})") };
        Ok(ModelManifest::new(&repo.repo(), source, Some(revision), licence))
    }

    /// Fetches one file; nothing where the repository lacks one that the model can do without. Inside is the commit.
    async fn file(
        &self,
        repo: &HubRepo,
        revision: &str,
        (name, needed, bytes_max): RepoFile,
        downloads: &Path,
        fresh: &Path,
    ) -> anyhow::Result<Option<Option<String>>> {
        let url = format!("{}/{}/resolve/{revision}/{name}", self.endpoint, repo.repo());
        let part = downloads.join(format!("{}--{revision}--{}.part", repo.folder(), name.replace('/', "--")));
        let what = format!("{repo}: {name}");
        let token = self.token.as_deref();
        let download = Download { what, url: &url, token, part: &part, bytes: None, bytes_max };
        let fetched = download.run(&self.client).await?;
        let tag = part.with_extension("etag");
        match fetched {
            Fetched::Whole { commit } => {
                let path = fresh.join(name);
                fs::create_dir_all(path.parent().context("a file has a folder")?)?;
                fs::rename(&part, &path).with_context(|| format!("{}: cannot put it there", path.display()))?;
                let _ = fs::remove_file(tag);
                Ok(Some(commit))
            }
            Fetched::NotThere => {
                let _ = fs::remove_file(&part);
                ensure!(!needed, "{name}: the repository {repo} has no such file (404), and the model needs it");
                Ok(None)
            }
        }
    }
}

/// Is a recorded revision the one asked for: the commit, its beginning, or the branch or tag behind it?
pub fn of_revision(recorded: &str, wanted: &str) -> bool {
    let commit = wanted.len() >= 7 && recorded.starts_with(wanted);
    recorded == wanted || commit || recorded.ends_with(&format!(" ({wanted})"))
}

/// `license:` of the model card's front matter.
fn licence_of(card: &str) -> Option<String> {
    let matter = card.strip_prefix("---")?.split("\n---").next()?;
    let licence = matter.lines().find_map(|line| line.strip_prefix("license:"))?.trim().trim_matches(['"', '\'']);
    (!licence.is_empty() && licence.len() <= 64).then(|| licence.to_owned())
}
