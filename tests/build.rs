//! Writes the arena sample with one of its rules changed: a wall to the east that is a step nearer.

use std::path::Path;
use std::{env, fs};

const ARENA: &str = "../crates/logic-server/src/samples/arena.rs";
const RULE: &str = "Direction::East => self.x = (self.x + 1).min(SIZE - 1),";
const CHANGED: &str = "Direction::East => self.x = (self.x + 1).min(SIZE - 2),";

fn main() {
    println!("cargo::rerun-if-changed={ARENA}");
    let arena = fs::read_to_string(ARENA).expect("the sample is in the workspace");
    assert_eq!(arena.matches(RULE).count(), 1, "{ARENA} has its rule no longer: change {RULE:?}");
    // What is included into a module has no documentation of its own.
    let lines = arena.lines().filter(|line| !line.starts_with("//!"));
    let text = lines.map(|line| line.replace(RULE, CHANGED) + "\n").collect::<String>();
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("changed_arena.rs"), text).expect("cargo made the directory");
}
