//! The first control files. One that exists is never changed.

use super::step::Step;
use crate::place::Place;
use anyhow::{Context, Result, bail};

/// Who we are and for whom we take mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    /// The host, fully qualified: `control/me`.
    pub host: String,
    /// The domain whose mail is taken; the host again where none was given.
    pub domain: String,
}

impl Names {
    /// From the command line, an earlier `control/me`, and the host's own name, in this order of strength: what
    /// control/me says is never questioned.
    pub fn find(place: &Place, domain: Option<&str>, host: &str) -> Result<Self> {
        let domain = domain.map(|d| checked(d, "the domain")).transpose()?;
        let me = std::fs::read_to_string(place.at("control/me")).ok();
        let me =
            me.as_deref().and_then(|text| text.lines().next()).map(str::trim).filter(|me| !me.is_empty());
        if let Some(me) = me {
            let host = me.to_owned();
            return Ok(Self { domain: domain.unwrap_or_else(|| host.clone()), host });
        }
        let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
        let host = Some(host).filter(|h| is_qualified(h));
        match (domain, host) {
            // mail.example.org takes mail for example.org; a host named otherwise is known by the domain.
            (Some(domain), Some(host)) if host.ends_with(&format!(".{domain}")) => Ok(Self { host, domain }),
            (Some(domain), _) => Ok(Self { host: domain.clone(), domain }),
            (None, Some(host)) => Ok(Self { domain: host.clone(), host }),
            (None, None) => bail!(
                "this host's name is not fully qualified, so it cannot be the name of a mail host; say it: quail setup mail.example.org"
            ),
        }
    }
}

fn checked(name: &str, what: &str) -> Result<String> {
    let lower = name.trim_end_matches('.').to_ascii_lowercase();
    if !is_qualified(&lower) {
        bail!("{what}, \"{}\", is not accepted; a name like example.org is", name.escape_debug());
    }
    Ok(lower)
}

fn is_qualified(name: &str) -> bool {
    let label = |l: &str| {
        (1..64).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() < 254 && name.contains('.') && name.split('.').all(label) && !name.ends_with(".localdomain")
}

/// This host's name, as long as the system knows it.
pub fn host_name() -> Result<String> {
    let short = nix::unistd::gethostname().context("cannot learn this host's name")?;
    let short = short.to_string_lossy().into_owned();
    if short.contains('.') {
        return Ok(short);
    }
    // What the resolver makes of it: /etc/hosts, then DNS.
    let long = std::process::Command::new("hostname").arg("-f").output().ok();
    let long =
        long.filter(|o| o.status.success()).map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    Ok(long.filter(|l| l.contains('.')).unwrap_or(short))
}

/// What writes the missing files.
pub fn steps(place: &Place, names: &Names) -> Vec<Step> {
    let Names { host, domain } = names;
    let mut ours = vec![host.as_str()];
    if domain != host {
        ours.push(domain);
    }
    ours.push("localhost");
    let ours = ours.join("\n");
    let mut files = vec![
        ("me", host.as_str()),
        ("defaultdomain", without_first_label(domain, host)),
        ("plusdomain", last_two_labels(domain)),
        ("locals", &ours),
        ("rcpthosts", &ours),
        // Nobody relies yet on bounces for addresses that are not there.
        ("checkrecipients", "yes"),
    ];
    if domain != host {
        files.push(("defaulthost", domain));
    }
    // A host that was there before takes mail as before: only a new one gets all of them. Without me and rcpthosts no
    // host may be.
    let is_new = !place.at("control/me").exists();
    files
        .into_iter()
        .filter(|(name, _)| is_new || *name == "rcpthosts")
        .map(|(name, content)| (place.at(&format!("control/{name}")), content))
        .filter(|(path, _)| !path.exists())
        .map(|(path, content)| {
            let does = format!("write {}: {}", path.display(), content.replace('\n', ", "));
            Step::file(does, path, format!("{content}\n"), 0o644)
        })
        .collect()
}

/// As the original's config: a host's name without its first label; a domain of its own stays whole.
fn without_first_label<'a>(domain: &'a str, host: &str) -> &'a str {
    match domain.split_once('.') {
        Some((_, rest)) if domain == host && rest.contains('.') => rest,
        _ => domain,
    }
}

fn last_two_labels(name: &str) -> &str {
    let dot = name.rmatch_indices('.').nth(1);
    dot.and_then(|(at, _)| name.get(at.saturating_add(1)..)).unwrap_or(name)
}

/// Domains that were asked for and that no file says anything about.
pub fn unknown_domain(place: &Place, domain: &str) -> Option<String> {
    let says = |name: &str| {
        let text = std::fs::read_to_string(place.at(&format!("control/{name}"))).unwrap_or_default();
        text.lines().any(|l| l.trim().split(':').next().is_some_and(|l| l.eq_ignore_ascii_case(domain)))
    };
    let missing: Vec<_> =
        [("locals", says("locals") || says("virtualdomains")), ("rcpthosts", says("rcpthosts"))]
            .into_iter()
            .filter(|(_, there)| !there)
            .map(|(name, _)| place.at(&format!("control/{name}")).display().to_string())
            .collect();
    (!missing.is_empty()).then(|| format!("{domain} is not in {}", missing.join(" and not in ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::People;

    fn place(home: &std::path::Path) -> Place {
        std::fs::create_dir_all(home.join("control")).unwrap();
        Place { home: home.into(), root: home.join("root"), people: People::Caller }
    }

    #[test]
    fn names_come_from_the_domain_and_the_host() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        for (domain, host, want) in [
            (Some("example.org"), "mail.example.org", Some(("mail.example.org", "example.org"))),
            (Some("example.org"), "box", Some(("example.org", "example.org"))),
            (Some("example.org"), "a.other.example", Some(("example.org", "example.org"))),
            (Some("Example.Org."), "Mail.Example.Org", Some(("mail.example.org", "example.org"))),
            (None, "mail.example.org", Some(("mail.example.org", "mail.example.org"))),
            (None, "box", None),
            (None, "box.localdomain", None),
            (Some("example"), "mail.example.org", None),
            (Some("a b.example"), "mail.example.org", None),
        ] {
            let found = Names::find(&place, domain, host).ok();
            assert_eq!(
                found.as_ref().map(|n| (n.host.as_str(), n.domain.as_str())),
                want,
                "{domain:?} {host}"
            );
        }
        std::fs::write(scratch.path().join("control/me"), "was.example.net\n").unwrap();
        assert_eq!(Names::find(&place, None, "box").unwrap().host, "was.example.net");
    }

    #[test]
    fn files_are_as_the_originals_config_writes_them_and_old_ones_stay() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        let names = Names { host: "mail.example.org".into(), domain: "mail.example.org".into() };
        std::fs::write(scratch.path().join("control/locals"), "mine.example\n").unwrap();
        for step in steps(&place, &names) {
            step.take().unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(scratch.path().join("control").join(name)).unwrap();
        assert_eq!(read("me"), "mail.example.org\n");
        assert_eq!(read("defaultdomain"), "example.org\n");
        assert_eq!(read("plusdomain"), "example.org\n");
        assert_eq!(read("rcpthosts"), "mail.example.org\nlocalhost\n");
        assert_eq!(read("checkrecipients"), "yes\n");
        assert_eq!(read("locals"), "mine.example\n");
        assert!(steps(&place, &names).is_empty());
        assert_eq!(unknown_domain(&place, "b.example").unwrap().matches("b.example is not in").count(), 1);
    }

    #[test]
    fn labels_are_taken_off_as_the_original_does() {
        assert_eq!(without_first_label("a.b.c", "a.b.c"), "b.c");
        assert_eq!(without_first_label("b.c", "b.c"), "b.c");
        assert_eq!(without_first_label("b.c.d", "a.b.c.d"), "b.c.d");
        assert_eq!(last_two_labels("a.b.c"), "b.c");
        assert_eq!(last_two_labels("c"), "c");
    }
}
