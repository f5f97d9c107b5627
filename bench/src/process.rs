//! A program that was started: what it uses, what it said, and its end.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::kernel::{self, CpuTimes};

/// How long a program has for its end before it is killed.
const END_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A started program. It ends at the latest when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    /// On standard output, and on standard error; files, for a pipe that nobody reads fills up.
    wrote: File,
    said: File,
}

/// How much CPU a program had used at some moment.
#[derive(Debug)]
pub(crate) struct CpuTime {
    name: &'static str,
    processes: CpuTimes,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let file = || tempfile::tempfile().context("cannot make a temporary file");
        let (wrote, said) = (file()?, file()?);
        let child = command
            .stdin(Stdio::null())
            .stdout(wrote.try_clone()?)
            .stderr(said.try_clone()?)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Self { name, child, wrote, said })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How much CPU it and what it started have used.
    pub(crate) fn cpu(&self) -> CpuTime {
        CpuTime { name: self.name, processes: kernel::cpu_times(self.pid()) }
    }

    /// Resident bytes of it and of what it started.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn resident(&self) -> Result<u64> {
        kernel::resident(self.pid()).with_context(|| format!("{} is gone", self.name))
    }

    /// Waits until something holds.
    ///
    /// # Errors
    /// It ended before, or `within` is over; with its last words.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        within: Duration,
        mut holds: impl FnMut(u32) -> bool,
    ) -> Result<()> {
        let until = Instant::now() + within;
        while !holds(self.pid()) {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before {what}: {}", self.name, self.last_words());
            }
            if Instant::now() > until {
                let words = self.last_words();
                bail!("{}: {what} did not come true in {within:?}: {words}", self.name);
            }
            sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Interrupts it, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Waits for its end, and returns what it wrote on standard output.
    ///
    /// # Errors
    /// It ended badly, or not in time.
    pub(crate) fn output(mut self, within: Duration) -> Result<String> {
        let ended = self.ends(within)?;
        ensure!(ended, "{} did not end in {within:?}", self.name);
        let status = self.child.wait()?;
        ensure!(status.success(), "{} ended with {status}: {}", self.name, self.last_words());
        Ok(read_all(&self.wrote)?)
    }

    /// Ends it in order, or else at once.
    pub(crate) fn stop(&mut self) {
        if self.has_ended().unwrap_or(false) {
            return;
        }
        let family = kernel::family(self.pid());
        self.signal(Signal::TERM);
        if !self.ends(END_WITHIN).unwrap_or(false) {
            eprintln!("{} did not end in {END_WITHIN:?}, and is killed", self.name);
            for pid in family {
                signal(pid, Signal::KILL);
            }
            // It was killed; what else it says does not matter.
            let _ = self.child.wait();
        }
    }

    /// Whether it is over.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    fn ends(&mut self, within: Duration) -> Result<bool> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            if self.has_ended()? {
                return Ok(true);
            }
            sleep(LOOK_EVERY);
        }
        Ok(false)
    }

    fn signal(&self, what: Signal) {
        signal(self.pid(), what);
    }

    fn last_words(&self) -> String {
        let text = read_all(&self.said).unwrap_or_default();
        let lines: Vec<_> = text.trim().lines().collect();
        match &lines[lines.len().saturating_sub(5)..] {
            [] => "it said nothing".into(),
            last => last.join("\n"),
        }
    }
}

fn read_all(mut file: &File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn signal(pid: u32, signal: Signal) {
    // Who is gone already needs no signal.
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

impl CpuTime {
    /// How much was used since an earlier moment. Says so if a process ended between the two: what
    /// that one used is not in it.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let ended = earlier.processes.keys().filter(|id| !self.processes.contains_key(id)).count();
        if ended > 0 {
            eprintln!("{}: {ended} processes ended while it was measured", self.name);
        }
        let used = self.processes.iter().map(|(id, now)| {
            now.saturating_sub(earlier.processes.get(id).copied().unwrap_or_default())
        });
        used.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("shell", &mut command).unwrap()
    }

    #[test]
    fn a_programs_children_are_counted_too() {
        let busy = "while :; do :; done & echo ready; wait";
        let mut process = shell(busy);
        let within = Duration::from_secs(10);
        let begin = process.cpu();
        let used = |pid| {
            let processes = kernel::cpu_times(pid);
            CpuTime { name: "shell", processes }.since(&begin) > Duration::from_millis(100)
        };
        process.wait_until("its child is busy", within, used).unwrap();
        let child = kernel::family(process.pid())[1];
        signal(child, Signal::KILL);
    }

    #[test]
    fn who_fails_is_quoted() {
        let error = shell("echo no such thing >&2; exit 3").output(END_WITHIN).unwrap_err();
        assert!(error.to_string().contains("no such thing"), "{error}");
        assert_eq!(shell("echo well").output(END_WITHIN).unwrap(), "well\n");
    }
}
