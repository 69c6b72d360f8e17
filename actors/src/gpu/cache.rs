//! `Understandings`: what texts were understood as, kept for all models of a device together, bounded in bytes.

use dialogue::{Entity, ScoredIntent, Understanding, Value};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter, sync};
use std::sync::Arc;

/// What an entry takes in the cache itself: a place in a list (56 bytes), which doubles when it is full, and one in a table of hashes
/// (5 bytes), of which 7/16 are in use at least.
const PLACE_BYTES: u64 = 2 * 56 + 12;
/// What an allocator takes for itself for each block, and loses by rounding up.
const BLOCK_BYTES: u64 = 16;
/// A usual entry: a sentence, ten intents, an entity. So many are expected to fit, and places are kept in proportion.
const ENTRY_BYTES_USUAL: u64 = 1_024;
/// Texts that were seen and had to go are remembered by their hash, half as many as entries: who comes back stays.
const REMEMBERED: f64 = 0.5;
/// Parts with a lock of their own; a small cache has fewer, so that each holds some dozens of entries.
const PARTS_MAX: usize = 8;

/// Cheap to clone. What was asked once goes before what is asked again and again (Clock-PRO, as `quick_cache` has it): a flood of texts
/// that nobody repeats costs little.
#[derive(Debug, Clone)]
pub(super) struct Understandings(Arc<sync::Cache<Key, Kept, KeptBytes>>);

/// A text, as one of the models understands it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    model: usize,
    text: Box<str>,
}

/// The same, borrowed; its hash is the same as well.
#[derive(Hash)]
struct Asked<'a> {
    model: usize,
    text: &'a str,
}

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.model == key.model && *self.text == *key.text
    }
}

#[derive(Debug, Clone)]
struct Kept(Arc<(Understanding, u64)>);

#[derive(Debug, Clone)]
struct KeptBytes;

impl Weighter<Key, Kept> for KeptBytes {
    fn weight(&self, _key: &Key, kept: &Kept) -> u64 {
        kept.0.1
    }
}

impl Understandings {
    /// A cache of so many bytes, with all that it takes itself; none for 0.
    pub(super) fn new(bytes_max: u64) -> Option<Self> {
        if bytes_max == 0 {
            return None;
        }
        let entries = bytes_max / ENTRY_BYTES_USUAL;
        let remembered = (entries as f64 * REMEMBERED) as u64;
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries as usize)
            .ghost_allocation(REMEMBERED)
            .weight_capacity(bytes_max - remembered * PLACE_BYTES)
            .shards(PARTS_MAX)
            .build()
            .expect("everything is set");
        let (hashes, lifecycle) = (DefaultHashBuilder::default(), sync::DefaultLifecycle::default());
        Some(Self(Arc::new(sync::Cache::with_options(options, KeptBytes, hashes, lifecycle))))
    }

    /// What a model has made of a text.
    pub(super) fn get(&self, model: usize, text: &str) -> Option<Understanding> {
        let kept = self.0.get(&Asked { model, text })?;
        Some(kept.0.0.clone())
    }

    /// Keeps it, if it is not larger than the cache. Others go to make room.
    pub(super) fn keep(&self, model: usize, text: &str, understanding: &Understanding) {
        // A copy has no room to grow in: it takes what it holds.
        let understanding = understanding.clone();
        let bytes = entry_bytes(text, &understanding);
        self.0.insert(Key { model, text: text.into() }, Kept(Arc::new((understanding, bytes))));
    }

    /// What the entries take, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0.weight()
    }
}

/// What an entry takes of the heap, in bytes; rather too much than too little.
fn entry_bytes(text: &str, understanding: &Understanding) -> u64 {
    // Two counters lie before what is shared.
    let shared = size_of::<(Understanding, u64)>() + 2 * size_of::<usize>();
    // What a model makes of a text is kept before it is analysed.
    let Understanding { text: said, intent, ranking, entities, selections, analysis: _ } = understanding;
    PLACE_BYTES
        + block(shared)
        + block(text.len())
        + block(said.capacity())
        + intent_bytes(intent)
        + list(ranking, intent_bytes)
        + list(entities, entity_bytes)
        + list(selections, |s| block(s.retrieval_intent.capacity()) + list(&s.ranking, intent_bytes))
}

fn intent_bytes(ScoredIntent { name, confidence: _ }: &ScoredIntent) -> u64 {
    block(name.capacity())
}

fn entity_bytes(entity: &Entity) -> u64 {
    let Entity { entity, value, start: _, end: _, role, group, confidence: _, extractor } = entity;
    let names = [Some(entity), role.as_ref(), group.as_ref(), Some(extractor)];
    value_bytes(value) + names.into_iter().flatten().map(|name| block(name.capacity())).sum::<u64>()
}

fn value_bytes(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
        Value::Text(text) => block(text.capacity()),
        Value::List(values) => list(values, value_bytes),
        Value::Map(map) => {
            // A tree whose nodes have 11 places for pairs and 12 for children; all but the root have 5 pairs at least.
            let node = 11 * size_of::<(String, Value)>() + 13 * size_of::<usize>();
            let pairs = map.iter().map(|(key, value)| block(key.capacity()) + value_bytes(value));
            map.len().div_ceil(5) as u64 * block(node) + pairs.sum::<u64>()
        }
    }
}

/// A list and what its items take elsewhere.
fn list<T>(items: &Vec<T>, each: impl Fn(&T) -> u64) -> u64 {
    block(items.capacity() * size_of::<T>()) + items.iter().map(each).sum::<u64>()
}

/// A block of the heap; nothing where nothing is in it.
fn block(bytes: usize) -> u64 {
    if bytes == 0 { 0 } else { bytes as u64 + BLOCK_BYTES }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understanding(text: &str) -> Understanding {
        Understanding { text: text.into(), ..Understanding::default() }
    }

    #[test]
    fn models_share_the_bytes_and_no_answers() {
        let cache = Understandings::new(64 << 10).unwrap();
        cache.keep(1, "hello", &understanding("one"));
        assert_eq!((cache.get(1, "hello").unwrap().text.as_str(), cache.get(2, "hello")), ("one", None));
        cache.keep(2, "hello", &understanding("two"));
        assert_eq!(cache.get(1, "hello").unwrap().text, "one");
        let few = cache.bytes();
        assert!(few > 2 * PLACE_BYTES && few < 2_048, "{few}");
        // What another model is asked again and again takes the place of the others' answers, whose models may be long gone.
        for i in 0..2_000 {
            let text = format!("text {}", i / 100 * 20 + i % 20);
            if cache.get(3, &text).is_none() {
                cache.keep(3, &text, &understanding("three"));
            }
        }
        assert!(cache.bytes() > 48 << 10 && cache.bytes() <= 64 << 10, "{}", cache.bytes());
        assert!((1..3).all(|model| cache.get(model, "hello").is_none()));
        // So many that some hashes look alike.
        let known: Vec<_> = (0..400).map(|i| format!("text {i}")).filter(|text| cache.get(3, text).is_some()).collect();
        assert!(known.len() > 100 && known.iter().all(|text| (4..500).all(|model| cache.get(model, text).is_none())));
        assert!(Understandings::new(0).is_none());
    }

    #[test]
    fn a_flood_of_texts_that_nobody_repeats_pushes_out_nothing_that_is_used() {
        let cache = Understandings::new(64 << 10).unwrap();
        let used = || (0..50).map(|i| format!("used {i}"));
        used().for_each(|text| cache.keep(1, &text, &understanding(&text)));
        assert!(used().all(|text| cache.get(1, &text).is_some()));
        (0..10_000).for_each(|i| cache.keep(1, &format!("once {i}"), &understanding("once")));
        let left = used().filter(|text| cache.get(1, text).is_some()).count();
        assert!(left >= 45, "{left} of 50 are left");
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let cache = Understandings::new(16 << 10).unwrap();
        cache.keep(1, "hello", &understanding("hello"));
        cache.keep(1, "long", &understanding(&"long ".repeat(4_000)));
        assert!(cache.get(1, "long").is_none() && cache.get(1, "hello").is_some(), "and costs nobody their place");
    }
}
