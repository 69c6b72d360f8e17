//! The page itself: what is said first, and in which order the rest follows.

use super::{charts, figures, numbers, palette, tables};
use crate::record::DrillRecord;
use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Nothing may be loaded and nothing may run; styles stand in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("style.css");

/// How the drill ended.
pub(super) enum Outcome<'r> {
    /// Every promise was kept to the end.
    Pass,
    /// A promise was broken, whether or not the drill came to its end.
    Fail,
    /// No promise is known to be broken, but the drill ended before its time.
    Stopped(&'r str),
}

impl<'r> Outcome<'r> {
    /// A broken promise outweighs that the drill was stopped.
    pub fn of(record: &'r DrillRecord) -> Self {
        match &record.stopped {
            _ if !record.verdict.holds() => Self::Fail,
            Some(why) => Self::Stopped(why),
            None => Self::Pass,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Stopped(_) => "STOPPED",
        }
    }

    fn class(&self) -> &'static str {
        match self {
            Self::Pass => palette::PASS.name,
            Self::Fail => palette::FAIL.name,
            Self::Stopped(_) => palette::STOPPED.name,
        }
    }
}

/// The whole page.
pub(super) fn document(record: &DrillRecord) -> Result<Markup> {
    let outcome = Outcome::of(record);
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Drill " (record.drill) ": " (outcome.word()) }
                style { (PreEscaped(palette::css())) (PreEscaped(STYLE)) }
            }
            body {
                (header(record, &outcome))
                main {
                    (section("figures", "Key figures", &figures::key_figures(record)))
                    @if !record.verdict.violations.is_empty() {
                        (section("violations", "Violations", &tables::violations(&record.verdict)))
                    }
                    (section("failover", "Failover times", &html! {
                        (figures::failover(record))
                        (charts::failover(record)?)
                    }))
                    (section("timeline", "Over time", &charts::over_time(record)?))
                    (section("rounds", "Rounds", &tables::rounds(record)))
                    (section("acts", "Acts", &tables::acts(&record.acts)))
                    (section("load", "Load and judgement", &tables::counts(record)))
                }
            }
        }
    })
}

fn section(id: &str, title: &str, contents: &Markup) -> Markup {
    html! {
        section.card id=(id) aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (title) }
            (contents)
        }
    }
}

fn header(record: &DrillRecord, outcome: &Outcome<'_>) -> Markup {
    html! {
        header.card {
            div.title {
                h1 { "Drill " (record.drill) }
                strong id="verdict" class={ "badge " (outcome.class()) } { (outcome.word()) }
            }
            p.about { (record.about) }
            p.reason { (reason(record, outcome)) }
            @if let (Outcome::Fail, Some(why)) = (outcome, &record.stopped) {
                p.reason { "The drill also ended before its time: " (why) }
            }
            div.columns {
                dl {
                    dt { "Began" } dd { time datetime=(record.began) { (record.began) } }
                    dt { "Load ran for" } dd { (numbers::fixed(record.load.seconds, 1)) " s" }
                    dt { "Place" } dd { (record.place) }
                    dt { "Seed" } dd { code { (record.seed) } }
                    @if let Some(evidence) = &record.evidence {
                        dt { "Evidence" } dd { code { (evidence.display()) } }
                    }
                }
                (tables::versions(&record.versions))
            }
            h2.small id="command-title" { "Run it again" }
            pre.command aria-labelledby="command-title" title="A click selects the whole command." {
                code { (record.command) }
            }
        }
    }
}

/// Why the verdict is what it is, in one sentence.
fn reason(record: &DrillRecord, outcome: &Outcome<'_>) -> Markup {
    let verdict = &record.verdict;
    html! {
        @match outcome {
            Outcome::Pass => {
                "Every promise was kept for " (numbers::size(verdict.acknowledged)) " acknowledged turns in "
                (numbers::size(verdict.sessions)) " sessions."
            }
            Outcome::Fail => { "Promises were broken: " (figures::broken(verdict)) "." }
            Outcome::Stopped(why) => {
                "The drill ended before its time: " (why) "; no promise is known to be broken until then."
            }
        }
    }
}
