//! Bytes → frames → batch.

use std::time::Duration;

use pulsegate_protocol::framing::foreign_protocol;
use pulsegate_protocol::heartbeat::{Claims, Recognition, Status};
use pulsegate_protocol::{FrameFault, Reason};
use serde_json::json;
use tracing::debug;

use super::{Connection, End};
use crate::config::Config;
use crate::tick::clock::Clock;
use crate::tick::intake::{Full, Heartbeat, News};

/// What does not change while one read's bytes are taken.
struct Moment<'a> {
    /// When they came, in listened time.
    heard: Duration,
    /// The same in the relay's time.
    now: Duration,
    config: &'a Config,
}

impl<'a> Moment<'a> {
    fn of(clock: &Clock, config: &'a Config) -> Self {
        Self { heard: clock.listened(), now: clock.now(), config }
    }
}

impl Connection<'_> {
    /// Takes what one read returned.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.client.figures.bytes_came(bytes.len());
        self.front.metrics.bytes_in.inc_by(bytes.len() as u64);
        let config = self.front.config.load();
        let moment = Moment::of(&self.front.clock, &config);
        let frames = if self.partial.is_empty() {
            let (taken, frames) = self.take_frames(bytes, &moment)?;
            self.partial.extend_from_slice(&bytes[taken..]);
            frames
        } else {
            self.partial.extend_from_slice(bytes);
            self.take_from_partial(&moment)?
        };
        self.account_for(bytes.len(), frames, &moment);
        Ok(())
    }

    /// The batch has room again. What waited for it has been paid for in bytes, not in frames.
    pub(super) fn go_on(&mut self) -> Result<(), End> {
        self.space = None;
        let config = self.front.config.load();
        let moment = Moment::of(&self.front.clock, &config);
        let frames = self.take_from_partial(&moment)?;
        self.account_for(0, frames, &moment);
        Ok(())
    }

    fn account_for(&mut self, bytes: usize, frames: u64, moment: &Moment<'_>) {
        if self.partial.is_empty() || self.space.is_some() {
            self.partial_since = None;
        } else if frames > 0 || self.partial_since.is_none() {
            self.partial_since = Some(moment.heard);
        }
        let rate = moment.config.limits.rate();
        self.paused_until = self.allowance.charge(moment.now, bytes as u64, frames, rate);
        if self.paused_until.is_some() {
            self.front.metrics.reads_paused.inc();
        }
    }

    fn take_from_partial(&mut self, moment: &Moment<'_>) -> Result<u64, End> {
        let mut partial = std::mem::take(&mut self.partial);
        let (taken, frames) = self.take_frames(&partial, moment)?;
        if taken < partial.len() {
            partial.drain(..taken);
            self.partial = partial;
        }
        Ok(frames)
    }

    /// Takes the whole frames at the start of `bytes`: how many bytes and frames they were.
    fn take_frames(&mut self, bytes: &[u8], moment: &Moment<'_>) -> Result<(usize, u64), End> {
        let (mut taken, mut frames) = (0, 0);
        loop {
            let rest = &bytes[taken..];
            let frame = match self.front.framing.next(rest) {
                Ok(None) => return Ok((taken, frames)),
                Ok(Some(frame)) => frame,
                Err(fault) => return Err(self.bad_frame(fault, rest)),
            };
            match self.take_frame(&rest[frame.body], moment)? {
                Ok(()) => {}
                Err(Full) => {
                    self.front.metrics.batch_waits.inc();
                    self.space = Some(Box::pin(self.front.intake.space()));
                    return Ok((taken, frames));
                }
            }
            taken += frame.taken;
            frames += 1;
            if self.client.has_ended() {
                return Ok((bytes.len(), frames));
            }
        }
    }

    fn take_frame(&mut self, body: &[u8], moment: &Moment<'_>) -> Result<Result<(), Full>, End> {
        #[cfg(test)]
        assert_ne!(body, b"panic", "a test asked for it");

        let taken = match self.front.recognise(body, moment.config) {
            Recognition::Packet => self.take_packet(body, moment),
            Recognition::Heartbeat(claims) => self.take_heartbeat(claims, body, moment),
            Recognition::Malformed(why) => {
                return Err(End(Reason::HeartbeatMalformed, json!({ "detail": why })));
            }
        };
        if !self.spoke {
            self.spoke = true;
            self.front.roster.has_spoken(self.client);
        }
        if taken.is_ok() {
            self.front.metrics.frames_in.inc();
            self.client.figures.frame_came(moment.heard);
            if self.client.figures.wants_look() {
                self.front.intake.tell(News::Heard(self.client.id));
            }
        }
        Ok(taken)
    }

    fn take_packet(&self, body: &[u8], moment: &Moment<'_>) -> Result<(), Full> {
        self.front.intake.packet(self.client, body)?;
        self.client.figures.packet_came(moment.heard);
        Ok(())
    }

    fn take_heartbeat(
        &self,
        claims: Option<Claims>,
        body: &[u8],
        moment: &Moment<'_>,
    ) -> Result<(), Full> {
        let Moment { heard, config, .. } = moment;
        let claim = claims.as_ref().map(|claims| claims.status);
        // `alive` changes nothing for whoever is.
        let judge =
            claim.is_some_and(|status| status != Status::Alive || !self.client.figures.is_alive());
        let heartbeat = Heartbeat {
            claim,
            record: config.journal.heartbeats,
            forward: config.heartbeat.forward.then_some(body),
            judge_claim_at: judge.then_some(*heard),
        };
        self.front.intake.heartbeat(self.client, heartbeat)?;
        self.front.metrics.heartbeats.inc();
        self.client.figures.heartbeat_came(claims);
        if config.heartbeat.ack {
            self.front.post(self.client, &self.front.ack);
        }
        Ok(())
    }

    fn bad_frame(&self, fault: FrameFault, bytes: &[u8]) -> End {
        if !self.spoke
            && let Some(protocol) = foreign_protocol(bytes)
        {
            debug!(session = self.client.id, peer = %self.client.peer, protocol, "wrong protocol");
            return End(Reason::WrongProtocol, json!({ "looks_like": protocol }));
        }
        let details = match fault {
            FrameFault::TooLarge { length, limit } => json!({ "length": length, "limit": limit }),
            FrameFault::LengthInvalid { length } => json!({ "length": length }),
        };
        End(fault.reason(), details)
    }
}
