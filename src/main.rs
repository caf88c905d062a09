//! The `mfatrail` command.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    mfatrail::cli::main()
}
