//! A tick that logic dies of is named and held, until an operator has it skipped.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{Applied, Tick, from_logic::Message, item::Item, welcome::Resume};
use pulsegate_tests::fake_logic::{FakeLogic, Link, echo};
use pulsegate_tests::tools::strace;
use pulsegate_tests::{PATIENCE, Program, TestClient, TestRelay, eventually, eventually_some};
use serde_json::{Value, json};

const SUSPECT: &str = "pulsegate_suspect_tick";

fn has_packet(tick: &Tick) -> bool {
    tick.items.iter().any(|item| matches!(item.item, Some(Item::Packet(_))))
}

fn says_skipped(tick: &Tick) -> bool {
    tick.items.iter().any(|item| matches!(item.item, Some(Item::Skipped(_))))
}

/// A logic server that holds the state after tick `applied`, and the first tick that it gets.
fn resumed(logic: &FakeLogic, applied: u64) -> (Link, Tick) {
    for _ in 0..20 {
        let mut link = logic.accept();
        let lineage = link.hello.lineage.clone();
        link.welcome(match applied {
            0 => Resume::Rebuild(Default::default()),
            tick => Resume::Applied(Applied { lineage, tick }),
        });
        // Nothing comes over one that waited here while the relay gave it up.
        if let Some(tick) = link.next_tick() {
            return (link, tick);
        }
    }
    panic!("no link gets a tick")
}

/// One life of a logic server that dies of the first packet that it is sent: of which tick.
fn die_of_a_packet(logic: &FakeLogic, applied: u64) -> u64 {
    let (mut link, tick) = resumed(logic, applied);
    if has_packet(&tick) {
        return tick.number;
    }
    link.done(tick.number);
    link.skip_until("the packet's", has_packet).number
}

/// A relay, a client whose packet logic dies of, and the tick that is suspect for it.
fn poisoned() -> (TestRelay, FakeLogic, TestClient, u64) {
    let relay = TestRelay::before_logic("");
    let logic = FakeLogic::listen(relay.logic());
    let mut client = TestClient::connect(relay.clients());
    client.send("poison");
    let tick = die_of_a_packet(&logic, 0);
    while relay.metric(SUSPECT) == 0.0 {
        assert_eq!(die_of_a_packet(&logic, tick - 1), tick);
        eventually("its death is noticed", || relay.metric("pulsegate_link_up") == 0.0);
    }
    assert_eq!(relay.metric(SUSPECT), tick as f64);
    (relay, logic, client, tick)
}

fn skip(relay: &TestRelay, tick: u64) -> (u16, Value) {
    let (status, text) = relay.post("/api/logic/skip", &json!({ "tick": tick }), &[]);
    (status, serde_json::from_str(&text).unwrap())
}

/// Logic is given the tick without its packets, and play goes on.
#[track_caller]
fn goes_on_without(logic: &FakeLogic, client: &mut TestClient, tick: u64) {
    let (mut link, skipped) = resumed(logic, tick - 1);
    assert_eq!((skipped.number, has_packet(&skipped)), (tick, false));
    link.done(tick);
    client.send("and on");
    let next = link.skip_until("the next packet's", has_packet);
    link.send(Message::Done(echo(&next).unwrap()));
    assert_eq!(client.read_text(), "and on");
}

#[test]
fn a_tick_that_logic_dies_of_is_held_until_an_operator_has_it_skipped() {
    let (mut relay, logic, _client, tick) = poisoned();
    assert!(relay.log().contains("suspect tick"), "{}", relay.log());
    assert!(relay.get("/readyz").1.contains(&format!("times of tick {tick}")));
    assert_eq!(relay.admin_json("/api/status")["logic"]["suspect"]["tick"], tick);

    assert_eq!(die_of_a_packet(&logic, tick - 1), tick, "nobody has asked for more");
    assert_eq!(skip(&relay, tick + 1).0, 409);
    assert_eq!(skip(&relay, tick), (200, json!({ "skipped": tick })));
    assert_eq!(skip(&relay, tick).0, 200, "said twice");
    let (mut link, skipped) = resumed(&logic, tick - 1);
    assert_eq!((skipped.number, has_packet(&skipped)), (tick, false));
    link.done(tick);
    let word = link.skip_until("the word that it was skipped", says_skipped);
    link.done(word.number);
    eventually("nothing is suspect", || relay.metric(SUSPECT) == 0.0);
    assert_eq!(relay.sessions().len(), 1);

    // Another life of the relay, and of logic, which begins at the first tick.
    relay.kill();
    relay.restart();
    let (mut link, first) = resumed(&logic, 0);
    link.done(first.number);
    let again = link.skip_until("the same tick", |wanted| wanted.number == tick);
    assert!(!has_packet(&again), "{again:?}");
    let ticks = relay.journal_ticks();
    let kept = ticks.iter().find(|kept| kept.number == tick).unwrap();
    assert!(has_packet(kept), "the journal keeps what was skipped");
    assert_eq!(ticks.iter().filter(|tick| says_skipped(tick)).count(), 1);
}

#[test]
fn the_link_ends_before_the_word_counts_so_no_answer_comes_behind_it() {
    let (relay, logic, mut client, tick) = poisoned();
    let (mut slow, whole) = resumed(&logic, tick - 1);
    assert!(has_packet(&whole));
    assert_eq!(skip(&relay, tick).0, 200);
    slow.send(Message::Done(echo(&whole).unwrap()));
    assert_eq!(slow.next_tick(), None, "the link goes on");
    goes_on_without(&logic, &mut client, tick);
}

#[test]
fn logic_that_applied_the_whole_tick_behind_the_word_has_to_begin_anew() {
    let (relay, logic, _client, tick) = poisoned();
    let (slow, whole) = resumed(&logic, tick - 1);
    assert!(has_packet(&whole));
    assert_eq!(skip(&relay, tick).0, 200);
    drop(slow);
    let mut link = logic.accept();
    let lineage = link.hello.lineage.clone();
    link.welcome(Resume::Applied(Applied { lineage, tick }));
    assert_eq!(link.next_tick(), None);
    let text = format!("applied tick {tick} with the packets");
    eventually("it is told why", || relay.log().contains(&text));
    let (mut link, first) = resumed(&logic, 0);
    link.done(first.number);
    let skipped = link.skip_until("the tick", |wanted| wanted.number == tick);
    assert!(!has_packet(&skipped));
}

/// Has the journal wait for its disk once, for so long.
fn hang_the_disk(relay: &mut TestRelay, seconds: u32) -> Option<Program> {
    let pid = relay.program().pid();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let named = |name: &str| name.trim() == "journal thread";
    let journal = threads
        .map(|thread| thread.unwrap().path())
        .find(|thread| fs::read_to_string(thread.join("comm")).is_ok_and(|name| named(&name)))
        .unwrap();
    let mut command = strace()?;
    command.args(["-q", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"]);
    command.arg(format!("inject=fdatasync:delay_enter={seconds}000000:when=1"));
    command.arg("-p").arg(journal.file_name().unwrap());
    let strace = Program::start(command);
    eventually("the disk hangs", || relay.get("/readyz").1.contains("for the disk"));
    Some(strace)
}

#[track_caller]
fn the_word_is_in_the_journal(relay: &TestRelay) {
    eventually("the word is in the journal", || relay.journal_ticks().iter().any(says_skipped));
}

/// An operator who says the word, and reads the answer for as long as he likes.
fn operator(relay: &TestRelay, tick: u64, patience: Duration) -> TcpStream {
    let mut operator = TcpStream::connect(relay.host().admin()).unwrap();
    let body = json!({ "tick": tick }).to_string();
    let head = "POST /api/logic/skip HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\
                content-type: application/json";
    write!(operator, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    operator.set_read_timeout(Some(patience)).unwrap();
    operator
}

#[test]
fn a_word_counts_once_it_is_on_disk_however_long_that_takes() {
    let (mut relay, logic, mut client, tick) = poisoned();
    let Some(_strace) = hang_the_disk(&mut relay, 8) else { return };
    let mut answer = String::new();
    operator(&relay, tick, PATIENCE).read_to_string(&mut answer).unwrap();
    the_word_is_in_the_journal(&relay);
    goes_on_without(&logic, &mut client, tick);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(answer.contains("once it is on disk"), "{answer}");
}

#[test]
fn a_word_counts_though_whoever_said_it_hung_up() {
    let (mut relay, logic, mut client, tick) = poisoned();
    let Some(_strace) = hang_the_disk(&mut relay, 3) else { return };
    let mut impatient = operator(&relay, tick, Duration::from_millis(500));
    let answer = impatient.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(answer, Err(ErrorKind::WouldBlock), "the disk did not hang for long enough");
    drop(impatient);
    the_word_is_in_the_journal(&relay);
    goes_on_without(&logic, &mut client, tick);
}

/// As many ticks as the relay ever sends ahead.
const WINDOW: usize = 64;

/// A logic server without state that reads all ticks that it can get before it works on them, and
/// answers several at a time. Returns when it dies of the poison, or has answered until `done`: how
/// many ticks it has read beyond.
fn read_ahead(link: &mut Link, at_a_time: usize, done: impl Fn(&Tick) -> bool) -> usize {
    let (mut ahead, mut worked_on) = (VecDeque::new(), Vec::new());
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        while ahead.len() + worked_on.len() < WINDOW
            && let Some(tick) = link.next_tick_within(Duration::from_millis(20))
        {
            ahead.push_back(tick);
        }
        let Some(tick) = ahead.pop_front() else { continue };
        if has(&tick, b"poison") {
            return ahead.len();
        }
        let last = done(&tick);
        worked_on.push(tick);
        if last || ahead.is_empty() || worked_on.len() == at_a_time {
            worked_on.drain(..).for_each(|tick| link.send(Message::Done(echo(&tick).unwrap())));
        }
        if last {
            return ahead.len();
        }
    }
    panic!("neither dead nor done; {} ticks ahead, {} worked on", ahead.len(), worked_on.len());
}

fn has(tick: &Tick, body: &[u8]) -> bool {
    let is_it = |item: &Item| matches!(item, Item::Packet(packet) if packet.payload == body);
    tick.items.iter().any(|item| item.item.as_ref().is_some_and(is_it))
}

#[test]
fn logic_that_reads_far_ahead_has_the_very_tick_named_that_it_dies_of() {
    let relay = TestRelay::before_logic("tick.sleep = \"5ms\"\ntick.stall_after = \"100ms\"");
    let mut client = TestClient::connect(relay.clients());
    let newest = || relay.metric("pulsegate_ticks_total");
    eventually("ticks before the poison", || newest() > 80.0);
    client.send("poison");
    let poison = eventually_some("the poison is in the journal", || {
        relay.journal_ticks().into_iter().find(has_packet)
    });
    eventually("ticks behind the poison", || newest() > poison.number as f64 + 80.0);

    let logic = FakeLogic::listen(relay.logic());
    // So that it dies with answers in hand to ticks before the poison.
    let at_a_time = if poison.number % 32 == 1 { 31 } else { 32 };
    let mut deaths = 0;
    while relay.metric(SUSPECT) == 0.0 {
        assert!(deaths < 5, "not named after {deaths} deaths: {}", relay.log());
        let mut link = logic.accept_stateless();
        read_ahead(&mut link, at_a_time, |_| false);
        drop(link);
        deaths += 1;
        eventually("its death is noticed", || relay.metric("pulsegate_link_up") == 0.0);
    }
    assert_eq!(relay.metric(SUSPECT), poison.number as f64);

    assert_eq!(skip(&relay, poison.number).0, 200);
    client.send("and on");
    let mut link = eventually_some("a link that goes on", || {
        let mut link = logic.accept_stateless();
        link.next_tick().map(|tick| {
            assert_eq!(tick.number, poison.number);
            link.done(tick.number);
            link
        })
    });
    let unanswered = read_ahead(&mut link, 5, |tick| has(tick, b"and on"));
    assert_eq!(client.read_text(), "and on");

    for _ in unanswered..WINDOW {
        link.next_tick().expect("as many ticks ahead as ever");
    }
    assert_eq!(link.next_tick_within(Duration::from_millis(300)), None, "and no more");
}
