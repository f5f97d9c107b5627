//! What the kernel tells in /proc: time on a CPU, resident bytes, and its own memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The kernel's pages, in bytes; of the machines that this runs on.
const PAGE: u64 = 4096;

/// Nanoseconds on a CPU of each thread of some processes.
///
/// From `schedstat`, whose steps are nanoseconds; those of `utime` are 10 ms.
pub(crate) type Threads = BTreeMap<u32, u64>;

/// A process and all that it started.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        for task in entries(&format!("/proc/{parent}/task")) {
            let children = fs::read_to_string(format!("/proc/{parent}/task/{task}/children"));
            let children = children.unwrap_or_default();
            family
                .extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    family
}

/// The threads of a process and of all that it started.
pub(crate) fn threads(pid: u32) -> Threads {
    let of = |pid: u32| {
        entries(&format!("/proc/{pid}/task")).into_iter().filter_map(move |task| {
            // A thread that ends between the two has no figure.
            let text = fs::read_to_string(format!("/proc/{pid}/task/{task}/schedstat")).ok()?;
            Some((task, run_ns(&text)?))
        })
    };
    family(pid).into_iter().flat_map(of).collect()
}

/// Resident bytes of a process and of all that it started.
///
/// # Errors
/// The process is gone.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let of = |pid| {
        let text = read(format!("/proc/{pid}/smaps_rollup"))?;
        kib(&text, "Rss:").with_context(|| format!("process {pid} shows no Rss"))
    };
    family(pid).into_iter().map(of).sum()
}

/// How many files a process has open.
pub(crate) fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// What sockets cost in the kernel, and all else that it allocates in small pieces, in bytes.
///
/// # Errors
/// The kernel does not tell.
pub(crate) fn kernel_bytes() -> Result<u64> {
    let slab = kib(&read("/proc/meminfo")?, "Slab:").context("/proc/meminfo shows no Slab")?;
    let pages = tcp_pages(&read("/proc/net/sockstat")?);
    Ok(slab + pages.context("/proc/net/sockstat shows no memory of TCP")? * PAGE)
}

/// The text of a file.
///
/// # Errors
/// What the file system says, with the path.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Bytes in a line like `Rss:   1744 kB`.
pub(crate) fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn entries(directory: &str) -> Vec<u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The first of `schedstat`'s three numbers.
fn run_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// The pages of all TCP sockets' buffers.
fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "mem").skip(1);
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_understood() {
        assert_eq!(run_ns("253172912 40210 312\n"), Some(253_172_912));
        assert_eq!(run_ns(""), None);
        let rollup = "5569-7ffc ---p 0 00:00 0 [rollup]\nRss:        1744 kB\nPss:   472 kB\n";
        assert_eq!(kib(rollup, "Rss:"), Some(1744 * 1024));
        assert_eq!(kib(rollup, "Slab:"), None);
        let sockstat = "sockets: used 10\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 338\nUDP: mem 4\n";
        assert_eq!(tcp_pages(sockstat), Some(338));
    }

    #[test]
    fn a_process_sees_itself() {
        let own = std::process::id();
        assert!(threads(own).contains_key(&own));
        assert!(resident(own).unwrap() > 100_000);
        assert!(open_files(own) >= 3);
        assert!(kernel_bytes().unwrap() > 0);
    }
}
