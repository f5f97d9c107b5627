//! A logic server that says anything at any time.
//!
//! The relay's side of the link runs as it is, over a connection in memory. Beside it runs a model
//! that knows the contract alone, and after each event both must be where the other is.

mod model;
mod stage;

use arbitrary::{Arbitrary, Unstructured};
use prost::Message as _;
use pulsegate_protocol::link;
use pulsegate_protocol::proto::from_logic::Message;
use pulsegate_protocol::proto::{
    All, Applied, Done, FromLogic, Goodbye, Ping, Pong, Push, Reply, Sessions, Welcome, reply::To,
    welcome::Resume,
};

use self::model::Model;
use self::stage::Stage;

/// How many events a script may have, so that no queue of the relay's fills up.
const EVENTS: usize = 60;

/// What the relay's journal is called, and what another one is.
const LINEAGES: [&str; 2] = ["ours", "theirs"];

/// The relay and the model agree on what is sent, which answers count, who reads what, and whether
/// the link holds; what was answered never becomes less.
pub fn hold(bytes: &[u8]) {
    if let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(bytes)) {
        hold_script(script);
    }
}

fn hold_script(script: Script) {
    let before = u64::from(script.before);
    let model = Model::new(before, u64::from(script.answered).min(before));
    let events = script.events.into_iter().take(EVENTS);
    stage::play(model, async |stage| {
        for event in events {
            event.happen(stage).await;
            stage.agree();
        }
    });
}

#[derive(Debug, Arbitrary)]
struct Script {
    /// The last tick of the relay's life before.
    before: u8,
    /// The last one of them that was answered.
    answered: u8,
    events: Vec<Event>,
}

#[derive(Debug, Arbitrary)]
enum Event {
    /// So many ticks become durable, or one of a size.
    Seal(u8),
    Connect,
    HangUp,
    /// It hangs up within an answer.
    HangUpWithin(u8),
    Welcome(Where),
    Done(Which, Said),
    Push(Which, Said),
    Ping(u64),
    Pong,
    Goodbye,
    /// A frame with any body.
    Frame(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Where {
    Applied(Which, bool),
    Rebuild,
    Stateless,
    Nowhere,
    OfVersion(u32),
}

/// A tick, seen from the one that should be answered next.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Which {
    Next,
    NextBut(u8),
    Before(u8),
    Any(u64),
}

#[derive(Debug, Arbitrary)]
struct Said {
    replies: Vec<(Addressee, u8)>,
    close: Option<u8>,
    snapshot: bool,
}

#[derive(Debug, Arbitrary)]
enum Addressee {
    One(u8),
    Several(Vec<u8>),
    All,
    Nobody,
}

impl Event {
    async fn happen(self, stage: &mut Stage<'_>) {
        let message = match self {
            Self::Seal(ticks) => return stage.seal(ticks % 80).await,
            Self::Connect => return stage.connect().await,
            Self::HangUp => return stage.hang_up().await,
            Self::HangUpWithin(bytes) => {
                let done = Which::Next.done(Said::to_all(), &stage.model);
                return stage.hang_up_within(&link::from_logic(done), bytes.into()).await;
            }
            Self::Frame(body) => return stage.say(&body).await,
            Self::Welcome(place) => Message::Welcome(place.welcome(&stage.model)),
            Self::Done(which, said) => which.done(said, &stage.model),
            Self::Push(which, Said { replies, close, .. }) => Message::Push(Push {
                applied: which.of(stage.model.answered()),
                replies: replies.into_iter().map(reply).collect(),
                close: close.map(session).into_iter().collect(),
            }),
            Self::Ping(id) => Message::Ping(Ping { id }),
            Self::Pong => Message::Pong(Pong { id: 1 }),
            Self::Goodbye => Message::Goodbye(Goodbye::default()),
        };
        stage.say(&FromLogic { message: Some(message) }.encode_to_vec()).await;
    }
}

impl Where {
    fn welcome(self, model: &Model) -> Welcome {
        let (protocol, resume) = match self {
            Self::Applied(which, ours) => {
                let lineage = LINEAGES[usize::from(!ours)].to_owned();
                let tick = which.of(model.answered());
                (link::VERSION, Some(Resume::Applied(Applied { lineage, tick })))
            }
            Self::Rebuild => (link::VERSION, Some(Resume::Rebuild(Default::default()))),
            Self::Stateless => (link::VERSION, Some(Resume::Stateless(Default::default()))),
            Self::Nowhere => (link::VERSION, None),
            Self::OfVersion(version) => (version, Some(Resume::Stateless(Default::default()))),
        };
        Welcome { protocol, name: "fuzzer".into(), resume, ..Welcome::default() }
    }
}

impl Which {
    /// Seen from this last tick.
    fn of(self, last: u64) -> u64 {
        match self {
            Self::Next => last.saturating_add(1),
            Self::NextBut(ticks) => last.saturating_add(ticks.into()),
            Self::Before(ticks) => last.saturating_sub(ticks.into()),
            Self::Any(tick) => tick,
        }
    }

    fn done(self, said: Said, model: &Model) -> Message {
        Message::Done(Done {
            tick: self.of(model.last_on_link()),
            replies: said.replies.into_iter().map(reply).collect(),
            close: said.close.map(session).into_iter().collect(),
            snapshot: said.snapshot.then(Default::default),
            ..Done::default()
        })
    }
}

impl Said {
    fn to_all() -> Self {
        Self { replies: vec![(Addressee::All, 0)], close: None, snapshot: false }
    }
}

fn reply((addressee, payload): (Addressee, u8)) -> Reply {
    let to = match addressee {
        Addressee::One(one) => Some(To::Session(session(one))),
        Addressee::Several(several) => {
            Some(To::Several(Sessions { ids: several.into_iter().map(session).collect() }))
        }
        Addressee::All => Some(To::All(All {})),
        Addressee::Nobody => None,
    };
    Reply { to, payload: vec![payload; usize::from(payload % 8)].into() }
}

/// One of the sessions that there are, or were, or never will be.
fn session(number: u8) -> u64 {
    u64::from(number % 5)
}

/// What a fuzzer must not be needed for.
#[cfg(test)]
mod tests {
    use super::*;

    fn play(events: Vec<Event>) {
        hold_script(Script { before: 0, answered: 0, events });
    }

    fn done(tick: u64) -> Event {
        Event::Done(Which::Any(tick), Said::to_all())
    }

    fn linked(place: Where) -> [Event; 2] {
        [Event::Connect, Event::Welcome(place)]
    }

    /// Three ticks, all answered, and what comes then.
    fn after_three(events: impl IntoIterator<Item = Event>) {
        let [connect, welcome] = linked(Where::Stateless);
        let mut all = vec![Event::Seal(3), connect, welcome, done(1), done(2), done(3)];
        all.extend(events);
        play(all);
    }

    #[test]
    fn ticks_go_on_behind_the_last_one_that_logic_applied() {
        for applied in 0..=3 {
            after_three(linked(Where::Applied(Which::Any(applied), true)));
        }
        after_three(linked(Where::Stateless).into_iter().chain([Event::Seal(2), done(4)]));
    }

    #[test]
    fn nobody_hears_anything_twice_from_a_logic_server_that_is_rebuilt() {
        let push = || Event::Push(Which::Any(2), Said::to_all());
        let again = [push(), done(1), done(2), done(3), Event::Seal(1), done(4), push()];
        after_three(linked(Where::Rebuild).into_iter().chain(again));
    }

    #[test]
    fn an_answer_to_a_tick_that_was_answered_costs_the_link() {
        after_three([done(3)]);
    }

    #[test]
    fn an_answer_to_a_tick_that_was_never_sent_costs_the_link() {
        after_three([done(4)]);
    }

    #[test]
    fn no_more_than_so_many_ticks_are_unanswered() {
        let [connect, welcome] = linked(Where::Stateless);
        play(vec![connect, welcome, Event::Seal(79), Event::Seal(70), done(1), done(64)]);
    }

    #[test]
    fn what_was_in_flight_when_logic_died_is_sent_one_at_a_time() {
        let [connect, welcome] = linked(Where::Stateless);
        let mut events = vec![connect, welcome, Event::Seal(5), done(2), Event::HangUp];
        events.extend(linked(Where::Stateless));
        events.extend([Event::Seal(40), done(3), done(4), done(5), Event::Seal(40)]);
        play(events);
    }

    #[test]
    fn state_of_another_journal_or_of_the_future_is_refused() {
        after_three(linked(Where::Applied(Which::Any(3), false)));
        after_three(linked(Where::Applied(Which::Any(4), true)));
    }
}
