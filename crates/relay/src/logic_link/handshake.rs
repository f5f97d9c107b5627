//! Who is there, and where to resume.

use std::time::Duration;

use bytes::Bytes;
use pulsegate_cadence::Strategy;
use pulsegate_protocol::proto::{
    Hello, Mode, Restore, Welcome, from_logic, goodbye::Code, to_logic, welcome::Resume,
};
use pulsegate_protocol::{link, pace};
use thiserror::Error;

use super::LinkError;
use super::replies::Replies;
use super::source::Source;
use super::stream::{Incoming, Outgoing};
use crate::log::in_one_line;

/// Who this relay is to a logic server.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The journal's random id.
    pub lineage: String,
    /// Which life of a relay this is.
    pub epoch: u64,
    /// What both sides know, or empty.
    pub secret: String,
}

/// A logic server that can be given ticks.
#[derive(Debug)]
pub struct Met {
    /// Its name.
    pub name: String,
    /// The state that it is to begin with.
    pub restore: Option<Restore>,
    /// The first tick that it needs.
    pub next: u64,
    /// The last tick whose answer is not expected any more. Answers to those between it and `next`
    /// may have been lost with the link before, and come first.
    pub answered: u64,
}

/// Why a logic server cannot go on where it is.
#[derive(Debug, Error)]
pub enum CannotResume {
    /// Its state belongs to another journal.
    #[error(
        "the logic server holds state of lineage {theirs}, this journal is lineage {ours}; \
         start the logic server anew, or give this relay the journal that belongs to it"
    )]
    Lineage {
        /// What it holds.
        theirs: String,
        /// What this relay has.
        ours: String,
    },
    /// The journal lost a tail that it has seen.
    #[error(
        "the logic server has applied tick {applied}, the journal ends at tick {newest}: \
         ticks {} to {applied} are missing; restore the journal, or start both anew",
        .newest + 1
    )]
    JournalBehind {
        /// What it applied.
        applied: u64,
        /// Where the journal ends, as far as a logic server can have seen it.
        newest: u64,
    },
    /// It applied a tick whole that an operator had skipped meanwhile.
    #[error(
        "the logic server has applied tick {0} with the packets that an operator had left out; \
         start the logic server anew, so that it rebuilds without them"
    )]
    AppliedWhole(u64),
    /// It applied a tick that was left behind.
    #[error(
        "the logic server has applied tick {applied}, which was left behind when logic was brought \
         back; it is to drop its state, and to ask for a rebuild"
    )]
    LeftBehind {
        /// What it applied.
        applied: u64,
    },
    /// The ticks that it needs are not kept any more.
    #[error("the logic server needs tick {needed}, the oldest that is kept is {oldest}")]
    TooOld {
        /// What it needs.
        needed: u64,
        /// What there is.
        oldest: u64,
    },
    /// It does not know the shared secret.
    #[error("the logic server does not know the shared secret (logic.secret)")]
    Secret,
    /// It speaks another version of the link.
    #[error("the logic server speaks version {theirs} of the link, this relay {}", link::VERSION)]
    Version {
        /// Its version.
        theirs: u32,
    },
    /// It did not say where to resume.
    #[error("the logic server's Welcome does not say where to resume")]
    Nowhere,
}

impl CannotResume {
    /// The code for the logic server.
    pub const fn code(&self) -> Code {
        match self {
            Self::Lineage { .. } => Code::Lineage,
            Self::AppliedWhole(_) | Self::LeftBehind { .. } => Code::StartOver,
            Self::JournalBehind { .. } | Self::TooOld { .. } => Code::Behind,
            Self::Secret => Code::Secret,
            Self::Version { .. } | Self::Nowhere => Code::Protocol,
        }
    }
}

impl Identity {
    /// The first message.
    pub fn hello(&self, strategy: Strategy, snapshot_every: u64, answered: u64) -> Hello {
        let mut nonce = [0; 16];
        // Without a random nonce a proof could be replayed, so without one there is none.
        let random = getrandom::fill(&mut nonce).is_ok();
        let secret = if random { self.secret.as_str() } else { "" };
        Hello {
            protocol: link::VERSION,
            relay: concat!("pulsegate ", env!("CARGO_PKG_VERSION")).into(),
            lineage: self.lineage.clone(),
            epoch: self.epoch,
            mode: Mode::Live.into(),
            pace: Some(pace::to_wire(strategy)),
            snapshot_every,
            proof: link::hello_proof(secret, &nonce, &self.lineage),
            nonce: Bytes::copy_from_slice(&nonce),
            answered,
        }
    }
}

/// Says hello and waits for the welcome.
pub async fn greet(
    incoming: &mut Incoming,
    out: &mut Outgoing,
    hello: &Hello,
    secret: &str,
    patience: Duration,
) -> Result<Welcome, LinkError> {
    out.send(to_logic::Message::Hello(hello.clone())).await?;
    let (message, _) = incoming.next(patience).await?;
    let welcome = match message {
        from_logic::Message::Welcome(welcome) => welcome,
        from_logic::Message::Goodbye(goodbye) => return Err(goodbye.into()),
        _ => return Err(LinkError::Protocol("its first message is not Welcome".into())),
    };
    if welcome.protocol != link::VERSION {
        return Err(CannotResume::Version { theirs: welcome.protocol }.into());
    }
    if !link::welcome_is_proven(&welcome.proof, secret, &hello.nonce) {
        return Err(CannotResume::Secret.into());
    }
    Ok(welcome)
}

/// Finds where a logic server goes on.
pub async fn resume(
    welcome: Welcome,
    identity: &Identity,
    source: &mut Source,
    replies: &Replies,
) -> Result<Met, LinkError> {
    let mut lost_answers = 0;
    let (restore, next) = match welcome.resume.ok_or(CannotResume::Nowhere)? {
        Resume::Stateless(_) => {
            replies.logic_is_stateless();
            (None, replies.answered() + 1)
        }
        Resume::Applied(applied) => {
            if applied.lineage != identity.lineage {
                let (theirs, ours) = (in_one_line(&applied.lineage), identity.lineage.clone());
                return Err(CannotResume::Lineage { theirs, ours }.into());
            }
            // What this life has recorded since may bear the numbers of what was lost.
            let newest = source.shown();
            if applied.tick > newest {
                return Err(CannotResume::JournalBehind { applied: applied.tick, newest }.into());
            }
            if !source.rollbacks().leads_on(applied.tick) {
                return Err(CannotResume::LeftBehind { applied: applied.tick }.into());
            }
            let unanswered = replies.answered() + 1..=applied.tick;
            if let Some(tick) = source.suspects().applied_whole(unanswered) {
                return Err(CannotResume::AppliedWhole(tick).into());
            }
            replies.logic_holds_state();
            lost_answers = applied.tick.saturating_sub(replies.answered());
            (None, applied.tick + 1)
        }
        Resume::Rebuild(_) => {
            replies.logic_holds_state();
            let restore = source.newest_snapshot().await?;
            let next = restore.as_ref().map_or(1, |restore| restore.tick + 1);
            (restore, next)
        }
    };
    let oldest = source.oldest().await?;
    if next < oldest {
        return Err(CannotResume::TooOld { needed: next, oldest }.into());
    }
    let name = in_one_line(&welcome.name);
    Ok(Met { name, restore, next, answered: next - 1 - lost_answers })
}
