//! The commands of quail(1): the one new front door. Everything they do can also be done with files and signals.
//!
//! - [`command`]: the command line
//! - [`start`]: `quail start`, which is quail-start(8)
//! - [`tryout`]: `quail try`, a private system to look at
//! - [`setup`]: `quail setup`, from nothing to a running system
//! - [`adopt`]: `quail adopt`, taking over from an installed qmail, and giving back
//! - [`check`]: `quail check`, what is not as it should be and what mends it
//! - [`layout`]: what an installation consists of; [`place`]: where it is, and who is who
//! - [`installation`]: the tree of a private installation
//! - [`conversation`]: the client side of an SMTP session, with times
//! - [`password`]: `quail passwd`
//! - [`page`]: words on a terminal
//!
//! And what the small administration programs of qmail do:
//!
//! - [`showctl`] tells the settings in words: qmail-showctl
//! - [`morercpthosts`] makes the database of further domains: qmail-newmrh
//! - [`timeouts`] tells and forgets which hosts did not answer: qmail-tcpto and qmail-tcpok

pub mod adopt;
pub mod check;
pub mod command;
pub mod conversation;
pub mod installation;
pub mod layout;
pub mod morercpthosts;
pub mod page;
pub mod password;
pub mod place;
pub mod setup;
pub mod showctl;
pub mod start;
pub mod timeouts;
pub mod tryout;

pub use command::run;
