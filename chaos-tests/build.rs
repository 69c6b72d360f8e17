//! Compiles the protocols of the replication bench without an installed `protoc`, and lets the simulator answer
//! `getrandom` also to those who look it up by name.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["replica.proto", "etcd.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(files)?;
    println!("cargo::rustc-link-arg-bin=tertulia-sim=-Wl,--export-dynamic-symbol=getrandom");
    Ok(())
}
