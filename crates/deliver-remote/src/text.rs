//! Fixed result texts of qmail-remote(8); the first byte is the letter, no NUL.

/// A socket or the list of own addresses cannot be had.
pub const NO_RESOURCES: &[u8] = b"ZSystem resources temporarily unavailable. (#4.3.0)\n";
/// No address could be reached.
pub const NO_CONNECTION: &[u8] = b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n";
/// The message file cannot be read.
pub const UNREADABLE_MESSAGE: &[u8] = b"ZUnable to read message. (#4.3.0)\n";
/// The DNS does not answer.
pub const DNS_UNAVAILABLE: &[u8] = b"ZSorry, I couldn't find any host by that name. (#4.1.2)\n";
/// The installation's directory is not there.
pub const NO_HOME: &[u8] = b"ZUnable to switch to home directory. (#4.3.0)\n";
/// A control file cannot be read or used.
pub const NO_CONTROLS: &[u8] = b"ZUnable to read control files. (#4.3.0)\n";
/// Fewer than three arguments.
pub const MISUSED: &[u8] = b"DI (qmail-remote) was invoked improperly. (#5.3.5)\n";
/// Exchangers without addresses.
pub const NO_ADDRESS: &[u8] = b"DSorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n";
/// We are the best exchanger ourselves.
pub const OWN_ADDRESS: &[u8] = b"DSorry. Although I'm listed as a best-preference MX or A for that host,\n\
    it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n";

/// A control file can be read, but not used for this host; says which line and what would be accepted.
pub fn wrong_control(what: &impl std::fmt::Display) -> Vec<u8> {
    [NO_CONTROLS, what.to_string().as_bytes(), b".\n"].concat()
}

/// A route of control/`file` has a login, and there is no way to log in yet.
pub fn no_login(file: &str) -> Vec<u8> {
    let words = format!(
        "ZThe route in control/{file} has a login, and logging in to relays is not supported yet; \
         the message waits. (#4.7.0)\n"
    );
    words.into_bytes()
}

/// No such host.
pub fn no_host(host: &[u8]) -> Vec<u8> {
    [b"DSorry, I couldn't find any host named ", &*shown(host), b". (#5.1.2)\n"].concat()
}

/// A null MX (RFC 7505 §4.2 gives the code).
pub fn null_exchanger(host: &[u8]) -> Vec<u8> {
    [b"DSorry, ", &*shown(host), b" does not accept mail. (#5.1.10)\n"].concat()
}

/// An address that SMTP cannot carry (D63). Without a letter.
pub fn uncarriable(address: &[u8]) -> Vec<u8> {
    [b"Sorry, the address ", &*shown(address), b" has a line break or NUL in it. (#5.1.3)\n"].concat()
}

/// Line ends and NUL made visible, so that what is quoted cannot add lines or records to a report.
fn shown(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0 => out.extend_from_slice(b"\\0"),
            _ => out.push(byte),
        }
    }
    out
}
