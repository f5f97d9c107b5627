//! Programs that tests need and that are not ours.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::fs::{FlockOperation, flock};

/// `strace`, or `None` and a word to the terminal.
pub fn strace() -> Option<Command> {
    available("strace", "/usr/bin/strace").map(Command::new)
}

/// `tshark`, Wireshark without its windows, or `None` and a word to the terminal.
pub fn tshark() -> Option<Command> {
    available("tshark", "/usr/bin/tshark").map(Command::new)
}

/// The library that gives a process another wall clock, or `None` and a word to the terminal.
pub fn libfaketime() -> Option<PathBuf> {
    let machine = std::env::consts::ARCH;
    available("libfaketime", &format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1"))
}

/// A file of a Debian package, which is installed if this runs as root and it is missing.
fn available(package: &str, file: &str) -> Option<PathBuf> {
    let find = || Some(PathBuf::from(file)).filter(|file| file.exists());
    find()
        .or_else(|| {
            install(package);
            find()
        })
        .or_else(|| {
            // Past the test runner, which hides what a test that passes says.
            let _ = writeln!(std::io::stderr(), "\nNOT TESTED: Debian's {package} is not here\n");
            None
        })
}

fn install(package: &str) {
    // Other test processes wait here.
    let Ok(lock) = File::create(std::env::temp_dir().join("pulsegate-tests.install")) else {
        return;
    };
    let _ = flock(&lock, FlockOperation::LockExclusive);
    for arguments in
        [&["update", "-q"][..], &["install", "-y", "-q", "--no-install-recommends", package]]
    {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        let _ = apt.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
