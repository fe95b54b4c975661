//! Why a message was not queued, and the exit code that says so.

use contracts::{QueueExit, hand_off::HandOffError};
use std::io;

/// Cannot queue the message, because ...
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// Permanent: the caller's addresses are at fault.
    #[error("an envelope address is too long")]
    AddressTooLong,
    /// Permanent.
    #[error("the message is longer than {} bytes", crate::incoming::MESSAGE_MAX_BYTES)]
    MessageTooLong,
    /// Permanent.
    #[error("the envelope is longer than {} bytes", crate::todo::ENVELOPE_MAX_BYTES)]
    EnvelopeTooLong,
    /// A bug of the caller.
    #[error("the envelope is malformed")]
    EnvelopeFormat,
    /// The caller has gone or has given up.
    #[error("the envelope ended early")]
    EndedEarly,
    /// The caller's descriptor.
    #[error("cannot read what the caller sends")]
    Read(#[source] io::Error),
    /// Disk full, or worse.
    #[error("cannot write or sync")]
    Write(#[source] io::Error),
    /// The home directory.
    #[error("cannot enter the home directory")]
    Home(#[source] io::Error),
    /// The queue directory.
    #[error("cannot enter the queue directory")]
    Queue(#[source] io::Error),
    /// A control file that decides who gets a copy.
    #[error(transparent)]
    Control(#[from] control::ControlError),
    /// `queue/pid`, or an unnamed file in its place.
    #[error("cannot create a message file")]
    Pid(#[source] io::Error),
    /// `queue/mess`.
    #[error("cannot link into queue/mess")]
    Mess(#[source] io::Error),
    /// `queue/intd`, or an unnamed file in its place.
    #[error("cannot create an envelope file")]
    Intd(#[source] io::Error),
    /// `queue/todo`.
    #[error("cannot link into queue/todo")]
    Todo(#[source] io::Error),
}

impl From<HandOffError> for EnqueueError {
    fn from(error: HandOffError) -> Self {
        match error {
            HandOffError::AddressTooLong => Self::AddressTooLong,
            HandOffError::UnknownRecord(_) => Self::EnvelopeFormat,
        }
    }
}

impl From<&EnqueueError> for QueueExit {
    fn from(error: &EnqueueError) -> Self {
        match error {
            EnqueueError::AddressTooLong => Self::AddressTooLong,
            EnqueueError::MessageTooLong | EnqueueError::EnvelopeTooLong => Self::Refused,
            EnqueueError::EnvelopeFormat => Self::EnvelopeFormat,
            EnqueueError::EndedEarly | EnqueueError::Read(_) => Self::ReadError,
            EnqueueError::Write(_) => Self::WriteError,
            EnqueueError::Home(_) => Self::HomeDirectory,
            EnqueueError::Queue(_) => Self::QueueDirectory,
            EnqueueError::Control(_) => Self::Configuration,
            EnqueueError::Pid(_) => Self::PidDirectory,
            EnqueueError::Mess(_) => Self::MessDirectory,
            EnqueueError::Intd(_) => Self::IntdDirectory,
            EnqueueError::Todo(_) => Self::TodoDirectory,
        }
    }
}
