//! Every tick on disk before the logic server sees it.
//!
//! A journal is a directory of MCAP files, the segments, that follow each other without a gap. In
//! the order in which data flows:
//!
//! - [`writer`]: sealed ticks in, durable ticks out; rotation, retention, failure
//! - `options`: what a journal is to be like
//! - `live`: the segment that is being written
//! - `sealer`: a thread that compresses and deletes finished segments
//! - `recovery`: what the last life left, and the repair of its torn end
//! - [`reader`]: the records again, from any tick on, also while they are being written
//! - [`survey`]: what is in a journal, and whether all of it is as it was written
//! - [`outline`](fn@outline): the little of it that a search needs, found without reading much
//! - [`transcript`]: records of one journal into a new one
//!
//! and beneath them:
//!
//! - `directory`: names, permissions, the lock
//! - `format`: topics and schemas, and the bytes each segment begins with
//! - `walk`, `chunk`: bytes → records; strict, and without trust in any length
//! - `scan`: one segment as a whole, and what its end is: clean, torn or damaged
//! - `marks`: where in the segment that is being written its ticks are
//! - `standing`: the chain from tick to tick, and who is present
//! - `timeline`: which ticks led to which, where logic was brought back
//!
//! No clock is read here: the present comes in as [`Now`].
//!
//! ```
//! use pulsegate_journal::{Now, Options, Reader, Record, Writer};
//! use pulsegate_protocol::tick::{Gathering, Head};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let now = Now::default();
//! let (mut writer, recovered) = Writer::open(Options::new(dir.path()), now)?;
//!
//! let mut batch = Gathering::with_capacity(64);
//! batch.packet(1, b"hello");
//! let head = Head { number: recovered.last_tick + 1, ..Head::default() };
//! let tick = writer.append(batch.seal(&head), now)?; // on disk: may be forwarded
//! writer.finish()?;
//!
//! let mut reader = Reader::open(dir.path())?;
//! reader.seek(1)?;
//! assert!(matches!(reader.read()?, Some(Record::Tick { bytes, .. }) if bytes == tick.bytes));
//! # Ok(())
//! # }
//! ```

pub mod reader;
pub mod survey;
pub mod transcript;
pub mod writer;

mod chunk;
mod directory;
mod error;
mod format;
mod live;
mod marks;
mod options;
mod outline;
mod recovery;
mod scan;
mod sealer;
mod standing;
mod timeline;
mod walk;

pub use error::{Damage, Error, Missing};
pub use format::Timing;
pub use options::{Now, Options, Sync, Watermark};
pub use outline::{Begin, Outline, outline};
pub use reader::{Reader, Record};
pub use recovery::{Recovered, Repair, repair};
pub use standing::Attendance;
pub use survey::{Info, RolledBack, SegmentInfo, Verified, info, verify};
pub use timeline::Timeline;
pub use transcript::{Lineage, Transcript};
pub use writer::Writer;
