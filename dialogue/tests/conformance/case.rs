//! `Case`: one case of the suite, read from its file and written back.

use std::fmt;

/// A case.
pub struct Case {
    pub name: String,
    pub feature: String,
    /// Where Rasa does something else: why.
    pub differs: Option<String>,
    /// Path and text of each file.
    pub files: Vec<(String, String)>,
    /// The conversation's input, with what happened behind each; nothing for a case of the loader alone.
    pub talk: Option<Vec<Exchange>>,
    /// What the loader says.
    pub said: Vec<String>,
}

/// What goes in, line by line, and what comes of it.
#[derive(Default)]
pub struct Exchange {
    pub input: String,
    pub happened: Vec<String>,
}

impl Case {
    /// Is this input that the loader refuses?
    pub fn is_refused(&self) -> bool {
        self.talk.is_none() && self.said.first().is_some_and(|line| line != "fine")
    }
}

pub fn parse(file: &str, text: &str) -> Vec<Case> {
    let mut out: Vec<Case> = Vec::new();
    let mut part = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            let (name, feature) = (name.to_owned(), String::new());
            out.push(Case { name, feature, differs: None, files: Vec::new(), talk: None, said: Vec::new() });
            part = "";
            continue;
        }
        let case = out.last_mut().unwrap_or_else(|| panic!("{file}: a case begins with `=== name`"));
        if let Some(feature) = line.strip_prefix("feature: ") {
            case.feature = feature.to_owned();
            continue;
        }
        if let Some(why) = line.strip_prefix("differs: ").filter(|_| part.is_empty()) {
            case.differs = Some(why.to_owned());
            continue;
        }
        if let Some(found) = line.strip_prefix("--- ") {
            part = found;
            match part {
                "talk" => case.talk = Some(Vec::new()),
                "says" => {}
                path => case.files.push((path.to_owned(), String::new())),
            }
            continue;
        }
        match (part, &mut case.talk) {
            ("", _) => assert!(line.is_empty(), "{file}: {}: {line:?} belongs to nothing", case.name),
            ("talk", Some(talk)) if line.starts_with(['>', '!', '~', '?', '*']) => {
                talk.push(Exchange { input: line.to_owned(), happened: Vec::new() });
            }
            ("talk", Some(talk)) => {
                if let Some(last) = talk.last_mut().filter(|_| !line.is_empty()) {
                    last.happened.push(line.to_owned());
                }
            }
            ("says", _) => case.said.extend((!line.is_empty()).then(|| line.to_owned())),
            _ => {
                let text = &mut case.files.last_mut().unwrap().1;
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    out
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "=== {}\nfeature: {}", self.name, self.feature)?;
        if let Some(why) = &self.differs {
            writeln!(f, "differs: {why}")?;
        }
        for (path, text) in &self.files {
            write!(f, "--- {path}\n{text}")?;
        }
        match &self.talk {
            Some(talk) => {
                writeln!(f, "--- talk")?;
                for exchange in talk {
                    writeln!(f, "{}", exchange.input)?;
                    exchange.happened.iter().try_for_each(|line| writeln!(f, "{line}"))?;
                }
                Ok(())
            }
            None => {
                writeln!(f, "--- says")?;
                self.said.iter().try_for_each(|line| writeln!(f, "{line}"))
            }
        }
    }
}
