//! `tertulia test` and skills as users have them: reports, whole turns with an action server, skills alone and composed.

#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

mod common;

use axum::{Json, Router, routing::post};
use common::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn write(dir: &Path, file: &str, text: &str) {
    let path = dir.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// `tertulia init`'s assistant.
fn assistant(dir: &tempfile::TempDir) -> PathBuf {
    let assistant = dir.path().join("shop");
    succeed(&["init", path(&assistant)]);
    assistant
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let target = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            std::fs::create_dir_all(to).unwrap();
            std::fs::copy(&entry, target).unwrap();
        }
    }
}

#[test]
fn a_new_skill_passes_alone_and_as_a_part_of_assistants() {
    let dir = tempfile::tempdir().unwrap();
    let tienda = dir.path().join("tienda");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../bots/tienda"), &tienda);
    for assistant in [assistant(&dir), tienda] {
        let said = succeed(&["init", path(&assistant), "--skill", "gift-cards"]);
        assert!(said.contains("config.yml names it below `skills`"), "{said}");
        let again = fail(2, &["init", path(&assistant), "--skill", "gift-cards"]);
        assert!(again.contains("skill.yml: there already; nothing was written"), "{again}");
        let skill = assistant.join("skills/gift-cards");
        assert!(succeed(&["test", path(&skill)]).contains("1 passed, 0 failed"));

        assert!(succeed(&["validate", "--strict", path(&assistant)]).contains(", gift-cards 0.1.0"));
        let release = dir.path().join("release");
        succeed(&["train", "--assistant", path(&assistant), "--out", path(&release)]);
        let held = tertulia_node::release::Release::read(&release).unwrap().trained.sources;
        assert!(held.iter().any(|source| source.path == "skills/gift-cards/skill.yml"));
        let of_skill = succeed(&["test", "--release", path(&release), "--skill", "gift-cards"]);
        assert!(of_skill.contains("1 passed, 0 failed"), "{of_skill}");
        let all = succeed(&["test", "--release", path(&release)]);
        assert!(all.contains(" 0 failed") && !all.contains("\n1 passed"), "{all}");
        let none = fail(2, &["test", "--release", path(&release), "--skill", "gift"]);
        assert!(none.contains("no such skill; it has gift-cards"), "{none}");
    }
    let refused = fail(2, &["init", path(dir.path()), "--skill", "Gift Cards"]);
    assert!(refused.contains("found \"Gift Cards\", expected small letters"), "{refused}");
}

#[test]
fn skills_come_from_anywhere_and_bring_what_they_need() {
    let dir = tempfile::tempdir().unwrap();
    let assistant = assistant(&dir);
    let library = dir.path().join("library");
    succeed(&["init", path(&library), "--skill", "parking"]);
    succeed(&["init", path(&library), "--skill", "garage"]);
    let garage = library.join("garage");
    let manifest = std::fs::read_to_string(garage.join("skill.yml")).unwrap();
    write(
        &garage,
        "skill.yml",
        &format!("{manifest}\nneeds:\n  parking: {{version: ^0.1, responses: [utter_parking]}}\n"),
    );
    let rules = std::fs::read_to_string(garage.join("data/rules.yml")).unwrap();
    write(&garage, "data/rules.yml", &format!("{}      - action: utter_parking\n", rules));
    let tests = std::fs::read_to_string(garage.join("tests/test_stories.yml")).unwrap();
    write(&garage, "tests/test_stories.yml", &format!("{tests}      - action: utter_parking\n"));

    // Alone, what it needs is found beside it; only its own stories are asked for.
    let alone = succeed(&["test", path(&garage), "--skill", "garage", "--only", "garage"]);
    assert!(alone.contains("1 passed, 0 failed"), "{alone}");

    // In an assistant, from another folder: both are named, and a release holds them.
    let lacking = fail(1, &["validate", path(&assistant), "--skill", path(&garage)]);
    assert!(lacking.contains("needs.parking: there is no skill `parking`"), "{lacking}");
    assert!(lacking.contains("skill: skills/garage is "), "{lacking}");
    let parking = library.join("parking");
    let both = ["--skill", path(&garage), "--skill", path(&parking)];
    succeed(&[&["validate", path(&assistant)], &both[..]].concat());
    let release = dir.path().join("release");
    succeed(&[&["train", "--assistant", path(&assistant), "--out", path(&release)], &both[..]].concat());
    let said = succeed(&["test", "--release", path(&release)]);
    assert!(said.contains("3 passed, 0 failed"), "{said}");

    // Conflicts name both places; a folder that is no skill is named.
    write(&parking, "domain.yml", "intents: [greet, ask_parking]\nresponses: {utter_parking: [{text: Here}]}\n");
    let refused = fail(1, &[&["validate", path(&assistant)], &both[..]].concat());
    let expected = "skills/parking/domain.yml:1:11: intents.greet: the assistant declares the intent `greet` too, at domain.yml:4:5; \
        rename one of them, or share it: `intents: [greet]` below `needs.assistant` of skills/parking/skill.yml";
    assert!(refused.contains(expected), "{refused}");
    let no_skill = fail(2, &["validate", path(&assistant), "--skill", path(&library)]);
    assert!(no_skill.contains("found no skill.yml, expected a skill's folder"), "{no_skill}");
}

#[test]
fn reports_are_read_by_others() {
    let dir = tempfile::tempdir().unwrap();
    let assistant = assistant(&dir);
    write(
        &assistant,
        "tests/more/test_wrong.yml",
        "stories:\n- story: \"wrong <&> \\u0007\"\n  steps:\n  - user: hello\n    intent: greet\n  - action: utter_hours\n\
         - story: right\n  steps:\n  - user: hello\n    intent: greet\n  - action: utter_greet\n",
    );
    let file = |name: &str| dir.path().join(name);
    let [junit, json, failed] = ["junit.xml", "report.json", "failed.yml"].map(file);
    let reports = ["--junit", path(&junit), "--json", path(&json), "--failed", path(&failed)];
    let run = tertulia(&[&["test", path(&assistant)], &reports[..]].concat());
    let said = text(&run.stdout);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("expected utter_hours, predicted utter_greet at tests/more/test_wrong.yml:6"), "{said}");
    assert!(said.contains("2 passed, 1 failed in "), "{said}");
    assert!(said.contains("actions: 9 of 10 right (90.0 %)"), "{said}");

    // A reader that others wrote finds suites, cases and the failure.
    let suites = junit_parser::from_reader(std::io::Cursor::new(std::fs::read(&junit).unwrap())).unwrap();
    assert_eq!((suites.tests, suites.failures, suites.errors), (3, 1, 0));
    let of_file: Vec<(&str, u64, u64)> = suites.suites.iter().map(|s| (s.name.as_str(), s.tests, s.failures)).collect();
    assert_eq!(of_file, [("tests/more/test_wrong.yml", 2, 1), ("tests/test_stories.yml", 1, 0)]);
    let wrong = &suites.suites[0].cases[0];
    assert_eq!((wrong.original_name.trim(), wrong.classname.as_deref()), ("wrong <&>", Some("tests.more.test_wrong")));
    assert_eq!((wrong.file.as_deref(), wrong.line), (Some("tests/more/test_wrong.yml"), Some(2)));
    assert!(suites.suites[0].time > 0.0 && wrong.time > 0.0);
    let junit_parser::TestStatus::Failure(failure) = &wrong.status else { panic!("{:?}", wrong.status) };
    assert_eq!(failure.message, "expected utter_hours, predicted utter_greet at tests/more/test_wrong.yml:6");
    assert!(suites.suites[0].cases[1].status.is_success());

    let json: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!((&json["passed"], &json["failed"], &json["mode"]), (&2.into(), &1.into(), &"predicted".into()));
    assert_eq!(json["stories"][0]["failures"][0]["line"], 6);
    assert_eq!(json["actions"]["by_action"]["utter_hours"]["recall"], 0.5);

    // The failed stories are stories again: they fail in the same way.
    let again = dir.path().join("again");
    copy(&assistant, &again);
    std::fs::remove_dir_all(again.join("tests")).unwrap();
    std::fs::create_dir(again.join("tests")).unwrap();
    std::fs::copy(&failed, again.join("tests/test_failed.yml")).unwrap();
    let run = tertulia(&["test", path(&again)]);
    assert!(text(&run.stdout).contains("0 passed, 1 failed"), "{}", text(&run.stdout));

    let first = tertulia(&["test", path(&assistant), "--fail-fast"]);
    assert!(text(&first.stdout).contains("0 passed, 1 failed, 2 not run"), "{}", text(&first.stdout));
    let nowhere = fail(2, &["test", path(&assistant), "--junit", path(&dir.path().join("no/where.xml"))]);
    assert!(nowhere.contains("where.xml: cannot write"), "{nowhere}");
}

/// Answers `action_stock` by the slot that the tracker brings.
async fn webhook(Json(call): Json<Value>) -> Json<Value> {
    assert_eq!(call["next_action"], "action_stock");
    let wanted = call["tracker"]["slots"]["fruit"].as_str().unwrap_or("nothing").to_owned();
    let slot = json!({"event": "slot", "name": "found", "value": wanted == "pears"});
    Json(json!({"events": [slot], "responses": [{"text": format!("{wanted}: three boxes")}]}))
}

#[tokio::test(flavor = "multi_thread")]
async fn stories_are_played_with_the_action_server() {
    let dir = tempfile::tempdir().unwrap();
    let assistant = assistant(&dir);
    write(
        &assistant,
        "stock.yml",
        "intents: [ask_stock]\nentities: [fruit, shelf]\nactions: [action_stock]\n\
         slots:\n  fruit: {type: text, influence_conversation: false, mappings: [{type: from_entity, entity: fruit}]}\n  found: {type: bool, mappings: [{type: custom}]}\n\
         responses:\n  utter_found: [{text: \"Take some {fruit}\"}]\n\
         nlu:\n- intent: ask_stock\n  examples: |\n    - are there any [pears](fruit)?\n    - do you have [apples](fruit) in stock?\n    - is there any [kiwi](fruit) left?\n    - how many [figs](fruit) do you have?\n\
         - regex: shelf\n  examples: |\n    - \\b[A-Z]\\d{3}\\b\n- lookup: fruit\n  examples: |\n    - pears\n    - apples\n\
         rules:\n- rule: look\n  steps: [{intent: ask_stock}, {action: action_stock}, {slot_was_set: [{found: true}]}, {action: utter_found}]\n",
    );
    write(
        &assistant,
        "tests/test_stock.yml",
        "stories:\n- story: pears\n  steps:\n  - user: do you have any [pears](fruit) left in [Z908](shelf)?\n    intent: ask_stock\n  - action: action_stock\n\
         \x20 - bot: \"pears: three boxes\"\n  - slot_was_set: [{found: true}]\n  - action: utter_found\n  - bot: Take some pears\n",
    );
    let release = dir.path().join("release");
    succeed(&["train", "--assistant", path(&assistant), "--out", path(&release)]);
    let e2e = ["test", "--release", path(&release), "--only", "pears", "--e2e"];

    // Without a server the story fails and says what is missing.
    let alone = tertulia(&e2e);
    let said = text(&alone.stdout);
    assert_eq!(alone.status.code(), Some(1), "{said}");
    assert!(said.contains("no action server: give --action-endpoint URL"), "{said}");

    // With one it passes, words and slots included.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let server = tokio::spawn(async { axum::serve(listener, Router::new().route("/webhook", post(webhook))).await });
    let args: Vec<String> = e2e.iter().chain(&["--action-endpoint", &url]).map(|a| (*a).to_owned()).collect();
    let served = tokio::task::spawn_blocking(move || succeed(&args.iter().map(String::as_str).collect::<Vec<_>>()));
    let said = served.await.unwrap();
    assert!(said.contains("1 passed, 0 failed"), "{said}");
    assert!(said.contains("actions: 3 of 3 right"), "{said}");

    // endpoints.yml names it as well; what is said in other words than the story's fails.
    write(&assistant, "endpoints.yml", &format!("action_endpoint: {{url: \"{url}\"}}\n"));
    let tests = std::fs::read_to_string(assistant.join("tests/test_stock.yml")).unwrap();
    write(&assistant, "tests/test_stock.yml", &tests.replace("three boxes", "two boxes"));
    let folder = path(&assistant).to_owned();
    let run = tokio::task::spawn_blocking(move || tertulia(&["test", &folder, "--e2e", "--only", "pears"]));
    let said = text(&run.await.unwrap().stdout);
    let expected = "expected the words \"pears: two boxes\", got \"pears: three boxes\" at tests/test_stock.yml:7";
    assert!(said.contains(expected), "{said}");
    server.abort();
    let refused = fail(2, &["test", "--action-endpoint", &url]);
    assert!(refused.contains("--e2e"), "{refused}");
}

#[test]
fn assistants_of_others_pass_their_stories() {
    for (bot, stories) in [("moodbot", 7), ("helpdesk-assistant", 12)] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/bots").join(bot);
        if !dir.is_dir() {
            eprintln!("{} is absent: this test did not run", dir.display());
            continue;
        }
        let said = succeed(&["test", path(&dir)]);
        assert!(said.contains(&format!("{stories} passed, 0 failed")), "{said}");
    }
}
