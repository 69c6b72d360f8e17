//! English times against a Wednesday morning. The values are those of Duckling, but where a row says otherwise.

mod common;

use common::check;
use tertulia_analysis::{Dimension, Language};

#[test]
fn days() {
    const ROWS: &[(&str, &str)] = &[
        ("now", "now = 2026-11-25T09:30 second"),
        ("today", "today = 2026-11-25T00 day"),
        ("what is due today?", "today = 2026-11-25T00 day"),
        ("tomorrow", "tomorrow = 2026-11-26T00 day"),
        ("see you tmrw", "tmrw = 2026-11-26T00 day"),
        ("yesterday", "yesterday = 2026-11-24T00 day"),
        ("the day after tomorrow", "the day after tomorrow = 2026-11-27T00 day"),
        ("the day before yesterday", "the day before yesterday = 2026-11-23T00 day"),
        ("Monday", "Monday = 2026-11-30T00 day"),
        ("wednesday", "wednesday = 2026-12-02T00 day"),
        ("this Friday", "this Friday = 2026-11-27T00 day"),
        // The day of next week, as late Duckling has it; early Duckling took the next that comes.
        ("next Friday", "next Friday = 2026-12-04T00 day"),
        ("next Monday", "next Monday = 2026-11-30T00 day"),
        ("last Friday", "last Friday = 2026-11-20T00 day"),
        ("last Wednesday", "last Wednesday = 2026-11-18T00 day"),
        ("Friday the 13th", "Friday the 13th = 2027-08-13T00 day"),
        ("Thu 15th", "Thu 15th = 2027-04-15T00 day"),
        ("wednesday of next week", "wednesday of next week = 2026-12-02T00 day"),
        ("two Fridays ago", "two Fridays ago = 2026-11-13T00 day"),
        ("28 Nov 2026", "28 Nov 2026 = 2026-11-28T00 day"),
        ("Nov 28", "Nov 28 = 2026-11-28T00 day"),
        ("Nov 25", "Nov 25 = 2026-11-25T00 day"),
        ("Nov 24", "Nov 24 = 2027-11-24T00 day"),
        ("November 28th, 2026", "November 28th, 2026 = 2026-11-28T00 day"),
        ("the 28th of November", "the 28th of November = 2026-11-28T00 day"),
        ("flight on the 3rd of December at 6:45am", "on the 3rd of December at 6:45am = 2026-12-03T06:45 minute"),
        ("the twenty-first of May", "the twenty-first of May = 2027-05-21T00 day"),
        ("4th of July", "4th of July = 2027-07-04T00 day"),
        ("the 15th", "the 15th = 2026-12-15T00 day"),
        ("the 20th of next month", "the 20th of next month = 2026-12-20T00 day"),
        ("Sat, Nov 28 at 7 pm", "Sat, Nov 28 at 7 pm = 2026-11-28T19 hour"),
        ("Monday, November 30", "Monday, November 30 = 2026-11-30T00 day"),
        ("11/28/2026", "11/28/2026 = 2026-11-28T00 day"),
        ("11/28/26", "11/28/26 = 2026-11-28T00 day"),
        ("12/25", "12/25 = 2026-12-25T00 day"),
        // No month has the number 28: the day comes first here. Duckling finds nothing.
        ("28/11/2026", "28/11/2026 = 2026-11-28T00 day"),
        ("28.11.2026", "28.11.2026 = 2026-11-28T00 day"),
        ("2026-11-28", "2026-11-28 = 2026-11-28T00 day"),
        ("2026-11-28 09:00", "2026-11-28 09:00 = 2026-11-28T09 minute"),
        // Duckling cuts the seconds off.
        ("2026-11-28T09:00:00Z", "2026-11-28T09:00:00Z = 2026-11-28T09 second"),
        ("2026-11-28T09:00+08:00", "2026-11-28T09:00+08:00 = 2026-11-28T01 minute"),
        ("first Monday of March", "first Monday of March = 2027-03-01T00 day"),
        ("last Friday of November", "last Friday of November = 2026-11-27T00 day"),
        ("last day of February 2028", "last day of February 2028 = 2028-02-29T00 day"),
        ("Christmas", "Christmas = 2026-12-25T00 day"),
        ("Christmas eve", "Christmas eve = 2026-12-24T00 day"),
        ("new year's day", "new year's day = 2027-01-01T00 day"),
        ("Thanksgiving", "Thanksgiving = 2026-11-26T00 day"),
        ("Easter Sunday", "Easter Sunday = 2027-03-28T00 day"),
        ("Feb 29", "Feb 29 = 2028-02-29T00 day"),
    ];
    check(Language::English, &[Dimension::Time], ROWS);
}

#[test]
fn british_days() {
    const ROWS: &[(&str, &str)] = &[
        ("28/11/2026", "28/11/2026 = 2026-11-28T00 day"),
        ("on 4/5/2026", "on 4/5/2026 = 2026-05-04T00 day"),
        ("4/5", "4/5 = 2027-05-04T00 day"),
        ("11/28/2026", "11/28/2026 = 2026-11-28T00 day"),
    ];
    check(Language::BritishEnglish, &[Dimension::Time], ROWS);
}

#[test]
fn weeks_months_and_years() {
    const ROWS: &[(&str, &str)] = &[
        ("this week", "this week = 2026-11-23T00 week"),
        ("next week", "next week = 2026-11-30T00 week"),
        ("what is the weather like next week in Paris", "next week = 2026-11-30T00 week"),
        ("last week", "last week = 2026-11-16T00 week"),
        ("the following week", "the following week = 2026-11-30T00 week"),
        ("this month", "this month = 2026-11-01T00 month"),
        ("next month", "next month = 2026-12-01T00 month"),
        ("last month", "last month = 2026-10-01T00 month"),
        ("this quarter", "this quarter = 2026-10-01T00 quarter"),
        ("third quarter", "third quarter = 2026-07-01T00 quarter"),
        ("4th quarter 2018", "4th quarter 2018 = 2018-10-01T00 quarter"),
        ("Q1 2027", "Q1 2027 = 2027-01-01T00 quarter"),
        ("this year", "this year = 2026-01-01T00 year"),
        ("next year", "next year = 2027-01-01T00 year"),
        ("last year", "last year = 2025-01-01T00 year"),
        ("in 2027", "in 2027 = 2027-01-01T00 year"),
        ("in March", "in March = 2027-03-01T00 month"),
        ("March 2027", "March 2027 = 2027-03-01T00 month"),
        ("next March", "next March = 2027-03-01T00 month"),
        ("last March", "last March = 2026-03-01T00 month"),
        ("in November", "in November = 2026-11-01T00 month"),
        ("this weekend", "this weekend = 2026-11-27T18..2026-11-30T00 hour"),
        ("next weekend", "next weekend = 2026-11-27T18..2026-11-30T00 hour"),
        ("the week of Nov 30", "the week of Nov 30 = 2026-11-30T00 week"),
        ("end of the month", "end of the month = 2026-11-21T00..2026-12-01T00 day"),
        ("mid December", "mid December = 2026-12-11T00..2026-12-21T00 day"),
        ("beginning of the year", "beginning of the year = 2026-01-01T00..2026-04-01T00 month"),
        ("end of year", "end of year = 2026-09-01T00..2027-01-01T00 month"),
    ];
    check(Language::English, &[Dimension::Time], ROWS);
}

#[test]
fn times_of_day() {
    const ROWS: &[(&str, &str)] = &[
        ("at 5pm", "at 5pm = 2026-11-25T17 hour"),
        ("5:30 pm", "5:30 pm = 2026-11-25T17:30 minute"),
        ("17:45", "17:45 = 2026-11-25T17:45 minute"),
        ("9am", "9am = 2026-11-26T09 hour"),
        ("00:15", "00:15 = 2026-11-26T00:15 minute"),
        // Half past nine in the morning is over it: the afternoon is meant.
        ("at 3", "at 3 = 2026-11-25T15 hour"),
        ("at 9", "at 9 = 2026-11-25T21 hour"),
        ("3 o'clock", "3 o'clock = 2026-11-25T15 hour"),
        ("at 3 15", "at 3 15 = 2026-11-25T15:15 minute"),
        ("at three twenty", "at three twenty = 2026-11-25T15:20 minute"),
        ("three thirty pm", "three thirty pm = 2026-11-25T15:30 minute"),
        ("330 p.m.", "330 p.m. = 2026-11-25T15:30 minute"),
        ("3:18a", "3:18a = 2026-11-26T03:18 minute"),
        ("5 p.m.", "5 p.m. = 2026-11-25T17 hour"),
        ("half past three", "half past three = 2026-11-25T15:30 minute"),
        ("a quarter to five", "a quarter to five = 2026-11-25T16:45 minute"),
        ("ten past 8", "ten past 8 = 2026-11-25T20:10 minute"),
        ("twenty after 3pm", "twenty after 3pm = 2026-11-25T15:20 minute"),
        ("15 to noon", "15 to noon = 2026-11-25T11:45 minute"),
        ("noon", "noon = 2026-11-25T12 hour"),
        ("midnight", "midnight = 2026-11-26T00 hour"),
        ("8 in the morning", "8 in the morning = 2026-11-26T08 hour"),
        ("8:15 in the evening", "8:15 in the evening = 2026-11-25T20:15 minute"),
        ("around 7pm", "around 7pm = 2026-11-25T19 hour"),
        ("next Friday at 5pm", "next Friday at 5pm = 2026-12-04T17 hour"),
        ("5pm next Friday", "5pm next Friday = 2026-12-04T17 hour"),
        ("tomorrow at noon", "tomorrow at noon = 2026-11-26T12 hour"),
        ("noon tomorrow", "noon tomorrow = 2026-11-26T12 hour"),
        // Of two hours the first, as in Duckling, although people rather mean the afternoon.
        ("tomorrow at 3:15", "tomorrow at 3:15 = 2026-11-26T03:15 minute"),
        ("on Friday at half past three", "on Friday at half past three = 2026-11-27T03:30 minute"),
        ("day after tomorrow 5pm", "day after tomorrow 5pm = 2026-11-27T17 hour"),
        ("at 8 tonight", "at 8 tonight = 2026-11-25T20 hour"),
        ("tomorrow morning at 8", "tomorrow morning at 8 = 2026-11-26T08 hour"),
        ("at 8 tomorrow morning", "at 8 tomorrow morning = 2026-11-26T08 hour"),
        ("this afternoon at 3", "this afternoon at 3 = 2026-11-25T15 hour"),
        ("at 7:30 PM on Fri, Sep 20", "at 7:30 PM on Fri, Sep 20 = 2027-09-20T19:30 minute"),
        ("can you book a table for two at 7pm tomorrow please?", "at 7pm tomorrow = 2026-11-26T19 hour"),
        ("see you on sat at 3", "on sat at 3 = 2026-11-28T03 hour"),
        ("12/25 at noon", "12/25 at noon = 2026-12-25T12 hour"),
    ];
    check(Language::English, &[Dimension::Time], ROWS);
}

#[test]
fn parts_of_the_day() {
    const ROWS: &[(&str, &str)] = &[
        ("this morning", "this morning = 2026-11-25T00..2026-11-25T12 hour"),
        ("tonight", "tonight = 2026-11-25T18..2026-11-26T00 hour"),
        ("this evening", "this evening = 2026-11-25T18..2026-11-26T00 hour"),
        ("last night", "last night = 2026-11-24T18..2026-11-25T00 hour"),
        ("late tonight", "late tonight = 2026-11-25T21..2026-11-26T00 hour"),
        ("tomorrow morning", "tomorrow morning = 2026-11-26T00..2026-11-26T12 hour"),
        ("tomorrow afternoon", "tomorrow afternoon = 2026-11-26T12..2026-11-26T19 hour"),
        ("Monday morning", "Monday morning = 2026-11-30T00..2026-11-30T12 hour"),
        ("Friday night", "Friday night = 2026-11-27T18..2026-11-28T00 hour"),
        ("in the evening", "in the evening = 2026-11-25T18..2026-11-26T00 hour"),
        ("the morning of November 30", "the morning of November 30 = 2026-11-30T00..2026-11-30T12 hour"),
    ];
    check(Language::English, &[Dimension::Time], ROWS);
}

#[test]
fn relative_times() {
    const ROWS: &[(&str, &str)] = &[
        // Exact to the next finer unit, as in Duckling.
        ("in two weeks", "in two weeks = 2026-12-09T00 day"),
        ("in a couple of weeks", "in a couple of weeks = 2026-12-09T00 day"),
        ("in an hour", "in an hour = 2026-11-25T10:30 minute"),
        ("in half an hour", "in half an hour = 2026-11-25T10 second"),
        ("please remind me in 20 minutes to call mom", "in 20 minutes = 2026-11-25T09:50 second"),
        ("in 2.5 hours", "in 2.5 hours = 2026-11-25T12 second"),
        ("in 2 months", "in 2 months = 2027-01-25T00 day"),
        ("in a year", "in a year = 2027-11-01T00 month"),
        ("in a sec", "in a sec = 2026-11-25T09:30:01 second"),
        ("3 days ago", "3 days ago = 2026-11-22T09 hour"),
        ("two weeks ago", "two weeks ago = 2026-11-11T00 day"),
        ("one hour ago", "one hour ago = 2026-11-25T08:30 minute"),
        ("a year ago", "a year ago = 2025-11-01T00 month"),
        ("half an hour ago", "half an hour ago = 2026-11-25T09 second"),
        ("a week from now", "a week from now = 2026-12-02T00 day"),
        ("two days from now", "two days from now = 2026-11-27T09 hour"),
        ("3 days after tomorrow", "3 days after tomorrow = 2026-11-29T00 day"),
        ("a week from Monday", "a week from Monday = 2026-12-07T00 day"),
        ("1 week before Christmas", "1 week before Christmas = 2026-12-18T00 day"),
        ("2 hours before noon", "2 hours before noon = 2026-11-25T10 hour"),
        ("30 minutes after 5pm", "30 minutes after 5pm = 2026-11-25T17:30 minute"),
        ("last 3 days", "last 3 days = 2026-11-22T00..2026-11-25T00 day"),
        ("next 2 weeks", "next 2 weeks = 2026-11-30T00..2026-12-14T00 week"),
        ("in the last three months", "in the last three months = 2026-08-01T00..2026-11-01T00 month"),
        ("last 2 hours", "last 2 hours = 2026-11-25T07..2026-11-25T09 hour"),
        ("next couple of days", "next couple of days = 2026-11-26T00..2026-11-28T00 day"),
        ("within 3 days", "within 3 days = 2026-11-25T09:30..2026-11-28T09 second"),
    ];
    check(Language::English, &[Dimension::Time], ROWS);
}

#[test]
fn intervals() {
    const ROWS: &[(&str, &str)] = &[
        // The end belongs to it: the fifth hour lasts until six.
        ("from 3 to 5pm", "from 3 to 5pm = 2026-11-25T15..2026-11-25T18 hour"),
        ("from 9am to 11am", "from 9am to 11am = 2026-11-26T09..2026-11-26T12 hour"),
        ("between 3pm and 5pm", "between 3pm and 5pm = 2026-11-25T15..2026-11-25T18 hour"),
        ("3-5pm tomorrow", "3-5pm tomorrow = 2026-11-26T15..2026-11-26T18 hour"),
        ("11 to 1pm", "11 to 1pm = 2026-11-25T11..2026-11-25T14 hour"),
        ("9:30 - 11:00 on Thursday", "9:30 - 11:00 on Thursday = 2026-11-26T09:30..2026-11-26T11:01 minute"),
        ("from 9:30am to 11", "from 9:30am to 11 = 2026-11-25T09:30..2026-11-25T11:01 minute"),
        ("tomorrow between 2 and 4pm", "tomorrow between 2 and 4pm = 2026-11-26T14..2026-11-26T17 hour"),
        ("10am-2pm on Saturday", "10am-2pm on Saturday = 2026-11-28T10..2026-11-28T15 hour"),
        ("on Saturday from 10am to 2pm", "on Saturday from 10am to 2pm = 2026-11-28T10..2026-11-28T15 hour"),
        ("noon to 2pm", "noon to 2pm = 2026-11-25T12..2026-11-25T15 hour"),
        // The Friday behind that Monday; a port of Duckling ends it before it begins.
        ("Monday to Friday", "Monday to Friday = 2026-11-30T00..2026-12-05T00 day"),
        ("from tomorrow to Friday", "from tomorrow to Friday = 2026-11-26T00..2026-11-28T00 day"),
        ("Nov 28 - Dec 3", "Nov 28 - Dec 3 = 2026-11-28T00..2026-12-04T00 day"),
        ("December 1 to 5", "December 1 to 5 = 2026-12-01T00..2026-12-06T00 day"),
        ("28-30 November", "28-30 November = 2026-11-28T00..2026-12-01T00 day"),
        ("from Dec 20, 2026 to Jan 5, 2027", "from Dec 20, 2026 to Jan 5, 2027 = 2026-12-20T00..2027-01-06T00 day"),
        ("November 2026 to January 2027", "November 2026 to January 2027 = 2026-11-01T00..2027-02-01T00 month"),
        ("from 2019 to 2021", "from 2019 to 2021 = 2019-01-01T00..2022-01-01T00 year"),
        ("before 5pm", "before 5pm = ..2026-11-25T17 hour"),
        ("until tomorrow", "until tomorrow = ..2026-11-26T00 day"),
        ("before the end of the month", "before the end of the month = ..2026-11-21T00 day"),
        ("after 5pm", "after 5pm = 2026-11-25T17.. hour"),
        // From its begin, as in Duckling.
        ("after tomorrow", "after tomorrow = 2026-11-26T00.. day"),
        ("from 5pm", "from 5pm = 2026-11-25T17.. hour"),
        ("starting tomorrow", "starting tomorrow = 2026-11-26T00.. day"),
        ("order 3 pizzas by Friday", "by Friday = 2026-11-25T09:30..2026-11-27T00 second"),
        ("since yesterday", "since yesterday = 2026-11-24T00.. day"),
        // Duckling takes the Monday that comes, which nothing lasts since.
        ("since Monday", "since Monday = 2026-11-23T00.. day"),
        ("asap", "asap = 2026-11-25T09:30.. second"),
    ];
    check(Language::English, &[Dimension::Time], ROWS);
}

#[test]
fn what_is_no_time() {
    // From Duckling's negative examples, and what people write to a bank or a shop.
    const ROWS: &[(&str, &str)] = &[
        ("laughing out loud", ""),
        ("1 adult", ""),
        ("we are separated", ""),
        ("25", ""),
        ("this is the one", ""),
        ("in 61", ""),
        ("this one", ""),
        ("at single", ""),
        ("at a couple of", ""),
        ("single o'clock", ""),
        ("Rat 6", ""),
        ("3 30", ""),
        ("three twenty", ""),
        ("at 650.650.6500", ""),
        ("at 650-650-6500", ""),
        ("two sixty a m", ""),
        ("I may go", ""),
        ("may I have the bill", ""),
        ("I sat down in the sun", ""),
        ("they march on", ""),
        ("he wed her", ""),
        ("version 1.2.3 of the app", ""),
        ("open 24/7", ""),
        ("25:00", ""),
        ("at 5 dollars", ""),
        ("at 5%", ""),
        ("5 to 7 people", ""),
        ("pages 10-12", ""),
        ("from 5 to 10", ""),
        ("iPhone 12", ""),
        ("the second card", ""),
        ("give me a second", ""),
        ("2 weeks", ""),
        ("room 2027", ""),
        ("the 2nd one", ""),
        ("good morning", ""),
        ("Feb 30 is no day", "Feb = 2027-02-01T00 month"),
    ];
    check(Language::English, &[Dimension::Time], ROWS);
}
