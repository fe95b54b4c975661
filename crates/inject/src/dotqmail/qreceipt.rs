//! qreceipt(1): answers a Notice-Requested-Upon-Delivery-To field that names the recipient.

use super::Ending;
use crate::environment::Environment;
use crate::error::InjectError;
use crate::input::read_header;
use address::ReversePath;
use address::quote::quoted;
use message::address_list;
use message::field::{self, KnownField};
use message::token::{lex, unquote};
use queue::door::Door;
use std::io::BufRead;

const NAME: &str = "qreceipt";

/// What the header says.
#[derive(Default, Debug)]
struct Asked {
    asked: bool,
    message_id: Vec<u8>,
}

/// `deliveryaddress`; `SENDER` gets the notice.
pub fn run(arguments: &[Vec<u8>], environment: &Environment, input: &mut dyn BufRead, door: &Door) -> Ending {
    let (Some(target), Some(sender)) = (arguments.first(), environment.value("SENDER")) else {
        return Ending::usage(NAME, "qreceipt deliveryaddress");
    };
    let mut asked = Asked::default();
    match read_header(input, &mut |field| asked.see(field, target)) {
        Ok(_) => {}
        Err(InjectError::UnparsableField(field)) => {
            let text = [b"qreceipt: fatal: unable to parse this: ", field.as_slice()].concat();
            return Ending { exit: 100, text };
        }
        // The delivery is more important than the notice.
        Err(InjectError::HeaderTooLong) => return Ending::silent(0),
        Err(_) => return Ending::fatal(NAME, 111, b"read error"),
    }
    match ReversePath::of(sender) {
        ReversePath::Sender(sender) if asked.asked => send(sender, target, &asked.message_id, door),
        // Bounces are not answered.
        _ => Ending::silent(0),
    }
}

impl Asked {
    fn see(&mut self, field: Vec<u8>, target: &[u8]) -> Result<(), InjectError> {
        match KnownField::of(&field) {
            Some(KnownField::MessageId) => self.message_id = field,
            Some(KnownField::NoticeRequestedUponDeliveryTo) => {
                let value = field::split(&field).map(|(_, value)| value).unwrap_or_default();
                let asked = &mut self.asked;
                let read = lex(value).ok().and_then(|tokens| {
                    address_list::rewrite(tokens, &mut |address| *asked |= unquote(address) == target).ok()
                });
                if read.is_none() {
                    return Err(InjectError::UnparsableField(field));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn send(sender: &[u8], target: &[u8], message_id: &[u8], door: &Door) -> Ending {
    let Ok(mut hand_off) = door.open() else { return Ending::fatal(NAME, 111, b"unable to fork") };
    let to = quoted(sender);
    for part in [
        b"From: DELIVERY NOTICE SYSTEM <".as_slice(),
        &to,
        b">\nTo: <",
        &to,
        b">\nSubject: success notice\n\n\
          Hi! This is the qreceipt program. Your message was delivered to the\nfollowing address: ",
        target,
        b". Thanks for asking.\n",
    ] {
        hand_off.write(part);
    }
    if !message_id.is_empty() {
        hand_off.write(b"Your ");
        hand_off.write(message_id);
    }
    hand_off.sender(b"");
    hand_off.recipient(sender);
    match hand_off.finish() {
        Ok(_) => Ending::silent(0),
        Err(refused) if refused.is_permanent() => Ending::fatal(NAME, 100, b"permanent qmail-queue error"),
        Err(_) => Ending::fatal(NAME, 111, b"temporary qmail-queue error"),
    }
}
