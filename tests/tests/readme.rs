//! The programs in the README are those in the examples.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

#[test]
fn the_programs_of_the_readme_are_those_that_are_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    for (file, language) in [
        ("examples/client.py", "python"),
        ("crates/logic-server/examples/counter.rs", "rust"),
        ("examples/chat.py", "python"),
    ] {
        let program = fs::read_to_string(root.join(file)).unwrap();
        // It opens with a comment on how to run it, and an empty line.
        let first = program.find("\n\nimport ").or_else(|| program.find("\n\nuse ")).unwrap() + 2;
        let block = format!("```{language}\n{}```\n", &program[first..]);
        assert!(readme.contains(&block), "the README shows another {file}:\n{block}");
    }
}
