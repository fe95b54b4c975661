//! A private world for tests, and the tests that need whole programs.
