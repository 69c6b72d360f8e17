//! The key figures: what was promised and kept, how the load fared, and how long service paused.

use super::numbers::{NOTHING, fixed, ms, ratio, short, size};
use crate::pauses::percentile;
use crate::record::DrillRecord;
use crate::verdict::Verdict;
use crate::violation::Kind;
use maud::{Markup, html};

/// Every promise, as the page calls its breach, and what that means.
const PROMISES: [(Kind, &str, &str); 9] = [
    (Kind::Lost, "lost", "Acknowledged turns that are not in the log."),
    (Kind::Doubled, "doubled", "Keys that stand for two turns."),
    (Kind::Altered, "altered", "Turns that the log holds with another content than was acknowledged."),
    (Kind::Order, "order violations", "Breaches of the order inside a session."),
    (Kind::Phantom, "phantom", "Turns in the log that nobody sent."),
    (Kind::Disagreement, "disagreements", "Sessions of which two nodes tell different logs."),
    (Kind::NotLinearizable, "not linearizable", "Sessions whose answers no order of turns explains."),
    (Kind::Undecided, "undecided", "Sessions whose search for an order reached its bound."),
    (Kind::NoEvidence, "without evidence", "Parts of the evidence that a verdict needs and that are missing."),
];

/// The quantiles of failover times that are told; the last is the worst.
const QUANTILES: [(f64, &str); 3] = [(0.5, "median"), (0.99, "P99"), (1.0, "worst")];

/// Cards with one number each.
pub(super) fn key_figures(record: &DrillRecord) -> Markup {
    let (verdict, load) = (&record.verdict, &record.load);
    html! {
        h3 { "What was promised" }
        ul.cards {
            (card("turns acknowledged", &size(verdict.acknowledged), "Turns that were acknowledged at least once.", ""))
            @for (kind, name, meaning) in PROMISES {
                @let broken = verdict.count(kind);
                (card(name, &size(broken), meaning, if broken > 0 { "bad" } else { "good" }))
            }
        }
        h3 { "How it went" }
        ul.cards.four {
            (card("rounds", &size(record.rounds.len()), "Faults that were struck and undone.", ""))
            (card("throughput", &format!("{} /s", short(load.turns_per_s)), "Turns acknowledged in a second, over the whole run.", ""))
            (card("latency P50", &ms(load.p50_ms), "Of whole turns, from the first attempt to the acknowledgement.", ""))
            (card("latency P99", &ms(load.p99_ms), "Of whole turns, from the first attempt to the acknowledgement.", ""))
            (card("latency max", &ms(load.max_ms), "Of whole turns, from the first attempt to the acknowledgement.", ""))
            @for (quantile, name) in QUANTILES { (pause_card(record, quantile, name)) }
        }
    }
}

/// A quantile of the failover times, with the peer's beneath it.
fn pause_card(record: &DrillRecord, quantile: f64, name: &str) -> Markup {
    let ours: Vec<f64> = record.rounds.iter().map(|round| round.shard_pause_ms).collect();
    let ours = percentile(&ours, quantile);
    let peer = record.peer.as_ref().and_then(|peer| Some((&peer.name, percentile(&peer.pause_ms, quantile)?)));
    html! {
        li.figure title="Longest pause of a single shard in a round." {
            span.value { (ours.map_or_else(|| NOTHING.to_owned(), ms)) }
            span.name { "failover " (name) }
            @if let (Some(ours), Some((peer, theirs))) = (ours, peer) {
                span.name title="In brackets ours divided by the peer's: below 1 ours is the shorter pause." { (peer) ": " (ms(theirs)) " (" (ratio(ours, theirs)) ")" }
            }
        }
    }
}

fn card(name: &str, value: &str, meaning: &str, class: &str) -> Markup {
    html! {
        li.figure.(class) title=(meaning) { span.value { (value) } span.name { (name) } }
    }
}

/// What was broken how often, in words.
pub(super) fn broken(verdict: &Verdict) -> String {
    let counts = PROMISES.iter().map(|(kind, name, _)| (verdict.count(*kind), name)).filter(|(count, _)| *count > 0);
    counts.map(|(count, name)| format!("{} {name}", size(count))).collect::<Vec<_>>().join(", ")
}

/// How long service paused in the rounds, and the peer's beside it.
pub(super) fn failover(record: &DrillRecord) -> Markup {
    let of = |pause: fn(&crate::record::RoundRecord) -> f64| record.rounds.iter().map(pause).collect::<Vec<f64>>();
    let ours = [
        ("One shard", "The longest pause of a single shard that was hit, in each round.", of(|r| r.shard_pause_ms)),
        (
            "All shards that were hit",
            "The longest time without any turn of the shards that were hit, in each round.",
            of(|r| r.pause_ms),
        ),
    ];
    if record.rounds.is_empty() && record.peer.is_none() {
        return html! {};
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Failover times" {
            table {
                caption { "Time without an acknowledgement around a fault, in milliseconds; quantiles by the nearest rank" }
                thead { tr {
                    th scope="col" { "Of" }
                    th.n scope="col" { "rounds" }
                    @for (_, name) in QUANTILES { th.n scope="col" { (name) } }
                } }
                tbody {
                    @for (name, meaning, times) in &ours { (row(name, meaning, times)) }
                    @if let Some(peer) = &record.peer {
                        (row(&peer.name, "The peer's pause around each fault, in the same run.", &peer.pause_ms))
                        @for (name, _, times) in &ours { (ratios(name, times, &peer.name, &peer.pause_ms)) }
                    }
                }
            }
        }
    }
}

fn row(name: &str, meaning: &str, times: &[f64]) -> Markup {
    let at = |quantile| percentile(times, quantile).map_or_else(|| NOTHING.to_owned(), |time| fixed(time, 1));
    html! {
        tr {
            th scope="row" title=(meaning) { (name) }
            td.n { (size(times.len())) }
            @for (quantile, _) in QUANTILES { td.n { (at(quantile)) } }
        }
    }
}

fn ratios(name: &str, ours: &[f64], peer: &str, theirs: &[f64]) -> Markup {
    let at = |quantile| Some(ratio(percentile(ours, quantile)?, percentile(theirs, quantile)?));
    html! {
        tr.ratio {
            th scope="row" title="Below 1 ours is the shorter pause." { (name) " ÷ " (peer) }
            td.n { }
            @for (quantile, _) in QUANTILES { td.n { (at(quantile).unwrap_or_else(|| NOTHING.to_owned())) } }
        }
    }
}
