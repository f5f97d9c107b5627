//! An operator's word that a tick of which logic dies is to be skipped.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::View;
use super::refusal::Refusal;

/// How long an operator waits for the journal.
const WITHIN: Duration = Duration::from_secs(5);

/// A tick that logic dies of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Skip {
    tick: u64,
}

/// Has the packets of the suspect tick left out, and waits for a while until that counts. Whether
/// somebody waits here changes nothing.
pub(super) async fn skip_tick(
    State(view): State<Arc<View>>,
    body: Result<Json<Skip>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let Json(Skip { tick }) =
        body.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let refused = |why| Refusal::new(StatusCode::CONFLICT, format!("tick {tick} {why}"));
    if !view.suspects.ask(tick) {
        return Err(refused("is not suspect: only one that logic died of may be skipped"));
    }
    match timeout(WITHIN, view.suspects.settled(tick)).await {
        Ok(true) => Ok((StatusCode::OK, Json(json!({ "skipped": tick })))),
        Ok(false) => Err(refused("is not skipped: logic has answered it meanwhile")),
        Err(_) => Ok((StatusCode::ACCEPTED, Json(waits(tick)))),
    }
}

fn waits(tick: u64) -> Value {
    let text = "the journal is slow, or has failed: the word stands, and counts once it is on disk; \
                if the relay ends before that, say it again";
    json!({ "asked": tick, "waits": text })
}
