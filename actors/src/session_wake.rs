//! What a session's actor does when a timer wakes it: what is due, in the session's own queue.
//!
//! Whether something is due is decided here, on the session as it is now: a timer is a hint, and may come late, twice or in vain.

use crate::session::{FENCED_RETRIES_MAX, SessionState, WorkedOut, fresh_key};
use crate::turn::TurnError;
use cluster_config::planted_bug;
use dialogue::engine::{Due, TurnInput, TurnTime};
use dialogue::tracker::Reminder;
use dialogue::{CommitOutcome, TimestampMs, TurnRecord};
use tokio::time::Instant;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A reminder that was due then triggered its intent.
    Reminder(TimestampMs),
    /// The session has expired then.
    Expired(TimestampMs),
    /// A reminder was dropped that had been triggered for its time before.
    Dropped,
    /// Nothing is due: somebody was here before, or something was said.
    Nothing,
}

impl SessionState {
    /// Does the first thing that is due, as one turn.
    pub(crate) async fn wake(&mut self, deadline: Instant) -> Result<Woken, TurnError> {
        if deadline <= Instant::now() {
            return Err(TurnError::Overloaded { what: "turns of this session".into(), limit: 1 });
        }
        for _ in 0..FENCED_RETRIES_MAX {
            self.remember().await?;
            if planted_bug("double-reminder")
                && let Some(reminder) = self.unheard.take()
            {
                return self.trigger_again(&reminder, deadline).await;
            }
            let memory = self.memory.as_ref().expect("it was loaded just now");
            let (seq, now) = (memory.seq, self.world.clock.now());
            let wake = memory.last_at.and_then(|last| self.world.brain.engine.next_wake(&memory.tracker, last));
            let Some(due) = wake.clone().filter(|wake| wake.at <= now) else {
                let wake_at = wake.map(|wake| wake.at);
                match self.world.journal.wake_at(self.session.clone(), seq, wake_at).await? {
                    CommitOutcome::Committed { .. } => return Ok(Woken::Nothing),
                    CommitOutcome::Fenced { .. } | CommitOutcome::Replayed(_) => {
                        self.memory = None;
                        continue;
                    }
                }
            };
            let release = self.world.brain.release.clone();
            let (worked_out, woken) = match &due.due {
                Due::Expiry => {
                    let turn = TurnRecord::expiry(seq, now, release);
                    (WorkedOut { turn, wake_at: None }, Woken::Expired(due.at))
                }
                Due::Reminder(reminder) => {
                    let known = self.world.journal.recorded(self.session.clone(), reminder.key()).await?;
                    if known.is_some() {
                        let turn = TurnRecord::dropped(seq, reminder, now, release);
                        // Whatever comes next is found by another look.
                        (WorkedOut { turn, wake_at: Some(now) }, Woken::Dropped)
                    } else {
                        // A context that is overlong waits for the next message: a new session would drop the reminder.
                        let time = TurnTime { last_at: memory.last_at, ..self.time_of_turn(memory) };
                        let input = TurnInput::of_reminder(&memory.tracker, self.session.clone(), reminder, time);
                        (self.run(memory, input, deadline).await, Woken::Reminder(due.at))
                    }
                }
            };
            if let Due::Reminder(reminder) = due.due {
                self.unheard = Some(reminder);
            }
            if self.commit(seq, worked_out).await?.is_some() {
                return Ok(woken);
            }
            self.memory = None;
        }
        Err(TurnError::OutcomeUnknown)
    }

    /// The planted bug: a timer that was not told what came of its attempt makes another one under a key of its own, and does not
    /// look whether the reminder is still pending.
    async fn trigger_again(&mut self, reminder: &Reminder, deadline: Instant) -> Result<Woken, TurnError> {
        let memory = self.memory.as_ref().expect("remember() ran before");
        let (seq, time) = (memory.seq, self.time_of_turn(memory));
        let key = fresh_key(&reminder.key(), seq);
        let what = (reminder.intent.as_str(), reminder.entities.as_slice());
        let input = TurnInput::external(&memory.tracker, self.session.clone(), key, what, time);
        let worked_out = self.run(memory, input, deadline).await;
        self.commit(seq, worked_out).await?;
        Ok(Woken::Reminder(reminder.at))
    }
}
