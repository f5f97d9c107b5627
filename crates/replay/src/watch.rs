//! A range that is played tick by tick: what goes in and what comes out is shown, compared, or both.

mod judge;
mod stops;
mod view;

use pulsegate_protocol::tick::Head;

use self::judge::Judge;
use self::stops::Stops;
use crate::args::ReplayArgs;
use crate::audience::Audience;
use crate::error::Error;
use crate::exchange::Answer;
use crate::feed::Recorded;
use crate::plan::Plan;
use crate::recording::Recording;
use crate::verify::verdict::Verdict;

/// Whether a replay goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    End,
}

/// What is done around each tick of a range.
pub(crate) struct Watch<'a, A> {
    audience: &'a mut A,
    stops: Stops,
    judge: Option<Judge>,
    /// What is to be said where it stops first.
    opening: Option<String>,
    /// Whether the tick in hand was shown, and its answer is to be.
    shown: bool,
    /// Whether a key ended it before its time.
    ended: bool,
    verdict: Option<Verdict>,
}

impl<'a, A: Audience> Watch<'a, A> {
    /// The watch that the command line asks for, if it does. `pause_at` is within the range.
    pub(crate) fn new(
        audience: &'a mut A,
        args: &ReplayArgs,
        recording: &Recording,
        plan: &Plan,
        pause_at: Option<u64>,
    ) -> Result<Option<Self>, Error> {
        if !args.step && !args.until_diff && pause_at.is_none() {
            return Ok(None);
        }
        let judge = args.until_diff.then(|| Judge::new(recording, plan.from, args)).transpose()?;
        let stops = Stops::new(args.step, pause_at);
        let opening = Some(format!("{}{}\n", view::way(plan), stops.keys()));
        Ok(Some(Self {
            audience,
            stops,
            judge,
            opening,
            shown: false,
            ended: false,
            verdict: None,
        }))
    }

    /// Whether a key is to be waited for before this tick is sent.
    pub(crate) fn stops_at(&self, tick: &Head) -> bool {
        self.stops.is_at(tick.number)
    }

    /// Shows what goes in, and waits for a key.
    pub(crate) async fn stop(&mut self, tick: &Recorded) -> Result<Next, Error> {
        if let Some(opening) = self.opening.take() {
            self.audience.show(&opening);
        }
        self.audience.show(&view::inputs(tick)?);
        self.shown = true;
        let number = tick.head.number;
        let key = self.audience.key(&format!("before tick {number}: {}", self.stops.asked())).await;
        let next = self.stops.pressed(number, key);
        self.ended = next == Next::End;
        Ok(next)
    }

    /// Shows what came out of a tick that was shown, and compares it.
    pub(crate) async fn answered(&mut self, answer: Answer) -> Result<Next, Error> {
        if std::mem::take(&mut self.shown) {
            self.audience.show(&view::outputs(&answer));
        }
        let differs = match &mut self.judge {
            Some(judge) => judge.differs(answer.done).await?,
            None => false,
        };
        Ok(if differs { Next::End } else { Next::GoOn })
    }

    /// Gives the verdict, if answers were compared. Where they differ a person may look around
    /// before it is over.
    pub(crate) async fn conclude(&mut self) -> Result<(), Error> {
        let Some(judge) = self.judge.take() else { return Ok(()) };
        let verdict = self.verdict.insert(judge.verdict().await?);
        self.audience.show(&format!("{verdict}\n"));
        if let Some(found) = &verdict.found
            && self.audience.is_a_person()
        {
            let asked = format!("logic stands behind tick {}; Enter: end the link", found.tick);
            self.audience.key(&asked).await;
        }
        Ok(())
    }

    /// Whether a key ended it before its time.
    pub(crate) const fn was_ended(&self) -> bool {
        self.ended
    }

    /// The verdict, if one was given.
    pub(crate) fn into_verdict(self) -> Option<Verdict> {
        self.verdict
    }
}
