//! Amounts of money. Units are Duckling's: `$` and `£` where the country is open, else a code of ISO 4217; `cent`.

use super::number_range;
use crate::Language;
use crate::found::{Measure, Value};
use crate::number::{self, Numeral};
use crate::text::{Cursor, Kind};

/// Signs and codes that stand before or behind the number. Written as tokens, parted by spaces.
const SIGNS: &[(&str, &str)] = &[
    ("us $", "USD"),
    ("a $", "AUD"),
    ("c $", "CAD"),
    ("hk $", "HKD"),
    ("nt $", "TWD"),
    ("s $", "SGD"),
    ("$", "$"),
    ("€", "EUR"),
    ("£", "£"),
    ("₹", "INR"),
    ("₽", "RUB"),
    ("₩", "KRW"),
    ("usd", "USD"),
    ("eur", "EUR"),
    ("gbp", "GBP"),
    ("jpy", "JPY"),
    ("cny", "CNY"),
    ("rmb", "CNY"),
    ("hkd", "HKD"),
    ("twd", "TWD"),
    ("inr", "INR"),
    ("aud", "AUD"),
    ("cad", "CAD"),
    ("nzd", "NZD"),
    ("sgd", "SGD"),
    ("chf", "CHF"),
    ("krw", "KRW"),
    ("sek", "SEK"),
    ("nok", "NOK"),
    ("dkk", "DKK"),
    ("pln", "PLN"),
    ("rub", "RUB"),
    ("brl", "BRL"),
    ("mxn", "MXN"),
    ("aed", "AED"),
    ("sar", "SAR"),
    ("rs .", "INR"),
    ("rs", "INR"),
];

/// Names that stand behind the number. Duckling calls bucks `unknown`; nobody means any other than dollars.
const NAMES: &[(&str, &str)] = &[
    ("us dollars", "USD"),
    ("us dollar", "USD"),
    ("american dollars", "USD"),
    ("canadian dollars", "CAD"),
    ("australian dollars", "AUD"),
    ("hong kong dollars", "HKD"),
    ("dollars", "$"),
    ("dollar", "$"),
    ("bucks", "$"),
    ("buck", "$"),
    ("euros", "EUR"),
    ("euro", "EUR"),
    ("pounds sterling", "GBP"),
    ("british pounds", "GBP"),
    ("pounds", "£"),
    ("pound", "£"),
    ("quid", "GBP"),
    ("yen", "JPY"),
    ("chinese yuan", "CNY"),
    ("yuan", "CNY"),
    ("renminbi", "CNY"),
    ("rupees", "INR"),
    ("rupee", "INR"),
    ("swiss francs", "CHF"),
    ("francs", "CHF"),
    ("cents", "cent"),
    ("cent", "cent"),
    ("¢", "cent"),
    ("pence", "cent"),
    ("pennies", "cent"),
    ("penny", "cent"),
];

/// Chinese names behind the number. Duckling takes 元 and 块 for dollars; here they are what they are called after.
const CHINESE_NAMES: &[(&str, &str)] = &[
    ("美元", "USD"),
    ("美金", "USD"),
    ("欧元", "EUR"),
    ("英镑", "GBP"),
    ("日元", "JPY"),
    ("日圆", "JPY"),
    ("韩元", "KRW"),
    ("港币", "HKD"),
    ("港元", "HKD"),
    ("港幣", "HKD"),
    ("台币", "TWD"),
    ("新台币", "TWD"),
    ("澳元", "AUD"),
    ("加元", "CAD"),
    ("卢布", "RUB"),
    ("卢比", "INR"),
    ("法郎", "CHF"),
    ("人民币", "CNY"),
    ("人民幣", "CNY"),
    ("元人民币", "CNY"),
    ("块钱", "CNY"),
    ("块", "CNY"),
    ("元钱", "CNY"),
    ("元", "CNY"),
    ("圆", "CNY"),
    ("塊", "CNY"),
];

/// An amount, a range of amounts, or a bound ("under $50").
pub(crate) fn find(cursor: Cursor<'_>, language: Language) -> Option<(Value, Cursor<'_>)> {
    if let Some(found) = bounded(cursor, language) {
        return Some(found);
    }
    if let Some(found) = range(cursor, language) {
        return Some(found);
    }
    let (measure, rest) = amount(cursor, language)?;
    if language == Language::Chinese {
        // 100元以上, 100元以下.
        if let Some((_, after)) = rest.han_any(&["以下", "以内"]) {
            return Some((Value::Between(None, Some(measure)), after));
        }
        if let Some(after) = rest.han("以上") {
            return Some((Value::Between(Some(measure), None), after));
        }
    }
    Some((Value::Measure(measure), rest))
}

fn bounded(cursor: Cursor<'_>, language: Language) -> Option<(Value, Cursor<'_>)> {
    const UNDER: &[&str] = &["under", "below", "less than", "lower than", "at most", "up to", "no more than"];
    const OVER: &[&str] = &["over", "above", "more than", "at least", "no less than"];
    let after = |phrases: &[&str]| phrases.iter().find_map(|phrase| cursor.phrase(phrase));
    if let Some(start) = after(UNDER).or_else(|| cursor.han_any(&["最多", "不超过"]).map(|(_, c)| c)) {
        let (measure, rest) = amount(start, language)?;
        return Some((Value::Between(None, Some(measure)), rest));
    }
    let start = after(OVER).or_else(|| cursor.han_any(&["至少", "最少"]).map(|(_, c)| c))?;
    let (measure, rest) = amount(start, language)?;
    Some((Value::Between(Some(measure), None), rest))
}

/// "$10-$20", "between 10 and 20 dollars", 100-150元.
fn range(cursor: Cursor<'_>, language: Language) -> Option<(Value, Cursor<'_>)> {
    let between = |low: f64, high: f64, unit| {
        (low <= high).then(|| Value::Between(Some(Measure::new(low, unit)), Some(Measure::new(high, unit))))
    };
    let opened = cursor.eat_any(&["from", "between"]).or_else(|| cursor.han("从")).unwrap_or(cursor);
    if let Some((low, rest)) = amount(opened, language) {
        let joined = rest
            .eat_any(&["-", "~", "to"])
            .or_else(|| (cursor.word() == "between").then(|| rest.eat("and"))?)
            .or_else(|| rest.han_any(&["到", "至"]).map(|(_, rest)| rest))?;
        if let Some((high, rest)) = amount(joined, language) {
            return (low.unit == high.unit).then(|| Some((between(low.value, high.value, low.unit)?, rest)))?;
        }
        // "$10-20": the sign counts for both.
        sign(opened)?;
        let (high, rest) = number::unsigned(joined, language)?;
        return Some((between(low.value, high.value, low.unit)?, rest));
    }
    let (low, high, rest) = number_range(cursor, language)?;
    let (unit, rest) = name(rest, language)?;
    Some((between(low.value, high.value, unit)?, rest))
}

/// One amount.
fn amount(cursor: Cursor<'_>, language: Language) -> Option<(Measure, Cursor<'_>)> {
    // "-$5" is what a statement says of a debit.
    let minus = (cursor.word() == "-" && !cursor.touches()).then(|| cursor.next());
    if let Some((unit, after)) = sign_of(minus.unwrap_or(cursor), language) {
        let (number, rest) = number::unsigned(after, language).map(|(n, rest)| abbreviated(n, rest))?;
        let value = if minus.is_some() { -number.value } else { number.value };
        return Some(with_cents(Measure::new(value, unit), rest, language));
    }
    let Some((number, rest)) = number::signed(cursor, language).map(|(n, rest)| abbreviated(n, rest)) else {
        // "A dollar"; "a $1 charge" has its own number.
        let (unit, rest) = english_name(cursor.eat_any(&["a", "an"])?)?;
        return Some(with_cents(Measure::new(1.0, unit), rest, language));
    };
    if language == Language::Chinese
        && let Some(found) = chinese_small(number.value, rest)
    {
        return Some(found);
    }
    let (unit, rest) = name(rest, language)?;
    let measure = Measure::new(number.value, unit);
    Some(if language == Language::Chinese && unit == "CNY" {
        chinese_cents(measure, rest, number)
    } else {
        with_cents(measure, rest, language)
    })
}

/// `1.2m`: behind a sign of money a small letter is a million.
fn abbreviated(number: Numeral, rest: Cursor<'_>) -> (Numeral, Cursor<'_>) {
    let factor = match rest.word() {
        "m" => 1e6,
        "b" => 1e9,
        _ => return (number, rest),
    };
    if rest.touches() { (Numeral { value: number.value * factor, ..number }, rest.next()) } else { (number, rest) }
}

fn sign(cursor: Cursor<'_>) -> Option<(&'static str, Cursor<'_>)> {
    SIGNS.iter().find_map(|(form, unit)| {
        let rest = cursor.phrase(form)?;
        // `A$` is one sign, and "a $1 charge" has another.
        let glued = rest.index == cursor.index + 1 || cursor.next().touches();
        glued.then_some((*unit, rest))
    })
}

fn sign_of(cursor: Cursor<'_>, language: Language) -> Option<(&'static str, Cursor<'_>)> {
    // The sign is of two countries; the language decides.
    if let Some(rest) = cursor.eat("¥") {
        return Some((if language == Language::Chinese { "CNY" } else { "JPY" }, rest));
    }
    if language == Language::Chinese
        && let Some((i, rest)) = cursor.han_any(&["人民币", "人民幣", "美元", "港币", "欧元"])
    {
        return Some((["CNY", "CNY", "USD", "HKD", "EUR"][i], rest));
    }
    sign(cursor)
}

fn name(cursor: Cursor<'_>, language: Language) -> Option<(&'static str, Cursor<'_>)> {
    if language == Language::Chinese
        && let Some((unit, rest)) = CHINESE_NAMES.iter().find_map(|(form, unit)| Some((*unit, cursor.han(form)?)))
    {
        // 元旦 is a day, 块儿 a place.
        return (!matches!(rest.word(), "旦" | "儿" | "宵" | "素")).then_some((unit, rest));
    }
    english_name(cursor).or_else(|| {
        // In "2 $10 bills" the sign belongs to what follows.
        let next = |rest: Cursor<'_>| rest.touches() && rest.kind() == Some(Kind::Digits);
        sign_of(cursor, language).filter(|(_, rest)| cursor.touches() || !next(*rest))
    })
}

fn english_name(cursor: Cursor<'_>) -> Option<(&'static str, Cursor<'_>)> {
    NAMES.iter().find_map(|(form, unit)| Some((*unit, cursor.phrase(form)?)))
}

/// "5 dollars and 50 cents", "$20 and 43c".
fn with_cents<'a>(whole: Measure, rest: Cursor<'a>, language: Language) -> (Measure, Cursor<'a>) {
    let cents = || {
        let (cents, after) = number::unsigned(rest.skip(&["and"]), language)?;
        let after = after.eat_any(&["cents", "cent", "c", "¢", "pence", "p"])?;
        let fits = cents.whole()? < 100 && whole.value.fract() == 0.0 && whole.unit != "cent";
        fits.then(|| (Measure::new((whole.value * 100.0 + cents.value) / 100.0, whole.unit), after))
    };
    cents().unwrap_or_else(|| (whole.clone(), rest))
}

/// 五毛, 八角: tenths alone.
fn chinese_small(number: f64, rest: Cursor<'_>) -> Option<(Measure, Cursor<'_>)> {
    let after = rest.han_any(&["毛钱", "毛", "角", "分钱"])?;
    if number.fract() != 0.0 || number >= 100.0 {
        return None;
    }
    if after.0 == 3 {
        return Some((Measure::new(number / 100.0, "CNY"), after.1));
    }
    let (fen, rest) = chinese_digit(after.1).map_or((0.0, after.1), |(digit, rest)| {
        // 两毛五, and 两毛五分.
        (digit, rest.han("分").unwrap_or(rest))
    });
    Some((Measure::new((number * 10.0 + fen) / 100.0, "CNY"), rest))
}

/// 三元五角, 三块五, 三块五毛二.
fn chinese_cents<'a>(whole: Measure, rest: Cursor<'a>, number: Numeral) -> (Measure, Cursor<'a>) {
    if number.value.fract() != 0.0 {
        return (whole, rest);
    }
    let behind_zero = rest.han("零").unwrap_or(rest);
    let Some((jiao, after)) = chinese_digit(behind_zero).filter(|_| rest.touches()) else { return (whole, rest) };
    let tenth = after.han_any(&["角", "毛"]);
    // 三块五 and nothing more; 三块五个 would count things.
    let alone = after.kind() != Some(Kind::Han) || !after.touches();
    let colloquial = matches!(rest.previous().map(|c| c.word()), Some("块" | "塊")) && (alone || after.word() == "的");
    let Some((_, after)) = tenth.or(colloquial.then_some((0, after))) else { return (whole, rest) };
    let (fen, after) = match chinese_digit(after).and_then(|(digit, rest)| Some((digit, rest.han("分")?))) {
        Some(found) => found,
        None => (0.0, after),
    };
    (Measure::new((whole.value * 100.0 + jiao * 10.0 + fen) / 100.0, whole.unit), after)
}

/// One digit, in either writing.
fn chinese_digit(cursor: Cursor<'_>) -> Option<(f64, Cursor<'_>)> {
    let (number, rest) = number::unsigned(cursor, Language::Chinese)?;
    (number.value < 10.0 && number.value.fract() == 0.0).then_some((number.value, rest))
}
