//! `pulsegate journal cat`: a journal as JSON lines.

use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use miette::IntoDiagnostic;
use pulsegate_recording::{Entry, Filter, Stretch, line};
use pulsegate_replay::{Point, Range};

use super::selection::{Part, Wanted, tell_of_others};

/// How often a journal that is being written is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Which records to print.
#[derive(Debug, Args)]
pub struct CatArgs {
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    wanted: Wanted,
    /// Go on with what a relay writes from now on, until --until or Ctrl-C. Without --from, nothing
    /// of what is there already
    #[arg(long, short)]
    follow: bool,
}

/// Prints the records. What cannot be read is the outer error, what cannot be written the inner.
pub(super) fn run(out: &mut impl Write, args: &CatArgs) -> miette::Result<io::Result<()>> {
    let mut stretch = args.open()?;
    let mut filter = args.wanted.filter();
    loop {
        while let Some(record) = stretch.read().into_diagnostic()? {
            let entries = Entry::all_of(&record).into_diagnostic()?;
            if let Err(error) = print(out, &entries, &mut filter) {
                return Ok(Err(error));
            }
        }
        if !args.follow || stretch.is_over() {
            break;
        }
        if let Err(error) = out.flush() {
            return Ok(Err(error));
        }
        sleep(LOOK_EVERY);
    }
    tell_of_others(&filter);
    Ok(Ok(()))
}

fn print(out: &mut impl Write, entries: &[Entry], filter: &mut Filter) -> io::Result<()> {
    let mut wanted = entries.iter().filter(|entry| filter.admits(entry));
    wanted.try_for_each(|entry| line::write(out, entry))
}

impl CatArgs {
    fn open(&self) -> miette::Result<Stretch> {
        let Part { dir, from, until } = &self.part;
        // Of a tick that is yet to come nobody can say where it is.
        let first = match from {
            _ if !self.follow => return self.part.open(),
            Some(Point::Tick(tick)) => *tick,
            None => pulsegate_journal::outline(dir).into_diagnostic()?.last_tick + 1,
            Some(_) => return self.part.open(),
        };
        let last = match until {
            Some(Point::Tick(tick)) => Some(*tick),
            Some(_) => Range::find(dir, None, *until).into_diagnostic()?.last,
            None => None,
        };
        let range = Range { first, last, notes: Vec::new() };
        Stretch::open(dir, &range).into_diagnostic()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;
    use prost::Message as _;
    use pulsegate_journal::{Now, Options, Timing, Writer};
    use pulsegate_protocol::proto::item::Item as Event;
    use pulsegate_protocol::proto::reply::To;
    use pulsegate_protocol::proto::{All, Close, Done, Open, Push, Reply, Sessions, StateChange};
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
        let timing = Timing { tick: 2, lateness_us: 7, ..Timing::default() };
        writer.timing(&timing, NOW).unwrap();
        let done = Done { tick: 2, ..Default::default() };
        writer.answer(&done.encode_to_vec(), 2, false, NOW).unwrap();
        put(&mut writer, 3, |batch| batch.packet(14, b"late"));
        writer.finish().unwrap();
    }

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CatArgs,
    }

    fn cat(arguments: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        journal(dir.path());
        let name = dir.path().to_str().unwrap();
        let line = ["cat", name].into_iter().chain(arguments.split_whitespace());
        let mut out = Vec::new();
        run(&mut out, &Line::parse_from(line).args).unwrap().unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in text.lines() {
            serde_json::from_str::<serde::de::IgnoredAny>(line).unwrap();
        }
        text.lines().map(|line| line.replace(r#""time":"2026-11-22T06:38:56.123Z","#, "")).collect()
    }

    #[test]
    fn each_event_packet_and_reply_is_a_line() {
        assert_eq!(
            cat(""),
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
        let lines = |range| cat(range).len();
        assert_eq!(lines("--from 1 --until 1"), 6);
        assert_eq!(lines("--from 2 --until 2"), 3);
        assert_eq!(lines("--from 2"), 4);
        assert_eq!(lines("--from 1 --until session:12:close"), 9);
        assert_eq!(lines("--from 1 --until 1 --follow"), 6);
    }

    #[test]
    fn a_session_is_shown_with_all_that_concerns_it() {
        let lines = cat("--session 13 --session 14");
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("\"all\"")));
        assert!(!lines.iter().any(|line| line.contains("\"session\":12")));
    }

    #[test]
    fn what_is_bookkeeping_is_shown_if_it_is_asked_for() {
        assert_eq!(
            cat("--kind answer,timing --until 2"),
            [
                r#"{"tick":1,"kind":"answer","busy_ns":0,"replies":2,"close":[]}"#,
                concat!(
                    r#"{"tick":2,"kind":"timing","lateness_us":7,"work_us":0,"sleep_us":0,"#,
                    r#""strategy":"","items":0,"bytes":0}"#
                ),
                r#"{"tick":2,"kind":"answer","busy_ns":0,"replies":0,"close":[]}"#,
            ]
        );
        assert_eq!(cat("--kind close").len(), 1);
    }

    #[test]
    fn a_condition_shows_the_packets_and_replies_that_fulfil_it() {
        assert_eq!(
            cat("--where [0]=1"),
            [r#"{"tick":1,"kind":"reply","session":12,"to":12,"payload":[1]}"#]
        );
        assert_eq!(cat("--where n>2").len(), 0);
    }
}
