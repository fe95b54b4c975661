//! What a program is told about its delivery (qmail-command(8), qmail-interfaces 8.6).
//!
//! Nothing is quoted: values are as strangers wrote them, and a script must treat them so.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;

use contracts::local_worker::Delivery;

use crate::trace::Trace;

/// A complete environment: names and values.
pub type Environment = Vec<(OsString, OsString)>;

/// Set for every delivery, or, as DEFAULT, for some. None of them is ever inherited.
const OURS: [&str; 18] = [
    "HOST",
    "HOME",
    "USER",
    "LOCAL",
    "RECIPIENT",
    "DTLINE",
    "SENDER",
    "RPLINE",
    "UFLINE",
    "EXT",
    "EXT2",
    "EXT3",
    "EXT4",
    "HOST2",
    "HOST3",
    "HOST4",
    "DEFAULT",
    "NEWSENDER",
];

/// `inherited`, without what is ours, and with this delivery's values.
///
/// `default` is what the word `default` in the file's name stands for, where it has one.
pub fn environment(
    inherited: &[(OsString, OsString)],
    delivery: &Delivery,
    trace: &Trace,
    default: Option<&[u8]>,
    new_sender: &[u8],
) -> Environment {
    let kept = inherited.iter().filter(|(name, _)| !OURS.iter().any(|ours| name == OsStr::new(ours)));
    let mut environment: Environment = kept.cloned().collect();
    let mut set =
        |name: &str, value: &[u8]| environment.push((name.into(), OsString::from_vec(value.to_vec())));

    let Delivery { user, home, local, ext, domain, sender, .. } = delivery;
    set("HOST", domain);
    set("HOME", home);
    set("USER", user);
    set("LOCAL", local);
    set("RECIPIENT", &[local.as_slice(), b"@", domain].concat());
    set("DTLINE", &trace.delivered_to);
    set("SENDER", sender);
    set("RPLINE", &trace.return_path);
    set("UFLINE", &trace.from_line);
    set("EXT", ext);
    set("EXT2", after_dashes(ext, 1));
    set("EXT3", after_dashes(ext, 2));
    set("EXT4", after_dashes(ext, 3));
    set("HOST2", before_dots(domain, 1));
    set("HOST3", before_dots(domain, 2));
    set("HOST4", before_dots(domain, 3));
    if let Some(default) = default {
        set("DEFAULT", default);
    }
    set("NEWSENDER", new_sender);
    environment
}

/// What follows the `count`th dash; nothing when there are fewer.
fn after_dashes(ext: &[u8], count: usize) -> &[u8] {
    (0..count).fold(ext, |rest, _| match memchr::memchr(b'-', rest) {
        Some(dash) => rest.get(dash + 1..).unwrap_or_default(),
        None => &[],
    })
}

/// What precedes the `count`th dot from the end; with fewer dots, what precedes the first.
fn before_dots(domain: &[u8], count: usize) -> &[u8] {
    (0..count).fold(domain, |rest, _| match memchr::memrchr(b'.', rest) {
        Some(dot) => rest.get(..dot).unwrap_or_default(),
        None => rest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(ext: &str, domain: &str) -> Delivery {
        Delivery {
            user: b"joe".to_vec(),
            home: b"/home/joe".to_vec(),
            local: b"joe-x".to_vec(),
            dash: b"-".to_vec(),
            ext: ext.into(),
            domain: domain.into(),
            sender: b"s@x".to_vec(),
            default_delivery: Vec::new(),
        }
    }

    fn values(
        delivery: &Delivery,
        inherited: &[(OsString, OsString)],
        default: Option<&[u8]>,
    ) -> Environment {
        environment(inherited, delivery, &Trace::new(delivery, 0), default, b"new@sender")
    }

    fn value(environment: &Environment, name: &str) -> Option<String> {
        let found: Vec<_> = environment.iter().filter(|(n, _)| n == name).collect();
        assert!(found.len() <= 1, "{name} is set twice");
        found.first().map(|(_, value)| value.to_str().unwrap().to_string())
    }

    #[test]
    fn extension_and_host_are_cut_at_dashes_and_dots() {
        for (ext, domain, exts, hosts) in [
            ("a-b-c-d-e", "a.b.c.d.example", ["b-c-d-e", "c-d-e", "d-e"], ["a.b.c.d", "a.b.c", "a.b"]),
            ("a", "virt.example", ["", "", ""], ["virt", "virt", "virt"]),
            ("a--b", "x..y", ["-b", "b", ""], ["x.", "x", "x"]),
            ("--", "nodot", ["-", "", ""], ["nodot", "nodot", "nodot"]),
            ("", "", ["", "", ""], ["", "", ""]),
        ] {
            let environment = values(&delivery(ext, domain), &[], None);
            let get = |name| value(&environment, name).unwrap();
            assert_eq!([get("EXT2"), get("EXT3"), get("EXT4")], exts, "{ext}");
            assert_eq!([get("HOST2"), get("HOST3"), get("HOST4")], hosts, "{domain}");
        }
    }

    #[test]
    fn nothing_of_an_earlier_delivery_leaks_in_and_the_rest_stays() {
        let inherited =
            [("DEFAULT", "leak"), ("SENDER", "leak"), ("PATH", "/bin")].map(|(n, v)| (n.into(), v.into()));
        let environment = values(&delivery("a", "h"), &inherited, None);
        assert_eq!(value(&environment, "DEFAULT"), None);
        assert_eq!(value(&environment, "SENDER").as_deref(), Some("s@x"));
        assert_eq!(value(&environment, "PATH").as_deref(), Some("/bin"));
        assert_eq!(value(&environment, "NEWSENDER").as_deref(), Some("new@sender"));

        let environment = values(&delivery("a", "h"), &inherited, Some(b"a"));
        assert_eq!(value(&environment, "DEFAULT").as_deref(), Some("a"));
        assert!(OURS.iter().all(|name| value(&environment, name).is_some()));
    }
}
