//! The journal's directory: names, permissions, the lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::fsync;

use crate::error::Error;

/// Recordings hold what players typed: they are for their owner alone.
const DIR_MODE: u32 = 0o700;
pub(crate) const FILE_MODE: u32 = 0o600;

/// A lock file says little; more than this is not ours.
const LOCK_LIMIT: u64 = 256;

#[derive(Debug, Clone)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(path)
            .map_err(Error::io("create", path))?;
        // The directory's own name must survive a power cut too.
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Self::new(parent).sync()?;
        }
        Ok(Self::new(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:08}.mcap"))
    }

    /// Where the marks of a segment are, if there are any.
    pub(crate) fn marks(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:08}.marks"))
    }

    pub(crate) fn unfinished(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:08}.mcap.tmp"))
    }

    /// The numbers of the segments that are there, in order.
    pub(crate) fn segments(&self) -> Result<Vec<u64>, Error> {
        let mut numbers = Vec::new();
        for name in self.names()? {
            let number = name.strip_suffix(".mcap").and_then(|stem| stem.parse().ok());
            if let Some(number) = number.filter(|number| name == format!("{number:08}.mcap")) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Removes what a compression left that was cut short.
    pub(crate) fn remove_unfinished(&self) -> Result<(), Error> {
        for name in self.names()?.iter().filter(|name| name.ends_with(".mcap.tmp")) {
            self.remove(&self.path.join(name))?;
        }
        Ok(())
    }

    pub(crate) fn remove(&self, file: &Path) -> Result<(), Error> {
        fs::remove_file(file).map_err(Error::io("remove", file))
    }

    /// Removes a segment's marks. Best effort: they are no part of the journal.
    pub(crate) fn remove_marks(&self, number: u64) {
        if let Err(error) = fs::remove_file(self.marks(number))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(%error, number, "a segment's marks could not be removed");
        }
    }

    /// Makes created, renamed and removed names durable.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        File::open(&self.path)
            .and_then(|dir| Ok(fsync(&dir)?))
            .map_err(Error::io("sync", &self.path))
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let read = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.path)? {
                names.extend(entry?.file_name().into_string());
            }
            Ok(names)
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::NoJournal(self.path.clone()))
            }
            names => names.map_err(Error::io("read", &self.path)),
        }
    }

    /// Takes the journal for this process, until the lock is dropped.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let path = self.path.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        let noted = Note::read(&mut file);
        match file.try_lock() {
            Ok(()) => Ok(Lock { file, newest: noted.newest }),
            Err(TryLockError::WouldBlock) => {
                let holder =
                    noted.pid.map_or("another process".to_owned(), |pid| format!("process {pid}"));
                Err(Error::Locked { dir: self.path.clone(), holder })
            }
            Err(TryLockError::Error(source)) => Err(Error::io("lock", &path)(source)),
        }
    }

    /// The newest segment that a writer of this journal ever began, as far as it is noted.
    pub(crate) fn newest_noted(&self) -> u64 {
        File::open(self.path.join("lock")).map_or(0, |mut file| Note::read(&mut file).newest)
    }
}

/// A journal's random id.
pub(crate) fn new_lineage(dir: &Directory) -> Result<String, Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|error| io::Error::other(error.to_string()))
        .map_err(Error::io("make an id for", dir.path()))?;
    Ok(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Creates a file that was not there, for its owner alone.
pub(crate) fn create_file(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(Error::io("create", path))
}

pub(crate) fn open_file(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(Error::io("open", path))
}

/// The hold on a journal. Its file names the holder, and the newest segment, so that a missing
/// last segment is noticed.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    newest: u64,
}

impl Lock {
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Notes the newest segment. Best effort: the note helps to find damage, nothing rests on it.
    pub(crate) fn note(&mut self, newest: u64) {
        self.newest = newest;
        let text = format!("pid {}\nsegment {newest}\n", std::process::id());
        let written = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(text.as_bytes()));
        if let Err(error) = written {
            tracing::debug!(%error, "the journal's lock file could not be written");
        }
    }
}

#[derive(Default)]
struct Note {
    pid: Option<u32>,
    newest: u64,
}

impl Note {
    fn read(file: &mut File) -> Self {
        let mut text = String::new();
        let mut note = Self::default();
        if file.take(LOCK_LIMIT).read_to_string(&mut text).is_ok() {
            for line in text.lines() {
                match line.split_once(' ') {
                    Some(("pid", pid)) => note.pid = pid.parse().ok(),
                    Some(("segment", newest)) => note.newest = newest.parse().unwrap_or(0),
                    _ => {}
                }
            }
        }
        note
    }
}
