use super::*;
use std::cell::RefCell;
use std::rc::Rc;

/// What reached the outlet.
#[derive(Clone, Default, PartialEq, Debug)]
struct Taken {
    printed: bool,
    message: Vec<u8>,
    envelope: Option<Vec<u8>>,
}

struct Recorder(Rc<RefCell<Taken>>);

impl Outlet for Recorder {
    fn put(&mut self, bytes: &[u8]) -> Result<(), InjectError> {
        self.0.borrow_mut().message.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>, sender: &[u8], recipients: &[&Addresses]) -> Result<(), InjectError> {
        let all = recipients.iter().flat_map(|addresses| addresses.iter());
        self.0.borrow_mut().envelope = Some(contracts::hand_off::encode(sender, all));
        Ok(())
    }
}

fn inject(line: &[&str], message: &str) -> Result<Taken, InjectError> {
    let settings = Settings {
        at_default_host: b"@dh.x".into(),
        dot_default_domain: b".dd.x".into(),
        dot_plus_domain: b".plus.x".into(),
        id_host: b"id.x".into(),
        mailing_lists: None,
    };
    let mut environment = Environment::default();
    environment.set("USER", b"joe");
    let arguments: Vec<Vec<u8>> = line.iter().map(|argument| argument.as_bytes().to_vec()).collect();
    let around = Surroundings {
        program: b"/bin/qmail-inject",
        arguments: &arguments,
        environment: &environment,
        settings: &settings,
        start: Start { seconds: 0, pid: 1, random: 0 },
    };
    let taken = Rc::new(RefCell::new(Taken::default()));
    run(&around, &mut message.as_bytes(), &mut |destination| {
        taken.borrow_mut().printed = destination == Destination::Print;
        Ok(Box::new(Recorder(Rc::clone(&taken))))
    })?;
    Ok(taken.take())
}

fn envelope(line: &[&str], message: &str) -> String {
    let bytes = inject(line, message).unwrap().envelope.unwrap();
    String::from_utf8(bytes).unwrap().replace('\0', " ")
}

const MESSAGE: &str = "Date: d\nMessage-ID: m\nFrom: f\nTo: h1@x.y, h2@x.y\nBcc: h3@x.y\n\nbody";

#[test]
fn recipients_are_where_the_options_say() {
    for (line, expected) in [
        (&[][..], "Fjoe@dh.x Th2@x.y Th1@x.y Th3@x.y  "),
        (&["a@b.c"], "Fjoe@dh.x Ta@b.c  "),
        (&["-a"], "Fjoe@dh.x  "),
        (&["-h", "a@b.c"], "Fjoe@dh.x Th2@x.y Th1@x.y Th3@x.y  "),
        (&["-H", "a@b.c"], "Fjoe@dh.x Ta@b.c Th2@x.y Th1@x.y Th3@x.y  "),
        (&["-Ha", "k", "j"], "Fjoe@dh.x Tk@dh.x Tj@dh.x  "),
        (&["-f", "", "a@b.c"], "F Ta@b.c  "),
        (&["-fs@t+", "-a"], "Fs@t.plus.x  "),
        (&["a, b@c.d"], "Fjoe@dh.x Ta, b@c.d  "),
    ] {
        assert_eq!(envelope(line, MESSAGE), expected, "{line:?}");
    }
}

#[test]
fn the_message_is_completed_and_its_hidden_recipients_are_not_shown() {
    let taken = inject(&[], MESSAGE).unwrap();
    assert_eq!(
        String::from_utf8(taken.message).unwrap(),
        "Date: d\nMessage-ID: m\nFrom: f@dh.x\nTo: h1@x.y, h2@x.y\n\nbody\n"
    );
    assert!(!taken.printed);
}

#[test]
fn printing_shows_the_sender_first() {
    let taken = inject(&["-n", "-fa b@c.d"], MESSAGE).unwrap();
    assert!(taken.printed);
    assert!(taken.message.starts_with(b"Return-Path: <\"a b\"@c.d>\nDate: d\n"));
}

#[test]
fn what_cannot_be_understood_is_refused_before_anything_is_queued() {
    let usage = |text: &str| Err(InjectError::Usage(text.into()));
    assert_eq!(inject(&["-z"], MESSAGE), usage("qmail-inject: illegal option -- z\n"));
    assert_eq!(inject(&["-f"], MESSAGE), usage("qmail-inject: option requires an argument -- f\n"));
    assert_eq!(inject(&["a@b)"], MESSAGE).err(), None);
    assert_eq!(inject(&["a@)"], MESSAGE), Err(InjectError::UnparsableAddress(b"a@)".to_vec())));
    assert_eq!(inject(&["-fa@)"], MESSAGE), Err(InjectError::UnparsableField(b"a@)".to_vec())));
}

#[test]
fn unreadable_recipients_count_only_where_the_header_is_asked_for_them() {
    let message = "To: (x\nCc: c@d.e\n\n";
    let refused = Err(InjectError::UnparsableField(b"To: (x\n".to_vec()));
    assert_eq!(inject(&[], message), refused);
    assert_eq!(inject(&["-H", "a@b.c"], message), refused);
    assert_eq!(inject(&["-n"], message), refused);
    assert_eq!(envelope(&["a@b.c"], message), "Fjoe@dh.x Ta@b.c  ");
}
