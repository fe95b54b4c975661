//! qmail-send's loop: descriptors and the log on one side, the disk on the other, the judgement of crate `schedule`
//! between them.
//!
//! The main thread polls and never blocks on a peer or a disk ([`turn`]). What touches the disk runs on a few
//! threads ([`pool`]) that come when there is work and leave when there is none; their results come back as events.
//!
//! | file | what |
//! |---|---|
//! | `start` | control files, lock, greetings; why it cannot start |
//! | `turn` | one turn of the loop: what happened, what to do about it |
//! | `watch` | waiting for something to happen |
//! | `spawner`, `cleaner`, `trigger`, `outlet` | the descriptors of contract 5.1 |
//! | `log` | whole lines, one write a turn |
//! | `parking` | causes come before effects in the log |
//! | `settings` | control files, HUP |
//! | `work` | jobs for the threads, and their results |
//! | `arrivals`, `recipients`, `endings`, `scans` | the jobs, by the part of a message's life they serve |

mod arrivals;
mod cleaner;
mod endings;
mod log;
mod outlet;
mod parking;
mod pool;
mod recipients;
mod scans;
mod settings;
mod spawner;
mod start;
mod trigger;
mod turn;
mod watch;
mod work;

pub use start::{Descriptors, run};
