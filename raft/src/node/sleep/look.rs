//! What a node does about the sleep of its groups, and what of it others see.

use super::{Look, Offer, Spot, State};
use crate::{
    limits::SLEEP_LOOK_AGAIN,
    node::{Node, Pulses, group::Group},
    types::{GroupId, LogId, Raft},
};
use cluster_config::RaftOptions;
use openraft::{ServerState, async_runtime::watch::WatchReceiver};
use parking_lot::Mutex;
use rand::Rng;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::time::Instant;

/// When groups sleep, and how long a silent leader is waited for.
#[derive(Debug, Clone)]
pub(in crate::node) struct Hours {
    /// How long a group is idle before it sleeps; none for never.
    idle: Option<Duration>,
    /// The leader's lease.
    lease: Duration,
    /// The shortest and the longest election timeout.
    timeout_ms: (u64, u64),
    /// Has a group been woken since this was last asked? The same for all groups of a node.
    stirred: Arc<AtomicBool>,
}

impl Hours {
    pub(in crate::node) fn new(options: &RaftOptions) -> Self {
        Self {
            idle: (options.idle_sleep_ms > 0).then(|| Duration::from_millis(options.idle_sleep_ms)),
            lease: Duration::from_millis(options.election_timeout_ms_max),
            timeout_ms: (options.election_timeout_ms_min, options.election_timeout_ms_max),
            stirred: Arc::default(),
        }
    }

    /// Has a group been woken since all of them were looked at?
    pub(in crate::node) fn has_stirred(&self) -> bool {
        self.stirred.load(SeqCst)
    }
}

/// The sleep of one replica.
pub(crate) struct Sleep {
    group: GroupId,
    me: u64,
    raft: Raft,
    pulses: Arc<Pulses>,
    hours: Hours,
    /// Counts uses of the group.
    uses: AtomicU64,
    /// Whether a use has to say so.
    rests: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    /// The uses that are known, and since when there was no other.
    uses: u64,
    quiet_since: Instant,
    /// When a group that could not sleep is looked at again.
    again_at: Instant,
    /// When this replica woke as a leader: its lease is not back at once.
    woke: Option<Instant>,
}

impl Sleep {
    pub(in crate::node) fn new(group: GroupId, me: u64, raft: Raft, pulses: Arc<Pulses>, hours: Hours) -> Self {
        let now = Instant::now();
        let inner = Inner { state: State::Awake, uses: 0, quiet_since: now, again_at: now, woke: None };
        let (uses, rests) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { group, me, raft, pulses, hours, uses, rests, inner: Mutex::new(inner) }
    }

    /// The group is used: it wakes, and does not sleep for a while.
    pub(crate) fn wake(&self) {
        self.uses.fetch_add(1, SeqCst);
        if self.rests.load(SeqCst) {
            let mut inner = self.inner.lock();
            let woken = self.heard(inner.state).woken();
            self.enter(&mut inner, woken);
        }
    }

    /// As `wake`, with the election timer: by its leader's wish, this replica is to lead.
    pub(crate) fn wake_to_lead(&self) {
        self.uses.fetch_add(1, SeqCst);
        self.enter(&mut self.inner.lock(), State::Awake);
    }

    /// Somebody asks for a vote. A leader wakes, and a follower unless its leader is there: it would only fall asleep again.
    pub(crate) fn asked_for_a_vote(&self, refused: bool) {
        if !refused || self.offers().is_some() {
            self.wake();
        }
    }

    /// Neither heartbeats nor timers?
    pub(crate) fn is_asleep(&self) -> bool {
        self.inner.lock().state.is_asleep()
    }

    /// Is a vote to be refused to `candidate` because the leader is there, although its lease has run out in its sleep?
    pub(crate) fn shields(&self, candidate: u64) -> bool {
        let (state, woke) = {
            let inner = self.inner.lock();
            (inner.state, inner.woke)
        };
        let fresh = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() < self.hours.lease);
        match state {
            State::Follows { spot, .. } | State::Stirs { spot, .. } => {
                candidate != spot.leader && fresh(self.pulses.heard_to_lead(self.group, spot.leader, spot.term))
            }
            State::Leads(_) => self.hears_a_majority(),
            State::Awake | State::Offers(_) => fresh(woke) && self.hears_a_majority(),
        }
    }

    /// As a leader: has a majority given a sign of life within the lease?
    fn hears_a_majority(&self) -> bool {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let heard =
            |voter: &u64| *voter == self.me || self.pulses.heard_ago(*voter).is_some_and(|ago| ago < self.hours.lease);
        metrics.state == ServerState::Leader
            && metrics
                .membership_config
                .membership()
                .get_joint_config()
                .iter()
                .all(|voters| voters.iter().filter(|v| heard(v)).count() > voters.len() / 2)
    }

    /// As a leader: what it offers.
    fn offers(&self) -> Option<Offer> {
        match self.inner.lock().state {
            State::Offers(offer) | State::Leads(offer) => Some(offer),
            _ => None,
        }
    }

    /// As a follower: where it sleeps.
    fn follows(&self) -> Option<Spot> {
        match self.inner.lock().state {
            State::Follows { spot, .. } => Some(spot),
            _ => None,
        }
    }

    /// Looks how things are; says when it should be looked at again at the latest.
    fn look(&self, node: &Node, group: &Group, view: u64, now: Instant) -> Option<Instant> {
        let mut inner = self.inner.lock();
        let uses = self.uses.load(SeqCst);
        if inner.uses != uses {
            (inner.uses, inner.quiet_since) = (uses, now);
        }
        let idle = self.hours.idle.is_some_and(|idle| now.duration_since(inner.quiet_since) >= idle);
        let leads = group.leads();
        let quiet = idle && (inner.state.rests() || now >= inner.again_at);
        let next = self.heard(inner.state).next(&Sight { node, group, sleep: self, view, now, leads, quiet });
        if next == State::Awake && leads && quiet {
            inner.again_at = now + SLEEP_LOOK_AGAIN;
        }
        self.enter(&mut inner, next);
        inner.state.until()
    }

    /// The state, with when the leader's node was last heard of: a calm node does not look at its groups.
    fn heard(&self, state: State) -> State {
        match state {
            State::Follows { spot, heard, patience } => {
                let latest = self.pulses.heard_at(spot.leader).map_or(heard, |at| at.max(heard));
                State::Follows { spot, heard: latest, patience }
            }
            state => state,
        }
    }

    /// Takes a state; openraft's timers follow it.
    fn enter(&self, inner: &mut Inner, next: State) {
        if inner.state == next {
            return;
        }
        let (before, ticks) = (inner.state.ticks(), next.ticks());
        if matches!(inner.state, State::Leads(_)) {
            inner.woke = Some(Instant::now());
        }
        if std::mem::discriminant(&inner.state) != std::mem::discriminant(&next) {
            tracing::debug!(group = %self.group, from = ?inner.state, to = ?next, "sleep");
        }
        inner.state = next;
        if !next.is_asleep() {
            self.hours.stirred.store(true, SeqCst);
        }
        self.rests.store(next.rests(), SeqCst);
        if before != ticks {
            self.raft.runtime_config().tick(ticks);
        }
    }
}

/// One look of a node at one of its groups.
struct Sight<'a> {
    node: &'a Node,
    group: &'a Group,
    sleep: &'a Sleep,
    view: u64,
    now: Instant,
    leads: bool,
    quiet: bool,
}

impl Look for Sight<'_> {
    fn now(&self) -> Instant {
        self.now
    }

    fn lease(&self) -> Duration {
        self.sleep.hours.lease
    }

    fn draw(&self) -> Duration {
        let (min, max) = self.sleep.hours.timeout_ms;
        self.lease() + Duration::from_millis(rand::rng().random_range(min..max))
    }

    fn leads(&self) -> bool {
        self.leads
    }

    fn is_quiet(&self) -> bool {
        self.quiet
    }

    fn offer(&self) -> Option<Offer> {
        let (settled, last) = (self.node.settled_here(self.group), self.group.log.ends().last?);
        let metrics = self.group.raft.metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.membership_config.membership();
        let there = |node: u64| {
            let matched = metrics.replication.as_ref().and_then(|r| r.get(&node)).copied().flatten();
            matched == Some(last) && self.sleep.pulses.is_alive(node)
        };
        let rests = metrics.running_state.is_ok()
            && metrics.state == ServerState::Leader
            && is_done(&last, [metrics.local_committed, metrics.cluster_committed, metrics.last_applied])
            && members.nodes().all(|(node, _)| *node == self.sleep.me || there(*node));
        let spot = Spot { leader: self.sleep.me, term: metrics.current_term, last };
        (rests && settled > 0).then_some(Offer { spot, settled, view: self.view })
    }

    fn view(&self) -> u64 {
        self.view
    }

    fn all_sleep(&self, spot: &Spot) -> bool {
        let metrics = self.group.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let mut nodes = metrics.membership_config.membership().nodes();
        nodes.all(|(node, _)| *node == spot.leader || self.sleep.pulses.sleeps(*node, self.group.id, spot))
    }

    fn offered(&self) -> Option<(Spot, Instant)> {
        self.sleep.pulses.offer(self.group.id)
    }

    fn agrees(&self, spot: &Spot) -> bool {
        if self.sleep.hours.idle.is_none() || self.group.log.ends().last != Some(spot.last) {
            return false;
        }
        let metrics = self.group.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.running_state.is_ok()
            && matches!(metrics.state, ServerState::Follower | ServerState::Learner)
            && (metrics.current_leader, metrics.current_term) == (Some(spot.leader), spot.term)
            // What the cluster has committed is known from a heartbeat only: a replica that has just started, with all that
            // it needs on its disk, has not heard its leader yet.
            && is_done(&spot.last, [metrics.local_committed, metrics.cluster_committed, metrics.last_applied])
    }
}

fn is_done<const N: usize>(last: &LogId, marks: [Option<LogId>; N]) -> bool {
    marks.iter().all(|mark| mark.as_ref() == Some(last))
}

/// What a node tells about the sleep of its groups.
#[derive(Default)]
pub(in crate::node) struct Sleepers {
    /// The groups that it leads and that may sleep: where, and the version of the placement that they have reached.
    pub(in crate::node) offers: Vec<(GroupId, Spot, u64)>,
    /// Those in which it sleeps as a follower.
    pub(in crate::node) follows: Vec<(GroupId, Spot)>,
    /// Those that it leads and that are not idle.
    pub(in crate::node) awake: Vec<Arc<Group>>,
    /// Do all of them sleep?
    pub(in crate::node) all_asleep: bool,
    /// When it must be looked again, although nothing happens.
    pub(in crate::node) again_at: Option<Instant>,
}

/// Looks after the sleep of all groups of a node.
pub(in crate::node) fn sleepers(node: &Node) -> Sleepers {
    node.shared.hours.stirred.store(false, SeqCst);
    let (now, view) = (Instant::now(), node.view().version);
    let mut seen = Sleepers::default();
    let (groups, mut asleep) = (node.all_groups(), 0);
    let count = groups.len();
    for group in groups {
        let again_at = group.sleep.look(node, &group, view, now);
        seen.again_at = [seen.again_at, again_at].into_iter().flatten().min();
        asleep += usize::from(group.sleep.is_asleep());
        if let Some(Offer { spot, settled, .. }) = group.sleep.offers() {
            seen.offers.push((group.id, spot, settled));
        } else if let Some(spot) = group.sleep.follows() {
            seen.follows.push((group.id, spot));
        } else if group.leads() {
            seen.awake.push(group);
        }
    }
    seen.all_asleep = asleep == count;
    metrics::gauge!("tertulia_groups_asleep").set(asleep as f64);
    seen
}
