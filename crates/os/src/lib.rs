//! The kernel, made safe: the only crate with `unsafe` code.
//!
//! A wrapper is a few lines, its name is the promise, its SAFETY line says why the call cannot go wrong. What
//! `nix` and `std` already make safe is used from there directly.
//!
//! - [`cached`]: files read without waiting for a disk
//! - [`child`]: waiting for a child together with other things
//! - [`environment`]: forgetting a stranger's environment
//! - [`fatal_signal`]: signals that end a program with a code, or are not heard
//! - [`descriptors`]: closing what whoever started us left open
//! - [`file_system`]: whether changes become durable in order
//! - [`heap`]: how the allocator behaves
//! - [`home`]: where the installation lives, who owns its parts
//! - [`interfaces`]: this host's own addresses
//! - [`local_time`]: the time zone of this machine
//! - [`memory`]: memory that held a secret
//! - [`password_hash`]: hashes as crypt(5) has them
//! - [`process`]: inherited descriptors, identities for good, starting programs
//! - [`packet`]: packets with descriptors between a spawner and its workers
//! - [`shadow`]: the machine's password records
//! - [`shared_sync`]: one sync of a directory for everybody who waits for it
//! - [`stream`]: small questions about a byte stream that somebody else opened
//! - [`strerror`]: the original's words for errno
//! - [`syslog`]: the socket of the syslog daemon
//! - [`utmp`]: who is logged in where
//! - [`writeback`]: starting to write a file out, before its sync

pub mod cached;
pub mod child;
pub mod descriptors;
pub mod environment;
pub mod fatal_signal;
pub mod file_system;
pub mod heap;
pub mod home;
pub mod interfaces;
pub mod local_time;
pub mod memory;
pub mod packet;
pub mod password_hash;
pub mod process;
pub mod shadow;
pub mod shared_sync;
pub mod stream;
pub mod strerror;
pub mod syslog;
pub mod utmp;
pub mod writeback;
