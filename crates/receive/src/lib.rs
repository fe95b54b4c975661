//! The SMTP server: a session as a machine, and the two ways to run it.
