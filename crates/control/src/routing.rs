//! What decides where a recipient goes: control/locals, virtualdomains, percenthack, envnoathost (contract 3.4), read once
//! for qmail-send and for whoever wants to know beforehand what it will do.

use address::route::{Names, Routing};

use crate::{Control, ControlError, Warning};

/// Which file could not be read, and why.
#[derive(Debug)]
pub enum Unreadable {
    /// control/locals, or control/me in its place.
    Locals(ControlError),
    /// control/virtualdomains.
    VirtualDomains(ControlError),
    /// Another.
    Other(ControlError),
}

impl Unreadable {
    /// Names the file, which the original's words do not.
    pub fn why(&self) -> &ControlError {
        match self {
            Self::Locals(why) | Self::VirtualDomains(why) | Self::Other(why) => why,
        }
    }
}

impl Control {
    /// Reads the four files; `warn` hears of lines of virtualdomains that say nothing.
    pub fn routing(&self, warn: &mut dyn FnMut(Warning)) -> Result<Routing, Unreadable> {
        let locals = self.locals()?;
        let map =
            self.numbered_list("virtualdomains").map_err(Unreadable::VirtualDomains)?.unwrap_or_default();
        let hacks = self.list("percenthack").map_err(Unreadable::Other)?.unwrap_or_default();
        let default_host = self.line_or_me("envnoathost").map_err(Unreadable::Other)?;
        let routing = Routing {
            locals,
            virtual_domains: map.iter().map(|(_, entry)| entry.as_slice()).collect(),
            percent_hack: hacks.iter().map(Vec::as_slice).collect(),
            default_host: default_host.unwrap_or_else(|| b"envnoathost".to_vec()),
        };
        for (line, value) in map.into_iter().filter(|(_, entry)| !entry.contains(&b':')) {
            let accepted = "user@domain:prefix, domain:prefix, .suffix:prefix or :prefix".to_owned();
            let file = "virtualdomains".to_owned();
            warn(Warning { file, line, value, accepted, used: "nothing in its place".to_owned() });
        }
        Ok(routing)
    }

    /// control/locals; without the file, control/me; without either, nobody knows what is local.
    fn locals(&self) -> Result<Names, Unreadable> {
        let listed = self.list("locals").map_err(Unreadable::Locals)?;
        let lines = match listed {
            Some(lines) => lines,
            None => vec![self.line_or_me_required("locals").map_err(Unreadable::Locals)?],
        };
        Ok(lines.iter().map(Vec::as_slice).collect())
    }
}
