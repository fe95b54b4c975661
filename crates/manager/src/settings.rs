//! What qmail-send reads in control/, at start and at HUP (contract 3.2, 7.2).
//!
//! The numbers of slots are read at start only, as in the original; all else is read again at HUP (D31).

use std::path::Path;
use std::sync::Arc;

use address::route::Routing;
pub(crate) use control::routing::Unreadable;
use control::{Control, ControlError, Warning, catalogue};

/// The settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Slots, local and remote.
    pub(crate) concurrency: [u64; 2],
    /// control/queuelifetime, in seconds.
    pub(crate) lifetime: u64,
    /// control/bouncefrom.
    pub(crate) bounce_from: Vec<u8>,
    /// control/bouncehost.
    pub(crate) bounce_host: Vec<u8>,
    /// control/doublebounceto `@` control/doublebouncehost; `None` where the first line of control/doublebounceto is
    /// empty: double bounces are dropped, as patched qmails do.
    pub(crate) double_bounce_to: Option<Vec<u8>>,
    /// control/bouncemaxbytes: so much of a message is copied into its bounce; 0: all of it.
    pub(crate) bounce_max_bytes: u64,
    /// Where recipients go.
    pub(crate) routing: Arc<Routing>,
}

impl Settings {
    /// Reads everything.
    pub(crate) fn read(home: &Path, warn: &mut dyn FnMut(Warning)) -> Result<Self, Unreadable> {
        let control = Control::at(home);
        let routing = Arc::new(control.routing(warn)?);
        Self::read_others(&control, routing, warn).map_err(Unreadable::Other)
    }

    fn read_others(
        control: &Control,
        routing: Arc<Routing>,
        warn: &mut dyn FnMut(Warning),
    ) -> Result<Self, ControlError> {
        let mut number = |name: &str| match catalogue::setting(name) {
            Some(setting) => control.number(setting, warn),
            None => Ok(0),
        };
        let concurrency = [number("concurrencylocal")?, number("concurrencyremote")?];
        let lifetime = number("queuelifetime")?;
        let bounce_max_bytes = number("bouncemaxbytes")?;
        let line = |name: &str, default: &str| -> Result<Vec<u8>, ControlError> {
            Ok(control.line(name)?.unwrap_or_else(|| default.as_bytes().to_vec()))
        };
        let host = |name: &str| -> Result<Vec<u8>, ControlError> {
            Ok(control.line_or_me(name)?.unwrap_or_else(|| name.as_bytes().to_vec()))
        };
        let double_to = line("doublebounceto", "postmaster")?;
        Ok(Self {
            concurrency,
            lifetime,
            bounce_from: line("bouncefrom", "MAILER-DAEMON")?,
            bounce_host: host("bouncehost")?,
            double_bounce_to: match double_to.as_slice() {
                b"" => None,
                local => Some([local, b"@", &host("doublebouncehost")?].concat()),
            },
            bounce_max_bytes,
            routing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("control")).unwrap();
        for (name, content) in files {
            std::fs::write(home.path().join("control").join(name), content).unwrap();
        }
        home
    }

    #[test]
    fn defaults_come_from_me() {
        let home = home(&[("me", "mx.example\n")]);
        let settings = Settings::read(home.path(), &mut |_| panic!("a warning")).unwrap();
        assert_eq!(settings.concurrency, [10, 20]);
        assert_eq!(settings.lifetime, 604_800);
        assert_eq!(settings.bounce_from, b"MAILER-DAEMON");
        assert_eq!(settings.bounce_host, b"mx.example");
        assert_eq!(settings.double_bounce_to.as_deref(), Some(&b"postmaster@mx.example"[..]));
        assert_eq!(settings.bounce_max_bytes, 0);
        assert!(settings.routing.locals.contains(b"MX.example"));
        assert_eq!(settings.routing.default_host, b"mx.example");
    }

    #[test]
    fn neither_me_nor_locals_is_an_error_and_an_empty_locals_is_none() {
        assert!(matches!(Settings::read(home(&[]).path(), &mut |_| ()), Err(Unreadable::Locals(_))));
        let home = home(&[("locals", "")]);
        let settings = Settings::read(home.path(), &mut |_| ()).unwrap();
        assert!(!settings.routing.locals.contains(b""));
        assert_eq!(settings.bounce_host, b"bouncehost");
    }

    #[test]
    fn a_line_without_a_colon_is_told_with_its_number() {
        let home = home(&[("me", "mx.example\n"), ("virtualdomains", "a.example:joe\n\nb.example\n")]);
        let mut warnings = Vec::new();
        Settings::read(home.path(), &mut |warning| warnings.push(warning.to_string())).unwrap();
        let [warning] = warnings.try_into().unwrap();
        assert!(warning.starts_with("control/virtualdomains line 3: \"b.example\" is not "), "{warning}");
    }

    #[test]
    fn an_empty_first_line_means_that_nobody_gets_double_bounces() {
        for (content, want) in [("\n", None), ("", None), ("joe\n", Some(&b"joe@mx.example"[..]))] {
            let home = home(&[("me", "mx.example\n"), ("doublebounceto", content)]);
            let settings = Settings::read(home.path(), &mut |_| ()).unwrap();
            assert_eq!(settings.double_bounce_to.as_deref(), want, "{content:?}");
        }
    }

    #[test]
    fn a_directory_in_place_of_locals_is_an_error() {
        let home = home(&[("me", "mx.example\n")]);
        std::fs::create_dir(home.path().join("control/locals")).unwrap();
        let unreadable = Settings::read(home.path(), &mut |_| ()).unwrap_err();
        assert!(matches!(unreadable, Unreadable::Locals(_)));
        assert!(unreadable.why().to_string().ends_with("control/locals: is a directory"));
    }
}
