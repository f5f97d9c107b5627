//! One thing that goes wrong at one system call, and the command in which it does.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pulsegate_tests::Site;

/// Errors that a disk or a signal may cause.
pub(crate) const ERRNOS: [&str; 4] = ["EIO", "ENOSPC", "EINTR", "EAGAIN"];

/// No scenario has more segments.
const SEGMENTS: u32 = 80;

/// The calls that write, of which after a failed sync none may touch the same file, and the one by
/// which it becomes another file.
pub(crate) const WRITING: &str = "openat,write,pwrite64,fdatasync,fsync,ftruncate";

/// A system call by its name, on the journal's files or on sockets. `strace` counts a thread's
/// calls of a name by themselves, so the N-th is the one of whichever thread comes so far.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) on_journal: bool,
}

/// What happens at a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    /// The process is killed.
    Kill,
    /// It fails, and with `always` all later ones do.
    Fails { errno: &'static str, always: bool },
    /// It writes half of what it should, and with `always` all later ones do.
    IsShort { always: bool },
}

/// What goes wrong, and where.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    pub(crate) nth: u32,
    pub(crate) what: What,
    /// What `journal.on_error` says.
    pub(crate) on_error: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, nth, what, on_error } = self;
        let place = if call.on_journal { "the journal" } else { "a socket" };
        write!(f, "{} {nth} on {place}: {what:?}, on_error = {on_error}", call.name)
    }
}

impl Fault {
    /// Runs a relay in which it happens. What is written and synced is noted in files that begin
    /// with [`trace_of`].
    pub(crate) fn command(&self, site: &Site, shim: &Path) -> Command {
        let Self { call, nth, what, .. } = self;
        let (effect, always) = match what {
            What::Kill => ("signal=KILL".to_owned(), false),
            What::Fails { errno, always } => (format!("error={errno}"), *always),
            What::IsShort { always } => return short(site, shim, *nth, *always),
        };
        let plus = if always { "+" } else { "" };
        let mut options: Vec<OsString> =
            vec!["-e".into(), format!("inject={}:{effect}:when={nth}{plus}", call.name).into()];
        let noted = call.on_journal && !matches!(what, What::Kill);
        let traced = if noted { format!("{WRITING},{}", call.name) } else { call.name.clone() };
        options.extend(["-e".into(), format!("trace={traced}").into()]);
        if noted {
            options.extend(["-ff".into(), "-o".into(), trace_of(site).into()]);
        } else {
            options.extend(["-o".into(), "/dev/null".into()]);
        }
        if call.on_journal {
            options.extend(paths(&site.journal()).flat_map(|path| ["-P".into(), path.into()]));
        }
        traced_by(&options, &site.command())
    }
}

/// Where the calls of each thread are noted.
pub(crate) fn trace_of(site: &Site) -> PathBuf {
    site.path("trace")
}

/// The same command under `strace`, whose child it is not: signals reach it, and its exit status
/// is its own.
pub(crate) fn traced_by(options: &[OsString], command: &Command) -> Command {
    let mut traced = Command::new("strace");
    traced.args(["-D", "-f", "-y", "-qq", "-s", "0"]).args(options);
    traced.arg("--").arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        traced.current_dir(directory);
    }
    traced
}

/// Every file that a journal may have.
fn paths(journal: &Path) -> impl Iterator<Item = PathBuf> {
    let names = (1..=SEGMENTS)
        .flat_map(|number| [format!("{number:08}.mcap"), format!("{number:08}.mcap.tmp")]);
    let names = names.chain(["lock".to_owned()]).map(|name| journal.join(name));
    std::iter::once(journal.to_owned()).chain(names.collect::<Vec<_>>())
}

fn short(site: &Site, shim: &Path, nth: u32, always: bool) -> Command {
    let mut command = site.command();
    command.env("LD_PRELOAD", shim).env("SHORT_FROM", nth.to_string());
    if always {
        command.env("SHORT_ALWAYS", "1");
    }
    command
}
