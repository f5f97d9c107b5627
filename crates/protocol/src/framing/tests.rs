use proptest::prelude::*;

use super::*;

fn prefix(width: LengthWidth, byte_order: ByteOrder, includes_header: bool) -> Framing {
    Framing::Length(LengthPrefix { width, byte_order, includes_header, max_frame: 1000 })
}

fn every_framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        Just(Framing::Lines { max_frame: 1000 }),
        (
            prop_oneof![Just(LengthWidth::Two), Just(LengthWidth::Four)],
            prop_oneof![Just(ByteOrder::Big), Just(ByteOrder::Little)],
            any::<bool>(),
        )
            .prop_map(|(width, order, includes)| prefix(width, order, includes)),
    ]
}

fn body_for(framing: &Framing) -> BoxedStrategy<Vec<u8>> {
    match framing {
        // A line cannot hold its own ending, nor end in the half of one.
        Framing::Lines { .. } => prop::collection::vec(32u8..127, 0..200).boxed(),
        _ => prop::collection::vec(any::<u8>(), 0..200).boxed(),
    }
}

proptest! {
    #[test]
    fn frames_cut_at_any_byte_and_glued_in_any_number_decode_alike(
        (framing, bodies, cuts) in every_framing().prop_flat_map(|framing| {
            let bodies = prop::collection::vec(body_for(&framing), 0..12);
            (Just(framing), bodies, prop::collection::vec(1usize..40, 1..60))
        })
    ) {
        let mut codec = FrameCodec(framing);
        let mut wire = BytesMut::new();
        for body in &bodies {
            codec.encode(body, &mut wire).unwrap();
        }

        let mut arrived = BytesMut::new();
        let mut decoded = Vec::new();
        let mut rest = &wire[..];
        for cut in cuts.iter().cycle() {
            while let Some(body) = codec.decode(&mut arrived).unwrap() {
                decoded.push(body.to_vec());
            }
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            arrived.extend_from_slice(piece);
            rest = after;
        }
        prop_assert_eq!(decoded, bodies);
        prop_assert!(arrived.is_empty());
    }

    #[test]
    fn no_bytes_whatever_make_the_decoder_panic_or_run_past_its_buffer(
        framing in every_framing(),
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        if let Ok(Some(frame)) = framing.next(&bytes) {
            prop_assert!(frame.taken > 0 && frame.taken <= bytes.len());
            prop_assert!(frame.body.end <= frame.taken);
        }
    }
}

#[test]
fn an_impossible_length_is_named_before_anything_is_kept_for_it() {
    let framing = Framing::DEFAULT;
    let limit = 64 * 1024;
    for (header, fault) in [
        (0xFFFF_FFFF_u32, FrameFault::LengthInvalid { length: -1 }),
        (0x8000_0000, FrameFault::LengthInvalid { length: i64::from(i32::MIN) }),
        (0x7FFF_FFFF, FrameFault::TooLarge { length: 0x7FFF_FFFF, limit }),
        (65537, FrameFault::TooLarge { length: 65537, limit }),
    ] {
        assert_eq!(framing.next(&header.to_be_bytes()), Err(fault));
    }
}

#[test]
fn the_longest_frame_is_accepted_and_one_byte_more_is_not() {
    let framing = Framing::DEFAULT;
    for (length, accepted) in [(65535_usize, true), (65536, true), (65537, false)] {
        assert_eq!(framing.header(length).is_ok(), accepted);
        let mut wire = (length as u32).to_be_bytes().to_vec();
        wire.resize(4 + length, b'x');
        assert_eq!(framing.next(&wire).is_ok(), accepted, "{length}");
    }
}

#[test]
fn a_length_that_includes_its_header_cannot_be_shorter_than_it() {
    let framing = prefix(LengthWidth::Four, ByteOrder::Big, true);
    assert_eq!(framing.next(&[0, 0, 0, 3]), Err(FrameFault::LengthInvalid { length: 3 }));
    assert_eq!(framing.next(&[0, 0, 0, 4]), Ok(Some(Frame { body: 4..4, taken: 4 })));
}

#[test]
fn raw_bytes_are_a_frame_as_they_come() {
    assert_eq!(Framing::Raw.next(b""), Ok(None));
    assert_eq!(Framing::Raw.next(b"abc"), Ok(Some(Frame { body: 0..3, taken: 3 })));
    assert!(Framing::Raw.header(usize::MAX).unwrap().is_empty());
}

#[test]
fn each_framing_knows_its_longest_body() {
    assert_eq!(Framing::DEFAULT.max_frame(), Some(64 * 1024));
    assert_eq!(Framing::Lines { max_frame: 7 }.max_frame(), Some(7));
    assert_eq!(Framing::Raw.max_frame(), None);
}

#[test]
fn a_line_that_a_client_could_not_send_is_not_sent_to_one() {
    let framing = Framing::Lines { max_frame: 4 };
    assert!(framing.header(3).is_ok() && framing.header(4).is_ok());
    let fault = FrameFault::TooLarge { length: 5, limit: 4 };
    assert_eq!(framing.header(5).unwrap_err(), fault);
}

#[test]
fn a_line_without_an_end_is_refused_at_the_limit() {
    let framing = Framing::Lines { max_frame: 4 };
    assert_eq!(framing.next(b"abcd\r\n"), Ok(Some(Frame { body: 0..4, taken: 6 })));
    assert_eq!(framing.next(b"abcd\r"), Ok(None));
    assert!(framing.next(b"abcdef").is_err());
    assert!(framing.next(b"abcde\n").is_err());
    let tiny = Framing::Lines { max_frame: 1 };
    assert_eq!(tiny.next(b"a\r\n"), Ok(Some(Frame { body: 0..1, taken: 3 })));
}

#[test]
fn common_mistakes_are_recognised_by_their_first_bytes() {
    assert_eq!(foreign_protocol(b"GET / HTTP/1.1"), Some("HTTP"));
    assert_eq!(foreign_protocol(b"\x16\x03\x01\x02"), Some("TLS"));
    assert_eq!(foreign_protocol(b"SSH-2.0-OpenSSH"), Some("SSH"));
    assert_eq!(foreign_protocol(b"PROXY TCP4 "), Some("PROXY protocol"));
    assert_eq!(foreign_protocol(b"\0\0\0\x05hello"), None);
}
