//! Bare replicas: log and state machine in three processes, without dialogue, for measurements beside etcd.

mod client;
mod etcd;
mod etcd_peer;
mod leaders;
mod link;
mod processes;
mod server;

pub use client::{ReplicaWriter, Replicas};
pub use etcd::{Etcd, EtcdWriter};
pub use etcd_peer::{ATTEMPT, EtcdPeer};
pub use server::serve;

use std::{future::Future, time::Duration};

/// The two protocols of the bench, generated from `proto/`.
#[allow(missing_docs, clippy::all)]
pub(crate) mod proto {
    tonic::include_proto!("tertulia.replica.v1");
}
/// etcd's own names.
#[allow(missing_docs, clippy::all)]
pub(crate) mod etcd_proto {
    tonic::include_proto!("etcdserverpb");
}

/// Clients that share one connection to a node.
pub const CLIENTS_PER_CONNECTION: usize = 32;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 256;

/// One client of either side: writes one value after another, each durable on a majority before the next.
pub trait Writer: Send + 'static {
    /// Writes the next value; returns when it is acknowledged. Tries other nodes on its own until `patience` is over;
    /// a node that has not answered after `attempt` is left for the next.
    fn write(&mut self, attempt: Duration, patience: Duration) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// The node (by position) that took its last write.
    fn node(&self) -> usize;
}

/// Three processes of one side.
pub trait Side {
    /// A client of it.
    type Writer: Writer;
    /// What it is called in a table.
    fn name(&self) -> &'static str;
    /// Makes `count` clients of a run; runs must differ in their names.
    fn writers(&self, run: &str, count: usize) -> anyhow::Result<Vec<Self::Writer>>;
    /// A node (by position) that leads.
    fn leader(&mut self) -> impl Future<Output = anyhow::Result<usize>>;
    /// `kill -9` of a node.
    fn kill(&mut self, node: usize) -> anyhow::Result<()>;
    /// Asks a node to end in good order, and waits for it.
    fn stop(&mut self, node: usize) -> impl Future<Output = anyhow::Result<()>>;
    /// Starts a node that has ended again and waits until it takes part.
    fn restart(&mut self, node: usize) -> impl Future<Output = anyhow::Result<()>>;
    /// Lets a node that was away lead again what it led before; returns when it does.
    fn give_back(&mut self, node: usize) -> impl Future<Output = anyhow::Result<()>>;
    /// Seconds of CPU that its processes have used.
    fn cpu_seconds(&self) -> f64;
}
