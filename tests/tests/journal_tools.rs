//! What can be seen of a journal: the real `pulsegate journal cat` and `stats`, on journals of real
//! relays.

#![allow(clippy::unwrap_used)]

use std::process::Output;

use pulsegate_tests::{Program, TestClient, TestRelay, eventually, pulsegate};
use serde_json::Value;

/// `pulsegate journal COMMAND` on a relay's journal.
fn journal(relay: &TestRelay, command: &str, arguments: &[&str]) -> Output {
    let mut program = pulsegate();
    program.args(["journal", command]).arg(relay.journal()).args(arguments).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Two clients that played and left, in a journal that is finished.
fn played() -> (TestRelay, u64, u64) {
    let mut relay = TestRelay::start("tick.sleep = \"10ms\"");
    let mut first = TestClient::connect(relay.clients());
    first.echo(r#"{"move":"north","at":[1,2]}"#);
    relay.wait_sessions(1);
    let one = relay.sessions()[0]["id"].as_u64().unwrap();
    let mut second = TestClient::connect(relay.clients());
    second.echo(r#"{"move":"south","at":[5,2]}"#);
    second.echo("no JSON");
    drop(first);
    relay.whole_history(one);
    second.echo(r#"{"move":"north","at":[7,2]}"#);
    drop(second);
    relay.whole_history(one + 1);
    assert!(relay.terminate().success());
    (relay, one, one + 1)
}

#[test]
fn what_is_written_is_shown_to_those_who_follow() {
    let relay = TestRelay::start("tick.sleep = \"10ms\"");
    let mut client = TestClient::connect(relay.clients());
    client.echo("before");
    let mut command = pulsegate();
    command.args(["journal", "cat", "--follow", "--kind", "packet,reply"]).arg(relay.journal());
    let mut follower = Program::start(command);
    let mut all = pulsegate();
    all.args(["journal", "cat", "-f", "--from", "1"]).arg(relay.journal());
    let mut from_the_start = Program::start(all);
    from_the_start.says("\"payload\":\"before\"");
    eventually("a reply is shown to who follows", || {
        client.echo("while it is watched");
        follower.said().contains("\"kind\":\"reply\"")
    });
    assert!(!follower.said().contains("before"), "{}", follower.said());
    assert!(follower.runs() && from_the_start.runs());
}

#[test]
fn a_follower_goes_on_through_a_restart_and_ends_with_its_range() {
    let mut relay = TestRelay::start("tick.sleep = \"10ms\"");
    let last = relay.journal_ticks().len() as u64;
    let mut command = pulsegate();
    command.args(["journal", "cat", "--follow", "--kind", "open", "--from", "1", "--until"]);
    command.arg((last + 1000).to_string()).arg(relay.journal());
    let mut follower = Program::start(command);
    TestClient::connect(relay.clients()).echo("one");
    follower.says("\"session\":1,");
    relay.kill();
    relay.restart();
    relay.wait_ready();
    TestClient::connect(relay.clients()).echo("two");
    follower.says("\"session\":1000000000001,");
    assert!(follower.wait_exit().success(), "{}", follower.said());
}

#[test]
fn entries_are_found_by_session_kind_and_value() {
    let (relay, one, two) = played();
    let of_two = lines(&journal(&relay, "cat", &["--session", &two.to_string()]));
    assert!(of_two.iter().all(|line| line["session"] == two), "{of_two:#?}");
    let closes = lines(&journal(&relay, "cat", &["--kind", "open,close"]));
    assert_eq!(closes.len(), 4, "{closes:#?}");

    let arguments = ["--kind", "packet", "--where", "at[0]>=5", "--where", "move=north"];
    let output = journal(&relay, "cat", &arguments);
    let found = lines(&output);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["session"], &found[0]["payload"]["at"][0]), (&two.into(), &7.into()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("1 body is no JSON"), "{said}");

    let range = [
        "--from".to_owned(),
        format!("session:{one}:open"),
        "--until".to_owned(),
        format!("session:{one}:close"),
    ];
    let range: Vec<&str> = range.iter().map(String::as_str).collect();
    let within = lines(&journal(&relay, "cat", &range));
    assert_eq!((&within[0]["kind"], &within[0]["session"]), (&"open".into(), &one.into()));
    assert!(!within.iter().any(|line| line["payload"]["at"][0] == 7), "{within:#?}");

    let wrong = journal(&relay, "cat", &["--kind", "frame"]);
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("expected one of packet, open"));
}

#[test]
fn timings_and_answers_are_shown_if_asked_for() {
    let (relay, ..) = played();
    let timings = lines(&journal(&relay, "cat", &["--kind", "timing"]));
    let answers = lines(&journal(&relay, "cat", &["--kind", "answer"]));
    assert!(timings.len() > 5 && answers.len() > 5);
    assert!(timings.iter().all(|timing| timing["lateness_us"].is_u64()));
    assert!(answers.iter().any(|answer| answer["replies"] == 1));
}

#[test]
fn stats_by_session_are_what_cat_shows() {
    let (relay, one, two) = played();
    let rows = lines(&journal(&relay, "stats", &["--json"]));
    let (total, rows) = rows.split_last().unwrap();
    assert_eq!(rows.len(), 2, "{rows:#?}");
    for (row, id) in rows.iter().zip([one, two]) {
        assert_eq!(row["session"], id);
        let of =
            |kind| lines(&journal(&relay, "cat", &["--kind", kind, "--session", &id.to_string()]));
        assert_eq!(row["packets"], of("packet").len());
        assert_eq!(row["replies"], of("reply").len());
        assert_eq!(row["bytes_in"], row["bytes_out"], "it was echoed");
        assert_eq!(row["opened"], of("open")[0]["tick"]);
        assert_eq!(row["closed"], of("close")[0]["tick"]);
        assert_eq!(
            (&row["peer"], &row["reason"]),
            (&of("open")[0]["peer"], &of("close")[0]["reason"])
        );
    }
    let total = &total["total"];
    assert_eq!(
        (&total["opened"], &total["closed"], &total["packets"]),
        (&2.into(), &2.into(), &4.into())
    );
    assert_eq!(total["ticks"], relay.journal_ticks().len());

    let text = String::from_utf8(journal(&relay, "stats", &[]).stdout).unwrap();
    assert!(text.contains("2 opened, 2 closed") && text.contains("goodbye"), "{text}");
}

#[test]
fn stats_by_second_add_up_to_the_same() {
    let (relay, ..) = played();
    let rows = lines(&journal(&relay, "stats", &["--json", "--by", "second"]));
    let (total, rows) = rows.split_last().unwrap();
    for name in ["ticks", "packets", "bytes_in", "replies", "bytes_out"] {
        let sum: u64 = rows.iter().map(|row| row[name].as_u64().unwrap()).sum();
        assert_eq!(total["total"][name], sum, "{name}: {rows:#?}");
    }
    assert!(rows.iter().all(|row| row["second"].as_str().unwrap().ends_with(".000Z")), "{rows:#?}");
    assert!(rows.iter().any(|row| row["lateness_p99_us"].is_u64()), "{rows:#?}");
    let last = rows.last().unwrap()["first_tick"].as_u64().unwrap();
    let part = lines(&journal(
        &relay,
        "stats",
        &["--json", "--by", "second", "--from", &last.to_string()],
    ));
    assert_eq!(part[0], *rows.last().unwrap());
}
