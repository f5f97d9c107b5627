//! Recorded clients for a person at a terminal: progress, then a summary, then an exit code.

use std::fmt;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use pulsegate_bots::recorded::{Options, Progress, Summary};
use tokio_util::sync::CancellationToken;

use super::{Played, as_clients};
use crate::args::ReplayArgs;

/// Plays as the command line says, against the relay at this address. Ctrl-C ends it early.
pub(crate) async fn run(args: ReplayArgs, address: String) -> ExitCode {
    let stop = CancellationToken::new();
    let interrupt = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupt.cancel();
        }
    });
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("it is a constant");
    let bar = ProgressBar::new_spinner().with_style(style);
    let (json, times) = (args.json, args.times);
    let outcome =
        as_clients(args, Options { address, times, stop }, |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    match outcome {
        Ok(played) => {
            if json {
                println!("{}", serde_json::json!(played));
            } else {
                print!("{played}");
            }
            let Summary { traffic, clients, .. } = played.summary;
            ExitCode::from(match traffic.joined {
                0 if clients > 0 => 2,
                joined => u8::from(joined < clients),
            })
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "{:<16}{note}", "range")?;
        }
        self.summary.fmt(f)
    }
}

fn show(bar: &ProgressBar, progress: Progress) {
    let Progress { at, behind, joined, parted, sent } = progress;
    bar.set_message(format!(
        "{:.1} s played, {} ms behind · {joined} clients joined, {parted} gone · {sent} packets sent",
        at.as_secs_f64(),
        behind.as_millis(),
    ));
    bar.tick();
}
