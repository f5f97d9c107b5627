//! A logic server in thirty lines: everyone sees how many packets have been sent.
//!
//! `cargo run -p pulsegate-logic --example counter`, then `pulsegate run --logic 127.0.0.1:14001`.

use pulsegate_logic::{Address, Event, Logic, Options, Replies, RestoreError, Tick, serve};
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Counter(u64);

impl Logic for Counter {
    const NAME: &'static str = "counter";

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        let packets = tick.events().filter(|event| matches!(event, Event::Packet { .. }));
        let new = packets.count() as u64;
        self.0 += new;
        if new > 0 {
            replies.all(format!(r#"{{"tick":{},"packets":{}}}"#, tick.number(), self.0));
        }
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(&self.0).ok()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        self.0 = serde_json::from_slice(state)?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = Address::Tcp("127.0.0.1:14001".into()).bind().await?;
    serve(listener, Options::default(), |_| Counter::default(), CancellationToken::new()).await;
    Ok(())
}
