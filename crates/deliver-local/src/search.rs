//! Which `.qmail` files speak for an address (qmail-interfaces 8.5).
//!
//! For the extension `list-owner-x`: `.qmail-list-owner-x`, `.qmail-list-owner-default`,
//! `.qmail-list-default`, `.qmail-default`. The first one that exists decides.

/// One name to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Relative to the home directory. It may hold slashes: dash and extension come from the
    /// administrator and from the address.
    pub file: Vec<u8>,
    /// Where in the original extension the part begins that `default` stands for.
    pub default_at: Option<usize>,
}

/// The names to try, in order.
pub fn candidates<'a>(dash: &'a [u8], ext: &[u8]) -> impl Iterator<Item = Candidate> + 'a {
    let safe = safe_extension(ext);
    let exact = Candidate {
        file: [b".qmail", dash, safe.as_slice()].concat(),
        // A file that is itself named `...default` counts as a default file.
        default_at: safe.strip_suffix(b"default").map(<[u8]>::len),
    };
    let defaults = (0..=safe.len()).rev().filter_map(move |at| {
        let kept = safe.get(..at)?;
        let cut_here = at == 0 || kept.ends_with(b"-");
        cut_here
            .then(|| Candidate { file: [b".qmail", dash, kept, b"default"].concat(), default_at: Some(at) })
    });
    std::iter::once(exact).chain(defaults)
}

/// The extension as file names spell it: lower case, and colons for dots so that no `..` arises.
///
/// As long as the original, byte for byte, so that places in the one are places in the other.
pub fn safe_extension(ext: &[u8]) -> Vec<u8> {
    ext.iter()
        .map(|byte| match byte {
            b'.' => b':',
            _ => byte.to_ascii_lowercase(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(dash: &str, ext: &str) -> Vec<(String, Option<usize>)> {
        candidates(dash.as_bytes(), ext.as_bytes())
            .map(|c| (String::from_utf8(c.file).unwrap(), c.default_at))
            .collect()
    }

    #[test]
    fn longer_names_come_first() {
        for (dash, ext, expected) in [
            ("-", "a-b-c", &[".qmail-a-b-c", ".qmail-a-b-default", ".qmail-a-default", ".qmail-default"][..]),
            ("-", "a-", &[".qmail-a-", ".qmail-a-default", ".qmail-default"]),
            ("-", "A.B", &[".qmail-a:b", ".qmail-default"]),
            ("-/", "a", &[".qmail-/a", ".qmail-/default"]),
            ("-", "../x", &[".qmail-::/x", ".qmail-default"]),
            ("", "", &[".qmail", ".qmaildefault"]),
        ] {
            let found: Vec<_> = names(dash, ext).into_iter().map(|(name, _)| name).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn default_stands_for_the_rest() {
        let at = |ext| names("-", ext).into_iter().map(|(_, at)| at).collect::<Vec<_>>();
        assert_eq!(at("a-bc"), [None, Some(2), Some(0)]);
        assert_eq!(at("x-Default"), [Some(2), Some(2), Some(0)]);
    }

    proptest! {
        #[test]
        fn no_name_leaves_the_home_directory(ext: Vec<u8>) {
            for candidate in candidates(b"-", &ext) {
                prop_assert!(!candidate.file.windows(2).any(|two| two == b".."));
                prop_assert!(candidate.default_at.is_none_or(|at| at <= ext.len()));
            }
        }
    }
}
