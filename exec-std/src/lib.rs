//! Scaffold.
pub mod unix;
