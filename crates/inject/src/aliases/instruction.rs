//! What a forwarding database holds, in fastforward's bytes.
//!
//! The key of a target is `:user@host`, `:@host` or `:user@` in lower case; its data is a row of commands, each with a
//! NUL behind it. The key of a target's owner is `?` and the target; its data is the owner's address.

/// One command.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Instruction {
    /// `&address`
    Forward(Vec<u8>),
    /// `/file` or `./file`: a list of addresses, as newinclude makes it.
    List(Vec<u8>),
    /// `|command`
    Program(Vec<u8>),
    /// `!command`: with `UFLINE`, `RPLINE` and `DTLINE` above the message.
    ProgramWithHead(Vec<u8>),
}

impl Instruction {
    /// A command without its NUL, as a database, a list or a table holds it. `None` for what is none.
    pub fn decode(command: &[u8]) -> Option<Self> {
        let (&first, rest) = command.split_first()?;
        Some(match first {
            b'&' => Self::Forward(rest.to_vec()),
            b'/' | b'.' => Self::List(command.to_vec()),
            b'|' => Self::Program(rest.to_vec()),
            b'!' => Self::ProgramWithHead(rest.to_vec()),
            _ => return None,
        })
    }

    /// As [`Instruction::decode`], for texts that people write: an address needs no sign before it.
    pub fn from_text(command: &[u8]) -> Option<Self> {
        match command.first()? {
            first if first.is_ascii_alphanumeric() => Some(Self::Forward(command.to_vec())),
            _ => Self::decode(command),
        }
    }

    /// Without the NUL.
    pub fn text(&self) -> Vec<u8> {
        match self {
            Self::Forward(address) => [b"&", address.as_slice()].concat(),
            Self::List(file) => file.clone(),
            Self::Program(command) => [b"|", command.as_slice()].concat(),
            Self::ProgramWithHead(command) => [b"!", command.as_slice()].concat(),
        }
    }

    /// With the NUL.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.text();
        bytes.push(0);
        bytes
    }
}

/// The commands of a target, or of a list; `None` if one of them is none.
pub fn decode_all(data: &[u8]) -> Option<Vec<Instruction>> {
    // What follows the last NUL is no command.
    let mut commands: Vec<_> = data.split(|&b| b == 0).collect();
    if commands.pop().is_some_and(|rest| !rest.is_empty()) {
        return None;
    }
    commands.into_iter().map(Instruction::decode).collect()
}

/// Of a target, which is in lower case.
pub fn target_key(target: &[u8]) -> Vec<u8> {
    [b":", target].concat()
}

/// Of a target's owner.
pub fn owner_key(target: &[u8]) -> Vec<u8> {
    [b"?", target].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn data_is_a_row_of_commands() {
        let data = b"&a@b\0/l.bin\0|p q\0!r\0";
        let commands = decode_all(data).unwrap();
        assert_eq!(commands.len(), 4);
        assert_eq!(commands.iter().flat_map(Instruction::encode).collect::<Vec<_>>(), data);
        for wrong in [&b"a@b\0"[..], b"&a@b", b"\0"] {
            assert_eq!(decode_all(wrong), None, "{}", wrong.escape_ascii());
        }
        assert_eq!(Instruction::from_text(b"a@b"), Some(Instruction::Forward(b"a@b".to_vec())));
        assert_eq!(Instruction::from_text(b"*"), None);
    }

    proptest! {
        #[test]
        fn any_data_can_be_read(data: Vec<u8>) {
            if let Some(commands) = decode_all(&data) {
                prop_assert_eq!(commands.iter().flat_map(Instruction::encode).collect::<Vec<_>>(), data);
            }
        }
    }
}
