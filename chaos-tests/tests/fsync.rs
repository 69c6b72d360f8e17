//! One true barrier for each committed batch: strace counts what the kernel was asked for.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod common;

use tertulia_chaos_tests::bench::fsync::count;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_barrier_is_an_fdatasync_and_a_batch_costs_one() {
    let _turn = common::turn().await;
    let Some(mut cluster) = common::moodbot_cluster(&[]).await else { return };
    for clients in [1, 8] {
        let Some(counted) = count(&mut cluster, clients, 40).await.unwrap() else {
            println!("this test did not run: strace is not installed, or may not attach to a process here");
            return;
        };
        println!("{counted:?}");
        assert_eq!(counted.turns, 40);
        assert_eq!(counted.fdatasync, counted.barriers, "the node counts what it asks the kernel for: {counted:?}");
        assert!(counted.barriers > 0, "turns were committed without a barrier: {counted:?}");
    }
}
