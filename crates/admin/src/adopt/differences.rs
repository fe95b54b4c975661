//! What an administrator may notice afterwards: defects of the original that are not copied (contract 17).

use super::remark::{Remark, Standing};

const NOTICEABLE: [(&str, &str); 8] = [
    ("bare CR or LF in a message", "is refused for good with 550, where the original says 451 and hangs up"),
    ("a message without a final line end", "is completed and sent, where the original bounces it (#5.6.2)"),
    (
        "qmail-inject with a recipient field that it cannot read",
        "refuses, exit 100, where notqmail drops the recipients",
    ),
    (
        "an envelope that nobody can read",
        "is set aside in queue/quarantine with a line in the log, not tried for ever",
    ),
    ("account lookups that fail for the moment", "defer; the original bounces"),
    (
        "a line break in an envelope address",
        "fails before any connection; the original passes it to the server",
    ),
    (
        "recipients",
        "one that fails in a session with many is told as before; the session is one for several of them",
    ),
    ("file names in Maildirs", "hold microseconds and a counter too; no reader minds"),
];

pub(super) fn remarks() -> Vec<Remark> {
    NOTICEABLE.iter().map(|(about, words)| Remark::new(Standing::Differs, *about, *words)).collect()
}
