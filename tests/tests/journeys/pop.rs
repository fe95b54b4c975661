//! Other people's programs fetch mail by POP3.
//!
//!     curl, poplib, fetchmail, mpop ──> tcpserver ─> qmail-popup ─> checker ─> qmail-pop3d ─> joe/Maildir
//!
//! The checker is ours, and once a script that somebody else might have written.

use quail_tests::peers::ucspi::{self, Tcpserver};
use quail_tests::{World, peers, place, skip};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// A POP3 server with joe's mail.
struct Server {
    world: World,
    _tcpserver: Tcpserver,
    port: String,
}

impl Server {
    /// `None`: there is no tcpserver, and that has been said. Without a checker it is ours; joe's password is then kept
    /// as APOP needs it, since curl uses that whenever a server offers it.
    fn start(messages: &[&str], checker: Option<&str>) -> Option<Self> {
        let Some(program) = ucspi::program("tcpserver") else {
            skip("tcpserver cannot be had");
            return None;
        };
        let world = World::rootless();
        let new = world.home().join("joe/Maildir/new");
        for (number, text) in messages.iter().enumerate() {
            let path = new.join(format!("{number}.x,S={}", text.len()));
            std::fs::write(&path, text).expect("a message");
            let written = SystemTime::now() - Duration::from_secs(100 - u64::try_from(number).expect("few"));
            let file = std::fs::File::options().write(true).open(&path).expect("the message");
            file.set_modified(written).expect("our own file");
        }
        world.own_all();
        let joe = world.home().join("joe");
        let owner = joe.metadata().expect("joe's home");
        let line = format!("joe:{{PLAIN}}secret:{}.{}:{}\n", owner.uid(), owner.gid(), joe.display());
        let passwords = world.home().join("users/passwords");
        std::fs::write(&passwords, line).expect("passwords");
        world.own(&passwords);
        let ours = world.home().join("bin/quail-checkpassword").display().to_string();
        let checker = match checker {
            None => ours,
            Some(script) => {
                let path = world.scratch().join("checker");
                std::fs::write(&path, script.replace("JOE", &joe.display().to_string())).expect("a script");
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
                    .expect("our own file");
                path.display().to_string()
            }
        };
        let bin = world.home().join("bin");
        let (popup, pop3d) = (bin.join("qmail-popup"), bin.join("qmail-pop3d"));
        let session: [&Path; 5] =
            [&popup, "here.example".as_ref(), checker.as_ref(), &pop3d, "Maildir".as_ref()];
        let tcpserver = Tcpserver::start(&world, &program, &[], &session);
        let port = tcpserver.address.port().to_string();
        Some(Self { world, _tcpserver: tcpserver, port })
    }

    fn maildir(&self, part: &str) -> usize {
        self.world.home().join("joe/Maildir").join(part).read_dir().expect("a directory").count()
    }
}

/// Runs a client, which gets half a minute; gives what it said.
fn client(program: &Path, package: &str, arguments: &[&str]) -> String {
    let output = Command::new("timeout")
        .arg("30")
        .arg(program)
        .args(arguments)
        .env("LD_LIBRARY_PATH", peers::libraries_of(package))
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1)");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{} {arguments:?}: {}\n{said}", program.display(), output.status);
    said
}

const LETTERS: [&str; 2] = ["Subject: one\n\nfirst\n.dot\nlast", "Subject: two\n\nsecond\n"];

#[test]
fn curl_lists_and_fetches() {
    let Some(curl) = place::program_of("curl", "curl") else { return skip("curl cannot be had") };
    let Some(server) = Server::start(&LETTERS, None) else { return };
    let url = |rest: &str| format!("pop3://127.0.0.1:{}/{rest}", server.port);
    let fetch = |rest: &str| client(&curl, "curl", &["-sS", "--user", "joe:secret", &url(rest)]);
    assert_eq!(fetch("1"), "Subject: one\r\n\r\nfirst\r\n.dot\r\nlast\r\n\r\n");
    assert_eq!(fetch("").lines().collect::<Vec<_>>(), ["1 37", "2 26"]);
    assert_eq!((server.maildir("new"), server.maildir("cur")), (0, 2));
}

#[test]
fn pythons_library_agrees_about_every_size() {
    let python = Path::new("/usr/bin/python3");
    if !python.exists() {
        return skip("there is no python3");
    }
    let Some(server) = Server::start(&LETTERS, None) else { return };
    let script = "import poplib, sys
p = poplib.POP3('127.0.0.1', int(sys.argv[1])); caps = p.capa()
p.user('joe'); p.pass_('secret')
sizes = [int(l.split()[1]) for l in p.list()[1]]
assert p.stat() == (len(sizes), sum(sizes)), p.stat()
assert [p.retr(i + 1)[2] for i in range(len(sizes))] == sizes, sizes
assert p.top(2, 0)[1] == [b'Subject: two', b'', b''], p.top(2, 0)
assert p.uidl()[1] == [b'1 0.x,S=29', b'2 1.x,S=21'], p.uidl()
assert 'PIPELINING' in caps and 'UIDL' in caps and p.capa() == caps
p.dele(1); p.rset(); p.dele(2); p.quit()";
    client(python, "python3", &["-c", script, &server.port]);
    assert_eq!((server.maildir("new"), server.maildir("cur")), (0, 1));
}

#[test]
fn fetchmail_takes_everything_with_a_password_and_with_apop() {
    let Some(fetchmail) = place::program_of("fetchmail", "fetchmail") else {
        return skip("fetchmail cannot be had");
    };
    for protocol in ["pop3", "apop"] {
        let Some(server) = Server::start(&LETTERS, None) else { return };
        let (rc, got) = (server.world.scratch().join("rc"), server.world.scratch().join("got"));
        let settings = format!(
            "poll 127.0.0.1 protocol {protocol} port {} timeout 20 user joe password secret fetchall nokeep sslproto '' mda \"cat >> {}\"\n",
            server.port,
            got.display()
        );
        std::fs::write(&rc, settings).expect("settings");
        std::fs::set_permissions(&rc, std::fs::Permissions::from_mode(0o600)).expect("our own file");
        let files = [format!("{}/pid", server.world.scratch().display()), rc.display().to_string()];
        client(&fetchmail, "fetchmail", &["--nodetach", "--pidfile", &files[0], "-f", &files[1]]);
        let text = std::fs::read_to_string(&got).expect("mail");
        assert!(text.contains("first\n.dot\nlast\n") && text.contains("Subject: two\n"), "{text}");
        assert_eq!((server.maildir("new"), server.maildir("cur")), (0, 0));
    }
}

#[test]
fn mpop_pipelines_its_commands() {
    let Some(mpop) = place::program_of("mpop", "mpop") else { return skip("mpop cannot be had") };
    let Some(server) = Server::start(&LETTERS, None) else { return };
    let box_ = server.world.scratch().join("got");
    let settings = server.world.scratch().join("mpoprc");
    let uidls = server.world.scratch().join("uidls");
    let text = format!(
        "account default\nhost 127.0.0.1\nport {}\ntls off\nauth user\nuser joe\npassword secret\npipelining on\nkeep off\nuidls_file {}\ndelivery mbox {}\n",
        server.port,
        uidls.display(),
        box_.display()
    );
    std::fs::write(&settings, text).expect("settings");
    std::fs::set_permissions(&settings, std::fs::Permissions::from_mode(0o600)).expect("our own file");
    client(&mpop, "mpop", &["-C", &settings.display().to_string()]);
    let text = std::fs::read_to_string(&box_).expect("mail");
    assert!(text.contains(".dot\nlast\n") && text.contains("Subject: two\n"), "{text}");
    assert_eq!((server.maildir("new"), server.maildir("cur")), (0, 0));
}

#[test]
fn a_foreign_checker_will_do_and_nothing_that_follows_pass_is_lost() {
    let script = "#!/bin/sh\n[ \"$(tr '\\000' '|' <&3 | cut -d'|' -f1,2)\" = 'joe|a b' ] || exit 1\ncd 'JOE' && exec \"$@\"\n";
    let Some(server) = Server::start(&LETTERS, Some(script)) else { return };
    // With a quota, what is removed is noted: the size in the file's name, or that of the file.
    let ledger = server.world.home().join("joe/Maildir/maildirsize");
    std::fs::write(&ledger, "5000S\n1000 2\n").expect("joe's Maildir");
    server.world.own(&ledger);
    let talk = |lines: &str| {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", server.port)).expect("a server");
        stream.set_read_timeout(Some(place::PATIENCE)).expect("a socket");
        stream.write_all(lines.as_bytes()).expect("it listens");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("an end");
        said.split_once("\r\n").expect("a greeting").1.to_owned()
    };
    assert_eq!(
        talk("USER joe\r\nPASS a b\r\nSTAT\r\nDELE 1\r\nQUIT\r\n"),
        "+OK \r\n+OK \r\n+OK 2 63\r\n+OK \r\n+OK \r\n"
    );
    assert_eq!(talk("USER joe\r\nPASS a\r\nSTAT\r\n"), "+OK \r\n-ERR authorization failed\r\n");
    assert_eq!((server.maildir("new"), server.maildir("cur")), (0, 1));
    let noted = std::fs::read_to_string(&ledger).expect("maildirsize");
    assert_eq!(noted, format!("5000S\n1000 2\n-{} -1\n", LETTERS[0].len()));
}
