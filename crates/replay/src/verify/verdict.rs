//! What came of a comparison, for a person.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::difference::Difference;
use crate::shown::Input;

/// Whether a logic server answers as the recorded one did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// The recording.
    pub journal: PathBuf,
    /// Where the logic server is.
    pub logic: String,
    /// How the range was understood, and how the difference was found, where that may be asked.
    pub notes: Vec<String>,
    /// What was allowed to differ.
    pub ignored: Vec<String>,
    /// What was compared.
    #[serde(flatten)]
    pub tally: Tally,
    /// How long it took.
    pub seconds: f64,
    /// The first difference, if there is one.
    pub found: Option<Finding>,
}

/// How much was compared, and how much was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The first tick whose answers were compared.
    pub first_tick: u64,
    /// The last one.
    pub last_tick: u64,
    /// How many were.
    pub compared: u64,
    /// How many recorded replies they held.
    pub replies: u64,
    /// How many had a state's hash on both sides.
    pub hashes: u64,
    /// Ticks that were not compared, since no answer to them was recorded.
    pub unanswered: u64,
    /// Recorded pushes. They have no place between ticks, and are not compared.
    pub pushes: u64,
}

/// The first difference, and what is known about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The tick whose answers differ.
    pub tick: u64,
    /// When it was sealed.
    pub time: Timestamp,
    /// The session that it concerns, if it is one.
    pub session: Option<u64>,
    /// What differs.
    pub difference: Difference,
    /// That tick and those next to it.
    pub around: Vec<Around>,
    /// What went into that tick.
    pub inputs: Vec<Input>,
    /// How much more went in and is not shown.
    pub inputs_left_out: usize,
}

/// A tick near the difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Around {
    /// Its number.
    pub tick: u64,
    /// When it was sealed.
    pub time: Timestamp,
    /// How many packets and events it holds.
    pub inputs: usize,
    /// How many replies were recorded, if it was answered.
    pub recorded: Option<usize>,
    /// How many there were now, up to the tick that differs.
    pub now: Option<usize>,
}

impl Verdict {
    /// In one sentence.
    pub fn sentence(&self) -> String {
        let Tally { first_tick, last_tick, compared, .. } = self.tally;
        match &self.found {
            None => {
                format!("ticks {first_tick} to {last_tick}: no difference in {compared} answers")
            }
            Some(found) => format!(
                "tick {}: {}: {}",
                found.tick,
                found.difference.place(),
                found.difference.headline()
            ),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            None => writeln!(f, "same: {}", self.sentence())?,
            Some(found) => write!(f, "different: {}\n{found}\n", self.sentence())?,
        }
        let tally = &self.tally;
        let mut line = |name: &str, text: String| writeln!(f, "{name:<16}{text}");
        line("compared", format!("{} answers with {} replies", tally.compared, tally.replies))?;
        line("state hashes", format!("{} compared", tally.hashes))?;
        if tally.unanswered > 0 {
            line("not compared", format!("{} ticks without a recorded answer", tally.unanswered))?;
        }
        if tally.pushes > 0 {
            line("not compared", format!("{} pushes, sent between ticks", tally.pushes))?;
        }
        for ignored in &self.ignored {
            line("ignored", ignored.clone())?;
        }
        for note in &self.notes {
            line("note", note.clone())?;
        }
        line("took", format!("{:.2} s", self.seconds))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.difference.rows() {
            writeln!(f, "\n  {:>6}  recorded  {}", row.offset, row.recorded)?;
            writeln!(f, "          now       {}", row.now)?;
        }
        writeln!(
            f,
            "\n  {:>10}  {:<27} {:>7} {:>9} {:>8}",
            "tick", "time", "inputs", "recorded", "now"
        )?;
        for around in &self.around {
            let mark = if around.tick == self.tick { ">" } else { " " };
            let count = |count: Option<usize>| count.map_or("-".into(), |count| count.to_string());
            let (tick, time, inputs) = (around.tick, format!("{:.6}", around.time), around.inputs);
            let (recorded, now) = (count(around.recorded), count(around.now));
            writeln!(f, "{mark} {tick:>10}  {time:<27} {inputs:>7} {recorded:>9} {now:>8}")?;
        }
        writeln!(f, "\n  what went into tick {}:", self.tick)?;
        for input in &self.inputs {
            let session = input.session.map_or("-".into(), |session| session.to_string());
            writeln!(f, "  {session:>10}  {:<9} {}", input.kind, input.body)?;
        }
        if self.inputs.is_empty() {
            writeln!(f, "  {:>10}  nothing", "")?;
        }
        if self.inputs_left_out > 0 {
            writeln!(f, "  {:>10}  and {} more", "", self.inputs_left_out)?;
        }
        Ok(())
    }
}
