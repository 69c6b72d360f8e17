//! The report that CI systems read: JUnit's XML, a suite for each file, a case for each story.

use super::{StoryRun, TestRun};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// JUnit XML of a run.
///
/// # Errors
/// None that is known: the library builds the text in memory.
pub fn junit(run: &TestRun<'_>) -> anyhow::Result<String> {
    let mut report = Report::new("tertulia test");
    let mut suites: Vec<(TestSuite, Duration)> = Vec::new();
    for story in &run.stories {
        let path = story.report.place.path.as_str();
        let at = match suites.iter().position(|(suite, _)| suite.name.as_str() == path) {
            Some(at) => at,
            None => {
                suites.push((TestSuite::new(path), Duration::ZERO));
                suites.len() - 1
            }
        };
        suites[at].0.add_test_case(case(story, path));
        suites[at].1 += story.time;
    }
    for (mut suite, time) in suites {
        suite.set_time(time);
        report.add_test_suite(suite);
    }
    report.set_time(run.time());
    Ok(report.to_string()?)
}

fn case(run: &StoryRun<'_>, path: &str) -> TestCase {
    let report = &run.report;
    let mut status = TestCaseStatus::success();
    if let Some(first) = report.failures.first() {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let all: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        status.set_type("mismatch").set_message(first.to_string()).set_description(all.join("\n"));
    }
    let mut case = TestCase::new(report.name.as_str(), status);
    // Java's convention, by which CI systems group: the file without its ending, with dots.
    let stem = path.strip_suffix(".yml").or_else(|| path.strip_suffix(".yaml")).unwrap_or(path);
    case.set_classname(stem.replace('/', ".")).set_time(run.time).set_assertions(report.actions.len());
    case.extra.insert("file".into(), path.into());
    case.extra.insert("line".into(), report.place.line.to_string().into());
    case
}
