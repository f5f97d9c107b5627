# What a developer types. `just` lists it; each line works without just as well.

_default:
    @just --list --unsorted

# Runs a relay with an echo server behind it, or as the arguments say: just run --logic arena
run *arguments:
    cargo run --release --bin pulsegate -- {{ arguments }}

# Runs a logic server of its own process: just logic arena
logic *arguments="echo":
    cargo run --release --bin logic-server -- {{ arguments }}

# Lets clients play against it: just bots --count 1000 --duration 30s
bots *arguments="--count 100 --duration 10s":
    cargo run --release --bin pulsegate -- bots {{ arguments }}

# Runs all tests, or those of a name: just test a_torn_end
test *arguments:
    cargo test --workspace {{ arguments }}

# Counts the instructions of the hot paths, and fails if they grew; just instructions --accept
instructions *arguments:
    bench/instructions {{ arguments }}

# Formats the code, then shows what clippy would refuse
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# Opens the documentation of the code
doc:
    cargo doc --workspace --no-deps --open

# Measures it beside what people use today: just bench cost --runs 1
bench *arguments:
    bench/run {{ arguments }}

# Checks everything that must hold before a change lands
ci:
    .ci/run

# Writes config/relay.toml anew, after a setting has changed in the code
config:
    cargo run --bin pulsegate -- config default > config/relay.toml.new
    mv config/relay.toml.new config/relay.toml

# Checks licences, advisories and duplicates of what this is built on; needs cargo-deny
deny:
    cargo deny check

# Looks for bytes that break a claim, 60 s for each; just fuzz --seconds 10 frames
fuzz *arguments:
    fuzz/run {{ arguments }}

# Breaks one promise after another, and demands that a test notices
planted-bugs *names:
    reliability/planted-bugs {{ names }}

# Changes one place after another in a crate, and demands the same: just mutants pulsegate-cadence
mutants package="pulsegate-cadence" *arguments:
    cargo mutants --package {{ package }} --jobs 1 {{ arguments }}
