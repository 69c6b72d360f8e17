//! The report as a page: all its parts are there, nothing in it is taken for markup, and a browser draws its charts.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

#[path = "html/browser.rs"]
mod browser;
#[path = "html/made.rs"]
mod made;

use browser::{Area, Browser, Layout, Picture};
use drills::html;
use drills::record::{DrillRecord, Timeline};
use drills::violation::{Kind, Violation};

const CHARTS: [&str; 5] = ["chart-faults", "chart-throughput", "chart-failed", "chart-latency", "chart-failover"];

fn page(record: &DrillRecord) -> String {
    html::render(record).unwrap()
}

#[track_caller]
fn expect(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part:?} is missing in\n{page}");
    }
}

#[test]
fn a_passed_drill_has_all_parts() {
    let page = page(&made::passed(6));
    expect(
        &page,
        &[
            "<!DOCTYPE html><html lang=\"en\">",
            "default-src 'none'",
            "<title>Drill kill-leader: PASS</title>",
            ">PASS</strong>",
            "Every promise was kept",
            "2026-03-14T09:26:53Z",
            "3 processes on one machine",
            "8675309",
            "<code>tertulia drill kill-leader --rounds 6 --seed 8675309 --peer etcd</code>",
            "etcd 3.5.17",
            "order violations",
            "not linearizable",
            "One shard ÷ etcd 3.5.17",
            "2,115 ms",
            "connection refused",
        ],
    );
    for chart in CHARTS {
        expect(&page, &[&format!("<figure id=\"{chart}\">")]);
    }
    assert_eq!(page.matches("role=\"img\" aria-label=").count(), CHARTS.len());
    assert_eq!(page.matches("<table").count(), page.matches("<caption").count(), "a table has no caption");
    // Few acts are shown at once.
    expect(&page, &["<details open>"]);
}

#[test]
fn nothing_outside_of_the_page_is_asked_for() {
    let record = made::passed(3);
    let page = page(&record)
        .replace("http://www.w3.org/2000/svg", "")
        .replace(record.load.first_trouble.as_deref().unwrap(), "");
    for way in ["http://", "https://", "src=", "href=", "url(", "@import", "<link", "<script", "<iframe", "javascript:"]
    {
        assert!(!page.contains(way), "{way} leads outside");
    }
}

#[test]
fn what_was_seen_is_never_taken_for_markup() {
    const EVIL: &str = "<script>alert(\"1\")</script>&'";
    let mut record = made::passed(2);
    record.drill = EVIL.to_owned();
    record.about = EVIL.to_owned();
    record.place = EVIL.to_owned();
    record.began = EVIL.to_owned();
    record.command = EVIL.to_owned();
    record.versions = vec![(EVIL.to_owned(), EVIL.to_owned())];
    record.peer.as_mut().unwrap().name = EVIL.to_owned();
    record.rounds[0].zones = vec![EVIL.to_owned()];
    record.acts[0].zone = EVIL.to_owned();
    record.acts[0].what = EVIL.to_owned();
    record.load.first_trouble = Some(EVIL.to_owned());
    record.evidence = Some(EVIL.into());
    record.stopped = Some(EVIL.to_owned());
    let evil = || EVIL.to_owned();
    record.verdict.violations = vec![Violation::Lost { session: evil(), key: evil(), seq: 1, view: evil() }];
    record.verdict.counts = [(Kind::Lost, 1)].into();
    let page = page(&record);
    assert!(!page.contains("<script"), "a script got in:\n{page}");
    assert!(!page.contains("alert(\""), "a quotation mark got into an attribute:\n{page}");
    expect(&page, &["lost: session &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;"]);
    // Twelve fields, some of them several times.
    assert!(page.matches("&lt;script&gt;").count() >= 20, "something is missing:\n{page}");
}

#[test]
fn a_broken_promise_is_a_failure() {
    let mut record = made::failed(3);
    let page = page(&record);
    expect(
        &page,
        &[
            "<title>Drill kill-leader: FAIL</title>",
            ">FAIL</strong>",
            "Promises were broken: 17 lost, 1 not linearizable.",
        ],
    );
    expect(
        &page,
        &["lost: session session-2, key key-2: acknowledged as turn 42", "14 more were counted and not named."],
    );
    expect(&page, &["cannot  in the end, node 2", "/var/tmp/drills/kill-leader-8675309/history.json"]);
    assert!(!page.contains("PASS"));

    // That it was stopped as well does not make it less of one.
    record.stopped = Some("no quorum for 60 s".to_owned());
    let page = self::page(&record);
    expect(&page, &[">FAIL</strong>", "also ended before its time: no quorum for 60 s"]);
}

#[test]
fn a_stopped_drill_tells_why() {
    let mut record = made::passed(3);
    record.stopped = Some("node 3 did not start within 120 s".to_owned());
    let page = page(&record);
    expect(&page, &[">STOPPED</strong>", "The drill ended before its time: node 3 did not start within 120 s"]);
    assert!(!page.contains("PASS") && !page.contains("FAIL"));
}

#[test]
fn a_drill_without_anything_is_a_page_as_well() {
    let mut record = made::passed(0);
    record.timeline = Timeline::default();
    record.load = Default::default();
    record.versions.clear();
    let bare = page(&record);
    expect(&bare, &["No timeline was recorded.", "No round was run.", "Nothing was done to any node."]);
    assert!(!bare.contains("NaN") && !bare.contains("inf "), "{bare}");

    // Numbers that are none, a peer without rounds, and a timeline in which nothing happened.
    let mut record = made::passed(2);
    record.rounds[0].shard_pause_ms = f64::NAN;
    record.rounds[1].pause_ms = f64::INFINITY;
    record.peer.as_mut().unwrap().pause_ms.clear();
    record.timeline.buckets.iter_mut().for_each(|bucket| *bucket = Default::default());
    record.load.turns_per_s = f64::NAN;
    let strange = page(&record);
    expect(&strange, &["No attempt failed.", "there are no latencies"]);
    assert!(!strange.contains("NaN"), "{strange}");
    record.peer = None;
    record.acts.clear();
    record.rounds.clear();
    page(&record);
}

#[test]
fn a_hundred_rounds_stay_within_bounds() {
    let page = page(&made::passed(100));
    let (_, rounds) = page.split_once("id=\"rounds\"").unwrap();
    assert_eq!(rounds.split_once("</table>").unwrap().0.matches("<tr").count(), 1 + 100);
    // Two hundred acts are folded up, and the chart names none of a hundred faults.
    expect(&page, &["<details><summary>200 acts", "So many faults are not named here"]);
    expect(&page, &["Each point stands for 10 buckets of 250 ms"]);
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}

#[test]
fn it_is_written_into_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, record) = (folder.path().join("report.html"), made::passed(1));
    html::write(&record, &file).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), page(&record));
    let error = html::write(&record, &folder.path().join("no/such/folder")).unwrap_err();
    assert!(error.to_string().starts_with("cannot write"), "{error}");
}

/// The page's own colour of this name, in a light surrounding.
fn colour(page: &str, name: &str) -> [u8; 3] {
    let hex = page.split_once(&format!("--{name}:#")).unwrap().1;
    [0, 2, 4].map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
}

/// A colour over white, with so little of it.
fn mixed(colour: [u8; 3], opacity: f64) -> [u8; 3] {
    colour.map(|c| (f64::from(c) * opacity + 255.0 * (1.0 - opacity)).round() as u8)
}

/// Were all charts drawn? Each line must have left so many pixels in the place of its chart.
fn drawn(page: &str, layout: &Layout, picture: &Picture) -> Result<(), String> {
    let fault = colour(page, "fault");
    let lines = [
        ("chart-faults", "bars", mixed(fault, 0.45), 2_000),
        ("chart-throughput", "throughput", colour(page, "throughput"), 800),
        ("chart-throughput", "shades", mixed(fault, 0.16), 10_000),
        ("chart-failed", "failed attempts", colour(page, "failed"), 300),
        ("chart-failed", "shades", mixed(fault, 0.16), 5_000),
        ("chart-latency", "P50", colour(page, "p50"), 800),
        ("chart-latency", "P99", colour(page, "p99"), 300),
        ("chart-latency", "max", colour(page, "worst"), 300),
        ("chart-latency", "shades", mixed(fault, 0.16), 10_000),
        ("chart-failover", "ours", colour(page, "ours"), 300),
        ("chart-failover", "the peer", colour(page, "peer"), 300),
    ];
    for (chart, line, colour, pixels_min) in lines {
        let area = *layout.charts.get(chart).ok_or(format!("there is no {chart}"))?;
        let pixels = picture.count(area, colour);
        println!("{chart}: {line}: {pixels} pixels");
        if pixels < pixels_min {
            return Err(format!(
                "{chart}: {line}: {pixels} pixels of {colour:?}, no less than {pixels_min} are expected"
            ));
        }
    }
    Ok(())
}

/// The badge has the colour of this verdict and of no other one.
#[track_caller]
fn expect_badge(page: &str, layout: &Layout, picture: &Picture, verdict: &str) {
    let Area(left, top, right, bottom) = layout.badge;
    let size = ((right - left) * (bottom - top)) as usize;
    for name in ["pass", "fail", "stopped"] {
        let pixels = picture.count(layout.badge, colour(page, name));
        assert_eq!(
            pixels > size / 2,
            name == verdict,
            "{pixels} of {size} pixels of the badge have the colour of {name}"
        );
    }
}

const WIDTH: u32 = 1_200;
const HEIGHT: u32 = 3_000;

#[test]
fn a_browser_draws_every_chart() {
    let Some(browser) = Browser::new() else { return };
    for rounds in [4, 100] {
        let page = page(&made::passed(rounds));
        let layout = browser.layout(&page, WIDTH, HEIGHT);
        let (picture, complaints) = browser.picture(&page, WIDTH, HEIGHT, &[]);
        assert_eq!(complaints, Vec::<String>::new());
        assert_eq!(layout.clashes, Vec::<String>::new());
        assert_eq!(layout.content_width, layout.window_width, "the page is wider than its window");
        drawn(&page, &layout, &picture).unwrap();
        expect_badge(&page, &layout, &picture, "pass");

        // What the pixels are looked at for: without its line a chart is found wanting.
        for (name, line) in [("throughput", "throughput"), ("p50", "P50"), ("peer", "the peer")] {
            let [r, g, b] = colour(&page, name);
            let broken = page.replace(&format!(" stroke=\"#{r:02X}{g:02X}{b:02X}\""), " stroke=\"none\"");
            let (picture, _) = browser.picture(&broken, WIDTH, HEIGHT, &[]);
            let error = drawn(&page, &layout, &picture).unwrap_err();
            assert!(error.contains(&format!("{line}: ")), "{error}");
        }
    }
}

#[test]
fn a_failure_has_another_badge_and_fits_a_narrow_window() {
    let Some(browser) = Browser::new() else { return };
    for (width, height) in [(WIDTH, HEIGHT), (500, HEIGHT)] {
        let page = page(&made::failed(100));
        let layout = browser.layout(&page, width, height);
        let (picture, complaints) = browser.picture(&page, width, height, &[]);
        assert_eq!(complaints, Vec::<String>::new());
        assert_eq!(layout.content_width, layout.window_width, "the page is wider than its window");
        expect_badge(&page, &layout, &picture, "fail");
    }
    let mut record = made::passed(2);
    record.stopped = Some("no quorum for 60 s".to_owned());
    let page = page(&record);
    let (picture, _) = browser.picture(&page, WIDTH, HEIGHT, &[]);
    expect_badge(&page, &browser.layout(&page, WIDTH, HEIGHT), &picture, "stopped");
}

#[test]
fn the_browser_itself_refuses_what_comes_from_outside() {
    let Some(browser) = Browser::new() else { return };
    let page = page(&made::passed(1));
    for planted in
        ["<img src=\"http://127.0.0.1:9/dot.png\" alt=\"\">", "<script>document.body.textContent = ''</script>"]
    {
        let (_, complaints) = browser.picture(&page.replace("<main>", &format!("<main>{planted}")), WIDTH, 800, &[]);
        let refused = complaints.iter().any(|line| line.contains("Content Security Policy"));
        assert!(refused, "{planted} was let through: {complaints:?}");
    }
}
