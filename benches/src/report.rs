//! What is written for people: one page with tables and plots, and the comparison with the baseline.
//!
//! - [`page`] makes docs/performance.md
//! - [`budget`] is its first table
//! - [`plot`] draws bars as SVG, inline
//! - [`baseline`] compares ratios to Postfix, then and now

pub mod baseline;
pub mod budget;
pub mod page;
pub mod plot;
