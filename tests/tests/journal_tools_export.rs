//! What the real `pulsegate journal export` makes of a journal for other programs, and what a redaction
//! leaves of it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use pulsegate_journal::{Reader, Record, verify};
use pulsegate_protocol::Framing;
use pulsegate_protocol::framing::{ByteOrder, LengthPrefix, LengthWidth};
use pulsegate_tests::{TestClient, TestRelay, pulsegate, tools};
use serde_json::Value;

/// The default one.
const PREFIX: LengthPrefix = LengthPrefix {
    width: LengthWidth::Four,
    byte_order: ByteOrder::Big,
    includes_header: false,
    max_frame: 64 * 1024,
};

fn journal(relay: &TestRelay, command: &str, arguments: &[&str]) -> Output {
    let mut program = pulsegate();
    program.args(["journal", command]).arg(relay.journal()).args(arguments).output().unwrap()
}

#[track_caller]
fn export(relay: &TestRelay, arguments: &[&str]) -> Vec<u8> {
    let output = journal(relay, "export", arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Three sessions, of which the third has left, and a packet of many segments.
fn played() -> TestRelay {
    let mut relay = TestRelay::start(
        "tick.sleep = \"10ms\"\nclient.max_frame = 200000\nlimits.outbox = \"1MiB\"",
    );
    let framing = Framing::Length(LengthPrefix { max_frame: 200_000, ..PREFIX });
    let connect = |_| TestClient::connect_as(relay.clients(), framing);
    let mut clients: Vec<_> = (0..3).map(connect).collect();
    for round in 0..5 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.echo(format!(r#"{{"name":"ada-{number}","round":{round},"secret":"hunter2"}}"#));
        }
    }
    clients[0].echo(vec![7; 150_000]);
    clients.truncate(2);
    relay.whole_history(3);
    clients[1].echo("not JSON, ada-1");
    relay.kill();
    relay
}

/// Fields of the frames of a capture, as `tshark` dissects them.
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Option<Vec<Vec<String>>> {
    let mut command = tools::tshark()?;
    command.arg("-r").arg(file).args(["-2", "-R", filter, "-T", "fields"]);
    // The bodies are a game's own; what looks like another protocol is none.
    command.args(["-o", "tcp.desegment_tcp_streams:FALSE", "-o", "tcp.check_checksum:TRUE"]);
    command.args(["-o", "ip.check_checksum:TRUE"]);
    fields.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    Some(rows(&mut command))
}

fn rows(command: &mut Command) -> Vec<Vec<String>> {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn tshark_reads_a_capture_as_whole_conversations() {
    let relay = played();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("game.pcapng");
    let address = relay.clients().to_string();
    export(&relay, &["--format", "pcapng", "--relay", &address, "-o", file.to_str().unwrap()]);

    let Some(wrong) = tshark(
        &file,
        "_ws.malformed || _ws.expert.severity >= 0x600000 || tcp.analysis.retransmission || \
         tcp.analysis.out_of_order || tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || \
         tcp.analysis.window_full || tcp.checksum.status == 0 || ip.checksum.status == 0",
        &["frame.number", "_ws.expert.message"],
    ) else {
        return;
    };
    assert_eq!(wrong, Vec::<Vec<String>>::new());
    let opens = relay.journal_cat(&["--kind", "open"]);
    let syns = tshark(
        &file,
        "tcp.flags.syn == 1 && tcp.flags.ack == 0",
        &["ip.src", "tcp.srcport", "tcp.dstport", "frame.time_epoch"],
    )
    .unwrap();
    assert_eq!(syns.len(), 3);
    for (syn, open) in syns.iter().zip(&opens) {
        assert_eq!(format!("{}:{}", syn[0], syn[1]), open["peer"].as_str().unwrap());
        assert_eq!(syn[2], relay.clients().port().to_string());
        assert_eq!(syn[3].split_once('.').unwrap().1.len(), 9, "in nanoseconds");
    }
    // The third client's end was seen; the others had the relay killed under them.
    let fins = tshark(&file, "tcp.flags.fin == 1", &["tcp.stream"]).unwrap();
    assert_eq!(fins.len(), 2, "{fins:?}");

    for (stream, open) in opens.iter().enumerate() {
        let session = open["session"].to_string();
        for (kind, side) in [("packet", "tcp.srcport"), ("reply", "tcp.dstport")] {
            let (_, port) = open["peer"].as_str().unwrap().rsplit_once(':').unwrap();
            let filter = format!("tcp.stream == {stream} && {side} == {port} && tcp.len > 0");
            let shown = tshark(&file, &filter, &["tcp.payload"]).unwrap();
            let shown: String = shown.into_iter().flatten().collect();
            assert!(shown == bodies(&relay, &session, kind), "{kind} of session {session}");
        }
    }
}

/// The bodies of a session's packets or replies, one behind the other, in hexadecimal digits.
fn bodies(relay: &TestRelay, session: &str, kind: &str) -> String {
    let lines = relay.journal_cat(&["--session", session, "--kind", kind]);
    let bodies = lines.iter().map(|line| match &line["payload"] {
        Value::String(text) => text.clone(),
        json => json.to_string(),
    });
    bodies.flat_map(String::into_bytes).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_capture_of_a_range_opens_those_who_were_there_and_knows_ipv6() {
    let relay = TestRelay::launch("tick.sleep = \"10ms\"\nclient.listen = \"[::1]:0\"", |_| {});
    relay.wait_ready();
    let log = relay.log();
    let (_, address) = log.split_once(" clients=").unwrap();
    let address: SocketAddr = address.split(' ').next().unwrap().parse().unwrap();
    let mut client = TestClient::connect(address);
    client.echo("one");
    let middle = relay.journal_ticks().len().to_string();
    client.echo("two");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("part.pcapng");
    let name = file.to_str().unwrap();
    export(
        &relay,
        &["--format", "pcapng", "--from", &middle, "--relay", &address.to_string(), "-o", name],
    );
    let fields = ["ipv6.src", "tcp.flags.syn", "tcp.payload"];
    let Some(frames) = tshark(&file, "tcp", &fields) else { return };
    assert_eq!(frames[0][..2], ["::1".to_owned(), "1".to_owned()]);
    assert!(
        frames.iter().any(|frame| frame.get(2).is_some_and(|body| body == "74776f")),
        "{frames:?}"
    );
    let wrong =
        tshark(&file, "_ws.malformed || tcp.checksum.status == 0", &["frame.number"]).unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn lines_are_those_of_cat_and_a_table_has_as_many_rows() {
    let relay = played();
    let lines = export(&relay, &["--format", "jsonl"]);
    assert_eq!(lines, journal(&relay, "cat", &[]).stdout);
    let packets = export(&relay, &["--format", "csv", "--kind", "packet", "--where", "round=4"]);
    let text = String::from_utf8(packets).unwrap();
    assert_eq!(text.lines().count(), 1 + 3, "{text}");
    assert!(text.starts_with("tick,time,kind,session,to,said,payload,payload_base64\n"), "{text}");
}

/// Everything that is in a journal, one record behind the other, and its files as they are.
fn everything(dir: &Path) -> Vec<u8> {
    let mut reader = Reader::open(dir).unwrap();
    let mut all = Vec::new();
    while let Some(record) = reader.read().unwrap() {
        match record {
            Record::Head(head) => all.extend(format!("{head:?}").into_bytes()),
            Record::Tick { bytes, .. }
            | Record::Answer { bytes, .. }
            | Record::Push { bytes, .. } => {
                all.extend(bytes);
            }
            Record::Timing(_) => {}
        }
    }
    for file in fs::read_dir(dir).unwrap() {
        all.extend(fs::read(file.unwrap().path()).unwrap());
    }
    all
}

#[track_caller]
fn holds_nothing_of(bytes: &[u8], secrets: &[&str]) {
    for secret in secrets {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} is still there");
    }
}

#[test]
fn nothing_of_what_is_redacted_is_left() {
    let relay = played();
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.toml");
    let text = r#"
        raw = "zeros"
        [[value]]
        path = "name"
        pseudonym = true
        [[value]]
        path = "secret"
        remove = true
        [[value]]
        path = "misspelt"
        remove = true
    "#;
    fs::write(&rules, text).unwrap();
    let rules = rules.to_str().unwrap();
    let peers = relay.journal_cat(&["--kind", "open"]);
    let peer = peers[0]["peer"].as_str().unwrap();
    let ip = peer.rsplit_once(':').unwrap().0;
    let secrets = ["hunter2", "ada-0", "ada-1", "ada-2", "not JSON", ip];
    let out = dir.path().join("cut");
    // The second half: the first client is there before it begins.
    let from = (relay.journal_ticks().len() / 2).to_string();
    let output =
        journal(&relay, "cut", &["--redact", rules, "--from", &from, out.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("name: ") && told.contains(" values replaced"), "{told}");
    assert!(told.contains("warning: there is no value at misspelt"), "{told}");
    verify(&out).unwrap();
    holds_nothing_of(&everything(&out), &secrets);
    let whole = everything(&relay.journal());
    assert!(
        whole.windows(7).any(|window| window == b"hunter2"),
        "the test looks in the right place"
    );

    for format in ["jsonl", "csv", "pcapng"] {
        holds_nothing_of(&export(&relay, &["--format", format, "--redact", rules]), &secrets);
    }
    // A pseudonym is the same wherever its value was.
    let lines = export(&relay, &["--format", "jsonl", "--redact", rules, "--where", "round=1"]);
    let lines: Vec<Value> = lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(lines.len(), 6);
    for packet in lines.iter().filter(|line| line["kind"] == "packet") {
        let replies = lines.iter().filter(|line| line["kind"] == "reply");
        let same = replies.filter(|reply| reply["payload"] == packet["payload"]).count();
        assert_eq!(same, 1, "{packet}");
    }
}
