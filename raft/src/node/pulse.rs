//! The pulse: signs of life between nodes, and who leads which group.
//!
//! Each node sends one message to each other at every heartbeat, for all groups together, and at once when a
//! leadership changes. A node thus knows the leaders of shards that it does not hold, and which nodes are alive,
//! however many groups are idle.

use super::{
    Node, StartError,
    group::Group,
    sleep::{self, Sleepers, Spot},
};
use crate::{
    control::feature_level,
    limits::{PEER_REOPEN_PAUSE_MAX, PEER_REOPEN_PAUSE_MIN},
    net::{Peers, from_log_id, log_id},
    proto::{self, Reluctance},
    simulation,
    types::{GroupId, LogId},
};
use cluster_config::Member;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tonic::Code;

/// A leadership as its holder claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leads {
    /// Who leads.
    pub(crate) node: u64,
    /// In which term.
    pub(crate) term: u64,
    /// The version of the placement that the group's membership has reached; 0 for none.
    pub(crate) settled: u64,
}

impl Leads {
    /// Of two leaderships the later one is greater: openraft lets one node follow another in a term, if its id is greater.
    fn rank(&self) -> (u64, u64) {
        (self.term, self.node)
    }
}

/// What was heard of the other nodes.
pub(crate) struct Pulses {
    /// A node that is silent for longer counts as dead.
    patience: Duration,
    heard: Mutex<Heard>,
    /// Counts what changes: leaders, and who is alive. Not every message.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Heard {
    nodes: BTreeMap<u64, Sign>,
    leaders: BTreeMap<GroupId, Leader>,
    /// Who was alive when it was last looked at.
    alive: BTreeSet<u64>,
    /// Counts what is more than the same again.
    news: u64,
}

struct Sign {
    at: Instant,
    incarnation: u64,
    version: u64,
    feature_level: u32,
    understands_unchanged: bool,
    reluctance: Reluctance,
    /// By group: the term, and where the log ends, of the groups that it leads and that may sleep.
    offers: BTreeMap<GroupId, (u64, LogId)>,
    /// The same of the groups in which it sleeps as a follower.
    sleeps: BTreeMap<GroupId, (u64, LogId)>,
    /// `host:port` of its peer transport and base URL of its client API, as its configuration has them.
    addresses: Option<(String, String)>,
}

/// The highest term of a group that anybody has claimed, and whether the claim stands.
struct Leader {
    claim: Leads,
    stands: bool,
}

impl Pulses {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, heard: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// Takes in a message.
    pub(crate) fn hear(&self, from: u64, message: &proto::PulseMessage) {
        tracing::trace!(from, message.version, message.unchanged, leads = ?message.leads, "a pulse");
        let mut heard = self.heard.lock();
        if let Some(known) = heard.nodes.get_mut(&from).filter(|k| k.incarnation == message.incarnation) {
            if message.unchanged && message.version == known.version {
                known.at = Instant::now();
                if !heard.alive.insert(from) {
                    return;
                }
                heard.news += 1;
                drop(heard);
                return self.changes.send_modify(|n| *n += 1);
            }
            // Out of a stream that has been given up.
            if message.version < known.version {
                return;
            }
        }
        if message.unchanged {
            // What it refers to was not heard.
            return;
        }
        heard.news += 1;
        let spot = |term: u64, at: &Option<proto::LogId>| Some((term, from_log_id((*at)?)));
        let sign = Sign {
            at: Instant::now(),
            incarnation: message.incarnation,
            version: message.version,
            feature_level: message.feature_level,
            understands_unchanged: message.understands_unchanged,
            reluctance: message.reluctance(),
            offers: message
                .leads
                .iter()
                .filter_map(|l| Some((GroupId(l.group), spot(l.term, &l.sleeps_at)?)))
                .collect(),
            sleeps: message.sleeps.iter().filter_map(|s| Some((GroupId(s.group), spot(s.term, &s.at)?))).collect(),
            addresses: (!message.peer.is_empty()).then(|| (message.peer.clone(), message.http.clone())),
        };
        let before = heard.nodes.insert(from, sign);
        let mut changed = heard.alive.insert(from) || before.is_none_or(|b| b.incarnation != message.incarnation);
        let claims: BTreeMap<GroupId, Leads> = message
            .leads
            .iter()
            .map(|l| (GroupId(l.group), Leads { node: from, term: l.term, settled: l.settled }))
            .collect();
        for (group, known) in &mut heard.leaders {
            // Its term stays: an older claim must not come back.
            if known.claim.node == from && known.stands && !claims.contains_key(group) {
                (known.stands, changed) = (false, true);
            }
        }
        for (group, claim) in claims {
            match heard.leaders.get(&group) {
                Some(known) if claim.rank() < known.claim.rank() => {}
                Some(known) if known.stands && claim == known.claim => {}
                _ => {
                    heard.leaders.insert(group, Leader { claim, stands: true });
                    changed = true;
                }
            }
        }
        drop(heard);
        if changed {
            self.changes.send_modify(|n| *n += 1);
        }
    }

    /// Notices silence.
    pub(super) fn look(&self) {
        let mut heard = self.heard.lock();
        let alive: BTreeSet<u64> =
            heard.nodes.iter().filter(|(_, s)| s.at.elapsed() < self.patience).map(|(node, _)| *node).collect();
        if heard.alive != alive {
            for node in heard.alive.difference(&alive) {
                tracing::warn!(node, "no sign of life");
            }
            heard.alive = alive;
            heard.news += 1;
            drop(heard);
            self.changes.send_modify(|n| *n += 1);
        }
    }

    /// Was the node heard of within the longest election timeout?
    pub(crate) fn is_alive(&self, node: u64) -> bool {
        self.heard_ago(node).is_some_and(|ago| ago < self.patience)
    }

    /// How long ago the node was heard of.
    pub(crate) fn heard_ago(&self, node: u64) -> Option<Duration> {
        self.heard.lock().nodes.get(&node).map(|s| s.at.elapsed())
    }

    /// The highest feature level that the node understands, if it was ever heard of.
    pub(crate) fn feature_level(&self, node: u64) -> Option<u32> {
        self.heard.lock().nodes.get(&node).map(|s| s.feature_level)
    }

    /// Has the node said that it leads nothing that others could, and why?
    pub(crate) fn reluctance(&self, node: u64) -> Reluctance {
        self.heard.lock().nodes.get(&node).map_or(Reluctance::None, |s| s.reluctance)
    }

    /// Where a node says that it can be called: its peer address and the base URL of its client API.
    pub(crate) fn addresses(&self, node: u64) -> Option<(String, String)> {
        self.heard.lock().nodes.get(&node).and_then(|s| s.addresses.clone())
    }

    /// When the node was last heard to lead the group in this term, if that is still what it says.
    pub(super) fn heard_to_lead(&self, group: GroupId, node: u64, term: u64) -> Option<Instant> {
        let heard = self.heard.lock();
        let leads = |l: &&Leader| l.stands && (l.claim.node, l.claim.term) == (node, term);
        heard.leaders.get(&group).filter(leads).and_then(|_| heard.nodes.get(&node)).map(|s| s.at)
    }

    /// Where the leader of a group says that it may sleep, and when it was last heard to.
    pub(super) fn offer(&self, group: GroupId) -> Option<(Spot, Instant)> {
        let heard = self.heard.lock();
        let Leads { node, term, .. } = heard.leaders.get(&group).filter(|l| l.stands)?.claim;
        let sign = heard.nodes.get(&node)?;
        let (_, last) = sign.offers.get(&group).filter(|(offered, _)| *offered == term)?;
        Some((Spot { leader: node, term, last: *last }, sign.at))
    }

    /// Is the node alive, and does it say that it sleeps there as a follower?
    pub(super) fn sleeps(&self, node: u64, group: GroupId, spot: &Spot) -> bool {
        let heard = self.heard.lock();
        let sign = heard.nodes.get(&node).filter(|s| s.at.elapsed() < self.patience);
        sign.and_then(|s| s.sleeps.get(&group)) == Some(&(spot.term, spot.last))
    }

    /// When the node was last heard of.
    pub(super) fn heard_at(&self, node: u64) -> Option<Instant> {
        self.heard.lock().nodes.get(&node).map(|s| s.at)
    }

    /// Counts what was heard and was not just the same again, if everybody was heard of within `age`.
    fn news(&self, age: Duration) -> Option<u64> {
        let heard = self.heard.lock();
        let now = Instant::now();
        heard.nodes.values().all(|s| now.duration_since(s.at) < age).then_some(heard.news)
    }

    /// Does the node understand a message that refers to the one before?
    fn understands_unchanged(&self, node: u64) -> bool {
        self.heard.lock().nodes.get(&node).is_some_and(|s| s.understands_unchanged)
    }

    /// Which process of the node was last heard of.
    #[allow(dead_code, reason = "for whoever must tell a restart from a pause")]
    pub(crate) fn incarnation(&self, node: u64) -> Option<u64> {
        self.heard.lock().nodes.get(&node).map(|s| s.incarnation)
    }

    /// The other node that leads a group in the highest term that was heard of, if it was alive when that was last looked
    /// at: every change of the answer is told.
    pub(crate) fn leader(&self, group: GroupId) -> Option<Leads> {
        let heard = self.heard.lock();
        heard.leaders.get(&group).filter(|l| l.stands && heard.alive.contains(&l.claim.node)).map(|l| l.claim)
    }

    /// Tells of every change of leaders and of who is alive.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// What this node says of itself.
pub(super) struct Beat(watch::Sender<Arc<proto::PulseMessage>>);

impl Beat {
    pub(super) fn new(me: Option<&Member>) -> Self {
        let incarnation = u64::try_from(simulation::wall_clock().as_nanos()).unwrap_or(u64::MAX);
        let (peer, http) = me.map(|m| (m.peer.clone(), m.http.clone())).unwrap_or_default();
        let message = proto::PulseMessage {
            incarnation,
            feature_level: feature_level(),
            peer,
            http,
            version: 1,
            understands_unchanged: true,
            ..Default::default()
        };
        Self(watch::Sender::new(Arc::new(message)))
    }

    /// Says the same again.
    fn again(&self) {
        self.0.send_modify(|_| {});
    }

    /// Says to all, if that is news, whether this node leads nothing that others could, and why.
    pub(super) fn is_reluctant(&self, reluctance: Reluctance) {
        self.0.send_if_modified(|now| {
            let news = now.reluctance() != reluctance;
            if news {
                let (version, reluctance) = (now.version + 1, reluctance.into());
                *now = Arc::new(proto::PulseMessage { version, reluctance, ..(**now).clone() });
            }
            news
        });
    }

    /// Says it now, to all: what this node leads, and where it sleeps as a follower.
    pub(super) fn send(&self, leads: Vec<proto::Led>, sleeps: Vec<proto::Sleeps>) {
        self.0.send_modify(|now| {
            if now.leads != leads || now.sleeps != sleeps {
                let version = now.version + 1;
                *now = Arc::new(proto::PulseMessage { version, leads, sleeps, ..(**now).clone() });
            }
        });
    }
}

/// The same again, in short.
fn unchanged(message: &proto::PulseMessage) -> proto::PulseMessage {
    let proto::PulseMessage { incarnation, feature_level, version, understands_unchanged, .. } = *message;
    let unchanged = true;
    proto::PulseMessage { incarnation, feature_level, version, unchanged, understands_unchanged, ..Default::default() }
}

/// Keeps one stream open to each peer, as the peers come and go.
pub(super) async fn send_to_all(peers: Peers, me: Weak<Node>) {
    let mut known = peers.changes();
    let mut streams: JoinSet<()> = JoinSet::new();
    let mut to: BTreeMap<u64, tokio::task::AbortHandle> = BTreeMap::new();
    loop {
        known.borrow_and_update();
        let others = peers.others();
        to.retain(|node, stream| {
            let stays = others.contains(node);
            if !stays {
                stream.abort();
            }
            stays
        });
        for node in others {
            let Some((message, pulses)) = me.upgrade().map(|n| (n.beat.0.subscribe(), n.pulses.clone())) else {
                return;
            };
            to.entry(node).or_insert_with(|| streams.spawn(send_to(peers.clone(), node, message, pulses, me.clone())));
        }
        tokio::select! {
            changed = known.changed() => if changed.is_err() { return },
            Some(_) = streams.join_next(), if !streams.is_empty() => {}
        }
    }
}

/// One stream after the other. A receiver that is slow gets the newest message, not all of them.
async fn send_to(
    peers: Peers,
    node: u64,
    message: watch::Receiver<Arc<proto::PulseMessage>>,
    pulses: Arc<Pulses>,
    me: Weak<Node>,
) {
    let mut pause = PEER_REOPEN_PAUSE_MIN;
    loop {
        let opened = Instant::now();
        let mut message = message.clone();
        message.mark_changed();
        // On each stream all is said once before it is referred to.
        let state = (message, pulses.clone(), None);
        let stream = futures::stream::unfold(state, move |(mut message, pulses, said)| async move {
            message.changed().await.ok()?;
            let next = message.borrow_and_update().clone();
            let again = said == Some(next.version) && pulses.understands_unchanged(node);
            let (next, said) = (if again { unchanged(&next) } else { (*next).clone() }, Some(next.version));
            Some((next, (message, pulses, said)))
        });
        if let Some(mut client) = peers.client(node) {
            let ended = client.pulse(peers.request(stream, node, GroupId::CONTROL)).await;
            if let Err(status) = ended {
                if status.code() == Code::FailedPrecondition
                    && let Some(me) = me.upgrade()
                {
                    me.is_refused(StartError::Removed { node: me.id });
                }
                tracing::debug!(node, code = %status.code(), reason = status.message(), "the pulse to a peer ended");
            }
        }
        pause = if opened.elapsed() > PEER_REOPEN_PAUSE_MAX { PEER_REOPEN_PAUSE_MIN } else { pause };
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PEER_REOPEN_PAUSE_MAX);
    }
}

/// Beats until the node goes: at every heartbeat, and when it gains or loses a group. While all groups sleep, three
/// times in a lease are enough, and there is nothing to look after as long as nobody has any news.
pub(super) async fn run(node: Weak<Node>, every: Duration, lease: Duration) {
    let Some(changed) = node.upgrade().map(|n| n.leads_changed.clone()) else { return };
    let mut next = Instant::now();
    let mut calm: Option<(u64, u64)> = None;
    loop {
        let told = tokio::select! {
            () = tokio::time::sleep_until(next) => false,
            () = changed.notified() => true,
        };
        let Some(node) = node.upgrade() else { return };
        let news = node.pulses.news(lease).map(|news| (news, node.view.borrow().version));
        if !told && news.is_some() && news == calm && !node.shared.hours.has_stirred() {
            node.beat.again();
            next = Instant::now() + every.max(lease / 3);
            continue;
        }
        node.pulses.look();
        let sleepers = sleep::sleepers(&node);
        node.tell(&sleepers);
        calm = news.filter(|_| sleepers.all_asleep);
        let pause = Instant::now() + every;
        next = sleepers.again_at.map_or(pause, |at| pause.min(at));
    }
}

impl Node {
    /// Tells the others what this node leads and where it sleeps.
    fn tell(&self, sleepers: &Sleepers) {
        let awake = |group: &Arc<Group>| proto::Led {
            group: group.id.0,
            term: group.metrics().current_term,
            settled: self.settled_here(group),
            sleeps_at: None,
        };
        let offer = |(group, spot, settled): &(GroupId, Spot, u64)| proto::Led {
            group: group.0,
            term: spot.term,
            settled: *settled,
            sleeps_at: Some(log_id(&spot.last)),
        };
        let follows = |(group, spot): &(GroupId, Spot)| proto::Sleeps {
            group: group.0,
            term: spot.term,
            at: Some(log_id(&spot.last)),
        };
        let leads = sleepers.awake.iter().map(awake).chain(sleepers.offers.iter().map(offer)).collect();
        self.beat.send(leads, sleepers.follows.iter().map(follows).collect());
    }
}

#[cfg(test)]
mod tests;
