//! The outcome for a terminal: a screen at the most.

use std::fmt;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::settings::{in_short, lines};
use crate::show::{ms, percent, rate};
use crate::tuning::{Candidate, Tuning};

const HEADER: [&str; 11] =
    ["", "", "beats/s", "spread", "p99", "late p50", "p99", "max", "asleep", "backlog", "switches"];

const LEGEND: &str = "  Spread (standard deviation) and p99 from beat to beat, lateness, and the backlog (the longest time
  without sleep) are in ms. ×: not good enough for the goal.";

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in facts(self) {
            writeln!(f, "{name:<12}{value}")?;
        }
        writeln!(f, "\n{}\n{LEGEND}\n", best(self).trim_fmt())?;
        for line in self.doubts() {
            writeln!(f, "note: {line}")?;
        }
        writeln!(f, "{}", recommendation(self))
    }
}

/// The work and what was wanted, by name.
pub(crate) fn facts(tuning: &Tuning) -> Vec<(&'static str, String)> {
    let work = &tuning.work;
    let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| ms(work.quantile(share)));
    let [mean, max] = [work.mean(), work.longest()].map(ms);
    let ticks = format!(
        "{} ticks of {}: mean {mean} ms, p50 {p50}, p90 {p90}, p99 {p99}, max {max}",
        work.ticks(),
        work.origin
    );
    let mut facts = vec![("work", ticks)];
    if work.unanswered > 0 {
        let left_out = format!("{} ticks, which logic did not answer in time", work.unanswered);
        facts.push(("left out", left_out));
    }
    facts.push(("wanted", format!("{} beats/s", rate(tuning.aim.wanted))));
    facts.push(("goal", format!("{}: {}", tuning.goal.name(), tuning.goal.meaning())));
    facts
}

fn best(tuning: &Tuning) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    for place in 2..HEADER.len() {
        if let Some(column) = table.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for place in &tuning.best {
        let candidate = &tuning.candidates[*place];
        let mark = match *place == tuning.chosen {
            true => "▶ ",
            false if tuning.goal.admits(&candidate.figures, &tuning.aim) => "  ",
            false => "× ",
        };
        let mut row =
            vec![format!("{mark}{}", candidate.strategy.name()), in_short(candidate.strategy)];
        row.extend(figures(candidate));
        table.add_row(row);
    }
    table
}

/// What stands below the header, from the beats on.
pub(crate) fn figures(candidate: &Candidate) -> [String; 9] {
    let it = &candidate.figures;
    [
        rate(it.rate),
        format!("±{}", ms(it.interval.deviation)),
        ms(it.interval.p99),
        ms(it.late.p50),
        ms(it.late.p99),
        ms(it.late.max),
        format!("{} %", percent(it.asleep)),
        ms(it.backlog),
        it.switches.to_string(),
    ]
}

/// Lines for `relay.toml`, with the reason as a comment.
fn recommendation(tuning: &Tuning) -> String {
    let reason = wrapped(&format!("{}: {}", tuning.goal.name(), tuning.reason()), 96);
    let comment: String = reason.iter().map(|line| format!("# {line}\n")).collect();
    format!("{comment}{}", lines(tuning.recommended().strategy))
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let fits = lines.last().is_some_and(|line| line.chars().count() + word.len() < width);
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if fits => line.extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
