//! A turn is answered from the session as it stands in the log before it: never from an older state.

use super::Invariant;
use crate::simulation::assistant::expected;
use drills::history::History;

/// Works out anew what must have been answered.
pub(super) struct RepliesFollowTheLog;

impl Invariant for RepliesFollowTheLog {
    fn name(&self) -> &'static str {
        "replies follow the log"
    }

    fn end(&mut self, history: &History) -> Result<(), String> {
        let Some(view) = history.views.first() else { return Ok(()) };
        for (session, turns) in &view.sessions {
            let mut before: Vec<&str> = Vec::new();
            for turn in turns {
                let found = turn.replies.as_array().and_then(|r| r.first()).and_then(|r| r["text"].as_str());
                let expected = expected(&before, &turn.text);
                if expected.as_deref() != found {
                    return Err(format!(
                        "session {session}, turn {} ({:?}): {found:?} was answered, {expected:?} is right",
                        turn.seq, turn.text
                    ));
                }
                before.push(&turn.text);
            }
        }
        Ok(())
    }
}
