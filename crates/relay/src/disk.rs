//! The place where a journal is to be: whether it can be written, and whether it will last.

use std::fmt;
use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat, statfs};
use rustix::io::Errno;

/// Why what is written there may not last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// The files are in memory.
    Memory,
    /// Another machine holds the files.
    Network,
    /// The files are in a container's own layer.
    Layer,
}

/// Whether a directory can be written, or made. Nothing is changed.
///
/// # Errors
/// What making or writing it would fail with.
pub fn is_writable(dir: &Path) -> io::Result<()> {
    let there = what_is_there(dir);
    if !there.is_dir() {
        return Err(Errno::NOTDIR.into());
    }
    // By the rights with which files are opened, which may not be those of whoever started this.
    Ok(accessat(CWD, there, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

/// What is to be feared for a journal in this directory.
pub fn concern(dir: &Path) -> Option<Concern> {
    // <linux/magic.h>
    match statfs(what_is_there(dir)).ok()?.f_type as u32 {
        0x0102_1994 | 0x8584_58f6 => Some(Concern::Memory),
        0x6969 | 0xff53_4d42 | 0xfe53_4d42 | 0x0102_1997 => Some(Concern::Network),
        0x794c_7630 => Some(Concern::Layer),
        _ => None,
    }
}

/// The directory, or the first of those around it that is there.
fn what_is_there(dir: &Path) -> &Path {
    let around = dir.ancestors().filter(|path| !path.as_os_str().is_empty());
    around.into_iter().find(|path| path.exists()).unwrap_or(Path::new("."))
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "it is in memory: the recording will not survive a reboot",
            Self::Network => {
                "it is on a network file system: a sync may promise more than it keeps, and takes long"
            }
            Self::Layer => "it is in a container's own layer: the recording goes with the container",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_yet_to_be_made_is_as_writable_as_the_one_around_it() {
        let dir = tempfile::tempdir().unwrap();
        is_writable(dir.path()).unwrap();
        is_writable(&dir.path().join("a/b/c")).unwrap();
        is_writable("not-there-yet".as_ref()).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = is_writable(&dir.path().join("file/journal")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn memory_is_told_from_a_disk() {
        assert_eq!(concern("/dev/shm/not-there-yet".as_ref()), Some(Concern::Memory));
        assert_eq!(concern("/proc".as_ref()), None);
    }
}
