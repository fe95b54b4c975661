//! The classic form: `qmail-remote HOST SENDER RECIP [RECIP ...]`, one delivery, message on descriptor 0.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use contracts::remote_worker::Transaction;

use crate::connection::Connection;
use crate::delivery::Deliverer;
use crate::text;

/// Makes the delivery that `arguments` (without the program's name) ask for and writes its records to `out`.
///
/// Says goodbye to the servers only after that: the result must not wait for them (D19).
pub async fn run(
    home: &Path,
    mut arguments: impl Iterator<Item = Vec<u8>>,
    message: File,
    out: &mut impl Write,
) {
    let host = arguments.next();
    let sender = arguments.next();
    let recipients: Vec<_> = arguments.collect();
    let (Some(host), Some(sender), false) = (host, sender, recipients.is_empty()) else {
        return print(out, text::MISUSED);
    };
    if std::env::set_current_dir(home).is_err() {
        return print(out, text::NO_HOME);
    }
    let deliverer = Deliverer::new(home, None);
    let delivered = deliverer.deliver(&Transaction { host, sender, recipients }, message).await;
    let _ = out.write_all(&delivered.output);
    let _ = out.flush();
    say_goodbye(delivered.leftover).await;
}

/// To all at once.
pub async fn say_goodbye(connections: Vec<Connection>) {
    let mut goodbyes = tokio::task::JoinSet::new();
    for connection in connections {
        goodbyes.spawn(connection.quit());
    }
    while goodbyes.join_next().await.is_some() {}
}

fn print(out: &mut impl Write, record: &[u8]) {
    let write = |out: &mut dyn Write| -> io::Result<()> {
        out.write_all(record)?;
        out.write_all(&[0])?;
        out.flush()
    };
    // Nobody to tell it to; the missing record makes it a deferral.
    let _ = write(out);
}
