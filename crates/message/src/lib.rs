//! Message text: dates, Received lines, header fields and tokens, bounce text.

pub mod address_list;
pub mod field;
pub mod header;
pub mod token;
