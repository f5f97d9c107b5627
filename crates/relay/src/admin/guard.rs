//! Who may change something.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::View;
use super::refusal::Refusal;

/// Lets a request through that may change something.
///
/// With a token, it must be shown. Without one the port is on loopback, and still a web page in a
/// browser on this machine must not be able to use it: a page's request says where it comes from.
pub async fn may_change(
    State(view): State<Arc<View>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let config = view.front.config.load();
    let token = config.admin.token.expose();
    if !token.is_empty() && !shows(request.headers(), token) {
        let text = "a token is needed: send `Authorization: Bearer TOKEN` with admin.token";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, text));
    }
    if token.is_empty() && request.headers().contains_key(header::ORIGIN) {
        let text = "requests from web pages may change nothing without admin.token";
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    drop(config);
    Ok(next.run(request).await)
}

fn shows(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
    given.is_some_and(|given| takes_equally_long(given, token.as_bytes()))
}

/// Equality that does not say by its duration where the first difference is.
fn takes_equally_long(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
