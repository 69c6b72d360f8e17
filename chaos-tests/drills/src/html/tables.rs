//! The tables of a report: versions, violations, rounds, acts, counts.

use super::numbers::{count, fixed, ms, size};
use crate::limits::{ACTS_OPEN_MAX, ACTS_SHOWN_MAX};
use crate::record::{ActRecord, DrillRecord, RoundRecord};
use crate::verdict::Verdict;
use maud::{Markup, html};

/// A column of numbers of the table of rounds: its head, what it means, and where it is found.
type Column = (&'static str, &'static str, fn(&RoundRecord) -> f64);

const ROUND_COLUMNS: [Column; 7] = [
    ("struck at, s", "From the drill's begin, in seconds.", |r| r.struck_ms / 1_000.0),
    ("fault, ms", "How long the fault lasted.", |r| r.healed_ms - r.struck_ms),
    ("one shard's pause, ms", "The longest pause of a single shard that was hit.", |r| r.shard_pause_ms),
    ("hit shards' pause, ms", "The longest time without any turn of the shards that were hit.", |r| r.pause_ms),
    ("total pause, ms", "The longest time without any acknowledgement at all.", |r| r.total_pause_ms),
    ("worst turn, ms", "The worst latency of a turn that was under way meanwhile.", |r| r.worst_turn_ms),
    ("whole again, ms", "From the fault's end until every node was ready.", |r| r.whole_again_ms),
];

/// A table inside of what scrolls where the page is narrower than it.
fn scroll(label: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

/// Who took part.
pub(super) fn versions(versions: &[(String, String)]) -> Markup {
    html! {
        @if !versions.is_empty() {
            table.versions {
                caption { "Versions" }
                tbody { @for (name, version) in versions { tr { th scope="row" { (name) } td { code { (version) } } } } }
            }
        }
    }
}

/// The violations by name.
pub(super) fn violations(verdict: &Verdict) -> Markup {
    let all: usize = verdict.counts.values().sum();
    let unnamed = all.saturating_sub(verdict.violations.len());
    html! {
        ol.violations { @for violation in &verdict.violations { li { pre { (violation) } } } }
        @if unnamed > 0 { p.note { (size(unnamed)) " more were counted and not named." } }
    }
}

/// Every round.
pub(super) fn rounds(record: &DrillRecord) -> Markup {
    let rounds = &record.rounds;
    if rounds.is_empty() {
        return html! { p.none { "No round was run." } };
    }
    let worst = rounds.iter().map(|round| round.shard_pause_ms).fold(f64::MIN, f64::max);
    let table = html! {
        table {
            caption { "Each round: a fault, how long service paused for it, and how long until all was whole again" }
            thead { tr {
                th.n scope="col" { "#" }
                th scope="col" { "zones hit" }
                th.n scope="col" title="Shards that the hit nodes led." { "shards led" }
                @for (name, meaning, _) in ROUND_COLUMNS { th.n scope="col" title=(meaning) { (name) } }
            } }
            tbody {
                @for (n, round) in rounds.iter().enumerate() {
                    tr.worst[round.shard_pause_ms == worst] {
                        th.n scope="row" { (n + 1) }
                        td { (round.zones.join(", ")) }
                        td.n { (size(round.led)) }
                        @for (_, _, of) in ROUND_COLUMNS { td.n { (fixed(of(round), 1)) } }
                    }
                }
            }
        }
    };
    html! {
        (scroll("Rounds", &table))
        p.note { "The round with the longest pause of a single shard is marked." }
    }
}

/// Everything that was done, folded up where it is long.
pub(super) fn acts(acts: &[ActRecord]) -> Markup {
    if acts.is_empty() {
        return html! { p.none { "Nothing was done to any node." } };
    }
    let left_out = acts.len().saturating_sub(ACTS_SHOWN_MAX);
    let table = html! {
        table {
            caption { "What was done when, to which node" }
            thead { tr {
                th.n scope="col" { "at, s" }
                th scope="col" { "zone" }
                th.n scope="col" { "node" }
                th scope="col" { "act" }
                th scope="col" { "undoes another" }
            } }
            tbody {
                @for act in acts.iter().take(ACTS_SHOWN_MAX) {
                    tr {
                        td.n { (fixed(act.at_ms / 1_000.0, 3)) }
                        td { (act.zone) }
                        td.n { (act.node) }
                        td { (act.what) }
                        td { @if act.undoes { "yes" } @else { "no" } }
                    }
                }
            }
        }
    };
    html! {
        details open[acts.len() <= ACTS_OPEN_MAX] {
            summary { (size(acts.len())) " acts" }
            (scroll("Acts", &table))
            @if left_out > 0 { p.note { (size(left_out)) " more are left out here; the drill's record has them." } }
        }
    }
}

/// What the load counted, and what the judge looked at.
pub(super) fn counts(record: &DrillRecord) -> Markup {
    let (load, verdict) = (&record.load, &record.verdict);
    let search = &verdict.linearizable;
    let texts = if load.cold { "unique texts, no cache helps" } else { "repeated texts, caches help" };
    let misses = load.cache_misses.map_or_else(|| "not asked".to_owned(), count);
    html! {
        div.columns {
            (pairs("The load", &[
                ("clients", size(load.clients)),
                ("texts", texts.to_owned()),
                ("turns acknowledged", count(load.turns)),
                ("turns given up", count(load.errors)),
                ("attempts repeated", count(load.retries)),
                ("turns sent again on purpose", count(load.resends)),
                ("acknowledgements marked as replayed", count(load.replayed)),
                ("acknowledgements without a message", count(load.silent)),
                ("reads", count(load.reads)),
                ("reads that failed", count(load.reads_failed)),
                ("misses of the cache of understandings", misses),
                ("latency P50", ms(load.p50_ms)),
                ("latency P90", ms(load.p90_ms)),
                ("latency P99", ms(load.p99_ms)),
                ("latency P99.9", ms(load.p999_ms)),
                ("latency max", ms(load.max_ms)),
                ("longest pause of everything", ms(load.longest_pause_ms)),
            ]))
            (pairs("The judgement", &[
                ("turns acknowledged", size(verdict.acknowledged)),
                ("turns of unknown outcome", size(verdict.unknown)),
                ("turns in the log", size(verdict.logged)),
                ("sessions in the log", size(verdict.sessions)),
                ("acknowledgements of a recorded turn", size(verdict.replayed)),
                ("sessions searched for an order", size(search.sessions)),
                ("operations in them", size(search.operations)),
                ("of these reads", size(search.reads)),
                ("of these overlapping another", size(search.overlapping)),
                ("configurations visited", size(search.visited)),
            ]))
        }
        @if let Some(trouble) = &load.first_trouble {
            h3 { "The first thing that went wrong for a client" }
            pre { (trouble) }
        }
    }
}

fn pairs(caption: &str, pairs: &[(&str, String)]) -> Markup {
    html! {
        table.pairs {
            caption { (caption) }
            tbody { @for (name, value) in pairs { tr { th scope="row" { (name) } td.n { (value) } } } }
        }
    }
}
