//! The kernel, made safe: the only crate with unsafe code.
