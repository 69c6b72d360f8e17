//! `PrivacyOptions`: what an operator keeps out of the log and the store, whatever the assistant says.

use serde::{Deserialize, Serialize};

/// What is masked in what users say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrivacyOptions {
    /// Personal data that are masked after a message is understood and before anything of it is written down, sent to an action
    /// server or logged; beside what the assistant masks by itself. All nodes of a cluster should say the same.
    pub mask_pii: Vec<MaskedData>,
    /// Do entities that the assistant keeps (`keep_entities` of its `TextAnalyzer`) keep their values from these masks, too?
    pub keep_entity_values: bool,
}

/// A kind of personal data, by the name that stands for it in a masked text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskedData {
    /// All that there are rules for.
    All,
    /// Addresses of mail.
    Email,
    /// Numbers to call.
    Phone,
    /// Numbers of payment cards.
    CreditCard,
    /// International bank account numbers.
    Iban,
    /// Addresses of the Internet Protocol.
    IpAddress,
    /// Addresses in the web with a name and a password in them.
    Url,
    /// Social security numbers of the United States.
    Ssn,
    /// Residents' ids of China.
    ResidentId,
    /// Numbers of passports.
    Passport,
}

impl MaskedData {
    /// Each kind; not [`MaskedData::All`].
    pub const KINDS: [MaskedData; 9] = [
        MaskedData::Email,
        MaskedData::Phone,
        MaskedData::CreditCard,
        MaskedData::Iban,
        MaskedData::IpAddress,
        MaskedData::Url,
        MaskedData::Ssn,
        MaskedData::ResidentId,
        MaskedData::Passport,
    ];

    /// As it is written in the file.
    pub fn name(self) -> &'static str {
        match self {
            MaskedData::All => "all",
            MaskedData::Email => "email",
            MaskedData::Phone => "phone",
            MaskedData::CreditCard => "credit-card",
            MaskedData::Iban => "iban",
            MaskedData::IpAddress => "ip-address",
            MaskedData::Url => "url",
            MaskedData::Ssn => "ssn",
            MaskedData::ResidentId => "resident-id",
            MaskedData::Passport => "passport",
        }
    }
}

impl PrivacyOptions {
    /// What is masked, each kind once, in the order of [`MaskedData::KINDS`].
    pub fn kinds(&self) -> impl Iterator<Item = MaskedData> {
        let all = self.mask_pii.contains(&MaskedData::All);
        MaskedData::KINDS.into_iter().filter(move |kind| all || self.mask_pii.contains(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_and_typos_are_told() {
        let read = |text: &str| serde_saphyr::from_str::<PrivacyOptions>(text).map_err(|e| e.to_string());
        let names = |text: &str| read(text).unwrap().kinds().map(MaskedData::name).collect::<Vec<_>>();
        assert_eq!(names("mask_pii: [phone, email, phone]\n"), ["email", "phone"]);
        assert_eq!(names("mask_pii: [all, ssn]\n").len(), 9);
        assert!(names("keep_entity_values: true\n").is_empty());
        for kind in MaskedData::KINDS {
            assert_eq!(names(&format!("mask_pii: [{}]\n", kind.name())), [kind.name()]);
        }
        let error = read("mask_pii: [emial]\n").unwrap_err();
        assert!(error.contains("emial") && error.contains("credit-card"), "{error}");
        let error = read("mask: [email]\n").unwrap_err();
        assert!(error.contains("mask_pii"), "{error}");
    }
}
