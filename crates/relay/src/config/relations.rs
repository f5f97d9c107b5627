//! Settings that are right one by one and wrong together.

use std::collections::{HashMap, HashSet};

use pulsegate_protocol::framing::LengthWidth;

use super::fault::{Fault, Origin};
use super::settings::SETTINGS;
use super::{Config, FramingKind, PolicyKind, StrategyKind};

/// What is known of where values came from.
#[derive(Default)]
pub(super) struct Known {
    /// Where each that is not a default was given last.
    pub(super) origins: HashMap<&'static str, Origin>,
    /// Those whose value was not taken, so that nothing can be said of them.
    pub(super) refused: HashSet<&'static str>,
}

/// Two settings or more, and why they cannot be so together.
struct Contradiction {
    names: Vec<&'static str>,
    why: String,
}

/// Each contradiction in `config`, as a fault that names all settings that take part.
pub(super) fn contradictions(config: &Config, known: &Known) -> Vec<Fault> {
    let mut found = Found(Vec::new());
    found.in_framing(config);
    found.in_times(config);
    found.in_pace(config);
    found.in_limits(config);
    found.in_addresses(config);
    let is_sure =
        |each: &&Contradiction| !each.names.iter().any(|name| known.refused.contains(name));
    found.0.iter().filter(is_sure).map(|each| each.fault(config, known)).collect()
}

struct Found(Vec<Contradiction>);

impl Found {
    fn when<const N: usize>(
        &mut self,
        is_so: bool,
        names: [&'static str; N],
        why: impl Into<String>,
    ) {
        if is_so {
            self.0.push(Contradiction { names: names.into(), why: why.into() });
        }
    }

    fn in_framing(&mut self, Config { client, heartbeat, limits, .. }: &Config) {
        let is_raw = client.framing == FramingKind::Raw;
        let header = if client.length_includes_header { 2 } else { 0 };
        let longest = usize::from(u16::MAX) - header;
        self.when(
            client.framing == FramingKind::Length
                && client.length_bytes == LengthWidth::Two
                && client.max_frame > longest,
            ["client.length_bytes", "client.max_frame"],
            format!("a length of 2 bytes announces at most {longest} bytes"),
        );
        self.when(
            !is_raw && limits.outbox < client.max_frame,
            ["limits.outbox", "client.max_frame"],
            "the longest frame would never fit into a client's outbox",
        );
        self.when(
            !is_raw && limits.bytes_per_second < client.max_frame,
            ["limits.bytes_per_second", "client.max_frame"],
            "the longest frame would be above a second's allowance",
        );
        self.when(
            limits.batch < client.max_frame,
            ["limits.batch", "client.max_frame"],
            "the longest frame would never fit into a batch",
        );
        self.when(
            is_raw && heartbeat.ack,
            ["heartbeat.ack", "client.framing"],
            "raw bytes know no empty frame to answer with",
        );
    }

    fn in_times(&mut self, Config { client, liveness, logic, .. }: &Config) {
        if liveness.policy == PolicyKind::Timeout {
            self.when(
                liveness.leave_after >= liveness.close_after,
                ["liveness.leave_after", "liveness.close_after"],
                "a session goes to leave before it is closed",
            );
            self.when(
                client.first_frame_within.is_some_and(|within| within > liveness.close_after),
                ["client.first_frame_within", "liveness.close_after"],
                "a client without a frame would be closed before its time for the first is over",
            );
            self.when(
                client.frame_within > liveness.close_after,
                ["client.frame_within", "liveness.close_after"],
                "a client would be closed for silence before its time for a frame is over",
            );
        }
        self.when(
            logic.timeout >= logic.max_outage,
            ["logic.timeout", "logic.max_outage"],
            "clients would be closed before it is known that logic is away",
        );
    }

    fn in_pace(&mut self, Config { tick, liveness, .. }: &Config) {
        let (name, pace) = tick.pace();
        self.when(
            liveness.policy == PolicyKind::Timeout && pace >= liveness.leave_after,
            [name, "liveness.leave_after"],
            "sessions are judged at beats, so a beat must be shorter",
        );
        self.when(
            liveness.policy == PolicyKind::Score && pace >= liveness.interval,
            [name, "liveness.interval"],
            "sessions are judged at beats, so a beat must be shorter",
        );
        self.when(tick.spin >= pace, ["tick.spin", name], "the beat's thread would never sleep");
        let has_budget = matches!(tick.strategy, StrategyKind::Adaptive | StrategyKind::Combined);
        self.when(
            has_budget && tick.budget >= tick.stall_after,
            ["tick.budget", "tick.stall_after"],
            "beats would go on without logic before its budget is used up",
        );
    }

    fn in_limits(&mut self, config: &Config) {
        let Config { limits, journal, .. } = config;
        self.when(
            limits.sessions_per_address.is_some_and(|most| most > limits.sessions),
            ["limits.sessions_per_address", "limits.sessions"],
            "one address may not have more clients than all together",
        );
        self.when(
            limits.sessions_per_prefix.is_some_and(|most| most > limits.sessions),
            ["limits.sessions_per_prefix", "limits.sessions"],
            "one network may not have more clients than all together",
        );
        self.when(
            limits
                .sessions_per_address
                .zip(limits.sessions_per_prefix)
                .is_some_and(|(address, prefix)| address > prefix),
            ["limits.sessions_per_address", "limits.sessions_per_prefix"],
            "one address may not have more clients than its network",
        );
        let needs = config.needs();
        let largest = needs.largest();
        let [needed, part] = [needs.memory(), largest.sum()].map(bytesize::ByteSize);
        self.when(
            limits.memory.is_some_and(|most| (most as u64) < needed.as_u64()),
            ["limits.memory", "limits.sessions"],
            format!(
                "the limits add up to {needed}, {part} of it {}: lower {}",
                largest.name, largest.settings
            ),
        );
        self.when(
            journal.keep_size.is_some_and(|keep| keep < journal.segment_size),
            ["journal.keep_size", "journal.segment_size"],
            "not even one segment could be kept",
        );
        self.when(
            journal.keep_age.is_some_and(|keep| keep < journal.segment_age),
            ["journal.keep_age", "journal.segment_age"],
            "segments would be too old before they are finished",
        );
    }

    fn in_addresses(&mut self, Config { client, admin, .. }: &Config) {
        let Some(listen) = admin.listen else { return };
        self.when(
            !listen.ip().is_loopback() && admin.token.is_empty(),
            ["admin.listen", "admin.token"],
            "an admin port that others can reach needs a token",
        );
        self.when(
            listen == client.listen && listen.port() != 0,
            ["admin.listen", "client.listen"],
            "clients and admin need ports of their own",
        );
    }
}

impl Contradiction {
    fn fault(&self, config: &Config, known: &Known) -> Fault {
        let names: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
        let what = format!("{} contradict each other: {}", names.join(" and "), self.why);
        let values = self.names.iter().map(|name| (*name, value(config, name)));
        let mut places =
            self.names.iter().filter_map(|name| known.origins.get(name).map(|at| (*name, at)));
        let Some((first, origin)) = places.next() else {
            let values: Vec<_> = values.map(|(name, value)| format!("{name} = {value}")).collect();
            return Fault::nowhere(what, values.join(", "));
        };
        let mut fault = Fault::at(origin, what, first);
        let mut shown = vec![first];
        for (name, at) in places.filter(|(_, at)| at.is_beside(origin)) {
            fault = fault.and(at, name);
            shown.push(name);
        }
        let others: Vec<_> = values
            .filter(|(name, _)| !shown.contains(name))
            .map(|(name, value)| match known.origins.get(name) {
                Some(at) => format!("{name} = {value} ({})", at.source.name()),
                None => format!("{name} = {value} (default)"),
            })
            .collect();
        fault.help((!others.is_empty()).then(|| others.join(", ")))
    }
}

fn value(config: &Config, name: &str) -> String {
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    setting.map(|setting| (setting.show)(config).to_string()).unwrap_or_default()
}
