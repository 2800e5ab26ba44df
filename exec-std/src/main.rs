//! The program `windrow`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    windrow_std::cli::main::<windrow_std::Blocking>()
}
