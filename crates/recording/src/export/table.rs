//! Entries as rows of a CSV file.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::entry::{Entry, Who};
use crate::line::{time, to};

const COLUMNS: [&str; 8] =
    ["tick", "time", "kind", "session", "to", "said", "payload", "payload_base64"];

/// Writes entries as rows. Bodies that are no text are in a column of their own, as base64; what an
/// entry says besides is JSON.
#[derive(Debug)]
pub struct Table<W: Write>(csv::Writer<W>);

impl<W: Write> Table<W> {
    /// Begins with the names of the columns.
    ///
    /// # Errors
    /// What `out` refuses.
    pub fn begin(out: W) -> io::Result<Self> {
        let mut table = csv::Writer::from_writer(out);
        table.write_record(COLUMNS).map_err(io_error)?;
        Ok(Self(table))
    }

    /// Writes a row.
    ///
    /// # Errors
    /// What `out` refuses.
    pub fn take(&mut self, entry: &Entry) -> io::Result<()> {
        let tick = entry.tick.to_string();
        let time = if entry.wall_ns > 0 { time(entry.wall_ns) } else { String::new() };
        let (session, to) = match &entry.who {
            Who::Nobody => (String::new(), String::new()),
            Who::One(id) => (id.to_string(), String::new()),
            who => (String::new(), to(who).to_string().replace('"', "")),
        };
        let body = entry.body.as_deref().unwrap_or_default();
        let (text, base64) = match std::str::from_utf8(body) {
            Ok(text) => (text, String::new()),
            Err(_) => ("", STANDARD.encode(body)),
        };
        let (kind, besides) = (entry.kind.name(), said(entry));
        let row = [&tick, &time, kind, &session, &to, &besides, text, &base64];
        self.0.write_record(row).map_err(io_error)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// What `out` refuses.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The file's own error: a reader that has seen enough is none.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn said(entry: &Entry) -> String {
    if entry.said.is_empty() {
        return String::new();
    }
    let said = entry.said.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Object(said.collect::<Map<_, _>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Kind;

    #[test]
    fn any_body_is_one_field_of_one_row() {
        let mut out = Vec::new();
        let mut table = Table::begin(&mut out).unwrap();
        let bodies: [&'static [u8]; 3] = [b"a \"b\",\nc", b"\xff", b""];
        for body in bodies {
            let who = Who::Several(vec![1, 2]);
            let said = vec![("push", true.into())];
            let body = Some(body.into());
            table.take(&Entry { tick: 1, wall_ns: 0, kind: Kind::Reply, who, said, body }).unwrap();
        }
        table.finish().unwrap();
        let mut rows = csv::Reader::from_reader(out.as_slice());
        let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
        assert_eq!(&rows[0][4], "[1,2]");
        assert_eq!((&rows[0][5], &rows[0][6]), ("{\"push\":true}", "a \"b\",\nc"));
        assert_eq!((&rows[1][6], &rows[1][7]), ("", "/w=="));
        assert_eq!(rows.len(), 3);
    }
}
