//! One closed-loop client: says its dialogues turn by turn, repeats what was not acknowledged, and reads now and then.

use super::seen::ClientSaw;
use super::{Shared, TurnSeen, reader};
use crate::history::{Attempt, Outcome};
use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX, LATENCY_US_MAX};
use dialogue::ids::hash64;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One turn on its way.
struct Turn {
    session: String,
    key: String,
    text: String,
}

pub(super) async fn run(shared: Arc<Shared>, id: usize) -> ClientSaw {
    let options = &shared.options;
    let mut saw = ClientSaw::new();
    let mut random = SmallRng::seed_from_u64(options.seed ^ ((id as u64) << 32));
    let mut target = id % options.targets.len();
    let mut number = 0_u64;
    for dialogue in 0.. {
        for line in options.script.dialogue(dialogue) {
            if !options.think_time.is_zero() {
                tokio::time::sleep(options.think_time.mul_f64(random.random_range(0.0..2.0))).await;
            }
            shared.rest().await;
            // So often that the share of all operations is the one that was asked for.
            while options.reads > 0.0 && random.random_bool(options.reads) && shared.goes_on() {
                reader::read(&shared, id, &mut random, &mut saw).await;
            }
            if !shared.admits() {
                return saw;
            }
            number += 1;
            let mut turn = Turn {
                session: shared.session(id, dialogue, &mut random),
                key: format!("{}-k{id}-{number}", options.run),
                text: line.clone(),
            };
            if options.cold {
                // The key is unique, so the text is: never said before, in this run or in another.
                turn.text = format!("{line}{}", blanks_of(hash64(turn.key.as_bytes())));
            }
            let acknowledged = say_until_acknowledged(&shared, id, &turn, &mut target, &mut saw).await;
            if acknowledged && options.resend > 0.0 && random.random_bool(options.resend) {
                saw.counts.resends += 1;
                let other = (target + 1) % options.targets.len();
                attempt(&shared, id, &turn, other, &mut saw).await;
            }
        }
    }
    saw
}

/// Forty blanks and tabs that write a number: they make a text unique and leave its words and tokens as they are.
fn blanks_of(number: u64) -> String {
    (0..40).map(|bit| if number >> bit & 1 == 0 { ' ' } else { '\t' }).collect()
}

/// Repeats a turn under its key, each time on the next node, until it is acknowledged or its time is over.
async fn say_until_acknowledged(
    shared: &Shared,
    id: usize,
    turn: &Turn,
    target: &mut usize,
    saw: &mut ClientSaw,
) -> bool {
    let start_ns = shared.stopwatch.now_ns();
    let give_up_ns = start_ns + u64::try_from(shared.options.give_up_after.as_nanos()).unwrap_or(u64::MAX);
    let mut backoff = BACKOFF_FIRST;
    loop {
        let tried = attempt(shared, id, turn, *target, saw).await;
        let now_ns = shared.stopwatch.now_ns();
        if let Some(Acknowledged { seq, shard }) = tried.acknowledged {
            let latency_us = (now_ns - start_ns) / 1_000;
            saw.latencies_us.saturating_record(latency_us.clamp(1, LATENCY_US_MAX));
            saw.turns.push(TurnSeen { shard, start_ns, end_ns: now_ns });
            shared.recent.note(&turn.session, seq);
            shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        shared.failed.fetch_add(1, Ordering::Relaxed);
        if now_ns >= give_up_ns {
            saw.counts.errors += 1;
            return false;
        }
        saw.counts.retries += 1;
        *target = (*target + 1) % shared.options.targets.len();
        // Another node may serve at once; a lone one is given the time that it asked for.
        let asked = tried.retry_after.filter(|_| shared.options.targets.len() == 1).unwrap_or_default();
        tokio::time::sleep(backoff.max(asked)).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// What the loop needs of an acknowledgement.
#[derive(Clone, Copy)]
struct Acknowledged {
    seq: u64,
    shard: Option<u32>,
}

/// What an attempt came to.
struct Tried {
    acknowledged: Option<Acknowledged>,
    /// The patience that was asked for.
    retry_after: Option<Duration>,
}

async fn attempt(shared: &Shared, id: usize, turn: &Turn, target: usize, saw: &mut ClientSaw) -> Tried {
    let start_ns = shared.stopwatch.now_ns();
    let said = shared.client.say(&shared.options.targets[target], &turn.session, &turn.key, &turn.text).await;
    let end_ns = shared.stopwatch.now_ns();
    let acknowledged = match &said.outcome {
        Outcome::Acknowledged(ack) => {
            saw.counts.replayed += u64::from(ack.replayed);
            saw.counts.silent += u64::from(ack.replies.as_array().is_none_or(Vec::is_empty));
            Some(Acknowledged { seq: ack.seq, shard: ack.shard })
        }
        Outcome::Unknown { why } | Outcome::Refused { why } => {
            saw.counts.first_trouble.get_or_insert_with(|| why.clone());
            None
        }
    };
    if shared.options.record {
        shared.recorded.fetch_add(1, Ordering::Relaxed);
        saw.attempts.push(Attempt {
            client: u32::try_from(id).expect("clients are at most CLIENTS_MAX"),
            session: turn.session.clone(),
            key: turn.key.clone(),
            text: turn.text.clone(),
            target,
            start_ns,
            end_ns,
            outcome: said.outcome,
        });
    }
    Tried { acknowledged, retry_after: said.retry_after }
}
