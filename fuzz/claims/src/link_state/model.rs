//! What the contract says of a link, in its own few words.

use bytes::{BufMut, Bytes};
use prost::Message as _;
use pulsegate::logic_link::exchange::IN_FLIGHT;
use pulsegate_protocol::link::VERSION;
use pulsegate_protocol::proto::from_logic::Message;
use pulsegate_protocol::proto::{
    Done, FromLogic, Push, Reply, Welcome, reply::To, welcome::Resume,
};

use super::LINEAGES;

/// The sessions that are open when a script begins.
pub(super) const SESSIONS: [u64; 3] = [1, 2, 3];

/// Where a relay must be.
#[derive(Debug)]
pub(super) struct Model {
    /// The last tick of the life before: those up to it are not to be had.
    before: u64,
    ticks: Vec<Bytes>,
    /// The last tick that any logic server can have seen.
    shown: u64,
    answered: u64,
    /// Pushes of a logic server that is not as far are those of a rebuild.
    rebuilt_until: u64,
    /// What was in flight when logic died, from first to last: it is sent one at a time.
    careful: Option<(u64, u64)>,
    link: Option<Link>,
    readers: Vec<Reader>,
}

#[derive(Debug, Clone, Copy)]
enum Link {
    /// Nothing but a welcome may come.
    Greeting,
    Exchange {
        /// The last tick that was sent.
        sent: u64,
        /// The last one that was answered here or on a link before.
        last: u64,
        /// The same, from which the unanswered are counted.
        answered: u64,
    },
}

/// A client, and the frames that it must have been sent.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) session: u64,
    pub(super) is_open: bool,
    pub(super) wire: Vec<u8>,
}

impl Model {
    pub(super) fn new(before: u64, answered: u64) -> Self {
        let reader = |session| Reader { session, is_open: true, wire: Vec::new() };
        Self {
            before,
            ticks: Vec::new(),
            shown: before,
            answered,
            rebuilt_until: 0,
            careful: None,
            link: None,
            readers: SESSIONS.map(reader).into(),
        }
    }

    pub(super) fn newest(&self) -> u64 {
        self.before + self.ticks.len() as u64
    }

    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// The last tick that was answered on this link, or at all.
    pub(super) fn last_on_link(&self) -> u64 {
        match self.link {
            Some(Link::Exchange { last, .. }) => last,
            _ => self.answered,
        }
    }

    pub(super) fn is_linked(&self) -> bool {
        self.link.is_some()
    }

    pub(super) fn readers(&self) -> &[Reader] {
        &self.readers
    }

    pub(super) fn seal(&mut self, tick: Bytes) {
        self.ticks.push(tick);
    }

    pub(super) fn connect(&mut self) {
        self.link = Some(Link::Greeting);
    }

    pub(super) fn hang_up(&mut self) {
        if let Some(Link::Exchange { sent, answered, .. }) = self.link.take()
            && sent > answered
        {
            let last = self.careful.map_or(sent, |(_, last)| last.max(sent));
            self.careful = Some((answered + 1, last));
        }
    }

    /// The ticks that must be sent now.
    pub(super) fn take_unsent(&mut self) -> Vec<Bytes> {
        let newest = self.newest();
        let Some(Link::Exchange { sent, answered, .. }) = &mut self.link else { return Vec::new() };
        self.careful = self.careful.filter(|(_, last)| last > answered);
        let alone = |tick| self.careful.is_some_and(|(first, _)| tick >= first);
        let may_go = |tick| tick <= *answered + if alone(tick) { 1 } else { IN_FLIGHT };
        let until = (*sent + 1..=newest).take_while(|tick| may_go(*tick)).last();
        let numbers = *sent + 1..=until.unwrap_or(*sent);
        *sent = *numbers.end();
        self.shown = self.shown.max(*sent);
        numbers.map(|number| self.ticks[(number - self.before - 1) as usize].clone()).collect()
    }

    /// A frame came from logic.
    pub(super) fn hear(&mut self, body: &[u8]) {
        let message = FromLogic::decode(body).ok().and_then(|envelope| envelope.message);
        if matches!((self.link, &message), (Some(Link::Exchange { .. }), Some(Message::Goodbye(_))))
        {
            return self.hang_up();
        }
        self.link = match (self.link, message) {
            (Some(Link::Greeting), Some(Message::Welcome(welcome))) => self.meet(welcome),
            (Some(Link::Exchange { sent, last, answered }), Some(Message::Done(done))) => {
                let tick = done.tick;
                (last < tick && tick <= sent).then(|| {
                    self.done(&done);
                    Link::Exchange { sent, last: tick, answered: answered.max(tick) }
                })
            }
            (Some(link @ Link::Exchange { .. }), Some(Message::Push(push))) => {
                self.push(&push);
                Some(link)
            }
            (Some(link @ Link::Exchange { .. }), Some(Message::Ping(_) | Message::Pong(_))) => {
                Some(link)
            }
            _ => None,
        };
    }

    fn meet(&mut self, welcome: Welcome) -> Option<Link> {
        if welcome.protocol != VERSION {
            return None;
        }
        let (next, last) = match welcome.resume? {
            Resume::Applied(applied) => {
                if applied.lineage != LINEAGES[0] || applied.tick > self.shown {
                    return None;
                }
                self.rebuilt_until = self.answered;
                // Answers that were lost with a link before may come now.
                (applied.tick + 1, applied.tick.min(self.answered))
            }
            Resume::Rebuild(_) => {
                self.rebuilt_until = self.answered;
                (1, 0)
            }
            Resume::Stateless(_) => {
                self.rebuilt_until = 0;
                (self.answered + 1, self.answered)
            }
        };
        let there = next > self.before;
        there.then_some(Link::Exchange { sent: next - 1, last, answered: next - 1 })
    }

    fn done(&mut self, done: &Done) {
        if done.tick > self.answered {
            self.answered = done.tick;
            self.deliver(&done.replies, &done.close);
        }
    }

    fn push(&mut self, push: &Push) {
        if push.applied >= self.rebuilt_until {
            self.deliver(&push.replies, &push.close);
        }
    }

    fn deliver(&mut self, replies: &[Reply], close: &[u64]) {
        for Reply { to, payload } in replies {
            let sessions = match to {
                None => continue,
                Some(To::Session(session)) => vec![*session],
                Some(To::Several(several)) => several.ids.clone(),
                Some(To::All(_)) => SESSIONS.into(),
            };
            for session in sessions {
                self.open(session).into_iter().for_each(|reader| {
                    reader.wire.put_u32(payload.len() as u32);
                    reader.wire.put_slice(payload);
                });
            }
        }
        for session in close {
            self.open(*session).into_iter().for_each(|reader| reader.is_open = false);
        }
    }

    fn open(&mut self, session: u64) -> Option<&mut Reader> {
        self.readers.iter_mut().find(|reader| reader.session == session && reader.is_open)
    }
}
