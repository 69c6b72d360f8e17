//! What an extractor found, in the shape in which Duckling's clients know it.

use crate::time::{Grain, TimeValue};
use serde_json::{Value as Json, json};

/// What kind of thing a find is; the names are Duckling's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// `number`: a cardinal number.
    Number,
    /// `ordinal`: a place in an order.
    Ordinal,
    /// `percentage`: a share of a hundred. Duckling has no such dimension; it reports the number alone.
    Percentage,
    /// `amount-of-money`.
    AmountOfMoney,
    /// `temperature`.
    Temperature,
    /// `distance`: also other lengths.
    Distance,
    /// `volume`.
    Volume,
    /// `quantity`: weights, and cups and the like of something.
    Quantity,
    /// `duration`: a length of time.
    Duration,
    /// `time`: dates, times of day and intervals.
    Time,
    /// `email`.
    Email,
    /// `phone-number`.
    PhoneNumber,
    /// `url`.
    Url,
}

impl Dimension {
    /// All of them, in the order of their declaration.
    pub const ALL: [Dimension; 13] = [
        Dimension::Number,
        Dimension::Ordinal,
        Dimension::Percentage,
        Dimension::AmountOfMoney,
        Dimension::Temperature,
        Dimension::Distance,
        Dimension::Volume,
        Dimension::Quantity,
        Dimension::Duration,
        Dimension::Time,
        Dimension::Email,
        Dimension::PhoneNumber,
        Dimension::Url,
    ];

    /// The name in Duckling's `dims` and in `dim` of its answers.
    pub fn name(self) -> &'static str {
        match self {
            Dimension::Number => "number",
            Dimension::Ordinal => "ordinal",
            Dimension::Percentage => "percentage",
            Dimension::AmountOfMoney => "amount-of-money",
            Dimension::Temperature => "temperature",
            Dimension::Distance => "distance",
            Dimension::Volume => "volume",
            Dimension::Quantity => "quantity",
            Dimension::Duration => "duration",
            Dimension::Time => "time",
            Dimension::Email => "email",
            Dimension::PhoneNumber => "phone-number",
            Dimension::Url => "url",
        }
    }

    /// The dimension of a name; None for one that is not extracted here (`credit-card-number` among Duckling's).
    pub fn from_name(name: &str) -> Option<Dimension> {
        Dimension::ALL.into_iter().find(|dimension| dimension.name() == name)
    }
}

/// A part of a text with a meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its kind.
    pub dimension: Dimension,
    /// First character (Unicode scalar values, not bytes).
    pub start: usize,
    /// One past its last character.
    pub end: usize,
    /// What stands there.
    pub text: String,
    /// What it means.
    pub value: Value,
}

/// What a find means.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A place in an order, from 1 as people count.
    Ordinal(i64),
    /// An address or a number to call, in a form for machines.
    Text(String),
    /// An address in the web.
    Url {
        /// As written.
        value: String,
        /// The host, without `www.`.
        domain: String,
    },
    /// An amount in a unit.
    Measure(Measure),
    /// From one amount to another; one of the two may be open.
    Between(Option<Measure>, Option<Measure>),
    /// A length of time.
    Duration {
        /// In units of `grain`.
        value: u64,
        /// The unit.
        grain: Grain,
        /// In seconds; months count 30 days and years 365, as in Duckling.
        seconds: u64,
    },
    /// A moment or an interval.
    Time(TimeValue),
}

/// An amount in a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// How many of the unit.
    pub value: f64,
    /// Duckling's name of the unit, for money a code of ISO 4217 (and `cent`); `%` for percentages.
    pub unit: &'static str,
    /// Of what, where a quantity says so: `sugar` in "two cups of sugar".
    pub product: Option<String>,
}

impl Measure {
    pub(crate) fn new(value: f64, unit: &'static str) -> Self {
        Measure { value, unit, product: None }
    }

    fn json(&self) -> Json {
        json!({ "value": number(self.value), "unit": self.unit })
    }
}

impl Value {
    /// What Rasa's DucklingEntityExtractor gives as an entity's `value`: the bare value, or `from` and `to` of an interval.
    pub fn json(&self) -> Json {
        match self {
            Value::Number(value) => number(*value),
            Value::Ordinal(value) => json!(value),
            Value::Text(value) | Value::Url { value, .. } => json!(value),
            Value::Measure(measure) => number(measure.value),
            Value::Between(from, to) => {
                let bare = |side: &Option<Measure>| side.as_ref().map_or(Json::Null, |m| number(m.value));
                json!({ "from": bare(from), "to": bare(to) })
            }
            Value::Duration { value, .. } => json!(value),
            Value::Time(time) => time.json(),
        }
    }

    /// What it gives as `additional_info`: the whole value, with unit, grain and type.
    pub fn additional_info(&self) -> Json {
        match self {
            Value::Measure(measure) => {
                let mut info = measure.json();
                info["type"] = json!("value");
                if let Some(product) = &measure.product {
                    info["product"] = json!(product);
                }
                info
            }
            Value::Between(from, to) => {
                let mut info = json!({ "type": "interval" });
                for (name, side) in [("from", from), ("to", to)] {
                    if let Some(measure) = side {
                        info[name] = measure.json();
                    }
                }
                info
            }
            Value::Duration { value, grain, seconds } => json!({
                "type": "value",
                "value": value,
                "unit": grain.name(),
                grain.name(): value,
                "normalized": { "value": seconds, "unit": "second" },
            }),
            Value::Url { value, domain } => json!({ "type": "value", "value": value, "domain": domain }),
            Value::Text(value) => json!({ "value": value }),
            Value::Time(time) => time.additional_info(),
            Value::Number(_) | Value::Ordinal(_) => json!({ "type": "value", "value": self.json() }),
        }
    }
}

/// Whole numbers without a fraction, as Duckling writes them.
fn number(value: f64) -> Json {
    // Beyond 2^53 a float no longer tells neighbours apart, and says nothing about its last digits.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= WHOLE_MAX { json!(value as i64) } else { json!(value) }
}
