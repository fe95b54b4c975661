//! How much a client may ask of us (contract 17.1 D5, D8). Each limit is far above what a correct client needs.

use std::time::Duration;

/// Refusals in one session, counted anew after each accepted message, before we hang up. Control file
/// `smtpmaxerrors`.
pub const ERRORS_MAX: u32 = 100;

/// Recipients of one message. RFC 5321 §4.5.3.1.8 asks for at least 100. Control file `maxrcpt`.
pub const RECIPIENTS_MAX: u32 = 10_000;

/// The upper bound for `maxrcpt`: envelopes are held in memory until the message is complete.
pub const RECIPIENTS_BOUND: u32 = 100_000;

/// Commands since the last accepted message that are neither MAIL, RCPT nor DATA.
pub const IDLE_COMMANDS_MAX: u32 = 1_000;

/// MAIL commands since the last accepted message.
pub const TRANSACTIONS_MAX: u32 = 1_000;

/// The largest message there is, whatever databytes says.
pub const MESSAGE_MAX_BYTES: u64 = 4 << 30;

/// How long a session may last. Control file `smtpsessionseconds`.
pub const SESSION_SECONDS: u64 = 4 * 3600;

/// How long a client may be silent while all places are taken and others wait for one.
pub const CROWDED_TIME: Duration = Duration::from_secs(30);

/// How much of a message waits in memory for the queue door before reading stops.
pub const FORWARD_BYTES: usize = 32 << 10;

/// How long, and for how many bytes, a client that we hang up on in the middle of its message is listened to, so
/// that it can read our answer instead of a reset.
pub const DRAIN_TIME: Duration = Duration::from_secs(5);
/// See [`DRAIN_TIME`].
pub const DRAIN_BYTES: usize = 4 << 20;

/// The limits that control files can change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// See [`ERRORS_MAX`].
    pub errors: u32,
    /// See [`RECIPIENTS_MAX`].
    pub recipients: u32,
    /// See [`SESSION_SECONDS`].
    pub session: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { errors: ERRORS_MAX, recipients: RECIPIENTS_MAX, session: Duration::from_secs(SESSION_SECONDS) }
    }
}
