//! An assistant in Chinese: its language chooses the encoder, and what it did not learn is understood.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use common::*;
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn the_tea_house_understands_what_it_did_not_learn() {
    let weights = tertulia_node::model_store::models_dir().unwrap().join("multilingual-e5-small/model.e5s1");
    if !weights.is_file() {
        return println!(
            "this test did not run: {} is not there (`tertulia model pull multilingual-e5-small`)",
            weights.display()
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let release = dir.path().join("release.tertulia");
    let assistant = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bots/chaguan");
    let out = tertulia(&["train", "--assistant", path(&assistant), "--out", path(&release)]);
    let said = text(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert!(said.contains("language `zh`: the encoder is multilingual-e5-small"), "{said}");
    let trained = tertulia_node::release::Release::read(&release).unwrap().trained;
    assert_eq!(trained.encoder, "multilingual-e5-small");
    // As a folder it is trained by itself, on the same encoder.
    let tested = tertulia(&["test", path(&assistant)]);
    assert!(tested.status.success(), "{}", text(&tested.stdout));
    assert!(text(&tested.stderr).contains("the encoder is multilingual-e5-small"), "{}", text(&tested.stderr));

    // The prompt that the encoder wants before every text moves no entity.
    let parsed = succeed(&["parse", "--release", path(&release), "你好，请问西湖龙井多少钱？电话13812345678"]);
    let parsed: Value = serde_json::from_str(&parsed).unwrap();
    assert_eq!(parsed["intent"]["name"], "ask_price", "{parsed}");
    let tea = parsed["entities"].as_array().unwrap().iter().find(|e| e["entity"] == "tea").unwrap();
    assert_eq!((&tea["value"], &tea["start"], &tea["end"]), (&json!("龙井"), &json!(5), &json!(9)));
    let analysis = &parsed["analysis"];
    assert_eq!(analysis["language"]["code"], "zh");
    assert_eq!(analysis["pii"], json!([{ "kind": "phone", "start": 15, "end": 26 }]));
}
