//! Medians and percentiles.

/// The middle of some values; zero of none.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The value that this share of the values does not exceed; zero of none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let rank = (share * last as f64).round() as usize;
    let value = |at: usize| sorted.get(at.min(last)).copied().unwrap_or(0.0);
    // The median of an even number lies between two.
    if sorted.len().is_multiple_of(2) && (share - 0.5).abs() < f64::EPSILON && !sorted.is_empty() {
        return f64::midpoint(value(last / 2), value(last / 2 + 1));
    }
    value(rank)
}

/// Smallest and largest.
pub fn range(values: &[f64]) -> (f64, f64) {
    let pick = |f: fn(f64, f64) -> f64| values.iter().copied().reduce(f).unwrap_or(0.0);
    (pick(f64::min), pick(f64::max))
}

#[cfg(test)]
mod tests {
    use super::{median, percentile, range};

    #[test]
    fn middles_and_ends() {
        for (values, middle) in
            [(&[][..], 0.0), (&[3.0][..], 3.0), (&[4.0, 2.0][..], 3.0), (&[9.0, 1.0, 5.0][..], 5.0)]
        {
            assert!((median(values) - middle).abs() < 1e-9, "{values:?}");
        }
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        assert!((percentile(&hundred, 0.99) - 99.0).abs() < 1e-9);
        assert_eq!(range(&[2.0, 1.0, 3.0]), (1.0, 3.0));
    }
}
