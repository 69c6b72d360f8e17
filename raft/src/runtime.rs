//! The threads on which a node runs.

use std::{env, io, thread::available_parallelism};
use tokio::runtime::{Builder, Runtime};

/// A runtime for one node: worker threads for half of the cores, at least one; `TOKIO_WORKER_THREADS` says otherwise.
///
/// A write passes from task to task of its group, and each pass to another thread wakes that up: with as many workers as
/// cores, a lone client's writes spent 17 % of two cores in these calls. The other cores are not idle: inference, the
/// log writer and sled have threads of their own.
pub fn runtime() -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all();
    if env::var_os("TOKIO_WORKER_THREADS").is_none() {
        builder.worker_threads(workers(available_parallelism().map_or(1, |cores| cores.get())));
    }
    builder.build()
}

fn workers(cores: usize) -> usize {
    (cores / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_cores_and_at_least_one() {
        assert_eq!([1, 2, 3, 4, 16].map(workers), [1, 1, 1, 2, 8]);
    }
}
