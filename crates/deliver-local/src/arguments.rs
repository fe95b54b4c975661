//! The command line of qmail-local(8).

use contracts::local_worker::Delivery;

use crate::delivery::Purpose;

/// What a wrong command line gets.
pub const USAGE: &[u8] =
    b"qmail-local: usage: qmail-local [ -nN ] user homedir local dash ext domain sender aliasempty\n";

/// Reads the arguments after the program's name; `None` if they are wrong.
pub fn parse(arguments: &[Vec<u8>]) -> Option<(Purpose, Delivery)> {
    let mut purpose = Purpose::Deliver;
    let mut rest = arguments;
    while let Some((first, after)) = rest.split_first() {
        match first.as_slice() {
            b"--" => {
                rest = after;
                break;
            }
            [b'-', letters @ ..] if !letters.is_empty() => {
                for letter in letters {
                    purpose = match letter {
                        b'n' => Purpose::Show,
                        b'N' => Purpose::Deliver,
                        _ => return None,
                    };
                }
                rest = after;
            }
            _ => break,
        }
    }
    let [user, home, local, dash, ext, domain, sender, default_delivery] = rest else { return None };
    let absolute = home.starts_with(b"/");
    absolute.then(|| {
        let delivery = Delivery {
            user: user.clone(),
            home: home.clone(),
            local: local.clone(),
            dash: dash.clone(),
            ext: ext.clone(),
            domain: domain.clone(),
            sender: sender.clone(),
            default_delivery: default_delivery.clone(),
        };
        (purpose, delivery)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purpose(line: &str) -> Option<Purpose> {
        let arguments: Vec<_> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        parse(&arguments).map(|(purpose, _)| purpose)
    }

    #[test]
    fn options_come_before_eight_words() {
        assert_eq!(purpose("u /h l - e d s a"), Some(Purpose::Deliver));
        assert_eq!(purpose("-- u /h l - e d s a"), Some(Purpose::Deliver));
        assert_eq!(purpose("-n u /h l - e d s a"), Some(Purpose::Show));
        assert_eq!(purpose("-nN -- u /h l - e d s a"), Some(Purpose::Deliver));
        assert_eq!(purpose("-N -n -- -u /h l - e d s a"), Some(Purpose::Show));
        for wrong in
            ["", "--", "u /h l - e d s", "u /h l - e d s a b", "u h l - e d s a", "-x u /h l - e d s a"]
        {
            assert_eq!(purpose(wrong), None, "{wrong}");
        }
    }
}
