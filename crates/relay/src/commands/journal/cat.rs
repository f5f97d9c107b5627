//! `pulsegate journal cat`: a journal as JSON lines.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use miette::IntoDiagnostic;
use prost::Message as _;
use pulsegate_journal::{Reader, Record};
use pulsegate_protocol::proto::item::Item as Event;
use pulsegate_protocol::proto::reply::To;
use pulsegate_protocol::proto::{Done, Push, Reply, Tick};
use serde_json::json;

use super::line::Line;

/// Which records to print.
#[derive(Debug, Args)]
pub struct CatArgs {
    /// The journal's directory
    dir: PathBuf,
    /// The first tick to print
    #[arg(long, value_name = "TICK")]
    from: Option<u64>,
    /// The last tick to print
    #[arg(long, value_name = "TICK")]
    until: Option<u64>,
    /// Only what concerns this session; may be given several times
    #[arg(long = "session", value_name = "ID")]
    sessions: Vec<u64>,
}

/// Prints the records. What cannot be read is the outer error, what cannot be written the inner.
pub(super) fn run(out: &mut impl Write, args: &CatArgs) -> miette::Result<io::Result<()>> {
    let mut reader = Reader::open(&args.dir).into_diagnostic()?;
    if let Some(from) = args.from {
        reader.seek(from).into_diagnostic()?;
    }
    while let Some(record) = reader.read().into_diagnostic()? {
        if let Err(error) = args.print(out, &record)? {
            return Ok(Err(error));
        }
        // Answers follow their ticks: the range ends with the answer to its last tick.
        if args.until.is_some_and(|until| answers(&record) >= Some(until)) {
            break;
        }
    }
    Ok(Ok(()))
}

fn answers(record: &Record) -> Option<u64> {
    match record {
        Record::Answer { tick, .. } => Some(*tick),
        _ => None,
    }
}

impl CatArgs {
    fn print(&self, out: &mut impl Write, record: &Record) -> miette::Result<io::Result<()>> {
        Ok(match record {
            Record::Tick { peek, bytes } if self.has(peek.head.number) => {
                let tick = Tick::decode(bytes.clone()).into_diagnostic()?;
                self.events(out, tick)
            }
            Record::Answer { tick, wall_ns, bytes } if self.has(*tick) => {
                let done = Done::decode(bytes.clone()).into_diagnostic()?;
                self.replies(out, done.replies, || Line::new(*tick, *wall_ns, "reply"))
            }
            Record::Push { wall_ns, bytes } => {
                let push = Push::decode(bytes.clone()).into_diagnostic()?;
                if !self.has(push.applied) {
                    return Ok(Ok(()));
                }
                let line = || Line::new(push.applied, *wall_ns, "reply").field("push", true);
                self.replies(out, push.replies, line)
            }
            _ => Ok(()),
        })
    }

    fn has(&self, tick: u64) -> bool {
        self.from.is_none_or(|from| tick >= from) && self.until.is_none_or(|until| tick <= until)
    }

    fn wants(&self, session: Option<u64>) -> bool {
        self.sessions.is_empty() || session.is_some_and(|id| self.sessions.contains(&id))
    }

    fn events(&self, out: &mut impl Write, tick: Tick) -> io::Result<()> {
        let (number, wall_ns) = (tick.number, tick.wall_ns);
        for event in tick.items.into_iter().filter_map(|item| item.item) {
            if self.wants(session_of(&event)) {
                Line::of_event(number, wall_ns, event).write(out)?;
            }
        }
        Ok(())
    }

    fn replies(
        &self,
        out: &mut impl Write,
        replies: Vec<Reply>,
        line: impl Fn() -> Line,
    ) -> io::Result<()> {
        for reply in replies {
            let (wanted, line) = match reply.to {
                Some(To::Session(id)) => {
                    (self.wants(Some(id)), line().field("session", id).field("to", id))
                }
                Some(To::Several(several)) => (
                    several.ids.iter().any(|id| self.wants(Some(*id))),
                    line().field("to", several.ids),
                ),
                Some(To::All(_)) => (true, line().field("to", "all")),
                None => (self.wants(None), line().field("to", json!(null))),
            };
            if wanted {
                line.payload(&reply.payload).write(out)?;
            }
        }
        Ok(())
    }
}

fn session_of(event: &Event) -> Option<u64> {
    match event {
        Event::Packet(packet) => Some(packet.session),
        Event::Open(open) => Some(open.session),
        Event::State(change) => Some(change.session),
        Event::Close(close) => Some(close.session),
        Event::Heartbeat(heartbeat) => Some(heartbeat.session),
        Event::Pace(_) | Event::Gap(_) | Event::Restored(_) | Event::Skipped(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pulsegate_journal::{Now, Options, Writer};
    use pulsegate_protocol::proto::{All, Close, Open, Sessions, StateChange};
    use pulsegate_protocol::tick::{Gathering, Head};

    use super::*;

    const NOW: Now =
        Now { monotonic: std::time::Duration::ZERO, wall_ns: 1_795_329_536_123_000_000 };

    fn put(writer: &mut Writer, number: u64, fill: impl FnOnce(&mut Gathering)) {
        let mut batch = Gathering::with_capacity(0);
        fill(&mut batch);
        let head = Head { number, wall_ns: NOW.wall_ns, ..Head::default() };
        writer.append(batch.seal(&head), NOW).unwrap();
    }

    fn reply(to: To, payload: &'static [u8]) -> Reply {
        Reply { to: Some(to), payload: payload.into() }
    }

    fn journal(dir: &Path) {
        let (mut writer, _) = Writer::open(Options::new(dir), NOW).unwrap();
        put(&mut writer, 1, |batch| {
            batch.event(Event::Open(Open { session: 12, peer: "192.0.2.1:5".into() }));
            batch.packet(12, b"{\"n\": 1.10,\n \"n\": 1e400}");
            batch.packet(13, b"\xff\xfe");
        });
        put(&mut writer, 2, |batch| {
            batch.packet(12, b"GET / \"1\"");
            batch.event(Event::State(StateChange { session: 12, state: 2, cause: 1 }));
            batch.event(Event::Close(Close { session: 12, reason: 3 }));
        });
        let replies = vec![reply(To::Session(12), b"[1]"), reply(To::All(All {}), b"x")];
        let done = Done { tick: 1, replies, ..Default::default() };
        writer.answer(&done.encode_to_vec(), 1, false, NOW).unwrap();
        let several = To::Several(Sessions { ids: vec![13, 14] });
        let push = Push { applied: 1, replies: vec![reply(several, b"")], ..Default::default() };
        writer.push(&push.encode_to_vec(), NOW).unwrap();
        let done = Done { tick: 2, ..Default::default() };
        writer.answer(&done.encode_to_vec(), 2, false, NOW).unwrap();
        put(&mut writer, 3, |batch| batch.packet(14, b"late"));
        writer.finish().unwrap();
    }

    fn cat(from: Option<u64>, until: Option<u64>, sessions: &[u64]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        journal(dir.path());
        let args = CatArgs { dir: dir.path().to_owned(), from, until, sessions: sessions.to_vec() };
        let mut out = Vec::new();
        run(&mut out, &args).unwrap().unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in text.lines() {
            serde_json::from_str::<serde::de::IgnoredAny>(line).unwrap();
        }
        text.lines().map(|line| line.replace(r#""time":"2026-11-22T06:38:56.123Z","#, "")).collect()
    }

    #[test]
    fn each_event_packet_and_reply_is_a_line() {
        assert_eq!(
            cat(None, None, &[]),
            [
                r#"{"tick":1,"kind":"open","session":12,"peer":"192.0.2.1:5"}"#,
                r#"{"tick":1,"kind":"packet","session":12,"payload":{"n":1.10,"n":1e400}}"#,
                r#"{"tick":1,"kind":"packet","session":13,"payload_base64":"//4="}"#,
                r#"{"tick":2,"kind":"packet","session":12,"payload":"GET / \"1\""}"#,
                r#"{"tick":2,"kind":"state","session":12,"state":"leave","cause":"silence"}"#,
                r#"{"tick":2,"kind":"close","session":12,"reason":"silent"}"#,
                r#"{"tick":1,"kind":"reply","session":12,"to":12,"payload":[1]}"#,
                r#"{"tick":1,"kind":"reply","to":"all","payload":"x"}"#,
                r#"{"tick":1,"kind":"reply","push":true,"to":[13,14],"payload":""}"#,
                r#"{"tick":3,"kind":"packet","session":14,"payload":"late"}"#,
            ]
        );
    }

    #[test]
    fn a_range_holds_its_ticks_and_their_answers() {
        let kinds = |from, until| cat(from, until, &[]).len();
        assert_eq!(kinds(Some(1), Some(1)), 5);
        assert_eq!(kinds(Some(2), Some(2)), 3);
        assert_eq!(kinds(Some(2), None), 4);
        assert_eq!(kinds(Some(4), None), 0);
    }

    #[test]
    fn a_session_is_shown_with_all_that_concerns_it() {
        let lines = cat(None, None, &[13, 14]);
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("\"all\"")));
        assert!(!lines.iter().any(|line| line.contains("\"session\":12")));
    }
}
