//! The bench of understanding, once and small: ten intents, and what is learned of them.

use results::Results;
use std::path::Path;
use std::process::Command;

#[test]
fn what_was_learned_from_ten_examples_is_measured() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.exists() {
        println!("did not run: {} is not there", data.display());
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("results.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tertulia-shaders-bench"));
    command
        .args(["understanding", "--small", "--only", "banking77-10,crosswoz-acts", "--data"])
        .arg(&data)
        .arg("--out")
        .arg(&out);
    let ended = command.output().expect("it starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let results: Results = serde_json::from_slice(&std::fs::read(&out).expect("its results")).expect("are results");
    let figure = |name: &str| results.rows.iter().find(|row| row.name == name).expect("it is measured").ours;
    // One in ten would be a guess.
    assert!(figure("banking77-10: accuracy") > 60.0, "{:?}", results.rows);
    assert!(figure("banking77-10: training") > 0.0);
    // Acts in Chinese through an English encoder: the characters alone tell the greetings.
    assert!(figure("crosswoz-acts: micro-F1") > 20.0, "{:?}", results.rows);
}
