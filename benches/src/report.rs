//! What is written for people: one page with tables and plots, and the comparison with the baseline.
//!
//! - [`page`]: docs/performance.md
//! - [`plot`]: bars as SVG, inline
//! - [`baseline`]: ratios to Postfix, then and now

pub mod baseline;
pub mod page;
pub mod plot;
