//! Each reminder that is due is triggered once, and each session that was silent for long expires once: never too early, never twice,
//! and none is lost once the cluster is healthy.

use super::{Held, Invariant};
use crate::simulation::assistant::REMINDER;
use dialogue::{Event, TurnRecord};
use std::collections::BTreeMap;

/// A session's length is minutes as a float: it may differ by so many milliseconds.
const ROUNDING_MS: u64 = 2;

/// Follows every session from its first turn.
pub(super) struct TimersFireOnce;

/// What a session waits for.
#[derive(Default)]
struct Waits {
    reminders: BTreeMap<String, u64>,
    expired: bool,
    /// When the last turn was.
    last_ms: Option<u64>,
}

impl Invariant for TimersFireOnce {
    fn name(&self) -> &'static str {
        "timers fire once"
    }

    fn sessions(&mut self, held: &Held) -> Result<(), String> {
        for (session, turns) in &held.sessions {
            let mut waits = Waits::default();
            for turn in turns {
                let found = waits.follow(turn, held.expiry_ms);
                found.map_err(|what| format!("session {session}, turn {}: {what}", turn.seq))?;
            }
            waits.end(held).map_err(|what| format!("session {session}: {what}"))?;
        }
        Ok(())
    }
}

impl Waits {
    fn follow(&mut self, turn: &TurnRecord, expiry_ms: u64) -> Result<(), String> {
        let now = turn.at.0;
        let silent = |last: Option<u64>| last.map_or(u64::MAX, |last| now.saturating_sub(last));
        let was_silent = expiry_ms > 0 && silent(self.last_ms).saturating_add(ROUNDING_MS) > expiry_ms;
        for event in &turn.events {
            match event {
                Event::SessionExpired if self.expired => return Err("the session expires twice".into()),
                Event::SessionExpired if !was_silent => return Err("the session expires too early".into()),
                Event::SessionStarted if self.last_ms.is_some() && !self.expired && !was_silent => {
                    return Err("a session begins while another lasts".into());
                }
                Event::SessionExpired | Event::SessionStarted => {
                    self.reminders.clear();
                    self.expired = matches!(event, Event::SessionExpired);
                }
                Event::ReminderScheduled { name, at, .. } => {
                    self.reminders.insert(name.clone(), at.0);
                }
                Event::UserUttered { entities, .. } => {
                    for entity in entities.iter().filter(|e| e.entity == REMINDER) {
                        let name = entity.value.display();
                        let Some(at) = self.reminders.remove(&name) else {
                            return Err(format!("reminder {name} is triggered, and was not pending"));
                        };
                        if now < at {
                            return Err(format!("reminder {name} is triggered at {now}, and is due at {at}"));
                        }
                    }
                }
                _ => {}
            }
        }
        self.last_ms = Some(now);
        Ok(())
    }

    fn end(&self, held: &Held) -> Result<(), String> {
        if let Some((name, at)) = self.reminders.iter().find(|(_, at)| **at <= held.wall_ms) {
            return Err(format!("reminder {name} was due at {at}, and at {} it is still pending", held.wall_ms));
        }
        let ends = self.last_ms.map(|last| last + held.expiry_ms + ROUNDING_MS);
        if held.expiry_ms > 0 && !self.expired && ends.is_some_and(|ends| ends <= held.wall_ms) {
            return Err(format!("it should have expired at {ends:?}, and at {} it has not", held.wall_ms));
        }
        Ok(())
    }
}
