//! The routes. JSON throughout, errors too; `/metrics` alone is Prometheus' text.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Json, Path, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use pulsegate_protocol::Reason;
use serde_json::{Map, Value, json};

use super::View;
use super::door::BODY;
use super::guard::may_change;
use super::list::list;
use super::refusal::Refusal;
use super::rollback::roll_back;
use super::shown::{self, Departed, Session};
use super::skip::skip_tick;
use crate::config::{Config, Override, SETTINGS};

type Shared = State<Arc<View>>;

/// All routes.
pub fn routes(view: Arc<View>) -> Router {
    let changes = Router::new()
        .route("/api/pace", post(set_pace))
        .route("/api/sessions/{id}/close", post(close_session))
        .route("/api/logic/skip", post(skip_tick))
        .route("/api/logic/rollback", post(roll_back))
        .layer(from_fn_with_state(Arc::clone(&view), may_change));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/status", get(status))
        .route("/api/sessions", get(sessions))
        .route("/api/departed", get(departed))
        .route("/api/pace", get(pace))
        .merge(changes)
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(view)
}

/// The process answers; whether it should get clients is `/readyz`.
async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn readyz(State(view): Shared) -> (StatusCode, Json<Value>) {
    let reasons = view.not_ready();
    if reasons.is_empty() {
        (StatusCode::OK, Json(json!({ "status": "ready" })))
    } else {
        let body = json!({ "status": "not ready", "reasons": reasons });
        (StatusCode::SERVICE_UNAVAILABLE, Json(body))
    }
}

async fn metrics(State(view): Shared) -> Result<Response, Refusal> {
    let metrics = &view.front.metrics;
    let (newest, answered) = view.ticks();
    metrics.sessions.set(view.front.roster.len() as i64);
    metrics.newcomers.set(view.front.roster.newcomers() as i64);
    metrics.connections.set(view.front.connections.len() as i64);
    metrics.backlog.set(view.backlog.bytes() as i64);
    metrics.unanswered.set(newest.saturating_sub(answered) as i64);
    metrics.suspect_tick.set(view.suspects.suspect().map_or(0, |suspect| suspect.tick as i64));
    metrics.log_lines_dropped.set(crate::log::dropped_lines() as i64);
    metrics.log_lines_left_out.set(crate::log::lines_left_out() as i64);
    let text = metrics
        .encode()
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

async fn status(State(view): Shared) -> Json<Value> {
    Json(shown::status(&view))
}

async fn sessions(State(view): Shared) -> Response {
    let now = view.front.clock.listened();
    // By their ids: a list that is read slowly keeps nobody who has departed meanwhile.
    let ids = view.front.roster.ids().into_iter();
    let clients = ids.filter_map(move |id| view.front.roster.get(id));
    list(clients.map(move |client| Session::new(&client, now)))
}

async fn departed(State(view): Shared) -> Response {
    list(view.front.roster.departed().into_iter().map(Departed::from))
}

async fn pace(State(view): Shared) -> Json<Value> {
    Json(shown::pace(&view))
}

/// Takes the keys of `[tick]` in the configuration; those that are not given stay as configured.
async fn set_pace(
    State(view): Shared,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let bad = |text| Refusal::new(StatusCode::BAD_REQUEST, text);
    let Json(wish) = body.map_err(|error| bad(error.body_text()))?;
    let overrides = as_overrides(&view, wish).map_err(bad)?;
    let config = Config::load(None, [], &overrides).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        bad(faults.join("; "))
    })?;
    let strategy = config.tick.strategy();
    view.front.beat.set_pace(strategy, "admin");
    Ok(Json(json!({ "pace": shown::strategy(strategy) })))
}

fn as_overrides(view: &View, mut wish: Map<String, Value>) -> Result<Vec<Override>, String> {
    let config = view.front.config.load();
    let mut overrides = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| matches!(setting.section, "tick" | "liveness"))
    {
        let given = if setting.section == "tick" { wish.remove(setting.key) } else { None };
        let value = match given.unwrap_or_else(|| setting.value(&config)) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        overrides.push(Override { key: setting.name, value, origin: "the request" });
    }
    match wish.keys().next() {
        None => Ok(overrides),
        Some(unknown) => Err(format!("`{unknown}` is no key of [tick]")),
    }
}

async fn close_session(
    State(view): Shared,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Refusal> {
    let bad = |text| Refusal::new(StatusCode::BAD_REQUEST, text);
    let Path(id) = id.map_err(|error| bad(error.body_text()))?;
    let number = id.parse().map_err(|_| bad(format!("`{id}` is no session id")))?;
    let client = view.front.roster.get(number).ok_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, format!("session {number} is not open"))
    })?;
    view.front.end(&client, Reason::Operator, Value::Null);
    Ok(Json(json!({ "closed": number })))
}

async fn nowhere() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "no such path; there are /healthz, /readyz, /metrics, /api/status, /api/sessions, \
         /api/departed, /api/pace",
    )
}

async fn wrong_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::to_bytes;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::client::Client;
    use crate::client::figures::Figures;
    use crate::client::outbox::Outbox;
    use crate::relay::{Listeners, Relay};

    /// A relay that does not run, and a client of it.
    async fn view_and_client() -> (Arc<View>, Arc<Client>) {
        let mut config = Config::default();
        config.journal.dir = None;
        let clients = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = clients.local_addr().unwrap();
        let (connected, accepted) = tokio::join!(TcpStream::connect(address), clients.accept());
        let ((socket, peer), _) = (accepted.unwrap(), connected.unwrap());
        let (figures, outbox) = (Figures::new(Duration::ZERO), Outbox::new(socket.into_split().1));
        let client = Arc::new(Client::new(1, peer, Duration::ZERO, figures, outbox));
        let view = Relay::new(config, Listeners { clients, admin: None }).await.unwrap().view();
        view.front.roster.begin(&client).unwrap();
        (view, client)
    }

    #[tokio::test]
    async fn a_list_that_nobody_reads_keeps_nobody_who_has_departed() {
        let (view, client) = view_and_client().await;
        let answer = sessions(State(Arc::clone(&view))).await;
        view.front.end(&client, Reason::Operator, Value::Null);
        view.front.intake.news();
        assert_eq!(Arc::strong_count(&client), 1);
        assert_eq!(to_bytes(answer.into_body(), 1024).await.unwrap(), "[]");
    }
}
