//! Guard rails on hand-made clusters.

use super::*;

fn node_zone(node: u64) -> String {
    // Nodes 1, 11 and 21 stand in zone 1.
    format!("z{}", node % 10)
}

struct Cluster {
    nodes: Vec<u64>,
    shards: Vec<Vec<u64>>,
    lag: BTreeMap<u64, u64>,
}

impl Cluster {
    /// One node a zone, every shard and the control group on all of them, led by the first voter.
    fn zones(count: u64) -> Self {
        let nodes: Vec<u64> = (1..=count).collect();
        Self { shards: vec![nodes.clone(); 4], nodes, lag: BTreeMap::new() }
    }

    fn group(&self, node: u64, shard: Option<u32>, voters: &[u64]) -> GroupView {
        let leader = voters[0];
        let leads = leader == node;
        let follower = |n: &u64| FollowerView { node: *n, entries: self.lag.get(n).copied().unwrap_or(0) };
        let followers = voters.iter().filter(|n| leads && **n != node).map(follower).collect();
        let role = if leads { "leader" } else { "follower" }.to_owned();
        GroupView {
            shard,
            role,
            term: 3,
            leader: Some(leader),
            committed: Some(90),
            voters: voters.to_vec(),
            followers,
        }
    }

    fn view(&self, node: u64) -> NodeView {
        let member = |n: &u64| MemberView { node: *n, zone: node_zone(*n), http: format!("http://n{n}") };
        let numbered = (0..).zip(&self.shards).filter(|(_, voters)| voters.contains(&node));
        NodeView {
            cluster: "c".into(),
            node,
            zone: node_zone(node),
            shards: numbered.map(|(shard, voters)| self.group(node, Some(shard), voters)).collect(),
            control: self.group(node, None, &self.nodes[..self.nodes.len().min(5)]),
            members: self.nodes.iter().map(member).collect(),
        }
    }

    /// What is known when these nodes are not ready and do not answer.
    fn without(&self, silent: &[u64]) -> Groups {
        let there: Vec<u64> = self.nodes.iter().copied().filter(|n| !silent.contains(n)).collect();
        let views: Vec<NodeView> = there.iter().map(|n| self.view(*n)).collect();
        Groups::merge(&views, there.into_iter().collect())
    }

    fn asks(&self, silent: &[u64], away: &[u64]) -> Result<(), String> {
        self.without(silent).permits(&away.iter().copied().collect()).map_err(|e| e.to_string())
    }
}

#[test]
fn three_zones_do_without_one() {
    let cluster = Cluster::zones(3);
    for away in [[].as_slice(), &[1], &[2], &[3]] {
        assert_eq!(cluster.asks(&[], away), Ok(()), "{away:?}");
    }
    assert_eq!(
        cluster.asks(&[], &[1, 3]).unwrap_err(),
        "the control group has the voters 1, 2, 3; left would be 2, 1 of 3 zones, and 2 are needed (node 1 is to be away, \
         node 3 is to be away); the same holds for 4 more groups; --force overrides this"
    );
    // A node that is down already counts as well, and taking that one away changes nothing.
    assert_eq!(cluster.asks(&[2], &[2]), Ok(()));
    let refused = cluster.asks(&[2], &[3]).unwrap_err();
    assert!(refused.contains("(node 2 is not ready, node 3 is to be away)"), "{refused}");
}

#[test]
fn five_zones_do_without_two() {
    let cluster = Cluster::zones(5);
    assert_eq!(cluster.asks(&[], &[1, 2]), Ok(()));
    assert_eq!(cluster.asks(&[5], &[4]), Ok(()));
    let refused = cluster.asks(&[], &[1, 2, 3]).unwrap_err();
    assert!(refused.contains("left would be 4, 5, 2 of 5 zones, and 3 are needed"), "{refused}");
    let refused = cluster.asks(&[4, 5], &[2]).unwrap_err();
    assert!(refused.contains("left would be 1, 3, 2 of 5 zones"), "{refused}");
}

#[test]
fn one_node_is_its_own_majority() {
    let cluster = Cluster::zones(1);
    assert_eq!(cluster.asks(&[], &[]), Ok(()));
    assert!(cluster.asks(&[], &[1]).unwrap_err().contains("left would be none, 0 of 1 zones, and 1 are needed"));
}

#[test]
fn a_follower_that_lags_counts_as_gone() {
    let mut cluster = Cluster::zones(3);
    cluster.lag.insert(3, LAG_ENTRIES_MAX);
    assert_eq!(cluster.asks(&[], &[2]), Ok(()), "so much is still in flight");
    cluster.lag.insert(3, LAG_ENTRIES_MAX + 1);
    assert!(cluster.asks(&[], &[2]).unwrap_err().contains("node 3 lacks 1001 entries"));
    assert_eq!(cluster.asks(&[], &[3]), Ok(()), "the one that lags may go");
}

#[test]
fn without_its_leaders_word_nobody_counts_on_a_follower() {
    // Node 1 leads, and does not answer: how far the others are is not known until one of them leads.
    let cluster = Cluster::zones(3);
    let refused = cluster.asks(&[1], &[]).unwrap_err();
    assert!(refused.contains("node 2 is as far as nobody says"), "{refused}");
    // An election that one replica has seen counts for more than the leader of the term before.
    let mut views: Vec<NodeView> = [1, 2, 3].map(|n| cluster.view(n)).to_vec();
    views[1].control = GroupView { term: 4, leader: None, ..views[1].control.clone() };
    let groups = Groups::merge(&views, [1, 2, 3].into());
    let Err(Refusal::Minority { group, left, .. }) = groups.permits(&[].into()) else { panic!("permitted") };
    assert_eq!((group, left), (GroupName(None), [].into()));
    // But not where that replica's node does not serve: alone, it counts terms up for itself.
    let groups = Groups::merge(&views, [1, 3].into());
    assert_eq!(groups.permits(&[].into()), Ok(()));
}

#[test]
fn each_shard_has_voters_of_its_own() {
    // Two nodes a zone; each shard is on one of them.
    let mut cluster = Cluster::zones(3);
    cluster.nodes.extend([11, 12, 13]);
    cluster.shards = vec![vec![1, 2, 3], vec![11, 12, 13], vec![1, 12, 3]];
    let asks = |silent: &[u64], away: &[u64]| {
        // Only five are in the helper's control group; here it is the first three.
        let there: Vec<u64> = cluster.nodes.iter().copied().filter(|n| !silent.contains(n)).collect();
        let mut views: Vec<NodeView> = there.iter().map(|n| cluster.view(*n)).collect();
        views.iter_mut().for_each(|v| v.control = cluster.group(v.node, None, &[1, 2, 3]));
        Groups::merge(&views, there.into_iter().collect()).permits(&away.iter().copied().collect())
    };
    assert_eq!(asks(&[], &[2, 11]), Ok(()), "no shard has both");
    assert_eq!(asks(&[], &[3, 13]), Ok(()), "a whole zone");
    let Err(Refusal::Minority { group, voters, others, .. }) = asks(&[], &[12, 3]) else { panic!("permitted") };
    assert_eq!((group, voters, others), (GroupName(Some(2)), [1, 3, 12].into(), 0));
    // With a silent node in each zone there may be a shard that nobody has told of.
    assert_eq!(asks(&[11, 12, 13], &[]), Err(Refusal::Unseen { silent: vec![11, 12, 13] }));
    assert_eq!(asks(&[12, 13], &[]).unwrap_err().to_string().split(';').next(), Some(
        "shard 1 has the voters 11, 12, 13; left would be 11, 1 of 3 zones, and 2 are needed (node 12 is not ready, node 13 \
         is not ready)"
    ).map(|s| s.split(';').next().unwrap()));
}

#[test]
fn in_a_joint_configuration_old_and_new_voters_keep_a_majority() {
    // Node 13 takes over from node 3: a majority of {1, 2, 3} and one of {1, 2, 13} are needed.
    let mut cluster = Cluster::zones(3);
    cluster.nodes.push(13);
    cluster.shards = vec![vec![1, 2, 3, 13]];
    let asks = |away: &[u64]| {
        let mut views: Vec<NodeView> = cluster.nodes.iter().map(|n| cluster.view(*n)).collect();
        views.iter_mut().for_each(|v| v.control = cluster.group(v.node, None, &[1, 2, 3]));
        let all = cluster.nodes.iter().copied().collect();
        Groups::merge(&views, all).permits(&away.iter().copied().collect())
    };
    assert_eq!(asks(&[13]), Ok(()));
    assert_eq!(asks(&[3]), Ok(()));
    assert_eq!(asks(&[2]), Ok(()));
    // Three of four are left, and yet of {1, 2, 3} only one.
    let Err(Refusal::Minority { group, left, places_left, places, .. }) = asks(&[2, 13]) else { panic!("permitted") };
    assert_eq!((group, left, places_left, places), (GroupName(Some(0)), [1, 3].into(), 1, 3));
    // Two zones change at once: {11, 12, 3} would have node 3 alone.
    let mut cluster = Cluster::zones(3);
    cluster.nodes.extend([11, 12]);
    cluster.shards = vec![vec![1, 2, 3, 11, 12]];
    let mut views: Vec<NodeView> = cluster.nodes.iter().map(|n| cluster.view(*n)).collect();
    views.iter_mut().for_each(|v| v.control = cluster.group(v.node, None, &[1, 2, 3]));
    let groups = Groups::merge(&views, [1, 2, 3, 11, 12].into());
    assert_eq!(groups.permits(&[11].into()), Ok(()));
    assert!(groups.permits(&[11, 12].into()).is_err(), "three of five voters are left, but one of the new ones");
}

#[test]
fn nothing_is_permitted_where_nothing_is_known() {
    assert_eq!(Groups::merge(&[], BTreeSet::new()).permits(&[].into()), Err(Refusal::Unseen { silent: vec![] }));
}

#[test]
fn what_a_node_answers_is_read() {
    let group = |shard: Option<u32>| {
        serde_json::json!({
            "shard": shard, "role": "leader", "term": 7, "leader": 2, "last_log": 9, "committed": 9, "applied": 9,
            "snapshot": null, "purged": null, "voters": [1, 2, 3], "learners": [4], "asleep": true,
            "followers": [{ "node": 1, "entries": 0, "heard_ms_ago": 3 }, { "node": 3, "entries": 5000, "heard_ms_ago": null }],
        })
    };
    let status = serde_json::json!({
        "cluster": "shop", "node": 2, "zone": "b", "ready": true, "uptime_ms": 5, "barriers": 1, "disk_free_bytes": 1,
        "shards": [group(Some(0))], "control": group(None), "release": "r", "encoder": "e", "version": "0.1.0",
        "sessions_active": 0, "turns_in_flight": 0,
        "members": [{ "node": 2, "zone": "b", "peer": "h:1", "http": "http://h:2" }],
    });
    let view: NodeView = serde_json::from_value(status).unwrap();
    assert_eq!((view.node, view.zone.as_str(), view.members[0].http.as_str()), (2, "b", "http://h:2"));
    let groups = Groups::merge(&[view], [1, 2, 3].into());
    let group = &groups.groups[&GroupName(Some(0))];
    assert_eq!((group.leader, group.lag.get(&3)), (Some(2), Some(&5000)));
}
