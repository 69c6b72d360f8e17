//! Which language a text is in: `whichlang`'s linear model says which, and its parts say how sure that is.

use whichlang::Lang;

/// Letters of Latin and other alphabets that make one part of a text; fewer are guessed at.
const PART_LETTERS: usize = 12;
/// Characters of Chinese, Japanese and Korean say more each.
const PART_CHARACTERS: usize = 4;
/// Letters at which half of the sureness is reached that the parts give.
const HALF_SURE_LETTERS: f32 = 4.0;

/// The language of a text by its code of ISO 639-1, and how sure that is, 0 to 1.
///
/// It is one of ar, de, en, es, fr, hi, it, ja, ko, nl, pt, ru, sv, tr, vi, zh. None where no letter of their scripts is. Sureness is the
/// share of the text that reads as the same language when it is cut into short parts and each is looked at alone, and less for a
/// few letters: "hi" is English by the model, but not surely. A language that is not among them gets the code of the most similar.
pub fn language(text: &str) -> Option<(&'static str, f32)> {
    let letters = weight(text);
    if letters == 0 {
        return None;
    }
    let whole = whichlang::detect_language(text);
    let (mut same, mut all) = (0, 0);
    for part in parts(text) {
        let weight = weight(part);
        all += weight;
        if whichlang::detect_language(part) == whole {
            same += weight;
        }
    }
    let share = if all == 0 { 0.0 } else { same as f32 / all as f32 };
    let letters = letters as f32;
    Some((code(whole), share * letters / (letters + HALF_SURE_LETTERS)))
}

/// Runs of words, or of characters where words are not parted, that are long enough to be told by themselves. What is
/// left at the end belongs to the last.
fn parts(text: &str) -> Vec<&str> {
    let mut begins = vec![0];
    let mut letters = 0;
    for (at, character) in text.char_indices() {
        letters += worth(character);
        let boundary = character.is_whitespace() || worth(character) > 1;
        if boundary && letters >= PART_LETTERS {
            begins.push(at + character.len_utf8());
            letters = 0;
        }
    }
    if letters < PART_LETTERS && begins.len() > 1 {
        begins.pop();
    }
    let ends = begins.iter().skip(1).copied().chain([text.len()]);
    begins.iter().zip(ends).map(|(begin, end)| &text[*begin..end]).collect()
}

fn weight(text: &str) -> usize {
    text.chars().map(worth).sum()
}

/// How much a character tells, in letters; nothing outside of the scripts of those languages.
fn worth(character: char) -> usize {
    match character {
        'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => 1,
        // Cyrillic, Arabic, Devanagari.
        '\u{400}'..='\u{4FF}' | '\u{620}'..='\u{6FF}' | '\u{900}'..='\u{97F}' => 1,
        // Kana, Chinese characters, Hangul.
        '\u{3041}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' => {
            PART_LETTERS / PART_CHARACTERS
        }
        _ => 0,
    }
}

fn code(language: Lang) -> &'static str {
    match language {
        Lang::Ara => "ar",
        Lang::Cmn => "zh",
        Lang::Deu => "de",
        Lang::Eng => "en",
        Lang::Fra => "fr",
        Lang::Hin => "hi",
        Lang::Ita => "it",
        Lang::Jpn => "ja",
        Lang::Kor => "ko",
        Lang::Nld => "nl",
        Lang::Por => "pt",
        Lang::Rus => "ru",
        Lang::Spa => "es",
        Lang::Swe => "sv",
        Lang::Tur => "tr",
        Lang::Vie => "vi",
    }
}
