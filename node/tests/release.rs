//! Releases as files: the same for the same input, checked to the last byte, and made of what did not change.

mod common;

use common::*;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tertulia_node::release::{Release, Trained};

/// Why a release of these bytes does not load.
fn refused(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("broken.tertulia");
    std::fs::write(&file, bytes).expect("a file");
    let said = format!("{:#}", Release::read(&file).expect_err("it is refused"));
    assert!(said.contains("broken.tertulia: "), "{said}");
    said
}

/// The archive's files, changed and put together again.
fn changed(change: impl Fn(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
    let bytes = std::fs::read(release()).expect("a release");
    let mut files = Vec::new();
    for entry in tar::Archive::new(&bytes[..]).entries().expect("an archive") {
        let mut entry = entry.expect("a file");
        let path = entry.path().expect("a name").to_string_lossy().into_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).expect("its content");
        files.push((path, content));
    }
    change(&mut files);
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, &content[..]).expect("memory");
    }
    builder.into_inner().expect("memory")
}

#[test]
fn a_release_comes_back_whole_and_its_name_is_its_content() {
    let back = Release::read(release()).unwrap();
    assert!(back.trained.sources.iter().any(|s| s.path == "domain.yml"));
    let dir = tempfile::tempdir().unwrap();
    let (id, file) = back.trained.write(dir.path()).unwrap();
    // As readable as any file that is made here: a server may run as another user than training did.
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let mode = |file: &Path| std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode(&file), mode(&plain));
    assert_eq!(id, back.id);
    assert_eq!(file.file_name().unwrap().to_string_lossy(), format!("{}.tertulia", &id.as_str()[..16]));
    assert!(std::fs::read(&file).unwrap() == std::fs::read(release()).unwrap(), "the same content, other bytes");
}

#[test]
fn no_byte_of_a_release_may_change() {
    let whole = std::fs::read(release()).unwrap();
    // Headers, contents, what fills the blocks up, and the end.
    let step = (whole.len() / 97).max(1);
    for at in (0..whole.len()).step_by(step).chain([whole.len() - 1, whole.len() - 1024, 600]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        refused(&bytes);
    }
    for length in [0, 100, 511, 512, 5000, whole.len() / 2, whole.len() - 512] {
        refused(&whole[..length]);
    }
    let mut longer = whole.clone();
    longer.extend([0; 512]);
    assert!(refused(&longer).contains("the file is damaged"));
}

#[test]
fn what_is_wrong_with_a_release_is_said() {
    let edit = |from: &'static str, to: &'static str| {
        changed(move |files| {
            let text = String::from_utf8(files[0].1.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            files[0].1 = text.replacen(from, to, 1).into_bytes();
        })
    };
    let said = refused(&edit("\"format\": 2", "\"format\": 9"));
    assert!(said.contains("release.json: format: found 9, expected 2; a later version of tertulia made it"), "{said}");
    let said = refused(&edit("\"format\": 2", "\"format\": 1"));
    assert!(said.contains("format: found 1, expected 2; train the assistant again"), "{said}");
    let said = refused(&edit("\"threshold\"", "\"treshold\""));
    assert!(said.contains("treshold"), "{said}");
    let said = refused(&edit("\"threshold\": 0.", "\"threshold\": 1."));
    assert!(said.contains("damaged"), "{said}");
    let said = refused(&changed(|files| files[1].1.push(b'\n')));
    assert!(said.contains("assistant/config.yml: SHA-256: found"), "{said}");
    let said = refused(&changed(|files| drop(files.remove(2))));
    assert!(said.contains("not the file that the manifest names there"), "{said}");
    let said = refused(&changed(|files| drop(files.pop())));
    assert!(said.contains("is missing"), "{said}");
    let said = refused(&changed(|files| files.swap(0, 1)));
    assert!(
        said.contains("not a release: its first file is \"assistant/config.yml\", expected release.json"),
        "{said}"
    );
    assert!(refused(b"PK\x03\x04 something else altogether").contains("not a whole archive"));

    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| format!("{:#}", Release::read(path).err().unwrap());
    assert!(error(dir.path()).contains("a folder; expected a release made by `tertulia train"));
    std::fs::write(dir.path().join("release.json"), "{}").unwrap();
    assert!(error(dir.path()).contains("a release of format 1; train the assistant again"));
    let thesis = dir.path().join("thesis.txt");
    std::fs::write(&thesis, "precious").unwrap();
    assert!(Trained::may_write(&thesis).unwrap_err().to_string().contains("something else than a release"));
    let said = fail(2, &["train", "--assistant", path(dir.path()), "--out", path(&thesis)]);
    assert!(said.contains("something else than a release"), "{said}");
    assert_eq!(std::fs::read_to_string(&thesis).unwrap(), "precious");
}

#[test]
fn only_what_changed_is_trained_again_and_the_outcome_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (assistant, out, anew) =
        (dir.path().join("shop"), dir.path().join("a.tertulia"), dir.path().join("b.tertulia"));
    succeed(&["init", path(&assistant)]);
    let train = |out: &Path, more: &[&str]| {
        let said = succeed(&[&["train", "--assistant", path(&assistant), "--out", path(out)], more].concat());
        said.split_once("unchanged: ").map(|(_, kept)| kept.trim_end().trim_end_matches(')').to_owned())
    };
    assert_eq!(train(&out, &[]), None, "the first one has nothing to take from");
    assert_eq!(train(&out, &[]).as_deref(), Some("intents, policy"));
    assert_eq!(train(&out, &["--force"]), None);
    assert_eq!(train(&out, &["--seed", "2"]), None, "another seed makes everything anew");
    train(&out, &[]);

    // A new response changes none of them; a story the policy; an example what learns from examples.
    let edit = |file: &str, from: &str, to: &str| {
        let file = assistant.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
    };
    edit("domain.yml", "- text:", "- text: We say it in another way.\n    - text:");
    assert_eq!(train(&out, &[]).as_deref(), Some("intents, policy"));
    edit("data/stories.yml", "    steps:", "    steps:\n      - intent: goodbye\n      - action: utter_goodbye");
    assert_eq!(train(&out, &[]).as_deref(), Some("intents"));
    edit("data/nlu.yml", "      - hello\n", "      - hello\n      - oh hello again, dear shop\n");
    assert_eq!(train(&out, &[]).as_deref(), Some("policy"));
    train(&anew, &["--force"]);
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&anew).unwrap(), "taken from before, and other bytes");
    // What is damaged lends nothing, and is replaced.
    let mut bytes = std::fs::read(&out).unwrap();
    let last = bytes.len() - 2000;
    bytes[last] ^= 1;
    std::fs::write(&out, bytes).unwrap();
    assert_eq!(train(&out, &[]), None);
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&anew).unwrap());
}
