//! Training, the heads' bytes and what a small assistant understands.

mod common;

use cluster_config::{Device, InferenceOptions, MemoryLimit, Precision};
use common::tiny::Tiny;
use common::{cpu_encoder, cpu_options, gpu_encoder, model_dir, shared};
use dialogue::{Entity, NluExample, Understanding, Value, ports::Scorer};
use safetensors::Dtype;
use std::sync::{LazyLock, Mutex};
use tertulia_shaders::gpu::Gpu;
use tertulia_shaders::{Corpus, Encoder, Heads, ModelError, NluModel, TrainError, TrainOptions, train};

static ENCODER: LazyLock<Encoder> = LazyLock::new(cpu_encoder);

fn model(examples: &[NluExample]) -> NluModel {
    let heads = train(&ENCODER, examples, &TrainOptions::default(), &|_| {}).expect("it trains");
    NluModel::load(ENCODER.clone(), heads, &cpu_options(2)).expect("its own encoder")
}

/// Examples with entities written as `[value](type)` or `[value](type:role)`.
fn marked(intent: &str, lines: &[&str]) -> Vec<NluExample> {
    lines.iter().map(|line| marked_line(intent, line)).collect()
}

fn marked_line(intent: &str, line: &str) -> NluExample {
    let mut example =
        NluExample { text: String::new(), intent: intent.into(), response_key: None, entities: Vec::new() };
    let mut rest = line;
    while let Some((before, (value, (label, behind)))) = rest
        .split_once('[')
        .and_then(|(b, r)| Some((b, r.split_once("](")?)))
        .and_then(|(b, (v, r))| Some((b, (v, r.split_once(')')?))))
    {
        example.text.push_str(before);
        let start = example.text.chars().count() as u32;
        example.text.push_str(value);
        let end = example.text.chars().count() as u32;
        let (entity, role) = label.split_once(':').map_or((label, None), |(e, r)| (e, Some(r.to_owned())));
        let value = Value::Text(value.to_owned());
        example.entities.push(Entity { entity: entity.into(), value, start, end, role, ..Entity::default() });
        rest = behind;
    }
    example.text.push_str(rest);
    example
}

/// An assistant of flights, with roles; small, for the tests that train twice.
fn flights() -> Vec<NluExample> {
    let mut examples = marked("greet", &["hi", "hello", "good morning", "hey there", "hello there"]);
    examples.extend(marked("goodbye", &["bye", "goodbye", "see you later", "have a nice day", "bye bye"]));
    examples.extend(marked(
        "book_flight",
        &[
            "book a flight from [Berlin](city:from) to [Madrid](city:to)",
            "I want to fly from [Paris](city:from) to [New York](city:to)",
            "fly me to [Rome](city:to)",
            "a ticket from [Lisbon](city:from) to [Oslo](city:to) please",
            "I need a flight to [San Francisco](city:to)",
            "get me from [Vienna](city:from) to [London](city:to)",
            "book a plane to [Athens](city:to) from [Dublin](city:from)",
            "can you book a flight to [Los Angeles](city:to) for me",
            "flight from [Hamburg](city:from)",
            "I am leaving from [Prague](city:from)",
            "from [Kyiv](city:from) to [Warsaw](city:to)",
            "to [Buenos Aires](city:to)",
        ],
    ));
    examples
}

#[test]
fn moodbot_understands_its_test_stories() {
    let (Some(nlu), Some(stories)) =
        (shared("bots/moodbot/data/nlu.yml"), shared("bots/moodbot/tests/test_stories.yml"))
    else {
        return;
    };
    // Enough of YAML for these two files: `- intent: x`, `- example`, and `- user: |` with `intent:` below it.
    let read = |path| std::fs::read_to_string(path).expect("a file of the folder");
    let mut examples = Vec::new();
    let mut intent = String::new();
    for line in read(nlu).lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- intent: ") {
            intent = name.to_owned();
        } else if let Some(text) = line.strip_prefix("- ") {
            examples.push(NluExample {
                text: text.into(),
                intent: intent.clone(),
                response_key: None,
                entities: Vec::new(),
            });
        }
    }
    assert!(examples.len() > 50, "{} examples", examples.len());
    let model = model(&examples);
    let stories = read(stories);
    let lines: Vec<&str> = stories.lines().map(str::trim).collect();
    let mut asked = 0;
    for (i, _) in lines.iter().enumerate().filter(|(_, line)| **line == "- user: |") {
        let (text, intent) = (lines[i + 1], lines[i + 2].strip_prefix("intent: ").expect("the line below the text"));
        let got = model.parse(text).expect("it scores").intent;
        println!("{text:?}: {} {:.3}", got.name, got.confidence);
        assert_eq!(got.name, intent, "{text:?}");
        assert!(got.confidence > 0.4, "{text:?}: {}", got.confidence);
        asked += 1;
    }
    assert!(asked > 10, "{asked} user steps");
    // What the bot never heard of falls below the fallback's threshold.
    for text in
        ["asdf jkl qwer", "The central bank raised interest rates by a quarter point.", "xkq", "42 purple elephants"]
    {
        let got = model.parse(text).expect("it scores").intent;
        println!("{text:?}: {} {:.3}", got.name, got.confidence);
        assert!(got.confidence < 0.3, "{text:?}: {} {}", got.name, got.confidence);
    }
    // And what it did not hear in these words, but means the same, stays above.
    for (text, intent) in [
        ("hiya", "greet"),
        ("good morning!", "greet"),
        ("see ya", "goodbye"),
        ("yeah", "affirm"),
        ("nope", "deny"),
        ("i feel wonderful today", "mood_great"),
        ("feeling awful", "mood_unhappy"),
        ("I had a terrible day", "mood_unhappy"),
        ("are you human", "bot_challenge"),
        ("no thanks", "deny"),
        ("sure thing", "affirm"),
    ] {
        let got = model.parse(text).expect("it scores").intent;
        println!("{text:?}: {} {:.3}", got.name, got.confidence);
        assert!(got.name == intent && got.confidence > 0.3, "{text:?}: {} {}", got.name, got.confidence);
    }
}

#[test]
fn entities_come_with_roles_and_character_offsets() {
    let model = model(&flights());
    let got = model.parse("é: book me a flight from Munich to New Delhi").expect("it scores");
    assert_eq!(got.intent.name, "book_flight");
    let spans: Vec<_> =
        got.entities.iter().map(|e| (e.value.display(), e.role.as_deref().unwrap_or(""), e.start, e.end)).collect();
    assert_eq!(spans, [("Munich".to_owned(), "from", 25, 31), ("New Delhi".to_owned(), "to", 35, 44)]);
    assert!(got.entities.iter().all(|e| e.entity == "city" && e.extractor == "TertuliaTagger" && e.confidence > 0.3));
    assert!(model.parse("hello there").expect("it scores").entities.is_empty());
    let nothing = model.parse("  ").expect("it scores");
    assert_eq!((nothing.intent.name.as_str(), nothing.ranking.len()), ("", 0));
}

/// What an evaluation hears is what a model would say of the same text: intents, answers and entities.
#[test]
fn an_evaluation_hears_what_a_model_says() {
    let questions = |key: &str, lines: &[&str]| -> Vec<NluExample> {
        let keyed = |e| NluExample { response_key: Some(key.to_owned()), ..e };
        marked(key.split_once('/').expect("a key").0, lines).into_iter().map(keyed).collect()
    };
    let mut examples = flights();
    examples.extend(questions(
        "faq/luggage",
        &["how much luggage may I take", "what may a bag weigh", "are two bags fine"],
    ));
    examples.extend(questions("chat/name", &["what is your name", "how are you called", "who are you"]));
    examples.extend(questions("chat/age", &["how old are you", "when were you born", "what is your age"]));
    examples.extend(questions("faq/pets", &["may my dog come along", "do you take cats", "are animals allowed"]));
    let options = TrainOptions { selectors: vec!["chat".into(), "faq".into()], ..TrainOptions::default() };
    let corpus = Corpus::encode(&ENCODER, examples, &options, &|_| {}).expect("it encodes");
    let all: Vec<usize> = (0..corpus.examples().len()).collect();
    let heads = corpus.train(&all, &options, &|_| {});
    let heads = Heads::from_bytes(&heads.to_bytes()).expect("its own bytes");
    let model = NluModel::load(ENCODER.clone(), heads.clone(), &cpu_options(2)).expect("its own encoder");
    // A selector says the same whoever stands beside it: each reads its own columns.
    let alone = TrainOptions { selectors: vec!["faq".into()], ..options.clone() };
    let alone = corpus.train(&all, &alone, &|_| {});
    let near = |a: f32, b: f32| (a - b).abs() < 1e-4;
    for (i, example) in corpus.examples().iter().enumerate() {
        let (heard, said) = (corpus.understand(&heads, i), model.parse(&example.text).expect("it scores"));
        assert_eq!(
            (&heard.intent.name, heard.entities.len()),
            (&said.intent.name, said.entities.len()),
            "{:?}",
            example.text
        );
        assert!(near(heard.intent.confidence, said.intent.confidence), "{heard:?}, {said:?}");
        let names: Vec<&str> = said.selections.iter().map(|s| s.retrieval_intent.as_str()).collect();
        assert_eq!(names, ["chat", "faq"]);
        for (heard, said) in heard.selections.iter().zip(&said.selections) {
            assert_eq!((&heard.ranking[0].name, heard.ranking.len()), (&said.ranking[0].name, 2));
            assert!(near(heard.ranking[0].confidence, said.ranking[0].confidence), "{heard:?}, {said:?}");
        }
        let (beside, alone) = (&heard.selections[1].ranking[0], &corpus.understand(&alone, i).selections[0].ranking[0]);
        assert_eq!(beside.name, alone.name, "{:?}", example.text);
        assert!(near(beside.confidence, alone.confidence), "{beside:?}, {alone:?}");
        if let Some(key) = &example.response_key {
            assert_eq!(said.full_intent(), key, "{:?}", example.text);
        }
    }
}

/// Heads on a device stand beside the encoder that they share, one assistant's with a tagger and one's without.
#[test]
fn heads_say_the_same_on_a_device() {
    let Some(gpu) = gpu_encoder() else { return };
    let small: Vec<_> = flights().into_iter().filter(|e| e.entities.is_empty()).collect();
    let both = |examples: &[NluExample]| {
        let heads = train(&ENCODER, examples, &TrainOptions::default(), &|_| {}).expect("it trains");
        let load = |encoder: &Encoder| {
            NluModel::load(encoder.clone(), heads.clone(), &cpu_options(2)).expect("its own encoder")
        };
        (load(&ENCODER), load(&gpu))
    };
    let texts = ["fly from Munich to New Delhi", "hi", "", "to Rome please, from Paris", "what is the time"];
    let weights = || gpu.compute().report().device.expect("it is on a device").usage.used_bytes[0];
    let before = weights();
    let mut assistants = vec![both(&flights()), both(&small)];
    for count in [1, 5, 3] {
        for (on_cpu, on_device) in &assistants {
            let batch: Vec<_> = texts[..count].iter().map(|t| on_cpu.encode(t).expect("it tokenizes")).collect();
            let (want, got) = (on_cpu.score(&batch).expect("it runs"), on_device.score(&batch).expect("it runs"));
            for (want, got) in want.iter().zip(&got) {
                let names = |u: &Understanding| u.ranking.iter().map(|i| i.name.clone()).collect::<Vec<_>>();
                assert_eq!((names(want), want.entities.len()), (names(got), got.entities.len()), "{:?}", want.text);
                let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-4, "{a} and {b} for {:?}", want.text);
                want.ranking.iter().zip(&got.ranking).for_each(|(a, b)| near(a.confidence, b.confidence));
                for (a, b) in want.entities.iter().zip(&got.entities) {
                    near(a.confidence, b.confidence);
                    assert_eq!(Entity { confidence: a.confidence, ..b.clone() }, *a);
                }
            }
        }
    }
    assert!(assistants[0].1.parse(texts[0]).expect("it runs").entities.len() == 2, "or the tagger was not asked");
    // 3 intents and the background, and 5 tags filled up to 8; 2 intents and the background.
    let heads = 4 * ((384 + 1) * (4 + 8) + (384 + 1) * 4);
    assert_eq!(weights() - before, heads);
    // Those of an assistant that is gone leave when others come.
    drop(assistants.remove(0));
    let (_, another) = both(&small);
    another.parse("hi").expect("it runs");
    assert_eq!(weights() - before, 4 * 2 * (384 + 1) * 4);
}

/// Two assistants on one encoder, and room for the heads of one: they take turns, and the encoder stays.
#[test]
fn heads_make_room_for_one_another() {
    let Some(_) = Gpu::find(true) else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    Tiny::new((64, 1, 4, 128), 1).write_safetensors(dir.path(), Dtype::F32, "");
    let on = |device, limit_bytes| InferenceOptions {
        device,
        precision: Precision::F32,
        device_memory_max: MemoryLimit::Bytes(limit_bytes),
        ..cpu_options(1)
    };
    let load = |options: &InferenceOptions| Encoder::load(dir.path(), options).expect("it fits");
    let cpu = load(&on(Device::Cpu, 1 << 30));
    let examples = |hello: &str, world: &str| {
        [marked(hello, &["good morning", "good", "morning"]), marked(world, &["world query", "world"])].concat()
    };
    let heads = [("greet", "world"), ("wish", "ask")].map(|(hello, world)| {
        train(&cpu, &examples(hello, world), &TrainOptions::default(), &|_| {}).expect("it trains")
    });
    let assistants = |encoder: &Encoder| {
        let load = |heads: &Heads| NluModel::load(encoder.clone(), heads.clone(), &cpu_options(1));
        heads.each_ref().map(|heads| load(heads).expect("its own encoder"))
    };
    let report = |encoder: &Encoder| encoder.compute().report().device.expect("it is on a device");
    let roomy = load(&on(Device::Gpu, 1 << 30));
    assistants(&roomy)[0].parse("good").expect("it runs");
    // What one of them takes, and not enough beside it for another.
    let limit = report(&roomy).usage.total_bytes() + 500;
    let tight = load(&on(Device::Gpu, limit));
    let (here, want) = (assistants(&tight), assistants(&cpu));
    for round in 0..4 {
        let which = round % 2;
        let parse = |models: &[NluModel; 2]| models[which].parse("good morning").expect("it runs").intent;
        let (got, want) = (parse(&here), parse(&want));
        assert!(got.name == want.name && (got.confidence - want.confidence).abs() < 1e-4, "{got:?}, {want:?}");
    }
    let report = report(&tight);
    assert!(report.usage.peak_bytes <= limit && (report.passes, report.evictions, report.losses) == (4, 0, 0));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_bytes_give_the_same_heads() {
    let train = |seed, encoder: &Encoder| {
        train(encoder, &flights(), &TrainOptions { seed, ..TrainOptions::default() }, &|_| {}).expect("it trains")
    };
    let heads = train(1, &ENCODER);
    let bytes = heads.to_bytes();
    assert!(bytes == train(1, &ENCODER).to_bytes(), "the same seed, other bytes");
    assert!(bytes != train(2, &ENCODER).to_bytes(), "the seed decides the gibberish");
    let again = Heads::from_bytes(&bytes).expect("its own bytes");
    assert!(again == heads && again.to_bytes() == bytes);
    assert_eq!(again.intents(), ["book_flight", "goodbye", "greet"]);
    assert_eq!(again.entities(), ["city"]);
}

#[test]
fn broken_heads_are_refused_with_a_reason() {
    let heads = train(&ENCODER, &flights(), &TrainOptions::default(), &|_| {}).expect("it trains");
    let bytes = heads.to_bytes();
    for length in [0, 7, 8, 100, bytes.len() - 1] {
        let error = Heads::from_bytes(&bytes[..length]).unwrap_err().to_string();
        assert!(error.contains("not a whole safetensors file"), "{error}");
    }
    // The same length of header, another word in it.
    let swap = |from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).expect("it is in the header");
        let mut bytes = bytes.clone();
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        Heads::from_bytes(&bytes).unwrap_err().to_string()
    };
    assert!(swap("intent.bias", "intent.bios").contains("tensor intent.bias: found nothing"));
    assert!(swap(r#"\"version\":3"#, r#"\"version\":7"#).contains("version: found 7, expected at most 3"));
    let said = swap(r#"intent_threshold\":0.3"#, r#"intent_threshold\":3.3"#);
    assert!(said.contains("intent_threshold: found 3.3, expected a number from 0 to 1"), "{said}");
    let mut other = heads;
    // Heads of another encoder: the hash in the metadata decides.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let at = text.find("weights_sha256").expect("it is in the header");
    let mut bytes = bytes;
    bytes[at + 20] = if bytes[at + 20] == b'0' { b'1' } else { b'0' };
    other.clone_from(&Heads::from_bytes(&bytes).expect("a well-formed file"));
    let error = NluModel::load(ENCODER.clone(), other, &cpu_options(2)).unwrap_err();
    assert!(matches!(error, ModelError::EncoderMismatch { .. }), "{error}");
}

#[test]
fn examples_that_cannot_be_learned_are_named() {
    let none = train(&ENCODER, &[], &TrainOptions::default(), &|_| {}).unwrap_err();
    assert!(matches!(none, TrainError::NoExamples));
    let mut example = marked_line("go", "to [Rome](city)");
    example.entities[0].end = 99;
    let error = train(&ENCODER, &[example], &TrainOptions::default(), &|_| {}).unwrap_err();
    assert_eq!(error.to_string(), "example \"to Rome\": entity city spans characters 3 to 99 of 7");
}

#[test]
fn progress_is_told_to_the_end() {
    let told = Mutex::new(Vec::new());
    let note = |p| told.lock().expect("no panic while telling").push(p);
    train(&ENCODER, &flights(), &TrainOptions::default(), &note).expect("it trains");
    let told = told.into_inner().expect("no panic while telling");
    for stage in ["encode", "intents", "calibrate", "entities"] {
        let last = told.iter().rev().find(|p| p.stage == stage).expect("every stage tells");
        assert_eq!(last.done, last.total, "{stage}");
    }
}

#[test]
fn the_model_says_what_it_is() {
    assert!(model_dir().ends_with("all-minilm-l6-v2"));
    let model = model(&flights());
    assert!(model.describe().contains("3 intents, 1 entity types"), "{}", model.describe());
    assert_eq!(model.batch_tokens_max(), 4_096);
}
