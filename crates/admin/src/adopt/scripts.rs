//! Run scripts, service files and rules that start or steer the original. They are read, never changed.

use super::remark::{Remark, Standing};
use crate::place::Place;
use std::path::{Path, PathBuf};

/// Directories of services, each with a `run`.
const SERVICES: [&str; 6] =
    ["/service", "/etc/service", "/var/service", "/etc/sv", "/etc/s6/sv", "/var/qmail/supervise"];
/// Directories of scripts and units.
const SCRIPTS: [&str; 6] = [
    "/etc/init.d",
    "/etc/rc.d",
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/etc/xinetd.d",
    "/usr/local/etc/rc.d",
];
/// Single files.
const FILES: [&str; 3] = ["/etc/inetd.conf", "/etc/rc.local", "/etc/inittab"];
/// Longer files are no run scripts.
const BYTES_MAX: u64 = 65_536;
/// With fewer bytes of address space a program of ours may not start: they were seen to need six million.
const SOFTLIMIT_BYTES: u64 = 16_000_000;

pub(super) fn remarks(place: &Place) -> Vec<Remark> {
    let mut found = Vec::new();
    for path in candidates(place) {
        let is_small = path.metadata().is_ok_and(|m| m.is_file() && m.len() <= BYTES_MAX);
        let Some(text) = Some(&path).filter(|_| is_small).and_then(|p| std::fs::read(p).ok()) else {
            continue;
        };
        found.extend(about(&path, &String::from_utf8_lossy(&text)));
    }
    for name in [
        "/etc/tcp.smtp.cdb",
        "/etc/tcp.pop3.cdb",
        "/etc/tcprules.d/tcp.smtp.cdb",
        "/home/vpopmail/etc/tcp.smtp.cdb",
    ] {
        let path = place.outside(name);
        if path.exists() {
            found.push(Remark::new(
                Standing::Honoured,
                path.display().to_string(),
                "tcpserver goes on reading it",
            ));
        }
    }
    found
}

fn candidates(place: &Place) -> Vec<PathBuf> {
    let mut found = vec![place.at("rc")];
    let inside = |directory: &Path| {
        let mut names: Vec<_> =
            directory.read_dir().into_iter().flatten().flatten().map(|e| e.path()).collect();
        names.sort_unstable();
        names
    };
    for directory in SERVICES {
        for service in inside(&place.outside(directory)) {
            found.extend([service.join("run"), service.join("log/run")]);
        }
    }
    for directory in SCRIPTS {
        found.extend(inside(&place.outside(directory)).into_iter().filter(|p| p.is_file()));
    }
    found.extend(FILES.iter().map(|f| place.outside(f)));
    // A service is usually linked from where it is to where it is looked for.
    let mut seen = Vec::new();
    found.retain(|p| {
        let real = p.canonicalize().ok();
        real.is_some_and(|real| {
            !seen.contains(&real) && {
                seen.push(real);
                true
            }
        })
    });
    found
}

/// What one script has to do with us.
fn about(path: &Path, text: &str) -> Vec<Remark> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.starts_with('#')).collect();
    let has = |word: &str| lines.iter().any(|l| l.contains(word));
    let programs = [
        "qmail-start",
        "qmail-smtpd",
        "qmail-pop3d",
        "qmail-popup",
        "qmail-qmtpd",
        "qmail-qmqpd",
        "qmailctl",
    ];
    let started: Vec<_> = programs.into_iter().filter(|p| has(p)).collect();
    let about = path.display().to_string();
    let mut found = Vec::new();
    if !started.is_empty() {
        let words = format!("goes on starting {}", started.join(", "));
        found.push(Remark::new(Standing::Honoured, &about, words));
    }
    if has("QMAILQUEUE") {
        let line = lines.iter().find(|l| l.contains("QMAILQUEUE")).unwrap_or(&"");
        found.push(Remark::new(
            Standing::Honoured,
            &about,
            format!("`{}`: that program is run as ever", shown(line)),
        ));
    }
    if started.is_empty() {
        return found;
    }
    for line in lines.iter().filter(|l| l.contains("softlimit")) {
        if let Some(bytes) = softlimit(line).filter(|b| *b < SOFTLIMIT_BYTES) {
            let words = format!(
                "`softlimit` gives {bytes} bytes, where our programs want {SOFTLIMIT_BYTES}; raise it first"
            );
            found.push(Remark::new(Standing::Blocks, &about, words));
        }
    }
    found
}

/// The number after `-m` or `-a`, the limits of a whole address space.
fn softlimit(line: &str) -> Option<u64> {
    let mut words = line.split_whitespace().skip_while(|w| !w.ends_with("softlimit")).skip(1);
    while let Some(word) = words.next() {
        let rest = word.strip_prefix("-m").or_else(|| word.strip_prefix("-a"));
        match rest {
            Some("") => return words.next()?.parse().ok(),
            Some(number) => return number.parse().ok(),
            None if word.starts_with('-') => {}
            None => return None,
        }
    }
    None
}

fn shown(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_memory_are_read_from_run_scripts() {
        for (line, bytes) in [
            ("exec /usr/local/bin/softlimit -m 2000000 \\", Some(2_000_000)),
            ("softlimit -m30000000 tcpserver", Some(30_000_000)),
            ("softlimit -n 5 -a 9 x", None),
            ("softlimit -a 9 x", Some(9)),
            ("exec softlimit -m $MEM x", None),
            ("echo", None),
        ] {
            assert_eq!(softlimit(line), bytes, "{line}");
        }
    }

    #[test]
    fn a_run_script_is_known_by_what_it_starts() {
        let text = "#!/bin/sh\n# qmail-pop3d\nexec softlimit -m 2000000 tcpserver -x /etc/tcp.smtp.cdb 0 25 /var/qmail/bin/qmail-smtpd 2>&1\n";
        let found = about(Path::new("/service/smtpd/run"), text);
        assert_eq!(
            found.iter().map(|r| r.standing).collect::<Vec<_>>(),
            [Standing::Honoured, Standing::Blocks]
        );
        assert!(found[0].words.ends_with("starting qmail-smtpd"), "{found:?}");
        assert!(about(Path::new("x"), "exec sshd\nsoftlimit -m 1 x").is_empty());
    }
}
