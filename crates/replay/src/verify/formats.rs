//! A verdict for programs.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::args::{Format, VerifyArgs};
use super::verdict::Verdict;
use crate::error::Error;

/// What is printed of an outcome, in a format.
pub(crate) fn print(args: &VerifyArgs, outcome: &Result<Verdict, Error>) -> String {
    match (args.format, outcome) {
        (Format::Text, Ok(verdict)) => verdict.to_string(),
        (Format::Text, Err(_)) => String::new(),
        (Format::Json, outcome) => format!("{:#}\n", as_json(outcome)),
        (Format::Junit, outcome) => as_junit(args, outcome),
        (Format::Github, outcome) => as_annotation(outcome),
    }
}

fn as_json(outcome: &Result<Verdict, Error>) -> Value {
    let (word, mut rest) = match outcome {
        Ok(verdict) if verdict.found.is_none() => ("same", json!(verdict)),
        Ok(verdict) => ("different", json!(verdict)),
        Err(error) => ("could_not_run", json!({ "error": error.to_string() })),
    };
    let mut object = serde_json::Map::from_iter([("verdict".to_owned(), word.into())]);
    if let Some(rest) = rest.as_object_mut() {
        object.append(rest);
    }
    Value::Object(object)
}

fn as_junit(args: &VerifyArgs, outcome: &Result<Verdict, Error>) -> String {
    let status = match outcome {
        Ok(verdict) if verdict.found.is_none() => TestCaseStatus::success(),
        Ok(verdict) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(verdict.sentence()).set_type("different");
            status.set_description(verdict.to_string());
            status
        }
        Err(error) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(error.to_string()).set_type("could not run");
            status
        }
    };
    let name = format!("{} answers as {} says", args.logic, args.journal.display());
    let mut case = TestCase::new(name, status);
    case.set_classname("pulsegate.verify");
    if let Ok(verdict) = outcome {
        case.set_time(std::time::Duration::from_secs_f64(verdict.seconds));
        case.set_system_out(verdict.to_string());
    }
    let mut suite = TestSuite::new("pulsegate verify");
    suite.add_test_case(case);
    let mut report = Report::new("pulsegate verify");
    report.add_test_suite(suite);
    // It is written into memory.
    report.to_string().unwrap_or_default()
}

fn as_annotation(outcome: &Result<Verdict, Error>) -> String {
    let (level, title, text) = match outcome {
        Ok(verdict) if verdict.found.is_none() => {
            ("notice", "pulsegate verify: same".to_owned(), verdict.sentence())
        }
        Ok(verdict) => {
            let tick = verdict.found.as_ref().map_or(0, |found| found.tick);
            ("error", format!("pulsegate verify: tick {tick} differs"), verdict.to_string())
        }
        Err(error) => ("error", "pulsegate verify could not run".to_owned(), error.to_string()),
    };
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let title = escaped(&title).replace(':', "%3A").replace(',', "%2C");
    format!("::{level} title={title}::{}\n", escaped(text.trim_end()))
}
