//! What is walked.

mod arrival;
mod defects;
mod dialogue;
mod local;
mod outgoing;
mod queue;
mod tools;

use crate::Walk;

/// All journeys with their names.
pub const ALL: [(&str, Walk); 23] = [
    ("a message arrives", arrival::one),
    ("a message to several", arrival::several),
    ("many messages", arrival::many),
    ("loops", arrival::loops),
    ("dialogues", dialogue::conversations),
    ("line ends", dialogue::line_ends),
    ("limits", dialogue::limits),
    ("other protocols", dialogue::other_protocols),
    ("programs", local::programs),
    ("mailboxes", local::mailboxes),
    ("forwarding", local::forwarding),
    ("names", local::names),
    ("relaying", outgoing::relaying),
    ("deferrals", outgoing::deferrals),
    ("failures", outgoing::failures),
    ("double bounces", outgoing::double_bounces),
    ("expiry", outgoing::expiry),
    ("nobody empties the queue", queue::unattended),
    ("states of the queue", queue::states),
    ("signals", queue::signals),
    ("injection", tools::injection),
    ("administration", tools::administration),
    ("defects", defects::of_the_original),
];
