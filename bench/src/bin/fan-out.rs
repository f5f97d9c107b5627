//! A logic server that answers every twentieth tick with 1 KiB to all.

use std::env;
use std::io;

use pulsegate_logic::{Address, Logic, Memory, Options, Replies, Tick, serve};
use tokio_util::sync::CancellationToken;

const EVERY: u64 = 20;
const NEWS: [u8; 1024] = [b'n'; 1024];

struct FanOut;

impl Logic for FanOut {
    const NAME: &'static str = "fan-out";
    const MEMORY: Memory = Memory::Nothing;

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        if tick.number().is_multiple_of(EVERY) {
            replies.all(&NEWS[..]);
        }
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:14001".into());
    let listener = Address::Tcp(address).bind().await?;
    serve(listener, Options::default(), |_| FanOut, CancellationToken::new()).await;
    Ok(())
}
