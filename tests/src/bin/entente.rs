//! The program `entente` for end-to-end tests: `cargo test` builds no other package's binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    entente_node::cli::main()
}
