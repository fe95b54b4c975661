//! qmail-inject and its relatives: from a header to an envelope.
