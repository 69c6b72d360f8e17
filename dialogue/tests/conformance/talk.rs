//! Runs a case: loads the assistant and holds the conversation.

use super::case::{Case, Exchange};
use std::collections::VecDeque;
use tertulia_dialogue::{
    Entity, Event, IdempotencyKey, Reply, ScoredIntent, Selection, SessionId, TimestampMs, Understanding, Value,
    engine::{Engine, Step, TurnInput, TurnTime},
    format::{Assistant, SourceFile},
    ports::{ActionError, ActionResult},
    tracker::Tracker,
};

/// Where the clock of the conversations stands at first: 2026-11-28T08:00:00Z.
const BEGIN: TimestampMs = TimestampMs(1_795_852_800_000);

/// Replaces what is written down by what happens.
pub fn run(case: &mut Case) {
    let file = |(path, text): &(String, String)| SourceFile { path: path.clone(), text: text.clone() };
    let files: Vec<SourceFile> = case.files.iter().map(file).collect();
    let loaded = Assistant::load(&files).map(|loaded| (loaded.warnings, Engine::new(loaded.assistant)));
    let (warnings, engine) = match loaded {
        Ok((warnings, Ok(engine))) => (warnings, engine),
        Ok((_, Err(errors))) | Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            assert!(case.talk.is_none(), "{}: {}", case.name, errors.join("\n"));
            case.said = errors;
            return;
        }
    };
    let Some(exchanges) = &mut case.talk else {
        case.said = std::iter::once("fine".into()).chain(warnings.iter().map(ToString::to_string)).collect();
        return;
    };
    let mut talk = Talk {
        tracker: Tracker::new(engine.assistant()),
        engine,
        turns: 0,
        now: BEGIN,
        last: None,
        answers: VecDeque::new(),
    };
    for exchange in exchanges {
        talk.exchange(&case.name, exchange);
    }
}

struct Talk {
    engine: Engine,
    tracker: Tracker,
    turns: u64,
    now: TimestampMs,
    last: Option<TimestampMs>,
    answers: VecDeque<String>,
}

impl Talk {
    fn exchange(&mut self, case: &str, exchange: &mut Exchange) {
        let (kind, rest) = exchange.input.split_at(1);
        let rest = rest.trim();
        exchange.happened = match kind {
            "!" => {
                self.answers.push_back(rest.to_owned());
                Vec::new()
            }
            "~" => {
                self.now.0 += rest.parse::<u64>().unwrap() * 60_000;
                Vec::new()
            }
            "?" => self.asked(rest),
            "*" => {
                let pending = self.tracker.pending_reminders().find(|r| r.name == rest).cloned();
                let reminder = pending.unwrap_or_else(|| panic!("{case}: no reminder `{rest}` is pending"));
                let session = SessionId::new("alice").unwrap();
                let time = TurnTime { at: self.now, last_at: self.last, seed: 0 };
                let input = TurnInput::of_reminder(&self.tracker, session, &reminder, time);
                self.turn(input)
            }
            _ => {
                let understanding = self.understand(case, rest);
                let input = TurnInput {
                    session: SessionId::new("alice").unwrap(),
                    key: IdempotencyKey::new(format!("k{}", self.turns)).unwrap(),
                    text: understanding.text.clone(),
                    message_id: None,
                    input_channel: Some("rest".into()),
                    metadata: Value::Null,
                    understanding,
                    at: self.now,
                    last_at: self.last,
                    seed: 0,
                };
                self.turn(input)
            }
        };
    }

    fn asked(&self, what: &str) -> Vec<String> {
        match what {
            "reminders" => {
                let of = |r: &tertulia_dialogue::tracker::Reminder| {
                    format!("reminder {} at +{} min: {}", r.name, (r.at.0 - BEGIN.0) / 60_000, r.intent)
                };
                self.tracker.pending_reminders().map(of).collect()
            }
            "slots" => self.tracker.slots().iter().map(|(name, v)| format!("{name}: {}", v.display())).collect(),
            "tracker" => {
                let json = self.tracker.to_rasa_json(&SessionId::new("alice").unwrap());
                let user = json["events"].as_array().unwrap().iter().rfind(|e| e["event"] == "user").unwrap();
                vec![format!("latest: {}", json["latest_message"]), format!("event: {}", user["parse_data"])]
            }
            other => panic!("`? {other}` asks for nothing that is known"),
        }
    }

    /// `words | intent 0.9 | other 0.05 | city=Madrid#to | key=faq/ask_name`.
    fn understand(&self, case: &str, said: &str) -> Understanding {
        if let Some(understood) = self.engine.shortcut(said) {
            return understood.unwrap_or_else(|why| panic!("{case}: {why}"));
        }
        let mut parts = said.split(" | ").map(str::trim);
        let mut raw = Understanding { text: parts.next().unwrap_or_default().into(), ..Understanding::default() };
        for part in parts {
            if let Some(key) = part.strip_prefix("key=") {
                let (name, confidence) = scored(key);
                let base = key.split_once('/').unwrap().0.to_owned();
                let ranked = ScoredIntent { name, confidence };
                match raw.selections.iter_mut().find(|s| s.retrieval_intent == base) {
                    Some(selection) => selection.ranking.push(ranked),
                    None => raw.selections.push(Selection { retrieval_intent: base, ranking: vec![ranked] }),
                }
            } else if let Some((entity, value)) = part.split_once('=') {
                let (value, group) = value.split_once('@').map_or((value, None), |(v, g)| (v, Some(g.to_owned())));
                let (value, role) = value.split_once('#').map_or((value, None), |(v, r)| (v, Some(r.to_owned())));
                let at = raw.text.find(value).unwrap_or(0) as u32;
                raw.entities.push(Entity {
                    entity: entity.into(),
                    value: value.into(),
                    start: at,
                    end: at + value.chars().count() as u32,
                    role,
                    group,
                    confidence: 1.0,
                    extractor: "DIETClassifier".into(),
                });
            } else {
                let (name, confidence) = scored(part);
                raw.ranking.push(ScoredIntent { name, confidence });
            }
        }
        raw.intent = raw.ranking.first().cloned().unwrap_or_default();
        self.engine.understand(raw, TimestampMs(0))
    }

    fn turn(&mut self, input: TurnInput) -> Vec<String> {
        self.turns += 1;
        self.last = Some(self.now);
        let mut run = self.engine.begin(&self.tracker, input);
        let outcome = loop {
            match run.step() {
                Step::Act(call) => run.acted(answer(&call.action, self.answers.pop_front())),
                Step::Done(outcome) => break outcome,
            }
        };
        outcome.events.iter().for_each(|e| self.tracker.apply(e));
        let mut shown: Vec<String> = outcome.events.iter().filter_map(show).collect();
        if shown.starts_with(&["action action_session_start".into(), "session started".into(), "listen".into()]) {
            shown.drain(..3);
        }
        shown.extend(outcome.failure.map(|failure| format!("failure: {failure}")));
        shown
    }
}

fn scored(text: &str) -> (String, f32) {
    text.rsplit_once(' ').map_or((text.to_owned(), 1.0), |(name, n)| (name.to_owned(), n.parse().unwrap()))
}

/// What an action server would have answered.
fn answer(action: &str, said: Option<String>) -> Result<ActionResult, ActionError> {
    let action = action.to_owned();
    match said.as_deref() {
        None => Ok(ActionResult::default()),
        Some("refused") => Err(ActionError::Rejected { action, reason: "not now".into() }),
        Some("failed") => Err(ActionError::Failed { action, reason: "no connection".into() }),
        Some(json) => {
            let json: serde_json::Value = serde_json::from_str(json).unwrap();
            let events = json["events"].as_array().cloned().unwrap_or_default();
            let events = Event::sequence_from_rasa_json(&events);
            let events = events.map_err(|reason| ActionError::Failed { action, reason })?;
            let text = |r: &serde_json::Value, field: &str| r[field].as_str().map(str::to_owned);
            let reply = |r: &serde_json::Value| Reply {
                response: text(r, "response"),
                text: text(r, "text"),
                ..Reply::default()
            };
            Ok(ActionResult {
                events,
                replies: json["responses"].as_array().into_iter().flatten().map(reply).collect(),
            })
        }
    }
}

/// A line about an event; none for the message itself, which stands above.
fn show(event: &Event) -> Option<String> {
    Some(match event {
        Event::SessionStarted => "session started".into(),
        Event::UserUttered { text, .. } if text.starts_with("EXTERNAL: ") => format!("user: {text}"),
        Event::UserUttered { intent, .. } => format!("user: {}", intent.name),
        Event::BotUttered { reply } => {
            let mut line = format!("bot: {}", reply.text.as_deref().unwrap_or("-"));
            reply.image.iter().for_each(|image| line.push_str(&format!(" (image {image})")));
            reply.buttons.iter().for_each(|b| line.push_str(&format!(" [{} {}]", b.title, b.payload)));
            reply.attachment.iter().for_each(|v| line.push_str(&format!(" (attachment {})", v.display())));
            reply.custom.iter().for_each(|v| line.push_str(&format!(" (custom {})", v.display())));
            line
        }
        Event::ActionExecuted { action, .. } if action == "action_listen" => "listen".into(),
        Event::ActionExecuted { action, .. } => format!("action {action}"),
        Event::SlotSet { name, value } => format!("slot {name}: {}", value.display()),
        Event::SlotsReset => "slots reset".into(),
        Event::Restarted => "restarted".into(),
        Event::ActiveLoopChanged { name } => format!("loop {}", name.as_deref().unwrap_or("-")),
        Event::LoopInterrupted { interrupted } => format!("loop interrupted: {interrupted}"),
        Event::ActionRejected { action } => format!("refused {action}"),
        Event::FollowupAction { action } => format!("followup {action}"),
        Event::UtteranceReverted => "rewind".into(),
        Event::ActionReverted => "undo".into(),
        Event::EntitiesAdded { entities } => {
            format!("entities {}", entities.iter().map(|e| e.entity.clone()).collect::<Vec<_>>().join(", "))
        }
        Event::Paused => "paused".into(),
        Event::Resumed => "resumed".into(),
        Event::AgentUttered { text } => format!("agent: {text}"),
        Event::UtteranceParsed { .. } => return None,
        Event::ReminderScheduled { name, intent, at, .. } => {
            format!("reminder {name}: {intent} at +{} min", (at.0 - BEGIN.0) / 60_000)
        }
        Event::SessionExpired => "the session expires".into(),
        Event::ReminderCancelled { name, intent, .. } => {
            let all = [name, intent].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
            format!("cancel reminder {all}").trim_end().to_owned()
        }
    })
}
