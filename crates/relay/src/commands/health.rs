//! `pulsegate health`: how a relay that runs is, where there is no curl to ask it.

use std::io;

use clap::Args;
use miette::Diagnostic;
use thiserror::Error;

use super::ask::{Answer, ask as request};

/// Whom to ask, and what.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Where the relay's admin port is
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:14080")]
    address: String,
    /// Ask whether clients should come now: logic is there, and the journal works
    #[arg(long)]
    ready: bool,
}

/// What makes a relay unwell.
#[derive(Debug, Error, Diagnostic)]
enum Unwell {
    #[error("no answer from {address}: {error}")]
    #[diagnostic(help("does a relay run, and is this its admin.listen?"))]
    NoAnswer { address: String, error: io::Error },
    #[error("{address} says: {answer}")]
    SaysNo { address: String, answer: String },
}

/// Asks once, and prints the answer.
///
/// # Errors
/// There is no answer, or it is not that all is well.
pub fn run(args: HealthArgs) -> miette::Result<()> {
    println!("{}", ask(args)?);
    Ok(())
}

fn ask(HealthArgs { address, ready }: HealthArgs) -> Result<String, Unwell> {
    let path = if ready { "/readyz" } else { "/healthz" };
    match request(&address, "", path, None) {
        Ok(Answer { status: 200, text }) => Ok(text),
        Ok(Answer { text, .. }) => Err(Unwell::SaysNo { address, answer: text }),
        Err(error) => Err(Unwell::NoAnswer { address, error }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// Answers one request with `response`; the thread returns the request's first line.
    fn relay_that_says(response: &'static str) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8(request).unwrap().lines().next().unwrap().to_owned()
        });
        (address, asked)
    }

    #[test]
    fn a_relay_that_is_well_says_so() {
        let (address, asked) =
            relay_that_says("HTTP/1.0 200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}");
        assert_eq!(ask(HealthArgs { address, ready: false }).unwrap(), r#"{"status":"ok"}"#);
        assert_eq!(asked.join().unwrap(), "GET /healthz HTTP/1.0");
    }

    #[test]
    fn a_relay_that_is_not_ready_says_why() {
        let (address, asked) = relay_that_says(
            "HTTP/1.0 503 Service Unavailable\r\n\r\n{\"reasons\":[\"logic is away\"]}",
        );
        let error = ask(HealthArgs { address, ready: true }).unwrap_err().to_string();
        assert!(error.ends_with(r#"says: {"reasons":["logic is away"]}"#), "{error}");
        assert_eq!(asked.join().unwrap(), "GET /readyz HTTP/1.0");
    }

    #[test]
    fn what_does_not_speak_http_is_not_well() {
        let (address, _) = relay_that_says("nonsense");
        let error = ask(HealthArgs { address, ready: false }).unwrap_err();
        assert!(matches!(&error, Unwell::SaysNo { answer, .. } if answer == "nonsense"), "{error}");
    }

    #[test]
    fn where_nobody_listens_there_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = ask(HealthArgs { address, ready: false }).unwrap_err();
        assert!(matches!(error, Unwell::NoAnswer { .. }), "{error}");
    }
}
