//! A game, how far it is, and the thread on which it runs.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use pulsegate_protocol::proto::{
    self, Applied, Done, Goodbye, Rebuild, Stateless, from_logic::Message, goodbye::Code,
    item::Item, welcome::Resume,
};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::handshake::goodbye;
use crate::pusher::Pushes;
use crate::{Logic, Memory, Pusher, Replies, Tick};

/// How many answers are kept in case the link breaks behind them: as many as ticks may be
/// unanswered at a time.
const KEPT_ANSWERS: usize = 64;

/// Makes a game anew.
pub(crate) type Factory<L> = Arc<dyn Fn(Pusher) -> L + Send + Sync>;

/// What the relay wants of a game.
#[derive(Debug)]
pub(crate) enum Order {
    Restore(proto::Restore),
    Tick(proto::Tick),
}

/// A game together with the number of the last tick that was applied to it.
pub(crate) struct Game<L> {
    logic: L,
    factory: Factory<L>,
    lineage: Option<String>,
    applied: Option<u64>,
    /// The newest answers, without snapshots; only of a game that holds state.
    kept: VecDeque<Done>,
    pushes: Arc<Mutex<Pushes>>,
}

impl<L: Logic> Game<L> {
    pub(crate) fn new(factory: Factory<L>) -> Self {
        let (pusher, pushes) = Pusher::new();
        let logic = factory(pusher);
        let pushes = Arc::new(Mutex::new(pushes));
        Self { logic, factory, lineage: None, applied: None, kept: VecDeque::new(), pushes }
    }

    /// What the game says between ticks.
    pub(crate) fn pushes(&self) -> Arc<Mutex<Pushes>> {
        Arc::clone(&self.pushes)
    }

    /// The last tick applied; 0 if there is none.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.unwrap_or_default()
    }

    /// The answers after tick `answered`, as far as they are kept: the relay lacks them.
    pub(crate) fn answers_after(&self, answered: u64) -> Vec<Done> {
        self.kept.iter().filter(|done| done.tick > answered).cloned().collect()
    }

    /// Where a relay with this journal resumes. State of another journal is kept: the relay reads
    /// that from the answer, and refuses.
    pub(crate) fn meet(&mut self, lineage: &str) -> Resume {
        let known = self.lineage.as_deref() == Some(lineage);
        match (L::MEMORY, self.applied, &self.lineage) {
            (Memory::State, Some(tick), Some(held)) => {
                return Resume::Applied(Applied { lineage: held.clone(), tick });
            }
            (Memory::Nothing, _, Some(_)) if !known => self.start_over(),
            _ => {}
        }
        self.lineage = Some(lineage.into());
        self.applied = None;
        match L::MEMORY {
            Memory::State => Resume::Rebuild(Rebuild {}),
            Memory::Nothing => Resume::Stateless(Stateless {}),
        }
    }

    /// Drops the state, so that the next link has to rebuild it.
    pub(crate) fn start_over(&mut self) {
        *self = Self::new(Arc::clone(&self.factory));
    }

    fn follow(&mut self, order: Order, snapshot_every: u64) -> Result<Option<Done>, Goodbye> {
        match order {
            Order::Restore(restore) => self.restore(&restore).map(|()| None),
            Order::Tick(tick) => self.tick(tick, snapshot_every).map(Some),
        }
    }

    fn restore(&mut self, restore: &proto::Restore) -> Result<(), Goodbye> {
        if L::MEMORY == Memory::Nothing || self.applied.is_some() {
            let text = "Restore may only follow a Welcome that asks for a rebuild";
            return Err(goodbye(Code::Protocol, text));
        }
        if let Err(error) = self.logic.restore(&restore.state) {
            self.start_over();
            let text = format!("the snapshot after tick {} was not taken: {error}", restore.tick);
            return Err(goodbye(Code::Protocol, text));
        }
        self.applied = Some(restore.tick);
        Ok(())
    }

    fn tick(&mut self, wire: proto::Tick, snapshot_every: u64) -> Result<Done, Goodbye> {
        let number = wire.number;
        match self.applied {
            Some(applied) if number <= applied => {
                return Ok(Done { tick: number, ..Done::default() });
            }
            Some(applied) => follows(applied, &wire)?,
            None if L::MEMORY == Memory::State && number > 1 => {
                warn!(tick = number, "the state begins in the middle of the journal");
            }
            None => {}
        }
        let mut done = self.apply(&wire.into());
        self.applied = Some(number);
        done.tick = number;
        done.state_hash = self.logic.state_hash();
        self.keep(&done);
        if snapshot_every > 0 && number.is_multiple_of(snapshot_every) {
            done.snapshot = self.logic.snapshot().map(Into::into);
        }
        Ok(done)
    }

    fn keep(&mut self, done: &Done) {
        if L::MEMORY == Memory::Nothing {
            return;
        }
        if self.kept.len() == KEPT_ANSWERS {
            self.kept.pop_front();
        }
        self.kept.push_back(done.clone());
    }

    fn apply(&mut self, tick: &Tick) -> Done {
        let mut replies = Replies::default();
        let began = Instant::now();
        self.logic.tick(tick, &mut replies);
        let busy = began.elapsed().as_nanos();
        Done { busy_ns: u64::try_from(busy).unwrap_or(u64::MAX), ..replies.into_done() }
    }
}

/// Whether a tick comes next, or says itself why it does not.
fn follows(applied: u64, tick: &proto::Tick) -> Result<(), Goodbye> {
    let mut next = applied + 1;
    for item in &tick.items {
        match item.item {
            Some(Item::Gap(ref gap)) if gap.first <= next => next = next.max(gap.last + 1),
            Some(Item::Restored(restored)) if restored.tick == applied => next = tick.number,
            _ => {}
        }
    }
    if next == tick.number {
        return Ok(());
    }
    let text = format!("tick {} came where tick {next} was due", tick.number);
    Err(goodbye(Code::Protocol, text))
}

/// What a game's thread is connected to during one link.
pub(crate) struct Play<G> {
    /// The game; whoever holds it is the only one who calls it.
    pub(crate) game: G,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) answers: mpsc::Sender<Message>,
    /// Nothing is applied after this, but a tick in hand is finished.
    pub(crate) stop: CancellationToken,
    pub(crate) snapshot_every: u64,
}

impl<L: Logic, G: std::ops::DerefMut<Target = Game<L>>> Play<G> {
    /// Follows orders until the link ends. Blocks; call it from a thread of its own.
    pub(crate) fn run(mut self) {
        while let Some(order) = self.orders.blocking_recv() {
            if self.stop.is_cancelled() {
                break;
            }
            let game = &mut *self.game;
            let every = self.snapshot_every;
            // The game is dropped after a panic: nobody sees what it left half done.
            let answer = match catch_unwind(AssertUnwindSafe(|| game.follow(order, every))) {
                Ok(Ok(None)) => continue,
                Ok(Ok(Some(done))) => Message::Done(done),
                Ok(Err(refusal)) => Message::Goodbye(refusal),
                Err(_) => Message::Goodbye(self.drop_panicked()),
            };
            let last = matches!(answer, Message::Goodbye(_));
            if self.answers.blocking_send(answer).is_err() || last {
                break;
            }
        }
        if catch_unwind(AssertUnwindSafe(|| self.game.logic.link_lost())).is_err() {
            self.drop_panicked();
        }
    }

    fn drop_panicked(&mut self) -> Goodbye {
        let applied = self.game.applied();
        error!(game = L::NAME, after_tick = applied, "the game panicked; its state is dropped");
        self.game.start_over();
        let text = format!("the game panicked after tick {applied}; its state is dropped");
        goodbye(Code::Shutdown, text)
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::proto::{Gap, Restored};

    use super::*;

    struct Sum(u64);

    impl Logic for Sum {
        const NAME: &'static str = "sum";

        fn tick(&mut self, tick: &Tick, _: &mut Replies) {
            self.0 += tick.number();
        }

        fn snapshot(&self) -> Option<Vec<u8>> {
            Some(self.0.to_be_bytes().into())
        }

        fn restore(&mut self, state: &[u8]) -> Result<(), crate::RestoreError> {
            let state = state.try_into().map_err(|_| crate::RestoreError::new("not 8 bytes"))?;
            self.0 = u64::from_be_bytes(state);
            Ok(())
        }
    }

    fn game() -> Game<Sum> {
        let mut game = Game::new(Arc::new(|_| Sum(0)));
        assert!(matches!(game.meet("l"), Resume::Rebuild(_)));
        game
    }

    fn tick(number: u64, items: impl IntoIterator<Item = Item>) -> Order {
        let items = items.into_iter().map(|item| proto::Item { item: Some(item) }).collect();
        Order::Tick(proto::Tick { number, items, ..Default::default() })
    }

    fn gap(first: u64, last: u64) -> Item {
        Item::Gap(Gap { first, last, why: "disk full".into() })
    }

    fn restored(tick: u64) -> Item {
        Item::Restored(Restored { tick })
    }

    #[test]
    fn a_tick_is_applied_once_and_only_in_its_place() {
        for (name, order, applied, sum) in [
            ("the next", tick(11, []), Some(11), 21),
            ("the same again", tick(10, []), Some(10), 10),
            ("an older one", tick(3, []), Some(10), 10),
            ("one too far", tick(12, []), None, 10),
            ("behind a gap", tick(14, [gap(11, 13)]), Some(14), 24),
            ("behind two gaps", tick(16, [gap(11, 13), gap(14, 15)]), Some(16), 26),
            ("behind a gap that began earlier", tick(14, [gap(5, 13)]), Some(14), 24),
            ("behind a gap that ends too early", tick(14, [gap(11, 12)]), None, 10),
            ("behind a gap that begins too late", tick(14, [gap(12, 13)]), None, 10),
            ("brought back to here", tick(99, [restored(10)]), Some(99), 109),
            ("brought back to elsewhere", tick(99, [restored(9)]), None, 10),
        ] {
            let mut game = game();
            game.follow(tick(10, []), 0).unwrap();
            let answer = game.follow(order, 0);
            match applied {
                Some(applied) => assert_eq!(game.applied, Some(applied), "{name}"),
                None => assert_eq!(answer.unwrap_err().code(), Code::Protocol, "{name}"),
            }
            assert_eq!(game.logic.0, sum, "{name}");
        }
    }

    #[test]
    fn a_snapshot_is_taken_when_its_tick_is_due_and_handed_back_it_is_the_state() {
        let mut first = game();
        let snapshots: Vec<_> = (1..=5)
            .map(|number| first.follow(tick(number, []), 2).unwrap().unwrap().snapshot)
            .collect();
        assert_eq!(
            snapshots.iter().map(Option::is_some).collect::<Vec<_>>(),
            [false, true, false, true, false]
        );

        let mut second = game();
        let state = snapshots[3].clone().unwrap();
        second.follow(Order::Restore(proto::Restore { tick: 4, state }), 0).unwrap();
        second.follow(tick(5, []), 0).unwrap();
        assert_eq!((second.logic.0, second.applied), (first.logic.0, first.applied));
    }

    #[test]
    fn a_restore_is_refused_when_there_is_state_and_when_it_does_not_fit() {
        let restore =
            |state: &'static [u8]| Order::Restore(proto::Restore { tick: 7, state: state.into() });
        let mut game = game();
        assert!(game.follow(restore(b"short"), 0).unwrap_err().text.contains("not 8 bytes"));
        assert_eq!(game.applied, None);
        game.meet("l");
        game.follow(restore(&[0; 8]), 0).unwrap();
        assert_eq!(game.applied, Some(7));
        assert_eq!(game.follow(restore(&[0; 8]), 0).unwrap_err().code(), Code::Protocol);
    }

    #[test]
    fn state_of_another_journal_is_named_and_kept() {
        let mut game = game();
        game.follow(tick(1, []), 0).unwrap();
        let held = Resume::Applied(Applied { lineage: "l".into(), tick: 1 });
        assert_eq!(game.meet("other"), held);
        assert_eq!(game.meet("l"), held);
    }
}
