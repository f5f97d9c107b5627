//! What the answers look like.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use jiff::Timestamp;
use pulsegate_cadence::{Overrun, Strategy};
use pulsegate_protocol::heartbeat::Claims;
use pulsegate_protocol::proto::State;
use serde::Serialize;
use serde_json::{Value, json};

use super::View;
use crate::client::Client;
use crate::session::roster::Departure;
use crate::tick::clock::{nanos, wall_ns};

/// A session that is open.
#[derive(Debug, Serialize)]
pub struct Session {
    id: u64,
    peer: SocketAddr,
    claims: Option<Claims>,
    state: &'static str,
    since: String,
    last_frame_ago_ms: u64,
    score: u32,
    strikes: u32,
    heartbeats: u64,
    frames_in: u64,
    bytes_in: u64,
    frames_out: u64,
    bytes_out: u64,
}

/// A session that was open.
#[derive(Debug, Serialize)]
pub struct Departed {
    id: u64,
    peer: SocketAddr,
    reason: &'static str,
    closed_at: String,
    lived_ms: u64,
}

impl Session {
    /// Shows a client at `now` of the listened time.
    pub fn new(client: &Client, now: Duration) -> Self {
        let figures = &client.figures;
        let condition = figures.condition();
        let age = now.saturating_sub(condition.since);
        Self {
            id: client.id,
            peer: client.peer,
            claims: figures.claims(),
            state: state_name(condition.state),
            since: time(wall_ns().saturating_sub(nanos(age))),
            last_frame_ago_ms: millis(now.saturating_sub(figures.seen().frame)),
            score: condition.score,
            strikes: condition.strikes,
            heartbeats: figures.heartbeats.load(Relaxed),
            frames_in: figures.frames_in.load(Relaxed),
            bytes_in: figures.bytes_in.load(Relaxed),
            frames_out: figures.frames_out.load(Relaxed),
            bytes_out: figures.bytes_out.load(Relaxed),
        }
    }
}

impl From<Departure> for Departed {
    fn from(departure: Departure) -> Self {
        Self {
            id: departure.id,
            peer: departure.peer,
            reason: departure.reason.name(),
            closed_at: time(departure.closed_at_ns),
            lived_ms: millis(departure.lived),
        }
    }
}

/// The relay at a glance.
pub fn status(view: &View) -> Value {
    let front = &view.front;
    let summary = view.figures.summary();
    let link = view.link();
    let (newest, answered) = view.ticks();
    let config = front.config.load();
    let states = |wanted: State| {
        front
            .roster
            .all()
            .iter()
            .filter(|client| client.figures.condition().state == wanted)
            .count()
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": time(view.started_ns),
        "lineage": view.lineage,
        "epoch": view.epoch,
        "sessions": { "alive": states(State::Alive), "leave": states(State::Leave) },
        "tick": {
            "newest": newest,
            "answered": answered,
            "in_this_life": summary.ticks,
            "lateness": summary.lateness,
            "work": summary.work,
            "last": summary.last.map(|last| json!({
                "tick": last.tick,
                "lateness_us": last.lateness.as_micros() as u64,
                "work_us": last.work.as_micros() as u64,
                "sleep_us": last.sleep.as_micros() as u64,
                "strategy": last.strategy.name(),
                "items": last.items,
                "bytes": last.bytes,
            })),
        },
        "pace": pace(view),
        "logic": {
            "address": view.logic.to_string(),
            "connected": link.connected,
            "trouble": link.trouble,
            "suspect": view.suspects.suspect().map(|suspect| json!({
                "tick": suspect.tick,
                "deaths": suspect.deaths,
            })),
        },
        "journal": {
            "dir": config.journal.dir,
            "failed": front.metrics.journal_failed.get() != 0,
        },
        "not_ready": view.not_ready(),
    })
}

/// The pace that is set.
pub fn pace(view: &View) -> Value {
    strategy(view.front.beat.pace())
}

/// A strategy, in the words of the configuration.
pub fn strategy(strategy: Strategy) -> Value {
    let text = |duration: Duration| humantime::format_duration(duration).to_string();
    match strategy {
        Strategy::Fixed { sleep } => json!({ "strategy": "fixed", "sleep": text(sleep) }),
        Strategy::Adaptive { sleep, budget } => {
            json!({ "strategy": "adaptive", "sleep": text(sleep), "budget": text(budget) })
        }
        Strategy::Combined { sleep, budget, overruns, calm } => json!({
            "strategy": "combined", "sleep": text(sleep), "budget": text(budget),
            "overruns": overruns, "calm": calm,
        }),
        Strategy::Deadline { period, overrun } => {
            let (overrun, catch_up) = match overrun {
                Overrun::Skip => ("skip", None),
                Overrun::CatchUp { max } => ("catch_up", Some(max)),
                Overrun::Stretch => ("stretch", None),
            };
            let mut pace = json!({
                "strategy": "deadline", "period": text(period), "overrun": overrun,
            });
            if let Some(max) = catch_up {
                pace["catch_up"] = max.into();
            }
            pace
        }
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Leave => "leave",
        State::Close => "close",
        State::Alive | State::Unspecified => "alive",
    }
}

/// A wall time as RFC 3339 has it.
fn time(ns: u64) -> String {
    Timestamp::from_nanosecond(ns.into())
        .map_or_else(|_| ns.to_string(), |time| format!("{time:.3}"))
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
