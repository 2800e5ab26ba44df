//! The tests of the core, one binary.

mod machine;
mod sim;
