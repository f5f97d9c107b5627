//! What is the same in every segment: topics, schemas, and the first bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::LazyLock;

use mcap::records::MessageHeader;
use mcap::write::NoSeek;
use mcap::{Compression, McapError, McapResult, WriteOptions};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use pulsegate_protocol::proto;
use serde::{Deserialize, Serialize};

/// The format that `SegmentHead.format` names.
pub(crate) const FORMAT: u32 = 1;

/// What a segment begins with: MCAP's magic, and a header record that never changes.
pub(crate) const OPENING: &[u8] =
    b"\x89MCAP0\r\n\x01\x1a\0\0\0\0\0\0\0\x09\0\0\0pulsegate\x09\0\0\0pulsegate";

/// What a finished segment ends with, and begins with too.
pub(crate) const MAGIC: &[u8] = mcap::MAGIC;

/// No chunk has more content than this, in bytes: four times the longest message of the link.
pub(crate) const MAX_CHUNK: u64 = 4 * pulsegate_protocol::link::MAX_MESSAGE as u64;

/// The topics, whose numbers are those of their channels and schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Heads = 1,
    Ticks = 2,
    Answers = 3,
    Pushes = 4,
    Timing = 5,
}

impl Topic {
    pub(crate) const ALL: [Self; 5] =
        [Self::Heads, Self::Ticks, Self::Answers, Self::Pushes, Self::Timing];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Heads => "heads",
            Self::Ticks => "ticks",
            Self::Answers => "answers",
            Self::Pushes => "pushes",
            Self::Timing => "timing",
        }
    }

    pub(crate) fn of_channel(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| *topic as u16 == id)
    }

    fn schema(self) -> (&'static str, &'static str, &'static [u8]) {
        let protobuf = |name| (name, "protobuf", DESCRIPTORS.as_slice());
        match self {
            Self::Heads => protobuf("pulsegate.v1.SegmentHead"),
            Self::Ticks => protobuf("pulsegate.v1.Tick"),
            Self::Answers => protobuf("pulsegate.v1.Done"),
            Self::Pushes => protobuf("pulsegate.v1.Push"),
            Self::Timing => ("pulsegate.Timing", "jsonschema", TIMING_SCHEMA),
        }
    }

    fn encoding(self) -> &'static str {
        if self == Self::Timing { "json" } else { "protobuf" }
    }
}

/// How a tick went, for histograms and for `tune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The tick's number.
    pub tick: u64,
    /// How long after its due time the beat was, in microseconds.
    pub lateness_us: u64,
    /// From the beat until logic's answer, in microseconds.
    pub work_us: u64,
    /// How long was slept after it, in microseconds.
    pub sleep_us: u64,
    /// The strategy in force: `fixed`, `adaptive`, `combined` or `deadline`.
    pub strategy: String,
    /// How many packets and events the batch held.
    pub items: u64,
    /// How long the tick was, in bytes.
    pub bytes: u64,
}

const TIMING_SCHEMA: &[u8] = br#"{"type":"object","properties":{
"tick":{"type":"integer"},"lateness_us":{"type":"integer"},"work_us":{"type":"integer"},
"sleep_us":{"type":"integer"},"strategy":{"type":"string"},"items":{"type":"integer"},
"bytes":{"type":"integer"}}}"#;

/// The schema without its comments: it is in every segment four times.
static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let Ok(mut set) = FileDescriptorSet::decode(proto::DESCRIPTORS) else {
        return proto::DESCRIPTORS.to_vec();
    };
    set.file.iter_mut().for_each(|file| file.source_code_info = None);
    set.encode_to_vec()
});

pub(crate) type McapWriter = mcap::Writer<NoSeek<File>>;

/// Begins a segment that is written as it happens: one chunk per flush, as it is.
pub(crate) fn begin_live(file: File) -> McapResult<McapWriter> {
    // Without message indexes a chunk index would mislead readers that seek.
    begin(file, options().compression(None).emit_message_indexes(false).emit_chunk_indexes(false))
}

/// Begins the compressed form of a finished segment.
pub(crate) fn begin_compressed(file: File) -> McapResult<McapWriter> {
    begin(file, options().compression(Some(Compression::Zstd)))
}

fn options() -> WriteOptions {
    WriteOptions::new()
        .profile("pulsegate")
        .library("pulsegate")
        .chunk_size(None)
        .disable_seeking(true)
        .compression_threads(0)
}

fn begin(file: File, options: WriteOptions) -> McapResult<McapWriter> {
    let mut writer = options.create(NoSeek::new(file))?;
    for topic in Topic::ALL {
        let (name, encoding, data) = topic.schema();
        let id = topic as u16;
        writer.add_schema_with_id(id, name, encoding, data)?;
        writer.add_channel_with_id(id, id, topic.name(), topic.encoding(), &BTreeMap::new())?;
    }
    Ok(writer)
}

pub(crate) fn write(
    writer: &mut McapWriter,
    topic: Topic,
    sequence: u32,
    log_time: u64,
    data: &[u8],
) -> McapResult<()> {
    let header =
        MessageHeader { channel_id: topic as u16, sequence, log_time, publish_time: log_time };
    writer.write_to_known_channel(&header, data)
}

/// MCAP's errors on the writing side are the file's.
pub(crate) fn io_error(error: McapError) -> std::io::Error {
    match error {
        McapError::Io(error) => error,
        other => std::io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_segment_begins_with_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for begin in [begin_live, begin_compressed] {
            let file = crate::directory::create_file(&path).unwrap();
            drop(begin(file).unwrap());
            assert!(fs::read(&path).unwrap().starts_with(OPENING));
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn the_schema_is_small() {
        assert!(DESCRIPTORS.len() < 8000, "{}", DESCRIPTORS.len());
    }
}
