//! Personal data: what is masked, and what must not be.

use std::path::Path;
use tertulia_analysis::{Language, PiiSpan, mask, pii};

fn masked(text: &str, language: Language) -> String {
    mask(text, &pii(text, language))
}

#[test]
fn personal_data_are_masked() {
    const ENGLISH: &[(&str, &str)] = &[
        ("me@example.com", "[email]"),
        ("write to First.Last+tag@mail.example.co.uk, please", "write to [email], please"),
        ("<a_b@x-y.org>", "<[email]>"),
        ("mail a@b.io or c@d.de.", "mail [email] or [email]."),
        ("it is alice at example dot com", "it is [email]"),
        ("+1 650-283-4757", "[phone]"),
        ("call (650) 283-4757 now", "call [phone] now"),
        ("650.283.4757", "[phone]"),
        ("650 283 4757", "[phone]"),
        ("1-800-555-0199", "[phone]"),
        ("+44 20 7946 0958", "[phone]"),
        ("+44 (0)20 7946 0958", "[phone]"),
        ("+4915112345678", "[phone]"),
        ("020 7946 0958", "[phone]"),
        ("07700 900123", "[phone]"),
        ("my phone number is 6502834757", "my phone number is [phone]"),
        ("call me at 555-1234", "call me at [phone]"),
        ("650-283-4757 ext. 12", "[phone]"),
        ("4111111111111111", "[credit-card]"),
        ("my card 4242 4242 4242 4242 was declined", "my card [credit-card] was declined"),
        ("5105-1051-0510-5100", "[credit-card]"),
        ("5555555555554444,", "[credit-card],"),
        ("3782 822463 10005", "[credit-card]"),
        ("6011111111111117", "[credit-card]"),
        ("3530111333300000", "[credit-card]"),
        ("30569309025904", "[credit-card]"),
        ("GB82 WEST 1234 5698 7654 32", "[iban]"),
        ("pay to DE89370400440532013000.", "pay to [iban]."),
        ("de89 3704 0044 0532 0130 00", "[iban]"),
        ("FR14 2004 1010 0505 0001 3M02 606", "[iban]"),
        ("NL91ABNA0417164300", "[iban]"),
        ("CH93 0076 2011 6238 5295 7", "[iban]"),
        ("my ssn is 123-45-6789", "my ssn is [ssn]"),
        ("123 45 6789", "[ssn]"),
        ("from 192.168.1.100", "from [ip-address]"),
        ("ip 8.8.8.8", "ip [ip-address]"),
        ("host 10.0.0.1:8080", "host [ip-address]:8080"),
        ("2001:db8::8a2e:370:7334", "[ip-address]"),
        ("fe80::1.", "[ip-address]."),
        ("::ffff:192.0.2.128", "[ip-address]"),
        ("https://bob:secret@example.com/x", "[url]"),
        ("postgres://app:pw@db.internal.net:5432/main", "[url]"),
        ("my passport number is C01234567", "my passport number is [passport]"),
        ("passport: 123456789", "passport: [passport]"),
    ];
    const CHINESE: &[(&str, &str)] = &[
        ("我的手机是13812345678", "我的手机是[phone]"),
        ("138-1234-5678", "[phone]"),
        ("138 1234 5678", "[phone]"),
        ("+86 138 1234 5678", "[phone]"),
        ("电话是010-62345678。", "电话是[phone]。"),
        ("400-810-8888", "[phone]"),
        ("邮箱是zhang.san@163.com谢谢", "邮箱是[email]谢谢"),
        ("身份证号11010519491231002X", "身份证号[resident-id]"),
        ("身份证440308199901101512", "身份证[resident-id]"),
        ("11010519491231002x", "[resident-id]"),
        ("卡号6200000000000005", "卡号[credit-card]"),
        ("护照号码E12345678", "护照号码[passport]"),
        ("１３８１２３４５６７８", "[phone]"),
    ];
    for (language, rows) in [(Language::English, ENGLISH), (Language::Chinese, CHINESE)] {
        for (text, expected) in rows {
            assert_eq!(masked(text, language), *expected, "{text}");
        }
    }
}

#[test]
fn other_numbers_stay() {
    const ENGLISH: &[&str] = &[
        "I have 3 cards",
        "order 12345678",
        "order number 1234567890123",
        "4111111111111112",
        "1234 5678 9012 3456",
        "0000000000000000",
        "4111 1111 1111",
        "9999999999999995",
        "my account ends in 4242",
        "2026-11-28",
        "11/28/2026",
        "28.11.2026",
        "2026-11-28T09:00:00Z",
        "at 12:30:45",
        "from 9:30 to 11:00",
        "version 1.2.3",
        "version 10.2.3.4",
        "upgrade to 1.2.3.4",
        "256.300.1.1",
        "1,234,567.89",
        "$1,000,000",
        "$650.283",
        "3.14159265358979",
        "call 911",
        "press 1 then 2",
        "room 650, floor 28",
        "pages 100-200",
        "200-300",
        "000-12-3456",
        "666-45-6789",
        "123-00-6789",
        "987-65-4321",
        "12-345-6789",
        "1234-56-78901",
        "GB83 WEST 1234 5698 7654 32",
        "DE8937040044053201300",
        "GBP 1234",
        "XX82 1234 5678 9012 3456",
        "@handle",
        "a@b",
        "me@localhost",
        "look at the dot com crash",
        "https://example.com/path?x=1",
        "www.example.com",
        "std::vector and a::b",
        "::",
        "10:20:30:40",
        "my order is C01234567",
        "passport photo costs $15",
        "550e8400-e29b-41d4-a716-446655440000",
        "ISBN 978-3-16-148410-0",
        "tracking 1Z999AA10123456784",
        "the year 1984, or 2026",
        "50% of 1000",
        "1.800.000",
        "5000000000",
    ];
    const CHINESE: &[&str] = &[
        "人均消费100-150元",
        "订单号20261128093012345",
        "110105194912310021",
        "11010519491331002X",
        "99010519491231002X",
        "2026年11月28日下午3点",
        "三百二十一",
        "12812345678元",
        "2018-02-14至2018-02-16",
        "营业时间是11:00-14:00 17:00-22:00",
        "评分4.5分以上",
    ];
    for (language, rows) in [(Language::English, ENGLISH), (Language::Chinese, CHINESE)] {
        for text in rows {
            assert_eq!(masked(text, language), *text, "{text}");
        }
    }
}

#[test]
fn spans_count_characters_and_masks_bear_any_spans() {
    let text = "né 😀 me@example.com";
    let spans = pii(text, Language::English);
    assert_eq!(spans.iter().map(|s| (s.start, s.end)).collect::<Vec<_>>(), [(5, 19)]);
    let kind = spans[0].kind;
    let span = |start, end| PiiSpan { kind, start, end };
    assert_eq!(mask(text, &[]), text);
    assert_eq!(mask("abcdef", &[span(1, 3), span(2, 4)]), "a[email]ef");
    assert_eq!(mask("abcdef", &[span(4, 99), span(0, 2), span(3, 3)]), "[email]cd[email]");
    assert_eq!(mask("abc", &[span(7, 9), span(2, 1)]), "abc");
    assert_eq!(mask("abcd", &[span(0, 2), span(2, 4)]), "[email][email]");
}

#[test]
fn real_questions_to_a_bank_hold_none() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/banking77/train.csv");
    let Ok(texts) = std::fs::read_to_string(&file) else {
        return println!("this test did not run: {} is not there", file.display());
    };
    let found: Vec<&str> = texts.lines().filter(|line| !pii(line, Language::English).is_empty()).collect();
    assert!(texts.lines().count() > 10_000, "the file is whole");
    assert_eq!(found, Vec::<&str>::new());
}
