//! Every setting: the one table that the parser, the defaults, `config/relay.toml`, the schema and
//! the reload are made from.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use pulsegate_protocol::framing::{ByteOrder, LengthWidth};
use pulsegate_protocol::heartbeat::Kinds;
use tracing::Level;

use super::choice::{
    FramingKind, LogFormat, OnError, OverrunKind, PolicyKind, StrategyKind, SyncKind,
};
use super::kind::{Choice, Kind as _, Off, Switch, count, size, span, whole_seconds};
use super::place::{Directory, Forms, Hidden, Listen, Logic, LogicAddress, Secret};
use super::setting::{About, Setting, is_live, key, settings};

const ZERO: Duration = Duration::ZERO;
const MICROSECOND: Duration = Duration::from_micros(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// As humantime counts it: 365.25 days.
const YEAR: Duration = Duration::from_secs(31_557_600);

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const GIB: usize = 1024 * MIB;
const TIB: usize = 1024 * GIB;

const fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

const fn secs(number: u64) -> Duration {
    Duration::from_secs(number)
}

const fn minutes(number: u64) -> Duration {
    Duration::from_secs(number * 60)
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

settings! {
    /// The connections of clients.
    client: Client {
        /// Where clients connect.
        listen: SocketAddr = loopback(14000), Listen, restart;
        /// How bytes become frames: a length before each body, one frame a line, or bytes handed on
        /// as they come.
        framing: FramingKind = FramingKind::Length, Choice(FramingKind::WORDS), restart;
        /// How many bytes the length takes: 4 signed, 2 unsigned.
        length_bytes: LengthWidth = LengthWidth::Four,
            Choice(&[("4", LengthWidth::Four), ("2", LengthWidth::Two)]), restart;
        /// Which byte of the length comes first, the most significant (big) or the least (little).
        byte_order: ByteOrder = ByteOrder::Big,
            Choice(&[("big", ByteOrder::Big), ("little", ByteOrder::Little)]), restart;
        /// Whether the length counts its own bytes too.
        length_includes_header: bool = false, Switch, restart;
        /// The longest body, either way; a client that announces more is closed.
        max_frame: usize = 64 * KIB, size(1..=16 * MIB), restart;
        /// How long a new client may say nothing at all before it is closed.
        first_frame_within: Option<Duration> = Some(secs(5)),
            Off(span(millis(10)..=DAY)), live;
        /// How long a frame may take from its first byte to its last before its client is closed.
        frame_within: Duration = secs(10), span(millis(10)..=HOUR), live;
        /// How old the oldest byte that waits for a client may get before the client is closed for
        /// reading too slowly.
        write_within: Duration = secs(10), span(millis(10)..=HOUR), live;
        /// After how much silence the kernel begins to probe a client.
        keepalive_idle: Duration = secs(15), whole_seconds(SECOND..=9 * HOUR), live;
        /// The time between two probes.
        keepalive_interval: Duration = secs(5), whole_seconds(SECOND..=9 * HOUR), live;
        /// How many probes without an answer end a connection.
        keepalive_probes: u32 = 3, count(1..=127), live;
        /// How long sent bytes may stay unacknowledged before the kernel ends a connection.
        user_timeout: Duration = secs(30), span(millis(100)..=DAY), live;
        /// The kernel's send buffer for each client; the kernel counts it double.
        send_buffer: usize = 32 * KIB, size(4 * KIB..=64 * MIB), restart;
        /// The kernel's receive buffer for each client; the kernel counts it double.
        receive_buffer: usize = 32 * KIB, size(4 * KIB..=64 * MIB), restart;
        /// Whether a client that is closed is told why in a last frame; with raw framing none is.
        notices: bool = true, Switch, live;
        /// Whether clients are told, in frames of the relay's own between those of the game, when
        /// logic goes away and when it is back.
        outage_notices: bool = false, Switch, live;
    }

    /// What counts as a heartbeat.
    heartbeat: Heartbeat {
        /// Which bodies are heartbeats: empty ones, JSON objects (or strings that hold one) with
        /// `ip` and `status`.
        matches: Kinds = Kinds { empty: true, json: true }, Forms, live;
        /// Whether each heartbeat is answered by an empty frame.
        ack: bool = false, Switch, live;
        /// Whether heartbeats are handed to logic as packets too.
        forward: bool = false, Switch, live;
    }

    /// When a session is alive, in leave, or closed.
    liveness: Liveness {
        /// How silence is judged: by its length, by a score of intervals, or not at all, which
        /// leaves it to TCP.
        policy: PolicyKind = PolicyKind::Timeout, Choice(PolicyKind::WORDS), live;
        /// Policy timeout: after how long without a frame a session goes to leave.
        leave_after: Duration = secs(15), span(millis(10)..=7 * DAY), live;
        /// Policy timeout: after how long without a frame a session is closed.
        close_after: Duration = secs(30), span(millis(10)..=7 * DAY), live;
        /// Policy score: the length of an interval; each raises or lowers the score by 1.
        interval: Duration = secs(10), span(millis(10)..=HOUR), live;
        /// Policy score: the score that makes a strike.
        threshold: u32 = 5, count(1..=1000), live;
        /// Policy score: how many strikes put a session into leave.
        strikes: u32 = 3, count(1..=1000), live;
        /// Policy score: how many steady intervals in a row bring a session back to alive.
        recover: u32 = 3, count(1..=1000), live;
        /// Policy score: how long a session may stay in leave before it is closed.
        leave_hold: Duration = minutes(30), span(millis(10)..=30 * DAY), live;
        /// How often a session in leave is handed what logic sent it meanwhile.
        leave_sync: Duration = secs(5), span(millis(10)..=HOUR), live;
        /// After how long with heartbeats but no packet a session goes to leave; try 30min.
        idle_after: Option<Duration> = None, Off(span(millis(10)..=30 * DAY)), live;
        /// How many closed sessions are remembered, with who they were and why they went; then the
        /// oldest is forgotten.
        departed: usize = 1000, count(0..=100_000), live;
    }

    /// The pace of the beats.
    tick: Tick {
        /// How the next beat is placed. fixed rests B after each; adaptive lets work beyond L eat
        /// into B; combined is fixed under lasting load, else adaptive; deadline keeps a grid.
        strategy: StrategyKind = StrategyKind::Adaptive, Choice(StrategyKind::WORDS), live;
        /// Strategies fixed, adaptive, combined: how long to rest between two beats (B).
        sleep: Duration = millis(50), span(MILLISECOND..=HOUR), live;
        /// Strategies adaptive, combined: how much work leaves the rest untouched (L).
        budget: Duration = ZERO, span(ZERO..=HOUR), live;
        /// Strategy combined: how many ticks in a row that ate the whole sleep make it fixed.
        overruns: u32 = 3, count(1..=10_000), live;
        /// Strategy combined: how many easy ticks in a row make it adaptive again.
        calm: u32 = 20, count(1..=10_000), live;
        /// Strategy deadline: the distance of beats on the grid.
        period: Duration = millis(50), span(MILLISECOND..=HOUR), live;
        /// Strategy deadline: where a beat goes that work ran past.
        overrun: OverrunKind = OverrunKind::Skip, Choice(OverrunKind::WORDS), live;
        /// Overrun catch_up: how many missed beats are made up for at most.
        catch_up: u32 = 5, count(1..=1000), live;
        /// After how long without an answer from logic beats go on without it.
        stall_after: Duration = secs(2), span(millis(10)..=HOUR), live;
        /// How long before a beat its thread stops sleeping and spins, to be on time.
        spin: Duration = 50 * MICROSECOND, span(ZERO..=10 * MILLISECOND), live;
    }

    /// The link to the logic server.
    logic: LogicLink {
        /// Where logic is, or one of the built-in samples.
        address: LogicAddress = LogicAddress::Echo, Logic, restart;
        /// What both ends of the link must know; it is never sent.
        secret: Secret = Secret::default(), Hidden, restart;
        /// After how long without a byte from logic the link is taken for dead.
        timeout: Duration = secs(10), span(millis(100)..=HOUR), restart;
        /// How long logic may be away before clients are closed.
        max_outage: Duration = HOUR, span(SECOND..=30 * DAY), live;
        /// After how many ticks logic is asked for a snapshot.
        snapshot_every: Option<u64> = Some(1000), Off(count(1..=1_000_000_000)), restart;
    }

    /// The batches on disk.
    journal: Journal {
        /// Where the segments are; off: nothing is kept, and logic cannot catch up after an outage.
        dir: Option<PathBuf> = Some(PathBuf::from("data")), Off(Directory), restart;
        /// When a batch is safe from a power cut: each tick, every so often, or when the system
        /// likes.
        sync: SyncKind = SyncKind::Tick, Choice(SyncKind::WORDS), restart;
        /// Sync interval: the time between two syncs, and so what a power cut may take.
        sync_every: Duration = millis(100), span(MILLISECOND..=HOUR), restart;
        /// At which size a segment is finished and the next one begun.
        segment_size: usize = 256 * MIB, size(64 * KIB..=4 * GIB), restart;
        /// At which age a segment is finished and the next one begun.
        segment_age: Duration = minutes(10), span(SECOND..=7 * DAY), restart;
        /// How much is kept; the oldest segments that logic does not need go first.
        keep_size: Option<usize> = None, Off(size(64 * KIB..=1024 * TIB)), restart;
        /// How long segments are kept that logic does not need.
        keep_age: Option<Duration> = None, Off(span(SECOND..=10 * YEAR)), restart;
        /// Whether heartbeats are recorded too.
        heartbeats: bool = false, Switch, restart;
        /// What happens when the journal cannot be written: stop, or go on with a marked gap.
        on_error: OnError = OnError::Stop, Choice(OnError::WORDS), restart;
    }

    /// What an operator asks, and metrics.
    admin: Admin {
        /// Where the admin and metrics port is; an address outside loopback needs a token.
        listen: Option<SocketAddr> = Some(loopback(14080)), Off(Listen), restart;
        /// What a request that changes something must show.
        token: Secret = Secret::default(), Hidden, restart;
    }

    /// How much is enough.
    limits: Limits {
        /// How many clients at once; the next one is told that the server is full.
        sessions: usize = 10_000, count(1..=1_000_000), live;
        /// How many clients at once from one address; the next one is told so.
        sessions_per_address: Option<usize> = None, Off(count(1..=1_000_000)), live;
        /// How many clients at once from one /24 of IPv4 or /64 of IPv6; the next one is told so.
        sessions_per_prefix: Option<usize> = None, Off(count(1..=1_000_000)), live;
        /// How many clients at once may not have sent a first frame; for the next one, the one that
        /// has waited longest is closed. Not counted where `client.first_frame_within` is off.
        newcomers: Option<usize> = Some(1024), Off(count(1..=1_000_000)), live;
        /// How many bytes a second are read from one client; more have to wait, and nobody is closed
        /// for it.
        bytes_per_second: usize = 256 * KIB, size(KIB..=16 * GIB), live;
        /// How many frames a second are taken from one client; more have to wait, and nobody is
        /// closed for it.
        frames_per_second: u32 = 1000, count(1..=10_000_000), live;
        /// How many bytes may wait for one client; when they are full, it is closed.
        outbox: usize = 64 * KIB, size(KIB..=64 * MIB), live;
        /// How many bytes one tick may gather; when it is full, clients wait for the next.
        batch: usize = 8 * MIB, size(64 * KIB..=32 * MIB), restart;
        /// The longest message of the logic server, snapshots included; a longer one ends the link.
        /// As much may wait for the journal; then the link is not read.
        answer: usize = 8 * MIB, size(64 * KIB..=64 * MIB), restart;
        /// The most memory that these limits may add up to; the relay does not start above it.
        memory: Option<usize> = None, Off(size(MIB..=TIB)), restart;
    }

    /// The log, on standard error.
    log: Log {
        /// The least important lines that are written.
        level: Level = Level::INFO, Choice(&[
            ("error", Level::ERROR),
            ("warn", Level::WARN),
            ("info", Level::INFO),
            ("debug", Level::DEBUG),
            ("trace", Level::TRACE),
        ]), live;
        /// How many lines a minute one message may have, debug and trace aside; how many more
        /// there were is told each minute.
        lines_per_minute: Option<u32> = Some(10), Off(count(1..=1_000_000)), live;
        /// Lines for people, or one JSON object a line.
        format: LogFormat = LogFormat::Text, Choice(LogFormat::WORDS), restart;
    }
}
