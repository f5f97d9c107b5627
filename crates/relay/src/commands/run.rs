//! `pulsegate run`: the relay.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bytesize::ByteSize;
use clap::Args;
use listenfd::ListenFd;
use miette::{Diagnostic, IntoDiagnostic, miette};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::admin::View;
use crate::config::needs::{Needs, WAITING};
use crate::config::{Config, Override};
use crate::relay::{Listeners, Relay};
use crate::reload::{self, Origin};
use crate::{disk, log, machine, service};

/// Where things are, if not where the configuration says.
#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// The configuration file; without one, everything has its default
    #[arg(long, value_name = "FILE", env = "PULSEGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Where clients connect [default: 127.0.0.1:14000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where the logic server is: host:port, unix:/path, or the built-in `echo` or `arena` [default: echo]
    #[arg(long, value_name = "ADDR")]
    logic: Option<String>,
    /// Where the journal is, or `off` [default: data]
    #[arg(long, value_name = "DIR")]
    journal: Option<String>,
    /// Where the admin and metrics port is, or `off` [default: 127.0.0.1:14080]
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
}

impl RunArgs {
    fn origin(self) -> Origin {
        let overrides = [
            ("client.listen", self.listen, "--listen"),
            ("logic.address", self.logic, "--logic"),
            ("journal.dir", self.journal, "--journal"),
            ("admin.listen", self.admin, "--admin"),
        ];
        let overrides = overrides
            .into_iter()
            .filter_map(|(key, value, origin)| value.map(|value| Override { key, value, origin }));
        Origin { overrides: overrides.collect(), file: self.config }
    }
}

/// What keeps a relay from starting.
#[derive(Debug, Error, Diagnostic)]
enum CannotStart {
    #[error("cannot listen on {address} for {whom}: {error}")]
    #[diagnostic(help("is another relay running there? choose another address with {option}"))]
    Listen { whom: &'static str, address: SocketAddr, option: &'static str, error: io::Error },
    #[error(
        "needs {needed} files (limits.sessions = {sessions}), and only {limit} may be open here"
    )]
    #[diagnostic(help(
        "set LimitNOFILE={needed} (systemd), run `ulimit -n {needed}`, or lower limits.sessions"
    ))]
    Files { needed: u64, sessions: u64, limit: u64 },
    #[error("cannot write a journal in {}: {error}", dir.display())]
    #[diagnostic(help(
        "make the directory writable for this user, or choose another with --journal"
    ))]
    Journal { dir: PathBuf, error: io::Error },
}

/// Runs a relay until SIGTERM or SIGINT; a second one ends it at once.
///
/// # Errors
/// What keeps it from starting. What ends it later is in the log.
pub fn run(args: RunArgs) -> miette::Result<ExitCode> {
    let origin = args.origin();
    let config = origin.load()?;
    let _log = log::start(&config.log);
    raise_file_limit(&config)?;
    compare_with_machine(&config.needs());
    look_around(&config)?;
    let runtime = super::runtime()?;
    let code = runtime.block_on(serve(config, origin));
    // Whatever still waits for a disk is not waited for.
    runtime.shutdown_background();
    code
}

async fn serve(config: Config, origin: Origin) -> miette::Result<ExitCode> {
    outlive_file_limits().into_diagnostic()?;
    let listeners = listeners(&config)?;
    let with_defaults = origin.file.is_none() && origin.overrides.is_empty();
    // Its text says all that its sources would say once more.
    let relay = Relay::new(config, listeners).await.map_err(|error| miette!("{error}"))?;
    let view = relay.view();
    announce(&view, relay.client_address().into_diagnostic()?, with_defaults);

    let signals = Signals::take().into_diagnostic()?;
    let shutdown = CancellationToken::new();
    // These end with the process.
    tokio::spawn(log::tell_what_was_left_out());
    tokio::spawn(reload_on_demand(origin, Arc::clone(&view)));
    tokio::spawn(service::feed_watchdog(view, shutdown.clone()));
    service::ready();
    let result = tokio::select! {
        result = relay.run(shutdown.clone()) => result,
        () = signals.obey(shutdown) => return Ok(ExitCode::from(AT_ONCE)),
    };
    Ok(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "the relay ends");
            ExitCode::FAILURE
        }
    })
}

/// The sockets that a service manager keeps open while relays come and go, first that of the
/// clients, then that of operators; and new ones in place of those that it does not hand over.
fn listeners(config: &Config) -> Result<Listeners, CannotStart> {
    let mut kept = ListenFd::from_env();
    let mut listener = |index, whom, address, option| {
        let listener = match kept.take_tcp_listener(index) {
            Ok(Some(listener)) => adopt(listener),
            Ok(None) => bind(address),
            Err(error) => Err(error),
        };
        listener.map_err(|error| CannotStart::Listen { whom, address, option, error })
    };
    Ok(Listeners {
        clients: listener(0, "clients", config.client.listen, "--listen")?,
        admin: match config.admin.listen {
            Some(address) => Some(listener(1, "operators", address, "--admin")?),
            None => None,
        },
    })
}

fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The address of a relay that ended a moment ago is free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Raises the limit of open files as far as it may be raised.
fn raise_file_limit(config: &Config) -> Result<(), CannotStart> {
    let needs = config.needs();
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        warn!(%error, "the limit of open files could not be raised");
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if needs.files() > limit {
        let (needed, sessions) = (needs.files(), needs.sessions);
        return Err(CannotStart::Files { needed, sessions, limit });
    }
    Ok(())
}

/// Refuses a journal that cannot be written, before anybody can connect; warns of one that may not
/// last, and of rights that nobody needs.
fn look_around(config: &Config) -> Result<(), CannotStart> {
    if geteuid().is_root() {
        warn!("this process is root; no right but to its journal's directory is needed");
    }
    let Some(dir) = &config.journal.dir else { return Ok(()) };
    disk::is_writable(dir).map_err(|error| CannotStart::Journal { dir: dir.clone(), error })?;
    if let Some(concern) = disk::concern(dir) {
        warn!(dir = %dir.display(), %concern, "the journal may not last");
    }
    Ok(())
}

/// Says so if there may be less memory than is needed: a process that takes too much is killed.
fn compare_with_machine(needs: &Needs) {
    let Some(limit) = machine::memory_limit().filter(|limit| limit.bytes < needs.memory()) else {
        return;
    };
    warn!(
        %limit,
        memory_at_most = %ByteSize(needs.memory()),
        settings = needs.largest().settings,
        "there may be too little memory: lower these settings, or give it more"
    );
}

/// Says that the relay runs, and on a terminal what to try next.
fn announce(view: &View, clients: SocketAddr, with_defaults: bool) {
    let config = view.front.config.load();
    let needs = config.needs();
    info!(
        %clients,
        logic = %view.logic,
        lineage = view.lineage,
        epoch = view.epoch,
        memory_at_most = %ByteSize(needs.memory()),
        in_the_relay = %ByteSize(needs.relay()),
        files_at_most = needs.files(),
        "relay runs"
    );
    if with_defaults {
        println!("{}", what_to_try(&config));
    }
}

fn what_to_try(config: &Config) -> String {
    let clients = config.client.listen;
    let admin = config.admin.listen.map_or("off".into(), |address| format!("http://{address}"));
    let journal = config.journal.dir.as_deref().unwrap_or(Path::new("off")).display();
    let program = called_as();
    let tries = [
        (format!("{program} bots --count 100 --duration 10s"), "simulated clients"),
        (format!("curl {admin}/api/sessions"), "who is here, and how they are"),
        (format!("{program} journal cat {journal}"), "every tick, read back"),
        (format!("{program} config default > relay.toml"), "all settings, each with a sentence"),
    ];
    let width = tries.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let tries = tries.map(|(command, does)| format!("  {command:width$}   {does}")).join("\n");
    format!(
        "
Pulsegate runs.

  clients   {clients}
  logic     {logic}, built in: each packet comes back
  journal   {journal}/
  admin     {admin}

Try in another terminal:

{tries}

With your own game:  {program} run --logic 127.0.0.1:14001
Ctrl-C ends it in order.
",
        logic = config.logic.address,
    )
}

/// How this program was called, so that what is shown can be typed.
fn called_as() -> String {
    let name = std::env::args_os().next().unwrap_or_else(|| "pulsegate".into());
    name.to_string_lossy().into_owned()
}

/// Makes a file that may not grow an error of the write, and not the end of the process.
fn outlive_file_limits() -> io::Result<()> {
    // Nobody waits for this signal; that it is handled is enough.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// The exit status of a relay that was told twice to stop, as shells have it for Ctrl-C.
const AT_ONCE: u8 = 130;

/// What ends a relay from outside.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn take() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Begins the shutdown at the first signal, and returns at the second.
    async fn obey(mut self, shutdown: CancellationToken) {
        info!(signal = self.next().await, "stopping; once more to stop at once");
        service::stopping();
        shutdown.cancel();
        warn!(signal = self.next().await, "stopping at once");
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

async fn reload_on_demand(origin: Origin, view: Arc<View>) {
    if let Err(error) = reload::watch(origin, view).await {
        warn!(%error, "the configuration cannot be reloaded while running");
    }
}
