//! The real binaries.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use crate::wait::{PATIENCE, eventually, soon};

/// A command of the real `pulsegate`.
pub fn pulsegate() -> Command {
    command("pulsegate")
}

/// A command of the real `logic-server`.
pub fn logic_server() -> Command {
    command("logic-server")
}

/// A command of the logic server in Python, in an environment that is made once.
pub fn python_logic_server() -> Command {
    python_example("logic_server.py")
}

/// A command of a program in `examples/`, in an environment that is made once.
pub fn python_example(file: &str) -> Command {
    let mut command = Command::new(python_environment().join("bin/python3"));
    command.arg(workspace().join("examples").join(file));
    command
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A virtual environment under `target/` with what `examples/requirements.txt` names.
fn python_environment() -> PathBuf {
    let environment = workspace().join("target/python");
    let requirements = workspace().join("examples/requirements.txt");
    fs::create_dir_all(&environment).unwrap();
    // Other test processes wait here.
    let lock = fs::File::create(environment.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let (wanted, installed) = (fs::read(&requirements).unwrap(), environment.join("installed"));
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return environment;
    }
    succeed(Command::new("python3").args(["-m", "venv"]).arg(&environment));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    succeed(Command::new(environment.join("bin/python3")).args(pip).arg(&requirements));
    fs::write(installed, wanted).unwrap();
    environment
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The same command in namespaces of its own, in which `setup`, lines of shell, came first.
/// `kinds` are options of `unshare`, such as `--mount`.
///
/// `None`, and a word to the terminal, where the system allows no such namespaces.
pub fn unshared(command: &Command, kinds: &[&str], setup: &str) -> Option<Command> {
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user"]).args(kinds);
        unshare
    };
    if !unshare().arg("true").output().is_ok_and(|output| output.status.success()) {
        // Past the test runner, which hides what a test that passes says.
        let _ =
            writeln!(std::io::stderr(), "\nNOT TESTED: `unshare {kinds:?}` is not allowed here\n");
        return None;
    }
    let mut wrapped = unshare();
    wrapped.args(["sh", "-ec", &format!("{setup}\nexec \"$@\""), "sh"]);
    wrapped.arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        wrapped.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    Some(wrapped)
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
    let built = Command::new(cargo)
        .current_dir(workspace())
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

    /// Starts it with standard error somewhere else. Nothing of its output is kept.
    pub fn start_unheard(mut command: Command, stderr: impl Into<Stdio>) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, child, said: Arc::default(), listeners: Vec::new() }
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

    /// Limits a resource of it from now on.
    pub fn limit(&self, resource: Resource, limit: u64) {
        let limit = Rlimit { current: Some(limit), maximum: getrlimit(resource).maximum };
        prlimit(Some(Pid::from_child(&self.child)), resource, limit).unwrap();
    }

    /// How much time of a processor it has used.
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * 1000 / clock_ticks_per_second())
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
