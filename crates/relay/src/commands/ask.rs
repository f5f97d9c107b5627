//! A request to a relay's admin port, where there is no curl.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long to wait for each step of an answer: longer than an operator's word may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// The longest answer that is read; the true ones have a few lines.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// What the relay answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status line's number; 0 if it was no HTTP.
    pub status: u16,
    /// The body, or the status line if there is none.
    pub text: String,
}

/// Asks for something, or tells something: then with a JSON body.
///
/// # Errors
/// What the network says; one whose name has no address is not found.
pub fn ask(address: &str, token: &str, path: &str, body: Option<&str>) -> io::Result<Answer> {
    let mut stream = connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (method, body) = body.map_or(("GET", ""), |body| ("POST", body));
    let token = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    // Of HTTP 1.0, since its answers end with the connection and are never in chunks.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\n{token}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut response = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut response)?;
    Ok(read(&response))
}

fn read(response: &str) -> Answer {
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((response, ""));
    let status_line = head.lines().next().unwrap_or_default();
    let status = status_line.split(' ').nth(1).and_then(|number| number.parse().ok());
    let text = if body.is_empty() { status_line } else { body };
    Answer { status: status.unwrap_or(0), text: text.trim().to_owned() }
}

/// A connection to the first of the name's addresses that takes one.
fn connect(address: &str) -> io::Result<TcpStream> {
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}
