//! Control files: the parser rules, the catalogue, one loader.
