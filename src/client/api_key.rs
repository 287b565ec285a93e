//! The API key: validated, never printed, and the part of a request that carries it.

use std::fmt;

use zeroize::Zeroizing;

use crate::protocol::key_parameter;
use crate::{Error, Result};

/// How a request carries the API key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiKeyLocation {
    /// The header `X-API-Key`. It keeps the key out of URLs, which servers and proxies log.
    #[default]
    Header,
    /// The header `Authorization: Bearer`. Apache with PHP-FPM often drops it.
    Bearer,
    /// The query parameter `api_key`, for servers that accept the key in no other way.
    Query,
}

/// An API key. `Debug` prints `***` instead of the key.
#[derive(Clone)]
pub(super) struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Takes any text; [`ApiKey::validate`] checks it.
    pub(super) fn unchecked(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    pub(super) fn validate(&self, operation: &str) -> Result<()> {
        let text = self.expose();
        if text.is_empty() || text.len() > 256 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let reason = "the API key is empty, longer than 256 characters, or contains a space or \
                          a character outside ASCII: copy the key again";
            return Err(Error::config(operation, reason));
        }
        Ok(())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The key in the form that a request sends.
pub(super) enum Credential {
    /// A header: its name and its value.
    Header(&'static str, Zeroizing<String>),
    /// A query parameter, percent-encoded.
    Parameter(Zeroizing<String>),
}

impl Credential {
    pub(super) fn new(key: &ApiKey, location: ApiKeyLocation) -> Self {
        let key = key.expose();
        match location {
            ApiKeyLocation::Header => Self::Header("X-API-Key", Zeroizing::new(key.to_owned())),
            ApiKeyLocation::Bearer => {
                Self::Header("Authorization", Zeroizing::new(format!("Bearer {key}")))
            }
            ApiKeyLocation::Query => Self::Parameter(Zeroizing::new(key_parameter(key))),
        }
    }
}
