//! Ticks out and answers in.
//!
//! Two halves that do not wait for each other, but for one thing: no more than [`WINDOW`] ticks are
//! unanswered at any time. If somebody watches, a tick of the range waits for the answer to the one
//! before, and for what the watch makes of it.

mod alive;
mod receiving;

use std::time::Duration;

use pulsegate_protocol::proto::{Goodbye, goodbye::Code, to_logic::Message};
use pulsegate_protocol::tick::Head;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use self::alive::Alive;
pub(crate) use self::receiving::Answer;
use self::receiving::Receiving;
use crate::audience::Audience;
use crate::error::Error;
use crate::feed::Recorded;
use crate::link::Link;
use crate::pacing::Pacing;
use crate::plan::Plan;
use crate::watch::{Next, Watch};

/// Ticks that may be unanswered at a time.
const WINDOW: u64 = 64;

/// Pongs that may be owed at a time. A peer that asks faster is answered more rarely.
const PONGS: usize = 16;

/// How long a logic server that hung up is listened to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How far the exchange is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    /// The number of the last tick sent, and of the last one answered.
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// How many ticks were sent, and how many answered.
    pub(crate) ticks_sent: u64,
    pub(crate) ticks_answered: u64,
    /// How many of those sent were in the range, and how long they had taken.
    pub(crate) played: u64,
    pub(crate) recorded: Duration,
    /// When the range was reached, and for how much of the time since then a key was waited for.
    pub(crate) began: Option<Instant>,
    pub(crate) held: Duration,
    pub(crate) replies: u64,
    pub(crate) state_hash: Option<u64>,
}

/// Who hears the answers.
pub(crate) enum Listener<'a, 'b, A> {
    Nobody,
    /// Those of the range are handed on, as they come.
    Channel(mpsc::Sender<Answer>),
    /// Those of the range, each before the next tick is sent.
    Watch(&'a mut Watch<'b, A>),
}

/// Sends what the feed holds, each tick at its time, until all of it is answered, or until the
/// watch has seen enough.
pub(crate) async fn run<A: Audience>(
    plan: &mut Plan,
    pacing: Pacing,
    mut feed: mpsc::Receiver<Result<Recorded, Error>>,
    listener: Listener<'_, '_, A>,
    link: &mut Link,
    standing: &watch::Sender<Standing>,
) -> Result<(), Error> {
    let (pongs, owed) = mpsc::channel(PONGS);
    let (answers, watch) = match listener {
        Listener::Nobody => (None, None),
        Listener::Channel(answers) => (Some(answers), None),
        Listener::Watch(watch) => {
            let (answers, taken) = mpsc::channel(1);
            (Some(answers), Some((watch, taken)))
        }
    };
    let mut receiving = Receiving::new(&mut link.incoming, answers, plan.from, pongs, standing);
    let link = Alive::new(&mut link.outgoing, owed);
    let mut sending =
        Sending { link, standing, from: plan.from, pacing, since: None, stopped: false, watch };
    let mut receiving = std::pin::pin!(receiving.run());
    if let Some(restore) = plan.restore.take() {
        sending.link.send(Message::Restore(restore)).await?;
    }
    let sent = tokio::select! {
        sent = sending.run(&mut feed) => sent,
        broken = &mut receiving => return Err(broken),
    };
    match sent {
        // Whoever closed a connection may have said why, and that is still to be read.
        Err(Error::Broken(error)) => {
            Err(timeout(LAST_WORDS, receiving).await.unwrap_or(Error::Broken(error)))
        }
        sent => sent,
    }
}

struct Sending<'a, 'b, A> {
    link: Alive<'a>,
    standing: &'a watch::Sender<Standing>,
    /// The first tick of the range.
    from: u64,
    pacing: Pacing,
    /// A moment, and how long after the range's first tick it was by the ticks' own times.
    since: Option<(Instant, Duration)>,
    /// Whether the tick before was a stop.
    stopped: bool,
    /// Who watches, and the answers that are to be shown.
    watch: Option<(&'a mut Watch<'b, A>, mpsc::Receiver<Answer>)>,
}

impl<A: Audience> Sending<'_, '_, A> {
    async fn run(
        &mut self,
        feed: &mut mpsc::Receiver<Result<Recorded, Error>>,
    ) -> Result<(), Error> {
        let ended = loop {
            match self.link.meanwhile(feed.recv()).await? {
                Some(Ok(tick)) if self.play(&tick).await? == Next::End => break Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        // Before a damage is reported, all before it is played to its end.
        self.until_unanswered(0).await?;
        if let (Some((watch, _)), Ok(())) = (&mut self.watch, &ended) {
            self.link.meanwhile(watch.conclude()).await??;
        }
        let text = "the replay is over".into();
        let goodbye = Goodbye { code: Code::Shutdown.into(), text };
        self.link.send(Message::Goodbye(goodbye)).await?;
        ended
    }

    async fn play(&mut self, tick: &Recorded) -> Result<Next, Error> {
        self.until_unanswered(WINDOW - 1).await?;
        if tick.head.number < self.from {
            self.send(tick).await?;
            return Ok(Next::GoOn);
        }
        if self.wait(tick).await? == Next::End {
            return Ok(Next::End);
        }
        self.send(tick).await?;
        self.heed_answer().await
    }

    /// Waits for a tick's time, or, where the watch stops, for a key.
    async fn wait(&mut self, tick: &Recorded) -> Result<Next, Error> {
        let due = self.pacing.due(&tick.head);
        self.standing.send_modify(|standing| {
            standing.began.get_or_insert_with(Instant::now);
        });
        let stops = self.watch.as_ref().is_some_and(|(watch, _)| watch.stops_at(&tick.head));
        let stopped = std::mem::replace(&mut self.stopped, stops);
        // Step by step, keys set the pace.
        if !(stops && stopped) {
            let (then, was_due) = *self.since.get_or_insert_with(|| (Instant::now(), due));
            self.link.meanwhile(sleep_until(then + due.saturating_sub(was_due))).await?;
        }
        if stops { self.stop(tick, due).await } else { Ok(Next::GoOn) }
    }

    async fn stop(&mut self, tick: &Recorded, due: Duration) -> Result<Next, Error> {
        self.until_unanswered(0).await?;
        let Some((watch, _)) = &mut self.watch else { return Ok(Next::GoOn) };
        let stopped = Instant::now();
        let next = self.link.meanwhile(watch.stop(tick)).await??;
        self.standing.send_modify(|standing| standing.held += stopped.elapsed());
        // The ticks behind it keep their distance from this one.
        self.since = Some((Instant::now(), due));
        Ok(next)
    }

    async fn send(&mut self, tick: &Recorded) -> Result<(), Error> {
        let Head { number, .. } = tick.head;
        // Said first: the answer may be here before this half runs again.
        self.standing.send_modify(|standing| {
            standing.sent = number;
            standing.ticks_sent += 1;
            standing.played += u64::from(number >= self.from);
            standing.recorded = self.pacing.recorded();
        });
        self.link.send_tick(&tick.bytes).await
    }

    async fn heed_answer(&mut self) -> Result<Next, Error> {
        let Some((watch, answers)) = &mut self.watch else { return Ok(Next::GoOn) };
        match self.link.meanwhile(answers.recv()).await? {
            Some(answer) => self.link.meanwhile(watch.answered(answer)).await?,
            // The other half has ended, and says why.
            None => std::future::pending().await,
        }
    }

    /// Waits until no more than so many ticks are unanswered.
    async fn until_unanswered(&mut self, ticks: u64) -> Result<(), Error> {
        let mut watched = self.standing.subscribe();
        let reached = |standing: &Standing| standing.ticks_sent - standing.ticks_answered <= ticks;
        // The sender lives as long as this half.
        self.link.meanwhile(watched.wait_for(reached)).await.map(|_| ())
    }
}
