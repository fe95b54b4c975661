//! Whole journeys of mail, through all programs, in a private world each. The topology stands at the top of every file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on must stop, loudly"
)]

mod admission;
mod aliases;
mod big_todo;
mod crash;
mod failure;
mod local;
mod maildir;
mod names;
mod netstrings;
mod patches;
mod peers;
mod pop;
mod processes;
mod queue_files;
mod readers;
mod recipients;
mod relay;
mod root;
mod switch_over;
mod takeover;
mod taps;

use quail_tests::World;

/// Subject and body of a message for tests: something to recognise it by.
fn letter(subject: &str) -> String {
    format!("From: a@there.example\nTo: joe@here.example\nSubject: {subject}\n\nHello.\n")
}

/// A world that is running and knows joe.
fn running() -> World {
    let mut world = World::rootless();
    world.start();
    world
}
