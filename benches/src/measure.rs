//! What an MTA costs, from outside.
//!
//! - [`group`]: its processes, and the processor time of all of them, ended ones too
//! - [`memory`]: what they occupy
//! - [`calls`]: which system calls they make
//! - [`disk`]: flushes of the disk
//! - [`machine`]: what it runs on
//! - [`limits`]: what the machine itself can do
//! - [`statistics`]: medians and percentiles

pub mod calls;
pub mod disk;
pub mod group;
pub mod limits;
pub mod machine;
pub mod memory;
pub mod statistics;
