//! What the try-out shows: one message, from the first word of the session to the Maildir, with times.

use super::system::{DOMAIN, System, USER};
use crate::conversation::{Conversation, Speaker};
use crate::page::{harmless, say, title};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// Lines of the arrived message that are shown.
const SHOWN_LINES: usize = 30;

/// Sends one message and shows it arrive.
pub fn tell(system: &mut System) -> Result<()> {
    title("A private mail system");
    say(&format!("    listens on   {}", system.address));
    say(&format!("    lives in     {}", system.home().display()));
    say(&format!("    at home here {USER}@{DOMAIN}"));

    let start = Instant::now();
    let mut session = Conversation::open(system.address)?;
    let accepted = speak(&mut session);
    title("One message in, by SMTP");
    for spoken in &session.said {
        let arrow = if spoken.by == Speaker::Client { '>' } else { '<' };
        say(&format!("    {} {arrow} {}", time(spoken.at), harmless(&spoken.line)));
    }
    let accepted = accepted?;
    let file = system.first_arrival()?;
    let arrived = start.elapsed();
    // The message is there before the queue has forgotten it; the last line of its log says that it has.
    system.wait_until("ends the message", |s| s.log_lines().iter().any(|l| l.contains("end msg")))?;
    let _ = session.command("QUIT", b'2');

    title("What qmail-send wrote in its log");
    for line in system.log_lines() {
        say(&format!("    {line}"));
    }
    title("What arrived");
    say(&format!("    {}", file.display()));
    say("");
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
    for line in lines.iter().take(SHOWN_LINES) {
        say(&format!("    | {}", harmless(line)));
    }
    title("Times");
    say(&format!("    {} after the connection: accepted, safe on disk", time(accepted)));
    say(&format!("    {} after the connection: seen in the Maildir", time(arrived)));
    Ok(())
}

/// The session; gives the time at which the message was accepted.
fn speak(session: &mut Conversation) -> Result<Duration> {
    session.command("EHLO try.example", b'2')?;
    session.command("MAIL FROM:<visitor@try.example>", b'2')?;
    session.command(&format!("RCPT TO:<{USER}@{DOMAIN}>"), b'2')?;
    session.command("DATA", b'3')?;
    session.message(&format!(
        "From: A visitor <visitor@try.example>\nTo: {USER}@{DOMAIN}\nSubject: hello\n\nDoes mail flow here?\n"
    ))?;
    Ok(session.said.last().map(|s| s.at).unwrap_or_default())
}

/// How to go on.
pub fn invite(system: &System) {
    let (home, address) = (system.home().display(), system.address);
    let bin = home.to_string() + "/bin";
    title("It goes on running");
    say("Send more, from another terminal:");
    say("");
    say(&format!(
        "    curl --crlf smtp://{address} --mail-from a@b.example --mail-rcpt {USER}@{DOMAIN} -T some-file"
    ));
    say(&format!("    swaks --server {address} --to {USER}@{DOMAIN}"));
    say(&format!("    echo Subject: hi | QUAIL_HOME={home} {bin}/qmail-inject {USER}@{DOMAIN}"));
    say("");
    say("And look:");
    say("");
    say(&format!("    {}          the mail", system.new_mail().display()));
    say(&format!("    {}          the log", system.log_file().display()));
    say(&format!("    {home}/control    every setting is a file here"));
    say(&format!("    {home}/queue      every message that waits"));
    say("");
    say("Interrupt (Ctrl-C) to stop and to remove all of it.");
}

fn time(duration: Duration) -> String {
    format!("{:>7.1} ms", duration.as_secs_f64() * 1000.0)
}
