//! Logic is brought back to an earlier tick: clients stay, and play goes on from there.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use pulsegate_journal::{RolledBack, info};
use pulsegate_logic::{Event, Logic, Replies, RestoreError, State, Tick};
use pulsegate_tests::{Served, TestClient, TestRelay, eventually, pulsegate};
use serde_json::{Value, json};

/// Adds up what clients send, and knows who is there; says both to whoever sends something.
#[derive(Default)]
struct Ledger {
    sum: u64,
    /// And whether in `leave`.
    present: BTreeMap<u64, bool>,
}

impl Logic for Ledger {
    const NAME: &'static str = "ledger";

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        for event in tick.events() {
            match event {
                Event::Open { session, .. } => {
                    assert_eq!(self.present.insert(session, false), None, "opened twice");
                }
                Event::Close { session, .. } => {
                    assert!(self.present.remove(&session).is_some(), "closed twice");
                }
                Event::State { session, state, .. } => {
                    *self.present.get_mut(&session).unwrap() = state == State::Leave;
                }
                Event::Packet { session, payload } => {
                    let number = std::str::from_utf8(payload).unwrap().parse().unwrap_or(0);
                    self.sum += number;
                    replies.to(session, self.tell(tick.number()).to_string());
                }
                _ => {}
            }
        }
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(&(self.sum, &self.present)).ok()
    }

    fn state_hash(&self) -> Option<u64> {
        Some(self.sum)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        (self.sum, self.present) = serde_json::from_slice(state)?;
        Ok(())
    }
}

impl Ledger {
    fn tell(&self, tick: u64) -> Value {
        let sessions: Vec<_> = self.present.keys().collect();
        let leaving: Vec<_> =
            self.present.iter().filter(|(_, leaves)| **leaves).map(|(id, _)| id).collect();
        json!({ "tick": tick, "sum": self.sum, "present": sessions, "leaving": leaving })
    }
}

/// A logic server with a fresh ledger.
fn open_books(address: SocketAddr) -> Served {
    Served::at(address, Ledger::default)
}

/// Sends a number; the ledger's answer.
fn add(client: &mut TestClient, number: u64) -> Value {
    client.send(number.to_string());
    told(client)
}

fn told(client: &mut TestClient) -> Value {
    serde_json::from_slice(&client.read()).unwrap()
}

fn back(relay: &TestRelay, to: &Value) -> Value {
    let (status, body) = relay.post("/api/logic/rollback", &json!({ "to": to }), &[]);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// A relay, its ledger, and a client that has added 1, 2, 3 in ticks that are returned.
fn played(settings: &str) -> (TestRelay, Served, TestClient, [u64; 3]) {
    let relay = TestRelay::before_logic(settings);
    let books = open_books(relay.logic());
    relay.wait_ready();
    let mut client = TestClient::connect(relay.clients());
    let ticks = [1, 2, 3].map(|number| add(&mut client, number)["tick"].as_u64().unwrap());
    (relay, books, client, ticks)
}

#[test]
fn play_goes_on_from_an_earlier_tick_while_clients_stay() {
    for settings in ["", "logic.snapshot_every = 5", "logic.snapshot_every = 1"] {
        let (relay, _books, mut client, ticks) = played(settings);
        assert_eq!(add(&mut client, 0)["sum"], 6);
        let said = back(&relay, &json!(ticks[1]));
        assert_eq!(said["to"], ticks[1]);
        let told = add(&mut client, 10);
        assert_eq!(told["sum"], 13, "{settings}: {told}");
        assert!(told["tick"].as_u64() >= said["tick"].as_u64());
        assert_eq!(relay.sessions().len(), 1);
    }
}

#[test]
fn logic_knows_who_came_and_left_since() {
    let (relay, _books, mut client, _) = played("liveness.leave_after = \"300ms\"");
    let mut gone = TestClient::connect(relay.clients());
    let then = add(&mut gone, 0);
    assert_eq!(then["present"].as_array().unwrap().len(), 2);
    gone.half_close();
    eventually("one is gone", || relay.sessions().len() == 1);
    let mut late = TestClient::connect(relay.clients());
    let before = add(&mut late, 0);
    back(&relay, &then["tick"]);
    let after = add(&mut late, 0);
    assert_eq!(after["present"], before["present"]);
    assert_eq!(add(&mut client, 0)["present"], before["present"]);

    // Whoever was alive then, and is quiet now.
    let then = add(&mut client, 0);
    let leaves = || relay.sessions().iter().any(|session| session["state"] == "leave");
    eventually("one is quiet", || {
        add(&mut late, 0);
        leaves()
    });
    let before = add(&mut late, 0);
    back(&relay, &then["tick"]);
    let after = add(&mut late, 0);
    assert_eq!((&after["leaving"], &after["present"]), (&before["leaving"], &before["present"]));

    // Each session is one session, however often logic was told of it.
    let stats =
        pulsegate().args(["journal", "stats", "--json"]).arg(relay.journal()).output().unwrap();
    let rows: Vec<Value> = stats
        .stdout
        .split_inclusive(|byte| *byte == b'\n')
        .map(|row| serde_json::from_slice(row).unwrap())
        .collect();
    let (total, sessions) = rows.split_last().unwrap();
    let total = &total["total"];
    assert_eq!((&total["opened"], &total["closed"]), (&json!(3), &json!(1)), "{total}");
    assert_eq!(sessions.len(), 3);
    let packets = sessions.iter().map(|row| row["packets"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(total["packets"], packets);
    assert!(total["left_behind"].as_u64() > Some(1), "{total}");
}

#[test]
fn what_was_left_behind_stays_behind_for_later_lives_of_both() {
    for settings in ["", "logic.snapshot_every = 3"] {
        let (mut relay, books, mut client, ticks) = played(settings);
        let first = back(&relay, &json!(ticks[1]));
        assert_eq!(add(&mut client, 10)["sum"], 13);
        let second = back(&relay, &json!(ticks[0]));
        assert_eq!(add(&mut client, 100)["sum"], 101);

        drop(books);
        eventually("logic is missed", || relay.get("/readyz").0 != 200);
        let _books = open_books(relay.logic());
        relay.wait_ready();
        assert_eq!(add(&mut client, 0)["sum"], 101, "logic was rebuilt");

        relay.kill();
        relay.restart();
        relay.wait_ready();
        let mut client = TestClient::connect(relay.clients());
        assert_eq!(add(&mut client, 0)["sum"], 101, "the relay was killed");
        let rollbacks = [first, second].map(|said| RolledBack {
            tick: said["tick"].as_u64().unwrap(),
            to: said["to"].as_u64().unwrap(),
        });
        assert_eq!(info(relay.journal()).unwrap().rollbacks, rollbacks);
    }
}

#[test]
fn a_logic_server_that_slept_through_it_is_told_to_start_over() {
    let (relay, _books, mut client, ticks) = played("");
    for _ in 0..3 {
        back(&relay, &json!(ticks[1]));
        assert_eq!(add(&mut client, 0)["sum"], 3);
        assert_eq!(add(&mut client, 3)["sum"], 6);
    }
    assert!(relay.log().contains("which was left behind when logic was brought back"));
}

#[test]
fn what_was_left_behind_can_still_be_replayed() {
    for settings in ["", "logic.snapshot_every = 1"] {
        let (mut relay, _books, mut client, ticks) = played(settings);
        let said = back(&relay, &json!(ticks[1]));
        assert_eq!(add(&mut client, 10)["sum"], 13);
        let logic = relay.host().port(14_500);
        let _fresh = open_books(logic);
        assert!(relay.terminate().success());
        let left_behind = said["tick"].as_u64().unwrap() - 1;
        for (until, sum) in [(None, 13), (Some(left_behind), 6)] {
            let mut replay = pulsegate();
            replay.arg("replay").arg(relay.journal()).args(["--speed", "max", "--json"]);
            replay.args(["--logic", &logic.to_string()]);
            replay.args(until.map(|tick| format!("--until={tick}")));
            let output = replay.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(summary["state_hash"], format!("{sum:016x}"), "{summary}");
            let (first, note) = (ticks[1] + 1, format!("--until {left_behind} plays"));
            let noted = summary["notes"][0].as_str().is_some_and(|said| {
                said.starts_with(&format!("ticks {first} to {left_behind} "))
                    && said.contains(&note)
            });
            assert_eq!(noted, until.is_none(), "{summary}");
        }
        let info = pulsegate().args(["journal", "info"]).arg(relay.journal()).output().unwrap();
        let info = String::from_utf8(info.stdout).unwrap();
        assert!(info.contains("left behind"), "{info}");
    }
}

#[test]
fn clients_that_want_to_know_are_told() {
    let (relay, _books, mut client, ticks) = played("client.outage_notices = true");
    back(&relay, &json!(ticks[1]));
    let said: Vec<_> = (0..3).map(|_| told(&mut client)["pulsegate"].clone()).collect();
    assert_eq!(said, ["logic_away", "rolled_back", "logic_back"]);
}

#[test]
fn where_one_cannot_go_back_to_the_operator_reads_why() {
    let (relay, _books, mut client, ticks) = played("");
    let refused = |to: Value, says: &str, status| {
        let (got, body) = relay.post("/api/logic/rollback", &json!({ "to": to }), &[]);
        assert_eq!(got, status, "{body}");
        assert!(body.contains(says), "{body}");
    };
    refused(json!(1_000_000), "is the newest", 409);
    refused(json!("noon"), "expected a tick's number", 400);
    refused(json!("session:99:close"), "session 99", 409);
    assert_eq!(add(&mut client, 0)["sum"], 6);

    let mut command = pulsegate();
    command.arg("rollback").args(["--to", &ticks[1].to_string()]);
    let output = command.arg(relay.host().admin().to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("were left behind"), "{output:?}");
    assert_eq!(add(&mut client, 0)["sum"], 3);
}
