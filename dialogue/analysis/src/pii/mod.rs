//! Personal data in a text: where it is, and the text without it, before anything is logged or stored.

mod checksum;
mod identity;
mod network;

use crate::Language;
use crate::contact::{email, phone, url};
use crate::text::{Cursor, Text};

/// What kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PiiKind {
    /// An address of mail.
    Email,
    /// A number to call.
    Phone,
    /// The number of a payment card: an issuer's prefix and length, and Luhn's checksum.
    CreditCard,
    /// An international bank account number (ISO 13616), with its checksum.
    Iban,
    /// An address of the Internet Protocol, version 4 or 6.
    IpAddress,
    /// An address in the web with a name and a password in it.
    UrlWithCredentials,
    /// A social security number of the United States, `123-45-6789`.
    SocialSecurity,
    /// A resident's id of China (GB 11643): a date of birth and a checksum among 18 digits.
    ResidentId,
    /// The number of a passport, where the text says that it is one.
    Passport,
}

impl PiiKind {
    /// All of them.
    pub const ALL: [PiiKind; 9] = [
        PiiKind::Email,
        PiiKind::Phone,
        PiiKind::CreditCard,
        PiiKind::Iban,
        PiiKind::IpAddress,
        PiiKind::UrlWithCredentials,
        PiiKind::SocialSecurity,
        PiiKind::ResidentId,
        PiiKind::Passport,
    ];

    /// By what [`PiiKind::name`] says.
    pub fn from_name(name: &str) -> Option<PiiKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What stands for it in a masked text, without the brackets.
    pub fn name(self) -> &'static str {
        match self {
            PiiKind::Email => "email",
            PiiKind::Phone => "phone",
            PiiKind::CreditCard => "credit-card",
            PiiKind::Iban => "iban",
            PiiKind::IpAddress => "ip-address",
            PiiKind::UrlWithCredentials => "url",
            PiiKind::SocialSecurity => "ssn",
            PiiKind::ResidentId => "resident-id",
            PiiKind::Passport => "passport",
        }
    }
}

/// Where personal data stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PiiSpan {
    /// What it is.
    pub kind: PiiKind,
    /// First character (Unicode scalar values, not bytes).
    pub start: usize,
    /// One past its last character.
    pub end: usize,
}

/// The personal data in a text, in the order of their start; no two overlap.
///
/// Built to be right about what it masks: what has neither a checksum nor a form of its own, such as a name or a plain number,
/// stays. `language` decides which words announce a number to call or a passport.
pub fn pii(text: &str, language: Language) -> Vec<PiiSpan> {
    let text = Text::new(text);
    let mut spans = Vec::new();
    let mut index = 0;
    while index < text.tokens.len() {
        let cursor = text.at(index);
        match find(cursor, language).filter(|(_, rest)| rest.index > index && rest.index <= text.tokens.len()) {
            Some((kind, rest)) => {
                let (first, last) = (&text.tokens[index], &text.tokens[rest.index - 1]);
                spans.push(PiiSpan { kind, start: first.chars.start, end: last.chars.end });
                index = rest.index;
            }
            None => index += 1,
        }
    }
    spans
}

/// The longest reading at one place; what has a checksum before what has none.
fn find(cursor: Cursor<'_>, language: Language) -> Option<(PiiKind, Cursor<'_>)> {
    let readings = [
        identity::iban(cursor).map(|rest| (PiiKind::Iban, rest)),
        identity::resident_id(cursor).map(|rest| (PiiKind::ResidentId, rest)),
        identity::credit_card(cursor).map(|rest| (PiiKind::CreditCard, rest)),
        url::find(cursor).filter(|url| url.credentials).map(|url| (PiiKind::UrlWithCredentials, url.rest)),
        email::find(cursor).map(|(_, rest)| (PiiKind::Email, rest)),
        network::address(cursor).map(|rest| (PiiKind::IpAddress, rest)),
        identity::social_security(cursor).map(|rest| (PiiKind::SocialSecurity, rest)),
        identity::passport(cursor, language).map(|rest| (PiiKind::Passport, rest)),
        phone::find(cursor)
            .filter(|phone| phone.certain || announced(cursor, language, PHONE_WORDS))
            .map(|phone| (PiiKind::Phone, phone.rest)),
    ];
    let mut best: Option<(PiiKind, Cursor<'_>)> = None;
    for reading in readings.into_iter().flatten() {
        if best.is_none_or(|(_, rest)| reading.1.index > rest.index) {
            best = Some(reading);
        }
    }
    best
}

/// Words that announce something, in English and in Chinese.
type Announcing = (&'static [&'static str], &'static [&'static str]);

const PHONE_WORDS: Announcing = (
    &[
        "phone",
        "telephone",
        "tel",
        "call",
        "mobile",
        "cell",
        "cellphone",
        "text",
        "whatsapp",
        "reach",
        "fax",
        "landline",
    ],
    &["电话", "手机", "拨打", "致电", "联系", "号码"],
);

/// Tokens before a number among which such a word is looked for.
const ANNOUNCED_WITHIN: usize = 6;

fn announced(cursor: Cursor<'_>, language: Language, (english, chinese): Announcing) -> bool {
    let first = cursor.index.saturating_sub(ANNOUNCED_WITHIN);
    (first..cursor.index)
        .map(|index| cursor.text.at(index))
        .any(|c| english.contains(&c.word()) || language == Language::Chinese && c.han_any(chinese).is_some())
}

/// The text with `[email]`, `[phone]` and so on in the place of each span. Spans that overlap one before them, or that lie
/// outside of the text, count as far as they lie inside and behind it.
pub fn mask(text: &str, spans: &[PiiSpan]) -> String {
    let mut sorted: Vec<&PiiSpan> = spans.iter().filter(|span| span.start < span.end).collect();
    sorted.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut ahead = sorted.into_iter().peekable();
    let mut masked = String::with_capacity(text.len());
    // One past the last character that is hidden so far.
    let mut hidden = 0;
    for (position, character) in text.chars().enumerate() {
        while let Some(span) = ahead.next_if(|span| span.start <= position) {
            if span.end > hidden {
                if position >= hidden {
                    masked.push('[');
                    masked.push_str(span.kind.name());
                    masked.push(']');
                }
                hidden = span.end;
            }
        }
        if position >= hidden {
            masked.push(character);
        }
    }
    masked
}
