//! qmail-inject and its relatives: from a header to an envelope.
//!
//! The road of a message:
//!
//! 1. [`contracts::getopt`], [`environment`], [`settings`]: what we are told
//! 2. [`input`]: the header is read field by field, in bounded memory
//! 3. [`header`], with [`rewrite`]: addresses are completed; recipients and sender are found
//! 4. [`author`], [`compose`]: what the message lacks is added
//! 5. [`outlet`]: header, then the body as it comes, then the envelope, into the queue or to standard output
//!
//! [`program`] walks it. [`error`] says why it may end early. [`sendmail`] is another way to its beginning;
//! [`dotqmail`] holds the programs that do without it, for lines of `.qmail` files, [`aliases`] those that read
//! `/etc/aliases` and `.forward`, [`mail_readers`] those that start a mail reader, [`maildirwatch`] shows new mail. [`process`] is what all of them
//! share as processes.

pub mod aliases;
pub mod author;
pub mod compose;
pub mod dotqmail;
pub mod environment;
pub mod error;
pub mod header;
pub mod input;
pub mod mail_readers;
pub mod maildirwatch;
pub mod outlet;
pub mod process;
pub mod program;
pub mod rewrite;
pub mod sendmail;
pub mod settings;
