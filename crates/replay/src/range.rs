//! Two points → the ticks between them.

use std::path::Path;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use pulsegate_journal::Reader;
use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::tick::events;

use crate::error::Error;
use crate::point::Point;
use crate::recording::{Recording, next_tick};

/// The ticks between two points of a recording. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The first tick.
    pub first: u64,
    /// The last tick. None: the recording's last, which is another one later if it is being
    /// written.
    pub last: Option<u64>,
    /// What a person should know of how it was found, such as the day of a time of day.
    pub notes: Vec<String>,
}

impl Range {
    /// Finds what is meant in a recording. Without a start it begins with the first tick; without
    /// an end it ends with the recording.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such tick, [`Error::NoSession`], [`Error::NoSuchTime`], and
    /// those of reading.
    pub fn find(dir: &Path, from: Option<Point>, until: Option<Point>) -> Result<Self, Error> {
        Self::of(&Recording::open(dir)?, from, until)
    }

    pub(crate) fn of(
        recording: &Recording,
        from: Option<Point>,
        until: Option<Point>,
    ) -> Result<Self, Error> {
        let mut search = Search { recording, notes: Vec::new() };
        let first = from.map_or(Ok(Some(recording.first_tick())), |point| search.start(point))?;
        let last = until.map_or(Ok(None), |point| search.end(point))?;
        let notes = search.notes;
        let first = first.map(|first| first.max(recording.first_tick()));
        match first {
            Some(first) if first <= last.unwrap_or(u64::MAX).min(recording.last_tick()) => {
                Ok(Self { first, last, notes })
            }
            _ => Err(recording.out_of_range()),
        }
    }

    /// The same, for whoever follows the course of play: the notes name what was left behind.
    pub(crate) fn to_play(
        recording: &Recording,
        from: Option<Point>,
        until: Option<Point>,
    ) -> Result<Self, Error> {
        let mut range = Self::of(recording, from, until)?;
        let end = range.last.unwrap_or(u64::MAX).min(recording.last_tick());
        for ticks in recording.timeline().left_behind(range.first, end) {
            let (first, last) = ticks.into_inner();
            range.notes.push(format!(
                "ticks {first} to {last} were left behind by a rollback; --until {last} plays that course"
            ));
        }
        Ok(range)
    }

    /// The tick of the range that a point names.
    pub(crate) fn tick_at(&mut self, recording: &Recording, point: Point) -> Result<u64, Error> {
        let mut search = Search { recording, notes: Vec::new() };
        let found = search.start(point)?;
        self.notes.append(&mut search.notes);
        let last = self.last.unwrap_or(u64::MAX).min(recording.last_tick());
        let tick = found.ok_or_else(|| recording.out_of_range())?;
        match recording.timeline().next(tick, last) {
            Some(tick) if tick >= self.first => Ok(tick),
            _ => Err(Error::Pause { tick, first: self.first, last }),
        }
    }
}

struct Search<'a> {
    recording: &'a Recording,
    notes: Vec<String>,
}

impl Search<'_> {
    fn start(&mut self, point: Point) -> Result<Option<u64>, Error> {
        match self.locate(point)? {
            Spot::Tick(number) => Ok(Some(number)),
            Spot::Time(wall_ns) => self.recording.first_since(wall_ns),
        }
    }

    fn end(&mut self, point: Point) -> Result<Option<u64>, Error> {
        match self.locate(point)? {
            Spot::Tick(number) => Ok(Some(number)),
            Spot::Time(wall_ns) => {
                let behind = self.recording.first_since(wall_ns.saturating_add(1))?;
                Ok(behind.map(|tick| tick - 1))
            }
        }
    }

    fn locate(&mut self, point: Point) -> Result<Spot, Error> {
        Ok(match point {
            Point::Tick(number) => Spot::Tick(number),
            Point::Time(wall_ns) => Spot::Time(wall_ns),
            Point::Clock(time) => Spot::Time(self.on_the_day(time)?),
            Point::BeforeEnd(before) => {
                let end = self.recording.wall_ns_of(self.recording.last_tick())?;
                let before = u64::try_from(before.as_nanos()).unwrap_or(u64::MAX);
                Spot::Time(end.saturating_sub(before))
            }
            Point::Opening(session) => Spot::Tick(self.event(
                session,
                point,
                |item| matches!(item, Item::Open(open) if open.session == session),
            )?),
            Point::Closing(session) => Spot::Tick(self.event(
                session,
                point,
                |item| matches!(item, Item::Close(close) if close.session == session),
            )?),
        })
    }

    /// The last moment within the recording at which clocks showed this time.
    fn on_the_day(&mut self, time: Time) -> Result<u64, Error> {
        let began = local(self.recording.wall_ns_of(self.recording.first_tick())?);
        let ended = local(self.recording.wall_ns_of(self.recording.last_tick())?);
        let mut date = ended.date();
        while date >= began.date() {
            // A time that the clocks left out that day is the one after it.
            let meant = date.to_datetime(time).to_zoned(ended.time_zone().clone());
            if let Ok(meant) = meant.as_ref()
                && (&began..=&ended).contains(&meant)
            {
                self.notes.push(format!("{time} is taken as {}", show(meant)));
                return Ok(u64::try_from(meant.timestamp().as_nanosecond()).unwrap_or(0));
            }
            let Ok(before) = date.yesterday() else { break };
            date = before;
        }
        Err(Error::NoSuchTime { time, began: show(&began), ended: show(&ended) })
    }

    /// The tick with an event of a session.
    fn event(
        &self,
        session: u64,
        point: Point,
        wanted: impl Fn(&Item) -> bool,
    ) -> Result<u64, Error> {
        let mut reader: Reader = self.recording.reader(self.recording.begun_with(session))?;
        while let Some((peek, bytes)) = next_tick(&mut reader)? {
            if events(&bytes).filter_map(Result::ok).any(|item| wanted(&item)) {
                return Ok(peek.head.number);
            }
        }
        Err(Error::NoSession { point })
    }
}

enum Spot {
    Tick(u64),
    Time(u64),
}

fn local(wall_ns: u64) -> Zoned {
    let time = Timestamp::from_nanosecond(wall_ns.into()).unwrap_or_default();
    time.to_zoned(TimeZone::system())
}

fn show(time: &Zoned) -> String {
    time.strftime("%F %T %:z").to_string()
}
