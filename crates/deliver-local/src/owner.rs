//! From whom a forwarded message comes (qmail-interfaces 8.8).
//!
//! A user makes a list of his own by a file `.qmail-EXT-owner`: bounces then go to the owner
//! instead of the sender. A second file, `.qmail-EXT-owner-default`, asks for one sender address
//! per recipient (VERP).

use contracts::local_worker::Delivery;

use crate::search::safe_extension;

/// The two files, relative to the home directory: the owner's, and the one for VERP.
///
/// They go by the whole extension, even where a default file does the delivery.
pub fn files(delivery: &Delivery) -> [Vec<u8>; 2] {
    let base = [b".qmail", delivery.dash.as_slice(), &safe_extension(&delivery.ext)].concat();
    [[base.as_slice(), b"-owner"].concat(), [base.as_slice(), b"-owner-default"].concat()]
}

/// Whether the files matter: bounces and double bounces keep their sender.
pub fn matters(sender: &[u8]) -> bool {
    !matches!(sender, b"" | b"#@[]")
}

/// What the files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// There is no owner file.
    None,
    /// Bounces go to the owner.
    Owner,
    /// Bounces go to the owner, who learns from the address which recipient is meant.
    PerRecipient,
}

/// The envelope sender for forwarding.
pub fn new_sender(delivery: &Delivery, ownership: Ownership) -> Vec<u8> {
    let Delivery { local, domain, sender, .. } = delivery;
    match ownership {
        Ownership::None => sender.clone(),
        Ownership::Owner => [local.as_slice(), b"-owner@", domain].concat(),
        Ownership::PerRecipient => [local.as_slice(), b"-owner-@", domain, b"-@[]"].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_gets_the_bounces() {
        let delivery = Delivery {
            local: b"joe-List.x".to_vec(),
            dash: b"-".to_vec(),
            ext: b"List.x".to_vec(),
            domain: b"host".to_vec(),
            sender: b"s@x".to_vec(),
            ..Delivery::default()
        };
        let names = files(&delivery);
        assert_eq!(names, [b".qmail-list:x-owner".to_vec(), b".qmail-list:x-owner-default".to_vec()]);
        assert_eq!(new_sender(&delivery, Ownership::None), b"s@x");
        assert_eq!(new_sender(&delivery, Ownership::Owner), b"joe-List.x-owner@host");
        assert_eq!(new_sender(&delivery, Ownership::PerRecipient), b"joe-List.x-owner-@host-@[]");
        assert!(matters(b"s@x") && !matters(b"") && !matters(b"#@[]"));
    }
}
