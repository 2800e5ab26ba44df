//! The tree of `windrow run`, on smol: the same arguments, the same summary.
//!
//! ```sh
//! cargo run --release -p windrow-smol --example tree -- --leaf chatter --json
//! ```

fn main() -> std::process::ExitCode {
    windrow_std::cli::tree::<windrow_smol::Smol>()
}
