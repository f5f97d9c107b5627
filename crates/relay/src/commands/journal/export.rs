//! `pulsegate journal export`: a journal in the formats of other programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use miette::{Context, IntoDiagnostic, bail};
use pulsegate_protocol::proto::Open;
use pulsegate_recording::export::{Capture, Captured, RelayAddress, Table};
use pulsegate_recording::{Entry, Filter, Redaction, line, present_before};

use super::parts::{redaction, tell_of_redaction};
use super::selection::{Part, Wanted, tell_of_others};

/// What to export.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    part: Part,
    /// jsonl: the lines of `cat`; csv: the same as a table; pcapng: TCP conversations for Wireshark
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write; without it, standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    wanted: Wanted,
    /// Replace what must not leave the house, by the rules of this file
    #[arg(long, value_name = "RULES")]
    redact: Option<PathBuf>,
    /// In a pcapng file, the relay's side of the conversations, which is not recorded
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:14000")]
    relay: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
    Pcapng,
}

/// Exports. What cannot be read is the outer error, what cannot be written the inner.
pub(super) fn run(out: &mut impl Write, args: &ExportArgs) -> miette::Result<io::Result<()>> {
    let Wanted { kinds, conditions, .. } = &args.wanted;
    if args.format == Format::Pcapng && !(kinds.is_empty() && conditions.is_empty()) {
        bail!("a pcapng file holds whole conversations: choose them by --session alone");
    }
    let Some(path) = &args.output else { return args.write(out) };
    let file = File::create(path)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot create {}", path.display()))?;
    args.write(&mut BufWriter::new(file))
}

impl ExportArgs {
    fn write(&self, out: &mut impl Write) -> miette::Result<io::Result<()>> {
        let mut redaction = redaction(self.redact.as_deref())?;
        let mut filter = self.wanted.filter();
        let done = match self.format {
            Format::Jsonl => self.entries(&mut redaction, |entry| {
                if filter.admits(entry) { line::write(out, entry) } else { Ok(()) }
            })?,
            Format::Csv => self.table(out, &mut redaction, &mut filter)?,
            Format::Pcapng => self.capture(out, &mut redaction)?,
        };
        tell_of_others(&filter);
        redaction.iter().for_each(tell_of_redaction);
        Ok(done.and_then(|()| out.flush()))
    }

    fn table(
        &self,
        out: &mut impl Write,
        redaction: &mut Option<Redaction>,
        filter: &mut Filter,
    ) -> miette::Result<io::Result<()>> {
        let mut table = match Table::begin(out) {
            Ok(table) => table,
            Err(error) => return Ok(Err(error)),
        };
        let done =
            self.entries(
                redaction,
                |entry| {
                    if filter.admits(entry) { table.take(entry) } else { Ok(()) }
                },
            )?;
        Ok(done.and_then(|()| table.finish()))
    }

    fn capture(
        &self,
        out: &mut impl Write,
        redaction: &mut Option<Redaction>,
    ) -> miette::Result<io::Result<()>> {
        let mut present = self.present(redaction)?;
        let relay = RelayAddress(self.relay);
        let mut capture = match Capture::begin(out, relay, self.wanted.sessions.clone()) {
            Ok(capture) => capture,
            Err(error) => return Ok(Err(error)),
        };
        let done = self.entries(redaction, |entry| {
            for open in present.drain(..) {
                capture.present(&open, entry.wall_ns)?;
            }
            capture.take(entry)
        })?;
        Ok(done.and_then(|()| capture.finish()).map(|captured| tell_of_capture(&captured)))
    }

    /// Those who are there before the first entry.
    fn present(&self, redaction: &mut Option<Redaction>) -> miette::Result<Vec<Open>> {
        let first = self.part.range()?.map_or(0, |range| range.first);
        let present = present_before(&self.part.dir, first).into_diagnostic()?;
        Ok(present
            .into_values()
            .map(|open| match redaction {
                Some(redaction) => redaction.open(open),
                None => open,
            })
            .collect())
    }

    fn entries(
        &self,
        redaction: &mut Option<Redaction>,
        mut take: impl FnMut(&Entry) -> io::Result<()>,
    ) -> miette::Result<io::Result<()>> {
        let mut stretch = self.part.open()?;
        while let Some(record) = stretch.read().into_diagnostic()? {
            let record = match redaction {
                Some(redaction) => redaction.record(record).into_diagnostic()?,
                None => record,
            };
            let entries = Entry::all_of(&record).into_diagnostic()?;
            if let Err(error) = entries.iter().try_for_each(&mut take) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

fn tell_of_capture(captured: &Captured) {
    let Captured { conversations, frames, to_nobody, without_address } = captured;
    eprintln!("{conversations} conversations, {frames} frames");
    if *to_nobody > 0 {
        eprintln!("{to_nobody} replies to sessions that had closed were sent to nobody: left out");
    }
    if *without_address > 0 {
        eprintln!("{without_address} sessions without an address of TCP are left out");
    }
}
