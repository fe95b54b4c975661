//! Mail put where a reader looks for it: [`maildir`] and [`mbox`].
//!
//! Both take the home directory as a descriptor and never change the working directory, so any
//! number of deliveries run side by side in one process. Success means: the message, and every
//! directory entry that leads to it, is on stable storage.
//!
//! A delivery reads the message with `pread`, so the offset of the shared file description is
//! neither used nor moved. Nothing here knows `.qmail`; the lines above the message come in as
//! [`Heading`].
//!
//! - [`name`]: what a new Maildir file is called
//! - [`maildir`]: tmp, sync, link into new, sync the directory
//! - [`quota`], [`contents`], [`maildirsize`]: how much a Maildir may hold and holds (Maildir++)
//! - [`quoting`]: `From ` lines made harmless, without ever holding a line
//! - [`directories`]: `new` stays open, and is synced once for deliveries at the same time
//! - [`mbox`]: append under a lock, or leave the file as it was
//! - [`copy`]: a message read in bounded pieces
//! - [`moving`]: from a Maildir to an mbox, for maildir2mbox
#![forbid(unsafe_code)]

pub mod contents;
pub mod copy;
pub mod directories;
pub mod heading;
pub mod maildir;
pub mod maildirsize;
pub mod mbox;
pub mod moving;
pub mod name;
pub mod quota;
pub mod quoting;

pub use copy::Message;
pub use directories::Directories;
pub use heading::Heading;
