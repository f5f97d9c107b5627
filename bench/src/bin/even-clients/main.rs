//! Clients whose packets are spread evenly over time.
//!
//! `pulsegate bots` sleeps by tokio's timer, whose steps are 1 ms: all packets of a millisecond come
//! together, and who gets them is woken once for all. Real clients know nothing of each other. These
//! send one packet each `1 / (count × rate)` seconds, in an order that is random and always the same.
//!
//! - [`crowd`]: their connections
//! - [`sending`]: a thread that sends, by the clock
//! - [`receiving`]: a thread that counts what comes back

mod crowd;
mod receiving;
mod sending;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use serde_json::json;

use crate::crowd::Crowd;
use crate::receiving::Received;
use crate::sending::Sent;

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long the last packets have for coming back.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// Sends packets that are spread evenly over time, and counts what comes back.
///
/// A packet is a body of 64 bytes behind its length (4 bytes, big-endian). Prints one line of JSON;
/// fails if a packet is missing or a connection was closed.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to connect
    address: SocketAddr,
    /// How many clients
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Packets a second, of each client
    #[arg(long, value_parser = positive)]
    rate: f64,
    /// For how many seconds they play, once all have joined
    #[arg(long, value_parser = positive)]
    seconds: f64,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "this is no number")?;
    if (1e-3..=1e6).contains(&number) { Ok(number) } else { Err("0.001 to 1000000".into()) }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let crowd = Arc::new(Crowd::new(arguments.count)?);
    let received = Arc::new(Received::new(arguments.count));
    let sent = play(arguments, &crowd, &received)?;
    let all_back = || received.is_all(&sent);
    let until = Instant::now() + BACK_WITHIN;
    while !all_back() && Instant::now() < until {
        thread::sleep(LOOK_EVERY);
    }
    let (total, back) = (sent.packets.iter().sum::<u64>(), received.packets());
    println!("{}", json!({ "sent": total, "received": back, "late_p99_us": sent.late_p99_us() }));
    ensure!(received.closed() == 0, "{} connections were closed", received.closed());
    ensure!(all_back(), "{back} packets came back of {total}, or to other clients");
    Ok(())
}

/// Lets clients join and play. They send from when they have joined, so none is silent meanwhile.
fn play(arguments: &Arguments, crowd: &Arc<Crowd>, received: &Arc<Received>) -> Result<Sent> {
    thread::spawn({
        let (crowd, received) = (crowd.clone(), received.clone());
        move || received.count(&crowd)
    });
    let over = Arc::new(AtomicBool::new(false));
    let sender = thread::spawn({
        let (crowd, over, rate) = (crowd.clone(), over.clone(), arguments.rate);
        move || sending::send_until(&over, &crowd, rate)
    });
    crowd.join(arguments.address)?;
    thread::sleep(Duration::from_secs_f64(arguments.seconds));
    over.store(true, Ordering::Relaxed);
    let sent = sender.join().map_err(|_| anyhow!("the thread that sends panicked"))?;
    sent.with_context(|| format!("{} connections were closed", received.closed()))
}
