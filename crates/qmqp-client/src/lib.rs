//! qmail-qmqpc: the interface of qmail-queue, and another host's queue behind it (contract 6.8).
//!
//! 1. [`hand_over`]: message and envelope are taken completely, as qmail-queue takes them
//! 2. [`servers`]: who is asked, in order
//! 3. [`conversation`]: one server, one message
//!
//! A server that cannot be reached, or that is lost before it could have accepted anything, is followed by the next.
//! Once one has the whole message, its answer counts, or else the missing answer (D56).
#![forbid(unsafe_code)]

pub mod conversation;
pub mod hand_over;
pub mod servers;

use contracts::QueueExit;
use control::Control;
use conversation::Outcome;
use hand_over::HandOver;
use std::fs::File;

/// Takes a message from `message` and its envelope from `envelope` and hands both over to the first server of
/// control/qmqpservers that takes them.
pub fn run(message: File, envelope: File) -> QueueExit {
    let control = Control::at(&os::home::home());
    let servers = match control.list("qmqpservers") {
        Ok(lines) => servers::parse(&lines.unwrap_or_default()),
        Err(_) => return QueueExit::Configuration,
    };
    let mut hand_over = match HandOver::read(message, envelope) {
        Ok(hand_over) => hand_over,
        Err(exit) => return exit,
    };
    let mut last = QueueExit::Configuration;
    for server in servers {
        match conversation::hold(server, &mut hand_over) {
            Outcome::Answered(exit) => return exit,
            Outcome::NotTaken(exit) => last = exit,
        }
    }
    last
}
