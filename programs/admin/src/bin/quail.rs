//! quail(1): the one new front door. Logic and tests live in crate `admin`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    admin::run()
}
