//! Where the server says what an administrator should hear.
//!
//! The listener writes lines to descriptor 2, which its starter made the log. The classic form may not: under
//! inetd descriptor 2 is the client. It sends a datagram to the system log instead.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;

/// Facility mail, severity warning (RFC 5424 §6.2.1).
const MAIL_WARNING: &str = "<20>";

/// Which server this process is, if it is not qmail-smtpd.
static NAME: OnceLock<&str> = OnceLock::new();

/// Says which server this process is. The first word counts.
pub fn set_name(name: &'static str) {
    let _ = NAME.set(name);
}

/// One line on descriptor 2. A log that is gone is no reason to stop.
pub fn line(text: &str) {
    let name = NAME.get().unwrap_or(&"qmail-smtpd");
    let _ = std::io::stderr().lock().write_all(format!("{name}: {text}\n").as_bytes());
}

/// One warning to the system log, if there is one that has room.
pub fn system_warning(text: &str) {
    let datagram = format!("{MAIL_WARNING}qmail-smtpd[{}]: warning: {text}", std::process::id());
    if let Ok(socket) = UnixDatagram::unbound()
        && socket.set_nonblocking(true).is_ok()
    {
        let _ = socket.send_to(datagram.as_bytes(), "/dev/log");
    }
}
