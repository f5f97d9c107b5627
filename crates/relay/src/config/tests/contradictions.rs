//! Settings that are right one by one.

use super::{read, report};

#[test]
fn settings_that_contradict_each_other_are_refused_with_both_names() {
    for (text, names) in [
        ("liveness.leave_after = '30s'", ["liveness.leave_after", "liveness.close_after"]),
        ("liveness.close_after = '15s'", ["liveness.leave_after", "liveness.close_after"]),
        ("limits.outbox = '63KiB'", ["limits.outbox", "client.max_frame"]),
        ("client.max_frame = '65KiB'", ["limits.outbox", "client.max_frame"]),
        ("limits.bytes_per_second = '32KiB'", ["limits.bytes_per_second", "client.max_frame"]),
        (
            "limits.batch = '64KiB'\nlimits.outbox = '1MiB'\nclient.max_frame = '65KiB'",
            ["limits.batch", "client.max_frame"],
        ),
        ("client.length_bytes = 2", ["client.length_bytes", "client.max_frame"]),
        (
            "[client]\nlength_bytes = 2\nlength_includes_header = true\nmax_frame = 65534",
            ["client.length_bytes", "client.max_frame"],
        ),
        ("client.framing = 'raw'\nheartbeat.ack = true", ["heartbeat.ack", "client.framing"]),
        (
            "client.first_frame_within = '31s'",
            ["client.first_frame_within", "liveness.close_after"],
        ),
        ("client.frame_within = '31s'", ["client.frame_within", "liveness.close_after"]),
        ("logic.max_outage = '10s'", ["logic.timeout", "logic.max_outage"]),
        ("tick.sleep = '15s'", ["tick.sleep", "liveness.leave_after"]),
        (
            "tick.period = '16s'\ntick.strategy = 'deadline'",
            ["tick.period", "liveness.leave_after"],
        ),
        ("tick.sleep = '10s'\nliveness.policy = 'score'", ["tick.sleep", "liveness.interval"]),
        ("tick.sleep = '1ms'\ntick.spin = '1ms'", ["tick.spin", "tick.sleep"]),
        ("tick.budget = '2s'", ["tick.budget", "tick.stall_after"]),
        (
            "limits.sessions = 10\nlimits.sessions_per_address = 11",
            ["limits.sessions_per_address", "limits.sessions"],
        ),
        (
            "limits.sessions = 10\nlimits.sessions_per_prefix = 11",
            ["limits.sessions_per_prefix", "limits.sessions"],
        ),
        (
            "limits.sessions_per_address = 3\nlimits.sessions_per_prefix = 2",
            ["limits.sessions_per_address", "limits.sessions_per_prefix"],
        ),
        ("limits.memory = '2GiB'", ["limits.memory", "limits.sessions"]),
        ("journal.keep_size = '255MiB'", ["journal.keep_size", "journal.segment_size"]),
        ("journal.keep_age = '9min'", ["journal.keep_age", "journal.segment_age"]),
        ("admin.listen = '0.0.0.0:14080'", ["admin.listen", "admin.token"]),
        ("admin.listen = '[::]:14080'", ["admin.listen", "admin.token"]),
        ("admin.listen = '192.0.2.1:14080'", ["admin.listen", "admin.token"]),
        ("admin.listen = '127.0.0.1:14000'", ["admin.listen", "client.listen"]),
    ] {
        let report = report(text);
        assert!(report.contains("contradict each other"), "{text}:\n{report}");
        for name in names {
            assert!(report.contains(&format!("`{name}`")), "{name} is missing:\n{report}");
            assert!(report.matches(name).count() >= 2, "{name} has no value:\n{report}");
        }
    }
}

#[test]
fn what_only_looks_like_a_contradiction_is_taken() {
    for text in [
        "liveness.leave_after = '30s'\nliveness.policy = 'score'",
        "tick.sleep = '20s'\nliveness.policy = 'off'",
        "tick.sleep = '16s'\ntick.strategy = 'deadline'",
        "tick.budget = '2s'\ntick.strategy = 'fixed'",
        "client.framing = 'lines'\nclient.length_bytes = 2",
        "client.length_bytes = 2\nclient.max_frame = 65535",
        "limits.outbox = '4KiB'\nclient.framing = 'raw'",
        "admin.listen = '0.0.0.0:14080'\nadmin.token = 'long enough'",
        "admin.listen = '[::1]:14080'",
        "admin.listen = 'off'",
        "admin.listen = '127.0.0.1:0'\nclient.listen = '127.0.0.1:0'",
        "limits.memory = '5GiB'",
    ] {
        read(text).unwrap_or_else(|faults| panic!("{text}: {}", faults.in_one_line()));
    }
}

#[test]
fn nothing_is_said_of_a_value_that_was_not_taken() {
    // `leave_after` has its default here, above this `close_after`; that is not the fault.
    let report =
        report("[liveness]\nleave_after = 5\nclose_after = '10s'\n[client]\nframe_within = '1s'");
    assert!(report.contains("no unit") && !report.contains("contradict"), "{report}");
}
