use super::*;
use proptest::prelude::*;

fn found(pattern: &str, subject: &str) -> bool {
    let pattern = Pattern::parse(pattern.as_bytes()).unwrap_or_else(|| panic!("{pattern}"));
    pattern.is_found_in(subject.as_bytes())
}

#[test]
fn expressions_mean_what_they_mean_to_regcomp() {
    for (pattern, subject, expected) in [
        ("", "", true),
        ("@spam.dom", "x@SPAM.dom", true),
        ("@spam.dom", "x@spamxdom.example", true),
        ("@spam\\.dom$", "x@spam.dom.example", false),
        ("^x@", "xx@y", false),
        (".*@example.com", "a@example.com", true),
        ("*@x\\.example", "y@x.example", true),
        ("(a|b)+@", "c@x", false),
        ("(a|*b)@", "b@x", true),
        ("^(a|b|)$", "", true),
        ("a{2,3}@", "aa@x", true),
        ("a{2,3}@", "a@x", false),
        ("^a{2,}$", "aaaaa", true),
        ("^a{2}$", "aaa", false),
        ("^(ab){1,2}$", "ababab", false),
        ("{a@", "{a@x", true),
        ("a{,2}", "a{,2}", true),
        ("[[:digit:]]{4}", "ab1234@x", true),
        ("[]x]y", "]y", true),
        ("[^]x]y", "]y", false),
        ("[^a]@", "A@", false),
        ("[a\\]", "\\", true),
        ("[a-]@", "-@x", true),
        ("[--/]@", ".@x", true),
        ("[a&&b]@", "&@x", true),
        ("[a[b]@", "[@x", true),
        ("\\(x\\)", "(x)", true),
        ("\\@x", "a@x", true),
        ("\\<joe\\>", "to-joe@x", true),
        ("\\<joe\\>", "joey@x", false),
        ("\\bx\\B", "xy", true),
        ("a\\w+z", "a_1z", true),
        ("^\\W$", "-", true),
        ("a**$", "aaa", true),
        ("(a*)*b", "aaaab", true),
        ("(^a|b$)", "xb", true),
        ("%", "a%b@x", true),
    ] {
        assert_eq!(found(pattern, subject), expected, "{pattern} {subject}");
    }
    assert!(Pattern::parse(b"\xff[\xfe]").unwrap().is_found_in(b"a\xff\xfe@x"));
}

#[test]
fn what_is_no_pattern_is_none() {
    for pattern in [
        "(",
        ")",
        "a)",
        "a\\",
        "[a",
        "[]",
        "(a)\\1",
        "[[.a.]]",
        "[[=a=]]",
        "[[:nothing:]]",
        "[z-a]",
        "(?i)a",
        "{2}",
        "a{2",
        "a{3,2}",
        "a{999}",
        "a{2x}",
        "a****",
        "((a{99}){99}){99}",
        "((((){200}){200}){200}){200}",
    ] {
        assert!(Pattern::parse(pattern.as_bytes()).is_none(), "{pattern}");
    }
    assert!(Pattern::parse(&[b'a'; PATTERN_MAX_BYTES + 1]).is_none());
    assert!(Pattern::parse(&[b"(".repeat(500), b")".repeat(500)].concat()).is_none());
}

#[test]
fn time_is_linear_in_the_subject() {
    let subject = [b'a'; 1000];
    for pattern in ["(a*)*b", "(a|a)*b", "(a|aa)+$b", "(.*)(.*)(.*)(.*)(.*)[^a]", "(a?){200}a{200}b"] {
        let began = std::time::Instant::now();
        assert!(!Pattern::parse(pattern.as_bytes()).unwrap().is_found_in(&subject), "{pattern}");
        assert!(began.elapsed().as_secs() < 20, "{pattern}");
    }
}

proptest! {
    #[test]
    fn any_pattern_is_read_or_none(pattern in proptest::collection::vec(any::<u8>(), 0..40), subject: Vec<u8>) {
        if let Some(pattern) = Pattern::parse(&pattern) {
            let _ = pattern.is_found_in(&subject);
        }
    }

    #[test]
    fn anything_like_a_pattern_is_read_or_none(pattern in "[ab^$.*+?(){}|\\[\\]\\\\0-9,-]{0,30}", subject in "[ab]{0,20}") {
        if let Some(pattern) = Pattern::parse(pattern.as_bytes()) {
            let _ = pattern.is_found_in(subject.as_bytes());
        }
    }

    /// Where both languages are the same, the regex crate is right.
    #[test]
    fn it_finds_what_the_regex_crate_finds(
        pattern in "([ab.]|\\[ab\\]|\\(a\\|b\\)|\\(b\\|ab\\)\\*|\\(a\\(b\\|\\^\\)\\)\\?|a[*+?]|b\\{1,3\\}|\\^|\\$|\\|){0,8}",
        subject in "[ab]{0,12}",
    ) {
        let ours = Pattern::parse(pattern.as_bytes());
        let theirs = regex::bytes::RegexBuilder::new(&pattern).unicode(false).case_insensitive(true).build();
        if let (Some(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.is_found_in(subject.as_bytes()), theirs.is_match(subject.as_bytes()), "{}", pattern);
        }
    }
}
