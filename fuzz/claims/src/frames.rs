//! A stream of frames means the same however it is cut.
//!
//! The first four bytes say which framing, how long a frame may be, and where the stream is cut.
//! The rest is the stream.

use bytes::BytesMut;
use pulsegate_protocol::framing::{ByteOrder, LengthPrefix, LengthWidth};
use pulsegate_protocol::{FrameCodec, FrameFault, Framing, Reason};
use tokio_util::codec::{Decoder, Encoder};

/// What a stream comes to: its frames, and why no more can follow.
type Outcome = (Vec<Vec<u8>>, Option<Reason>);

/// Three decoders agree on every stream: one that sees all of it at once and knows nothing of this
/// crate's, the relay's way of keeping what is unfinished, and the codec.
pub fn hold(bytes: &[u8]) {
    let Some((&[kind, limit, scale, cut], stream)) = bytes.split_first_chunk() else { return };
    let max_frame = usize::from(limit) << (scale % 8);
    let cuts = || Cuts { seed: cut, rest: stream };
    if kind % 16 >= 9 {
        return raw(stream, cuts());
    }
    let framing = framing(kind, max_frame);
    let expected = reference(&framing, stream);
    assert_eq!(by_partial(&framing, cuts()), expected, "{framing:?}");
    assert_eq!(by_codec(framing, cuts()), expected, "{framing:?}");
    comes_back(framing, &expected.0);
}

fn framing(kind: u8, max_frame: usize) -> Framing {
    if kind % 16 == 8 {
        return Framing::Lines { max_frame };
    }
    Framing::Length(LengthPrefix {
        width: if kind & 1 == 0 { LengthWidth::Four } else { LengthWidth::Two },
        byte_order: if kind & 2 == 0 { ByteOrder::Big } else { ByteOrder::Little },
        includes_header: kind & 4 != 0,
        max_frame,
    })
}

/// The stream in pieces whose lengths follow from the seed: 1 byte each, or anything up to all.
struct Cuts<'a> {
    seed: u8,
    rest: &'a [u8],
}

impl<'a> Iterator for Cuts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = 1 + usize::from(self.seed >> 2);
        self.seed = self.seed.wrapping_mul(5).wrapping_add(if self.seed == 0 { 0 } else { 17 });
        let piece = self.rest.split_off(..length.min(self.rest.len()))?;
        (!piece.is_empty()).then_some(piece)
    }
}

fn reference(framing: &Framing, stream: &[u8]) -> Outcome {
    match framing {
        Framing::Length(prefix) => reference_of_lengths(prefix, stream),
        Framing::Lines { max_frame } => reference_of_lines(*max_frame, stream),
        Framing::Raw => unreachable!("raw bytes have a claim of their own"),
    }
}

fn reference_of_lengths(prefix: &LengthPrefix, mut stream: &[u8]) -> Outcome {
    let mut frames = Vec::new();
    let width = prefix.width.bytes();
    while stream.len() >= width {
        let mut digits = stream[..width].to_vec();
        if prefix.byte_order == ByteOrder::Little {
            digits.reverse();
        }
        let unsigned = digits.iter().fold(0i64, |number, digit| number << 8 | i64::from(*digit));
        let is_negative = width == 4 && digits[0] >= 0x80;
        let length = if is_negative { unsigned - (1 << 32) } else { unsigned };
        let body = length - if prefix.includes_header { width as i64 } else { 0 };
        if body < 0 {
            return (frames, Some(Reason::FrameLengthInvalid));
        }
        if body as usize > prefix.max_frame {
            return (frames, Some(Reason::FrameTooLarge));
        }
        let end = width + body as usize;
        if stream.len() < end {
            break;
        }
        frames.push(stream[width..end].to_vec());
        stream = &stream[end..];
    }
    (frames, None)
}

fn reference_of_lines(max_frame: usize, stream: &[u8]) -> Outcome {
    let mut frames = Vec::new();
    let mut lines: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
    let unfinished = lines.pop().unwrap_or_default();
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > max_frame {
            return (frames, Some(Reason::FrameTooLarge));
        }
        frames.push(line.to_vec());
    }
    // One byte more may be the first half of the ending.
    let too_long = unfinished.len() > max_frame + 1;
    (frames, too_long.then_some(Reason::FrameTooLarge))
}

/// As a client's connection does it.
fn by_partial(framing: &Framing, cuts: Cuts<'_>) -> Outcome {
    let (mut frames, mut partial) = (Vec::new(), Vec::new());
    for piece in cuts {
        partial.extend_from_slice(piece);
        let mut taken = 0;
        loop {
            match framing.next(&partial[taken..]) {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    assert!(frame.taken > 0, "a frame of no bytes would be found for ever");
                    frames.push(partial[taken..][frame.body].to_vec());
                    taken += frame.taken;
                }
                Err(fault) => return (frames, Some(fault.reason())),
            }
        }
        partial.drain(..taken);
        let most = framing.max_frame().unwrap_or(0) + 4;
        assert!(partial.len() <= most, "{} bytes are kept", partial.len());
    }
    (frames, None)
}

fn by_codec(framing: Framing, cuts: Cuts<'_>) -> Outcome {
    let (mut frames, mut buffer, mut codec) = (Vec::new(), BytesMut::new(), FrameCodec(framing));
    for piece in cuts {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(None) => break,
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Err(pulsegate_protocol::framing::CodecError::Fault(fault)) => {
                    return (frames, Some(fault.reason()));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    (frames, None)
}

/// What is sent again is read again.
fn comes_back(framing: Framing, frames: &[Vec<u8>]) {
    let (mut codec, mut wire) = (FrameCodec(framing), BytesMut::new());
    for frame in frames {
        let sent = codec.encode(frame, &mut wire);
        assert!(sent.is_ok(), "{framing:?} refuses {} bytes that it took", frame.len());
        // A line cannot hold the half of its own ending.
        if !(frame.ends_with(b"\r") && matches!(framing, Framing::Lines { .. })) {
            assert_eq!(codec.decode(&mut wire).unwrap().unwrap(), frame);
            assert!(wire.is_empty());
        }
        wire.clear();
    }
    let longest = framing.max_frame().unwrap_or(0);
    let above = framing.header(longest + 1).map(|_| ());
    assert_eq!(above, Err(FrameFault::TooLarge { length: longest as u64 + 1, limit: longest }));
}

/// Raw bytes are one frame a read, and none is lost.
fn raw(stream: &[u8], cuts: Cuts<'_>) {
    let mut seen = Vec::new();
    for piece in cuts {
        let frame = Framing::Raw.next(piece).unwrap().unwrap();
        assert_eq!((frame.taken, frame.body.clone()), (piece.len(), 0..piece.len()));
        seen.extend_from_slice(piece);
    }
    assert_eq!(seen, stream);
}
