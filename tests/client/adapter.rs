//! What the suites know of the library: its Rust interface. `tests/capi/` runs them with another front.

pub(crate) use sastaotp::*;

pub(crate) fn build(settings: ClientBuilder) -> Result<Client> {
    settings.build()
}
