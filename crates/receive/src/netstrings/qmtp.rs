//! QMTP: message, sender, recipients; again and again. Each recipient gets an answer of its own.

use super::incoming::{Incoming, TOO_LARGE};
use super::wire::{Stop, Wire};
use super::{Ground, Protocol};
use crate::limits::RECIPIENTS_BOUND;
use netstring::lines::LineEnds;
use tokio::io::{AsyncRead, AsyncWrite};

const BAD_SENDER: &[u8] = b"Dunacceptable sender (#5.1.7)";
const BAD_RECIPIENT: &[u8] = b"Dsorry, I can't handle that recipient (#5.1.3)";
const NO_RELAYING: &[u8] = b"Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)";
const TOO_MANY: &[u8] = b"Zsorry, too many recipients (#4.5.3)";

/// What becomes of one recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// That of the message.
    Shared,
    Bad,
    NotOurs,
    OneTooMany,
}

/// What was read of an envelope.
#[derive(Debug, Default)]
struct Recipients {
    accepted: Vec<Vec<u8>>,
    fates: Vec<Fate>,
}

pub async fn converse<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<'_, S>, ground: Ground<'_>) -> Stop {
    loop {
        if let Err(stop) = transaction(wire, ground).await {
            return stop;
        }
    }
}

async fn transaction<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<'_, S>,
    ground: Ground<'_>,
) -> Result<(), Stop> {
    wire.set_idle(true);
    let length = wire.length().await?;
    wire.set_idle(false);
    let Some(left) = length.checked_sub(1) else { return Err(Stop::Broken) };
    // Two bytes may become one, if they are a line end.
    let (lines, least) = match wire.byte().await? {
        b'\n' => (None, left),
        b'\r' => (Some(LineEnds::default()), left.div_ceil(2)),
        _ => return Err(Stop::Broken),
    };
    let limit = ground.terms.message_limit(ground.client.databytes);
    let mut incoming = Incoming::open(Protocol::Qmtp, ground, least, limit).await?;
    incoming.receive(wire, left, lines).await?;
    wire.comma().await?;

    let length = wire.length().await?;
    let sender = wire.address(length, 0).await?;
    wire.comma().await?;

    let recipients = recipients(wire, ground).await?;
    let answer = match sender {
        _ if recipients.fates.is_empty() => Vec::new(),
        _ if incoming.is_too_large() => TOO_LARGE.to_vec(),
        None => BAD_SENDER.to_vec(),
        Some(_) if recipients.accepted.is_empty() => Vec::new(),
        Some(sender) => incoming.finish(&sender, &recipients.accepted).await,
    };
    for fate in recipients.fates {
        wire.answer(match fate {
            Fate::Shared => &answer,
            Fate::Bad => BAD_RECIPIENT,
            Fate::NotOurs => NO_RELAYING,
            Fate::OneTooMany => TOO_MANY,
        });
    }
    Ok(())
}

async fn recipients<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<'_, S>,
    ground: Ground<'_>,
) -> Result<Recipients, Stop> {
    let length = wire.length().await?;
    wire.enter(length);
    let mut recipients = Recipients::default();
    while !wire.is_used_up() {
        if recipients.fates.len() >= usize::try_from(RECIPIENTS_BOUND).unwrap_or(usize::MAX) {
            return Err(Stop::Trouble);
        }
        let length = wire.length().await?;
        let suffix = ground.client.relay.as_deref().unwrap_or_default();
        let address = wire.address(length, suffix.len()).await?;
        wire.comma().await?;
        let fate = match address {
            None => Fate::Bad,
            Some(address) => recipients.consider(address, ground)?,
        };
        recipients.fates.push(fate);
    }
    wire.leave();
    wire.comma().await?;
    Ok(recipients)
}

impl Recipients {
    fn consider(&mut self, mut address: Vec<u8>, ground: Ground<'_>) -> Result<Fate, Stop> {
        match &ground.client.relay {
            Some(suffix) => address.extend_from_slice(suffix),
            None => {
                let domain =
                    memchr::memrchr(b'@', &address).and_then(|at| address.get(at.saturating_add(1)..));
                // A database that cannot be read is no reason to refuse for good.
                if !ground.terms.recipient_hosts.allow(domain).map_err(|_| Stop::Trouble)? {
                    return Ok(Fate::NotOurs);
                }
            }
        }
        if self.accepted.len() >= usize::try_from(ground.terms.recipients_max).unwrap_or(usize::MAX) {
            return Ok(Fate::OneTooMany);
        }
        self.accepted.push(address);
        Ok(Fate::Shared)
    }
}
