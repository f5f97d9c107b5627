//! A logic server that runs.

use std::net::SocketAddr;
use std::process::Command;

use rustix::process::Signal;

use crate::programs::{Program, logic_server, python_logic_server};

/// A real `logic-server`, or the one in Python.
#[derive(Debug)]
pub struct TestLogic {
    command: fn() -> Command,
    arguments: Vec<String>,
    program: Program,
}

impl TestLogic {
    /// Starts one at an address: `["echo"]`, `["arena"]` or `["bridge", …]`.
    pub fn start(address: SocketAddr, arguments: &[&str]) -> Self {
        Self::launch(logic_server, arguments, address)
    }

    /// Starts the echo server of `examples/` in Python.
    pub fn start_python(address: SocketAddr) -> Self {
        Self::launch(python_logic_server, &[], address)
    }

    fn launch(command: fn() -> Command, arguments: &[&str], address: SocketAddr) -> Self {
        let mut all: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        all.extend(["--listen".to_owned(), address.to_string()]);
        let program = launch(command, &all);
        Self { command, arguments: all, program }
    }

    /// The process: its log, its id, signals.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Kills it without a warning.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    /// Ends it in order.
    #[track_caller]
    pub fn terminate(&mut self) {
        self.program.signal(Signal::TERM);
        let status = self.program.wait_exit();
        assert!(status.success(), "{status}");
    }

    /// Starts it again, after it has ended, at the same address.
    pub fn restart(&mut self) {
        assert!(!self.program.runs(), "it still runs");
        self.program = launch(self.command, &self.arguments);
    }

    /// Stops it until [`TestLogic::cont`].
    pub fn stop_signal(&self) {
        self.program.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn cont(&self) {
        self.program.signal(Signal::CONT);
    }
}

fn launch(command: fn() -> Command, arguments: &[String]) -> Program {
    let mut command = command();
    command.args(arguments);
    let mut program = Program::start(command);
    program.says("waiting for a relay");
    program
}
