//! The command line as a user meets it: a new assistant from nothing, and what is said of mistakes.

mod common;

use common::*;
use serde_json::Value;

#[test]
fn a_new_assistant_validates_trains_passes_its_test_and_understands() {
    let dir = tempfile::tempdir().unwrap();
    let assistant = dir.path().join("shop");
    succeed(&["init", path(&assistant)]);
    assert!(succeed(&["validate", path(&assistant)]).contains("4 intents"));
    let again = fail(2, &["init", path(&assistant)]);
    assert!(again.contains("nothing was written"), "{again}");

    let release = path(release());
    assert!(succeed(&["test", "--release", release]).contains("1 passed, 0 failed"));
    let parsed: Value = serde_json::from_str(&succeed(&["parse", "--release", release, "when do you close?"])).unwrap();
    assert_eq!(parsed["intent"]["name"], "ask_hours");
    let parsed: Value = serde_json::from_str(&succeed(&["parse", "--release", release, "/greet"])).unwrap();
    assert_eq!((&parsed["intent"]["name"], &parsed["intent"]["confidence"]), (&"greet".into(), &1.0.into()));
}

#[test]
fn questions_of_a_retrieval_intent_are_told_apart_and_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (assistant, out) = (dir.path().join("shop"), dir.path().join("release"));
    succeed(&["init", path(&assistant)]);
    let write = |file: &str, text: &str| std::fs::write(assistant.join(file), text).unwrap();
    write(
        "data/faq.yml",
        "nlu:\n- intent: faq/delivery\n  examples: |\n    - how long does delivery take\n    - when will my parcel arrive\n    - do you ship abroad\n    - what does shipping cost\n\
         - intent: faq/returns\n  examples: |\n    - can I return an item\n    - how do I send something back\n    - I want my money back\n    - what is your refund policy\n\
         responses:\n  utter_faq/delivery:\n  - text: Two days.\n  utter_faq/returns:\n  - text: Within 30 days.\n\
         rules:\n- rule: answer questions\n  steps:\n  - intent: faq\n  - action: utter_faq\n",
    );
    write("faq_domain.yml", "intents:\n- faq\n");
    write(
        "tests/test_questions.yml",
        "stories:\n- story: questions\n  steps:\n  - user: is shipping free\n    intent: faq/delivery\n  - action: utter_faq\n\
         \x20 - user: how can I send this back\n    intent: faq/returns\n  - action: utter_faq\n",
    );
    succeed(&["train", "--assistant", path(&assistant), "--out", path(&out)]);
    assert!(succeed(&["test", "--release", path(&out)]).contains("2 passed, 0 failed"));
    let parsed = succeed(&["parse", "--release", path(&out), "how do refunds work"]);
    let parsed: Value = serde_json::from_str(&parsed).unwrap();
    assert_eq!(
        (&parsed["intent"]["name"], &parsed["intent"]["full_retrieval_intent_name"]),
        (&"faq".into(), &"faq/returns".into())
    );
    let chosen = &parsed["response_selector"]["default"];
    assert_eq!(chosen["response"]["utter_action"], "utter_faq/returns");
    assert_eq!(chosen["response"]["responses"][0]["text"], "Within 30 days.");
    assert_eq!(chosen["ranking"].as_array().unwrap().len(), 2);
}

#[test]
fn an_assistant_is_asked_what_it_did_not_learn() {
    let dir = tempfile::tempdir().unwrap();
    let (assistant, out) = (dir.path().join("shop"), dir.path().join("evaluation"));
    succeed(&["init", path(&assistant)]);
    let said =
        succeed(&["evaluate", "--assistant", path(&assistant), "--folds", "2", "--seeds", "2", "--out", path(&out)]);
    assert!(said.contains("intent accuracy") && said.contains("report.md"), "{said}");
    let json = |file: &str| -> Value { serde_json::from_slice(&std::fs::read(out.join(file)).unwrap()).unwrap() };
    let report = json("intent_report.json");
    assert_eq!(report["intents"].as_object().unwrap().len(), 4, "{report}");
    assert!(report["accuracy"].as_f64().unwrap() > 0.5, "{report}");
    assert_eq!(json("evaluation.json")["rounds"].as_array().unwrap().len(), 2);
    for chart in ["confusion_matrix.svg", "confidence_histogram.svg"] {
        assert!(std::fs::read_to_string(out.join(chart)).unwrap().contains("<svg"));
    }
    assert!(std::fs::read_to_string(out.join("report.md")).unwrap().contains("| greet |"));

    // A trained release is asked a file; what it learned from, it knows.
    let nlu = assistant.join("data/nlu.yml");
    let said = succeed(&["evaluate", "--nlu", path(&nlu), "--release", path(release()), "--out", path(&out)]);
    assert!(said.starts_with("intent accuracy 100.0 %"), "{said}");
    let refused = fail(2, &["evaluate", "--nlu", path(&assistant.join("domain.yml")), "--release", path(release())]);
    assert!(refused.contains("domain.yml:") && refused.contains("a file of examples holds `nlu:` only"), "{refused}");

    // Two configurations on the same divisions: the fallback takes what is not sure enough.
    let config = assistant.join("config.yml");
    let strict = dir.path().join("strict.yml");
    std::fs::write(&strict, "pipeline:\n- name: FallbackClassifier\n  threshold: 0.999\n").unwrap();
    let compared = succeed(&[
        "evaluate",
        "--assistant",
        path(&assistant),
        "--folds",
        "2",
        "--out",
        path(&out),
        "--compare",
        path(&config),
        path(&strict),
    ]);
    let row = compared.lines().find(|l| l.starts_with("| intent accuracy")).unwrap_or_default();
    assert!(row.contains("| -"), "{compared}");
    assert!(fail(2, &["evaluate", "--held-out", "1.5"]).contains("between 0 and 1"));
}

#[test]
fn training_twice_gives_the_same_release() {
    let dir = tempfile::tempdir().unwrap();
    let (assistant, out) = (dir.path().join("shop"), dir.path().join("release"));
    succeed(&["init", path(&assistant)]);
    succeed(&["train", "--assistant", path(&assistant), "--out", path(&out)]);
    assert!(std::fs::read(&out).unwrap() == std::fs::read(release()).unwrap(), "the same input, other bytes");
}

#[test]
fn a_mistake_in_an_assistant_is_named_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let assistant = dir.path().join("shop");
    succeed(&["init", path(&assistant)]);
    let rules = assistant.join("data/rules.yml");
    let broken = std::fs::read_to_string(&rules).unwrap().replace("utter_hours", "utter_ours");
    std::fs::write(&rules, broken).unwrap();
    let said = fail(1, &["validate", path(&assistant)]);
    assert!(said.contains("data/rules.yml:") && said.contains("utter_ours"), "{said}");
    // Training refuses it too, and leaves nothing behind.
    let out = dir.path().join("release");
    fail(2, &["train", "--assistant", path(&assistant), "--out", path(&out)]);
    assert!(!out.exists());
}

#[test]
fn a_failed_test_story_shows_what_was_expected_and_what_came() {
    let dir = tempfile::tempdir().unwrap();
    let (assistant, out) = (dir.path().join("shop"), dir.path().join("release"));
    succeed(&["init", path(&assistant)]);
    let tests = assistant.join("tests/test_stories.yml");
    let wrong = std::fs::read_to_string(&tests).unwrap().replace("- action: utter_hours", "- action: utter_welcome");
    std::fs::write(&tests, wrong).unwrap();
    succeed(&["train", "--assistant", path(&assistant), "--out", path(&out)]);
    let run = tertulia(&["test", "--release", path(&out)]);
    let said = text(&run.stdout);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("utter_welcome") && said.contains("utter_hours"), "{said}");
    assert!(said.contains("0 passed, 1 failed"), "{said}");
}

#[test]
fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    assert!(fail(2, &["validate", path(&nowhere)]).contains("not a folder"));
    assert!(fail(2, &["test", "--release", path(&nowhere)]).contains("expected a release made by"));
    assert!(fail(2, &["serve", "--config", path(&nowhere)]).contains("cannot read the configuration"));
    assert!(fail(2, &["status", "--url", "http://127.0.0.1:1"]).contains("no node answers"));
    // A broken encoder is named with its file.
    std::fs::write(dir.path().join("config.json"), "{}").unwrap();
    let said = fail(2, &["parse", "--release", path(release()), "--encoder", path(dir.path()), "hi"]);
    assert!(said.contains("config.json"), "{said}");
}

#[test]
fn a_port_in_use_and_a_typo_in_the_configuration_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = Node::config(dir.path(), "test", port, "");
    let said = fail(2, &["serve", "--config", path(&config)]);
    assert!(said.contains("http.listen") && said.contains(&port.to_string()), "{said}");

    let config = Node::config(dir.path(), "test", free_port(), "sesions:\n  active_max: 5\n");
    let said = fail(2, &["serve", "--config", path(&config)]);
    assert!(said.contains("node.yml") && said.contains("sesions"), "{said}");

    let config = Node::config(dir.path(), "test", free_port(), "raft:\n  heartbeat_ms: 1\n");
    let said = fail(2, &["serve", "--config", path(&config)]);
    assert!(said.contains("raft.heartbeat_ms: found 1, expected 10 to 10000"), "{said}");
}

#[test]
fn models_are_listed_and_what_is_not_there_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tertulia"));
        let out = command.args(args).env("TERTULIA_CACHE", cache.path()).output().unwrap();
        (out.status.code(), text(&out.stdout), text(&out.stderr))
    };
    let (code, list, _) = run(&["model", "list", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(code, Some(0));
    let models = list["models"].as_array().unwrap();
    assert_eq!((&models[0]["name"], &models[1]["name"]), (&"all-minilm-l6-v2".into(), &"multilingual-e5-small".into()));
    assert_eq!(
        (&models[1]["layers"], &models[1]["width"], &models[1]["cached"]),
        (&12.into(), &384.into(), &false.into())
    );
    // A folder that was put there by hand is listed with what can be read of it.
    std::fs::create_dir_all(cache.path().join("models/someone--else")).unwrap();
    let (_, list, _) = run(&["model", "list"]);
    assert!(list.lines().any(|l| l.starts_with("someone/else") && l.contains("put there by hand")), "{list}");

    for (args, words) in [
        (&["model", "verify", "multilingual-e5-small"][..], "`tertulia model pull multilingual-e5-small` fetches it"),
        (
            &["model", "pull", "minilm"],
            "\"minilm\" is no model: expected one of all-minilm-l6-v2, multilingual-e5-small",
        ),
        (&["model", "pull", "./here"], "a folder is not fetched"),
        (&["model", "bench", "someone/tiny"], "`tertulia model pull someone/tiny` fetches it"),
    ] {
        let (code, _, said) = run(args);
        assert!(code == Some(2) && said.contains(words), "{args:?}: {said}");
    }
    let (code, _, said) = run(&["model", "verify"]);
    assert!(code == Some(1) && said.contains("no tertulia-model.json"), "{said}");
}
