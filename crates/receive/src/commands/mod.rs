//! The commands, one a file: what each checks, changes and answers.

mod data;
mod ehlo;
mod helo;
mod help;
mod mail;
mod noop;
mod quit;
mod rcpt;
mod rset;
mod vrfy;
