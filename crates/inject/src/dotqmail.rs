//! Programs for lines of `.qmail` files (contract 12): small, each a function from what it is told to its [`Ending`].
//!
//! - [`forward`]: sends the message on
//! - [`condredirect`]: sends it on if a program says so
//! - [`bouncesaying`]: bounces it, perhaps only if a program says so
//! - [`except`]: turns a program's answer round
//! - [`preline`]: gives a program the fields that mailboxes have
//! - [`predate`]: gives a program a Date field
//! - [`qsmhook`]: runs what was made for sendmail
//! - [`qreceipt`]: tells the sender that it arrived
//! - [`maildirmake`]: makes a Maildir
//! - [`mailsubj`]: makes a message of a subject, recipients and a body
//! - [`qbiff`]: says on terminals that mail has come
//!
//! [`answer`] asks a program, [`feed`] feeds one.

pub mod answer;
pub mod bouncesaying;
pub mod condredirect;
mod ending;
pub mod except;
pub mod feed;
pub mod forward;
pub mod maildirmake;
pub mod mailsubj;
pub mod predate;
pub mod preline;
pub mod qbiff;
pub mod qreceipt;
pub mod qsmhook;

pub use ending::Ending;
