//! Many clients: the real `pulsegate bots`.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::programs::pulsegate;

/// Bots that play.
#[derive(Debug)]
pub struct Bots(Option<Child>);

impl Bots {
    /// Starts them; `arguments` as on the command line, such as `--count 100 --duration 2s`.
    pub fn start(relay: SocketAddr, arguments: &str) -> Self {
        let mut command: Command = pulsegate();
        command.arg("bots").arg(relay.to_string()).args(arguments.split_whitespace());
        command.args(["--json", "--strict"]).stdin(Stdio::null());
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()))
    }

    /// Waits until they have played: whether all was flawless, and their summary.
    pub fn finish(mut self) -> (bool, Value) {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        let summary = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.success(), summary)
    }

    /// Stops them where they are.
    pub fn stop_signal(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets them go on.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let bots = self.0.as_ref().unwrap();
        kill_process(Pid::from_child(bots), signal).unwrap();
    }

    /// Plays; panics unless every bot joined and each packet came back once and in order.
    #[track_caller]
    pub fn play(relay: SocketAddr, arguments: &str) -> Value {
        let (flawless, summary) = Self::start(relay, arguments).finish();
        assert!(flawless, "{summary:#}");
        summary
    }
}

impl Drop for Bots {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Bots that have ended are as gone as wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
