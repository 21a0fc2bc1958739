//! `eyot-portal`: see `eyot-portal --help`. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    eyot_portal::cli::main()
}
