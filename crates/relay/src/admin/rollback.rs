//! An operator's word that logic is brought back to an earlier tick.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use pulsegate_journal::{Reader, Timeline};
use pulsegate_replay::{Point, Range};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::View;
use super::refusal::Refusal;
use crate::logic_link::rollback::Word;
use crate::logic_link::source::first_tick;

/// How long an operator waits for the journal.
const WITHIN: Duration = Duration::from_secs(5);

/// How often logic may be brought back within one journal: all of its heads say so.
const MOST: usize = 1000;

/// Where to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct To {
    to: Value,
}

/// Brings logic back, and waits for a while until that counts. Whether somebody waits here changes
/// nothing.
pub(super) async fn roll_back(
    State(view): State<Arc<View>>,
    body: Result<Json<To>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let bad = |text| Refusal::new(StatusCode::BAD_REQUEST, text);
    let refused = |text| Refusal::new(StatusCode::CONFLICT, text);
    let Json(To { to }) = body.map_err(|error| bad(error.body_text()))?;
    let text = to.as_str().map_or_else(|| to.to_string(), str::to_owned);
    let point: Point = text.parse().map_err(|error| bad(format!("{text:?}: {error}")))?;
    let dir = view.front.config.load().journal.dir.clone().ok_or_else(|| {
        refused("there is no journal (journal.dir = \"off\"), so nothing to go back to".to_owned())
    })?;
    let (timeline, newest) = (view.rollbacks.timeline(), view.backlog.newest());
    if timeline.rollbacks().len() >= MOST {
        return Err(refused(format!("logic was brought back {MOST} times in this journal")));
    }
    let word = spawn_blocking(move || prepare(dir, point, &timeline, newest)).await;
    let word = word.unwrap_or_else(|_| Err("reading the journal panicked".into()));
    let word = word.map_err(refused)?;
    let to = word.to;
    if !view.rollbacks.ask(word) {
        return Err(refused("another rollback is on its way".to_owned()));
    }
    match timeout(WITHIN, view.rollbacks.settled()).await {
        Ok(rollback) => {
            let tick = rollback.map_or(newest, |rollback| rollback.tick);
            let left_behind = tick - 1 - to;
            Ok((
                StatusCode::OK,
                Json(json!({ "to": to, "tick": tick, "left_behind": left_behind })),
            ))
        }
        Err(_) => Ok((StatusCode::ACCEPTED, Json(waits(to)))),
    }
}

fn waits(to: u64) -> Value {
    let text = "the journal is slow, or has failed: the word stands, and counts once it is on disk; \
                if the relay ends before that, say it again";
    json!({ "asked": to, "waits": text })
}

/// What must be known before logic can be brought back.
fn prepare(dir: PathBuf, point: Point, timeline: &Timeline, newest: u64) -> Result<Word, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let range = Range::find(&dir, None, Some(point)).map_err(|error| text(&error))?;
    let to = range.last.unwrap_or(newest);
    if to >= newest {
        return Err(format!("tick {newest} is the newest; there is nothing to go back from"));
    }
    let reader = Reader::open(&dir).map_err(|error| text(&error))?;
    let snapshot = reader.snapshot_on(timeline, to).map_err(|error| text(&error))?;
    let from = snapshot.map_or(0, |(tick, _)| tick);
    let oldest = first_tick(&dir).map_err(|error| text(&error))?;
    if from + 1 < oldest {
        return Err(format!(
            "tick {to} cannot be reached: no snapshot before it is kept, and the journal begins \
             with tick {oldest}"
        ));
    }
    let then = reader.attendance(to).map_err(|error| text(&error))?;
    Ok(Word { to, then, from })
}
