//! What qmail-lspawn and qmail-rspawn share: commands in, checked message files, reports out.
