//! Fields that each end with NUL, the shape of most of qmail's records.

/// Splits `bytes` into fields that each end with NUL. `None` when the last one does not.
pub(crate) fn split(bytes: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let fields = match bytes.split_last() {
        None => None,
        Some((0, fields)) => Some(fields),
        Some(_) => return None,
    };
    Some(fields.into_iter().flat_map(|fields| fields.split(|&byte| byte == 0)))
}

/// Appends one field. A NUL inside would end it early, so it is cut there: the caller's types hold none.
pub(crate) fn push(out: &mut Vec<u8>, field: &[u8]) {
    out.extend(field.iter().copied().take_while(|&b| b != 0));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_with_nul() {
        let fields = |bytes| split(bytes).map(|f| f.map(<[u8]>::to_vec).collect::<Vec<_>>());
        assert_eq!(fields(b""), Some(vec![]));
        assert_eq!(fields(b"\0"), Some(vec![vec![]]));
        assert_eq!(fields(b"a\0\0b\0"), Some(vec![b"a".to_vec(), vec![], b"b".to_vec()]));
        assert_eq!(fields(b"a\0b"), None);
    }
}
