//! What changes in a relay that runs.

use super::read;
use crate::config::{Changes, Config};

#[test]
fn changes_are_sorted_by_what_they_need() {
    let new = read(
        "[client]\nlisten = '127.0.0.1:14009'\nnotices = false\n[tick]\nsleep = '20ms'\n\
         [logic]\naddress = 'arena'\nmax_outage = '2h'\n[limits]\noutbox = '128KiB'\nbatch = '4MiB'\n\
         [log]\nlevel = 'debug'",
    )
    .unwrap();
    let changes = Config::default().changes(&new);
    let live =
        vec!["client.notices", "tick.sleep", "logic.max_outage", "limits.outbox", "log.level"];
    assert_eq!(changes.live, live);
    assert_eq!(changes.restart, ["client.listen", "logic.address", "limits.batch"]);
    assert!(Config::default().changes(&Config::default()).is_empty());
    assert_eq!(new.changes(&new), Changes::default());
}

#[test]
fn only_live_settings_are_taken_over() {
    let new = read("tick.sleep = '20ms'\nclient.listen = '127.0.0.1:14009'").unwrap();
    let merged = Config::default().with_live_from(&new).unwrap();
    assert_eq!(merged.tick, new.tick);
    assert_eq!(merged.client, Config::default().client);
    assert_eq!(merged.changes(&new).live, Vec::<&str>::new());
}

#[test]
fn a_secret_that_changed_is_a_change() {
    let new = read("admin.token = 'b'").unwrap();
    let old = read("admin.token = 'a'").unwrap();
    assert_eq!(old.changes(&new).restart, ["admin.token"]);
}

#[test]
fn a_live_change_that_contradicts_what_stays_is_refused() {
    // Right in itself, but without a restart `max_frame` stays at 64KiB.
    let new = read("client.max_frame = '1KiB'\nlimits.outbox = '2KiB'").unwrap();
    let faults = Config::default().with_live_from(&new).unwrap_err().in_one_line();
    assert!(faults.contains("`limits.outbox` and `client.max_frame` contradict"), "{faults}");
}

#[test]
fn settings_become_what_they_stand_for() {
    use pulsegate_cadence::{Overrun, Strategy};
    use pulsegate_protocol::Framing;
    use std::time::Duration;

    assert_eq!(Config::default().client.framing(), Framing::DEFAULT);
    let config = read(
        "client.framing = 'lines'\ntick.strategy = 'deadline'\ntick.period = '20ms'\n\
         tick.overrun = 'catch_up'\ntick.catch_up = 7\nliveness.policy = 'score'",
    )
    .unwrap();
    assert_eq!(config.client.framing(), Framing::Lines { max_frame: 65536 });
    let period = Duration::from_millis(20);
    assert_eq!(
        config.tick.strategy(),
        Strategy::Deadline { period, overrun: Overrun::CatchUp { max: 7 } }
    );
    assert_eq!(
        config.liveness.rules().policy,
        crate::session::liveness::Policy::Score {
            interval: Duration::from_secs(10),
            threshold: 5,
            strikes: 3,
            recover: 3,
            leave_hold: Duration::from_secs(30 * 60),
        }
    );
}
