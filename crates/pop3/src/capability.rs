//! What CAPA says (RFC 2449 §5), the same in both states.

/// - `PIPELINING`: no program reads further than the command it carries out, so what a client sends at once reaches
///   whoever it is meant for.
/// - No `STLS`: encryption is put around the connection, by stunnel and the like.
/// - APOP is announced by the greeting, not here (§6).
const CAPABILITIES: [&str; 6] = [
    "TOP",
    "USER",
    "PIPELINING",
    "UIDL",
    "EXPIRE NEVER",
    concat!("IMPLEMENTATION Quail-", env!("CARGO_PKG_VERSION")),
];

/// The whole answer.
pub fn reply() -> Vec<u8> {
    let mut reply = b"+OK \r\n".to_vec();
    for capability in CAPABILITIES {
        reply.extend_from_slice(capability.as_bytes());
        reply.extend_from_slice(b"\r\n");
    }
    reply.extend_from_slice(b".\r\n");
    reply
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_ends_with_a_dot() {
        let reply = super::reply();
        assert!(reply.starts_with(b"+OK \r\nTOP\r\nUSER\r\nPIPELINING\r\n"));
        assert!(reply.ends_with(b"\r\n.\r\n"));
    }
}
