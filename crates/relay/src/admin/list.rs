//! Long lists, as JSON.

use std::convert::Infallible;
use std::iter;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Serialize;

/// How many items are made at a time.
const PIECE: usize = 64;

/// An array whose items are made while it is sent, so that it is never whole in memory: a slow
/// reader of a long list costs no more than a quick one of a short list.
pub fn list<T: Serialize + 'static>(items: impl Iterator<Item = T> + Send + 'static) -> Response {
    let pieces = pieces(items).map(Ok::<Bytes, Infallible>);
    ([(CONTENT_TYPE, "application/json")], Body::from_stream(stream::iter(pieces))).into_response()
}

fn pieces<T: Serialize>(mut items: impl Iterator<Item = T>) -> impl Iterator<Item = Bytes> {
    let (mut before, mut ended) = (b'[', false);
    iter::from_fn(move || {
        let mut piece = Vec::new();
        for item in items.by_ref().take(PIECE) {
            piece.push(before);
            before = b',';
            // What is shown are numbers and text, which never fail.
            serde_json::to_writer(&mut piece, &item).unwrap_or_default();
        }
        if piece.is_empty() {
            if std::mem::replace(&mut ended, true) {
                return None;
            }
            piece.extend_from_slice(if before == b'[' { b"[]" } else { b"]" });
        }
        Some(piece.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_pieces_is_the_list() {
        for length in [0, 1, PIECE, PIECE + 1, 10 * PIECE] {
            let list: Vec<_> = (0..length).map(|number| (number, "\"")).collect();
            let whole = pieces(list.clone().into_iter()).collect::<Vec<_>>().concat();
            assert_eq!(whole, serde_json::to_vec(&list).unwrap());
        }
        assert!(pieces(0..10 * PIECE).all(|piece| piece.len() < 8 * PIECE));
    }
}
