//! The conformance suite: for each documented feature of the format an assistant in a few lines, what is said to it and
//! what happens, or what the loader says of it. The cases stand in `conformance/*.txt`; `README.md` there says how they are
//! written.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

#[path = "conformance/case.rs"]
mod case;
mod common;
#[path = "conformance/talk.rs"]
mod talk;

use case::Case;
use std::{collections::BTreeSet, path::PathBuf};

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// All case files by name.
fn files() -> Vec<(String, Vec<Case>)> {
    let mut names: Vec<String> = std::fs::read_dir(dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".txt"))
        .collect();
    names.sort();
    let read = |name: String| {
        let text = std::fs::read_to_string(dir().join(&name)).unwrap();
        let cases = case::parse(&name, &text);
        (name, cases)
    };
    names.into_iter().map(read).collect()
}

#[test]
fn cases_are_as_they_are_written() {
    for (name, mut cases) in files() {
        cases.iter_mut().for_each(talk::run);
        let found = cases.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        expect_test::expect_file![dir().join(name)].assert_eq(&found);
    }
}

#[test]
fn there_are_enough_cases_and_each_stands_for_a_feature() {
    let files = files();
    let cases: Vec<&Case> = files.iter().flat_map(|(_, cases)| cases).collect();
    let refused = cases.iter().filter(|c| c.is_refused()).count();
    assert!(cases.len() - refused >= 45, "{} conversations", cases.len() - refused);
    assert!(refused >= 25, "{refused} malformed inputs");
    assert!(cases.len() >= 70, "{} cases", cases.len());
    let names: BTreeSet<&str> = cases.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "each name is used once");
    for case in cases {
        assert!(!case.feature.is_empty(), "{} names no feature", case.name);
        // A refusal says where: a file and, but for what the whole assistant lacks, a line and a column.
        let said = case.said.iter().filter(|_| case.is_refused());
        said.for_each(|line| assert!(line.contains(".yml") || line.starts_with(".: "), "{}: {line}", case.name));
    }
}
