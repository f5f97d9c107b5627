//! `pulsegate rollback`: logic is brought back to an earlier tick, and play goes on from there.

use std::io;

use clap::Args;
use miette::Diagnostic;
use pulsegate_replay::Point;
use serde_json::{Value, json};
use thiserror::Error;

use super::ask::{Answer, ask};

/// Where to, and whom to tell.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The last tick that counts: its number; or a time such as 2026-07-01T20:15:00Z or 14:03:10,
    /// -5m for five minutes ago, session:812:open or session:812:close
    #[arg(long, value_name = "POINT", allow_hyphen_values = true)]
    to: String,
    /// Where the relay's admin port is: its admin.listen
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:14080")]
    address: String,
    /// The relay's admin.token, if it has one
    #[arg(
        long,
        env = "PULSEGATE_ADMIN__TOKEN",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    token: String,
}

/// Why logic stays where it is.
#[derive(Debug, Error, Diagnostic)]
enum Refused {
    #[error("--to {0}: {1}")]
    Point(String, String),
    #[error("no answer from {address}: {error}")]
    #[diagnostic(help("does a relay run, and is this its admin.listen?"))]
    NoAnswer { address: String, error: io::Error },
    #[error("{address} says: {answer}")]
    SaysNo { address: String, answer: String },
}

/// Tells the relay, and prints what came of it.
///
/// # Errors
/// There is no answer, or it is a refusal.
pub fn run(args: RollbackArgs) -> miette::Result<()> {
    println!("{}", tell(args)?);
    Ok(())
}

fn tell(RollbackArgs { to, address, token }: RollbackArgs) -> Result<String, Refused> {
    // Said here, where the usage is at hand.
    if let Err(error) = to.parse::<Point>() {
        return Err(Refused::Point(to, error));
    }
    let body = json!({ "to": to }).to_string();
    let Answer { status, text } = ask(&address, &token, "/api/logic/rollback", Some(&body))
        .map_err(|error| Refused::NoAnswer { address: address.clone(), error })?;
    let said: Value = serde_json::from_str(&text).unwrap_or_default();
    match status {
        200 => Ok(format!(
            "logic goes on from tick {}; tick {} follows it, and {} ticks were left behind. They \
             are kept: `pulsegate journal info` names them, `pulsegate replay --until {}` plays them",
            said["to"],
            said["tick"],
            said["left_behind"],
            said["tick"].as_u64().unwrap_or_default().saturating_sub(1)
        )),
        202 => Ok(said["waits"].as_str().unwrap_or(&text).to_owned()),
        _ => {
            let answer = said["error"].as_str().unwrap_or(&text).to_owned();
            Err(Refused::SaysNo { address, answer })
        }
    }
}
