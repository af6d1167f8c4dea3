//! Compiles the `.proto` files with protox, so that no `protoc` has to be installed.

use std::error::Error;
use std::path::Path;

const FILES: [&str; 7] =
    ["log.proto", "record.proto", "list.proto", "operation.proto", "sync.proto", "access.proto", "unit.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed=protos/{file}");
    }
    let descriptors = protox::compile(FILES, [Path::new("protos")])?;
    let services = std::env::var_os("CARGO_FEATURE_GRPC").is_some();
    tonic_prost_build::configure()
        .build_client(services)
        .build_server(services)
        .build_transport(false)
        .bytes(".entente.v1.Bundle")
        .bytes(".entente.v1.Outline")
        .compile_fds(descriptors)?;
    Ok(())
}
