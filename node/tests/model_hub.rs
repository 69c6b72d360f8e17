//! Models from a repository, fetched from a small server on this machine that misbehaves as told.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use axum::body::{Body, Bytes};
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tertulia_node::model_store::{Hub, HubRepo, ModelManifest, ModelName, verify};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS: &str = "model.safetensors";

/// A repository and what was asked of it.
#[derive(Default)]
struct Site {
    files: Mutex<BTreeMap<&'static str, Vec<u8>>>,
    /// Sent instead of the rest of this file, once.
    cut_once: Mutex<Option<&'static str>>,
    /// What the file holds after the cut.
    changed_after_cut: Mutex<Option<Vec<u8>>>,
    /// Revision and file, then the range and the bearer token of each request.
    asked: Mutex<Vec<(String, String, String)>>,
}

impl Site {
    fn asked_for(&self, file: &str) -> Vec<(String, String, String)> {
        self.asked.lock().unwrap().iter().filter(|a| a.0.ends_with(file)).cloned().collect()
    }
}

async fn file(
    State(site): State<Arc<Site>>,
    UrlPath((revision, name)): UrlPath<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let header = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let asked = (format!("{revision} {name}"), header("range"), header("authorization"));
    site.asked.lock().unwrap().push(asked);
    let Some(bytes) = site.files.lock().unwrap().get(name.as_str()).cloned() else {
        return Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty()).unwrap();
    };
    // Good enough to tell two versions apart.
    let tag = format!("\"{}-{}\"", bytes.len(), bytes.iter().map(|b| u64::from(*b)).sum::<u64>());
    let answer = Response::builder().header("etag", &tag).header("x-repo-commit", COMMIT);
    if site.cut_once.lock().unwrap().take_if(|cut| *cut == name).is_some() {
        if let Some(bytes) = site.changed_after_cut.lock().unwrap().take() {
            site.files.lock().unwrap().insert(WEIGHTS, bytes);
        }
        let half = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
        let parts = [Ok(half), Err(std::io::Error::other("the line is cut"))];
        // The half reaches the other side before the line breaks.
        let body = futures::stream::unfold(parts.into_iter(), |mut parts| async {
            let part = parts.next()?;
            if part.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Some((part, parts))
        });
        return answer.header("content-length", bytes.len()).body(Body::from_stream(body)).unwrap();
    }
    let from = header("range").strip_prefix("bytes=").and_then(|r| r.strip_suffix('-')?.parse::<usize>().ok());
    match from.filter(|_| header("if-range").is_empty() || header("if-range") == tag) {
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            let answer = answer.status(StatusCode::PARTIAL_CONTENT).header("content-range", range);
            answer.body(Body::from(bytes[from..].to_vec())).unwrap()
        }
        None => answer.body(Body::from(bytes)).unwrap(),
    }
}

async fn serve(site: Arc<Site>) -> String {
    let routes = axum::Router::new().route("/someone/tiny/resolve/{revision}/{*file}", get(file)).with_state(site);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    address
}

/// A safetensors file: the length of its head, the head, the numbers.
fn weights(number: f32) -> Vec<u8> {
    let (h, f, vocab, positions) = (8, 16, 3, 32);
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".into(), vec![vocab, h]),
        ("embeddings.position_embeddings.weight".into(), vec![positions, h]),
        ("embeddings.token_type_embeddings.weight".into(), vec![2, h]),
    ];
    let layer = "encoder.layer.0";
    for (name, out, input) in [
        (format!("{layer}.attention.self.query"), h, h),
        (format!("{layer}.attention.self.key"), h, h),
        (format!("{layer}.attention.self.value"), h, h),
        (format!("{layer}.attention.output.dense"), h, h),
        (format!("{layer}.intermediate.dense"), f, h),
        (format!("{layer}.output.dense"), h, f),
    ] {
        shapes.push((format!("{name}.weight"), vec![out, input]));
        shapes.push((format!("{name}.bias"), vec![out]));
    }
    for name in ["embeddings".into(), format!("{layer}.attention.output"), format!("{layer}.output")] {
        shapes.push((format!("{name}.LayerNorm.weight"), vec![h]));
        shapes.push((format!("{name}.LayerNorm.bias"), vec![h]));
    }
    let (mut head, mut numbers) = (serde_json::Map::new(), Vec::new());
    for (name, shape) in shapes {
        let begin = numbers.len();
        (0..shape.iter().product()).for_each(|_| numbers.extend(number.to_le_bytes()));
        head.insert(name, json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, numbers.len()]}));
    }
    let head = serde_json::Value::Object(head).to_string();
    [&(head.len() as u64).to_le_bytes(), head.as_bytes(), &numbers].concat()
}

fn config(model_type: &str) -> Vec<u8> {
    let config = json!({
        "model_type": model_type, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "vocab_size": 3, "max_position_embeddings": 32, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "hidden_act": "gelu",
    });
    config.to_string().into_bytes()
}

fn site() -> Arc<Site> {
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"hi": 0, "there": 1, "?": 2}, "unk_token": "?"},
    });
    let card = "---\nlanguage: en\nlicense: mit\n---\n# tiny\n";
    let files = BTreeMap::from([
        ("config.json", config("bert")),
        ("tokenizer.json", tokenizer.to_string().into_bytes()),
        (WEIGHTS, weights(0.5)),
        ("README.md", card.into()),
    ]);
    Arc::new(Site { files: Mutex::new(files), ..Site::default() })
}

fn repo(text: &str) -> HubRepo {
    HubRepo::parse(text).unwrap()
}

/// Nothing but locks and parts is in the cache.
fn nothing_in(cache: &Path) -> bool {
    std::fs::read_dir(cache.join("models")).is_ok_and(|mut d| d.next().is_none())
}

#[tokio::test]
async fn a_model_is_fetched_whole_over_a_line_that_is_cut() {
    let (site, cache) = (site(), tempfile::tempdir().unwrap());
    let hub = Hub::new(&serve(site.clone()).await, Some("secret".into())).unwrap();
    *site.cut_once.lock().unwrap() = Some(WEIGHTS);
    let dir = hub.pull(&repo("someone/tiny"), cache.path(), false).await.unwrap();
    assert_eq!(dir, cache.path().join("models/someone--tiny"));
    let whole = weights(0.5);
    assert_eq!(std::fs::read(dir.join(WEIGHTS)).unwrap(), whole);
    // It went on from the half that had come, and everything behind the first file was of one commit.
    let asked = site.asked_for(WEIGHTS);
    let ranges: Vec<_> = asked.iter().map(|a| a.1.as_str()).collect();
    assert_eq!(ranges, ["", &format!("bytes={}-", whole.len() / 2)]);
    assert!(asked.iter().all(|a| a.0 == format!("{COMMIT} {WEIGHTS}") && a.2 == "Bearer secret"), "{asked:?}");
    assert_eq!(site.asked_for("config.json")[0].0, "main config.json");
    // The files that it lacks are no fault; the card is read and not kept.
    let manifest = ModelManifest::read(&dir).unwrap().unwrap();
    let names: Vec<_> = manifest.files.keys().map(String::as_str).collect();
    assert_eq!(names, ["config.json", WEIGHTS, "tokenizer.json"]);
    assert_eq!((manifest.name.as_str(), manifest.licence.as_deref()), ("someone/tiny", Some("mit")));
    assert_eq!(manifest.revision, Some(format!("{COMMIT} (main)")));

    // Again there is nothing to fetch, unless another revision is asked for.
    let before = site.asked.lock().unwrap().len();
    for same in ["someone/tiny", "someone/tiny@main", "someone/tiny@0123456789"] {
        hub.pull(&repo(same), cache.path(), false).await.unwrap();
    }
    assert_eq!(site.asked.lock().unwrap().len(), before);
    hub.pull(&repo("someone/tiny@v2"), cache.path(), false).await.unwrap();
    assert!(site.asked.lock().unwrap()[before].0 == "v2 config.json");

    // What changed on the disk is seen, and fetched again.
    let name = ModelName::Folder(dir.clone());
    assert_eq!(verify(&name, &dir).unwrap(), 3);
    let mut spoilt = whole.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    std::fs::write(dir.join(WEIGHTS), &spoilt).unwrap();
    let error = verify(&name, &dir).unwrap_err().to_string();
    assert!(error.contains("model.safetensors: SHA-256: found"), "{error}");
    std::fs::write(dir.join(WEIGHTS), &whole[1..]).unwrap();
    let error = verify(&name, &dir).unwrap_err().to_string();
    assert!(error.contains(&format!("{} bytes, expected {}", whole.len() - 1, whole.len())), "{error}");
    hub.pull(&repo("someone/tiny"), cache.path(), false).await.unwrap();
    assert_eq!(verify(&name, &dir).unwrap(), 3);
}

#[tokio::test]
async fn a_file_that_changes_between_two_halves_is_not_sewn_together() {
    let (site, cache) = (site(), tempfile::tempdir().unwrap());
    let hub = Hub::new(&serve(site.clone()).await, None).unwrap();
    *site.cut_once.lock().unwrap() = Some(WEIGHTS);
    *site.changed_after_cut.lock().unwrap() = Some(weights(0.25));
    let dir = hub.pull(&repo("someone/tiny"), cache.path(), false).await.unwrap();
    assert_eq!(site.asked_for(WEIGHTS).len(), 2);
    assert_eq!(std::fs::read(dir.join(WEIGHTS)).unwrap(), weights(0.25));
}

#[tokio::test]
async fn what_is_missing_too_large_or_broken_leaves_nothing_behind() {
    let (site, cache) = (site(), tempfile::tempdir().unwrap());
    let hub = Hub::new(&serve(site.clone()).await, None).unwrap();
    let pull = async |force| {
        let pulled = hub.pull(&repo("someone/tiny"), cache.path(), force).await;
        pulled.map_err(|e| format!("{e:#}"))
    };
    let put = |name, bytes: Vec<u8>| drop(site.files.lock().unwrap().insert(name, bytes));

    // A file that the model needs.
    site.files.lock().unwrap().remove("tokenizer.json");
    let error = pull(false).await.unwrap_err();
    assert!(error.contains("tokenizer.json: the repository someone/tiny has no such file (404)"), "{error}");
    assert!(nothing_in(cache.path()));
    put("tokenizer.json", site_file("tokenizer.json"));

    // Another architecture is refused before its weights are fetched.
    put("config.json", config("gpt2"));
    let error = pull(false).await.unwrap_err();
    assert!(error.contains("config.json: model_type: found \"gpt2\", expected bert"), "{error}");
    assert!(site.asked_for(WEIGHTS).is_empty() && nothing_in(cache.path()));

    // A size beyond the limit.
    put("config.json", vec![b' '; (1 << 20) + 1]);
    let error = pull(false).await.unwrap_err();
    assert!(error.contains("the other side has 1048577 bytes, the limit is 1048576"), "{error}");
    put("config.json", config("bert"));

    // Weights that are cut off, and weights with a number that is none; a model that was there stays.
    put(WEIGHTS, weights(0.5)[..1_000].to_vec());
    let error = pull(false).await.unwrap_err();
    assert!(error.contains("the model does not load") && error.contains("not a whole safetensors file"), "{error}");
    assert!(nothing_in(cache.path()));
    put(WEIGHTS, weights(0.5));
    let dir = pull(false).await.unwrap();
    put(WEIGHTS, weights(f32::NAN));
    let error = pull(true).await.unwrap_err();
    assert!(error.contains("embeddings.position_embeddings.weight: found NaN at index 0"), "{error}");
    assert_eq!(std::fs::read(dir.join(WEIGHTS)).unwrap(), weights(0.5));
    assert_eq!(verify(&ModelName::Folder(dir.clone()), &dir).unwrap(), 3);
}

/// A file of an unspoilt repository.
fn site_file(name: &str) -> Vec<u8> {
    site().files.lock().unwrap()[name].clone()
}
