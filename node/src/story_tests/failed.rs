//! The failed stories as a file of test stories, with what came instead in comments: what Rasa writes as
//! `failed_test_stories.yml`.

use super::TestRun;
use dialogue::check::Mismatch;
use dialogue::format::{Place, StepEntity, StoryStep, UserStep};
use std::fmt::Write;

/// A file of test stories that holds those that failed.
pub fn failed_stories(run: &TestRun<'_>) -> String {
    let failed: Vec<_> = run.stories.iter().filter(|s| !s.report.passed).collect();
    if failed.is_empty() {
        return "# No test story failed.\nversion: \"3.1\"\nstories: []\n".into();
    }
    let mut out = Out { text: "version: \"3.1\"\nstories:\n".into(), failures: &[], told: 0 };
    for story in failed {
        out.failures = &story.report.failures;
        out.told = 0;
        out.line(2, &format!("- story: {}", quoted(&story.report.name)), None);
        out.comment(4, &format!("{}:{}", story.report.place.path, story.report.place.line));
        out.line(4, "steps:", None);
        story.story.steps.iter().for_each(|step| out.step(4, step));
        // What happened behind the last step stands at the story's own line.
        let rest: Vec<&Mismatch> = out.failures.iter().skip(out.told).collect();
        rest.iter().for_each(|mismatch| out.comment(4, &mismatch.what));
    }
    out.text
}

struct Out<'r> {
    text: String,
    /// The story's mismatches, in the order of its steps.
    failures: &'r [Mismatch],
    /// How many of them stand in the text.
    told: usize,
}

impl Out<'_> {
    fn line(&mut self, indent: usize, line: &str, place: Option<&Place>) {
        let _ = write!(self.text, "{:indent$}{line}", "");
        let mut sign = "  #";
        while let (Some(next), Some(place)) = (self.failures.get(self.told), place) {
            if next.line != place.line || next.path != place.path {
                break;
            }
            let _ = write!(self.text, "{sign} {}", on_one_line(&next.what));
            (self.told, sign) = (self.told + 1, ";");
        }
        self.text.push('\n');
    }

    fn comment(&mut self, indent: usize, words: &str) {
        let _ = writeln!(self.text, "{:indent$}# {}", "", on_one_line(words));
    }

    fn step(&mut self, indent: usize, step: &StoryStep) {
        match step {
            StoryStep::User(user) => self.user(indent, user),
            StoryStep::Or(options) => {
                self.line(indent, "- or:", None);
                options.iter().for_each(|option| self.step(indent + 2, option));
            }
            StoryStep::Action { name, place } => self.line(indent, &format!("- action: {}", quoted(name)), Some(place)),
            StoryStep::Bot { text, place } => self.line(indent, &format!("- bot: {}", quoted(text)), Some(place)),
            StoryStep::ActiveLoop { name, place } => {
                let name = name.as_deref().map_or_else(|| "null".into(), quoted);
                self.line(indent, &format!("- active_loop: {name}"), Some(place));
            }
            StoryStep::SlotWasSet { slots, place } => {
                self.line(indent, "- slot_was_set:", Some(place));
                self.slots(indent + 2, slots);
            }
            StoryStep::Checkpoint { name, slots, place } => {
                self.line(indent, &format!("- checkpoint: {}", quoted(name)), Some(place));
                if !slots.is_empty() {
                    self.line(indent + 2, "slot_was_set:", None);
                    self.slots(indent + 2, slots);
                }
            }
            StoryStep::Anything => self.line(indent, "- ...", None),
        }
    }

    fn slots(&mut self, indent: usize, slots: &[(String, Option<dialogue::Value>)]) {
        for (name, value) in slots {
            let value = value.as_ref().map(|v| format!(": {}", v.to_json())).unwrap_or_default();
            self.line(indent, &format!("- {}{value}", quoted(name)), None);
        }
    }

    fn user(&mut self, indent: usize, user: &UserStep) {
        let intent = user.response_key.as_ref().or(user.intent.as_ref());
        let mut head = Vec::new();
        head.extend(user.text.as_ref().map(|text| format!("user: {}", quoted(&marked(text, &user.entities)))));
        head.extend(intent.map(|intent| format!("intent: {}", quoted(intent))));
        for (i, line) in head.iter().enumerate() {
            let (sign, place) = if i == 0 { ("- ", Some(&user.place)) } else { ("  ", None) };
            self.line(indent, &format!("{sign}{line}"), place);
        }
        // Those of the text are marked there.
        let beside: Vec<&StepEntity> = user.entities.iter().filter(|e| e.span.is_none()).collect();
        if !beside.is_empty() {
            self.line(indent, "  entities:", None);
        }
        for entity in beside {
            let value = entity.value.as_ref().map(|v| format!(": {}", v.to_json())).unwrap_or_default();
            self.line(indent + 2, &format!("- {}{value}", quoted(&entity.entity)), None);
            for (key, label) in [("role", &entity.role), ("group", &entity.group)] {
                if let Some(label) = label {
                    self.line(indent + 2, &format!("  {key}: {}", quoted(label)), None);
                }
            }
        }
    }
}

/// The text with its entities marked, as stories have it.
fn marked(text: &str, entities: &[StepEntity]) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut spans: Vec<(usize, usize, &StepEntity)> = entities
        .iter()
        .filter_map(|e| e.span.map(|(start, end)| (start as usize, end as usize, e)))
        .filter(|(start, end, _)| start < end && *end <= chars.len())
        .collect();
    spans.sort_by_key(|(start, ..)| *start);
    let (mut out, mut at) = (String::new(), 0);
    for (start, end, entity) in spans {
        if start < at {
            continue;
        }
        let words: String = chars[start..end].iter().collect();
        out.extend(&chars[at..start]);
        let mut annotation = serde_json::Map::new();
        annotation.insert("entity".into(), entity.entity.clone().into());
        for (key, label) in [("role", &entity.role), ("group", &entity.group)] {
            annotation.extend(label.iter().map(|l| (key.to_owned(), l.clone().into())));
        }
        let value = entity.value.as_ref().filter(|v| v.as_text() != Some(&words));
        annotation.extend(value.map(|v| ("value".to_owned(), v.to_json())));
        let _ = match annotation.len() {
            1 => write!(out, "[{words}]({})", entity.entity),
            _ => write!(out, "[{words}]{}", serde_json::Value::Object(annotation)),
        };
        at = end;
    }
    out.extend(&chars[at..]);
    out
}

/// Names stand as they are; everything else in quotation marks. JSON's texts are YAML's.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_/-".contains(c))
        // Words that YAML reads as values.
        && !["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn on_one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::{Mode, TestRun};
    use super::*;
    use dialogue::check::run_test_story;
    use dialogue::engine::Engine;
    use dialogue::format::{Assistant, SourceFile};

    const DOMAIN: &str = "intents: [greet, book, faq]\nentities: [{city: {roles: [to]}}, size]\nactions: [action_look]\n\
        slots:\n  note: {type: text, mappings: [{type: custom}]}\nforms: {trip: {required_slots: []}}\n\
        responses:\n  utter_hi: [{text: Hi}]\n  utter_faq/price: [{text: Low}]\nnlu:\n- intent: faq/price\n  examples: |\n    - how much\n";
    const TESTS: &str = r#"stories:
- story: "all: of it"
  steps:
  - user: |-
      to [Roma]{"entity": "city", "role": "to", "value": "Rome"}, [big](size)
    intent: book
  - action: utter_hi
  - active_loop: trip
  - slot_was_set: [{note: "a \"b\": # c"}, note]
  - active_loop: null
  - checkpoint: here
  - intent: greet
    entities: [{city: Rome, role: to}, size]
  - action: action_look
  - user: how much?
    intent: faq/price
  - bot: "Low"
  - or: [{intent: greet}, {intent: book}]
  - action: utter_hi
"#;

    fn load(tests: &str) -> Engine {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let files = [file("domain.yml", DOMAIN), file("tests/t.yml", tests)];
        Engine::new(Assistant::load(&files).unwrap().assistant).unwrap()
    }

    /// Steps as they stand in a file, without the places.
    fn bare(engine: &Engine) -> String {
        let text = format!("{:#?}", engine.assistant().tests);
        let places = ["path:", "line:", "column:"];
        text.lines().filter(|l| !places.iter().any(|p| l.trim().starts_with(p))).collect()
    }

    #[test]
    fn failed_stories_read_back_as_what_they_were() {
        let engine = load(TESTS);
        let tests: Vec<_> = engine.assistant().tests.iter().collect();
        let deaf = |_: &str| dialogue::Understanding::default();
        let run = TestRun::run(Mode::Predicted, &tests, false, |s| Ok(run_test_story(&engine, s, &deaf))).unwrap();
        assert_eq!((run.passed(), run.failed()), (0, 1));
        let written = failed_stories(&run);
        assert!(written.contains("- action: utter_hi  # expected utter_hi, predicted "), "{written}");
        assert!(written.contains("# expected intent book, predicted nothing (0.00) for"), "{written}");
        assert_eq!(written.matches("expected ").count(), run.stories[0].report.failures.len(), "{written}");
        assert_eq!(bare(&load(&written)), bare(&engine), "{written}");
        let none = TestRun { mode: Mode::Played, stories: Vec::new(), not_run: 0 };
        assert!(load(&failed_stories(&none)).assistant().tests.is_empty());
    }
}
