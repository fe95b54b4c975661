//! The lines that a delivery puts above a message.

/// Complete lines, each ending in a newline (qmail-interfaces 14.4, 14.5).
#[derive(Debug, Clone, Copy)]
pub struct Heading<'a> {
    /// `From SENDER DATE`: what separates messages in an mbox. Maildirs do without.
    pub from_line: &'a [u8],
    /// `Return-Path: <SENDER>`
    pub return_path: &'a [u8],
    /// `Delivered-To: RECIPIENT`
    pub delivered_to: &'a [u8],
}
