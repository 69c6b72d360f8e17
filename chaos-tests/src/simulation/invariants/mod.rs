//! What must hold at every moment of a simulation, and at its end. An invariant is one file here and one line in [`all`].

mod bounds;
mod clients;
mod leaders;
mod log;
mod monotone;
mod placement;
mod replies;
mod timers;

use dialogue::TurnRecord;
use drills::history::History;
use raft::{ControlState, GroupId, NodeStatus, codec::EntryRecord};
use std::collections::BTreeMap;

/// Something that must hold.
pub(super) trait Invariant {
    /// Its name, for people.
    fn name(&self) -> &'static str;
    /// Looks at the machines between two steps; says what is wrong.
    fn look(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        let _ = sight;
        Ok(())
    }
    /// Looks at everything that clients saw, when all is healed and still.
    fn end(&mut self, history: &History) -> Result<(), String> {
        let _ = history;
        Ok(())
    }
    /// Looks at all sessions as they stand in the log then.
    fn sessions(&mut self, held: &Held) -> Result<(), String> {
        let _ = held;
        Ok(())
    }
}

/// What is held when all is healed and nothing that is due is left.
pub(super) struct Held {
    /// The turns of each session.
    pub(super) sessions: BTreeMap<String, Vec<TurnRecord>>,
    /// What every wall clock has shown before nothing was left, in milliseconds.
    pub(super) wall_ms: u64,
    /// How long a session lasts without a message, in milliseconds; 0 for ever.
    pub(super) expiry_ms: u64,
}

/// All machines that run and serve.
pub(super) struct Sight<'a> {
    pub(super) machines: &'a [Seen],
}

/// One machine.
pub(super) struct Seen {
    pub(super) machine: usize,
    /// Counts its processes.
    pub(super) incarnation: u64,
    pub(super) status: NodeStatus,
    /// Committed entries of each group that this process was not seen to have before; only in a thorough look.
    pub(super) committed: Vec<(GroupId, Vec<EntryRecord>)>,
    /// Only in a thorough look.
    pub(super) control: Option<ControlState>,
    pub(super) sessions_active: usize,
    pub(super) sessions_active_max: usize,
    pub(super) turns_in_flight: usize,
    pub(super) turns_in_flight_max: usize,
}

/// All of them, as they are before anything has happened.
pub(super) fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(leaders::LeadershipsAreWonOnce::default()),
        Box::new(log::LogMatching::default()),
        Box::new(monotone::NothingTakenBack::default()),
        Box::new(placement::OneVoterPerZone),
        Box::new(bounds::Bounds),
        // To the promises' checker a turn that a timer must not have made is one that nobody asked for.
        Box::new(timers::TimersFireOnce),
        Box::new(clients::Promises),
        Box::new(replies::RepliesFollowTheLog),
    ]
}

/// The groups of a machine: shards by number, then the control group.
pub(super) fn groups(status: &NodeStatus) -> BTreeMap<GroupId, &raft::GroupStatus> {
    let shards = status.shards.iter().filter_map(|g| Some((GroupId(g.shard?), g)));
    shards.chain([(GroupId::CONTROL, &status.control)]).collect()
}
