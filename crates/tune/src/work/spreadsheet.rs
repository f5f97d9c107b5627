//! Work times out of a CSV file.

use std::fs;
use std::path::Path;
use std::time::Duration;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::duration;
use crate::error::Error;

/// The durations of a column; without a name, of the only one.
pub(super) fn read(path: &Path, column: Option<&str>) -> Result<Vec<Duration>, Error> {
    let unreadable = |source| Error::Csv { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.into()))?;
    let mut builder = ReaderBuilder::new();
    let builder = builder.has_headers(false).flexible(true).trim(Trim::All);
    let rows = builder.from_reader(text.as_bytes()).into_records();
    let rows: Vec<_> = rows.collect::<Result<_, _>>().map_err(unreadable)?;
    let Some(first) = rows.first() else { return Err(Error::Empty(path.to_owned())) };

    let place = Place::find(path, first, column)?;
    let rows = &rows[usize::from(place.is_named)..];
    if rows.is_empty() {
        return Err(Error::Empty(path.to_owned()));
    }
    let durations = rows.iter().map(|row| {
        let line = || line_of(row, &text);
        place.duration(row).map_err(|what| Error::Line {
            path: path.to_owned(),
            line: line(),
            what,
        })
    });
    durations.collect()
}

/// The line of a row, from 1. A row's position is before the empty lines above it.
fn line_of(row: &StringRecord, text: &str) -> usize {
    let begin = row.position().map_or(0, |position| position.byte() as usize);
    let (before, rest) = text.split_at_checked(begin).unwrap_or((text, ""));
    let empty = &rest[..rest.len() - rest.trim_start_matches(['\r', '\n']).len()];
    1 + [before, empty].map(|part| part.matches('\n').count()).iter().sum::<usize>()
}

/// Where the durations are.
struct Place {
    index: usize,
    unit: String,
    /// The first row holds names.
    is_named: bool,
}

impl Place {
    fn find(path: &Path, first: &StringRecord, column: Option<&str>) -> Result<Self, Error> {
        let unclear = |what: String| Error::Column {
            path: path.to_owned(),
            columns: first.iter().map(str::to_owned).collect(),
            what,
        };
        match column {
            Some(name) => first
                .iter()
                .position(|field| field == name)
                .map(|index| Self::named(index, name))
                .ok_or_else(|| unclear(format!("there is no {name:?} among them"))),
            None if first.len() > 1 => Err(unclear("name one with --column".into())),
            None if duration(&first[0], "ms").is_ok() => {
                Ok(Self { index: 0, unit: "ms".into(), is_named: false })
            }
            None => Ok(Self::named(0, &first[0])),
        }
    }

    fn named(index: usize, name: &str) -> Self {
        let unit = name.rsplit_once('_').map_or("ms", |(_, unit)| unit).to_owned();
        Self { index, unit, is_named: true }
    }

    fn duration(&self, row: &StringRecord) -> Result<Duration, String> {
        match row.get(self.index) {
            Some(field) => duration(field, &self.unit),
            None => Err(format!("it ends before column {}", self.index + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, column: Option<&str>) -> Result<Vec<u128>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("work.csv");
        std::fs::write(&path, text).unwrap();
        let read = read(&path, column);
        read.map(|run| run.iter().map(Duration::as_micros).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn one_column_needs_no_name_and_may_have_one() {
        assert_eq!(parse("12\n3.5\n200us\n", None), Ok(vec![12_000, 3_500, 200]));
        assert_eq!(parse("work\n12\n1s\n", None), Ok(vec![12_000, 1_000_000]));
        assert_eq!(parse("work_us\n12\n", None), Ok(vec![12]));
    }

    #[test]
    fn of_several_columns_one_is_named() {
        let text = "tick,work_us,sleep_us\n1,1500,0\n2,2500,0\n";
        assert_eq!(parse(text, Some("work_us")), Ok(vec![1500, 2500]));
        let error = parse(text, None).unwrap_err();
        assert!(error.contains("tick, work_us, sleep_us: name one with --column"), "{error}");
        let error = parse(text, Some("wrok")).unwrap_err();
        assert!(error.contains("there is no \"wrok\" among them"), "{error}");
    }

    #[test]
    fn an_error_names_the_line() {
        for (text, expected) in [
            ("12\n13\nsoon\n", "work.csv, line 3: \"soon\" is no duration"),
            ("12\n\n-13\n", "line 3: -13 is no length of time"),
            ("", "holds no duration"),
            ("work\n", "holds no duration"),
        ] {
            let error = parse(text, None).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = parse("a,b\n1,2\n3\n", Some("b")).unwrap_err();
        assert!(error.contains("line 3: it ends before column 2"), "{error}");
    }
}
