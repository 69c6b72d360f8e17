//! The simulator: a cluster of real nodes (log, state machine, transport, session actors, dialogue) on one thread, on clocks,
//! disks and a network that its seed decides. The same seed gives the same history, byte for byte.
//!
//! Real are: openraft and our storage and state machine over it, gRPC with HTTP/2 between the nodes, forwarding and reads
//! between them, session actors, router and engine. Simulated are: time, threads (there is one), the network under HTTP/2,
//! the database (its [twin in memory](raft::store::MemoryStore)), the encoder, and the HTTP API in front of the router.
//! Snapshot files are real files.
//!
//! A process simulates once: what it [seeds](tertulia_seeded) cannot be seeded again.

mod assistant;
mod chance;
mod clients;
mod disk;
mod fault;
mod invariants;
mod machine;
mod message;
mod network;
mod plan;
mod report;
mod runs;
mod search;
mod world;

pub use fault::{Fault, Lost};
pub use network::{Link, NetworkCounts};
pub use plan::{Load, Plan, Planned, Timing};
pub use report::{Broken, Report};
pub use runs::Runs;
pub use search::{Found, Runner, Scope, Summary};

use std::path::Path;

/// Runs a plan. `folder` is an empty folder for snapshot files; with `says` the story is told on stderr as it happens.
///
/// Call it once in a process. The simulation has a thread of its own, which draws its randomness anew.
pub fn simulate(plan: Plan, folder: &Path, says: bool) -> Report {
    tertulia_seeded::seed(plan.seed);
    tertulia_seeded::set_now_ns(0);
    let run = || {
        raft::simulation::begin();
        world::World::new(plan, folder, says).run()
    };
    let report =
        std::thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    tertulia_seeded::end();
    report
}
