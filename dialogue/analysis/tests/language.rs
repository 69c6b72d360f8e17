//! Which language a text is in: a table of short texts, and the two sets of real ones.

use std::path::Path;
use tertulia_analysis::language;

fn code(text: &str) -> &'static str {
    language(text).map_or("none", |(code, _)| code)
}

#[test]
fn short_texts_are_told_apart() {
    for (expected, text) in [
        ("en", "Where is my card?"),
        ("en", "hello"),
        ("en", "ok thanks"),
        ("de", "Wo ist meine Karte?"),
        ("de", "guten Morgen"),
        ("fr", "Où est ma carte ?"),
        ("fr", "bonjour"),
        ("es", "¿Dónde está mi tarjeta?"),
        ("es", "hola, buenos días"),
        ("it", "Vorrei chiudere il conto"),
        ("pt", "Onde está o meu cartão?"),
        ("nl", "Ik wil mijn rekening sluiten"),
        ("sv", "Var är mitt kort?"),
        ("tr", "Kartım nerede?"),
        ("vi", "Thẻ của tôi ở đâu?"),
        ("ru", "Где моя карта?"),
        ("ar", "أين بطاقتي؟"),
        ("hi", "मेरा कार्ड कहाँ है?"),
        ("ja", "私のカードはどこですか"),
        ("ko", "내 카드는 어디에 있나요?"),
        ("zh", "我的卡在哪里"),
        ("zh", "你好"),
        ("zh", "帮我book一个hotel"),
        ("none", ""),
        ("none", "123 :-)"),
        ("none", "😀"),
        // No model knows them.
        ("none", "Πού είναι η κάρτα μου;"),
        ("none", "บัตรของฉันอยู่ที่ไหน"),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn a_longer_text_is_surer_and_a_mixed_one_less_so() {
    let sure = |text: &str| language(text).expect("letters").1;
    let long = "I have been waiting for my new card for more than two weeks now, when will it come?";
    assert!(sure("hi") < 0.5);
    assert!(sure("hi") < sure("where is my card"));
    assert!(sure("where is my card") < sure(long));
    assert!(sure(long) > 0.9);
    let mixed = "I have been waiting for my new card. Ich warte schon seit zwei Wochen auf meine neue Karte.";
    assert!(sure(mixed) < 0.8, "{}", sure(mixed));
    assert!(sure("我想找一家评分四点五分以上的餐馆吃饭") > 0.8);
}

/// The share of texts that get a code, and of those that get it surely.
fn shares<'a>(texts: impl Iterator<Item = &'a str>, expected: &str) -> (f32, f32, usize) {
    let (mut right, mut sure, mut count) = (0, 0, 0);
    for text in texts.filter(|text| !text.trim().is_empty()) {
        count += 1;
        if let Some((code, confidence)) = language(text)
            && code == expected
        {
            right += 1;
            sure += usize::from(confidence >= 0.5);
        }
    }
    (right as f32 / count as f32, sure as f32 / count as f32, count)
}

#[test]
fn questions_to_a_bank_are_english() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/banking77/train.csv");
    let Ok(texts) = std::fs::read_to_string(&file) else {
        return println!("this test did not run: {} is not there", file.display());
    };
    // A line is a text and its intent, whose name is English too: only the text counts.
    let texts = texts.lines().skip(1).filter_map(|line| line.rsplit_once(',')).map(|(text, _)| text.trim_matches('"'));
    let (right, sure, count) = shares(texts, "en");
    assert!(count > 10_000 && right >= 0.99 && sure >= 0.97, "{right} {sure} of {count}");
}

#[test]
fn questions_about_a_town_are_chinese() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/crosswoz-zh/val_turns.json");
    let Ok(json) = std::fs::read_to_string(&file) else {
        return println!("this test did not run: {} is not there", file.display());
    };
    let dialogues: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let turns = dialogues.as_object().expect("an object").values().flat_map(|turns| turns.as_array().expect("a list"));
    let texts = turns.filter_map(|turn| turn["content"].as_str());
    let (right, sure, count) = shares(texts, "zh");
    assert!(count > 8_000 && right >= 0.99 && sure >= 0.95, "{right} {sure} of {count}");
}
