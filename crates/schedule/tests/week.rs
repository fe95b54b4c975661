//! A week of mail in milliseconds: random outcomes, random delays, crashes at any moment, clean stops.
//!
//! Checked at the end: nothing is lost, nothing is stuck, every recipient is finished once, and more than once only
//! where a crash came between.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // A test that cannot go on says where it stands.

mod disk;

use disk::World;
use schedule::Event;

fn live_through(seed: u64, crashes: bool, trouble_percent: u64) {
    let mut world = World::new(seed, trouble_percent);
    const DAY: u64 = 86_400_000;
    for number in 0..150 {
        let until = world.millis + world.dice.roll(DAY / 75);
        world.pass_until(until);
        world.random_message(number);
        match world.dice.roll(12) {
            0 if crashes => world.start(),
            1 if crashes => world.tell(Event::Stop),
            2 => world.tell(Event::Alarm),
            _ => {}
        }
    }
    world.trouble_percent = 0;
    // The last attempt of a remote message comes up to 8.5 hours after its week; system trouble adds minutes.
    let end = world.millis + 9 * DAY;
    world.pass_until(end);

    world.disk.retain(|_, message| message.mess);
    assert!(world.disk.is_empty(), "seed {seed}: {:?} stay", world.disk.keys());
    assert_eq!(world.machine.as_ref().unwrap().known(), 0, "seed {seed}: remembered in vain");
    for (address, fate) in &world.fates {
        let ended = fate.delivered + fate.bounced;
        assert!(ended >= 1, "seed {seed}: {address} is lost: {fate:?}");
        assert!(ended <= 1 + fate.disturbed, "seed {seed}: {address} too often: {fate:?}");
        let waited = fate.first_attempt.unwrap() - fate.born;
        assert!(waited < 2400, "seed {seed}: {address} waited {waited} s for its first attempt");
        assert!(!address.starts_with("dead") || fate.bounced >= 1, "seed {seed}: {address}: {fate:?}");
    }
}

#[test]
fn a_week_without_crashes_finishes_every_recipient_once() {
    (1..12).for_each(|seed| live_through(seed, false, 0));
}

#[test]
fn a_week_of_system_errors_finishes_every_recipient_once() {
    (20..32).for_each(|seed| live_through(seed, false, 10));
}

#[test]
fn a_week_with_crashes_and_restarts_loses_nothing() {
    (40..64).for_each(|seed| live_through(seed, true, 5));
}
