//! Reads among the load's turns: of sessions in which something was acknowledged just now, at any node. Whoever serves an
//! old state is asked for it at the right moment.

use super::Shared;
use super::seen::ClientSaw;
use crate::client::Ask;
use crate::history::{Consistency, Read};
use crate::limits::{READ_BEHIND_MAX, RECENT_MAX};
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

/// The last acknowledged turns of all clients, by session and number; the latest is the last.
#[derive(Default)]
pub(super) struct Recent(Mutex<VecDeque<(String, u64)>>);

impl Recent {
    pub(super) fn note(&self, session: &str, seq: u64) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back((session.to_owned(), seq));
    }

    /// The latest half of the time, else any of them.
    fn pick(&self, random: &mut SmallRng) -> Option<(String, u64)> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = recent.len().checked_sub(1)?;
        let place = if random.random_bool(0.5) { last } else { random.random_range(0..=last) };
        recent.get(place).cloned()
    }
}

/// One read; nothing where no turn was acknowledged yet. It is not repeated when it fails: the next one will do.
pub(super) async fn read(shared: &Shared, id: usize, random: &mut SmallRng, saw: &mut ClientSaw) {
    let Some((session, seq)) = shared.recent.pick(random) else { return };
    let target = random.random_range(0..shared.options.targets.len());
    let ask = if random.random_bool(0.5) {
        Ask::Turns { after_seq: seq.saturating_sub(random.random_range(0..=READ_BEHIND_MAX)) }
    } else {
        Ask::Count
    };
    let start_ns = shared.stopwatch.now_ns();
    let seen = shared.client.read(&shared.options.targets[target], &session, ask).await;
    let end_ns = shared.stopwatch.now_ns();
    saw.counts.reads += 1;
    let seen = seen.map_err(|e| {
        saw.counts.reads_failed += 1;
        saw.counts.first_trouble.get_or_insert_with(|| format!("a read: {e:#}"));
    });
    if shared.options.record {
        shared.recorded.fetch_add(1, Ordering::Relaxed);
        saw.reads.push(Read {
            client: u32::try_from(id).expect("clients are at most CLIENTS_MAX"),
            session,
            target,
            start_ns,
            end_ns,
            consistency: Consistency::Linearizable,
            seen: seen.ok(),
        });
    }
}
