//! Control files: `control/NAME`, one setting each (qmail-control(5), contract 3).
//!
//! - [`read`]: the four ways a file is read: line, line-or-default, int, list
//! - [`catalogue`]: every file we know: its form, default, range and meaning, in one table
//! - [`check`]: what is wrong in a file, by its line in the catalogue
//! - [`routing`]: the files that decide where a recipient goes, for all who want to know
//! - [`taps`]: who gets copies, and [`pattern`] for its lines
//! - [`warning`]: what is said about a wrong value: file, line, value, what would be accepted
//!
//! A missing file means the documented default. A file that cannot be read is an error for the program that
//! needs it, never a default.

pub mod catalogue;
pub mod check;
pub mod pattern;
pub mod read;
pub mod routing;
pub mod taps;
pub mod warning;

pub use catalogue::{Form, Setting};
pub use read::{Control, ControlError};
pub use warning::Warning;
