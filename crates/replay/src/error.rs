//! Why a replay ended before its end.

use std::io;
use std::path::PathBuf;

use jiff::civil::Time;
use pulsegate_protocol::link::VERSION;
use pulsegate_protocol::proto::goodbye::Code;
use thiserror::Error;

use crate::point::Point;

/// Why a replay could not begin, or did not come to its end.
#[derive(Debug, Error)]
pub enum Error {
    /// The journal cannot be read, or is damaged where the replay came to.
    #[error(transparent)]
    Journal(#[from] pulsegate_journal::Error),
    /// The journal holds no tick.
    #[error("the journal {} holds no tick yet", .0.display())]
    Empty(PathBuf),
    /// No tick is within the range.
    #[error("no tick of the journal is in that range: it holds ticks {first} to {last}")]
    Range {
        /// The first tick that there is.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// It is to be paused where nothing is played.
    #[error("--pause-at names tick {tick}, and ticks {first} to {last} are played")]
    Pause {
        /// The tick to pause at.
        tick: u64,
        /// The first one of the range.
        first: u64,
        /// Its last one.
        last: u64,
    },
    /// The recording does not know of a session, or not of its end.
    #[error("the journal does not hold {point}")]
    NoSession {
        /// What was asked for.
        point: Point,
    },
    /// The time of day is not within the recording.
    #[error("{time} is not within the recording, which reaches from {began} to {ended}")]
    NoSuchTime {
        /// What was asked for.
        time: Time,
        /// When the first tick was sealed.
        began: String,
        /// When the last one was.
        ended: String,
    },
    /// What the logic server needs to know before the range is not kept.
    #[error(
        "the logic server begins without a state, and the journal holds neither a snapshot before \
         the range nor the ticks from the first one: it begins at tick {first}; \
         `pulsegate replay --prelude` tells it who was present, and the rest of the state is missing"
    )]
    NoBeginning {
        /// The first tick that there is.
        first: u64,
    },
    /// Logic was brought back to an earlier state within the range.
    #[error(
        "tick {tick} does not follow the tick before it, but tick {to}, to which logic was brought \
         back; play up to tick {}, or from a snapshot behind tick {tick}",
        .tick - 1
    )]
    Restored {
        /// The first tick after that.
        tick: u64,
        /// The tick that it follows.
        to: u64,
    },
    /// The logic server is not there.
    #[error("cannot connect to the logic server at {address}: {source}; is it running there?")]
    Connect {
        /// As it was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The logic server does not take the replay.
    #[error("the logic server at {address} refuses the replay: {}", reason(*code, text))]
    Refused {
        /// As it was given.
        address: String,
        /// Why, for a program.
        code: Code,
        /// Why, in its own words.
        text: String,
    },
    /// It holds state of another journal.
    #[error(
        "the logic server holds state of journal {theirs}, and this recording is of journal {ours}; \
         start the logic server anew"
    )]
    Lineage {
        /// The journal that it holds state of.
        theirs: String,
        /// This one.
        ours: String,
    },
    /// It does not know the secret.
    #[error("the logic server does not know the shared secret; give it the same with --secret")]
    Secret,
    /// There was no randomness for the handshake.
    #[error("the system gives no random bytes for the handshake: {0}")]
    Random(getrandom::Error),
    /// It speaks another version of the link.
    #[error("the logic server speaks version {0} of the link, this replay version {VERSION}")]
    Version(u32),
    /// It did not answer the first message.
    #[error("the logic server at {0} did not answer the hello; is it a logic server?")]
    Mute(String),
    /// It broke the protocol.
    #[error("the logic server broke the protocol: {0}")]
    Protocol(String),
    /// It ended the link on the way.
    #[error("the logic server ended the link after tick {applied}: {text}")]
    Ended {
        /// The last tick that it answered.
        applied: u64,
        /// Why, in its own words.
        text: String,
    },
    /// There was nothing to compare answers with.
    #[error(
        "nothing was compared: the recording holds no answer to the ticks of that range; {unanswered} \
         were answered now"
    )]
    NothingCompared {
        /// How many ticks were answered now.
        unanswered: u64,
    },
    /// A stretch cannot be judged alone.
    #[error(
        "--bisect needs the hash of the state in each answer, recorded and now, for equal replies do \
         not mean equal states; leave it out, and all of the range is compared"
    )]
    NoHashes,
    /// The page could not be written.
    #[error("cannot write the page {}: {source}", path.display())]
    Page {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The recorded clients could not be played.
    #[error(transparent)]
    Clients(#[from] pulsegate_bots::Error),
    /// The connection broke.
    #[error("the connection to the logic server broke: {0}")]
    Broken(#[from] io::Error),
}

impl Error {
    /// The status to exit with: 2 if the replay could not begin, 1 if it did not come to its end.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Journal(pulsegate_journal::Error::Damaged(_))
            | Self::Protocol(_)
            | Self::Ended { .. }
            | Self::Broken(_) => 1,
            _ => 2,
        }
    }
}

fn reason(code: Code, text: &str) -> String {
    match code {
        Code::Live | Code::Owned if text.is_empty() => {
            "it serves live players; start another one for the replay".into()
        }
        Code::Secret => {
            format!("give the secret that it shares with its relay with --secret. {text}")
        }
        _ => text.into(),
    }
}
