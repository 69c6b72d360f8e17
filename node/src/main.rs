//! `tertulia`: see `tertulia --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tertulia_node::cli::main()
}
