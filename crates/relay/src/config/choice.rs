//! The words that settings are chosen from, and what they stand for together with their numbers.

use std::time::Duration;

use pulsegate_cadence::{Overrun, Strategy};
use pulsegate_journal::Sync;
use pulsegate_protocol::Framing;
use pulsegate_protocol::framing::LengthPrefix;
use pulsegate_protocol::heartbeat::Kinds;

use super::settings::{Client, Config, Heartbeat, Journal, Limits, Liveness, Tick};
use crate::client::allowance::Rate;
use crate::client::outbox::Room;
use crate::recorder;
use crate::session::liveness::{Policy, Rules};

/// An enum whose variants are words of the configuration.
macro_rules! words {
    ($(
        #[doc = $about:literal]
        $Name:ident { $( #[doc = $sentence:literal] $word:literal $Variant:ident, )+ }
    )+) => {$(
        #[doc = $about]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $Name {$(
            #[doc = $sentence]
            $Variant,
        )+}

        impl $Name {
            pub(super) const WORDS: &[(&str, Self)] = &[$(($word, Self::$Variant)),+];
        }
    )+};
}

words! {
    /// How bytes become frames.
    FramingKind {
        /// A length before each body.
        "length" Length,
        /// One frame a line.
        "lines" Lines,
        /// Bytes as they come.
        "raw" Raw,
    }

    /// How silence is judged.
    PolicyKind {
        /// By its length.
        "timeout" Timeout,
        /// By a score of intervals.
        "score" Score,
        /// Not at all.
        "off" Off,
    }

    /// How the next beat is placed.
    StrategyKind {
        /// The whole sleep after the work.
        "fixed" Fixed,
        /// A sleep that work beyond the budget eats into.
        "adaptive" Adaptive,
        /// Adaptive, and fixed under lasting load.
        "combined" Combined,
        /// On a grid.
        "deadline" Deadline,
    }

    /// Where a beat goes that work ran past.
    OverrunKind {
        /// To the next point of the grid.
        "skip" Skip,
        /// At once, until what was missed is made up for.
        "catch_up" CatchUp,
        /// At once, and the grid moves with it.
        "stretch" Stretch,
    }

    /// When a batch is safe from a power cut.
    SyncKind {
        /// Before logic sees it.
        "tick" Tick,
        /// Within `sync_every`.
        "interval" Interval,
        /// When the system likes.
        "os" Os,
    }

    /// What happens when the journal cannot be written.
    OnError {
        /// The relay ends.
        "stop" Stop,
        /// It goes on, with a gap that is marked.
        "gap" Gap,
    }

    /// What a line of the log looks like.
    LogFormat {
        /// For people.
        "text" Text,
        /// One JSON object.
        "json" Json,
    }
}

impl Client {
    /// How this client's bytes become frames.
    pub fn framing(&self) -> Framing {
        let max_frame = self.max_frame;
        match self.framing {
            FramingKind::Length => Framing::Length(LengthPrefix {
                width: self.length_bytes,
                byte_order: self.byte_order,
                includes_header: self.length_includes_header,
                max_frame,
            }),
            FramingKind::Lines => Framing::Lines { max_frame },
            FramingKind::Raw => Framing::Raw,
        }
    }
}

impl Heartbeat {
    /// Which bodies are heartbeats.
    pub fn kinds(&self) -> Kinds {
        self.matches
    }
}

impl Config {
    /// How much may wait for the journal.
    pub fn room_at_the_journal(&self) -> recorder::Room {
        recorder::Room { batches: self.limits.batch, answers: self.limits.answer }
    }

    /// How much may wait for one client.
    pub fn outbox(&self) -> Room {
        Room { bytes: self.limits.outbox, within: self.client.write_within }
    }
}

impl Limits {
    /// How much one client may send.
    pub fn rate(&self) -> Rate {
        Rate {
            bytes: Some(self.bytes_per_second as u64),
            frames: Some(self.frames_per_second.into()),
        }
    }
}

impl Liveness {
    /// By what sessions are judged.
    pub fn rules(&self) -> Rules {
        let policy = match self.policy {
            PolicyKind::Off => Policy::Off,
            PolicyKind::Timeout => {
                Policy::Timeout { leave_after: self.leave_after, close_after: self.close_after }
            }
            PolicyKind::Score => Policy::Score {
                interval: self.interval,
                threshold: self.threshold,
                strikes: self.strikes,
                recover: self.recover,
                leave_hold: self.leave_hold,
            },
        };
        Rules { policy, leave_sync: self.leave_sync, idle_after: self.idle_after }
    }
}

impl Tick {
    /// How beats are placed.
    pub fn strategy(&self) -> Strategy {
        let Self { sleep, budget, overruns, calm, period, .. } = *self;
        match self.strategy {
            StrategyKind::Fixed => Strategy::Fixed { sleep },
            StrategyKind::Adaptive => Strategy::Adaptive { sleep, budget },
            StrategyKind::Combined => Strategy::Combined { sleep, budget, overruns, calm },
            StrategyKind::Deadline => Strategy::Deadline { period, overrun: self.overrun() },
        }
    }

    fn overrun(&self) -> Overrun {
        match self.overrun {
            OverrunKind::Skip => Overrun::Skip,
            OverrunKind::CatchUp => Overrun::CatchUp { max: self.catch_up },
            OverrunKind::Stretch => Overrun::Stretch,
        }
    }

    /// The time between two beats when work takes none.
    pub fn pace(&self) -> (&'static str, Duration) {
        match self.strategy {
            StrategyKind::Deadline => ("tick.period", self.period),
            _ => ("tick.sleep", self.sleep),
        }
    }
}

impl Journal {
    /// When a batch is safe from a power cut.
    pub fn sync(&self) -> Sync {
        match self.sync {
            SyncKind::Tick => Sync::Tick,
            SyncKind::Interval => Sync::Interval(self.sync_every),
            SyncKind::Os => Sync::Os,
        }
    }
}
