//! Whole journeys of mail, through all programs, in a private world each. The topology stands at the top of every file.

mod crash;
mod failure;
mod local;
mod maildir;
mod relay;

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
