//! Addresses and numbers to call, and how finds of different dimensions lie beside one another.

mod common;

use common::check;
use tertulia_analysis::{Dimension, Language};

#[test]
fn emails() {
    const ROWS: &[(&str, &str)] = &[
        ("me@example.com", "me@example.com = me@example.com"),
        (
            "write to First.Last+tag@mail.example.co.uk, please",
            "First.Last+tag@mail.example.co.uk = First.Last+tag@mail.example.co.uk",
        ),
        ("<a_b@x-y.org>", "a_b@x-y.org = a_b@x-y.org"),
        ("alice at example dot com", "alice at example dot com = alice@example.com"),
        ("me@localhost", ""),
        ("a@b", ""),
        ("@handle", ""),
        ("look at the dot com crash", ""),
        ("me@example.com.", "me@example.com = me@example.com"),
    ];
    check(Language::English, &[Dimension::Email], ROWS);
}

#[test]
fn chinese_emails() {
    const ROWS: &[(&str, &str)] = &[
        ("邮箱是a@b.com", "a@b.com = a@b.com"),
        ("我的邮箱zhang.san@163.com谢谢", "zhang.san@163.com = zhang.san@163.com"),
    ];
    check(Language::Chinese, &[Dimension::Email], ROWS);
}

#[test]
fn urls() {
    const ROWS: &[(&str, &str)] = &[
        ("http://www.example.com/a?b=c", "http://www.example.com/a?b=c = example.com"),
        ("see https://example.com/x_(y), and more.", "https://example.com/x_(y) = example.com"),
        ("www.foo.com", "www.foo.com = foo.com"),
        ("foo.com/bar", "foo.com/bar = foo.com"),
        ("localhost:8080", "localhost:8080 = localhost"),
        ("http://192.168.1.1:80/x", "http://192.168.1.1:80/x = 192.168.1.1"),
        ("the end.Next sentence", ""),
        ("e.g. this", ""),
        ("me@example.com", ""),
        ("3.5", ""),
    ];
    check(Language::English, &[Dimension::Url], ROWS);
}

#[test]
fn chinese_urls() {
    const ROWS: &[(&str, &str)] = &[
        ("网址www.baidu.com", "www.baidu.com = baidu.com"),
        ("请看https://例子.com和http://a.cn/b。谢谢", "http://a.cn/b = a.cn"),
    ];
    check(Language::Chinese, &[Dimension::Url], ROWS);
}

#[test]
fn phones() {
    const ROWS: &[(&str, &str)] = &[
        ("+1 650-283-4757", "+1 650-283-4757 = (+1) 6502834757"),
        ("call (650) 283-4757 now", "(650) 283-4757 = 6502834757"),
        ("650.283.4757", "650.283.4757 = 6502834757"),
        ("650 283 4757", "650 283 4757 = 6502834757"),
        ("1-800-555-0199", "1-800-555-0199 = 18005550199"),
        ("6502834757", "6502834757 = 6502834757"),
        ("+44 20 7946 0958", "+44 20 7946 0958 = (+44) 2079460958"),
        ("+44 (0)20 7946 0958", "+44 (0)20 7946 0958 = (+44) 2079460958"),
        ("020 7946 0958", "020 7946 0958 = 02079460958"),
        ("07700 900123", "07700 900123 = 07700900123"),
        ("+49 30 901820", "+49 30 901820 = (+49) 30901820"),
        ("+86 138 1234 5678", "+86 138 1234 5678 = (+86) 13812345678"),
        ("650-283-4757 ext 12", "650-283-4757 ext 12 = 6502834757 ext 12"),
        ("555-1234", "555-1234 = 5551234"),
        ("12345", ""),
        // Duckling takes any seven digits for a number to call, dates too.
        ("2026-11-28", ""),
        ("28.11.2026", ""),
        ("4111 1111 1111 1111", ""),
        ("192.168.1.100", ""),
        ("555 1234", ""),
        ("200-300", ""),
    ];
    check(Language::English, &[Dimension::PhoneNumber], ROWS);
}

#[test]
fn chinese_phones() {
    const ROWS: &[(&str, &str)] = &[
        ("13812345678", "13812345678 = 13812345678"),
        ("138-1234-5678", "138-1234-5678 = 13812345678"),
        ("电话是010-62345678", "010-62345678 = 01062345678"),
        ("0755 8888 8888", "0755 8888 8888 = 075588888888"),
        ("400-810-8888", "400-810-8888 = 4008108888"),
        ("+86 10 6234 5678", "+86 10 6234 5678 = (+86) 1062345678"),
        ("99912345678", ""),
        ("123456789012", ""),
    ];
    check(Language::Chinese, &[Dimension::PhoneNumber], ROWS);
}

#[test]
fn a_find_inside_of_a_longer_one_is_dropped() {
    // As in Duckling: what is left are those that no other contains.
    const ROWS: &[(&str, &str)] = &[
        ("at 5pm", "at 5pm = 2026-11-25T17 hour"),
        ("in two weeks", "in two weeks = 2026-12-09T00 day"),
        ("I paid $20 for 2 cards on May 5th", "$20 = 20 $; 2 = 2; on May 5th = 2027-05-05T00 day"),
        ("650-283-4757", "650-283-4757 = 6502834757"),
        ("2026-11-28", "2026-11-28 = 2026-11-28T00 day"),
        ("10 pounds", "10 pounds = 10 £"),
        ("50%", "50% = 50 %"),
        ("mail me@example.com at 3pm", "me@example.com = me@example.com; at 3pm = 2026-11-25T15 hour"),
    ];
    check(
        Language::English,
        &[
            Dimension::Number,
            Dimension::Ordinal,
            Dimension::AmountOfMoney,
            Dimension::Duration,
            Dimension::Time,
            Dimension::PhoneNumber,
            Dimension::Email,
            Dimension::Url,
            Dimension::Distance,
            Dimension::Percentage,
        ],
        ROWS,
    );
}
