//! Who owns an address.
//!
//! The answer comes in this order (qmail-users(5), qmail-getpw(8)):
//!
//! 1. `users/cdb`, if there is one: [`database`].
//! 2. The machine's accounts: [`accounts`], asked by `qmail-getpw` as an account without privilege, so that
//!    what it cannot see is not a home; [`lookup_service`] is its warm form.
//! 3. The account `alias`.
//!
//! `users/cdb` is compiled from `users/assign` ([`assign`] reads it, [`compile`] is qmail-newu(8)), which [`generate`],
//! qmail-pw2u(8), can make from the machine's accounts.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod assign;
pub mod compile;
pub mod database;
pub mod generate;
pub mod lookup_service;
