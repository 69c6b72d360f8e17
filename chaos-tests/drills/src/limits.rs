//! Every bound of the drills and of the load generator, by name.

use std::time::Duration;

/// Most attempts that one load run records for the checker; the run ends there.
pub const ATTEMPTS_RECORDED_MAX: usize = 2_000_000;
/// Most clients of one load run.
pub const CLIENTS_MAX: usize = 4_096;
/// Longest load run.
pub const LOAD_DURATION_MAX: Duration = Duration::from_secs(3_600);
/// Turns after which a shared session gives way to a fresh one, so that no context grows without end.
pub const TURNS_PER_SHARED_SESSION: u64 = 128;
/// First pause before an attempt is repeated on the next node.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(10);
/// Longest pause before an attempt is repeated on the next node.
pub const BACKOFF_MAX: Duration = Duration::from_millis(400);
/// Longest wait that a `Retry-After` can ask of a client.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);
/// Turns asked for in one page of `/events`.
pub const EVENTS_PAGE: usize = 100;
/// Most pages read of one session.
pub const EVENTS_PAGES_MAX: usize = 10_000;
/// Reads in flight at once while the final log is collected.
pub const READS_IN_FLIGHT: usize = 8;
/// Longest time for one linearizable read, with its repetitions.
pub const READ_DEADLINE: Duration = Duration::from_secs(30);
/// Longest response body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// Longest line of a text script, in bytes.
pub const SCRIPT_LINE_BYTES_MAX: usize = 16 * 1024;
/// Latencies above this are counted as this, in microseconds.
pub const LATENCY_US_MAX: u64 = 300_000_000;
/// How long a fresh cluster may take until every node is ready.
pub const READY_DEADLINE: Duration = Duration::from_secs(120);
/// How long a node may take from SIGTERM to its end.
pub const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// Pause between two looks at something that is waited for.
pub const POLL_PAUSE: Duration = Duration::from_millis(25);
/// Bytes shown of a node's log when something failed.
pub const LOG_TAIL_BYTES: u64 = 6_000;
/// Violations that are kept and named; more are only counted.
pub const VIOLATIONS_NAMED_MAX: usize = 200;
/// Configurations visited of one session before its linearizability is left undecided.
pub const CONFIGURATIONS_MAX: usize = 200_000;
/// Operations shown of each part of a history that has no order.
pub const OPERATIONS_SHOWN_MAX: usize = 5;
/// Share of the load's operations that are reads, unless told otherwise.
pub const READS_SHARE: f64 = 0.1;
/// Largest share of reads: turns must go on.
pub const READS_SHARE_MAX: f64 = 0.9;
/// Acknowledged turns that the load's readers know of.
pub const RECENT_MAX: usize = 64;
/// Turns that a read looks back over, at most.
pub const READ_BEHIND_MAX: u64 = 3;
/// Clients that share a dialogue, where every few dialogues are shared.
pub const CLIENTS_PER_DIALOGUE: usize = 3;
/// Of so many dialogues one is shared by neighbouring clients.
pub const SHARED_DIALOGUE_EVERY: usize = 4;
/// Tries to find free ports and start on them.
pub const START_TRIES: usize = 3;
/// Ports for nodes are drawn from here: below the range from which the system takes ports for outgoing connections, so that
/// a node that is down does not find its port taken by a client of another.
pub const PORTS: std::ops::Range<u16> = 10_240..32_000;
/// How long one look at a node may take while a drill runs.
pub const VIEW_TIMEOUT: Duration = Duration::from_secs(1);
/// Largest packet on the links between the zones of a lab, in bytes.
pub const RELAY_MTU: u16 = 1_500;
/// Most packets that are on their way between the zones of a lab; more are lost.
pub const RELAY_PACKETS_LATE_MAX: usize = 20_000;
/// Size of a disk that a lab can fill, in bytes.
pub const LAB_DISK_BYTES: u64 = 2 << 30;
/// A follower that lacks more entries than this counts as not there when a drill asks whether it may go on.
pub const LAG_ENTRIES_MAX: u64 = 1_000;
/// Nodes that are asked before a drill goes on, at most.
pub const NODES_ASKED_MAX: usize = 256;
/// Share of failed attempts at which a drill stops, unless told otherwise.
pub const STOP_FAILED_SHARE: f64 = 0.5;
/// Time over which that share is taken.
pub const STOP_OVER: Duration = Duration::from_secs(10);
/// A drill stops after so long without an acknowledged turn.
pub const STOP_PAUSE: Duration = Duration::from_secs(30);
/// A drill stops where the cluster is not whole again so long after the last fault was undone.
pub const STOP_NOT_WHOLE_AFTER: Duration = Duration::from_secs(120);
/// Counts of the load that are kept to judge whether a drill goes on.
pub const STOP_SAMPLES_MAX: u32 = 1_024;
/// Longest cluster file, in bytes.
pub const CLUSTER_FILE_BYTES_MAX: usize = 1 << 20;
/// Most targets of a cluster file.
pub const TARGETS_MAX: usize = 64;
/// Most arguments of a command in a cluster file, the program included.
pub const ARGUMENTS_MAX: usize = 64;
/// How long an operator's command may take, unless told otherwise, in seconds.
pub const COMMAND_TIMEOUT_S: u64 = 30;
/// Longest time that a cluster file can give a command, in seconds.
pub const COMMAND_TIMEOUT_S_MAX: u64 = 600;
/// What a container gets less than its command to end by itself.
pub const COMMAND_MARGIN: Duration = Duration::from_secs(5);
/// Bytes kept of the end of a command's output, of each of its two streams.
pub const COMMAND_TAIL_BYTES: usize = 6_000;
/// How long the output of a command that has ended is waited for: what it left behind may keep the pipe open.
pub const OUTPUT_GRACE: Duration = Duration::from_millis(200);
/// Pause before a pod that is not there yet is waited for again.
pub const POD_PAUSE: Duration = Duration::from_millis(500);
/// Acts that a report lists; more are only counted.
pub const ACTS_SHOWN_MAX: usize = 2_000;
/// Acts up to which a report's list of them is open from the start.
pub const ACTS_OPEN_MAX: usize = 20;
/// Points of a report's line over time: a line needs two pixels a point to be more than a smear.
pub const TIMELINE_POINTS_MAX: usize = 500;
/// Nodes that have a lane of their own in a report's chart of faults.
pub const LANES_MAX: usize = 12;
/// Faults up to which a report's chart of them names each.
pub const FAULTS_LABELLED_MAX: usize = 24;
/// Characters of a name at a chart's edge or in it; what follows is cut off.
pub const CHART_NAME_CHARS_MAX: usize = 24;
/// How long a drill waits for the guard rails to let it go on.
pub const RAILS_PATIENCE: Duration = Duration::from_secs(15);
