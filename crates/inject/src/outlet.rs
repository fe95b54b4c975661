//! Where the finished message goes: into the queue, or with `-n` to standard output.

use crate::error::InjectError;
use crate::header::Addresses;
use queue::door::{Door, HandOff};
use std::io::Write;

/// The two ends of a message's way through qmail-inject, so that tests need no queue.
pub trait Outlet {
    /// Appends to the message.
    fn put(&mut self, bytes: &[u8]) -> Result<(), InjectError>;

    /// The message is complete. `recipients` are in order.
    fn finish(self: Box<Self>, sender: &[u8], recipients: &[&Addresses]) -> Result<(), InjectError>;
}

/// Into the queue. Until it is finished nothing is queued.
#[derive(Debug)]
pub struct ToQueue(HandOff);

impl ToQueue {
    /// Opens the door.
    pub fn open(door: &Door) -> Result<Self, InjectError> {
        door.open().map(Self).map_err(|_| InjectError::CannotRunQueue)
    }
}

impl Outlet for ToQueue {
    fn put(&mut self, bytes: &[u8]) -> Result<(), InjectError> {
        self.0.write(bytes);
        Ok(())
    }

    fn finish(mut self: Box<Self>, sender: &[u8], recipients: &[&Addresses]) -> Result<(), InjectError> {
        self.0.sender(sender);
        for recipient in recipients.iter().flat_map(|addresses| addresses.iter()) {
            self.0.recipient(recipient);
        }
        match self.0.finish() {
            Ok(_) => Ok(()),
            Err(refused) => {
                Err(InjectError::Refused { permanent: refused.is_permanent(), text: refused.text().to_vec() })
            }
        }
    }
}

/// To a stream. The envelope goes nowhere.
#[derive(Debug)]
pub struct ToStream<W>(pub W);

impl<W: Write> Outlet for ToStream<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), InjectError> {
        self.0.write_all(bytes).map_err(|_| InjectError::Write)
    }

    fn finish(mut self: Box<Self>, _: &[u8], _: &[&Addresses]) -> Result<(), InjectError> {
        self.0.flush().map_err(|_| InjectError::Write)
    }
}
