//! The report as a page: all its parts are there, nothing in it is taken for markup, and a browser draws its charts.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

#[path = "html/browser.rs"]
mod browser;
#[path = "html/made.rs"]
mod made;
#[path = "html/pixels.rs"]
mod pixels;

use browser::Browser;
use drills::html;
use drills::record::{DrillRecord, Timeline};
use drills::violation::{Kind, Violation};
use pixels::{colour, dark_colour, drawn, expect_badge};

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
    // Two hundred acts are folded up, and the chart names none of a hundred faults but to the pointer.
    assert_eq!(page.matches(">\nkill\n<").count(), 0);
    assert_eq!(page.matches("<title>kill on ").count(), 100);
    expect(&page, &["<details><summary>200 acts"]);
    expect(&page, &["Each point stands for 10 buckets of 250 ms"]);
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}

#[test]
fn where_the_load_rested_there_is_a_gap_and_no_outage() {
    let mut record = made::passed(2);
    let whole = page(&record);
    assert!(!whole.contains("Gaps:") && !whole.contains("the load rested"));
    record.timeline.buckets[8..12].iter_mut().for_each(|b| (b.turns, b.rested) = (0, true));
    let page = page(&record);
    expect(&page, &["Gaps: the load rested while etcd 3.5.17 had its round.", ": the load rested</title>"]);
    // Nothing is said to have dropped to none.
    let rates = |page: &str| page.split("aria-label=\"Turns acknowledged per second").nth(1).unwrap()[..60].to_owned();
    assert_eq!(rates(&page), rates(&whole));
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
    }
}

#[test]
fn a_chart_without_its_line_is_found_wanting() {
    let Some(browser) = Browser::new() else { return };
    let page = page(&made::passed(4));
    let layout = browser.layout(&page, WIDTH, HEIGHT);
    for (name, line) in [("throughput", "throughput"), ("p50", "P50"), ("peer", "the peer")] {
        let [r, g, b] = colour(&page, name);
        let (head, body) = page.split_once("<body>").unwrap();
        let body = body.replace(&format!("stroke=\"#{r:02X}{g:02X}{b:02X}\""), "stroke=\"none\"");
        let (picture, _) = browser.picture(&format!("{head}<body>{body}"), WIDTH, HEIGHT, &[]);
        let error = drawn(&page, &layout, &picture).unwrap_err();
        assert!(error.contains(&format!("{line}: ")), "{error}");
    }
}

#[test]
fn words_in_the_charts_keep_apart() {
    let Some(browser) = Browser::new() else { return };
    let mut record = made::passed(9);
    let all = ["slow-link +200 ms, 512 kbit/s", "kill", "cut-outgoing", "step-clock -90000 ms"];
    for (n, act) in record.acts.iter_mut().enumerate() {
        // Faults overlap on one node, and some are never undone.
        act.node = 1 + (n as u64 / 2) % 2;
        act.zone = ["europe-west-1", "b"][(n / 2) % 2].to_owned();
        act.at_ms *= if act.undoes { 1.0 } else { 0.9 };
        act.what = if act.undoes { "start" } else { all[(n / 2) % 4] }.to_owned();
    }
    let page = page(&record);
    let layout = browser.layout(&page, WIDTH, HEIGHT);
    assert_eq!(layout.clashes, Vec::<String>::new());
    let words = &layout.words["chart-faults"];
    // With parameters where there is room for them, without elsewhere.
    let expected =
        [("kill", 2), ("slow-link", 3), ("step-clock", 1), ("step-clock -90000 ms", 1), ("europe-we… · 1", 1)];
    for (word, times) in expected {
        assert_eq!(words.iter().filter(|w| *w == word).count(), times, "{word} in {words:?}");
    }
}

#[test]
fn a_dark_surrounding_darkens_the_charts_as_well() {
    let Some(browser) = Browser::new() else { return };
    let page = page(&made::passed(4));
    let layout = browser.layout(&page, WIDTH, HEIGHT);
    let (picture, _) = browser.picture(&page, WIDTH, HEIGHT, &["--blink-settings=preferredColorScheme=0"]);
    let chart = layout.charts["chart-throughput"];
    let pixels = |name| (picture.count(chart, colour(&page, name)), picture.count(chart, dark_colour(&page, name)));
    let ((white, dark), (light_line, dark_line)) = (pixels("card"), pixels("throughput"));
    assert!(white == 0 && dark > 50_000, "{white} white and {dark} dark pixels");
    assert!(light_line < 50 && dark_line > 800, "{light_line} pixels of the light line, {dark_line} of the dark one");
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
