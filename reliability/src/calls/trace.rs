//! What `strace` noted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::fault::Call;

/// The calls of each thread, in order.
fn threads(prefix: &Path) -> Vec<Vec<String>> {
    let name = format!("{}.", prefix.file_name().unwrap().display());
    let files = fs::read_dir(prefix.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
    let ours = files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with(&name));
    ours.map(|file| {
        let text = fs::read(file).unwrap();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    })
    .collect()
}

/// Forgets it.
pub(crate) fn forget(prefix: &Path) {
    let name = format!("{}.", prefix.file_name().unwrap().display());
    for file in fs::read_dir(prefix.parent().unwrap()).unwrap().map(|file| file.unwrap()) {
        if file.file_name().to_str().unwrap().starts_with(&name) {
            fs::remove_file(file.path()).unwrap();
        }
    }
}

/// How often the thread that did it most did each call on the journal's files, or on sockets.
pub(crate) fn counts(prefix: &Path, journal: &Path) -> BTreeMap<Call, u32> {
    let journal = journal.display().to_string();
    let mut most = BTreeMap::new();
    for thread in threads(prefix) {
        let mut here: BTreeMap<Call, u32> = BTreeMap::new();
        for line in thread {
            let Some((name, _)) = line.split_once('(') else { continue };
            let on_journal = line.contains(&journal);
            if on_journal || SOCKET_CALLS.contains(&name) {
                *here.entry(Call { name: name.to_owned(), on_journal }).or_default() += 1;
            }
        }
        for (call, count) in here {
            let known = most.entry(call).or_default();
            *known = count.max(*known);
        }
    }
    most
}

/// What links and clients are served with.
pub(crate) const SOCKET_CALLS: [&str; 8] =
    ["connect", "accept4", "recvfrom", "sendto", "writev", "sendmsg", "recvmsg", "shutdown"];

/// What a journal is made of.
pub(crate) const FILE_CALLS: [&str; 22] = [
    "mkdir",
    "openat",
    "read",
    "pread64",
    "write",
    "pwrite64",
    "pwritev",
    "fdatasync",
    "fsync",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "getdents64",
    "flock",
    "statx",
    "fstat",
    "lseek",
    "fcntl",
    "close",
];

/// Panics if a segment was written to or synced after a sync of it had failed.
#[track_caller]
pub(crate) fn no_failed_sync_was_tried_again(prefix: &Path) {
    for thread in threads(prefix) {
        let mut failed = BTreeSet::new();
        for line in thread {
            // A name that is created anew, after its file was removed, is another file.
            if line.starts_with("openat(") && line.contains("O_EXCL") {
                failed.retain(|path: &String| !line.contains(path.as_str()));
            }
            let Some((path, name)) = segment(&line).zip(line.split_once('(').map(|call| call.0))
            else {
                continue;
            };
            assert!(!failed.contains(path), "after a failed sync: {line}");
            if matches!(name, "fsync" | "fdatasync") && line.contains(" = -1 ") {
                failed.insert(path.to_owned());
            }
        }
    }
}

/// The segment whose descriptor a call is given.
fn segment(line: &str) -> Option<&str> {
    let (path, _) = line.split_once('<')?.1.split_once('>')?;
    path.ends_with(".mcap").then_some(path)
}
