//! What docs/reliability.md says that shows a behaviour is there.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All code of the repository, beside what is built.
fn code(dir: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            text.push_str(&code(&path));
        } else if name.ends_with(".rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}

/// What stands between backticks in the last column of the tables of faults.
fn evidence(page: &str) -> Vec<&str> {
    let is_fault = |row: &&str| row.starts_with("| ") && row.matches(" | ").count() == 3;
    let cells = page.lines().filter(is_fault).filter_map(|row| row.rsplit_once(" | "));
    cells.flat_map(|(_, cell)| cell.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn every_test_attack_and_target_that_the_page_names_exists() {
    let page = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let code = code(&root());
    let evidence = evidence(&page);
    assert!(evidence.len() > 100, "{}", evidence.len());
    for name in evidence {
        let exists = match name.split_once(' ') {
            Some(("fuzz/run", target)) => {
                root().join(format!("fuzz/fuzz_targets/{target}.rs")).exists()
            }
            Some(("reliability/run", attack)) => {
                let attack = attack.split(' ').next().unwrap();
                code.contains(&format!("mod {attack};"))
            }
            _ => code.contains(&format!("fn {name}(")),
        };
        assert!(exists, "docs/reliability.md names `{name}`, which is not there");
    }
}
