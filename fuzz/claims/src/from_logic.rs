//! Messages from a logic server to the relay.
//!
//! The first byte says whether the rest is a stream of frames as it came over the wire, or what to
//! put into an answer.

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};
use prost::Message as _;
use pulsegate_protocol::link::{self, MAX_MESSAGE};
use pulsegate_protocol::pace;
use pulsegate_protocol::proto::{Done, FromLogic, Push, Reply, Sessions, from_logic, reply::To};
use tokio_util::codec::Decoder as _;

/// How much one message may make the relay set aside here: what it announces, up to this.
const ANNOUNCED: u32 = 1024 * 1024;

/// Any bytes are a message or none; what is recorded of an answer is the answer; and an answer
/// that was written is read.
pub fn hold(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, body)) => message(&Bytes::copy_from_slice(body)),
        Some((1, stream)) => frames(stream),
        Some((_, recipe)) => {
            if let Ok(recipe) = Recipe::arbitrary_take_rest(Unstructured::new(recipe)) {
                recipe.check();
            }
        }
        None => {}
    }
}

fn message(body: &Bytes) {
    let recorded = link::inner(body);
    let Ok(FromLogic { message: Some(message) }) = FromLogic::decode(body.clone()) else { return };
    match &message {
        from_logic::Message::Done(done) => {
            if let Some(recorded) = recorded {
                assert_eq!(Done::decode(recorded).as_ref(), Ok(done));
            }
            let wish = done.pace.as_ref().and_then(pace::from_wire);
            let again = wish.and_then(|strategy| pace::from_wire(&pace::to_wire(strategy)));
            assert_eq!(again, wish);
        }
        from_logic::Message::Push(push) => {
            if let Some(recorded) = recorded {
                assert_eq!(Push::decode(recorded).as_ref(), Ok(push));
            }
        }
        _ => assert_eq!(recorded, None, "only answers and pushes are recorded"),
    }
    let again = FromLogic::decode(link::from_logic(message.clone())).unwrap();
    assert_eq!(again.message, Some(message));
}

/// Frames until there are no more, or one cannot be.
fn frames(stream: &[u8]) {
    let (mut codec, mut buffer) = (link::codec(), BytesMut::from(stream));
    loop {
        let length = buffer.first_chunk().map_or(0, |length| u32::from_be_bytes(*length));
        if length > ANNOUNCED && length as usize <= MAX_MESSAGE {
            return;
        }
        match codec.decode(&mut buffer) {
            Ok(Some(frame)) => message(&frame.freeze()),
            Ok(None) => break,
            Err(_) => {
                assert!(length as usize > MAX_MESSAGE, "{length} bytes are no reason to hang up");
                return;
            }
        }
    }
    assert!(buffer.capacity() <= stream.len() + ANNOUNCED as usize + 16);
}

#[derive(Debug, Arbitrary)]
struct Recipe {
    tick: u64,
    busy_ns: u64,
    replies: Vec<(Addressee, Vec<u8>)>,
    close: Vec<u64>,
    state_hash: Option<u64>,
    snapshot: Option<Vec<u8>>,
}

#[derive(Debug, Arbitrary)]
enum Addressee {
    Nobody,
    One(u64),
    Several(Vec<u64>),
    All,
}

impl Recipe {
    fn check(self) {
        let replies: Vec<_> = self.replies.into_iter().map(reply).collect();
        let done = Done {
            tick: self.tick,
            busy_ns: self.busy_ns,
            replies: replies.clone(),
            close: self.close.clone(),
            state_hash: self.state_hash,
            snapshot: self.snapshot.map(Bytes::from),
            pace: None,
        };
        let push = Push { applied: self.tick, replies, close: self.close };
        let body = link::from_logic(from_logic::Message::Done(done.clone()));
        assert_eq!(link::inner(&body), Some(done.encode_to_vec().into()));
        message(&body);
        let body = link::from_logic(from_logic::Message::Push(push.clone()));
        assert_eq!(link::inner(&body), Some(push.encode_to_vec().into()));
        message(&body);
    }
}

fn reply((addressee, payload): (Addressee, Vec<u8>)) -> Reply {
    let to = match addressee {
        Addressee::Nobody => None,
        Addressee::One(session) => Some(To::Session(session)),
        Addressee::Several(ids) => Some(To::Several(Sessions { ids })),
        Addressee::All => Some(To::All(Default::default())),
    };
    Reply { to, payload: payload.into() }
}
