//! What the machine gives: how much memory this process may use.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;

/// A limit of memory, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Bytes.
    pub bytes: u64,
    /// The file of a control group that says so; `None`: there is no more in the machine.
    pub file: Option<PathBuf>,
}

/// The least that the machine or one of this process's control groups allows; `None` if that
/// cannot be found out.
pub fn memory_limit() -> Option<MemoryLimit> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let info = rustix::system::sysinfo();
    let machine =
        MemoryLimit { bytes: info.totalram as u64 * u64::from(info.mem_unit), file: None };
    let limits = group_limits(&groups, Path::new("/sys/fs/cgroup"));
    limits.chain([machine]).filter(|limit| limit.bytes > 0).min_by_key(|limit| limit.bytes)
}

/// The limits of all groups that `groups`, in the words of `/proc/self/cgroup`, names below `root`,
/// and of those that they are in.
fn group_limits(groups: &str, root: &Path) -> impl Iterator<Item = MemoryLimit> {
    let files = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (kinds, path) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let (root, file) = match kinds {
            "" => (root.to_owned(), "memory.max"),
            kinds if kinds.split(',').any(|kind| kind == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        // Within a container the path may be the host's: then only the root is there.
        let group = root.join(path.trim_start_matches('/'));
        let within = group.ancestors().take_while(|above| above.starts_with(&root));
        within.map(|above| above.join(file)).collect()
    });
    let files: Vec<_> = files.collect();
    files.into_iter().filter_map(|file| {
        // "max" is no number, and no limit.
        let bytes = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
        Some(MemoryLimit { bytes, file: Some(file) })
    })
}

/// `this machine has 4 GiB`.
impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = ByteSize(self.bytes);
        match &self.file {
            Some(file) => write!(f, "its control group allows {bytes} ({})", file.display()),
            None => write!(f, "this machine has {bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        group_limits(groups, root.path()).map(|limit| limit.bytes).min()
    }

    #[test]
    fn the_least_of_a_group_and_those_around_it_counts() {
        let files =
            [("a/memory.max", "2000\n"), ("a/b/memory.max", "max\n"), ("c/memory.max", "7")];
        assert_eq!(least("0::/a/b\n", &files), Some(2000));
        assert_eq!(least("0::/a/b/elsewhere\n", &files), Some(2000));
        assert_eq!(least("0::/\n", &files), None);
    }

    #[test]
    fn a_group_of_the_first_version_is_found_too() {
        let files = [
            ("memory/a/memory.limit_in_bytes", "3000\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("cpu/a/memory.limit_in_bytes", "5"),
        ];
        assert_eq!(least("5:cpu,cpuacct:/a\n4:memory:/a\n0::/\n", &files), Some(3000));
    }

    #[test]
    fn in_a_container_the_root_counts() {
        let files = [("memory.max", "4000\n")];
        assert_eq!(least("0::/docker/0123\n", &files), Some(4000));
        assert_eq!(least("0::/docker/0123\n", &[]), None);
    }

    #[test]
    fn this_machine_has_some() {
        assert!(memory_limit().unwrap().bytes > 1024 * 1024);
    }
}
