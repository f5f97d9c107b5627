//! Requests to the operator's port.
//!
//! A request is text: a line with method and path, header lines, an empty line, and the body.

use std::cell::RefCell;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use pulsegate::admin::api;
use pulsegate::config::{Config, Override};
use pulsegate::{Listeners, Relay};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

/// An answer is no longer than this.
const ANSWER: usize = 1024 * 1024;

/// Only who shows this may change something.
const TOKEN: &str = "sesame";

thread_local! {
    static PORT: RefCell<Option<Port>> = const { RefCell::new(None) };
}

struct Port {
    runtime: Runtime,
    routes: Router,
}

/// Every request is answered in words; only with the token it changes something, and what it sets
/// is what is set.
pub fn hold(bytes: &[u8]) {
    let Some(request) = request(bytes) else { return };
    PORT.with_borrow_mut(|port| {
        let Port { runtime, routes } = port.get_or_insert_with(Port::open);
        runtime.block_on(check(routes, request));
    });
}

impl Port {
    fn open() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let routes = runtime.block_on(async {
            let settings =
                [("journal.dir", "off"), ("logic.address", "127.0.0.1:1"), ("admin.token", TOKEN)];
            let settings = settings.map(|(key, value)| Override {
                key,
                value: value.into(),
                origin: "a fuzzer",
            });
            let config = Config::load(None, [], &settings).unwrap();
            let clients = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let listeners = Listeners { clients, admin: None };
            // Never run: a pace that is asked for goes nowhere.
            api::routes(Relay::new(config, listeners).await.unwrap().view())
        });
        Self { runtime, routes }
    }
}

fn request(bytes: &[u8]) -> Option<Request<Vec<u8>>> {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (first, mut rest) = (lines.next()?, lines.next().unwrap_or_default());
    let (method, path) = std::str::from_utf8(first).ok()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(path);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    request.body(rest.to_vec()).ok()
}

async fn check(routes: &Router, request: Request<Vec<u8>>) {
    let (path, may_change) = (request.uri().path().to_owned(), shows_token(&request));
    let changes = request.method() == "POST" && !may_change;
    let (status, body) = answer(routes, request).await;
    assert!(!status.is_server_error() || path == "/readyz", "{path}: {status}");
    assert!(!(changes && status.is_success()), "{path} without the token: {status}");
    if path == "/metrics" || body.is_empty() {
        return;
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    if !status.is_success() {
        assert!(body["error"].is_string() || body["reasons"].is_array(), "{path}: {body}");
    } else if body.get("pace").is_some() && path == "/api/pace" {
        comes_back(routes, &body["pace"]).await;
    }
}

fn shows_token(request: &Request<Vec<u8>>) -> bool {
    let shown = request.headers().get(header::AUTHORIZATION);
    shown.is_some_and(|shown| shown.as_bytes() == format!("Bearer {TOKEN}").as_bytes())
}

/// A pace that was shown can be set, and is shown again.
async fn comes_back(routes: &Router, pace: &Value) {
    let request = Request::post("/api/pace")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::CONTENT_TYPE, "application/json");
    let (status, body) = answer(routes, request.body(pace.to_string().into()).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{pace}: {}", String::from_utf8_lossy(&body));
    let shown: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(&shown["pace"], pace);
}

async fn answer(routes: &Router, request: Request<Vec<u8>>) -> (StatusCode, Vec<u8>) {
    let response = routes.clone().oneshot(request.map(Body::from)).await.unwrap();
    let (head, body) = response.into_parts();
    (head.status, to_bytes(body, ANSWER).await.unwrap().into())
}
