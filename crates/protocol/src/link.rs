//! The logic link: generated messages, their framing, and what both sides compute from them.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use hmac::{Hmac, KeyInit, Mac};
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};
use sha2::{Digest, Sha256};
use tokio_util::codec::LengthDelimitedCodec;

/// The messages of `proto/pulsegate.proto`.
#[allow(missing_docs, clippy::doc_markdown)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/pulsegate.v1.rs"));

    /// The compiled schema, as a serialised `google.protobuf.FileDescriptorSet`.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}

use proto::{FromLogic, Hello, ToLogic, from_logic, to_logic};

/// The version of the link that this crate speaks.
pub const VERSION: u32 = 1;

/// The longest message on the link, in bytes: a snapshot may be large.
pub const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// The framing of the link: a 4-byte big-endian length before each message.
pub fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_MESSAGE).new_codec()
}

const TICK_TAG: u8 = 3 << 3 | 2;
const DONE_TAG: u8 = 2 << 3 | 2;
const PUSH_TAG: u8 = 3 << 3 | 2;

/// What goes before an encoded tick on the link: the frame's length, and the envelope's field.
pub fn tick_prefix(tick: &[u8]) -> Bytes {
    let mut prefix = BytesMut::with_capacity(16);
    let envelope = 1 + encoded_len_varint(tick.len() as u64);
    prefix.put_u32((envelope + tick.len()) as u32);
    prefix.put_u8(TICK_TAG);
    encode_varint(tick.len() as u64, &mut prefix);
    prefix.freeze()
}

/// The frame's body for any message but a tick.
pub fn to_logic(message: to_logic::Message) -> Bytes {
    ToLogic { message: Some(message) }.encode_to_vec().into()
}

/// The frame's body for a logic server's message.
pub fn from_logic(message: from_logic::Message) -> Bytes {
    FromLogic { message: Some(message) }.encode_to_vec().into()
}

/// The bytes of the `Done` or `Push` inside of a [`FromLogic`] body, as they came.
///
/// `None` if the body is another message, or has its fields in an unusual order; re-encoding the
/// decoded message is then the way.
pub fn inner(body: &Bytes) -> Option<Bytes> {
    let mut rest = body.clone();
    if !rest.has_remaining() || !matches!(rest.get_u8(), DONE_TAG | PUSH_TAG) {
        return None;
    }
    let length = prost::encoding::decode_varint(&mut rest).ok()?;
    (length == rest.len() as u64).then_some(rest)
}

/// A tick's random seed: the first 8 bytes, little-endian, of
/// SHA-256(lineage ‖ number as 8 bytes, big-endian).
///
/// ```
/// use pulsegate_protocol::link::seed;
/// assert_eq!(seed("a", 1), seed("a", 1));
/// assert_ne!(seed("a", 1), seed("a", 2));
/// ```
pub fn seed(lineage: &str, number: u64) -> u64 {
    let digest = Sha256::new().chain_update(lineage).chain_update(number.to_be_bytes()).finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// The relay's proof that it knows the shared secret; empty without one.
pub fn hello_proof(secret: &str, nonce: &[u8], lineage: &str) -> Bytes {
    proof(secret, [b"pulsegate hello", nonce, lineage.as_bytes()])
}

/// The logic server's proof that it knows the shared secret; empty without one.
pub fn welcome_proof(secret: &str, nonce: &[u8]) -> Bytes {
    proof(secret, [b"pulsegate welcome", nonce, b""])
}

/// Whether the relay that said this knows the secret. Without a secret everyone does.
pub fn hello_is_proven(hello: &Hello, secret: &str) -> bool {
    equal(&hello.proof, &hello_proof(secret, &hello.nonce, &hello.lineage)) || secret.is_empty()
}

/// Whether the logic server that gave this proof knows the secret. Without a secret everyone does.
pub fn welcome_is_proven(given: &[u8], secret: &str, nonce: &[u8]) -> bool {
    equal(given, &welcome_proof(secret, nonce)) || secret.is_empty()
}

fn proof(secret: &str, parts: [&[u8]; 3]) -> Bytes {
    if secret.is_empty() {
        return Bytes::new();
    }
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key length is fine");
    parts.iter().for_each(|part| mac.update(part));
    Bytes::copy_from_slice(&mac.finalize().into_bytes())
}

fn equal(a: &[u8], b: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(a, b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_behind_its_prefix_is_the_message_that_the_generated_code_writes() {
        let tick = proto::Tick { number: 300, seed: 1, ..Default::default() };
        let encoded = tick.encode_to_vec();
        let mut frame = tick_prefix(&encoded).to_vec();
        frame.extend_from_slice(&encoded);

        let expected = to_logic(to_logic::Message::Tick(tick));
        assert_eq!(frame[..4], (expected.len() as u32).to_be_bytes());
        assert_eq!(frame[4..], expected);
    }

    #[test]
    fn a_message_may_have_64_mebibytes_and_no_more() {
        assert_eq!(MAX_MESSAGE, 67_108_864);
        assert_eq!(codec().max_frame_length(), MAX_MESSAGE);
    }

    #[test]
    fn the_inner_bytes_are_those_that_came() {
        let done = proto::Done { tick: 9, busy_ns: 1000, ..Default::default() };
        let body = from_logic(from_logic::Message::Done(done.clone()));
        assert_eq!(inner(&body).unwrap(), done.encode_to_vec());

        let push = proto::Push { applied: 9, close: vec![1], ..Default::default() };
        let body = from_logic(from_logic::Message::Push(push.clone()));
        assert_eq!(inner(&body).unwrap(), push.encode_to_vec());

        let ping = from_logic(from_logic::Message::Ping(proto::Ping { id: 1 }));
        assert_eq!(inner(&ping), None);
        assert_eq!(inner(&Bytes::new()), None);
    }

    #[test]
    fn only_who_knows_the_secret_can_prove_it() {
        let mut hello = Hello {
            nonce: Bytes::from_static(b"0123456789abcdef"),
            lineage: "l".into(),
            ..Default::default()
        };
        assert!(hello_is_proven(&hello, ""));
        assert!(!hello_is_proven(&hello, "secret"));
        hello.proof = hello_proof("secret", &hello.nonce, "l");
        assert!(hello_is_proven(&hello, "secret"));
        assert!(!hello_is_proven(&hello, "other"));

        let proof = welcome_proof("secret", &hello.nonce);
        assert!(welcome_is_proven(&proof, "secret", &hello.nonce));
        assert!(!welcome_is_proven(&proof, "secret", b"another nonce"));
    }
}
