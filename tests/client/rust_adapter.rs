//! The adapter of the suites to the Rust interface. `tests/capi/` runs them with another adapter.

pub(crate) use sastaotp::*;

pub(crate) fn build(settings: ClientBuilder) -> Result<Client> {
    settings.build()
}
