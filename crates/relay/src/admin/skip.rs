//! An operator's word that a tick of which logic dies is to be skipped.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use pulsegate_protocol::proto::{Skipped, item::Item};
use pulsegate_protocol::tick::events;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::warn;

use super::View;
use super::refusal::Refusal;
use crate::backlog::{Backlog, Place};

/// How long an operator waits for the journal.
const WITHIN: Duration = Duration::from_secs(5);

/// A tick that logic dies of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Skip {
    tick: u64,
}

/// Has the packets of the suspect tick left out; granted once that is in the journal.
pub(super) async fn skip_tick(
    State(view): State<Arc<View>>,
    body: Result<Json<Skip>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let Json(Skip { tick }) =
        body.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    if view.suspects.suspect().is_none_or(|suspect| suspect.tick != tick) {
        let text =
            format!("tick {tick} is not suspect: only one that logic died of may be skipped");
        return Err(Refusal::new(StatusCode::CONFLICT, text));
    }
    if !is_journaled(&view, tick).await {
        let text = "the journal could not keep this word in time, so it does not count; \
                    see that the journal works, and ask again";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text));
    }
    view.suspects.skip(tick);
    warn!(tick, "an operator has the packets of this tick left out");
    Ok(Json(json!({ "skipped": tick })))
}

/// Puts the word into the next tick; whether that tick was kept.
async fn is_journaled(view: &View, tick: u64) -> bool {
    let beat = &view.front.beat;
    let first = beat.gathering().saturating_sub(1);
    view.front.intake.event(Item::Skipped(Skipped { tick }));
    let last = beat.gathering();
    let durable = timeout(WITHIN, view.backlog.durable(last)).await.is_ok();
    // A journal that failed may have lost the very tick that holds it, and gone on after a gap.
    durable && (first..=last).any(|number| says_skipped(&view.backlog, number, tick))
}

fn says_skipped(backlog: &Backlog, number: u64, tick: u64) -> bool {
    let Place::Memory(told) = backlog.find(number) else { return false };
    events(&told.bytes)
        .any(|event| matches!(event, Ok(Item::Skipped(skipped)) if skipped.tick == tick))
}
