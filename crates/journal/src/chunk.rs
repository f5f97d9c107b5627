//! One chunk: the unit in which a segment is written, checked and read.

use std::borrow::Cow;
use std::io::Read;

use bytes::{Buf, Bytes, TryGetError};
use pulsegate_protocol::tick::{self, Peek};

use crate::format::{MAX_CHUNK, Topic};

/// What is wrong with some bytes.
#[derive(Debug)]
pub(crate) struct Bad(pub(crate) Cow<'static, str>);

impl From<&'static str> for Bad {
    fn from(what: &'static str) -> Self {
        Self(what.into())
    }
}

impl From<String> for Bad {
    fn from(what: String) -> Self {
        Self(what.into())
    }
}

impl From<TryGetError> for Bad {
    fn from(_: TryGetError) -> Self {
        Self("a record that is shorter than its fields".into())
    }
}

/// The opcodes of MCAP records that occur in a journal.
pub(crate) mod op {
    pub(crate) const FOOTER: u8 = 0x02;
    pub(crate) const SCHEMA: u8 = 0x03;
    pub(crate) const CHANNEL: u8 = 0x04;
    pub(crate) const MESSAGE: u8 = 0x05;
    pub(crate) const CHUNK: u8 = 0x06;
    pub(crate) const MESSAGE_INDEX: u8 = 0x07;
    pub(crate) const DATA_END: u8 = 0x0F;
}

/// Before each record: an opcode and a length.
pub(crate) const RECORD_HEAD: u64 = 9;

/// A chunk's fields before its content, without the name of the compression.
pub(crate) const CHUNK_HEAD: u64 = 8 + 8 + 8 + 4 + 4 + 8;

/// A chunk whose checksum fits, and whose header says what its content says.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Where in the file its record begins.
    pub(crate) offset: u64,
    pub(crate) compressed: bool,
    pub(crate) messages: Vec<Message>,
}

/// One message of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: Topic,
    pub(crate) sequence: u32,
    pub(crate) log_time: u64,
    pub(crate) data: Bytes,
}

impl Chunk {
    /// Reads a chunk from the body of its record.
    pub(crate) fn parse(offset: u64, mut body: Bytes) -> Result<Self, Bad> {
        let start = body.try_get_u64_le()?;
        let end = body.try_get_u64_le()?;
        let size = body.try_get_u64_le()?;
        let checksum = body.try_get_u32_le()?;
        let compressed = match take(&mut body)?.as_ref() {
            b"" => false,
            b"zstd" => true,
            _ => return Err("a chunk with an unknown compression".into()),
        };
        if body.try_get_u64_le()? != body.len() as u64 {
            return Err("a chunk whose two lengths differ".into());
        }
        let content = if compressed { decompress(&body, size)? } else { body };
        if content.len() as u64 != size {
            return Err("a chunk whose content is not as long as it says".into());
        }
        if crc32fast::hash(&content) != checksum {
            return Err("a chunk whose checksum does not fit".into());
        }
        let messages = messages(content)?;
        let times = || messages.iter().map(|message| message.log_time);
        if (times().min().unwrap_or(0), times().max().unwrap_or(0)) != (start, end) {
            return Err("a chunk whose times are not those of its messages".into());
        }
        Ok(Self { offset, compressed, messages })
    }

    /// The number of its first tick, if it holds one. Unchecked beyond the chunk's own checksum.
    pub(crate) fn first_tick(&self) -> Option<u64> {
        self.ticks().next()
    }

    /// The same, and what can be read of that tick.
    pub(crate) fn first_peek(&self) -> Option<Peek> {
        self.peeks().next()
    }

    /// The numbers of its ticks.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = u64> {
        self.peeks().map(|peek| peek.head.number)
    }

    fn peeks(&self) -> impl Iterator<Item = Peek> {
        self.messages
            .iter()
            .filter(|message| message.topic == Topic::Ticks)
            .filter_map(|message| tick::peek(&message.data).ok())
    }
}

/// Memory grows with what comes out, never with what the header announces.
fn decompress(compressed: &[u8], size: u64) -> Result<Bytes, Bad> {
    if size > MAX_CHUNK {
        return Err("a chunk that announces more than a chunk may hold".into());
    }
    let mut content = Vec::new();
    zstd::stream::read::Decoder::with_buffer(compressed)
        .and_then(|decoder| decoder.take(size + 1).read_to_end(&mut content))
        .map_err(|_| Bad::from("a chunk that cannot be decompressed"))?;
    Ok(content.into())
}

fn messages(mut content: Bytes) -> Result<Vec<Message>, Bad> {
    let mut messages = Vec::new();
    while content.has_remaining() {
        let opcode = content.try_get_u8()?;
        let length = content.try_get_u64_le()?;
        if length > content.len() as u64 {
            return Err("a record longer than its chunk".into());
        }
        let body = content.split_to(length as usize);
        match opcode {
            op::MESSAGE => messages.push(message(body)?),
            op::CHANNEL => channel(body)?,
            op::SCHEMA => {}
            _ => return Err("a record that does not belong into a chunk".into()),
        }
    }
    Ok(messages)
}

fn message(mut body: Bytes) -> Result<Message, Bad> {
    let channel = body.try_get_u16_le()?;
    let topic = Topic::of_channel(channel).ok_or("a message of an unknown channel")?;
    let sequence = body.try_get_u32_le()?;
    let log_time = body.try_get_u64_le()?;
    if body.try_get_u64_le()? != log_time {
        return Err("a message with two times".into());
    }
    Ok(Message { topic, sequence, log_time, data: body })
}

fn channel(mut body: Bytes) -> Result<(), Bad> {
    let id = body.try_get_u16_le()?;
    let _schema = body.try_get_u16_le()?;
    let name = take(&mut body)?;
    match Topic::of_channel(id) {
        Some(topic) if topic.name().as_bytes() == name => Ok(()),
        _ => Err("a channel that is not one of a journal's".into()),
    }
}

/// Takes a string: a 4-byte length, then its bytes.
fn take(body: &mut Bytes) -> Result<Bytes, Bad> {
    let length = body.try_get_u32_le()? as usize;
    if length > body.len() {
        return Err("a string longer than its record".into());
    }
    Ok(body.split_to(length))
}
