//! splogger(8): sends the lines of standard input to syslog, each with the time at which it came.
//!
//! Runs as qmaill, below qmail-start. Folding is in `telemetry::syslog`, the socket in `os::syslog`.
#![forbid(unsafe_code)]

use message::date::DateTime;
use os::syslog::{SOCKET, Syslog};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telemetry::syslog::{Facility, Folder, Message, Severity};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(OsStringExt::into_vec);
    let tag = arguments.next().unwrap_or_else(|| b"splogger".to_vec());
    let facility = arguments.next().map_or(Facility::MAIL, |number| Facility::parse(&number));
    let mut syslog = Syslog::at(SOCKET.as_ref());
    let mut folder = Folder::default();
    let mut input = std::io::stdin().lock();
    let mut buffer = [0; 8192];
    loop {
        let length = match input.read(&mut buffer) {
            Ok(length) if length > 0 => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            // The end, and all that is left to do is to go.
            Ok(_) | Err(_) => return ExitCode::SUCCESS,
        };
        folder.push(buffer.get(..length).unwrap_or_default(), &mut stamp, &mut |message| {
            syslog.send(&packet(&tag, facility, &message));
            if let Some(lost) = syslog.take_lost() {
                let text = format!("{} warning: {lost} messages to syslog were lost", stamp()).into_bytes();
                syslog.send(&packet(&tag, facility, &Message { severity: Severity::Warning, text }));
            }
        });
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// `SECONDS.MICROSECONDS`
fn stamp() -> String {
    let now = now();
    format!("{}.{:06}", now.as_secs(), now.subsec_micros())
}

/// A message as syslog daemons read it: `<22>Sep 26 04:46:54 tag: text`, local time (RFC 3164 §4.1).
fn packet(tag: &[u8], facility: Facility, message: &Message) -> Vec<u8> {
    let seconds = now().as_secs();
    let local = DateTime::from_unix(seconds.saturating_add_signed(os::local_time::offset_seconds(seconds)));
    let (priority, month) = (facility.priority(message.severity), local.month_name());
    let head = format!(
        "<{priority}>{month} {:2} {:02}:{:02}:{:02} ",
        local.day, local.hour, local.minute, local.second
    );
    [head.as_bytes(), tag, b": ", &message.text].concat()
}
