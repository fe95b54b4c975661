//! What the control files say to QMTP: rcpthosts, morercpthosts.cdb, databytes, maxrcpt.

use crate::configuration::{self, ConfigurationError, Form};
use crate::limits::{MESSAGE_MAX_BYTES, RECIPIENTS_MAX};
use crate::rcpthosts::RecipientHosts;
use control::{Control, Warning, catalogue};
use std::path::Path;

/// The control files that a conversation needs, read.
#[derive(Debug)]
pub struct Terms {
    /// control/rcpthosts and its database.
    pub recipient_hosts: RecipientHosts,
    /// control/databytes; 0 is no limit.
    pub databytes: u64,
    /// control/maxrcpt: recipients of one message.
    pub recipients_max: u32,
}

impl Terms {
    /// Reads the installation at `home`.
    pub fn load(home: &Path, form: Form, warn: &mut dyn FnMut(Warning)) -> Result<Self, ConfigurationError> {
        let control = Control::at(home);
        let mut number = |name: &str| match catalogue::setting(name) {
            Some(setting) => control.number(setting, warn),
            None => Ok(0),
        };
        let databytes = number("databytes")?;
        let recipients_max = u32::try_from(number("maxrcpt")?).unwrap_or(u32::MAX);
        Ok(Self {
            recipient_hosts: configuration::recipient_hosts(&control, form)?,
            databytes,
            recipients_max,
        })
    }

    /// For QMQP, which reads no control file.
    pub fn none() -> Self {
        Self { recipient_hosts: RecipientHosts::All, databytes: 0, recipients_max: RECIPIENTS_MAX }
    }

    /// The largest message, in bytes as stored; `databytes` of the client's environment goes before the file's.
    pub fn message_limit(&self, databytes: Option<u64>) -> u64 {
        match databytes.unwrap_or(self.databytes) {
            0 => MESSAGE_MAX_BYTES,
            limit => limit.min(MESSAGE_MAX_BYTES),
        }
    }
}
