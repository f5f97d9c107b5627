//! Clients that say too little, or too slowly.

use std::io::Write;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pulsegate_tests::{TestRelay, soon};

use super::honest::connect_and_echo;
use super::hostile::connect;
use crate::attack::Figures;
use crate::logic::Scale;

/// An honest client is answered within this, whoever else is there.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Clients that begin a frame, and send a byte of it now and then: each is closed `frame_within`
/// of its first byte, and honest ones get in meanwhile.
pub(super) fn drips(scale: &Scale<'_>, figures: &mut Figures) {
    let slow = Slow { name: "drips", speaks: true };
    slow.crowd(scale, figures);
}

/// Clients that never send a byte: closed after `first_frame_within`.
pub(super) fn silence(scale: &Scale<'_>, figures: &mut Figures) {
    let slow = Slow { name: "silence", speaks: false };
    slow.crowd(scale, figures);
}

/// Those who never said a word are crowded out by newer ones, or closed when it is time.
fn closed(relay: &TestRelay) -> f64 {
    let closed =
        |reason| relay.metric(&format!("pulsegate_sessions_closed_total{{reason=\"{reason}\"}}"));
    ["frame_late", "no_first_frame", "crowded_out"].map(closed).iter().sum()
}

/// How often each sends a byte.
const DRIP: Duration = Duration::from_secs(2);

struct Slow {
    name: &'static str,
    speaks: bool,
}

impl Slow {
    fn crowd(&self, scale: &Scale<'_>, figures: &mut Figures) {
        let clients = scale.of(2000, 19_000);
        let within = Duration::from_secs(scale.of(4, 10));
        let relay = TestRelay::start(&format!(
            "limits.sessions = {}\nclient.frame_within = \"{within:?}\"\n\
             client.first_frame_within = \"{within:?}\"",
            clients + 100
        ));
        let (began, mut slowest) = (Instant::now(), Duration::ZERO);
        let mut crowd = Vec::new();
        for number in 0..clients {
            crowd.push(self.join(&relay, number));
            if number % 500 == 0 {
                slowest = slowest.max(connect_and_echo(relay.clients()));
            }
        }
        let joined = began.elapsed();
        let patience = within + Duration::from_secs(10);
        let mut dripped = Instant::now();
        let gone = soon(patience, || {
            slowest = slowest.max(connect_and_echo(relay.clients()));
            if dripped.elapsed() > DRIP {
                dripped = Instant::now();
                self.drip(&mut crowd);
            }
            sleep(Duration::from_millis(100));
            (closed(&relay) >= clients as f64).then(|| began.elapsed())
        });
        let name = self.name;
        let gone = gone.unwrap_or_else(|| panic!("{} of {clients} gone", closed(&relay)));
        figures.add(&format!("{name}: clients"), clients);
        figures.add(&format!("{name}: slowest honest connect and echo, ms"), slowest.as_millis());
        figures.add(
            &format!("{name}: all gone s after the last came, of {within:?} allowed"),
            format!("{:.1}", (gone - joined).as_secs_f64()),
        );
        assert!(slowest <= AT_ONCE, "an honest client waited {slowest:?}");
        assert!(gone - joined <= within + Duration::from_secs(2), "{gone:?} after {joined:?}");
    }

    fn join(&self, relay: &TestRelay, number: usize) -> TcpStream {
        let mut stream = connect(relay.clients(), number);
        if self.speaks {
            stream.write_all(b"\0\0\x01\0begun").unwrap();
        }
        stream
    }

    /// A byte of each; those that were closed are past caring.
    fn drip(&self, crowd: &mut [TcpStream]) {
        if self.speaks {
            crowd.iter_mut().for_each(|stream| {
                let _ = stream.write(b".");
            });
        }
    }
}
