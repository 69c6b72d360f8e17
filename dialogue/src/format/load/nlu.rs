//! Reads `nlu:`: examples of intents, synonyms, regular expressions and lookup tables.

use super::{
    cx::{Cx, get, join},
    markup,
    yaml::{Data, Key, Node},
};
use crate::{
    NluExample,
    format::{LookupTable, NamedRegex, Place},
};
use std::collections::BTreeMap;

/// The examples while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Nlu {
    pub examples: Vec<(NluExample, Place)>,
    /// The keys of retrieval intents by their full names, with where each is first named.
    pub keys: BTreeMap<String, Place>,
    pub synonyms: BTreeMap<String, String>,
    /// Where each synonym is first given.
    pub synonyms_at: BTreeMap<String, Place>,
    pub regexes: Vec<NamedRegex>,
    pub lookups: Vec<LookupTable>,
    /// Where lookup tables are given.
    pub lookups_at: Vec<(String, Place)>,
    /// Where regular expressions are given.
    pub regexes_at: Vec<(String, Place)>,
}

const KINDS: [&str; 4] = ["intent", "synonym", "regex", "lookup"];

pub(super) fn nlu(cx: &mut Cx, nlu: &mut Nlu, node: &Node, source: &str) {
    for (i, item) in cx.list(node, "nlu", "a list of intents, synonyms, regexes and lookups").iter().enumerate() {
        let field = format!("nlu[{i}]");
        let pairs = cx.map(item, &field, "an item such as `intent: greet` with examples");
        cx.known_keys(pairs, &field, &["intent", "synonym", "regex", "lookup", "examples", "metadata"]);
        let Some((kind, name)) = pairs.iter().find(|(k, _)| KINDS.contains(&k.text.as_str())) else {
            let place = cx.place(item);
            cx.error(&place, &field, format!("names none of {}", KINDS.join(", ")));
            continue;
        };
        let Some(name_text) = cx.text(name, &join(&field, &kind.text)) else { continue };
        let lines = examples(cx, &field, kind, pairs, source);
        let place = cx.place(name);
        match kind.text.as_str() {
            "intent" => intent(cx, nlu, &field, &name_text, &place, lines),
            "synonym" => lines.into_iter().for_each(|(text, at)| synonym(cx, nlu, &field, &text, &name_text, &at)),
            "regex" => {
                nlu.regexes_at.push((name_text.clone(), place));
                lines.into_iter().for_each(|(pattern, at)| regex(cx, nlu, &field, &name_text, pattern, &at));
            }
            _ => {
                nlu.lookups_at.push((name_text.clone(), place));
                let values = lines.into_iter().map(|(text, _)| text);
                match nlu.lookups.iter_mut().find(|l| l.name == name_text) {
                    Some(table) => table.values.extend(values),
                    None => nlu.lookups.push(LookupTable { name: name_text, values: values.collect() }),
                }
            }
        }
    }
}

/// The lines of `examples:` with their places.
fn examples(cx: &mut Cx, field: &str, kind: &Key, pairs: &[(Key, Node)], source: &str) -> Vec<(String, Place)> {
    let field = join(field, "examples");
    let Some(node) = get(pairs, "examples") else {
        let place = cx.key_place(kind);
        cx.error(&place, &field, "is missing; expected `examples: |` with a line `- …` for each");
        return Vec::new();
    };
    let mut out = Vec::new();
    match &node.data {
        Data::Text(text) => {
            let mut from = node.line;
            for line in text.lines().filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#')) {
                let place = find_line(&cx.path, source, line, &mut from);
                match line.trim_start().strip_prefix('-') {
                    Some(example) if !example.trim().is_empty() => out.push((example.trim().to_owned(), place)),
                    _ => cx.error(&place, &field, format!("found the line {line:?}, expected it to begin with `- `")),
                }
            }
        }
        Data::List(items) => {
            for (i, item) in items.iter().enumerate() {
                let field = format!("{field}[{i}]");
                let text = match &item.data {
                    Data::Map(pairs) => {
                        cx.known_keys(pairs, &field, &["text", "metadata"]);
                        get(pairs, "text").and_then(|n| cx.text(n, &join(&field, "text")))
                    }
                    _ => cx.text(item, &field),
                };
                let place = cx.place(item);
                // `text: |` with a list inside, as Rasa's own converter writes it.
                let text = text.map(|t| t.trim().trim_start_matches("- ").trim().to_owned());
                out.extend(text.filter(|t| !t.is_empty()).map(|t| (t, place)));
            }
        }
        _ => cx.expected(node, &field, "`|` with a line `- …` for each example"),
    }
    out
}

/// The place of an example's line: the block's own position says only where it begins.
fn find_line(path: &str, source: &str, line: &str, from: &mut u32) -> Place {
    let wanted = line.trim();
    let mut numbered = (1u32..).zip(source.lines()).skip(from.saturating_sub(1) as usize);
    let place = |line: u32, column: u32| Place { path: path.to_owned(), line, column };
    match numbered.find(|(_, l)| l.trim() == wanted) {
        Some((number, found)) => {
            *from = number + 1;
            place(number, (found.chars().count() - found.trim_start().chars().count()) as u32 + 1)
        }
        None => place(*from, 1),
    }
}

fn intent(cx: &mut Cx, nlu: &mut Nlu, field: &str, intent: &str, place: &Place, lines: Vec<(String, Place)>) {
    let (base, response_key) = match intent.split_once('/') {
        Some((base, key)) if base.is_empty() || key.is_empty() || key.contains('/') => {
            let message = format!("found `{intent}`, expected an intent and one key such as `faq/ask_name`");
            cx.error(place, &join(field, "intent"), message);
            return;
        }
        Some((base, _)) => {
            nlu.keys.entry(intent.to_owned()).or_insert_with(|| place.clone());
            (base, Some(intent.to_owned()))
        }
        None => (intent, None),
    };
    for (line, mut at) in lines {
        match markup::parse(&line) {
            Ok(marked) => {
                for (words, value) in &marked.synonyms {
                    synonym(cx, nlu, field, words, value, &at);
                }
                let example = NluExample {
                    text: marked.text,
                    intent: base.to_owned(),
                    response_key: response_key.clone(),
                    entities: marked.entities,
                };
                nlu.examples.push((example, at));
            }
            Err((character, message)) => {
                at.column += 2 + character as u32;
                cx.error(&at, &join(field, "examples"), message);
            }
        }
    }
}

fn synonym(cx: &mut Cx, nlu: &mut Nlu, field: &str, words: &str, value: &str, at: &Place) {
    match nlu.synonyms.get(&words.to_lowercase()) {
        Some(first) if first != value => {
            let first_at = nlu.synonyms_at.get(&words.to_lowercase()).cloned().unwrap_or_default();
            if cx.skills.apart(&first_at, at) {
                let whose = cx.skills.whose(&first_at);
                let message = format!(
                    "{words:?} stands for {first:?} in {whose}, at {first_at}; found {value:?}, expected the same"
                );
                cx.error(at, field, message);
                return;
            }
            cx.warn(at, field, format!("{words:?} already stands for {first:?}; {value:?} has no effect"));
        }
        Some(_) => {}
        None => {
            nlu.synonyms.insert(words.to_lowercase(), value.to_owned());
            nlu.synonyms_at.insert(words.to_lowercase(), at.clone());
        }
    }
}

fn regex(cx: &mut Cx, nlu: &mut Nlu, field: &str, name: &str, pattern: String, at: &Place) {
    match regex::Regex::new(&pattern) {
        Ok(_) => nlu.regexes.push(NamedRegex { name: name.to_owned(), pattern }),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            cx.error(at, &join(field, "examples"), format!("{pattern:?} is not a regular expression: {reason}"));
        }
    }
}
