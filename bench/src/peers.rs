//! Who is measured: the relay, and what people use today, each with what stands behind it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::process::Process;
use crate::programs::Programs;
use crate::relay::{Options, Sync};

/// How long a program has until it answers.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(20);

/// A program between clients and an echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// No relay at all: the echo server that stands behind the proxies.
    Echo,
    /// HAProxy in its TCP mode, in front of the bare echo.
    Haproxy,
    /// nginx with its stream module, in front of the bare echo.
    Nginx,
    /// Pulsegate, in front of its sample logic server `echo`.
    Relay(Sync),
}

impl Contender {
    /// As it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "bare echo",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Relay(Sync::Off) => "relay, journal off",
            Self::Relay(Sync::Os) => "relay, journal os",
            Self::Relay(Sync::Tick) => "relay, journal tick",
        }
    }

    /// As it is called in names of figures.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Relay(Sync::Off) => "relay-off",
            Self::Relay(Sync::Os) => "relay-os",
            Self::Relay(Sync::Tick) => "relay-tick",
        }
    }

    /// How many clients it can carry. A proxy has two files open for each, of 20,000 here.
    pub(crate) fn clients_at_most(self) -> u32 {
        match self {
            Self::Haproxy | Self::Nginx => 9_800,
            Self::Echo | Self::Relay(_) => 19_500,
        }
    }

    /// Starts it with what stands behind it, and waits until both answer.
    ///
    /// # Errors
    /// One of them cannot be started, or does not answer.
    pub(crate) fn start(self, programs: &Programs) -> Result<Peer> {
        match self {
            Self::Echo => start_echo(programs),
            Self::Haproxy => start_proxy("haproxy", programs, haproxy),
            Self::Nginx => start_proxy("nginx", programs, nginx),
            Self::Relay(sync) => Options { sync, ..Options::default() }.start(programs),
        }
    }
}

/// A contender that runs.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What is measured.
    pub(crate) process: Process,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Whether it closes a connection when the client says goodbye.
    pub(crate) understands_goodbye: bool,
    /// What stands behind it.
    pub(crate) backend: Option<Process>,
    /// Its configuration and journal, on a real disk.
    pub(crate) directory: TempDir,
}

impl Peer {
    /// Ends it, and then what stands behind it.
    pub(crate) fn stop(&mut self) {
        self.process.stop();
        self.backend.iter_mut().for_each(Process::stop);
    }

    /// Its CPU in percent of a core, over so long.
    pub(crate) fn percent_of_core(&self, length: Duration) -> f64 {
        let (begin, before) = (Instant::now(), self.process.cpu());
        sleep(length);
        let used = self.process.cpu().since(&before);
        100.0 * used.as_secs_f64() / begin.elapsed().as_secs_f64()
    }

    /// Where a relay's journal is.
    pub(crate) fn journal(&self) -> PathBuf {
        self.directory.path().join("journal")
    }
}

/// A directory for one contender that goes with it; not in memory, for a journal is written there.
///
/// # Errors
/// It cannot be made.
pub(crate) fn directory() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("pulsegate-bench-")
        .tempdir_in("/var/tmp")
        .context("cannot make a directory in /var/tmp")
}

/// A loopback address on which nobody listens.
///
/// # Errors
/// There is none.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free on 127.0.0.1")?;
    Ok(listener.local_addr()?)
}

/// Waits until a program accepts connections.
///
/// # Errors
/// It ended, or did not in time.
pub(crate) fn wait_until_open(process: &mut Process, address: SocketAddr) -> Result<()> {
    let what = format!("listening on {address}");
    process.wait_until(&what, READY_WITHIN, |_| TcpStream::connect(address).is_ok())
}

fn bare_echo(programs: &Programs) -> Result<(Process, SocketAddr)> {
    let address = free_address()?;
    let mut command = Command::new(programs.own("bare-echo"));
    let mut process = Process::start("bare-echo", command.arg(address.to_string()))?;
    wait_until_open(&mut process, address)?;
    Ok((process, address))
}

fn start_echo(programs: &Programs) -> Result<Peer> {
    let (process, address) = bare_echo(programs)?;
    let directory = directory()?;
    Ok(Peer { process, address, understands_goodbye: false, backend: None, directory })
}

/// Starts what does nothing but the sends of a beat: it ends by itself when its clients have gone,
/// and writes how many nanoseconds each beat took.
///
/// # Errors
/// It cannot be started, or does not answer.
pub(crate) fn start_bare_sends(programs: &Programs, clients: u32) -> Result<Peer> {
    let (address, directory) = (free_address()?, directory()?);
    let mut command = Command::new(programs.own("bare-sends"));
    command.args([address.to_string(), clients.to_string()]);
    let mut process = Process::start("bare-sends", &mut command)?;
    wait_until_open(&mut process, address)?;
    Ok(Peer { process, address, understands_goodbye: false, backend: None, directory })
}

/// Writes a proxy's configuration, and says how it is started.
type Configure = fn(&Path, SocketAddr, SocketAddr) -> (String, Command);

fn start_proxy(name: &'static str, programs: &Programs, configure: Configure) -> Result<Peer> {
    let (backend, echo) = bare_echo(programs)?;
    let directory = directory()?;
    let address = free_address()?;
    let file = directory.path().join("configuration");
    let (text, mut command) = configure(&file, address, echo);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    let mut process = Process::start(name, &mut command)?;
    wait_until_open(&mut process, address)?;
    Ok(Peer { process, address, understands_goodbye: false, backend: Some(backend), directory })
}

/// As it comes: a thread for each core.
fn haproxy(file: &Path, listen: SocketAddr, backend: SocketAddr) -> (String, Command) {
    let text = format!(
        "global
  maxconn 9900
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend clients
  bind {listen}
  default_backend echo
backend echo
  server echo {backend}
"
    );
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    (text, command)
}

/// A worker for each core. A client takes two connections of its worker, and one worker may get
/// nearly all clients.
fn nginx(file: &Path, listen: SocketAddr, backend: SocketAddr) -> (String, Command) {
    let directory = file.parent().unwrap_or(Path::new("/"));
    let pid_file = directory.join("nginx.pid");
    let text = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid {};
error_log stderr crit;
worker_processes auto;
worker_rlimit_nofile 20000;
events {{ worker_connections 19800; }}
stream {{
  server {{
    listen {listen} backlog=4096;
    proxy_pass {backend};
    proxy_timeout 1h;
  }}
}}
",
        pid_file.display()
    );
    let mut command = Command::new("nginx");
    command.arg("-p").arg(directory).arg("-e").arg("stderr").arg("-c").arg(file);
    (text, command)
}
