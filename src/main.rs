//! The `mfatrail` command.

fn main() -> std::process::ExitCode {
    mfatrail::cli::main()
}
