//! The units of lengths, volumes, weights and temperatures: how they are written, and what Duckling calls them.

use crate::text::{Cursor, Kind};
use crate::{Dimension, Language};

/// A unit, and how many of it one written unit is (a kilogram is 1000 grams, as Duckling gives it).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Unit {
    pub(crate) dimension: Dimension,
    pub(crate) name: &'static str,
    pub(crate) factor: f64,
}

struct Row(Dimension, &'static str, f64, &'static [&'static str]);

use Dimension::{Distance, Quantity, Temperature, Volume};

/// English, and the abbreviations that every language uses. Words in lower case.
const ENGLISH: &[Row] = &[
    Row(Distance, "kilometre", 1.0, &["km", "kms", "kilometer", "kilometers", "kilometre", "kilometres"]),
    Row(Distance, "metre", 1.0, &["m", "meter", "meters", "metre", "metres"]),
    Row(Distance, "centimetre", 1.0, &["cm", "cms", "centimeter", "centimeters", "centimetre", "centimetres"]),
    Row(Distance, "millimetre", 1.0, &["mm", "millimeter", "millimeters", "millimetre", "millimetres"]),
    Row(Distance, "mile", 1.0, &["mi", "mile", "miles"]),
    Row(Distance, "yard", 1.0, &["yd", "yds", "yard", "yards"]),
    Row(Distance, "foot", 1.0, &["ft", "foot", "feet"]),
    Row(Distance, "inch", 1.0, &["inch", "inches"]),
    Row(Volume, "litre", 1.0, &["l", "liter", "liters", "litre", "litres"]),
    Row(Volume, "millilitre", 1.0, &["ml", "milliliter", "milliliters", "millilitre", "millilitres"]),
    Row(Volume, "gallon", 1.0, &["gal", "gallon", "gallons"]),
    Row(Quantity, "gram", 1.0, &["g", "gram", "grams", "gramme", "grammes"]),
    Row(Quantity, "gram", 1000.0, &["kg", "kgs", "kilo", "kilos", "kilogram", "kilograms"]),
    Row(Quantity, "gram", 0.001, &["mg", "milligram", "milligrams"]),
    Row(Quantity, "pound", 1.0, &["lb", "lbs", "pound", "pounds"]),
    Row(Quantity, "ounce", 1.0, &["oz", "ounce", "ounces"]),
    Row(Quantity, "cup", 1.0, &["cup", "cups"]),
    Row(Quantity, "pint", 1.0, &["pint", "pints"]),
    Row(Quantity, "quart", 1.0, &["quart", "quarts"]),
    Row(Quantity, "teaspoon", 1.0, &["tsp", "teaspoon", "teaspoons"]),
    Row(Quantity, "tablespoon", 1.0, &["tbsp", "tablespoon", "tablespoons"]),
    Row(Temperature, "celsius", 1.0, &["celsius", "centigrade"]),
    Row(Temperature, "fahrenheit", 1.0, &["fahrenheit"]),
];

/// Chinese; the longer before the shorter that it begins with.
const CHINESE: &[Row] = &[
    Row(Distance, "kilometre", 1.0, &["公里", "千米"]),
    Row(Distance, "centimetre", 1.0, &["厘米", "公分"]),
    Row(Distance, "millimetre", 1.0, &["毫米"]),
    Row(Distance, "mile", 1.0, &["英里"]),
    Row(Distance, "foot", 1.0, &["英尺"]),
    Row(Distance, "inch", 1.0, &["英寸"]),
    // Half a kilometre.
    Row(Distance, "metre", 500.0, &["里地", "里路"]),
    Row(Distance, "metre", 1.0, &["米", "公尺"]),
    Row(Volume, "millilitre", 1.0, &["毫升"]),
    Row(Volume, "litre", 1.0, &["公升", "升"]),
    Row(Volume, "gallon", 1.0, &["加仑"]),
    Row(Quantity, "gram", 1000.0, &["公斤", "千克"]),
    Row(Quantity, "gram", 0.001, &["毫克"]),
    Row(Quantity, "gram", 1.0, &["克"]),
    // 500 and 50 grams, as in the market of the mainland.
    Row(Quantity, "gram", 500.0, &["斤"]),
    Row(Quantity, "gram", 50.0, &["两"]),
    Row(Quantity, "pound", 1.0, &["磅"]),
    Row(Quantity, "ounce", 1.0, &["盎司"]),
    Row(Quantity, "cup", 1.0, &["杯"]),
    Row(Quantity, "bowl", 1.0, &["碗"]),
    Row(Temperature, "celsius", 1.0, &["摄氏度", "度摄氏"]),
    Row(Temperature, "fahrenheit", 1.0, &["华氏度"]),
    Row(Temperature, "degree", 1.0, &["度"]),
];

/// The unit right behind a number.
pub(crate) fn unit(cursor: Cursor<'_>, language: Language) -> Option<(Unit, Cursor<'_>)> {
    if let Some(found) = degrees(cursor) {
        return Some(found);
    }
    if language == Language::Chinese {
        for Row(dimension, name, factor, forms) in CHINESE {
            if let Some((_, rest)) = cursor.han_any(forms) {
                // 一两个 is one or two of something.
                let counts = *forms == ["两"]
                    && rest.touches()
                    && rest.kind() == Some(Kind::Han)
                    && !matches!(rest.word(), "重" | "的" | "肉" | "酒" | "茶" | "米" | "面");
                return (!counts).then_some((Unit { dimension: *dimension, name, factor: *factor }, rest));
            }
        }
    }
    let word = cursor.word();
    let Row(dimension, name, factor, _) = ENGLISH.iter().find(|Row(.., forms)| forms.contains(&word))?;
    Some((Unit { dimension: *dimension, name, factor: *factor }, cursor.next()))
}

/// `°`, `°C`, `degrees`, `degrees Fahrenheit`, a capital `C` or `F` right behind the number.
fn degrees(cursor: Cursor<'_>) -> Option<(Unit, Cursor<'_>)> {
    let unit = |name| Unit { dimension: Temperature, name, factor: 1.0 };
    match cursor.word() {
        "℃" => return Some((unit("celsius"), cursor.next())),
        "℉" => return Some((unit("fahrenheit"), cursor.next())),
        _ => {}
    }
    if let Some(rest) = cursor.eat_any(&["°", "º", "degree", "degrees", "deg"]) {
        return Some(match scale(rest) {
            Some(name) => (unit(name), rest.next()),
            None => (unit("degree"), rest),
        });
    }
    // In lower case `5 c` is rather cents or a slip.
    let token = cursor.token().filter(|token| token.kind == Kind::Word)?;
    match &cursor.text.source[token.source.clone()] {
        "C" => Some((unit("celsius"), cursor.next())),
        "F" => Some((unit("fahrenheit"), cursor.next())),
        _ => None,
    }
}

fn scale(cursor: Cursor<'_>) -> Option<&'static str> {
    match cursor.word() {
        "c" | "celsius" | "centigrade" => Some("celsius"),
        "f" | "fahrenheit" => Some("fahrenheit"),
        _ => None,
    }
}
