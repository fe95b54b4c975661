//! Message text: dates, Received lines, header fields and tokens, bounce text.

pub mod address_list;
pub mod bounce;
pub mod date;
pub mod field;
pub mod header;
pub mod received;
pub mod token;
