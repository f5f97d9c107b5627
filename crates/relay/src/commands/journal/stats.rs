//! `pulsegate journal stats`: what a journal adds up to.

use std::io::{self, Write};

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use miette::IntoDiagnostic;
use pulsegate_recording::Error;
use pulsegate_recording::line::time;
use pulsegate_recording::stats::{By, Row, Second, Session, TOLD_APART, Totals, add_up};
use serde_json::json;

use super::selection::Part;

/// What to add up.
#[derive(Debug, Args)]
pub struct StatsArgs {
    #[command(flatten)]
    part: Part,
    /// What has a row of its own
    #[arg(long, value_enum, default_value = "session")]
    by: Each,
    /// Print a JSON object for each row, and {"total": …} at the end
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Each {
    Session,
    Second,
}

/// Prints the rows, and what they add up to.
pub(super) fn run(out: &mut impl Write, args: &StatsArgs) -> miette::Result<io::Result<()>> {
    let by = match args.by {
        Each::Session => By::Session,
        Each::Second => By::Second,
    };
    let range = args.part.range()?;
    if !args.json
        && let Err(error) = out.write_all(head(by).as_bytes())
    {
        return Ok(Err(error));
    }
    let told = add_up(&args.part.dir, range.as_ref(), by, |row| {
        let line = if args.json { serde_json::to_string(row)? } else { text(row) };
        writeln!(out, "{line}")
    });
    match told {
        Ok(totals) if args.json => Ok(writeln!(out, "{}", json!({ "total": totals }))),
        Ok(totals) => Ok(out.write_all(sum(&totals).as_bytes())),
        Err(Error::Output(error)) => Ok(Err(error)),
        Err(error) => Err(error).into_diagnostic(),
    }
}

fn head(by: By) -> String {
    match by {
        By::Session => format!(
            "{:>15} {:<24} {:>10} {:>10} {:>9} {:>11} {:>9} {:>11}  closed\n",
            "session", "peer", "opened", "last tick", "packets", "bytes in", "replies", "bytes out"
        ),
        By::Second => format!(
            "{:<20} {:>10} {:>6} {:>9} {:>11} {:>9} {:>11} {:>9} {:>11} {:>11}\n",
            "second",
            "first tick",
            "ticks",
            "packets",
            "bytes in",
            "replies",
            "bytes out",
            "work ms",
            "late p50 µs",
            "late p99 µs"
        ),
    }
}

fn text(row: &Row) -> String {
    match row {
        Row::Session(session) => of_session(session),
        Row::Second(second) => of_second(second),
    }
}

fn of_session(row: &Session) -> String {
    let opened = row.opened.map_or("before".into(), |tick| tick.to_string());
    let peer = row.peer.as_deref().unwrap_or("unknown");
    let closed = row.reason.as_deref().unwrap_or("still open");
    let traffic = &row.traffic;
    format!(
        "{:>15} {peer:<24} {opened:>10} {:>10} {:>9} {:>11} {:>9} {:>11}  {closed}",
        row.session,
        row.last_tick,
        traffic.packets,
        traffic.bytes_in,
        traffic.replies,
        traffic.bytes_out
    )
}

fn of_second(row: &Second) -> String {
    let traffic = &row.traffic;
    let late = |late: Option<u64>| late.map_or("-".to_owned(), |late| late.to_string());
    format!(
        "{:<20} {:>10} {:>6} {:>9} {:>11} {:>9} {:>11} {:>9.1} {:>11} {:>11}",
        time(row.begun_ns).replace(".000Z", "Z"),
        row.first_tick,
        row.ticks,
        traffic.packets,
        traffic.bytes_in,
        traffic.replies,
        traffic.bytes_out,
        row.work_us as f64 / 1000.0,
        late(row.lateness_p50_us),
        late(row.lateness_p99_us)
    )
}

fn sum(totals: &Totals) -> String {
    let Totals { first_tick, last_tick, ticks, opened, closed, traffic, .. } = totals;
    let mut text = match ticks {
        0 => "\nticks     none\n".to_owned(),
        _ => format!("\nticks     {ticks}, from {first_tick} to {last_tick}\n"),
    };
    if totals.left_behind > 0 {
        text += &format!(
            "          {} of them were left behind by a rollback, and count too\n",
            totals.left_behind
        );
    }
    text += &format!("sessions  {opened} opened, {closed} closed\n");
    text += &format!("packets   {}, {}\n", traffic.packets, ByteSize(traffic.bytes_in));
    text += &format!("replies   {}, {}\n", traffic.replies, ByteSize(traffic.bytes_out));
    if totals.replies_to_nobody > 0 {
        text += &format!(
            "          and {} to sessions that had closed; they are in no row\n",
            totals.replies_to_nobody
        );
    }
    if totals.sessions_untold > 0 {
        text += &format!(
            "untold    {} sessions have no row: {TOLD_APART} others were open when they opened. \
             Their packets are counted here, their replies are not\n",
            totals.sessions_untold
        );
    }
    text
}
