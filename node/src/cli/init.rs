//! `init`: a new assistant that trains, passes its test and answers.

use super::{Outcome, style};
use anyhow::{Context, bail};
use clap::Args;
use std::path::PathBuf;

/// Make a new assistant in a folder.
#[derive(Args)]
pub(crate) struct Init {
    /// The folder; made if it is not there
    #[arg(default_value = ".")]
    dir: PathBuf,
}

const FILES: [(&str, &str); 6] = [
    ("domain.yml", include_str!("init/domain.yml")),
    ("config.yml", include_str!("init/config.yml")),
    ("data/nlu.yml", include_str!("init/nlu.yml")),
    ("data/rules.yml", include_str!("init/rules.yml")),
    ("data/stories.yml", include_str!("init/stories.yml")),
    ("tests/test_stories.yml", include_str!("init/test_stories.yml")),
];

impl Init {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        if let Some((there, _)) = FILES.iter().find(|(path, _)| self.dir.join(path).exists()) {
            bail!("{}: there already; nothing was written", self.dir.join(there).display());
        }
        for (path, text) in FILES {
            let path = self.dir.join(path);
            let parent = path.parent().context("a file has a folder")?;
            std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::write(&path, text))
                .with_context(|| format!("{}: cannot write", path.display()))?;
        }
        let dir = self.dir.display();
        println!("{} a new assistant in {dir}. Next:", style::green("made"));
        println!("  tertulia train --assistant {dir}\n  tertulia test\n  tertulia shell --release release.tertulia");
        Ok(Outcome::Fine)
    }
}
