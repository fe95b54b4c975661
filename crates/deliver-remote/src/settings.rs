//! The control files of qmail-remote, read anew when one of them changes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use control::{Control, ControlError, Warning, catalogue};

use crate::own_addresses::OwnAddresses;
use crate::qmtp::QMTP_PORT;
use crate::route::{Routes, SMTP_PORT};
use crate::sources::{SourceError, Sources};

/// All files that [`Settings`] are made of.
const FILES: [&str; 13] = [
    "me",
    "helohost",
    "timeoutremote",
    "timeoutconnect",
    "smtproutes",
    "qmtproutes",
    "mxps",
    "concurrencyremotehost",
    "authsenders",
    "outgoingip",
    "bindroutes",
    "moreipme",
    "notipme",
];

/// How to deliver.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name in EHLO and HELO.
    pub helo_host: Vec<u8>,
    /// How long a connection may take to come about.
    pub connect_limit: Duration,
    /// How long each reply and each write may take.
    pub reply_limit: Duration,
    /// Relays by envelope sender; asked first.
    pub senders: Routes,
    /// Which address of ours a connection leaves from.
    pub sources: Result<Sources, SourceError>,
    /// Which addresses are ours.
    pub own: OwnAddresses,
    /// Relays chosen by hand.
    pub routes: Routes,
    /// The same, to hosts that speak QMTP; asked first.
    pub qmtp_routes: Routes,
    /// The preference of an exchanger may say that it speaks QMTP.
    pub mxps: bool,
    /// Connections to one address at a time.
    pub connections_per_address: usize,
}

impl Settings {
    /// Reads the files below `home`. What is wrong but can be lived without is passed to `warn`.
    pub fn read(home: &Path, warn: &mut dyn FnMut(Warning)) -> Result<Self, ControlError> {
        let control = Control::at(home);
        let mut number = |name| match catalogue::setting(name) {
            Some(setting) => control.number(setting, warn),
            None => Ok(0),
        };
        let reply_limit = Duration::from_secs(number("timeoutremote")?);
        let connect_limit = Duration::from_secs(number("timeoutconnect")?);
        let mxps = number("mxps")? > 0;
        let connections = number("concurrencyremotehost")?;
        let bytes = |name: &str| Ok(control.bytes(name)?.unwrap_or_default());
        let routes = Routes::parse(&bytes("smtproutes")?);
        let senders = Routes::of("authsenders", SMTP_PORT, &bytes("authsenders")?);
        let qmtp_routes = Routes::of("qmtproutes", QMTP_PORT, &bytes("qmtproutes")?);
        for ignored in [&routes, &senders, &qmtp_routes].into_iter().flat_map(Routes::ignored) {
            warn(ignored);
        }
        Ok(Self {
            senders,
            sources: Sources::parse(&bytes("outgoingip")?, &bytes("bindroutes")?),
            own: OwnAddresses::parse(&bytes("moreipme")?, &bytes("notipme")?, warn),
            helo_host: control.line_or_me_required("helohost")?,
            connect_limit,
            reply_limit,
            routes,
            qmtp_routes,
            mxps,
            connections_per_address: usize::try_from(connections).unwrap_or(1).max(1),
        })
    }
}

/// Files that were looked at less than this ago are taken to be as they were: a change is honoured within a quarter of
/// a second.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Device, inode, size, and times of last change; `None` where there is no file.
type Mark = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// Settings for a worker that lives longer than a control file.
///
/// A delivery sees the files as they are, or were within [`LOOK_INTERVAL`]; the first one sees them as they are.
#[derive(Debug)]
pub struct Watched {
    /// In the order of [`FILES`].
    paths: [PathBuf; FILES.len()],
    home: PathBuf,
    looked: Option<Instant>,
    known: Option<([Mark; FILES.len()], Rc<Settings>)>,
}

impl Watched {
    /// The settings below `home`; nothing is read yet.
    pub fn new(home: &Path) -> Self {
        let paths = FILES.map(|name| home.join("control").join(name));
        Self { paths, home: home.to_path_buf(), looked: None, known: None }
    }

    /// The settings as they are `now`.
    pub fn at(&mut self, now: Instant, warn: &mut dyn FnMut(Warning)) -> Result<Rc<Settings>, ControlError> {
        let is_fresh = self.looked.is_some_and(|then| now.saturating_duration_since(then) < LOOK_INTERVAL);
        if let Some((_, settings)) = self.known.as_ref().filter(|_| is_fresh) {
            return Ok(Rc::clone(settings));
        }
        let marks = self.paths.each_ref().map(|path| {
            let found = std::fs::metadata(path).ok()?;
            let (dev, ino, size) = (found.dev(), found.ino(), found.size());
            Some((dev, ino, size, found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()))
        });
        self.looked = Some(now);
        match &self.known {
            Some((known, settings)) if *known == marks => Ok(Rc::clone(settings)),
            _ => {
                // A file that is wrong is told of, and tried again, at every delivery.
                self.known = None;
                let settings = Rc::new(Settings::read(&self.home, warn)?);
                self.known = Some((marks, Rc::clone(&settings)));
                Ok(settings)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("control")).unwrap();
        for (name, text) in files {
            std::fs::write(home.path().join("control").join(name), text).unwrap();
        }
        home
    }

    #[test]
    fn the_defaults_are_those_of_the_manual() {
        let home = home(&[("me", "mx.example\n")]);
        let settings = Settings::read(home.path(), &mut |_| panic!()).unwrap();
        assert_eq!(settings.helo_host, b"mx.example");
        assert_eq!(settings.reply_limit.as_secs(), 1200);
        assert_eq!(settings.connect_limit.as_secs(), 60);
        assert_eq!(settings.connections_per_address, 20);
    }

    #[test]
    fn a_host_without_a_name_delivers_nothing() {
        let home = home(&[("smtproutes", ":hub\n")]);
        assert!(Settings::read(home.path(), &mut |_| ()).is_err());
    }

    #[test]
    fn a_changed_file_is_seen_by_the_next_delivery() {
        let home = home(&[("me", "one.example\n")]);
        let mut watched = Watched::new(home.path());
        let start = Instant::now();
        let mut at = |looks: u32| watched.at(start + LOOK_INTERVAL * looks, &mut |_| ()).unwrap();
        let first = at(0);
        assert!(Rc::ptr_eq(&first, &at(1)));
        std::fs::write(home.path().join("control/helohost"), "two.example\n").unwrap();
        assert_eq!(at(1).helo_host, b"one.example", "looked at just now");
        assert_eq!(at(2).helo_host, b"two.example");
        std::fs::remove_file(home.path().join("control/helohost")).unwrap();
        assert_eq!(at(3).helo_host, b"one.example");
    }
}
