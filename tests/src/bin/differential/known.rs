//! Differences that are meant: defects of the original that are not copied, by their number in sections 17 and 19 of the
//! contract, and what is announced in docs/decisions.

/// Journey, name of the note, number, reason.
const KNOWN: [(&str, &str, &str, &str); 18] = [
    ("line ends", "bare LF", "D2", "refused for good"),
    ("line ends", "LF dot LF", "D2", "refused for good"),
    ("line ends", "LF dot CRLF", "D2", "refused for good"),
    ("line ends", "CRLF dot LF", "D2", "refused for good"),
    ("line ends", "bare CR", "D1", "refused for good"),
    ("line ends", "CR dot CRLF", "D1", "refused for good"),
    ("line ends", "CR CRLF", "D1", "refused for good"),
    ("line ends", "log", "D1", "what was refused is not delivered"),
    ("other protocols", "POP3", "D59", "sizes are those of what is sent"),
    ("nobody empties the queue", "qmail-qstat", "D35", "what was refused leaves nothing behind"),
    ("defects", "an address without an end", "D40", "refused, not accepted for nobody"),
    ("defects", "mail of joe", "D41", "-F after -f keeps the name"),
    ("defects", "sendmail -q", "D42", "accepted, and nothing is done"),
    ("defects", "a NUL in an address", "D64", "refused"),
    ("defects", "a last line without an end", "D11", "it gets one and is delivered"),
    ("defects", "CAPA", "D57", "answered"),
    ("defects", "after PASS", "D58", "not lost"),
    ("defects", "a reply of 150", "D9", "not taken for success"),
];

/// Why this note of this journey differs.
pub fn reason(journey: &str, note: &str) -> Option<(&'static str, &'static str)> {
    let hit = KNOWN.iter().find(|(j, n, _, _)| (*j, *n) == (journey, note));
    hit.map(|(_, _, number, why)| (*number, *why))
}
