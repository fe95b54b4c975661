//! quail-start: not written yet.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(111)
}
