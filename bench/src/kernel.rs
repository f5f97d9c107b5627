//! What the kernel tells of processes: time on a CPU, resident bytes, and its own memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// The kernel's pages, in bytes; of the machines that this runs on.
const PAGE: u64 = 4096;

/// Time on a CPU of each of some processes.
///
/// From the process's CPU clock. It counts nanoseconds, where `utime` in /proc has steps of 10 ms;
/// and it counts threads that have ended, where `schedstat` in /proc has only those that live.
pub(crate) type CpuTimes = BTreeMap<u32, Duration>;

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

/// The CPU time of a process and of all that it started, with all their threads.
pub(crate) fn cpu_times(pid: u32) -> CpuTimes {
    // A process that ends between the two has no clock.
    family(pid).into_iter().filter_map(|pid| Some((pid, cpu_time(pid)?))).collect()
}

fn cpu_time(pid: u32) -> Option<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.try_into().ok()?)).ok()?;
    Some(clock.now().ok()?.into())
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
        let rollup = "5569-7ffc ---p 0 00:00 0 [rollup]\nRss:        1744 kB\nPss:   472 kB\n";
        assert_eq!(kib(rollup, "Rss:"), Some(1744 * 1024));
        assert_eq!(kib(rollup, "Slab:"), None);
        let sockstat = "sockets: used 10\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 338\nUDP: mem 4\n";
        assert_eq!(tcp_pages(sockstat), Some(338));
    }

    #[test]
    fn what_ended_threads_used_is_counted() {
        let own = std::process::id();
        let before = cpu_time(own).unwrap();
        let work = Duration::from_millis(50);
        let busy = move || {
            let begin = std::time::Instant::now();
            while begin.elapsed() < work {}
        };
        std::thread::spawn(busy).join().unwrap();
        assert!(cpu_time(own).unwrap() - before > work / 10);
    }

    #[test]
    fn a_process_sees_itself() {
        let own = std::process::id();
        assert!(cpu_times(own)[&own] > Duration::ZERO);
        assert!(resident(own).unwrap() > 100_000);
        assert!(open_files(own) >= 3);
        assert!(kernel_bytes().unwrap() > 0);
    }
}
