//! Frames on a client's connection.
//!
//! ```text
//!  length, signed, big-endian          body
//! ├────┬────┬────┬────┼────┬────┬─ ─ ─┬────┤
//! │ 00 │ 00 │ 00 │ 05 │ 68 │ 65 │ ... │ 6f │      "hello"
//! ├────┴────┴────┴────┼────┴────┴─ ─ ─┴────┤
//! ```
//!
//! The length is checked before it is believed, and nothing is ever allocated for bytes that were
//! only announced: [`Framing::next`] looks at what is there and says where a frame begins and ends.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;
use tokio_util::codec::{Decoder, Encoder};

use crate::Reason;

/// How bytes on a client's connection become frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A length before each body.
    Length(LengthPrefix),
    /// One frame a line, ended by `\n` or `\r\n`; the ending is not part of the body.
    Lines {
        /// The longest body in bytes.
        max_frame: usize,
    },
    /// Bytes as they come: whatever one read returned is one frame.
    Raw,
}

/// The shape of the length before each body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthPrefix {
    /// 2 (unsigned) or 4 (signed) bytes.
    pub width: LengthWidth,
    /// Which end comes first.
    pub byte_order: ByteOrder,
    /// Whether the length counts its own bytes too.
    pub includes_header: bool,
    /// The longest body in bytes.
    pub max_frame: usize,
}

/// How many bytes the length takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthWidth {
    /// An unsigned 16-bit number.
    Two,
    /// A signed 32-bit number.
    Four,
}

impl LengthWidth {
    /// The length's own size in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// Which byte of the length comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// The most significant one.
    Big,
    /// The least significant one.
    Little,
}

/// A frame found in a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where its body is.
    pub body: Range<usize>,
    /// How many bytes of the buffer it took, header and ending included.
    pub taken: usize,
}

/// Bytes that cannot be a frame. The connection cannot go on: where the next frame begins is not
/// known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameFault {
    /// A length above the limit.
    #[error("frame of {length} bytes is above the limit of {limit}")]
    TooLarge {
        /// What was announced; for lines, what had arrived without an ending.
        length: u64,
        /// The limit.
        limit: usize,
    },
    /// A length under 0, or shorter than the header that it includes.
    #[error("frame length {length} is not possible")]
    LengthInvalid {
        /// What was announced.
        length: i64,
    },
}

impl FrameFault {
    /// The reason that the client is told.
    pub const fn reason(self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::FrameTooLarge,
            Self::LengthInvalid { .. } => Reason::FrameLengthInvalid,
        }
    }
}

impl Framing {
    /// 4 bytes, big-endian, signed, without the header; bodies up to 64 KiB.
    pub const DEFAULT: Self = Self::Length(LengthPrefix {
        width: LengthWidth::Four,
        byte_order: ByteOrder::Big,
        includes_header: false,
        max_frame: 64 * 1024,
    });

    /// The first frame in `buffer`; `None` if it has not all arrived.
    ///
    /// Nothing is read twice but an unfinished header, or an unfinished line.
    pub fn next(&self, buffer: &[u8]) -> Result<Option<Frame>, FrameFault> {
        match self {
            Self::Length(prefix) => prefix.next(buffer),
            Self::Lines { max_frame } => next_line(buffer, *max_frame),
            Self::Raw if buffer.is_empty() => Ok(None),
            Self::Raw => Ok(Some(Frame { body: 0..buffer.len(), taken: buffer.len() })),
        }
    }

    /// The longest body, or `None` where the framing knows none.
    pub const fn max_frame(&self) -> Option<usize> {
        match self {
            Self::Length(prefix) => Some(prefix.max_frame),
            Self::Lines { max_frame } => Some(*max_frame),
            Self::Raw => None,
        }
    }

    /// What goes before a body of `length` bytes.
    ///
    /// Fails if the body is above the limit, so that no client is ever sent what it may not send.
    pub fn header(&self, length: usize) -> Result<Header, FrameFault> {
        match self {
            Self::Length(prefix) => prefix.header(length),
            Self::Lines { max_frame } if length > *max_frame => {
                Err(FrameFault::TooLarge { length: length as u64, limit: *max_frame })
            }
            Self::Lines { .. } | Self::Raw => Ok(Header { bytes: [0; 4], length: 0 }),
        }
    }

    /// What goes after a body.
    pub const fn trailer(&self) -> &'static [u8] {
        match self {
            Self::Lines { .. } => b"\n",
            Self::Length(_) | Self::Raw => b"",
        }
    }
}

/// The bytes before a body: none, 2 or 4.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    bytes: [u8; 4],
    length: u8,
}

impl std::ops::Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl LengthPrefix {
    fn next(&self, buffer: &[u8]) -> Result<Option<Frame>, FrameFault> {
        let width = self.width.bytes();
        let Some(header) = buffer.get(..width) else { return Ok(None) };
        let length = self.body_length(header)?;
        let taken = width + length;
        Ok((buffer.len() >= taken).then_some(Frame { body: width..taken, taken }))
    }

    fn body_length(&self, header: &[u8]) -> Result<usize, FrameFault> {
        let announced: i64 = match (header, self.byte_order) {
            (&[a, b], ByteOrder::Big) => u16::from_be_bytes([a, b]).into(),
            (&[a, b], ByteOrder::Little) => u16::from_le_bytes([a, b]).into(),
            (&[a, b, c, d], ByteOrder::Big) => i32::from_be_bytes([a, b, c, d]).into(),
            (&[a, b, c, d], ByteOrder::Little) => i32::from_le_bytes([a, b, c, d]).into(),
            _ => unreachable!("a header has 2 or 4 bytes"),
        };
        let counted = if self.includes_header { self.width.bytes() as i64 } else { 0 };
        match usize::try_from(announced - counted) {
            Err(_) => Err(FrameFault::LengthInvalid { length: announced }),
            Ok(length) if length > self.max_frame => {
                Err(FrameFault::TooLarge { length: length as u64, limit: self.max_frame })
            }
            Ok(length) => Ok(length),
        }
    }

    fn header(&self, length: usize) -> Result<Header, FrameFault> {
        if length > self.max_frame {
            return Err(FrameFault::TooLarge { length: length as u64, limit: self.max_frame });
        }
        let width = self.width.bytes();
        let announced = length + if self.includes_header { width } else { 0 };
        let mut bytes = [0; 4];
        match (self.width, self.byte_order) {
            (LengthWidth::Two, ByteOrder::Big) => {
                bytes[..2].copy_from_slice(&(announced as u16).to_be_bytes());
            }
            (LengthWidth::Two, ByteOrder::Little) => {
                bytes[..2].copy_from_slice(&(announced as u16).to_le_bytes());
            }
            (LengthWidth::Four, ByteOrder::Big) => bytes = (announced as u32).to_be_bytes(),
            (LengthWidth::Four, ByteOrder::Little) => bytes = (announced as u32).to_le_bytes(),
        }
        Ok(Header { bytes, length: width as u8 })
    }
}

fn next_line(buffer: &[u8], max_frame: usize) -> Result<Option<Frame>, FrameFault> {
    // One byte more than the limit for `\r`, and one for `\n`.
    let window = &buffer[..buffer.len().min(max_frame + 2)];
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        return if buffer.len() > max_frame + 1 {
            Err(FrameFault::TooLarge { length: buffer.len() as u64, limit: max_frame })
        } else {
            Ok(None)
        };
    };
    let body = if end > 0 && buffer[end - 1] == b'\r' { end - 1 } else { end };
    if body > max_frame {
        return Err(FrameFault::TooLarge { length: body as u64, limit: max_frame });
    }
    Ok(Some(Frame { body: 0..body, taken: end + 1 }))
}

/// The protocol that `first_bytes` look like, if they are the opening of one that people point at
/// a wrong port by mistake.
pub fn foreign_protocol(first_bytes: &[u8]) -> Option<&'static str> {
    const OPENINGS: [(&[u8], &str); 10] = [
        (b"GET ", "HTTP"),
        (b"POST", "HTTP"),
        (b"PUT ", "HTTP"),
        (b"HEAD", "HTTP"),
        (b"OPTI", "HTTP"),
        (b"PRI ", "HTTP/2"),
        (b"\x16\x03", "TLS"),
        (b"SSH-", "SSH"),
        (b"PROX", "PROXY protocol"),
        (b"\r\n\r\n\0\r\nQ", "PROXY protocol"),
    ];
    OPENINGS.iter().find(|(opening, _)| first_bytes.starts_with(opening)).map(|(_, name)| *name)
}

/// [`Framing`] as a codec, for programs that own a whole connection: clients, bots, tests.
#[derive(Debug, Clone, Copy)]
pub struct FrameCodec(pub Framing);

/// What a [`FrameCodec`] ends with.
#[derive(Debug, Error)]
pub enum CodecError {
    /// The bytes are no frame.
    #[error(transparent)]
    Fault(#[from] FrameFault),
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Decoder for FrameCodec {
    type Item = Bytes;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, CodecError> {
        Ok(self.0.next(buffer)?.map(|frame| {
            let frame_bytes = buffer.split_to(frame.taken).freeze();
            frame_bytes.slice(frame.body)
        }))
    }
}

impl<B: AsRef<[u8]>> Encoder<B> for FrameCodec {
    type Error = CodecError;

    fn encode(&mut self, body: B, out: &mut BytesMut) -> Result<(), CodecError> {
        let body = body.as_ref();
        let header = self.0.header(body.len())?;
        let trailer = self.0.trailer();
        out.reserve(header.len() + body.len() + trailer.len());
        out.put_slice(&header);
        out.put_slice(body);
        out.put_slice(trailer);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
