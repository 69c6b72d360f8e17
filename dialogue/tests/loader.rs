//! What the loader says of files that are wrong: each message names file, line, column and field.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

mod common;

use common::lines;
use expect_test::{Expect, expect};
use tertulia_dialogue::{
    engine::Engine,
    format::{Assistant, SourceFile},
};

/// Loads files given as (path, text) and compares everything that is said of them.
fn check(files: &[(&str, &str)], expected: Expect) {
    let files: Vec<SourceFile> =
        files.iter().map(|(path, text)| SourceFile { path: (*path).into(), text: (*text).into() }).collect();
    let said = match Assistant::load(&files) {
        Err(errors) => lines(&errors),
        Ok(loaded) => {
            let warnings = lines(&loaded.warnings);
            match Engine::new(loaded.assistant) {
                Err(errors) => lines(&errors),
                Ok(_) => format!("fine\n{warnings}"),
            }
        }
    };
    expected.assert_eq(&said);
}

const DOMAIN: (&str, &str) = (
    "domain.yml",
    "intents: [greet, bye]\nentities: [city]\nresponses:\n  utter_hi:\n  - text: Hi\n  utter_bye:\n  - text: Bye\n",
);

#[test]
fn a_small_assistant_is_fine() {
    check(
        &[DOMAIN, ("data/rules.yml", "rules:\n- rule: hi\n  steps:\n  - intent: greet\n  - action: utter_hi\n")],
        expect![[r#"
            fine
        "#]],
    );
}

#[test]
fn malformed_yaml() {
    check(
        &[("domain.yml", "intents:\n- greet\n  entities: [\n")],
        expect!["domain.yml:3:11: malformed YAML: mapping values are not allowed in this context"],
    );
    check(
        &[("domain.yml", "intents: [greet]\nintents: [bye]\n")],
        expect!["domain.yml:2:1: malformed YAML: duplicated key in mapping"],
    );
    check(
        &[("domain.yml", "- greet\n")],
        expect![[r#"domain.yml:1:1: found a list of 1, expected a mapping such as `version: "3.1"` and `intents:`"#]],
    );
    check(&[], expect![".: no file whose name ends in .yml or .yaml; expected domain.yml at least"]);
}

#[test]
fn unknown_keys_with_the_nearest_known_one() {
    check(
        &[(
            "domain.yml",
            "intent: [greet]\nslots:\n  size:\n    type: txt\n    mapping: []\nforms:\n  f:\n    required_slot: [size]\n",
        )],
        expect![[r#"
            domain.yml:1:1: intent: unknown key `intent`, did you mean `intents`?
            domain.yml:3:3: slots.size.mappings: is missing; say how the slot is filled, e.g. `mappings: [{type: custom}]`
            domain.yml:4:11: slots.size.type: found the text "txt", expected one of text, bool, float, list, categorical, any, did you mean `text`?
            domain.yml:5:5: slots.size: unknown key `mapping`, did you mean `mappings`?; allowed are type, influence_conversation, initial_value, values, min_value, max_value, mappings, value_reset_delay, metadata
            domain.yml:8:5: forms.f: unknown key `required_slot`, did you mean `required_slots`?; allowed are required_slots, ignored_intents"#]],
    );
}

#[test]
fn a_story_that_names_unknown_things() {
    let stories = "stories:\n- story: one\n  steps:\n  - intent: gret\n  - action: utter_hii\n  - slot_was_set:\n    - size: 3\n  - active_loop: f\n  - intent: bye\n    entities: [town]\n  - action: action_two_stage_fallback\n  - bot: hi\n  - user: hello\n";
    check(
        &[DOMAIN, ("data/stories.yml", stories)],
        expect![[r#"
            data/stories.yml:4:5: stories.one: unknown intent `gret`, did you mean `greet`?
            data/stories.yml:5:5: stories.one: unknown action `utter_hii`, did you mean `utter_hi`?
            data/stories.yml:6:5: stories.one: unknown slot `size`
            data/stories.yml:8:5: stories.one: unknown form `f`
            data/stories.yml:9:5: stories.one: unknown entity `town`"#]],
    );
}

#[test]
fn duplicates_name_both_places() {
    let second =
        "intents: [bye]\nresponses:\n  utter_hi:\n  - text: Hello\nsession_config:\n  session_expiration_time: -1\n";
    check(
        &[DOMAIN, ("more/domain.yml", second)],
        expect![[r#"
            more/domain.yml:3:3: responses.utter_hi: declared twice, and not in the same way; the first time at domain.yml:4:3
            more/domain.yml:6:28: session_config.session_expiration_time: found the number -1, expected minutes, 0 or more"#]],
    );
}

#[test]
fn slot_mappings_that_lead_nowhere() {
    let slots = "slots:\n  to:\n    type: text\n    mappings:\n    - type: from_entity\n      entity: citty\n    - type: from_entity\n      entity: city\n      role: target\n    - type: from_intent\n      intent: gret\n    - type: from_text\n      conditions:\n      - active_loop: f\n  size:\n    type: categorical\n  n:\n    type: text\n    mappings: [{type: from_enttiy}]\n";
    check(
        &[DOMAIN, ("slots.yml", slots)],
        expect![[r#"
        slots.yml:5:7: slots.to.mappings[0].entity: unknown entity `citty`, did you mean `city`?
        slots.yml:7:7: slots.to.mappings[1].entity: the entity `city` has no role `target`
        slots.yml:10:7: slots.to.mappings[2].value: is missing; a mapping of type from_intent needs it
        slots.yml:10:7: slots.to.mappings[2].intent: unknown intent `gret`, did you mean `greet`?
        slots.yml:12:7: slots.to.mappings[3].conditions: unknown form `f`
        slots.yml:15:3: slots.size.values: a categorical slot needs the list of its values
        slots.yml:15:3: slots.size.mappings: is missing; say how the slot is filled, e.g. `mappings: [{type: custom}]`
        slots.yml:19:23: slots.n.mappings[0].type: found from_enttiy, expected one of from_entity, from_text, from_intent, from_trigger_intent, custom, did you mean `from_entity`?"#]],
    );
}

#[test]
fn bad_markup_in_examples() {
    let nlu = "nlu:\n- intent: greet\n  examples: |\n    - hi\n    - hi from [Madrid](city\n    - to [Madrid]{\"entity\": city}\n    - to [Madrid](town)\n    no dash\n- intent: faq/price\n  examples: |\n    - how much\n- regex: city\n  examples: |\n    - (?<=a)b\n- intents: greet\n";
    check(
        &[DOMAIN, ("data/nlu.yml", nlu)],
        expect![[r#"
            data/nlu.yml:5:15: nlu[0].examples: the annotation of [Madrid] is not closed, expected `)`
            data/nlu.yml:6:10: nlu[0].examples: the annotation of [Madrid] is not valid JSON: {"entity": city} (expected value at line 1 column 12)
            data/nlu.yml:7:5: nlu.examples: unknown entity `town`
            data/nlu.yml:8:5: nlu[0].examples: found the line "no dash", expected it to begin with `- `
            data/nlu.yml:9:11: nlu.intent: the response `utter_faq/price` is missing; write it below `responses:`
            data/nlu.yml:11:5: nlu.intent: unknown intent `faq`
            data/nlu.yml:14:5: nlu[2].examples: "(?<=a)b" is not a regular expression: look-around, including look-ahead and look-behind, is not supported
            data/nlu.yml:15:3: nlu[3]: unknown key `intents`, did you mean `intent`?; allowed are intent, synonym, regex, lookup, examples, metadata
            data/nlu.yml:15:3: nlu[3]: names none of intent, synonym, regex, lookup"#]],
    );
}

#[test]
fn contradicting_rules() {
    let rules = "rules:\n- rule: one\n  steps:\n  - intent: greet\n  - action: utter_hi\n- rule: two\n  steps:\n  - intent: greet\n  - action: utter_bye\n- rule: long\n  steps:\n  - intent: greet\n  - action: utter_hi\n  - intent: bye\n  - action: utter_bye\n";
    check(
        &[DOMAIN, ("data/rules.yml", rules)],
        expect!["data/rules.yml:10:3: rules.long: has 2 user messages, a rule may have one; write a story"],
    );
    let rules = rules.split("- rule: long").next().unwrap();
    check(
        &[DOMAIN, ("data/rules.yml", rules)],
        expect![[r#"
        data/rules.yml:2:3: rules.one: the action `utter_hi` in the rule `one` contradicts the rule `two`, which does something else at the same moment
        data/rules.yml:6:3: rules.two: the action `utter_bye` in the rule `two` contradicts the rule `one`, which does something else at the same moment"#]],
    );
    let rules = "rules:\n- rule: one\n  steps:\n  - intent: greet\n  - action: utter_hi\nstories:\n- story: other\n  steps:\n  - intent: greet\n  - action: utter_bye\n";
    check(
        &[DOMAIN, ("data/rules.yml", rules)],
        expect![
            "data/rules.yml:7:3: stories.other: the action `utter_bye` in the story `other` contradicts the rule `one`, which says `utter_hi`"
        ],
    );
}

#[test]
fn checkpoints() {
    let stories = "stories:\n- story: one\n  steps:\n  - intent: greet\n  - action: utter_hi\n  - checkpoint: greeted\n- story: two\n  steps:\n  - checkpoint: greeted\n  - intent: bye\n  - action: utter_bye\n- story: lost\n  steps:\n  - checkpoint: nowhere\n  - intent: bye\n  - action: utter_bye\n";
    check(
        &[DOMAIN, ("data/stories.yml", stories)],
        expect!["data/stories.yml:12:3: lost: no story leads to the checkpoint `nowhere`"],
    );
}

#[test]
fn settings() {
    let config = "recipe: graph.v1\nlanguage: en\npipline: []\npipeline:\n- name: WhitespaceTokeniser\n- name: DIETClassifier\n  epochs: 10\n- name: ResponseSelector\n- name: FallbackClassifier\n  threshold: 1.5\npolicies:\n- name: TEDPolicy\n- name: RulePolicy\n  core_fallback_action_name: action_fallback\n- name: my.Policy\n";
    check(
        &[DOMAIN, ("config.yml", config)],
        expect![[r#"
            config.yml:1:9: recipe: found the text "graph.v1", expected default.v1
            config.yml:3:1: pipline: unknown key `pipline`, did you mean `pipeline`?
            config.yml:5:3: pipeline[0]: unknown component `WhitespaceTokeniser`, did you mean `WhitespaceTokenizer`?; custom components are not supported: let a custom action look at the message, or write examples, regexes and lookup tables
            config.yml:10:14: pipeline[3].threshold: found the number 1.5, expected a number from 0 to 1, or `auto`
            config.yml:11:1: policies: unknown action `action_fallback`
            config.yml:15:3: policies[2]: unknown policy `my.Policy`, did you mean `TEDPolicy`?; custom policies are not supported: write rules and stories, or let a custom action choose the next one with a `followup` event"#]],
    );
    let config = "policies:\n- name: MemoizationPolicy\n";
    let rules = "rules:\n- rule: one\n  steps:\n  - intent: greet\n  - action: utter_hi\n";
    check(
        &[DOMAIN, ("config.yml", config), ("data/rules.yml", rules)],
        expect![
            "config.yml: policies: there are rules or forms, but the list lacks RulePolicy; add `- name: RulePolicy`"
        ],
    );
    check(
        &[DOMAIN, ("endpoints.yml", "action_endpoint: {}\ntracker_store: {type: SQL}\n"), ("flows.yml", "flows: {}\n")],
        expect![[r#"
            endpoints.yml:1:1: action_endpoint.url: is missing
            flows.yml:1:1: flows: flows are not supported; write rules, stories and forms"#]],
    );
}

#[test]
fn forms_that_cannot_ask() {
    let domain = "forms:\n  f:\n    required_slots: [size, colour]\n    ignored_intents: greeet\nslots:\n  size: {type: text, mappings: [{type: from_text}]}\n";
    check(
        &[DOMAIN, ("forms.yml", domain)],
        expect![[r#"
        forms.yml:2:3: forms.f.required_slots: unknown slot `colour`
        forms.yml:2:3: forms.f.ignored_intents: unknown intent `greeet`, did you mean `greet`?"#]],
    );
    let domain =
        "forms:\n  f:\n    required_slots: [size]\nslots:\n  size: {type: text, mappings: [{type: from_text}]}\n";
    check(
        &[DOMAIN, ("forms.yml", domain)],
        expect![[r#"
        fine
        forms.yml:2:3: forms.f: nothing asks for `size`; write the response `utter_ask_size`"#]],
    );
}
