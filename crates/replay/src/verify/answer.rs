//! The first thing in which two answers to the same tick differ.

use bytes::Bytes;
use pulsegate_protocol::proto::{Done, Reply};
use serde_json::Value;

use super::difference::Difference;
use super::ignore::Ignore;
use super::value;
use crate::shown::{Addressee, Body};

/// Compares the replies one by one, then the sessions to close, then the state's hashes if there
/// are two. The order of several addressees, and of the sessions to close, means nothing.
pub(crate) fn first_difference(
    recorded: &Done,
    now: &Done,
    ignored: &[Ignore],
) -> Option<Difference> {
    let pairs = recorded.replies.iter().zip(&now.replies).enumerate();
    let mut pairs =
        pairs.filter_map(|(index, (recorded, now))| reply(index, recorded, now, ignored));
    pairs
        .next()
        .or_else(|| count(&recorded.replies, &now.replies))
        .or_else(|| close(recorded, now).filter(|_| !ignored.contains(&Ignore::Close)))
        .or_else(|| hash(recorded, now).filter(|_| !ignored.contains(&Ignore::StateHash)))
}

fn reply(index: usize, recorded: &Reply, now: &Reply, ignored: &[Ignore]) -> Option<Difference> {
    let (to, to_now) = (Addressee::of(recorded), Addressee::of(now));
    let body = |reply: &Reply| Body(reply.payload.clone());
    if to != to_now {
        let (recorded_body, now_body) = (body(recorded), body(now));
        let (recorded, now) = (to, to_now);
        return Some(Difference::Addressee { index, recorded, now, recorded_body, now_body });
    }
    if recorded.payload == now.payload {
        return None;
    }
    let json = |body: &Bytes| serde_json::from_slice::<Value>(body).ok();
    if let (Some(recorded), Some(now)) = (json(&recorded.payload), json(&now.payload)) {
        let differs = value::first_difference(&recorded, &now, ignored)?;
        let path = differs.place.to_string();
        let (recorded, now) = (differs.recorded, differs.now);
        return Some(Difference::Value { index, to, path, recorded, now });
    }
    let both = recorded.payload.iter().zip(&now.payload);
    let offset = both.take_while(|(recorded, now)| recorded == now).count();
    let (recorded, now) = (body(recorded), body(now));
    Some(Difference::Bytes { index, to, offset, recorded, now })
}

fn count(recorded: &[Reply], now: &[Reply]) -> Option<Difference> {
    let index = recorded.len().min(now.len());
    let rest = |replies: &[Reply]| {
        let reply = replies.get(index)?;
        Some((Addressee::of(reply), Body(reply.payload.clone())))
    };
    let missing = rest(recorded).map(|(to, body)| Difference::Missing { index, to, body });
    missing.or_else(|| rest(now).map(|(to, body)| Difference::Additional { index, to, body }))
}

fn close(recorded: &Done, now: &Done) -> Option<Difference> {
    let sorted = |ids: &[u64]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let (recorded, now) = (sorted(&recorded.close), sorted(&now.close));
    (recorded != now).then_some(Difference::Close { recorded, now })
}

fn hash(recorded: &Done, now: &Done) -> Option<Difference> {
    let (recorded, now) = recorded.state_hash.zip(now.state_hash)?;
    let digits = |hash: u64| format!("{hash:016x}");
    (recorded != now)
        .then(|| Difference::StateHash { recorded: digits(recorded), now: digits(now) })
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::proto::{All, Sessions, reply::To};

    use super::*;

    fn to(session: u64, body: &str) -> Reply {
        Reply { to: Some(To::Session(session)), payload: body.to_owned().into() }
    }

    fn several(ids: &[u64]) -> Reply {
        Reply { to: Some(To::Several(Sessions { ids: ids.to_vec() })), payload: Bytes::new() }
    }

    fn done(replies: impl Into<Vec<Reply>>, close: &[u64], state_hash: Option<u64>) -> Done {
        let replies = replies.into();
        Done { tick: 7, replies, close: close.to_vec(), state_hash, ..Done::default() }
    }

    fn headline(recorded: &Done, now: &Done, ignored: &[Ignore]) -> Option<String> {
        let found = first_difference(recorded, now, ignored)?;
        Some(format!("{}: {}", found.place(), found.headline()))
    }

    #[test]
    fn the_first_of_several_differences_is_named() {
        let recorded = done([to(1, r#"{"x":1}"#), to(2, "hello")], &[4, 5], Some(7));
        for (now, expected) in [
            (
                done([to(1, r#"{"x":2}"#), to(3, "")], &[], None),
                "reply 0 to session 1: x: 1 recorded, 2 now",
            ),
            (
                done([to(1, r#"{"x": 1}"#), to(3, "hello")], &[], None),
                "reply 1: to session 2 as recorded: hello; to session 3 now: hello",
            ),
            (
                done([to(1, r#"{"x":1}"#), to(2, "help!")], &[], None),
                "reply 1 to session 2: from byte 3 on; 5 bytes recorded, 5 now",
            ),
            (
                done([to(1, r#"{"x":1}"#)], &[], None),
                "reply 1 to session 2: recorded, and not there now: hello",
            ),
            (
                done([to(1, r#"{"x":1}"#), to(2, "hello"), to(9, "")], &[], None),
                "reply 2 to session 9: there now, and not recorded: (empty)",
            ),
            (
                done([to(1, r#"{"x":1}"#), to(2, "hello")], &[5], None),
                "the sessions to close: 4, 5 recorded, 5 now",
            ),
            (
                done([to(1, r#"{"x":1}"#), to(2, "hello")], &[5, 4], Some(8)),
                "the state's hash: 0000000000000007 recorded, 0000000000000008 now",
            ),
        ] {
            assert_eq!(headline(&recorded, &now, &[]).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_has_no_effect_is_no_difference() {
        let all = || Reply { to: Some(To::All(All {})), payload: "x".into() };
        let recorded = done([several(&[1, 2]), all()], &[4, 5], Some(7));
        let mut now = done([several(&[2, 1]), all()], &[5, 4], None);
        now.busy_ns = 5;
        now.snapshot = Some(Bytes::from_static(b"s"));
        now.pace = Some(Default::default());
        assert_eq!(headline(&recorded, &now, &[]), None);
    }

    #[test]
    fn what_is_ignored_is_no_difference() {
        let recorded = done([to(1, r#"{"x":1}"#)], &[4], Some(7));
        let now = done([to(1, r#"{"x":2}"#)], &[], Some(8));
        let ignored: Vec<Ignore> =
            ["x", "close", "state_hash"].iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(headline(&recorded, &now, &ignored), None);
        for left in 0..ignored.len() {
            let mut ignored = ignored.clone();
            ignored.remove(left);
            assert!(headline(&recorded, &now, &ignored).is_some(), "{left}");
        }
    }

    #[test]
    fn bytes_are_shown_around_the_first_that_differs() {
        let body = |at: usize| {
            let mut body = vec![0xAA; 100];
            body[at] = 0xFF;
            Reply { to: Some(To::Session(1)), payload: body.into() }
        };
        let found =
            first_difference(&done([body(40)], &[], None), &done([body(50)], &[], None), &[]);
        let rows = found.unwrap().rows();
        assert_eq!(rows.iter().map(|row| row.offset).collect::<Vec<_>>(), [16, 32, 48, 64]);
        assert!(rows[1].recorded.contains("aa ff aa") && !rows[1].now.contains("ff"));
    }
}
