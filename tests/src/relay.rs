//! A relay that runs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use prost::Message;
use pulsegate_journal::{Reader, Record};
use pulsegate_protocol::proto::{Tick, item::Item};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::history::told;
use crate::host::Host;
use crate::programs::{Program, pulsegate};
use crate::wait::{eventually, eventually_some};

/// A `pulsegate run` with a configuration, a journal and addresses of its own.
#[derive(Debug)]
pub struct TestRelay {
    // The process ends before its files and its address go.
    program: Program,
    dir: TempDir,
    host: Host,
}

impl TestRelay {
    /// Starts one with the built-in echo server, and waits until all of it works.
    ///
    /// `settings` are lines of TOML with whole names, such as `tick.sleep = "10ms"`. They come
    /// before the harness's own: the addresses, and a journal in a directory that is removed.
    pub fn start(settings: &str) -> Self {
        let relay = Self::launch(settings, |_| {});
        relay.wait_ready();
        relay
    }

    /// Starts one whose logic server is elsewhere, at [`TestRelay::logic`]; nobody is there yet.
    pub fn before_logic(settings: &str) -> Self {
        let host = Host::take();
        let settings = format!("{settings}\nlogic.address = \"{}\"", host.logic());
        Self::launch_on(host, &settings, |_| {})
    }

    /// Starts one by a changed command, and waits until clients can connect.
    pub fn launch(settings: &str, change: impl FnOnce(&mut Command)) -> Self {
        Self::launch_on(Host::take(), settings, change)
    }

    /// Starts one whose log goes elsewhere, and waits until all of it works.
    pub fn launch_unheard(settings: &str, stderr: impl Into<Stdio>) -> Self {
        let (host, dir) = (Host::take(), tempfile::tempdir().unwrap());
        configure(&host, dir.path(), settings);
        let program = Program::start_unheard(run(dir.path()), stderr);
        let relay = Self { program, dir, host };
        relay.wait_ready();
        relay
    }

    fn launch_on(host: Host, settings: &str, change: impl FnOnce(&mut Command)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        configure(&host, dir.path(), settings);
        let mut command = run(dir.path());
        change(&mut command);
        let program = Program::start(command);
        let mut relay = Self { host, dir, program };
        relay.program.says("relay runs");
        relay
    }

    /// Runs one that is not expected to start: its exit status, and what it said.
    pub fn refuses(settings: &str, change: impl FnOnce(&mut Command)) -> (ExitStatus, String) {
        let (host, dir) = (Host::take(), tempfile::tempdir().unwrap());
        configure(&host, dir.path(), settings);
        let mut command = run(dir.path());
        change(&mut command);
        let mut program = Program::start(command);
        (program.wait_exit(), program.said())
    }

    /// Starts it again, after it has ended, on the same files and addresses.
    pub fn restart(&mut self) {
        self.restart_by(|_| {});
    }

    /// Starts it again by a changed command, and waits until clients can connect.
    pub fn restart_by(&mut self, change: impl FnOnce(&mut Command)) {
        assert!(!self.program.runs(), "it still runs");
        let mut command = run(self.dir.path());
        change(&mut command);
        self.program = Program::start(command);
        self.program.says("relay runs");
    }

    /// Starts it again, though it is not expected to start: its exit status, and what it said.
    pub fn refuses_to_restart(&mut self) -> (ExitStatus, String) {
        assert!(!self.program.runs(), "it still runs");
        self.program = Program::start(run(self.dir.path()));
        (self.program.wait_exit(), self.program.said())
    }

    /// Replaces the settings; the relay notices by itself.
    pub fn reconfigure(&self, settings: &str) {
        configure(&self.host, self.dir.path(), settings);
    }

    /// Waits until clients should be sent here: logic is connected, and the journal works.
    #[track_caller]
    pub fn wait_ready(&self) {
        eventually("the relay is ready", || self.get("/readyz").0 == 200);
    }

    /// Where clients connect.
    pub fn clients(&self) -> SocketAddr {
        self.host.clients()
    }

    /// Where a logic server is to listen, after [`TestRelay::before_logic`].
    pub fn logic(&self) -> SocketAddr {
        self.host.logic()
    }

    /// Its address, for other servers of a test.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The process: its log, its id, signals.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.program.said()
    }

    /// Where its configuration is.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("relay.toml")
    }

    /// Where its journal is.
    pub fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    /// Ends it in order, and returns its exit status.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.program.signal(Signal::TERM);
        self.program.wait_exit()
    }

    /// Kills it without a warning.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    /// Stops it until [`TestRelay::cont`], as a machine without power to spare would.
    pub fn stop_signal(&self) {
        self.program.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn cont(&self) {
        self.program.signal(Signal::CONT);
    }

    /// Waits until it ends of its own accord.
    #[track_caller]
    pub fn wait_exit(&mut self, patience: Duration) -> ExitStatus {
        self.program.wait_exit_within(patience)
    }

    /// An answer of the admin port: status and text. Status 0: nobody answered.
    pub fn get(&self, path: &str) -> (u16, String) {
        answer(agent().get(self.url(path)).call())
    }

    /// JSON from the admin port.
    #[track_caller]
    pub fn admin_json(&self, path: &str) -> Value {
        let (status, text) = self.get(path);
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{path}: {status} {text:?}: {error}"))
    }

    /// Asks the admin port to change something; `headers` are added. Status and text.
    pub fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> (u16, String) {
        let request = agent().post(self.url(path));
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        answer(request.send_json(body))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host.admin())
    }

    /// The open sessions, as `/api/sessions` shows them.
    pub fn sessions(&self) -> Vec<Value> {
        self.admin_json("/api/sessions").as_array().unwrap().clone()
    }

    /// An open session, as `/api/sessions` shows it; null if there is none with this id.
    pub fn session(&self, id: u64) -> Value {
        let sessions = self.sessions();
        sessions.into_iter().find(|session| session["id"] == id).unwrap_or_default()
    }

    /// The closed sessions, as `/api/departed` shows them.
    pub fn departed(&self) -> Vec<Value> {
        self.admin_json("/api/departed").as_array().unwrap().clone()
    }

    /// Waits until so many sessions are open.
    #[track_caller]
    pub fn wait_sessions(&self, count: usize) {
        eventually(&format!("{count} open sessions"), || self.sessions().len() == count);
    }

    /// All metrics, as Prometheus reads them.
    pub fn metrics(&self) -> String {
        self.get("/metrics").1
    }

    /// The value of a metric, by its name and labels as they are printed; 0 if it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.metrics();
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// How much memory it holds, in bytes.
    pub fn rss_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// How much memory it has asked for, touched or not, in bytes.
    pub fn reserved_bytes(&self) -> u64 {
        self.memory("VmData:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    }

    /// How many files it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.program.pid())).unwrap().count()
    }

    /// Every tick in the journal so far, decoded; also while the relay runs.
    pub fn journal_ticks(&self) -> Vec<Tick> {
        let mut reader = Reader::open(self.journal()).unwrap();
        let mut ticks = Vec::new();
        while let Some(record) = reader.read().unwrap() {
            if let Record::Tick { bytes, .. } = record {
                ticks.push(Tick::decode(bytes).unwrap());
            }
        }
        ticks
    }

    /// Every event and packet in the journal so far, in order, with its tick.
    pub fn journal_items(&self) -> Vec<(u64, Item)> {
        let items = |tick: Tick| {
            let number = tick.number;
            tick.items.into_iter().filter_map(move |item| Some((number, item.item?)))
        };
        self.journal_ticks().into_iter().flat_map(items).collect()
    }

    /// What the journal says of one session so far, as [`told`] puts it.
    pub fn history(&self, session: u64) -> Vec<String> {
        let items = self.journal_items();
        let told = items.iter().filter_map(|(_, item)| told(item));
        told.filter(|(id, _)| *id == session).map(|(_, told)| told).collect()
    }

    /// Waits until a session is closed in the journal, and says what it has of it.
    #[track_caller]
    pub fn whole_history(&self, session: u64) -> Vec<String> {
        eventually_some(&format!("the close of session {session} in the journal"), || {
            let history = self.history(session);
            history.last().is_some_and(|last| last.starts_with("close")).then_some(history)
        })
    }

    /// The lines of `pulsegate journal cat` with these arguments.
    pub fn journal_cat(&self, arguments: &[&str]) -> Vec<Value> {
        let output = pulsegate()
            .args(["journal", "cat"])
            .arg(self.journal())
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn run(dir: &Path) -> Command {
    let mut command = pulsegate();
    command.arg("run").arg("--config").arg(dir.join("relay.toml")).current_dir(dir);
    command
}

pub(crate) fn configure(host: &Host, dir: &Path, settings: &str) {
    let own = [
        ("client.listen", host.clients().to_string()),
        ("admin.listen", host.admin().to_string()),
        ("journal.dir", dir.join("journal").display().to_string()),
        ("logic.address", "echo".to_owned()),
    ];
    let mut text = format!("{settings}\n");
    for (name, value) in own {
        if !settings.lines().any(|line| line.trim_start().starts_with(name)) {
            text.push_str(&format!("{name} = \"{value}\"\n"));
        }
    }
    fs::write(dir.join("relay.toml"), text).unwrap();
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .proxy(None)
        .build();
    config.into()
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, String) {
    match result {
        Ok(mut response) => {
            let text = response.body_mut().read_to_string().unwrap_or_default();
            (response.status().as_u16(), text)
        }
        Err(error) => (0, error.to_string()),
    }
}
