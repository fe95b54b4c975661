//! When and what to deliver next: qmail-send's judgement as a pure machine.
