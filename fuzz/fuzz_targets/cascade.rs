//! The cancel cascade, fuzzed.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windrow_fuzz::cascade(bytes));
