//! quail-checkpassword(8) as root, for accounts that Debian's own programs have made.
//!
//!     useradd, chpasswd, passwd, mkpasswd ─> /etc/shadow
//!     fetchmail ──POP3──> tcpserver ─> qmail-popup ─> [ quail-checkpassword ] ─> qmail-pop3d, as the account
//!
//! /etc is a layer in memory of the test's own; that the machine's stayed as it was is looked at in the end.

use quail_tests::own_host::text;
use quail_tests::{Host, deadline, peers, place, skip};
use std::fs;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Accounts, and what makes their passwords: lines of shell with the password in P.
const ACCOUNTS: [(&str, &str); 7] = [
    ("pam", "printf 'pam:%s\\n' \"$P\" | chpasswd"),
    ("byhand", "printf '%s\\n%s\\n' \"$P\" \"$P\" | passwd byhand"),
    ("sha512", "printf 'sha512:%s\\n' \"$P\" | chpasswd -c SHA512 -s 5000"),
    ("sha256", "printf 'sha256:%s\\n' \"$P\" | chpasswd -c SHA256"),
    ("bcrypt", "usermod -p \"$(mkpasswd -m bcrypt -R 5 \"$P\")\" bcrypt"),
    ("yescrypt", "usermod -p \"$(mkpasswd -m yescrypt \"$P\")\" yescrypt"),
    ("scrypt", "usermod -p \"$(mkpasswd -m scrypt -R 6 \"$P\")\" scrypt"),
];

/// Accounts that get in nowhere, and why; their passwords would be right.
const REFUSED: [(&str, &str); 5] = [
    ("locked", "printf 'locked:%s\\n' \"$P\" | chpasswd && passwd -l locked"),
    ("expired", "printf 'expired:%s\\n' \"$P\" | chpasswd && chage -E 2020-01-01 expired"),
    ("without", "true"),
    ("empty", "usermod -p '' empty"),
    ("toor", "usermod -o -u 0 toor && printf 'toor:%s\\n' \"$P\" | chpasswd"),
];

const PASSWORD: &str = "correct horse: b\u{e4}ttery\\staple";

/// A machine with these accounts, and an installation of ours; `None`, said aloud, where that cannot be.
fn machine() -> Option<Host> {
    let found = |package: &str, name: &str| {
        let program = place::program_of(package, name);
        if program.is_none() {
            skip(&format!("{name} cannot be had"));
        }
        program
    };
    let programs: Vec<PathBuf> =
        [("whois", "mkpasswd"), ("ucspi-tcp", "tcpserver"), ("fetchmail", "fetchmail")]
            .iter()
            .filter_map(|(package, name)| found(package, name))
            .collect();
    let [mkpasswd, tcpserver, _] = programs.as_slice() else { return None };
    let machine = Host::enter()?;
    for program in [mkpasswd, tcpserver] {
        let name = program.file_name().expect("a name");
        std::os::unix::fs::symlink(program, machine.stand_ins().join(name)).unwrap();
    }
    let set = machine.quail(&["setup", "mail.here.example", "--no-service", "--no-sendmail"]);
    assert!(set.status.success(), "{}", text(&set));
    for (name, line) in ACCOUNTS.iter().chain(&REFUSED) {
        machine.must(&format!("useradd -m -d /var/{name} -s /bin/sh {name}"));
        machine.must(&format!("P='{PASSWORD}'; {line}"));
    }
    Some(machine)
}

/// Runs the checker with this question; what a program behind it says, and its exit code.
fn ask(machine: &Host, name: &str, password: &str) -> (String, Option<i32>) {
    let line = format!(
        "printf '%s\\0%s\\0<1@h>\\0' {name} '{password}' | {{ exec 3<&0; exec /var/qmail/bin/quail-checkpassword sh -c 'id -u; id -G; echo $USER $HOME $SHELL; pwd'; }}"
    );
    let output = machine.shell(&line);
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn passwords_that_debian_has_made_let_their_owners_in_and_nobody_else() {
    // Through this the machine's own stays in sight.
    let etc = fs::File::open("/etc").unwrap();
    let shadow = || fs::read(format!("/proc/self/fd/{}/shadow", etc.as_raw_fd())).ok();
    let before = shadow();
    let Some(machine) = machine() else { return };
    let methods: Vec<String> = ACCOUNTS
        .iter()
        .map(|(name, _)| machine.must(&format!("getent shadow {name} | cut -d: -f2 | cut -d'$' -f2")))
        .map(|method| method.trim().to_owned())
        .collect();
    assert_eq!(methods, ["y", "y", "6", "5", "2b", "y", "7"]);
    for (name, _) in ACCOUNTS {
        let id = machine.must(&format!("id -u {name}"));
        let group = machine.must(&format!("id -g {name}"));
        let home = format!("/var/{name}");
        assert_eq!(
            ask(&machine, name, PASSWORD),
            (format!("{id}{group}{name} {home} /bin/sh\n{home}\n"), Some(0))
        );
    }
    for (name, _) in REFUSED {
        assert_eq!(ask(&machine, name, PASSWORD), (String::new(), Some(1)), "{name}");
    }
    for (name, password) in [("pam", "correct horse"), ("empty", ""), ("root", ""), ("nobody", "x")] {
        assert_eq!(ask(&machine, name, password), (String::new(), Some(1)), "{name}");
    }
    assert!(before.is_some() && fs::read("/etc/shadow").ok() != before);
    assert!(shadow() == before, "the machine's own passwords were touched");
}

#[test]
fn fetchmail_gets_the_mail_of_an_account() {
    let Some(machine) = machine() else { return };
    machine.must(
        "(tcpserver -HRl mail.here.example 127.0.0.1 110 /var/qmail/bin/qmail-popup mail.here.example /var/qmail/bin/quail-checkpassword /var/qmail/bin/qmail-pop3d Maildir </dev/null >/dev/null 2>&1 &)",
    );
    deadline("tcpserver listens", || TcpStream::connect("127.0.0.1:110").is_ok());
    let fetchmail = place::program_of("fetchmail", "fetchmail").expect("it was there");
    let libraries = peers::libraries_of("fetchmail");
    for (name, _) in ACCOUNTS {
        machine.must(&format!(
            "cd /var/{name} && mkdir -m 700 Maildir Maildir/tmp Maildir/new Maildir/cur && printf 'Subject: for {name}\\n\\nHello.\\n' >Maildir/new/1.x && chown -R {name} Maildir && chmod 600 Maildir/new/1.x && touch -d '1 minute ago' Maildir/new/1.x"
        ));
        let (rc, got) = (machine.scratch().join("rc"), machine.scratch().join(name));
        let password = PASSWORD.replace('\\', "\\\\");
        let settings = format!(
            "poll 127.0.0.1 protocol pop3 port 110 timeout 20 user {name} password \"{password}\" fetchall nokeep sslproto '' mda \"cat >{}\"\n",
            got.display()
        );
        fs::write(&rc, settings).unwrap();
        fs::set_permissions(&rc, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        machine.must(&format!(
            "LD_LIBRARY_PATH={libraries} timeout 30 {} --nodetach --pidfile {}.pid -f {}",
            fetchmail.display(),
            got.display(),
            rc.display()
        ));
        let mail = fs::read_to_string(&got).expect("mail");
        assert!(mail.contains(&format!("Subject: for {name}\n")) && mail.contains("Hello.\n"), "{mail}");
        let left = Path::new("/var").join(name).join("Maildir/new").read_dir().unwrap().count();
        assert_eq!(left, 0, "what was fetched is gone, by the account's own hand");
    }
}
