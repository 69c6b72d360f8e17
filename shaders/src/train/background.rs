//! What an assistant is not about: unrelated sentences and gibberish for the background class.

use crate::train::rng::SplitMix64;

/// Invented strings beside the sentences of `background.txt`.
const GIBBERISH: usize = 60;

/// The texts of the background class, the same for one seed.
pub fn texts(seed: u64) -> Vec<String> {
    let mut rng = SplitMix64::new(seed ^ 0x6261_636b);
    let sentences = include_str!("background.txt").lines().map(str::to_owned);
    sentences.chain((0..GIBBERISH).map(|_| gibberish(&mut rng))).collect()
}

/// One to four words of keys hit at random.
fn gibberish(rng: &mut SplitMix64) -> String {
    const KEYS: &[u8] = b"asdfghjklqwertyuiopzxcvbnmasdfghjklqwrtpzxcvbnm1234567890;#";
    let words: Vec<String> = (0..1 + rng.below(4))
        .map(|_| (0..4 + rng.below(8)).map(|_| char::from(KEYS[rng.below(KEYS.len())])).collect())
        .collect();
    words.join(" ")
}
