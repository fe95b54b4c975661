pub fn run() -> anyhow::Result<bool> {
    Ok(check()?.failed == 0)
}
pub fn check() -> anyhow::Result<crate::tally::Tally> {
    Ok(Default::default())
}
