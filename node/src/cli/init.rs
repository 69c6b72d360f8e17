//! `init`: a new assistant, or a new skill, that trains, passes its test and answers.

use super::{Outcome, style};
use anyhow::{Context, bail, ensure};
use clap::Args;
use std::path::{Path, PathBuf};

/// Make a new assistant in a folder, or a skill.
#[derive(Args)]
pub(crate) struct Init {
    /// The folder; made if it is not there. With --skill: the assistant's folder, or the one that the skill's is made in
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Make a skill of this name: below `skills/` of the assistant in the folder, which lists it from then on
    #[arg(long, value_name = "NAME")]
    skill: Option<String>,
}

const FILES: [(&str, &str); 6] = [
    ("domain.yml", include_str!("init/domain.yml")),
    ("config.yml", include_str!("init/config.yml")),
    ("data/nlu.yml", include_str!("init/nlu.yml")),
    ("data/rules.yml", include_str!("init/rules.yml")),
    ("data/stories.yml", include_str!("init/stories.yml")),
    ("tests/test_stories.yml", include_str!("init/test_stories.yml")),
];

/// `SKILL` stands for the skill's name, `IDENT` for the same in names of intents and responses, `WORDS` in texts.
const SKILL_FILES: [(&str, &str); 5] = [
    ("skill.yml", include_str!("init/skill/skill.yml")),
    ("domain.yml", include_str!("init/skill/domain.yml")),
    ("data/nlu.yml", include_str!("init/skill/nlu.yml")),
    ("data/rules.yml", include_str!("init/skill/rules.yml")),
    ("tests/test_stories.yml", include_str!("init/skill/test_stories.yml")),
];

impl Init {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        if let Some(name) = &self.skill {
            return skill(&self.dir, name);
        }
        write(&self.dir, FILES.map(|(path, text)| (path, text.to_owned())))?;
        let dir = self.dir.display();
        println!("{} a new assistant in {dir}. Next:", style::green("made"));
        println!("  tertulia train --assistant {dir}\n  tertulia test\n  tertulia shell --release release.tertulia");
        Ok(Outcome::Fine)
    }
}

fn skill(dir: &Path, name: &str) -> anyhow::Result<Outcome> {
    let (ident, words) = (name.replace('-', "_"), name.replace(['-', '_'], " "));
    let filled = |text: &str| text.replace("SKILL", name).replace("IDENT", &ident).replace("WORDS", words.trim());
    let files = SKILL_FILES.map(|(path, text)| (path, filled(text)));
    let manifest = dialogue::format::SourceFile { path: "skill.yml".into(), text: files[0].1.clone() };
    ensure!(
        dialogue::format::skill_outline(&manifest).is_some(),
        "--skill: found {name:?}, expected small letters, digits, `_` and `-`, beginning with a letter, e.g. opening_hours"
    );
    let config = ["config.yml", "config.yaml"].map(|file| dir.join(file)).into_iter().find(|path| path.is_file());
    let of_assistant = config.is_some() || dir.join("domain.yml").is_file();
    let folder = if of_assistant { format!("skills/{name}") } else { name.to_owned() };
    let at = dir.join(&folder);
    write(&at, files)?;
    println!("{} a new skill in {}. Next:", style::green("made"), at.display());
    if of_assistant {
        let config = config.unwrap_or_else(|| dir.join("config.yml"));
        list(&config, &folder)?;
        println!("  tertulia test {}\n  tertulia test {} --skill {name}", at.display(), dir.display());
    } else {
        println!("  tertulia test {}\n  tertulia train --skill {} --assistant …", at.display(), at.display());
    }
    Ok(Outcome::Fine)
}

/// Writes files into a folder; nothing, where one of them is there.
fn write<const N: usize>(dir: &Path, files: [(&str, String); N]) -> anyhow::Result<()> {
    if let Some((there, _)) = files.iter().find(|(path, _)| dir.join(path).exists()) {
        bail!("{}: there already; nothing was written", dir.join(there).display());
    }
    for (path, text) in files {
        let path = dir.join(path);
        let parent = path.parent().context("a file has a folder")?;
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("{}: cannot write", path.display()))?;
    }
    Ok(())
}

/// Names the skill's folder in the assistant's settings, or says what to write there.
fn list(config: &Path, folder: &str) -> anyhow::Result<()> {
    let text = if config.exists() {
        std::fs::read_to_string(config).with_context(|| format!("{}: cannot read", config.display()))?
    } else {
        String::new()
    };
    match listed(&text, folder) {
        Some(text) => {
            std::fs::write(config, text).with_context(|| format!("{}: cannot write", config.display()))?;
            println!("  {} names it below `skills`", config.display());
        }
        None => println!("  write `{folder}` below `skills` of {}", config.display()),
    }
    Ok(())
}

/// The settings with one more skill; nothing where `skills` is written in a way that is better left to people.
fn listed(config: &str, folder: &str) -> Option<String> {
    let lines: Vec<&str> = config.lines().collect();
    let Some(at) = lines.iter().position(|line| line.starts_with("skills:")) else {
        let gap = if config.is_empty() || config.ends_with('\n') { "" } else { "\n" };
        return Some(format!("{config}{gap}\nskills:\n  - {folder}\n"));
    };
    // A list whose items stand each on a line of its own.
    let first = lines.get(at + 1).filter(|_| lines[at].trim_end() == "skills:")?;
    let indent = first.len() - first.trim_start().len();
    first.trim_start().starts_with("- ").then(|| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        lines.insert(at + 1, format!("{:indent$}- {folder}", ""));
        lines.join("\n") + "\n"
    })
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn a_skill_is_listed_without_touching_the_rest() {
        let config = "language: en\n";
        let once = listed(config, "skills/a").unwrap();
        assert_eq!(once, "language: en\n\nskills:\n  - skills/a\n");
        assert_eq!(listed(&once, "skills/b").unwrap(), "language: en\n\nskills:\n  - skills/b\n  - skills/a\n");
        assert_eq!(listed("skills: [a] # mine\n", "skills/b"), None);
        assert_eq!(listed("skills:\n# none yet\n", "skills/b"), None);
        assert_eq!(listed("language: en", "skills/a").unwrap(), "language: en\n\nskills:\n  - skills/a\n");
    }
}
