//! The library that shifts a process's wall clock and slows its barriers, under programs of the system.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

use drills::lab::Shim;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[test]
fn a_clock_is_set_and_a_barrier_is_slow_while_the_process_that_asks_for_it_says_so() {
    if let Some(lacks) = Shim::lacks() {
        println!("this test did not run: {lacks}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shim = Shim::make(&folder.path().join("page")).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).envs(shim.env()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // An hour back, and right again.
    for offset_s in [-3_600_i64, 0] {
        shim.step_clock(offset_s * 1_000).unwrap();
        let shown: i64 = run("date", &["+%s"]).trim().parse().unwrap();
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((shown - real - offset_s).abs() < 600, "{shown} is shown at {real}, {offset_s} s off");
    }
    // A barrier takes as long as it is told, at least.
    shim.slow_disk(700).unwrap();
    let file = folder.path().join("file").display().to_string();
    let begun = Instant::now();
    run("dd", &["if=/dev/zero", &format!("of={file}"), "bs=512", "count=1", "conv=fdatasync"]);
    assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
}
