//! Mail exchangers and addresses, looked up and cached.
//!
//! Answers are values, never errors: a mailer has exactly three ways to go on (use what was found,
//! bounce because there is nothing, try again later), so [`Lookup`] has three variants.
//!
//! - [`resolver`]: the questions, over hickory-resolver, with a bounded cache that honours TTLs
//! - [`name`]: which byte strings are names that can be asked for
//! - [`mail_hosts`]: from a mail domain to the addresses to try, in order (RFC 5321 §5.1)
//! - [`random`]: the small generator that spreads load over exchangers of equal preference
//!
//! It knows nothing about routes, own addresses or SMTP; that is crate `deliver-remote`.
#![forbid(unsafe_code)]

mod loopback;
pub mod mail_hosts;
pub mod name;
pub mod random;
pub mod resolver;

pub use mail_hosts::{Candidate, MailHosts};
pub use random::Random;
pub use resolver::{Resolver, ResolverError, Servers};

/// What a question came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// At least one record of the kind asked for.
    Found(T),
    /// No such name, or no such record at that name: asking again would not help.
    Absent,
    /// No usable answer now (time-out, SERVFAIL, refused, nonsense): ask again later.
    Unavailable,
}
