//! The settings of a client.

use std::ffi::c_char;

use super::boundary::{
    Object, bytes, call, free, given_mut, make, millis as duration, new, no_constant, text,
};
use super::error::{sastaotp_error, sastaotp_status};
use crate::{Amount, ApiKeyLocation, ClientBuilder, Error};

/// The settings of a client. A builder: one thread at a time. sastaotp_client_new copies what it needs, so one
/// configuration can make many clients.
pub struct sastaotp_config(pub(super) ClientBuilder);

impl Object for sastaotp_config {
    const NAME: &'static str = "config";
}

/// Settings that Rust made: another clock or transport, for tests.
impl From<ClientBuilder> for sastaotp_config {
    fn from(builder: ClientBuilder) -> Self {
        Self(builder)
    }
}

impl sastaotp_config {
    fn change(&mut self, change: impl FnOnce(ClientBuilder) -> ClientBuilder) {
        self.0 = change(std::mem::take(&mut self.0));
    }
}

/// Where the API key goes in a request.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_api_key_location(pub i32);

/// The header X-API-Key: out of URLs, logs and proxies. The default.
pub const SASTAOTP_API_KEY_IN_HEADER: sastaotp_api_key_location = sastaotp_api_key_location(0);
/// The header Authorization: Bearer, which Apache with PHP-FPM often drops.
pub const SASTAOTP_API_KEY_IN_BEARER: sastaotp_api_key_location = sastaotp_api_key_location(1);
/// The parameter api_key, for panels that know no other way.
pub const SASTAOTP_API_KEY_IN_QUERY: sastaotp_api_key_location = sastaotp_api_key_location(2);

/// Makes settings with every default and no API key.
///
/// Returns an object that is yours: sastaotp_config_free. Cannot fail. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_config_new() -> *mut sastaotp_config {
    new(|| sastaotp_config(ClientBuilder::default()))
}

/// Makes settings from the environment: SASTAOTP_API_KEY and, where it is set, SASTAOTP_BASE_URL.
///
/// `*config` is yours: sastaotp_config_free. A NULL place is refused. Fails with SASTAOTP_CONFIG where a variable is not
/// UTF-8. Any thread, while none changes the environment. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_from_env(
    config: *mut *mut sastaotp_config,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(config, error, || ClientBuilder::from_env().map(sastaotp_config))
}

/// Sets the API key: 1 to 256 visible ASCII characters, checked by sastaotp_client_new.
///
/// The text is copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_api_key(
    config: *mut sastaotp_config,
    api_key: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let key = text(api_key, "api_key")?;
        given_mut(config)?.change(|settings| settings.api_key(key));
        Ok(())
    })
}

/// Sets where the API key goes in a request; SASTAOTP_API_KEY_IN_HEADER by default.
///
/// NULL as config, or a value that is no constant, is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_api_key_location(
    config: *mut sastaotp_config,
    place: sastaotp_api_key_location,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let place = match place {
            SASTAOTP_API_KEY_IN_HEADER => ApiKeyLocation::Header,
            SASTAOTP_API_KEY_IN_BEARER => ApiKeyLocation::Bearer,
            SASTAOTP_API_KEY_IN_QUERY => ApiKeyLocation::Query,
            sastaotp_api_key_location(value) => return Err(no_constant("place", value)),
        };
        given_mut(config)?.change(|settings| settings.api_key_location(place));
        Ok(())
    })
}

/// Sets the address of the service: https, or http to this machine alone. The vendor's by default. Checked by
/// sastaotp_client_new.
///
/// The text is copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_base_url(
    config: *mut sastaotp_config,
    base_url: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let url = text(base_url, "base_url")?;
        given_mut(config)?.change(|settings| settings.base_url(url));
        Ok(())
    })
}

/// Sets the User-Agent: 1 to 256 printable ASCII characters, checked by sastaotp_client_new; "libsastaotp/" and the version by
/// default.
///
/// The text is copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_user_agent(
    config: *mut sastaotp_config,
    user_agent: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let user_agent = text(user_agent, "user_agent")?;
        given_mut(config)?.change(|settings| settings.user_agent(user_agent));
        Ok(())
    })
}

/// Trusts certificates besides the public authorities: `length` bytes of PEM, checked by sastaotp_client_new. A second call
/// replaces the first.
///
/// The bytes are copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_add_ca_pem(
    config: *mut sastaotp_config,
    pem: *const u8,
    length: usize,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let pem = bytes(pem, length, "pem")?;
        given_mut(config)?.change(|settings| settings.add_ca_pem(pem));
        Ok(())
    })
}

/// Sets how many idle connections are kept at most: 1 or more; 64 by default. Checked by sastaotp_client_new.
///
/// NULL as config is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_max_connections(
    config: *mut sastaotp_config,
    count: u32,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        given_mut(config)?.change(|settings| settings.max_connections(count as usize));
        Ok(())
    })
}

/// Sets the total that charges may reach, in micro-rupees. A purchase that could go beyond is refused before it is sent; a
/// confirmed refund gives its money back. With a budget every purchase needs a maximum price. None by default.
///
/// NULL as config is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_budget(
    config: *mut sastaotp_config,
    micros: i64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        given_mut(config)?.change(|settings| settings.budget(Amount::from_micros(micros)));
        Ok(())
    })
}

/// Sets how long a call may take in all, its retries among it; 90,000 ms by default. A wait, a reconcile and a
/// settle that waits out have times of their own.
///
/// NULL as config is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_timeout_ms(
    config: *mut sastaotp_config,
    millis: u32,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        given_mut(config)?.change(|settings| settings.timeout(duration(millis)));
        Ok(())
    })
}

/// Sets how many requests a minute are sent at most, by all handles of a client together: 1 or more. As many as the service
/// takes by default. A 429 slows down by itself, either way.
///
/// NULL as config, 0, and more than 60,000,000 are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_max_requests_per_minute(
    config: *mut sastaotp_config,
    count: u32,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        if !(1..=60_000_000).contains(&count) {
            let reason = format!("{count} are none or too many: give 1 to 60,000,000");
            return Err(Error::config("setting the requests per minute", reason));
        }
        given_mut(config)?
            .change(|settings| settings.max_requests_per_second(f64::from(count) / 60.0));
        Ok(())
    })
}

/// Frees settings. Clients that were made from them go on.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_free(config: *mut sastaotp_config) {
    free(config);
}
