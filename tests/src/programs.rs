//! The real binaries.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{PATIENCE, eventually, soon};

/// A command of the real `pulsegate`.
pub fn pulsegate() -> Command {
    command("pulsegate")
}

/// A command of the real `logic-server`.
pub fn logic_server() -> Command {
    command("logic-server")
}

/// A program without this process's `PULSEGATE_…` variables.
fn command(name: &str) -> Command {
    let mut command = Command::new(directory().join(name));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("PULSEGATE_") {
            command.env_remove(variable);
        }
    }
    command
}

/// Where the binaries are: built once in each test process, unless `TEST_BINARIES` names a
/// directory that has them already.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| match std::env::var_os("TEST_BINARIES") {
        Some(directory) => directory.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = Command::new(cargo)
        .current_dir(workspace)
        .args(["build", "--release", "--bins", "-p", "pulsegate", "-p", "pulsegate-logic"])
        .args(["--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(built.status.success(), "the binaries could not be built");
    let executable = String::from_utf8(built.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap();
    executable.parent().unwrap().to_owned()
}

/// A child whose output is kept, and who does not outlive its test.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    said: Arc<Mutex<String>>,
    listeners: Vec<JoinHandle<()>>,
}

impl Program {
    /// Starts it. Its standard output and error are kept together, line by line.
    pub fn start(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let said = Arc::new(Mutex::new(String::new()));
        let listeners = vec![
            listen(child.stdout.take().unwrap(), Arc::clone(&said)),
            listen(child.stderr.take().unwrap(), Arc::clone(&said)),
        ];
        Self { name, child, said, listeners }
    }

    /// What it wrote so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it wrote this; panics if it ended before.
    #[track_caller]
    pub fn says(&mut self, text: &str) {
        eventually(&format!("{text:?} from {}:\n{}", self.name, self.said()), || {
            let ended = self.child.try_wait().unwrap();
            let said = self.said().contains(text);
            assert!(said || ended.is_none(), "it ended with {ended:?}:\n{}", self.said());
            said
        });
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it without a warning, and waits until it is gone.
    pub fn kill(&mut self) {
        // One that has ended is as dead as wanted.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Waits until it ends of its own accord, at most [`PATIENCE`].
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        self.wait_exit_within(PATIENCE)
    }

    /// Waits until it ends of its own accord, with all it wrote.
    #[track_caller]
    pub fn wait_exit_within(&mut self, patience: Duration) -> ExitStatus {
        match soon(patience, || self.child.try_wait().unwrap()) {
            Some(status) => {
                self.listeners.drain(..).for_each(|listener| listener.join().unwrap());
                status
            }
            None => panic!("{} still runs after {patience:?}:\n{}", self.name, self.said()),
        }
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("--- {} said:\n{}---", self.name, self.said());
        }
    }
}

fn listen(output: impl Read + Send + 'static, said: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            said.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}
