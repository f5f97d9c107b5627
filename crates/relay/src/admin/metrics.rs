//! What is counted, for Prometheus.

use std::fmt::Debug;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use pulsegate_protocol::Reason;

use crate::tick::figures::Timing;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

type Seconds = Counter<f64, AtomicU64>;

/// All counters of the process. No label is ever chosen by a client.
pub struct Metrics {
    registry: Registry,
    /// Sessions opened.
    pub opened: Counter,
    closed: Family<ByReason, Counter>,
    turned_away: Family<ByReason, Counter>,
    /// Sessions that are open; set when it is looked at.
    pub sessions: Gauge,
    /// Sessions of which no frame has come; set when it is looked at.
    pub newcomers: Gauge,
    /// Connections, those that part included; set when it is looked at.
    pub connections: Gauge,
    /// Frames received.
    pub frames_in: Counter,
    /// Bytes received.
    pub bytes_in: Counter,
    /// Heartbeats received.
    pub heartbeats: Counter,
    /// Times a client was above its allowance, and not read from for a while.
    pub reads_paused: Counter,
    /// Times a client had to wait for room in the batch.
    pub batch_waits: Counter,
    /// Frames sent.
    pub frames_out: Counter,
    /// Bytes sent.
    pub bytes_out: Counter,
    replies_dropped: Family<ByReason, Counter>,
    /// Client tasks that panicked.
    pub panics: Counter,
    /// Times the listener rested because files ran out.
    pub accept_pauses: Counter,
    /// Ticks sealed.
    pub ticks: Counter,
    lateness: Histogram,
    work: Histogram,
    sleep: Histogram,
    items: Histogram,
    deaf: Seconds,
    /// Times beats went on without an answer after `stall_after`.
    pub logic_stalls: Counter,
    /// Whether there is a link.
    pub link_up: Gauge,
    /// Links made.
    pub links: Counter,
    links_lost: Family<ByReason, Counter>,
    logic_busy: Histogram,
    /// Ticks that logic has not answered; set when it is looked at.
    pub unanswered: Gauge,
    /// The tick that logic dies of each time, 0 if there is none; set when it is looked at.
    pub suspect_tick: Gauge,
    /// Whether the journal has failed.
    pub journal_failed: Gauge,
    journal_bytes: Counter,
    journal_write: Histogram,
    /// Bytes of batches that wait for the journal.
    pub journal_waiting: Gauge,
    /// Times the link waited for the journal with an answer.
    pub answer_waits: Counter,
    /// Bytes of the newest ticks in memory; set when it is looked at.
    pub backlog: Gauge,
    /// Times a beat waited for room in the journal's queue.
    pub journal_waits: Counter,
    /// Admin connections that were closed for newer ones.
    pub admin_connections_cut: Counter,
    /// Log lines that were dropped; set when it is looked at.
    pub log_lines_dropped: Gauge,
    /// Log lines that were left out; set when it is looked at.
    pub log_lines_left_out: Gauge,
}

impl Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// From 1 µs to about 4 s.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(1e-6, 4.0, 12))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            opened: Counter::default(),
            closed: Family::default(),
            turned_away: Family::default(),
            sessions: Gauge::default(),
            newcomers: Gauge::default(),
            connections: Gauge::default(),
            frames_in: Counter::default(),
            bytes_in: Counter::default(),
            heartbeats: Counter::default(),
            reads_paused: Counter::default(),
            batch_waits: Counter::default(),
            frames_out: Counter::default(),
            bytes_out: Counter::default(),
            replies_dropped: Family::default(),
            panics: Counter::default(),
            accept_pauses: Counter::default(),
            ticks: Counter::default(),
            lateness: durations(),
            work: durations(),
            sleep: durations(),
            items: Histogram::new(exponential_buckets(1.0, 4.0, 10)),
            deaf: Seconds::default(),
            logic_stalls: Counter::default(),
            link_up: Gauge::default(),
            links: Counter::default(),
            links_lost: Family::default(),
            logic_busy: durations(),
            unanswered: Gauge::default(),
            suspect_tick: Gauge::default(),
            journal_failed: Gauge::default(),
            journal_bytes: Counter::default(),
            journal_write: durations(),
            journal_waiting: Gauge::default(),
            answer_waits: Counter::default(),
            backlog: Gauge::default(),
            journal_waits: Counter::default(),
            admin_connections_cut: Counter::default(),
            log_lines_dropped: Gauge::default(),
            log_lines_left_out: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    #[rustfmt::skip]
    fn register(&mut self) {
        let registry = self.registry.sub_registry_with_prefix("pulsegate");
        registry.register("sessions", "Sessions that are open", self.sessions.clone());
        registry.register("newcomers", "Sessions of which no frame has come", self.newcomers.clone());
        registry.register("connections", "Connections, those that part included", self.connections.clone());
        registry.register("sessions_opened", "Sessions opened", self.opened.clone());
        registry.register("sessions_closed", "Sessions closed, by reason", self.closed.clone());
        registry.register("connections_turned_away", "Connections not let in", self.turned_away.clone());
        registry.register("frames_in", "Frames received", self.frames_in.clone());
        registry.register_with_unit("received", "Bytes received", Unit::Bytes, self.bytes_in.clone());
        registry.register("heartbeats", "Heartbeats received", self.heartbeats.clone());
        registry.register("reads_paused", "Waits of a client above its allowance", self.reads_paused.clone());
        registry.register("batch_waits", "Waits of a client for room in the batch", self.batch_waits.clone());
        registry.register("frames_out", "Frames sent", self.frames_out.clone());
        registry.register_with_unit("sent", "Bytes sent", Unit::Bytes, self.bytes_out.clone());
        registry.register("replies_dropped", "Replies that reached nobody", self.replies_dropped.clone());
        registry.register("client_panics", "Client tasks that panicked", self.panics.clone());
        registry.register("accept_pauses", "Rests of the listener for want of files", self.accept_pauses.clone());
        registry.register("ticks", "Ticks sealed", self.ticks.clone());
        registry.register_with_unit("tick_lateness", "From due to sealed", Unit::Seconds, self.lateness.clone());
        registry.register_with_unit("tick_work", "From due to logic's answer", Unit::Seconds, self.work.clone());
        registry.register_with_unit("tick_sleep", "Rest after a tick", Unit::Seconds, self.sleep.clone());
        registry.register("tick_items", "Packets and events of a tick", self.items.clone());
        registry.register_with_unit("deaf", "Time in which this process did not run", Unit::Seconds, self.deaf.clone());
        registry.register("logic_stalls", "Beats that went on without an answer", self.logic_stalls.clone());
        registry.register("link_up", "Whether the logic server is connected", self.link_up.clone());
        registry.register("links", "Links made to the logic server", self.links.clone());
        registry.register("links_lost", "Links that ended, by reason", self.links_lost.clone());
        registry.register_with_unit("logic_busy", "How long logic says its rules ran", Unit::Seconds, self.logic_busy.clone());
        registry.register("ticks_unanswered", "Ticks that logic has not answered", self.unanswered.clone());
        registry.register("suspect_tick", "The tick that logic dies of each time; 0: none", self.suspect_tick.clone());
        registry.register("journal_failed", "Whether the journal has failed", self.journal_failed.clone());
        registry.register_with_unit("journal", "Bytes of ticks written", Unit::Bytes, self.journal_bytes.clone());
        registry.register_with_unit("journal_write", "From sealed to durable", Unit::Seconds, self.journal_write.clone());
        registry.register_with_unit("journal_waiting", "Batches that wait for the journal", Unit::Bytes, self.journal_waiting.clone());
        registry.register("answer_waits", "Waits of the link for the journal", self.answer_waits.clone());
        registry.register_with_unit("backlog", "Newest ticks in memory", Unit::Bytes, self.backlog.clone());
        registry.register("journal_waits", "Waits of a beat for the journal", self.journal_waits.clone());
        registry.register("admin_connections_cut", "Admin connections closed for newer ones", self.admin_connections_cut.clone());
        registry.register("log_lines_dropped", "Log lines that nobody read in time", self.log_lines_dropped.clone());
        registry.register("log_lines_left_out", "Log lines above log.lines_per_minute", self.log_lines_left_out.clone());
    }

    /// A session ended.
    pub fn closed(&self, reason: Reason) {
        self.closed.get_or_create(&ByReason { reason: reason.name() }).inc();
    }

    /// A connection was not let in.
    pub fn turned_away(&self, reason: Reason) {
        self.turned_away.get_or_create(&ByReason { reason: reason.name() }).inc();
    }

    /// So many replies reached nobody.
    pub fn replies_dropped(&self, reason: &'static str, count: u64) {
        self.replies_dropped.get_or_create(&ByReason { reason }).inc_by(count);
    }

    /// A link ended.
    pub fn link_lost(&self, reason: &'static str) {
        self.links_lost.get_or_create(&ByReason { reason }).inc();
    }

    /// A tick is over.
    pub fn tick(&self, timing: &Timing) {
        self.lateness.observe(timing.lateness.as_secs_f64());
        self.work.observe(timing.work.as_secs_f64());
        self.sleep.observe(timing.sleep.as_secs_f64());
        self.items.observe(timing.items.into());
    }

    /// The process did not run.
    pub fn stalled(&self, stall: Duration) {
        self.deaf.inc_by(stall.as_secs_f64());
    }

    /// Logic says how long its rules ran.
    pub fn logic_busy(&self, busy: Duration) {
        self.logic_busy.observe(busy.as_secs_f64());
    }

    /// A tick is durable.
    pub fn journaled(&self, bytes: usize, took: Duration) {
        self.journal_bytes.inc_by(bytes as u64);
        self.journal_write.observe(took.as_secs_f64());
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// None that a `String` could give.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}
