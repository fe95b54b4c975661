//! The servers whose language is netstrings: QMTP (contract 6.6) and QMQP (6.7).
//!
//! - [`wire`]: netstrings from a stream, answers to it
//! - [`qmtp`]: any number of messages, an answer for each recipient, and rcpthosts decides
//! - [`qmqp`]: one message, one answer, and whoever may connect may send anywhere
//! - [`incoming`]: the message on its way to the queue, for both
//! - [`terms`]: what the control files say; [`classic`]: one connection on descriptors 0 and 1

pub mod classic;
mod incoming;
mod qmqp;
mod qmtp;
pub mod terms;
pub mod wire;

use crate::client::Client;
use crate::door::{Connection, Door};
use std::time::SystemTime;
use terms::Terms;
use tokio::io::{AsyncRead, AsyncWrite};
use wire::{Stop, Wire};

/// Which of the two is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// The Quick Mail Transfer Protocol.
    Qmtp,
    /// The Quick Mail Queueing Protocol.
    Qmqp,
}

impl Protocol {
    /// The word in the Received field.
    pub fn word(self) -> &'static str {
        match self {
            Self::Qmtp => "QMTP",
            Self::Qmqp => "QMQP",
        }
    }
}

/// What a conversation stands on.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'g> {
    /// What the control files say.
    pub terms: &'g Terms,
    /// Who is at the other end.
    pub client: &'g Client,
    /// The way into the queue.
    pub door: &'g Door,
    /// The connection, where the environment does not tell of it.
    pub over: Option<&'g Connection>,
}

/// Speaks `protocol` until the connection ends, and says why it did.
pub async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    protocol: Protocol,
    wire: &mut Wire<'_, S>,
    ground: Ground<'_>,
) -> Stop {
    match protocol {
        Protocol::Qmtp => qmtp::converse(wire, ground).await,
        Protocol::Qmqp => qmqp::converse(wire, ground).await,
    }
}

/// Seconds since 1970.
fn seconds_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
