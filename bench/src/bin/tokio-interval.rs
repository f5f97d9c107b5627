//! How late tokio's `interval` is: one line for each beat, in nanoseconds.
//!
//! `tokio-interval PERIOD_US BEATS`, on tokio's usual runtime, in a task as usual.

use std::env;
use std::time::Duration;

#[tokio::main]
async fn main() {
    let mut numbers = env::args().skip(1).filter_map(|number| number.parse().ok());
    let (Some(period_us), Some(beats)) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: tokio-interval PERIOD_US BEATS");
        return;
    };
    let beating = tokio::spawn(beat(Duration::from_micros(period_us), beats));
    for late in beating.await.unwrap_or_default() {
        println!("{}", late.as_nanos());
    }
}

#[expect(clippy::disallowed_methods, reason = "this is what is measured")]
async fn beat(period: Duration, beats: u64) -> Vec<Duration> {
    let mut interval = tokio::time::interval(period);
    let mut late = Vec::new();
    for _ in 0..beats {
        let due = interval.tick().await;
        late.push(due.elapsed());
    }
    late
}
