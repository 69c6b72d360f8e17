//! Each bench once, small: it runs, and writes rows that xtask reads.

use results::Results;
use std::process::Command;

fn run(name: &str) -> Results {
    let folder = std::env::temp_dir().join(format!("tertulia-bench-{name}-{}", std::process::id()));
    let out = folder.join("results.json");
    let program = env!("CARGO_BIN_EXE_tertulia-shaders-bench");
    let ended = Command::new(program).args([name, "--small", "--out"]).arg(&out).output().expect("it starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let text = std::fs::read_to_string(&out).expect("it leaves its results");
    std::fs::remove_dir_all(folder).expect("the folder goes");
    serde_json::from_str(&text).expect("they are results")
}

fn names(results: &Results) -> Vec<&str> {
    assert!(results.rows.iter().all(|row| row.ours > 0.0 && row.peer.is_none()), "{:?}", results.rows);
    results.rows.iter().map(|row| row.name.as_str()).collect()
}

#[test]
fn the_encoder_is_measured() {
    let results = run("encoder");
    let shapes = ["16 tokens, batch 1: P50", "64 tokens, batch 1: P50"];
    let batches = ["16 tokens, batch 32: sequences", "64 tokens, batch 32: sequences"];
    assert_eq!(names(&results), [shapes, batches].concat());
}

#[test]
fn every_product_is_measured() {
    let results = run("kernels");
    let names = names(&results);
    assert_eq!(names[0], "CPU, 1 thread, 16 × 64 × 64");
    // Without an adapter the CPU's is the only one.
    let adapter = !results.detail["adapter"].is_null();
    assert_eq!(names.contains(&"Plain f32, 16 × 64 × 64"), adapter, "{names:?}");
    assert_eq!(names.contains(&"encoder, of the best product, 2 of 4 tokens, f32"), adapter, "{names:?}");
}
