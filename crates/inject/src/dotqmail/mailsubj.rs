//! mailsubj(1): a message from a subject, recipients and a body, for qmail-inject.

use super::Ending;
use super::feed::Feed;
use std::io::Read;

/// `subject recipient ...`. `program` is our own path, for the complaint; `inject` that of qmail-inject.
pub fn run(program: &[u8], arguments: &[Vec<u8>], inject: &[u8], input: &mut dyn Read) -> Ending {
    let Some((subject, recipients)) = arguments.split_first() else {
        // The original is a shell script, and its users know these words.
        return Ending::saying(2, &[program, b": 4: shift: can't shift that many"].concat());
    };
    let head = [
        b"Subject: ".as_slice(),
        &on_one_line(subject),
        b"\nTo: ",
        &on_one_line(&recipients.join(&b' ')),
        b"\n\n",
    ]
    .concat();
    Feed { feeder: "mailsubj", head: &head, missing_is_permanent: false, must_read: false }
        .run(&[inject.to_vec()], input)
}

/// A line end in an argument would end the field, and let whoever wrote it write the next.
fn on_one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&b| if matches!(b, b'\n' | b'\r') { b' ' } else { b }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn arguments_become_fields_and_stay_on_their_lines() {
        let directory = tempfile::tempdir().unwrap();
        let (inject, seen) = (directory.path().join("inject"), directory.path().join("seen"));
        std::fs::write(&inject, format!("#!/bin/sh\ncat >{}; exit 7\n", seen.display())).unwrap();
        std::fs::set_permissions(&inject, PermissionsExt::from_mode(0o755)).unwrap();
        let arguments = [b"a\nBcc: x@y".to_vec(), b"c@d".to_vec(), b"e@f".to_vec()];
        let inject = inject.to_str().unwrap().as_bytes();
        assert_eq!(run(b"mailsubj", &arguments, inject, &mut &b"body\n"[..]).exit, 7);
        assert_eq!(std::fs::read_to_string(seen).unwrap(), "Subject: a Bcc: x@y\nTo: c@d e@f\n\nbody\n");
    }
}
