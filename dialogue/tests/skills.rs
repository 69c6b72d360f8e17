//! Skills as others write them: whatever stands in their files, the loader answers with places.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

use proptest::prelude::*;
use tertulia_dialogue::format::{Assistant, SourceFile, skill_outline};

const MANIFEST: &str = "name: wine\nversion: 1.0.0\ndescription: Drinks\nexports:\n  intents: [ask_wine]\n  slots: [kind]\n\
    needs:\n  bill: {version: ^1.0, intents: [pay]}\n  assistant:\n    responses: [utter_hi]\n";

fn files(manifest: &str) -> Vec<SourceFile> {
    let all = [
        ("bill/domain.yml", "intents: [pay]\n"),
        ("bill/skill.yml", "name: bill\nversion: 1.2.0\nexports: {intents: [pay]}\n"),
        ("config.yml", "skills: [bill, wine]\n"),
        ("domain.yml", "intents: [greet]\nresponses: {utter_hi: [{text: Hi}]}\n"),
        ("wine/domain.yml", "intents: [ask_wine]\nslots: {kind: {type: text, mappings: [{type: from_text}]}}\n"),
        ("wine/rules.yml", "rules:\n- rule: pay\n  steps: [{intent: pay}, {action: utter_hi}]\n"),
        ("wine/skill.yml", manifest),
    ];
    all.map(|(path, text)| SourceFile { path: path.into(), text: text.into() }).into()
}

#[test]
fn a_skill_is_known_by_its_manifest() {
    let loaded = Assistant::load(&files(MANIFEST)).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let skills: Vec<String> = loaded
        .assistant
        .skills
        .iter()
        .map(|s| format!("{} {} in {}: {}", s.name, s.version, s.folder, s.description))
        .collect();
    assert_eq!(skills, ["bill 1.2.0 in bill: ", "wine 1.0.0 in wine: Drinks"]);
    let wine = &loaded.assistant.skills[1];
    assert!(wine.holds("wine/tests/test_a.yml") && !wine.holds("wines/domain.yml") && !wine.holds("domain.yml"));
    let outline = skill_outline(&files(MANIFEST)[6]).unwrap();
    assert_eq!((outline.name.as_str(), outline.needs), ("wine", vec!["bill".to_owned()]));
    assert_eq!(skill_outline(&files(MANIFEST)[4]), None);
}

proptest! {
    /// A manifest with a part cut out and something else put there: it loads, or every error names a file and a line.
    #[test]
    fn mangled_manifests_are_answered_with_places(
        from in 0..MANIFEST.len(),
        length in 0..40usize,
        put in prop_oneof![Just(String::new()), "[ -~\n]{0,12}", Just("{}".to_owned()), Just("[]".to_owned()), Just(": ".to_owned())],
    ) {
        let to = (from + length).min(MANIFEST.len());
        let mangled = format!("{}{put}{}", &MANIFEST[..from], &MANIFEST[to..]);
        if let Err(errors) = Assistant::load(&files(&mangled)) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(error.path.ends_with(".yml") && error.line > 0, "{error} of {mangled:?}");
            }
        }
    }
}
