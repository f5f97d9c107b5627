//! What goes into a tick and what comes out of it, in lines for a person.

use std::fmt::Write as _;

use jiff::Timestamp;
use prost::Message as _;
use pulsegate_protocol::proto::{Reply, Tick};

use crate::error::Error;
use crate::exchange::Answer;
use crate::feed::Recorded;
use crate::plan::Plan;
use crate::shown::{Addressee, Body, Input, ids};

/// How many lines of one kind are shown.
const LINES: usize = 40;

/// So much of a body is shown, in characters.
const WIDTH: usize = 160;

/// How logic was brought to the range, if it had to be.
pub(crate) fn way(plan: &Plan) -> String {
    let mut way = String::new();
    if let Some(restore) = &plan.restore {
        way += &format!("logic begins with the snapshot after tick {}\n", restore.tick);
    }
    if let Some(prelude) = &plan.prelude {
        way += &format!("logic begins with {}\n", prelude.opened);
    }
    if plan.first < plan.from {
        let (first, from) = (plan.first, plan.from);
        way += &format!("ticks from {first} on, on the way to {from}, were sent at full speed\n");
    }
    way
}

/// What a tick holds, as it is sent.
pub(crate) fn inputs(tick: &Recorded) -> Result<String, Error> {
    let number = tick.head.number;
    let unreadable = |error| Error::Protocol(format!("tick {number} of the journal: {error}"));
    let items = Tick::decode(tick.bytes.clone()).map_err(unreadable)?.items;
    let time = Timestamp::from_nanosecond(tick.head.wall_ns.into()).unwrap_or_default();
    let lines = items.into_iter().filter_map(|item| item.item).map(|item| {
        let Input { session, kind, body } = Input::of(item);
        let session = session.map_or("-".into(), |session| format!("session {session}"));
        line("in", &session, kind, &body)
    });
    Ok(format!("\ntick {number}, {time:.6}\n{}", some(lines, 0, "in")))
}

/// What was answered.
pub(crate) fn outputs(answer: &Answer) -> String {
    let Answer { done, pushed, pushed_left_out } = answer;
    let reply = |kind: &'static str| {
        move |reply: &Reply| {
            let to = Addressee::of(reply).to_string();
            line("out", &to, kind, &Body(reply.payload.clone()))
        }
    };
    let mut text = String::new();
    if !pushed.is_empty() {
        text += &some(pushed.iter().map(reply("push")), *pushed_left_out, "out");
    }
    if !done.replies.is_empty() || (pushed.is_empty() && done.close.is_empty()) {
        text += &some(done.replies.iter().map(reply("reply")), 0, "out");
    }
    if !done.close.is_empty() {
        text += &format!("  out  close: {}\n", ids(&done.close));
    }
    if let Some(hash) = done.state_hash {
        text += &format!("  out  state hash {hash:016x}\n");
    }
    text
}

fn line(way: &str, whose: &str, kind: &str, body: &Body) -> String {
    let size = body.0.len();
    format!("  {way:<3}  {whose:<14} {kind:<9} {size:>6} B  {body:.WIDTH$}\n")
}

/// So many lines as may be shown, and how many there are beside these.
fn some(mut lines: impl Iterator<Item = String>, left_out: usize, way: &str) -> String {
    let mut text: String = lines.by_ref().take(LINES).collect();
    let more = lines.count() + left_out;
    if more > 0 {
        let _ = writeln!(text, "  {way:<3}  and {more} more");
    }
    if text.is_empty() {
        let _ = writeln!(text, "  {way:<3}  nothing");
    }
    text
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::proto::{All, Done, Open, item::Item, reply::To};
    use pulsegate_protocol::tick::{Gathering, Head};

    use super::*;

    fn recorded(gather: impl FnOnce(&mut Gathering)) -> Recorded {
        let mut gathering = Gathering::with_capacity(0);
        gather(&mut gathering);
        let head = Head { number: 7, ..Head::default() };
        Recorded { head, bytes: gathering.seal(&head).chain(0).bytes }
    }

    fn to_all(payload: &'static [u8]) -> Reply {
        Reply { to: Some(To::All(All {})), payload: payload.into() }
    }

    #[test]
    fn what_goes_in_is_shown_with_session_kind_size_and_body() {
        let tick = recorded(|batch| {
            batch.event(Item::Open(Open { session: 3, peer: "192.0.2.1:5".into() }));
            batch.packet(3, br#"{"move":"east"}"#);
            batch.packet(3, b"\xFF\x01");
        });
        assert_eq!(
            inputs(&tick).unwrap(),
            "\ntick 7, 1970-01-01T00:00:00.000000Z\n\
             \x20 in   session 3      open          11 B  192.0.2.1:5\n\
             \x20 in   session 3      packet        15 B  {\"move\":\"east\"}\n\
             \x20 in   session 3      packet         2 B  0xff01\n"
        );
        assert!(inputs(&recorded(|_| {})).unwrap().ends_with("\n  in   nothing\n"));
    }

    #[test]
    fn what_comes_out_is_shown_with_all_that_logic_said() {
        let replies = vec![to_all(b"hello")];
        let done = Done { replies, close: vec![3, 4], state_hash: Some(7), ..Done::default() };
        let answer = Answer { done, pushed: vec![to_all(b"soon")], pushed_left_out: 2 };
        assert_eq!(
            outputs(&answer),
            "  out  all            push           4 B  soon\n\
             \x20 out  and 2 more\n\
             \x20 out  all            reply          5 B  hello\n\
             \x20 out  close: 3, 4\n\
             \x20 out  state hash 0000000000000007\n"
        );
        assert_eq!(outputs(&Answer::default()), "  out  nothing\n");
    }

    #[test]
    fn what_is_long_is_shortened_and_says_so() {
        let text = inputs(&recorded(|batch| batch.packet(1, &[b'x'; 1000]))).unwrap();
        assert!(text.contains("1000 B  xxx") && text.contains("x…\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 220), "{text}");
        let many = recorded(|batch| (0..100).for_each(|_| batch.packet(1, b"x")));
        let text = inputs(&many).unwrap();
        assert_eq!(text.lines().count(), 2 + LINES + 1);
        assert!(text.ends_with("  in   and 60 more\n"), "{text}");
    }
}
