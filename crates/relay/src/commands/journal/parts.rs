//! `pulsegate journal cut`, `merge` and `repair`: journals made of others.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use miette::IntoDiagnostic;
use pulsegate_journal::Repair;
use pulsegate_recording::{Cut, Mended, Merged, Redaction, Rules, before_damage, cut, merge};
use pulsegate_replay::Range;

use super::selection::Part;

/// What to cut out.
#[derive(Debug, Args)]
pub struct CutArgs {
    #[command(flatten)]
    part: Part,
    /// The new journal: a directory that is empty, or not there yet
    out: PathBuf,
    /// Replace what must not leave the house, by the rules of this file
    #[arg(long, value_name = "RULES")]
    redact: Option<PathBuf>,
}

/// What to join.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The parts, in any order, and last the new journal: a directory that is empty, or not there
    /// yet
    #[arg(required = true, num_args = 2.., value_names = ["PART", "OUT"])]
    dirs: Vec<PathBuf>,
}

/// What to repair.
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// The journal's directory; no relay may be writing it
    dir: PathBuf,
    /// Write all that is whole before the first damage into a new journal, and leave this one as
    /// it is
    #[arg(long, value_name = "OUT")]
    before_damage: Option<PathBuf>,
}

/// Cuts, and says what came of it.
pub(super) fn run(out: &mut impl Write, args: &CutArgs) -> miette::Result<io::Result<()>> {
    let mut redaction = redaction(args.redact.as_deref())?;
    let range = match args.part.range()? {
        Some(range) => range,
        None => Range::find(&args.part.dir, None, None).into_diagnostic()?,
    };
    let cut = cut(&args.part.dir, &range, &args.out, redaction.as_mut()).into_diagnostic()?;
    redaction.iter().for_each(tell_of_redaction);
    Ok(out.write_all(what_was_cut(&cut).as_bytes()))
}

/// The redaction by a file of rules, if there is one.
pub(super) fn redaction(rules: Option<&Path>) -> miette::Result<Option<Redaction>> {
    let redaction = rules.map(|file| Redaction::new(Rules::read(file)?));
    redaction.transpose().into_diagnostic()
}

/// Tells what became of each rule, and of bodies that no rule could look into.
pub(super) fn tell_of_redaction(redaction: &Redaction) {
    for (path, replaced) in redaction.replaced() {
        match replaced {
            0 => eprintln!("warning: there is no value at {path}: nothing was replaced there"),
            replaced => eprintln!("{path}: {replaced} values replaced"),
        }
    }
    match redaction.kept() {
        0 => {}
        kept => eprintln!(
            "warning: {kept} bodies are no JSON objects or arrays and were kept as they are; \
             raw = \"zeros\" in the rules replaces them"
        ),
    }
}

fn what_was_cut(cut: &Cut) -> String {
    let Cut { out, first, last, asked, snapshot } = cut;
    let mut text = format!("{}: ticks {first} to {last}\n", out.display());
    text += &match snapshot {
        Some(tick) => format!("  begins with the snapshot after tick {tick}\n"),
        None if *first == 1 => String::new(),
        None => {
            "  has no snapshot to begin with, only who is present: a game with state cannot be \
                 brought to its first tick\n"
                .to_owned()
        }
    };
    if asked > first {
        text += &format!(
            "  the range asked for begins at tick {asked}: replay it with --from {asked}\n"
        );
    }
    text
}

/// Joins, and says what came of it.
pub(super) fn run_merge(out: &mut impl Write, args: &MergeArgs) -> miette::Result<io::Result<()>> {
    let Some((target, parts)) = args.dirs.split_last() else { return Ok(Ok(())) };
    let Merged { first, last, shared } = merge(parts, target).into_diagnostic()?;
    Ok(writeln!(
        out,
        "{}: ticks {first} to {last}, of {} parts; {shared} ticks were the same in several",
        target.display(),
        parts.len()
    ))
}

/// Repairs, and says what was done.
pub(super) fn run_repair(
    out: &mut impl Write,
    args: &RepairArgs,
) -> miette::Result<io::Result<()>> {
    if let Some(target) = &args.before_damage {
        let mended = before_damage(&args.dir, target).into_diagnostic()?;
        return Ok(out.write_all(what_was_saved(&mended).as_bytes()));
    }
    let repaired = match pulsegate_journal::repair(&args.dir) {
        Err(error @ pulsegate_journal::Error::Damaged(_)) => {
            eprintln!("--before-damage OUT saves what is whole before the damage");
            return Err(error).into_diagnostic();
        }
        repaired => repaired.into_diagnostic()?,
    };
    Ok(out.write_all(what_was_repaired(&args.dir, repaired.as_ref()).as_bytes()))
}

fn what_was_saved(mended: &Mended) -> String {
    let damage = &mended.damage;
    let mut text = format!("{}: all up to tick {}\n", mended.out.display(), mended.last);
    text += &format!(
        "  lost     {} (damaged at byte {} of {}: {})\n",
        damage.missing,
        damage.offset,
        damage.file.display(),
        damage.what
    );
    if let Some(before) = damage.missing.before {
        text += &format!("  behind   ticks from {before} on are in the damaged journal alone\n");
    }
    text
}

fn what_was_repaired(dir: &Path, repaired: Option<&Repair>) -> String {
    let Some(Repair { file, bytes_cut, kept_as, after_tick }) = repaired else {
        return format!("{}: nothing to repair\n", dir.display());
    };
    let mut text = format!(
        "{}: {bytes_cut} bytes of a write that was cut short are gone; the last tick is {after_tick}\n",
        file.display()
    );
    if let Some(copy) = kept_as {
        text +=
            &format!("  whole records were behind it; the file as it was is {}\n", copy.display());
    }
    text
}
