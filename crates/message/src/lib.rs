//! Message text: dates, Received lines, header fields and tokens, bounce text.
