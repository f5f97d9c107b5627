//! Generates the link's types from `proto/pulsegate.proto`, without a system `protoc`.

use std::path::Path;
use std::{env, fs};

use prost::Message;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());

    let descriptors = match protox::compile(["pulsegate.proto"], [root]) {
        Ok(descriptors) => descriptors,
        Err(error) => panic!("proto/pulsegate.proto does not compile:\n{error:?}"),
    };
    let out =
        Path::new(&env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("descriptors.bin");
    fs::write(out, descriptors.encode_to_vec()).expect("OUT_DIR is writable");

    prost_build::Config::new()
        .bytes(["."])
        .compile_fds(descriptors)
        .expect("prost accepts what protox accepted");
}
