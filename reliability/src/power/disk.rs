//! A disk that can lose its power: an ext4 file system in a file.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Small enough to be read in some milliseconds, large enough for a round.
const BYTES: u64 = 24 * 1024 * 1024;

/// A file system that is mounted until this is dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    image: PathBuf,
    place: PathBuf,
}

impl Disk {
    /// A new one, empty.
    pub(crate) fn new(home: &Path, name: &str, options: &str) -> Self {
        let image = home.join(name).with_extension("image");
        File::create(&image).unwrap().set_len(BYTES).unwrap();
        run(
            "mkfs.ext4",
            ["-q", "-F", "-b", "4096"].map(OsStr::new).into_iter().chain([image.as_ref()]),
        );
        Self::mount(home, name, options)
    }

    /// One that holds what another held when its power was cut.
    pub(crate) fn of(picture: &[u8], home: &Path, name: &str) -> Self {
        fs::write(home.join(name).with_extension("image"), picture).unwrap();
        Self::mount(home, name, "loop")
    }

    fn mount(home: &Path, name: &str, options: &str) -> Self {
        let disk = Self { image: home.join(name).with_extension("image"), place: home.join(name) };
        fs::create_dir_all(&disk.place).unwrap();
        let options = ["-o", options].map(OsStr::new);
        run("mount", options.into_iter().chain([disk.image.as_ref(), disk.place.as_ref()]));
        disk
    }

    /// Where the journal is on it.
    pub(crate) fn journal(&self) -> PathBuf {
        self.place.join("journal")
    }

    /// What a power cut would leave at this moment, while nobody writes to it but the kernel: the
    /// blocks that the file system has handed to the disk, and nothing of what it still holds
    /// back.
    ///
    /// The kernel may write while this reads. Two readings that are the same show what was there
    /// between them.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let mut before = fs::read(&self.image).unwrap();
        for _ in 0..100 {
            let again = fs::read(&self.image).unwrap();
            if again == before {
                return again;
            }
            before = again;
        }
        panic!("{} is written without a pause", self.image.display());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Its relay may be dying still; without a wait, and gone as soon as nobody uses it.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.place).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted until this ends", self.place.display());
        }
    }
}

/// Why no disk can be had here; nothing if one can.
pub(crate) fn refusal(home: &Path) -> Option<String> {
    let image = home.join("trial.image");
    File::create(&image).unwrap().set_len(BYTES).unwrap();
    let place = home.join("trial");
    fs::create_dir_all(&place).unwrap();
    let steps: [(&str, Vec<&OsStr>); 3] = [
        ("mkfs.ext4", vec!["-q".as_ref(), "-F".as_ref(), image.as_ref()]),
        ("mount", vec!["-o".as_ref(), "loop".as_ref(), image.as_ref(), place.as_ref()]),
        ("umount", vec![place.as_ref()]),
    ];
    steps.into_iter().find_map(|(program, arguments)| match output(program, arguments) {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("{program}: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Some(format!("{program}: {error}")),
    })
}

fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) {
    let output = output(program, arguments).unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
}

fn output<'a>(
    program: &str,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> std::io::Result<Output> {
    Command::new(program).args(arguments).output()
}
