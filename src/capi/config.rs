//! The settings of a client.

use std::ffi::c_char;

use super::boundary::{
    Object, call, create, duration, free, new_object, required_bytes, required_mut, required_text,
    unknown_constant,
};
use super::error::{sastaotp_error, sastaotp_status};
use crate::{Amount, ApiKeyLocation, ClientBuilder, Durability, Error};

/// The settings of a client. A builder: one thread at a time. sastaotp_client_new copies the
/// settings, so one config can create many clients.
pub struct sastaotp_config(pub(super) ClientBuilder);

impl Object for sastaotp_config {
    const NAME: &'static str = "config";
}

/// For tests: settings that only Rust can create, with another clock or transport.
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

/// The part of a request that carries the API key.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_api_key_location(pub i32);

/// The header X-API-Key, which keeps the key out of URLs and the logs of proxies. The default.
pub const SASTAOTP_API_KEY_IN_HEADER: sastaotp_api_key_location = sastaotp_api_key_location(0);
/// The header Authorization: Bearer, which Apache with PHP-FPM often drops.
pub const SASTAOTP_API_KEY_IN_BEARER: sastaotp_api_key_location = sastaotp_api_key_location(1);
/// The query parameter api_key, for services that accept no header.
pub const SASTAOTP_API_KEY_IN_QUERY: sastaotp_api_key_location = sastaotp_api_key_location(2);

/// The failures that a journal survives.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_durability(pub i32);

/// The end of the process, however it ends, and a power loss. A purchase waits for the disk
/// twice. The default.
pub const SASTAOTP_DURABILITY_POWER: sastaotp_durability = sastaotp_durability(0);
/// The end of the process, however it ends. After a power loss the journal may lack purchases.
pub const SASTAOTP_DURABILITY_PROCESS: sastaotp_durability = sastaotp_durability(1);

/// Creates settings with every default and no API key. The caller owns the result: free it with
/// sastaotp_config_free. Cannot fail. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_config_new() -> *mut sastaotp_config {
    new_object(|| sastaotp_config(ClientBuilder::default()))
}

/// Creates settings from the environment: SASTAOTP_API_KEY and, if set, SASTAOTP_BASE_URL and
/// SASTAOTP_JOURNAL.
///
/// Fails with SASTAOTP_CONFIG if a variable is not UTF-8. No other thread may change the
/// environment during the call. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_from_env(
    config: *mut *mut sastaotp_config,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(config, error, || ClientBuilder::from_env().map(sastaotp_config))
}

/// Sets the API key: 1 to 256 visible ASCII characters. sastaotp_client_new checks it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_api_key(
    config: *mut sastaotp_config,
    api_key: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let key = required_text(api_key, "api_key")?;
        required_mut(config)?.change(|settings| settings.api_key(key));
        Ok(())
    })
}

/// Sets the part of a request that carries the API key. The default is SASTAOTP_API_KEY_IN_HEADER.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_api_key_location(
    config: *mut sastaotp_config,
    location: sastaotp_api_key_location,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let location = match location {
            SASTAOTP_API_KEY_IN_HEADER => ApiKeyLocation::Header,
            SASTAOTP_API_KEY_IN_BEARER => ApiKeyLocation::Bearer,
            SASTAOTP_API_KEY_IN_QUERY => ApiKeyLocation::Query,
            sastaotp_api_key_location(value) => return Err(unknown_constant("location", value)),
        };
        required_mut(config)?.change(|settings| settings.api_key_location(location));
        Ok(())
    })
}

/// Sets the service's URL: https, or http for this machine only. The default is the vendor's.
/// sastaotp_client_new checks it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_base_url(
    config: *mut sastaotp_config,
    base_url: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let url = required_text(base_url, "base_url")?;
        required_mut(config)?.change(|settings| settings.base_url(url));
        Ok(())
    })
}

/// Sets the User-Agent: 1 to 256 printable ASCII characters. The default is "libsastaotp/" and the
/// version. sastaotp_client_new checks it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_user_agent(
    config: *mut sastaotp_config,
    user_agent: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let user_agent = required_text(user_agent, "user_agent")?;
        required_mut(config)?.change(|settings| settings.user_agent(user_agent));
        Ok(())
    })
}

/// Trusts the certificates in `length` bytes of PEM in addition to the public authorities. A second
/// call replaces the first. The bytes are copied. sastaotp_client_new checks them. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_add_ca_pem(
    config: *mut sastaotp_config,
    pem: *const u8,
    length: usize,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let pem = required_bytes(pem, length, "pem")?;
        required_mut(config)?.change(|settings| settings.add_ca_pem(pem));
        Ok(())
    })
}

/// Sets the maximum number of idle connections that the client keeps: 1 or more. The default is 64.
/// sastaotp_client_new checks it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_max_connections(
    config: *mut sastaotp_config,
    count: u32,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        required_mut(config)?.change(|settings| settings.max_connections(count as usize));
        Ok(())
    })
}

/// Sets the maximum total of all charges, in micro-rupees. A purchase that could exceed it fails
/// before it is sent. A confirmed refund returns its money to the budget. With a budget, every
/// purchase needs a maximum price. There is no budget by default.
///
/// Only the purchases that this client sends count. A purchase that another client or an earlier
/// run sent does not count, even if this client finds it. With a journal, the purchases of all
/// clients and processes that use it count. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_budget(
    config: *mut sastaotp_config,
    micros: i64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        required_mut(config)?.change(|settings| settings.budget(Amount::from_micros(micros)));
        Ok(())
    })
}

/// Sets the maximum duration of a call, including its retries, in milliseconds. The default is
/// 90,000. A wait, a reconcile and a settle with SASTAOTP_ON_TOO_EARLY_WAIT have their own
/// durations. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_timeout_ms(
    config: *mut sastaotp_config,
    millis: u32,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        required_mut(config)?.change(|settings| settings.timeout(duration(millis)));
        Ok(())
    })
}

/// Sets how long after the end of its request the service may still book a purchase whose reply was
/// lost, in milliseconds. The default is 600,000. Until then a search that finds no order is not
/// complete: see sastaotp_reconciliation_is_complete. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_late_booking_ms(
    config: *mut sastaotp_config,
    millis: u32,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        required_mut(config)?.change(|settings| settings.late_booking(duration(millis)));
        Ok(())
    })
}

/// Sets the maximum number of requests per minute, for all handles of a client together: 1 to
/// 60,000,000. By default the client sends as many as the service accepts. With or without a limit,
/// it slows down after an HTTP status 429.
///
/// Fails with SASTAOTP_CONFIG if `count` is out of range. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_max_requests_per_minute(
    config: *mut sastaotp_config,
    count: u32,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        if !(1..=60_000_000).contains(&count) {
            let reason = format!("{count} is out of range: use 1 to 60,000,000");
            return Err(Error::config("setting the requests per minute", reason));
        }
        required_mut(config)?
            .change(|settings| settings.max_requests_per_second(f64::from(count) / 60.0));
        Ok(())
    })
}

/// Keeps a journal of the purchases in a folder, which is created if it does not exist. There is no
/// journal by default.
///
/// However this process ends, the next process that opens the folder with the same API key and base
/// URL has its purchases: sastaotp_client_unclaimed lists them, and their activations have the
/// codes that arrived. The budget is that of all these processes together, from the first purchase
/// in the journal on. Several processes can use a folder at once. All clients of an API key and a
/// base URL in a process use the same folder and durability.
///
/// The folder contains phone numbers and codes. Those of settled orders are removed by the next
/// purchase or settlement after half a day. It never contains the API key. A journal does not
/// protect against the loss of the disk. sastaotp_client_new opens the folder, and fails with
/// SASTAOTP_JOURNAL if it cannot be used. A purchase that cannot be written fails in the same way:
/// then nothing is sent. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_journal(
    config: *mut sastaotp_config,
    folder: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let folder = required_text(folder, "folder")?;
        required_mut(config)?.change(|settings| settings.journal(folder));
        Ok(())
    })
}

/// Sets the failures that the journal survives. The default is SASTAOTP_DURABILITY_POWER. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_durability(
    config: *mut sastaotp_config,
    durability: sastaotp_durability,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let durability = match durability {
            SASTAOTP_DURABILITY_POWER => Durability::Power,
            SASTAOTP_DURABILITY_PROCESS => Durability::Process,
            sastaotp_durability(value) => return Err(unknown_constant("durability", value)),
        };
        required_mut(config)?.change(|settings| settings.durability(durability));
        Ok(())
    })
}

/// Sets whether the journal may be on a network file system. By default it may not, because another
/// machine may not see the locks: two machines could then settle one order. Allow it only if a
/// single machine uses the folder. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_set_journal_on_network(
    config: *mut sastaotp_config,
    allow: bool,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        required_mut(config)?.change(|settings| settings.journal_on_network(allow));
        Ok(())
    })
}

/// Frees settings. Clients that were created from them stay usable. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_config_free(config: *mut sastaotp_config) {
    free(config);
}
