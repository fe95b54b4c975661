//! SMTP words: commands, replies, end of data, dot-stuffing.
