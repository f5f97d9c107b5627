//! The outcome for a terminal of 80 columns: a screen at the most.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};

use crate::figures::Figures;
use crate::rows::{self, Row};
use crate::settings::lines;
use crate::show::{ms, percent, rate, span};
use crate::tuning::Tuning;

/// How wide text is at most, and from where the values of facts begin.
const WIDTH: usize = 80;
const INDENT: usize = 12;

/// What stands above the figures of a row.
pub(crate) const HEADER: [&str; 9] = [
    "beats/s",
    "spread",
    "p99 apart",
    "late p50",
    "late p99",
    "late max",
    "asleep",
    "backlog",
    "switches",
];

/// As many as its longest entry has words.
const HEADER_LINES: usize = 2;

const LEGEND: &str = "  Spread (standard deviation) and p99 from beat to beat, lateness, and the
  backlog (the longest time without sleep) are in ms.";

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in facts(self) {
            let value = wrapped(&value, WIDTH - INDENT).join(&format!("\n{:INDENT$}", ""));
            writeln!(f, "{name:<INDENT$}{value}")?;
        }
        let rows = rows::best(self);
        writeln!(f, "\n{}{LEGEND}", table(&rows))?;
        if rows.iter().any(|row| !row.is_admitted) {
            writeln!(f, "  ×: not good enough for the goal.")?;
        }
        writeln!(f)?;
        for doubt in self.doubts() {
            writeln!(f, "{}", wrapped(&format!("note: {doubt}"), WIDTH).join("\n      "))?;
        }
        writeln!(f, "{}", recommendation(self))
    }
}

/// The work and what was wanted, by name.
pub(crate) fn facts(tuning: &Tuning) -> Vec<(&'static str, String)> {
    let work = &tuning.work;
    let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| ms(work.quantile(share)));
    let [mean, max] = [work.mean(), work.longest()].map(ms);
    let mut facts = vec![
        ("work", format!("{} ticks of {}", work.ticks(), work.origin)),
        ("took", format!("mean {mean} ms, p50 {p50}, p90 {p90}, p99 {p99}, max {max}")),
    ];
    if let Some(recording) = &work.recording {
        if let Some((first, last)) = recording.ends() {
            let when = span(first.wall_ns, last.wall_ns);
            facts.push(("recorded", format!("ticks {} to {}, {when}", first.number, last.number)));
        }
        if recording.unanswered > 0 {
            let count = recording.unanswered;
            let left_out = format!("{count} ticks, which logic did not answer in time");
            facts.push(("left out", left_out));
        }
    }
    facts.push(("wanted", format!("{} beats/s", rate(tuning.aim.wanted))));
    facts.push(("goal", format!("{}: {}", tuning.goal.name(), tuning.goal.meaning())));
    facts
}

/// Each row in two lines, or in one if another one has its figures.
fn table(rows: &[Row<'_>]) -> String {
    let aligned = aligned(rows.iter().filter(|row| row.same_as.is_none()));
    let mut aligned = aligned.lines().map(|line| line.trim_end().to_owned());
    let mut lines: Vec<_> = aligned.by_ref().take(HEADER_LINES).collect();
    for row in rows {
        match row.same_as {
            Some(other) => lines.push(format!("{} as {other}", named(row))),
            None => lines.extend(aligned.next()),
        }
        lines.push(format!("    {}", row.settings));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn aligned<'a>(rows: impl Iterator<Item = &'a Row<'a>>) -> Table {
    let mut table = Table::new();
    let header = HEADER.map(|name| name.replace(' ', "\n"));
    table.load_style(presets::NOTHING);
    table.set_header(std::iter::once(String::new()).chain(header));
    for row in rows {
        table.add_row(std::iter::once(named(row)).chain(figures(row.figures)));
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((u16::from(place > 0), 0));
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn named(row: &Row<'_>) -> String {
    let mark = match () {
        () if row.is_recommended => "▶",
        () if row.is_admitted => " ",
        () => "×",
    };
    format!("{mark} {:<9}", row.name)
}

/// What stands below the header.
pub(crate) fn figures(it: &Figures) -> [String; 9] {
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
    let reason = format!("{}: {}", tuning.goal.name(), tuning.reason());
    let comment: String =
        wrapped(&reason, WIDTH - 2).iter().map(|line| format!("# {line}\n")).collect();
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Goal, Work};

    fn text(works_ms: &[u64], rate: f64, goal: Goal) -> String {
        let run = works_ms.iter().copied().map(Duration::from_millis).collect();
        Tuning::new(Work::of("made up", vec![run]), Some(rate), goal).to_string()
    }

    #[test]
    fn what_did_the_very_same_says_so_and_the_recommended_one_has_the_figures() {
        let text = text(&[3; 500], 20.0, Goal::Steady);
        let lines: Vec<_> = text.lines().filter(|line| line.contains("  as ")).collect();
        let expected = ["fixed", "combined", "deadline"].map(|it| format!("  {it:<9} as adaptive"));
        assert_eq!(lines, expected);
        assert!(text.contains("▶ adaptive       20   ±0.0"), "{text}");
    }

    #[test]
    fn a_mark_is_explained_where_there_is_one() {
        assert!(!text(&[3; 500], 20.0, Goal::Steady).contains('×'));
        // Logic is away for longer than any pace waits.
        let text = text(&[20, 2500, 20], 20.0, Goal::Steady);
        let (marked, explained) = (text.contains("\n× "), text.contains("×: not good enough"));
        assert!(marked && explained, "{text}");
    }

    #[test]
    fn it_fits_80_columns() {
        for works in [[1, 2].repeat(200), [700, 3000].repeat(200), [20, 90].repeat(200)] {
            for goal in [Goal::Steady, Goal::Gentle, Goal::Fast] {
                let text = text(&works, 20.0, goal);
                assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
            }
        }
    }
}
