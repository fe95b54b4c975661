//! QMQP: one message with its envelope in one netstring, one answer. Nothing is asked about relaying: whoever may
//! connect may send anywhere.

use super::incoming::Incoming;
use super::wire::{Stop, Wire};
use super::{Ground, Protocol};
use crate::limits::{MESSAGE_MAX_BYTES, RECIPIENTS_BOUND};
use tokio::io::{AsyncRead, AsyncWrite};

const BAD_ADDRESS: &[u8] = b"Dsorry, I can't accept addresses like that (#5.1.3)";
const TOO_MANY: &[u8] = b"Zsorry, too many recipients (#4.5.3)";

pub async fn converse<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<'_, S>, ground: Ground<'_>) -> Stop {
    match message(wire, ground).await {
        Ok(answer) => {
            wire.answer(&answer);
            wire.send().await.map_or_else(|stop| stop, |()| Stop::Ended)
        }
        Err(stop) => stop,
    }
}

async fn message<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<'_, S>,
    ground: Ground<'_>,
) -> Result<Vec<u8>, Stop> {
    let length = wire.length().await?;
    wire.set_idle(false);
    wire.enter(length);
    let length = wire.length().await?;
    let mut incoming = Incoming::open(Protocol::Qmqp, ground, length, MESSAGE_MAX_BYTES).await?;
    incoming.receive(wire, length, None).await?;
    wire.comma().await?;
    let length = wire.length().await?;
    let sender = wire.address(length, 0).await?;
    wire.comma().await?;
    let (mut recipients, mut all_good, mut too_many) = (Vec::new(), true, false);
    while !wire.is_used_up() {
        let length = wire.length().await?;
        let address = wire.address(length, 0).await?;
        wire.comma().await?;
        match address {
            None => all_good = false,
            Some(_) if too_many => {}
            Some(address) => recipients.push(address),
        }
        too_many = recipients.len() > usize::try_from(RECIPIENTS_BOUND).unwrap_or(usize::MAX);
    }
    wire.leave();
    wire.comma().await?;
    Ok(match sender {
        Some(_) if too_many => TOO_MANY.to_vec(),
        Some(sender) if all_good => incoming.finish(&sender, &recipients).await,
        _ => BAD_ADDRESS.to_vec(),
    })
}
