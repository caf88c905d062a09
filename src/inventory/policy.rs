pub fn denies_everything(_: &str) -> Option<bool> {
    None
}
pub fn allows_everything(_: &str) -> Option<bool> {
    None
}
pub fn is_deny_all_arn(a: &str) -> bool {
    a.ends_with("AWSDenyAll")
}
pub fn is_full_access_arn(_: &str) -> bool {
    false
}
