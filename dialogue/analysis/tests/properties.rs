//! What holds for any text: spans are right, finds of a dimension do not overlap, scores are bounded, nothing panics.

use proptest::prelude::*;
use tertulia_analysis::{Dimension, Language, Reference, extract, language, mask, pii, sentiment};

const LANGUAGES: [Language; 3] = [Language::English, Language::BritishEnglish, Language::Chinese];

/// Texts that rules take an interest in, beside any at all.
fn texts() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "at",
        "next",
        "last",
        "in",
        "from",
        "to",
        "-",
        "the",
        "of",
        " ",
        " ",
        ",",
        ".",
        "/",
        ":",
        "+",
        "(",
        ")",
        "@",
        "$",
        "%",
        "Friday",
        "may",
        "Feb",
        "29",
        "30",
        "31",
        "0",
        "24",
        "2026",
        "9999",
        "999999999",
        "99999999999999999999",
        "twenty",
        "hundred",
        "million",
        "and",
        "a",
        "half",
        "past",
        "quarter",
        "noon",
        "pm",
        "ago",
        "years",
        "weeks",
        "second",
        "third",
        "km",
        "tomorrow",
        "Christmas",
        "week",
        "end",
        "下",
        "上",
        "周",
        "五",
        "天",
        "月",
        "年",
        "日",
        "号",
        "点",
        "半",
        "分",
        "三",
        "十",
        "百",
        "万",
        "亿",
        "零",
        "两",
        "个",
        "后",
        "前",
        "到",
        "第",
        "元",
        "块",
        "角",
        "明天",
        "下午",
        "底",
        "星期",
        "差",
        "刻",
        "负",
        "é",
        "😀",
        "　",
        "１",
        "：",
        "http",
        "www",
        "com",
        "x",
        "ext",
    ];
    let pieces = prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat());
    let spaced = prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.join(" "));
    prop_oneof![any::<String>(), pieces, spaced]
}

fn check(text: &str, reference: Reference) {
    let characters: Vec<char> = text.chars().collect();
    for language in LANGUAGES {
        let found = extract(text, language, &Dimension::ALL, reference);
        for find in &found {
            assert!(find.start < find.end && find.end <= characters.len(), "{find:?}");
            let slice: String = characters[find.start..find.end].iter().collect();
            assert_eq!(slice, find.text, "{find:?}");
            assert!(
                !find.text.starts_with(char::is_whitespace) && !find.text.ends_with(char::is_whitespace),
                "{find:?}"
            );
            // Both forms can be written out.
            assert!(find.value.additional_info().is_object(), "{find:?}");
            let _ = find.value.json();
        }
        for (i, find) in found.iter().enumerate() {
            for other in &found[i + 1..] {
                let apart = find.end <= other.start;
                assert!(find.dimension != other.dimension || apart, "{find:?} overlaps {other:?}");
                let span = |f: &tertulia_analysis::Found| (f.start, f.end);
                let inside = find.start <= other.start && other.end <= find.end
                    || other.start <= find.start && find.end <= other.end;
                assert!(!inside || span(find) == span(other), "{find:?} and {other:?}: one contains the other");
            }
        }
        // The same text gives the same finds.
        assert_eq!(found, extract(text, language, &Dimension::ALL, reference));
    }
}

proptest! {
    #[test]
    fn spans_are_those_of_the_text(text in texts(), at_ms in any::<i64>(), offset in any::<i32>()) {
        check(&text, Reference::new(at_ms, offset));
    }
}

proptest! {
    #[test]
    fn nothing_personal_is_left_behind_a_mask(text in texts()) {
        let characters = text.chars().count();
        for language in LANGUAGES {
            let spans = pii(&text, language);
            let mut end = 0;
            for span in &spans {
                prop_assert!(end <= span.start && span.start < span.end && span.end <= characters, "{:?}", spans);
                end = span.end;
            }
            let masked = mask(&text, &spans);
            let hidden: usize = spans.iter().map(|span| span.end - span.start).sum();
            let shown: usize = spans.iter().map(|span| span.kind.name().len() + 2).sum();
            prop_assert_eq!(masked.chars().count(), characters - hidden + shown);
        }
    }

    #[test]
    fn scores_stay_in_their_bounds(text in texts()) {
        for rules in LANGUAGES {
            let score = sentiment(&text, rules).score;
            prop_assert!((-1.0..=1.0).contains(&score));
        }
        if let Some((code, confidence)) = language(&text) {
            prop_assert!(code.len() == 2 && (0.0..=1.0).contains(&confidence));
        }
    }
}

#[test]
fn the_ends_of_the_calendar_are_values() {
    for at_ms in [i64::MIN, -62_135_596_800_000, 0, 253_402_300_799_999, i64::MAX] {
        for text in [
            "tomorrow",
            "in 9999 years",
            "500 years ago",
            "last week",
            "大后天",
            "next weekend at 25",
            "the 31st",
            "since 5pm",
        ] {
            check(text, Reference::new(at_ms, 0));
        }
    }
}

#[test]
fn only_what_is_asked_for_is_found() {
    let reference = Reference::new(1_795_599_000_000, 0);
    let text = "call 650-283-4757 at 5pm about $20";
    assert_eq!(extract(text, Language::English, &[], reference), []);
    let found = extract(text, Language::English, &[Dimension::Number], reference);
    assert_eq!(found.iter().map(|f| f.text.as_str()).collect::<Vec<_>>(), ["650", "283", "4757", "20"]);
}

#[test]
fn local_time_is_that_of_the_offset() {
    // 22:30 in UTC is half past six on the next day in China.
    let reference = Reference::new(1_795_645_800_000, 480);
    let found = extract("明天", Language::Chinese, &[Dimension::Time], reference);
    assert_eq!(found[0].value.json(), "2026-11-27T00:00:00.000+08:00");
    let west = Reference::new(1_795_645_800_000, -210);
    let found = extract("at 8pm", Language::English, &[Dimension::Time], west);
    assert_eq!(found[0].value.json(), "2026-11-25T20:00:00.000-03:30");
}

#[test]
fn values_have_the_shape_that_clients_of_duckling_know() {
    let reference = Reference::new(1_795_599_000_000, 0);
    let one = |text: &str, dimension| {
        let found = extract(text, Language::English, &[dimension], reference);
        (found[0].value.json().to_string(), found[0].value.additional_info().to_string())
    };
    for (text, dimension, value, info) in [
        ("3", Dimension::Number, "3", r#"{"type":"value","value":3}"#),
        ("3.5", Dimension::Number, "3.5", r#"{"type":"value","value":3.5}"#),
        ("$5", Dimension::AmountOfMoney, "5", r#"{"type":"value","unit":"$","value":5}"#),
        (
            "$5-$7",
            Dimension::AmountOfMoney,
            r#"{"from":5,"to":7}"#,
            r#"{"from":{"unit":"$","value":5},"to":{"unit":"$","value":7},"type":"interval"}"#,
        ),
        (
            "today",
            Dimension::Time,
            r#""2026-11-25T00:00:00.000+00:00""#,
            r#"{"grain":"day","type":"value","value":"2026-11-25T00:00:00.000+00:00"}"#,
        ),
        (
            "after 5pm",
            Dimension::Time,
            r#"{"from":"2026-11-25T17:00:00.000+00:00","to":null}"#,
            r#"{"from":{"grain":"hour","value":"2026-11-25T17:00:00.000+00:00"},"type":"interval"}"#,
        ),
        (
            "90 minutes",
            Dimension::Duration,
            "90",
            r#"{"minute":90,"normalized":{"unit":"second","value":5400},"type":"value","unit":"minute","value":90}"#,
        ),
        ("a@b.com", Dimension::Email, r#""a@b.com""#, r#"{"value":"a@b.com"}"#),
        ("www.b.com", Dimension::Url, r#""www.b.com""#, r#"{"domain":"b.com","type":"value","value":"www.b.com"}"#),
        ("3rd", Dimension::Ordinal, "3", r#"{"type":"value","value":3}"#),
    ] {
        assert_eq!(one(text, dimension), (value.to_owned(), info.to_owned()), "{text}");
    }
}
