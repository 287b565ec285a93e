//! The names of the service's actions: some actions have two.

/// Returns the canonical name of an action, with aliases resolved.
pub(super) fn canonical(action: &str) -> &str {
    match action {
        "getNumberV2" => "getNumber",
        "getServices" => "getServicesList",
        _ => action,
    }
}
