//! The adapter of the suites to the Rust interface. `tests/capi/` runs them with another adapter.

pub(crate) use sastaotp::*;

/// Whether `Activation::code` is the current code, and not simply the newest.
#[allow(dead_code, reason = "not every suite uses it")]
pub(crate) const HAS_CURRENT_CODE: bool = true;

pub(crate) fn build(settings: ClientBuilder) -> Result<Client> {
    settings.build()
}
