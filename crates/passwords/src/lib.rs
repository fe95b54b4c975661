//! Whose a name and a password are (quail-checkpassword(8)).
//!
//! - [`question`]: what a checking program is asked, on descriptor 3
//! - [`hash`]: whether a proof fits a hash
//! - [`record`]: a line of `users/passwords`
//! - [`file`](mod@file): that file, searched and changed
//! - [`machine`]: the machine's accounts and their shadows
//! - [`check`](mod@check): the judgement
//! - [`failures`]: how often one address may be wrong
//! - [`program`]: the program around all that
#![forbid(unsafe_code)]

pub mod check;
pub mod failures;
pub mod file;
pub mod hash;
pub mod machine;
pub mod program;
pub mod question;
pub mod record;

pub use check::{Answer, CheckError, Login, Sources, check};
