//! Maildir and mbox, written so that a crash loses nothing.
