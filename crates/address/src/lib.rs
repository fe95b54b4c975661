//! Addresses: local part, domain, quoting, VERP, and the rewriting of recipients.
