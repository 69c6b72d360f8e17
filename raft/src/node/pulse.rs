//! The pulse: signs of life between nodes, and who leads which group.
//!
//! Each node sends one message to each other at every heartbeat, for all groups together, and at once when a
//! leadership changes. A node thus knows the leaders of shards that it does not hold, and which nodes are alive,
//! however many groups are idle.

use super::{Node, StartError};
use crate::{
    FEATURE_LEVEL,
    limits::{PEER_REOPEN_PAUSE_MAX, PEER_REOPEN_PAUSE_MIN},
    net::Peers,
    proto,
    types::GroupId,
};
use cluster_config::Member;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Weak,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet};
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
}

struct Sign {
    at: Instant,
    incarnation: u64,
    feature_level: u32,
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
        let mut heard = self.heard.lock();
        let sign = Sign {
            at: Instant::now(),
            incarnation: message.incarnation,
            feature_level: message.feature_level,
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
                Some(known) if claim.term < known.claim.term => {}
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

    /// Where a node says that it can be called: its peer address and the base URL of its client API.
    pub(crate) fn addresses(&self, node: u64) -> Option<(String, String)> {
        self.heard.lock().nodes.get(&node).and_then(|s| s.addresses.clone())
    }

    /// Which process of the node was last heard of.
    #[allow(dead_code, reason = "for whoever must tell a restart from a pause")]
    pub(crate) fn incarnation(&self, node: u64) -> Option<u64> {
        self.heard.lock().nodes.get(&node).map(|s| s.incarnation)
    }

    /// The other node that leads a group in the highest term that was heard of, if it is alive.
    pub(crate) fn leader(&self, group: GroupId) -> Option<Leads> {
        let claim = self.heard.lock().leaders.get(&group).filter(|l| l.stands).map(|l| l.claim)?;
        self.is_alive(claim.node).then_some(claim)
    }

    /// Tells of every change of leaders and of who is alive.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// What this node says of itself.
pub(super) struct Beat {
    message: watch::Sender<proto::PulseMessage>,
}

impl Beat {
    pub(super) fn new(me: Option<&Member>) -> Self {
        let incarnation = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let incarnation = u64::try_from(incarnation.as_nanos()).unwrap_or(u64::MAX);
        let (peer, http) = me.map(|m| (m.peer.clone(), m.http.clone())).unwrap_or_default();
        let message = proto::PulseMessage { incarnation, feature_level: FEATURE_LEVEL, leads: Vec::new(), peer, http };
        Self { message: watch::Sender::new(message) }
    }

    /// Says it now, to all.
    pub(super) fn send(&self, leads: impl Iterator<Item = (GroupId, Leads)>) {
        let led = |(group, l): (GroupId, Leads)| proto::Led { group: group.0, term: l.term, settled: l.settled };
        let leads: Vec<proto::Led> = leads.map(led).collect();
        self.message.send_modify(|message| message.leads = leads);
    }
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
            let Some(message) = me.upgrade().map(|n| n.beat.message.subscribe()) else { return };
            to.entry(node).or_insert_with(|| streams.spawn(send_to(peers.clone(), node, message, me.clone())));
        }
        tokio::select! {
            changed = known.changed() => if changed.is_err() { return },
            Some(_) = streams.join_next(), if !streams.is_empty() => {}
        }
    }
}

/// One stream after the other. A receiver that is slow gets the newest message, not all of them.
async fn send_to(peers: Peers, node: u64, message: watch::Receiver<proto::PulseMessage>, me: Weak<Node>) {
    let mut pause = PEER_REOPEN_PAUSE_MIN;
    loop {
        let opened = Instant::now();
        let mut message = message.clone();
        message.mark_changed();
        let stream = futures::stream::unfold(message, |mut message| async move {
            message.changed().await.ok()?;
            let next = message.borrow_and_update().clone();
            Some((next, message))
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

/// Beats until the node goes: at every heartbeat, and when it gains or loses a group.
pub(super) async fn run(node: Weak<Node>, every: Duration) {
    let Some(changed) = node.upgrade().map(|n| n.leads_changed.clone()) else { return };
    let mut every = tokio::time::interval(every);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = changed.notified() => {}
        }
        let Some(node) = node.upgrade() else { return };
        node.pulses.look();
        node.beat.send(node.leads());
    }
}

#[cfg(test)]
mod tests;
