//! `pulsegate journal`: what is on disk.

mod cat;
mod export;
mod parts;
mod selection;
mod stats;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::Subcommand;
use comfy_table::{CellAlignment, Table, presets};
use miette::IntoDiagnostic;
use pulsegate_journal::{Info, RolledBack, SegmentInfo, Verified};
use pulsegate_recording::line::time;

/// A glance shows so many segments; of more, the oldest are summed up.
const SEGMENTS_SHOWN: usize = 12;

/// What can be asked about a journal, and made of one. Only a repair changes it; nothing else disturbs
/// a relay that writes it meanwhile.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Show what is in a journal, at a glance
    Info {
        /// The journal's directory
        dir: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print events, packets and replies as JSON, one a line
    Cat(cat::CatArgs),
    /// Add up what each session did, or what each second held
    Stats(stats::StatsArgs),
    /// Write a part of a journal as JSON lines, as a table, or as TCP conversations
    Export(export::ExportArgs),
    /// Cut a range out, as a small journal of its own
    Cut(parts::CutArgs),
    /// Join parts of one journal again
    Merge(parts::MergeArgs),
    /// Cut off a torn end as a start does, or save what is whole before damage
    Repair(parts::RepairArgs),
    /// Read all of a journal and find the first damage; the exit status says whether there is any
    Verify {
        /// The journal's directory
        dir: PathBuf,
    },
}

/// Does what was asked for, on the standard output.
///
/// # Errors
/// There is no journal there, it is damaged, or it cannot be read.
pub fn run(command: JournalCommand) -> miette::Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = match command {
        JournalCommand::Info { dir, json } => show_info(&mut out, &dir, json)?,
        JournalCommand::Cat(args) => cat::run(&mut out, &args)?,
        JournalCommand::Stats(args) => stats::run(&mut out, &args)?,
        JournalCommand::Export(args) => export::run(&mut out, &args)?,
        JournalCommand::Cut(args) => parts::run(&mut out, &args)?,
        JournalCommand::Merge(args) => parts::run_merge(&mut out, &args)?,
        JournalCommand::Repair(args) => parts::run_repair(&mut out, &args)?,
        JournalCommand::Verify { dir } => {
            let verified = pulsegate_journal::verify(&dir).into_diagnostic()?;
            write!(out, "{}", verdict(&dir, &verified))
        }
    };
    match done.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        done => done.into_diagnostic().map(|()| ExitCode::SUCCESS),
    }
}

fn verdict(dir: &Path, verified: &Verified) -> String {
    let Verified { segments, bytes, ticks, first_tick, last_tick, answers, pushes, .. } = verified;
    let mut text = format!("{}: all is as it was written\n", dir.display());
    text += &format!("  segments  {segments}, {}\n", ByteSize(*bytes));
    text += &match ticks {
        0 => "  ticks     none yet\n".to_owned(),
        _ => format!("  ticks     {ticks}, from {first_tick} to {last_tick}\n"),
    };
    text += &format!("  answers   {answers}\n  pushes    {pushes}\n");
    if verified.gaps > 0 {
        text += &format!("  gaps      {} ticks, each of them marked\n", verified.gaps);
    }
    if verified.torn_bytes > 0 {
        text += &format!(
            "  torn end  {} bytes: a write that was cut short, or is under way\n",
            verified.torn_bytes
        );
    }
    text
}

fn show_info(out: &mut impl Write, dir: &Path, json: bool) -> miette::Result<io::Result<()>> {
    let info = pulsegate_journal::info(dir).into_diagnostic()?;
    Ok(if json {
        let json = serde_json::to_string_pretty(&info).into_diagnostic()?;
        writeln!(out, "{json}")
    } else {
        writeln!(out, "{}", glance(dir, &info))
    })
}

fn glance(dir: &Path, info: &Info) -> String {
    let mut facts = table();
    let mut fact = |name: &str, value: String| {
        facts.add_row([name.to_owned(), value]);
    };
    fact("journal", dir.display().to_string());
    fact("lineage", info.lineage.clone());
    if let Some(origin) = &info.cut_of {
        fact("cut of", origin.clone());
    }
    fact("lives", info.epochs.to_string());
    fact(
        "ticks",
        match info.first_tick {
            0 => "none yet".to_owned(),
            first => format!("{first} to {}", info.last_tick),
        },
    );
    fact("begun", time(info.begun_ns));
    if info.last_tick_ns > 0 {
        fact("last tick", time(info.last_tick_ns));
    }
    fact("answered to", or_none(Some(info.answered).filter(|tick| *tick > 0)));
    fact("newest snapshot", or_none(info.newest_snapshot));
    for RolledBack { tick, to } in &info.rollbacks {
        fact(
            "left behind",
            format!("ticks {} to {}: tick {tick} follows tick {to}", to + 1, tick - 1),
        );
    }
    fact("open sessions", info.open_sessions.to_string());
    fact("size", ByteSize(info.bytes).to_string());
    if info.torn_bytes > 0 {
        fact("torn end", format!("{} bytes; cut off at the next start", info.torn_bytes));
    }
    format!("{facts}\n\n{}", segments(&info.segments))
}

fn segments(all: &[SegmentInfo]) -> Table {
    let mut table = table();
    table.set_header(["segment", "life", "first tick", "ticks", "size", "begun", ""]);
    for column in [0, 1, 2, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let (older, newest) = all.split_at(all.len().saturating_sub(SEGMENTS_SHOWN));
    if let (Some(first), Some(_)) = (older.first(), older.last()) {
        let ticks: u64 = older.iter().map(|segment| segment.ticks).sum();
        let bytes = older.iter().map(|segment| segment.bytes).sum();
        table.add_row([
            format!("{} older", older.len()),
            String::new(),
            first.first_tick.to_string(),
            ticks.to_string(),
            ByteSize(bytes).to_string(),
            time(first.begun_ns),
            String::new(),
        ]);
    }
    for segment in newest {
        table.add_row([
            segment.segment.to_string(),
            segment.epoch.to_string(),
            segment.first_tick.to_string(),
            segment.ticks.to_string(),
            ByteSize(segment.bytes).to_string(),
            time(segment.begun_ns),
            shape(segment).to_owned(),
        ]);
    }
    table
}

fn shape(segment: &SegmentInfo) -> &'static str {
    match (segment.sealed, segment.compressed) {
        (_, true) => "compressed",
        (true, false) => "finished",
        (false, false) => "open",
    }
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

fn or_none(tick: Option<u64>) -> String {
    tick.map_or("none".to_owned(), |tick| format!("tick {tick}"))
}

#[cfg(test)]
mod tests {
    use pulsegate_journal::{Now, Options, Writer};
    use pulsegate_protocol::tick::{Gathering, Head};

    use super::*;

    fn journal() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let now = Now { wall_ns: 1_700_000_000_000_000_000, ..Now::default() };
        let (mut writer, _) = Writer::open(Options::new(dir.path()), now).unwrap();
        let head = Head { number: 1, wall_ns: now.wall_ns, ..Head::default() };
        writer.append(Gathering::with_capacity(0).seal(&head), now).unwrap();
        dir
    }

    #[test]
    fn a_glance_shows_ticks_times_and_segments() {
        let dir = journal();
        let text = glance(dir.path(), &pulsegate_journal::info(dir.path()).unwrap());
        for part in ["1 to 1", "2023-11-14T22:13:20.000Z", "open", "none", "segment"] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
    }

    #[test]
    fn a_verdict_says_what_was_read() {
        let dir = journal();
        let text = verdict(dir.path(), &pulsegate_journal::verify(dir.path()).unwrap());
        assert!(text.contains("all is as it was written"), "{text}");
        assert!(text.contains("1, from 1 to 1"), "{text}");
    }

    #[test]
    fn where_there_is_no_journal_the_text_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let command = JournalCommand::Verify { dir: dir.path().to_owned() };
        let error = run(command).unwrap_err().to_string();
        assert!(error.contains("there is no journal in"), "{error}");
    }
}
