//! The log lines of qmail-send (contract 13), word for word: analysers parse them.
//!
//! A line ends with a newline and holds no other; addresses and reports pass the filter [`append_safe`].

/// How a delivery ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// `success`
    Delivered,
    /// `deferral`
    Deferred,
    /// `failure`
    Failed,
}

/// Why qmail-send cannot start; each is followed by exit 111.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// The QMAIL directory.
    Home,
    /// The control files.
    Controls,
    /// The queue directory.
    Queue,
    /// `lock/sendmutex` cannot be opened.
    Mutex,
    /// It is locked.
    Running,
    /// A spawner does not greet.
    NoSpawner,
}

impl Opening {
    fn words(self) -> &'static str {
        match self {
            Self::Home => "unable to switch to home directory",
            Self::Controls => "unable to read controls",
            Self::Queue => "unable to switch to queue directory",
            Self::Mutex => "unable to open mutex",
            Self::Running => "qmail-send is already running",
            Self::NoSpawner => "hath the daemon spawn no fire?",
        }
    }
}

/// One line. `file` is relative to the queue directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    /// At start, and at every start and end of a delivery.
    Status {
        /// Deliveries in flight, local and remote.
        used: [usize; 2],
        /// Slots.
        of: [usize; 2],
        /// A TERM has come.
        stopping: bool,
    },
    /// The last line.
    Exiting,
    /// A message has been found in `todo`.
    NewMessage(u64),
    /// Its envelope.
    Info {
        /// Its number.
        id: u64,
        /// Of the message file.
        bytes: u64,
        /// Envelope sender.
        sender: &'a [u8],
        /// Process id of qmail-queue, or the queue id.
        qp: u64,
        /// Real uid of who queued it.
        uid: u64,
    },
    /// A delivery begins.
    Starting {
        /// Its number since start.
        delivery: u64,
        /// The message.
        id: u64,
        /// `local` or `remote`.
        channel: &'a str,
        /// As queued.
        recipient: &'a [u8],
    },
    /// A delivery has ended.
    Ended {
        /// Its number since start.
        delivery: u64,
        /// How.
        verdict: Verdict,
        /// What the spawner reports.
        text: &'a [u8],
    },
    /// The spawner's report is in no known form.
    Mangled(u64),
    /// A bounce has been queued.
    Bounced {
        /// Of this message.
        id: u64,
        /// As qmail-queue calls the bounce.
        qp: u64,
    },
    /// A bounce of a double bounce is not sent.
    TripleBounce(u64),
    /// A bounce of a bounce is not sent, because control/doublebounceto says so.
    DoubleBounce(u64),
    /// A bounce that nobody takes, and no double bounce either, is not sent (D28).
    UnwantedBounce(u64),
    /// A message whose envelope nobody can read has been moved to `queue/quarantine` (D27).
    SetAside(u64),
    /// Nothing is left to do for the message.
    EndMessage(u64),
    /// `alert: cannot start: ...`
    CannotStart(Opening),
    /// `alert: ` and fixed words.
    Alert(&'static str),
    /// `alert: unable to opendir DIR, sleeping...`
    Opendir(&'a str),
    /// `warning: ` words, file, words.
    Warning(&'static str, &'a str, &'static str),
    /// A wrong value in a control file.
    Setting(&'a str),
}

/// `alert: oh no! lost qmail-clean connection! dying...`
pub const LOST_CLEAN: Line<'static> = Line::Alert("oh no! lost qmail-clean connection! dying...");
/// `alert: oh no! lost spawn connection! dying...`
pub const LOST_SPAWN: Line<'static> = Line::Alert("oh no! lost spawn connection! dying...");
/// `alert: unable to append to bounce message; HELP! sleeping...`
pub const BOUNCE_APPEND: Line<'static> = Line::Alert("unable to append to bounce message; HELP! sleeping...");
/// SIGHUP, control/locals.
pub const REREAD_LOCALS: Line<'static> = Line::Alert("unable to reread control/locals");
/// SIGHUP, control/virtualdomains.
pub const REREAD_VIRTUALDOMAINS: Line<'static> = Line::Alert("unable to reread control/virtualdomains");
/// The bounce program cannot be started.
pub const NO_QUEUE: Line<'static> = Line::Warning("unable to start qmail-queue, will try later", "", "");
/// The bounce was refused.
pub const BOUNCE_TROUBLE: Line<'static> =
    Line::Warning("trouble injecting bounce message, will try later", "", "");
/// A spawner reports what it was not given.
pub const OUT_OF_RANGE: Line<'static> = Line::Warning("internal error: delivery report out of range", "", "");

impl Line<'_> {
    /// Appends the line, newline included.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Status { used: [local, remote], of: [locals, remotes], stopping } => {
                let stopping = if stopping { " exitasap" } else { "" };
                push(out, &format!("status: local {local}/{locals} remote {remote}/{remotes}{stopping}"));
            }
            Self::Exiting => push(out, "status: exiting"),
            Self::NewMessage(id) => push(out, &format!("new msg {id}")),
            Self::Info { id, bytes, sender, qp, uid } => {
                push(out, &format!("info msg {id}: bytes {bytes} from <"));
                append_safe(out, sender);
                push(out, &format!("> qp {qp} uid {uid}"));
            }
            Self::Starting { delivery, id, channel, recipient } => {
                push(out, &format!("starting delivery {delivery}: msg {id} to {channel} "));
                append_safe(out, recipient);
            }
            Self::Ended { delivery, verdict, text } => {
                let verdict = match verdict {
                    Verdict::Delivered => "success",
                    Verdict::Deferred => "deferral",
                    Verdict::Failed => "failure",
                };
                push(out, &format!("delivery {delivery}: {verdict}: "));
                append_safe(out, text);
            }
            Self::Mangled(delivery) => push(out, &format!("delivery {delivery}: report mangled, will defer")),
            Self::Bounced { id, qp } => push(out, &format!("bounce msg {id} qp {qp}")),
            Self::TripleBounce(id) => push(out, &format!("triple bounce: discarding bounce/{id}")),
            Self::DoubleBounce(id) => push(out, &format!("double bounce: discarding bounce/{id}")),
            Self::UnwantedBounce(id) => push(out, &format!("unwanted bounce: discarding bounce/{id}")),
            Self::SetAside(id) => push(out, &format!("set aside: msg {id} is in queue/quarantine")),
            Self::EndMessage(id) => push(out, &format!("end msg {id}")),
            Self::CannotStart(why) => push(out, &format!("alert: cannot start: {}", why.words())),
            Self::Alert(words) => push(out, &format!("alert: {words}")),
            Self::Opendir(directory) => {
                push(out, &format!("alert: unable to opendir {directory}, sleeping..."));
            }
            Self::Warning(before, file, after) => push(out, &format!("warning: {before}{file}{after}")),
            Self::Setting(warning) => append_safe_but_spaces(out, warning.as_bytes()),
        }
        out.push(b'\n');
    }

    /// The line by itself.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.append_to(&mut out);
        out
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// What strangers may write into the log: a newline becomes `/`; what is not a printable ASCII byte, a space, and
/// `%` become `_`.
pub fn append_safe(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.iter().map(|&byte| match byte {
        b'\n' => b'/',
        b'%' | 0..33 | 127.. => b'_',
        other => other,
    }));
}

fn append_safe_but_spaces(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.iter().map(|&byte| if matches!(byte, 0..32 | 127..) { b'_' } else { byte }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_have_the_originals_words() {
        for (line, want) in [
            (Line::Status { used: [1, 0], of: [10, 20], stopping: false }, "status: local 1/10 remote 0/20"),
            (
                Line::Status { used: [0, 0], of: [10, 20], stopping: true },
                "status: local 0/10 remote 0/20 exitasap",
            ),
            (Line::Exiting, "status: exiting"),
            (Line::NewMessage(7), "new msg 7"),
            (
                Line::Info { id: 7, bytes: 217, sender: b"odd s\xe9@x", qp: 9, uid: 0 },
                "info msg 7: bytes 217 from <odd_s_@x> qp 9 uid 0",
            ),
            (
                Line::Starting {
                    delivery: 1,
                    id: 7,
                    channel: "remote",
                    recipient: b"hard \xe9\n@far.example",
                },
                "starting delivery 1: msg 7 to remote hard__/@far.example",
            ),
            (
                Line::Ended { delivery: 2, verdict: Verdict::Failed, text: b"\x01\xff%x\n\n\nblank" },
                "delivery 2: failure: ___x///blank",
            ),
            (Line::Mangled(3), "delivery 3: report mangled, will defer"),
            (Line::Bounced { id: 7, qp: 8 }, "bounce msg 7 qp 8"),
            (Line::TripleBounce(7), "triple bounce: discarding bounce/7"),
            (Line::DoubleBounce(7), "double bounce: discarding bounce/7"),
            (Line::CannotStart(Opening::Running), "alert: cannot start: qmail-send is already running"),
            (
                Line::Warning("unable to utime ", "local/1/2", "; message will be retried too soon"),
                "warning: unable to utime local/1/2; message will be retried too soon",
            ),
            (BOUNCE_TROUBLE, "warning: trouble injecting bounce message, will try later"),
        ] {
            assert_eq!(String::from_utf8(line.to_bytes()).unwrap(), format!("{want}\n"));
        }
    }

    proptest! {
        #[test]
        fn no_stranger_begins_a_line(text: Vec<u8>) {
            for line in [
                Line::Ended { delivery: 1, verdict: Verdict::Deferred, text: &text },
                Line::Info { id: 1, bytes: 2, sender: &text, qp: 3, uid: 4 },
                Line::Starting { delivery: 1, id: 1, channel: "local", recipient: &text },
            ] {
                let bytes = line.to_bytes();
                prop_assert_eq!(bytes.iter().position(|&b| b == b'\n'), Some(bytes.len() - 1));
                prop_assert!(bytes.iter().all(|&b| b == b'\n' || (32..127).contains(&b)));
            }
        }
    }
}
