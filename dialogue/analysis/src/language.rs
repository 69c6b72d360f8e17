//! The languages whose rules are written, so that a caller names one instead of a code that may be misspelt.

/// A language with rules of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English, the month before the day in `11/28/2026`.
    English,
    /// English, the day before the month in `28/11/2026`.
    BritishEnglish,
    /// Chinese, in simplified characters; numerals and units also in traditional ones.
    Chinese,
}

impl Language {
    /// By a code of ISO 639-1, with or without a region (`en`, `en_GB`, `zh-CN`), without regard to case. None for
    /// a language without rules.
    pub fn from_code(code: &str) -> Option<Language> {
        let code = code.to_ascii_lowercase().replace('-', "_");
        let (language, region) = code.split_once('_').unwrap_or((&code, ""));
        match (language, region) {
            // Where Duckling's locales have the day first.
            ("en", "gb" | "au" | "ie" | "in" | "nz" | "za" | "bz" | "jm" | "tt") => Some(Language::BritishEnglish),
            ("en", _) => Some(Language::English),
            ("zh", _) => Some(Language::Chinese),
            _ => None,
        }
    }

    /// The code of ISO 639-1: `en` or `zh`.
    pub fn code(self) -> &'static str {
        match self {
            Language::English | Language::BritishEnglish => "en",
            Language::Chinese => "zh",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_decide_the_order_of_dates() {
        for (code, language) in [
            ("en", Some(Language::English)),
            ("en_US", Some(Language::English)),
            ("EN-gb", Some(Language::BritishEnglish)),
            ("en_AU", Some(Language::BritishEnglish)),
            ("zh", Some(Language::Chinese)),
            ("zh-CN", Some(Language::Chinese)),
            ("de", None),
            ("english", None),
            ("", None),
        ] {
            assert_eq!(Language::from_code(code), language, "{code}");
        }
    }
}
