//! `EHLO name` (RFC 5321 §4.1.1.1): as HELO, and what we offer.
//!
//! PIPELINING (RFC 2920), 8BITMIME (RFC 6152), SIZE (RFC 1870), ENHANCEDSTATUSCODES (RFC 2034): see
//! [`Extensions`] for which of them are named when.

use crate::policy::Extensions;
use crate::session::Session;

impl Session {
    pub(crate) fn ehlo(&mut self, name: &[u8]) {
        self.introduce(name);
        let policy = self.policy.clone();
        let full = policy.extensions == Extensions::Full;
        self.replies.enhanced = full;
        let databytes = self.databytes();
        let size = (full || databytes > 0).then(|| format!("SIZE {}", policy.message_limit(databytes)));
        let mut keywords = vec!["PIPELINING", "8BITMIME"];
        keywords.extend(size.as_deref());
        keywords.extend(full.then_some("ENHANCEDSTATUSCODES"));
        let mut lines = [b"250-", &policy.greeting[..], b"\r\n"].concat();
        let last = keywords.len().saturating_sub(1);
        for (at, keyword) in keywords.iter().enumerate() {
            let dash = if at == last { " " } else { "-" };
            lines.extend_from_slice(format!("250{dash}{keyword}\r\n").as_bytes());
        }
        self.replies.raw(&lines);
    }

    /// The limit on message bytes for this client, 0 for none.
    pub(crate) fn databytes(&self) -> u64 {
        self.client.databytes.unwrap_or(self.policy.databytes)
    }
}
