//! The client: its creation, its budget, and the end of its use.

use super::boundary::{Object, create, duration, free, read_into, required};
use super::cancel_token::{as_token, sastaotp_cancel_token};
use super::config::{builder, sastaotp_config};
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use super::unclaimed::sastaotp_unclaimed_list;
use crate::{Amount, Client, Result};

/// A client of the service, with its connections and its budget. Any number of threads may use it
/// at once. All clients of one API key and one base URL in a process share the record of purchases,
/// so no order is given to two of them.
///
/// Every call blocks until it has a result. A read is sent at most three times within the timeout
/// of the call. A "read error", below, is SASTAOTP_ERROR_AUTHENTICATION, SASTAOTP_ERROR_SERVER,
/// SASTAOTP_ERROR_RATE_LIMITED, SASTAOTP_ERROR_BLOCKED, SASTAOTP_ERROR_PROTOCOL,
/// SASTAOTP_ERROR_CONNECTION, SASTAOTP_ERROR_TLS, SASTAOTP_ERROR_TIMEOUT, SASTAOTP_ERROR_CANCELLED,
/// SASTAOTP_ERROR_REJECTED, or SASTAOTP_ERROR_CONFIG for an invalid argument.
///
/// A purchase is sent at most once, and only if its reply has time to arrive before the call times
/// out: two thirds of the client's timeout, at most 60 seconds. Otherwise it fails with
/// SASTAOTP_ERROR_TIMEOUT and nothing was sent. Purchases run in parallel. The first purchase of an
/// API key in a process reads the newest order first (action getOrders), so that a lost reply can
/// be found. A "purchase error", below, is a read error, SASTAOTP_ERROR_BUDGET,
/// SASTAOTP_ERROR_ALREADY_SENT, SASTAOTP_ERROR_INSUFFICIENT_BALANCE, SASTAOTP_ERROR_NO_NUMBERS,
/// SASTAOTP_ERROR_PRICE_TOO_HIGH or SASTAOTP_ERROR_SERVICE_UNAVAILABLE. Whatever the status,
/// sastaotp_error_charge returns whether money may have been charged.
pub struct sastaotp_client(ForkGuarded<Client>);

impl Object for sastaotp_client {
    const NAME: &'static str = "client";
}

/// For tests: a client that only Rust can create, with another clock or transport.
impl From<Client> for sastaotp_client {
    fn from(client: Client) -> Self {
        Self::new(client)
    }
}

impl sastaotp_client {
    pub(super) fn new(client: Client) -> Self {
        Self(ForkGuarded::new(client))
    }
}

/// Borrows the client of an argument; fails in another process than the one that created it.
pub(super) unsafe fn as_client<'a>(argument: *const sastaotp_client) -> Result<&'a Client> {
    required(argument)?.0.required::<sastaotp_client>()
}

/// Creates a client from settings, which it copies. Sends nothing.
///
/// Fails with SASTAOTP_ERROR_CONFIG if a setting is invalid or there is no API key, and with
/// SASTAOTP_ERROR_JOURNAL if the journal's folder cannot be used. By default it reads HTTPS_PROXY,
/// ALL_PROXY and NO_PROXY as curl does, so no other thread may change the environment during the
/// call. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_new(
    config: *const sastaotp_config,
    client: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(client, error, || builder(config)?.build().map(sastaotp_client::new))
}

/// Creates a client from SASTAOTP_API_KEY and, if set, SASTAOTP_BASE_URL and SASTAOTP_JOURNAL.
/// Sends nothing.
///
/// Fails with SASTAOTP_ERROR_CONFIG if a variable is invalid or the key is missing, and with
/// SASTAOTP_ERROR_JOURNAL if the journal's folder cannot be used. No other thread may change the
/// environment during the call; see sastaotp_client_new for the other variables that it reads.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_from_env(
    client: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(client, error, || Client::from_env().map(sastaotp_client::new))
}

/// Creates a handle of the same client with its own cancellation token and timeout.
///
/// `token` can cancel the calls of the handle; if it is NULL, the handle has the token of `client`.
/// `timeout_ms` is the longest duration of a call in milliseconds; if it is 0, the handle has the
/// timeout of `client`. A wait, a reconcile and a settle with SASTAOTP_ON_TOO_EARLY_WAIT have their
/// own durations. Both also apply to the activations that the handle buys or claims.
///
/// A purchase that was already sent continues until its reply. Its call returns immediately with
/// SASTAOTP_ERROR_CANCELLED or SASTAOTP_ERROR_TIMEOUT and with SASTAOTP_CHARGE_UNKNOWN, and
/// sastaotp_client_unclaimed lists the number that was bought.
///
/// Free `*handle` with sastaotp_client_free, in any order with the client and the token. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_with(
    client: *const sastaotp_client,
    token: *const sastaotp_cancel_token,
    timeout_ms: u32,
    handle: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(handle, error, || {
        let mut client = as_client(client)?.clone();
        if !token.is_null() {
            client = client.with_cancel(as_token(token)?);
        }
        if timeout_ms != 0 {
            client = client.with_timeout(duration(timeout_ms));
        }
        Ok(sastaotp_client::new(client))
    })
}

/// Frees a client or a handle of one. Its activations, leases, iterators, queues and results stay
/// usable. Does not wait for purchases in flight: before the program ends, call
/// sastaotp_client_finish. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_free(client: *mut sastaotp_client) {
    free(client);
}

/// Writes the remaining budget, in micro-rupees. Returns false if the client has no budget. Sends
/// nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_budget_left(
    client: *const sastaotp_client,
    micros: *mut i64,
) -> bool {
    read_into(client, micros, |client| client.0.get()?.budget_left().map(Amount::micros))
}

/// Lists every purchase of this API key and base URL in this process that is not settled, kept or
/// resolved, and that no activation or lease holds: its caller stopped waiting, its outcome is
/// unknown, or its last handle was freed while the order was open. Reading the list or a failed
/// cancellation removes nothing. A purchase leaves the list when its order is completed, cancelled
/// or expired, by sastaotp_activation_keep, and by sastaotp_client_resolve_not_made. While an
/// activation or a lease holds the number, it is not listed. Sends nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_unclaimed(
    client: *const sastaotp_client,
    list: *mut *mut sastaotp_unclaimed_list,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(list, error, || Ok(sastaotp_unclaimed_list::new(as_client(client)?.unclaimed())))
}

/// Finishes the purchases of a client before the program ends: waits at most `timeout_ms`
/// milliseconds for the replies of purchases in flight. Then lists each purchase of the client that
/// is not settled or kept, even if an activation or a lease holds it, and each one that
/// sastaotp_client_unclaimed lists. Report every entry: without a journal, no other record of it
/// exists after the process has ended. The client stays usable. Sends nothing. A triggered token
/// does not end the wait.
///
/// 10,000 is a good value for `timeout_ms`. Free `*list` with sastaotp_unclaimed_list_free. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_finish(
    client: *const sastaotp_client,
    timeout_ms: u32,
    list: *mut *mut sastaotp_unclaimed_list,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(list, error, || {
        Ok(sastaotp_unclaimed_list::new(as_client(client)?.finish(duration(timeout_ms))))
    })
}
