//! How somebody feels, by the words: a lexicon, with negations, intensifiers and "but".
//!
//! The way of counting is VADER's (C. Hutto and E. Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
//! Media Text", ICWSM 2014); the lexicons are our own.

mod chinese;
mod english;
mod lexicon;

use crate::Language;
use crate::text::Text;
use lexicon::{Item, items};

/// Which way a text leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SentimentLabel {
    /// Somebody is unhappy.
    Negative,
    /// Neither, or nothing that tells.
    Neutral,
    /// Somebody is happy.
    Positive,
}

impl SentimentLabel {
    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            SentimentLabel::Negative => "negative",
            SentimentLabel::Neutral => "neutral",
            SentimentLabel::Positive => "positive",
        }
    }
}

/// How somebody feels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sentiment {
    /// The side on which the score is; neutral between ±0.05.
    pub label: SentimentLabel,
    /// -1 (as bad as can be) to 1; 0 where no word tells.
    pub score: f32,
}

/// Scores nearer to 0 than this are neutral, as in VADER.
const NEUTRAL_BELOW: f32 = 0.05;
/// What a negation makes of a word: "not great" is bad, but less so than great is good.
const NEGATED: f32 = -0.74;
/// What an intensifier adds to the word right behind it; less if others stand between.
const INTENSIFIED: f32 = 0.293;
/// How much of that counts at a distance of one, two and three words.
const BY_DISTANCE: [f32; 3] = [1.0, 0.95, 0.9];
/// Words before another that can turn or scale it.
const WINDOW: usize = 3;
/// What a word in capitals among others gains.
const SHOUTED: f32 = 0.733;
/// What each exclamation mark adds to the sum.
const EXCLAIMED: f32 = 0.292;
/// Exclamation marks that count.
const EXCLAMATIONS_MAX: usize = 4;
/// How much counts what stands before the last "but", and behind it.
const BEFORE_TURN: f32 = 0.5;
const BEHIND_TURN: f32 = 1.5;
/// A sum of which the score is about 0.7; it keeps scores within ±1.
const NORMALISER: f32 = 15.0;

/// How somebody feels who says this.
pub fn sentiment(text: &str, language: Language) -> Sentiment {
    let text = Text::new(text);
    let items = items(&text, language);
    let turn = items.iter().rposition(|item| *item == Item::Turn);
    let mut sum = 0.0;
    for (place, item) in items.iter().enumerate() {
        let Item::Word { strength, shouted } = *item else { continue };
        let mut strength = strength;
        if shouted {
            strength += SHOUTED * strength.signum();
        }
        strength = modified(strength, &items[place.saturating_sub(WINDOW)..place]);
        sum += match turn {
            Some(turn) if place < turn => strength * BEFORE_TURN,
            Some(_) => strength * BEHIND_TURN,
            None => strength,
        };
    }
    if sum != 0.0 {
        let exclamations = items.iter().filter(|item| **item == Item::Exclamation).count().min(EXCLAMATIONS_MAX);
        sum += sum.signum() * EXCLAIMED * exclamations as f32;
    }
    let score = (sum / (sum * sum + NORMALISER).sqrt()).clamp(-1.0, 1.0);
    let label = if score >= NEUTRAL_BELOW {
        SentimentLabel::Positive
    } else if score <= -NEUTRAL_BELOW {
        SentimentLabel::Negative
    } else {
        SentimentLabel::Neutral
    };
    Sentiment { label, score }
}

/// A word's strength under what stands before it, up to the begin of its clause.
fn modified(mut strength: f32, before: &[Item]) -> f32 {
    let begin = before
        .iter()
        .rposition(|item| matches!(item, Item::Break | Item::Turn | Item::Exclamation))
        .map_or(0, |i| i + 1);
    let mut turned = false;
    for (distance, item) in before[begin..].iter().rev().enumerate() {
        let scale = BY_DISTANCE.get(distance).copied().unwrap_or(0.0);
        match item {
            Item::Stronger => strength += INTENSIFIED * scale * strength.signum(),
            Item::Weaker => strength -= INTENSIFIED * scale * strength.signum(),
            // Two of them are none: 不是不好.
            Item::Negation => turned = !turned,
            _ => {}
        }
    }
    if turned { strength * NEGATED } else { strength }
}
