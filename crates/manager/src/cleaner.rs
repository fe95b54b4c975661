//! qmail-clean: requests go out as they come, answers come back in the same order (contract 5.4). The original waits
//! for each answer; we do not (D21).

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use contracts::clean::{CleanReply, CleanRequest};

use crate::outlet::Outlet;

/// The connection.
#[derive(Debug)]
pub(crate) struct Cleaner {
    pub(crate) requests: Outlet,
    replies: File,
    asked: VecDeque<CleanRequest>,
    pub(crate) alive: bool,
}

impl Cleaner {
    pub(crate) fn new(requests: OwnedFd, replies: OwnedFd) -> io::Result<Self> {
        let requests = Outlet::new(requests)?;
        Ok(Self { requests, replies: replies.into(), asked: VecDeque::new(), alive: true })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.replies.as_fd()
    }

    pub(crate) fn ask(&mut self, request: CleanRequest) {
        self.requests.push(&request.encode());
        self.asked.push_back(request);
    }

    /// Reads answers. `false` when it is gone, or answers what it was not asked.
    pub(crate) fn read(&mut self, mut answer: impl FnMut(CleanRequest, CleanReply)) -> bool {
        let mut buffer = [0; 1024];
        match self.replies.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => buffer.iter().take(count).all(|&byte| match self.asked.pop_front() {
                Some(request) => {
                    answer(request, CleanReply::decode(byte));
                    true
                }
                None => false,
            }),
            Err(error) => {
                matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
            }
        }
    }
}
