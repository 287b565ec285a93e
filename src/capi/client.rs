//! The client and its calls: reads, purchases, and claims of activations.

use std::ffi::c_char;

use super::activation::{reget_by_id, sastaotp_activation, sastaotp_on_too_early};
use super::balance::sastaotp_balance;
use super::boundary::{
    Object, call, create, duration, free, optional_text, read_into, required, required_text,
};
use super::c_strings::WithCStrings;
use super::cancel_token::{as_token, sastaotp_cancel_token};
use super::config::sastaotp_config;
use super::countries::sastaotp_countries;
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use super::intent::sastaotp_intent;
use super::lease::{sastaotp_lease, sastaotp_settled_leases};
use super::orders::{sastaotp_order_iterator, sastaotp_orders};
use super::prices::sastaotp_prices;
use super::purchase::sastaotp_number_request;
use super::reconcile::sastaotp_reconciliation;
use super::services::sastaotp_services;
use super::status::{sastaotp_activation_status, sastaotp_set_status, sastaotp_status_change};
use super::unclaimed::sastaotp_unclaimed_list;
use crate::{Amount, Client, OrderQuery, OrderStatus, PriceLimit, Resolution, Result};

/// A client of the service, with its connections and its budget. Any number of threads may use it
/// at once. All clients of one API key and one base URL in a process share the record of purchases,
/// so no order is given to two of them.
///
/// Every call blocks until it has a result. A read is sent at most three times within the timeout
/// of the call. A "read error", below, is SASTAOTP_AUTHENTICATION, SASTAOTP_SERVER,
/// SASTAOTP_RATE_LIMITED, SASTAOTP_BLOCKED, SASTAOTP_PROTOCOL, SASTAOTP_CONNECTION, SASTAOTP_TLS,
/// SASTAOTP_TIMEOUT, SASTAOTP_CANCELLED, SASTAOTP_REJECTED, or SASTAOTP_CONFIG for an invalid
/// argument.
///
/// A purchase is sent at most once, and only if its reply has time to arrive before the call times
/// out: two thirds of the client's timeout, at most 60 seconds. Otherwise it fails with
/// SASTAOTP_TIMEOUT and nothing was sent. Purchases run in parallel. The first purchase of an API
/// key in a process reads the newest order first (action getOrders), so that a lost reply can be
/// found. A "purchase error", below, is a read error, SASTAOTP_BUDGET, SASTAOTP_ALREADY_SENT,
/// SASTAOTP_INSUFFICIENT_BALANCE, SASTAOTP_NO_NUMBERS, SASTAOTP_PRICE_TOO_HIGH or
/// SASTAOTP_SERVICE_UNAVAILABLE. Whatever the status, sastaotp_error_charge returns whether money
/// may have been charged.
pub struct sastaotp_client(ForkGuarded<Client>);

impl Object for sastaotp_client {
    const NAME: &'static str = "client";
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

/// Creates a client from settings. Sends nothing.
///
/// Fails with SASTAOTP_CONFIG if a setting is invalid or there is no API key, and with
/// SASTAOTP_JOURNAL if the journal's folder cannot be used. Reads HTTPS_PROXY, ALL_PROXY and
/// NO_PROXY as curl does, so no other thread may change the environment during the call. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_new(
    config: *const sastaotp_config,
    client: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(client, error, || required(config)?.0.clone().build().map(sastaotp_client::new))
}

/// Creates a client from SASTAOTP_API_KEY and, if set, SASTAOTP_BASE_URL and SASTAOTP_JOURNAL.
/// Sends nothing.
///
/// Fails with SASTAOTP_CONFIG if a variable is invalid or the key is missing, and with
/// SASTAOTP_JOURNAL if the journal's folder cannot be used. No other thread may change the
/// environment during the call; see sastaotp_client_new for the other variables that it reads.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_from_env(
    client: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(client, error, || Client::from_env().map(sastaotp_client::new))
}

/// Creates a handle of the same client whose calls `token` can cancel. The token also applies to
/// the activations that the handle buys or claims.
///
/// A purchase that was already sent continues until its reply. Its call returns immediately with
/// SASTAOTP_CANCELLED and SASTAOTP_CHARGE_UNKNOWN, and sastaotp_client_unclaimed lists the number
/// that was bought.
///
/// Free `*handle` with sastaotp_client_free, in any order with the client and the token. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_with_cancel(
    client: *const sastaotp_client,
    token: *const sastaotp_cancel_token,
    handle: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(handle, error, || {
        Ok(sastaotp_client::new(as_client(client)?.with_cancel(as_token(token)?)))
    })
}

/// Creates a handle of the same client whose calls last at most `millis` milliseconds. A purchase
/// that was already sent continues until its reply, as after a cancellation. A wait, a reconcile
/// and a settle with SASTAOTP_ON_TOO_EARLY_WAIT have their own durations.
///
/// Free `*handle` with sastaotp_client_free, in any order with the client. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_with_timeout_ms(
    client: *const sastaotp_client,
    millis: u32,
    handle: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(handle, error, || {
        Ok(sastaotp_client::new(as_client(client)?.with_timeout(duration(millis))))
    })
}

/// Frees a client or a handle of one. Its activations, leases and results stay usable. No other
/// thread may be in a purchase of the client. Does not wait for purchases in flight: before the
/// program ends, call sastaotp_client_finish. Since 0.1.0.
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

/// Reads the wallet. Action getBalance.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_balance(
    client: *const sastaotp_client,
    balance: *mut *mut sastaotp_balance,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(balance, error, || {
        Ok(sastaotp_balance(WithCStrings::from_answer(as_client(client)?.balance()?)))
    })
}

/// Reads the services on sale: all if `service` is NULL, otherwise one with its countries. Action
/// getServicesList.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_services(
    client: *const sastaotp_client,
    service: *const c_char,
    services: *mut *mut sastaotp_services,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(services, error, || {
        let service = optional_text(service, "service")?;
        Ok(sastaotp_services::new(as_client(client)?.services(service)?))
    })
}

/// Reads the prices of one service, of one country, or of both. If `service` and `country` are
/// NULL, reads all prices, which are 2.6 MB. Action getPrices.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_prices(
    client: *const sastaotp_client,
    service: *const c_char,
    country: *const c_char,
    prices: *mut *mut sastaotp_prices,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(prices, error, || {
        let (service, country) =
            (optional_text(service, "service")?, optional_text(country, "country")?);
        Ok(sastaotp_prices::new(as_client(client)?.prices(service, country)?))
    })
}

/// Reads the countries and their codes, which are not calling codes. Action getCountries.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_countries(
    client: *const sastaotp_client,
    countries: *mut *mut sastaotp_countries,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(countries, error, || Ok(sastaotp_countries::new(as_client(client)?.countries()?)))
}

/// Reads the countries with a name, ignoring case. There may be none, one or several, each with its
/// own code and prices. Action getCountries.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_find_country(
    client: *const sastaotp_client,
    name: *const c_char,
    countries: *mut *mut sastaotp_countries,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(countries, error, || {
        let name = required_text(name, "name")?;
        Ok(sastaotp_countries::new(as_client(client)?.countries_named(name)?))
    })
}

/// Reads one page of the order history, newest first. `limit` is the number of orders per page, 1
/// to 100; `page` starts at 1. Returns the orders with `status` ("pending", "completed",
/// "cancelled", "expired"), or all if `status` is NULL. Action getOrders.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_orders(
    client: *const sastaotp_client,
    limit: u32,
    page: u32,
    status: *const c_char,
    orders: *mut *mut sastaotp_orders,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(orders, error, || {
        let query = OrderQuery {
            limit,
            page,
            status: optional_text(status, "status")?.map(OrderStatus::read),
        };
        Ok(sastaotp_orders::new(as_client(client)?.get_orders(&query)?))
    })
}

/// Creates an iterator over the order history, newest first: over the orders with `status`, or over
/// all if `status` is NULL. Sends nothing.
///
/// Free `*iterator` with sastaotp_order_iterator_free. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_orders(
    client: *const sastaotp_client,
    status: *const c_char,
    iterator: *mut *mut sastaotp_order_iterator,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(iterator, error, || {
        let status = optional_text(status, "status")?.map(OrderStatus::read);
        let orders = as_client(client)?.orders(OrderQuery { status, ..OrderQuery::default() });
        Ok(sastaotp_order_iterator::new(orders))
    })
}

/// Buys a number. Action getNumber. COSTS MONEY.
///
/// Sends the purchase at most once. If it fails and sastaotp_error_charge is
/// SASTAOTP_CHARGE_UNKNOWN, call sastaotp_client_reconcile before you buy again.
///
/// Read sastaotp_purchase_warning of the purchase: the price may be above the maximum. Fails with a
/// purchase error. Freeing `*activation` with sastaotp_activation_free does not change the order.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_number(
    client: *const sastaotp_client,
    request: *const sastaotp_number_request,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(activation, error, || {
        let (client, request) = (as_client(client)?, required(request)?.get());
        client
            .intent(request)?
            .carry_out(|intent| Ok(sastaotp_activation::new(client.buy(intent)?)))
    })
}

/// Prepares a purchase for sastaotp_client_buy. Save sastaotp_intent_json before you buy: a program
/// that is killed before the reply can then still find its purchase. If the client has not read the
/// newest order yet, it does so first. Action getOrders.
///
/// Fails with a read error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_intend(
    client: *const sastaotp_client,
    request: *const sastaotp_number_request,
    intent: *mut *mut sastaotp_intent,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(intent, error, || {
        let request = required(request)?.get();
        Ok(sastaotp_intent::new(as_client(client)?.intend(request)?))
    })
}

/// Makes a prepared purchase. Action getNumber. COSTS MONEY.
///
/// An intent is sent once. If it was sent before, fails with SASTAOTP_ALREADY_SENT: the message
/// states its outcome, and sastaotp_error_charge is SASTAOTP_CHARGE_UNKNOWN if that is not known.
/// An intent that an earlier run saved is looked up in the order history first (action getOrders).
/// The call fails in the same way, and names the candidates, unless the search is complete and
/// found none. That takes ten minutes, or the time of sastaotp_config_set_late_booking_ms, from the
/// first search of this process, because the earlier run may have sent the request at its end.
///
/// Fails with a purchase error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_buy(
    client: *const sastaotp_client,
    intent: *const sastaotp_intent,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(activation, error, || {
        let (client, intent) = (as_client(client)?, required(intent)?.intent().clone());
        intent.carry_out(|intent| Ok(sastaotp_activation::new(client.buy(intent)?)))
    })
}

/// Buys the number of a completed activation again, for at most `max_price` micro-rupees. Action
/// regetNumber. COSTS MONEY, as much as the first time.
///
/// The service accepts no maximum for this action. If the price is known, from the purchase or from
/// the order history, and above the maximum, the call fails with SASTAOTP_PRICE_TOO_HIGH and sends
/// nothing. Otherwise a warning of the purchase reports a price above the maximum.
///
/// Fails with a purchase error or SASTAOTP_NOT_FOUND. Free `*activation` with
/// sastaotp_activation_free. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_reget_number(
    client: *const sastaotp_client,
    id: *const c_char,
    max_price: i64,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(activation, error, || {
        let (client, id) = (as_client(client)?, required_text(id, "id")?);
        reget_by_id(client, id, Amount::from_micros(max_price).into())
    })
}

/// Buys the number of a completed activation again, at any price. Not possible for a client with a
/// budget. Action regetNumber. COSTS MONEY, as much as the first time.
///
/// Fails with a purchase error or SASTAOTP_NOT_FOUND. Free `*activation` with
/// sastaotp_activation_free. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_reget_number_at_any_price(
    client: *const sastaotp_client,
    id: *const c_char,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(activation, error, || {
        let (client, id) = (as_client(client)?, required_text(id, "id")?);
        reget_by_id(client, id, PriceLimit::Any)
    })
}

/// Buys a number and returns a lease, which settles the order when it ends. Action getNumber. COSTS
/// MONEY.
///
/// Fails with a purchase error. sastaotp_lease_free settles the order and frees `*lease`. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_lease(
    client: *const sastaotp_client,
    request: *const sastaotp_number_request,
    lease: *mut *mut sastaotp_lease,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(lease, error, || {
        let (client, request) = (as_client(client)?, required(request)?.get());
        client
            .intent(request)?
            .carry_out(|intent| Ok(sastaotp_lease::new(client.buy_lease(intent)?)))
    })
}

/// Claims an existing activation by its id: one of an earlier run, of the order history, or of
/// sastaotp_client_unclaimed. Sends nothing.
///
/// Fails with SASTAOTP_CONFIG if `id` is not 1 to 256 bytes, or has blanks around it or a line end.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_activation(
    client: *const sastaotp_client,
    id: *const c_char,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(activation, error, || {
        let id = required_text(id, "id")?;
        Ok(sastaotp_activation::new(as_client(client)?.activation(id)?))
    })
}

/// Reads the status of an activation. Sends getStatus, and getStatusV2 to read
/// the text of a message.
///
/// Fails with a read error or SASTAOTP_NOT_FOUND. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_status(
    client: *const sastaotp_client,
    id: *const c_char,
    status: *mut *mut sastaotp_activation_status,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(status, error, || {
        let id = required_text(id, "id")?;
        Ok(sastaotp_activation_status::new(
            as_client(client)?.status(id)?.map(|reply| reply.status),
        ))
    })
}

/// Changes the status of an activation and returns the change that the service reports. Action
/// setStatus.
///
/// Sends the request once. If the reply is lost, reads the status and repeats the request only if
/// the status shows that it had no effect.
///
/// Does not update any sastaotp_activation. Prefer the functions of sastaotp_activation: they
/// distinguish the codes of an order and record how it ended.
///
/// Fails with a read error, SASTAOTP_NOT_FOUND, SASTAOTP_ALREADY_FINISHED or SASTAOTP_TOO_EARLY.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_set_status(
    client: *const sastaotp_client,
    id: *const c_char,
    status: sastaotp_set_status,
    change: *mut *mut sastaotp_status_change,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(change, error, || {
        let (id, status) = (required_text(id, "id")?, status.read()?);
        Ok(sastaotp_status_change::new(as_client(client)?.change(id, status)?))
    })
}

/// Searches the order history for a purchase whose outcome is unknown, for at most `timeout_ms`
/// milliseconds. 60,000 is a good value; 0 looks once. Action getOrders.
///
/// Returns earlier only if the evidence proves that an order is the purchase, or if the search is
/// complete. Otherwise looks until the time is over: the history can lag, and another program's
/// order can look the same. If the search is not complete then, the purchase stays unknown and
/// listed, and the next call continues.
///
/// An order that another purchase of this API key bought is not a candidate. To claim a candidate,
/// pass its activation id to sastaotp_client_activation. If there are several, call
/// sastaotp_client_resolve_made first; let a person decide if several are likely, or none is.
///
/// The claim of the only candidate resolves the purchase, unless the search ended less than 60
/// seconds after the reply was lost and was not complete. Then the maximum stays reserved, and a
/// refund of that order makes the purchase unknown again: call sastaotp_client_resolve_made as well
/// if you know that the order is yours.
///
/// Fails with a read error. If it fails, the purchase stays unknown: sastaotp_error_charge is
/// SASTAOTP_CHARGE_UNKNOWN. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_reconcile(
    client: *const sastaotp_client,
    intent: *const sastaotp_intent,
    timeout_ms: u32,
    reconciliation: *mut *mut sastaotp_reconciliation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(reconciliation, error, || {
        let intent = required(intent)?.intent();
        let found = as_client(client)?.reconcile_within(intent, duration(timeout_ms))?;
        Ok(sastaotp_reconciliation::new(found))
    })
}

/// Resolves a purchase with an unknown outcome: the caller knows that it was not made. It is not
/// listed any more. If a client of this process sent it, its reservation returns to that client's
/// budget. sastaotp_client_resolve_made can correct the answer later. Sends nothing.
///
/// Fails with SASTAOTP_CONFIG if the reply may still arrive, or the purchase is known to be made.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_resolve_not_made(
    client: *const sastaotp_client,
    intent: *const sastaotp_intent,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let (client, intent) = (as_client(client)?, required(intent)?.intent());
        client.resolve(intent, Resolution::NotMade)
    })
}

/// Resolves a purchase with an unknown outcome: the caller knows that it bought this activation.
/// sastaotp_client_unclaimed lists the number as bought until it is claimed. If a client of this
/// process sent the purchase, the price of the order replaces its reservation. Sends nothing.
///
/// The id is not checked: take it from a candidate or from the service's order history. A wrong
/// answer can be corrected by calling this function or sastaotp_client_resolve_not_made again until
/// the order has a code or has ended.
///
/// Fails with SASTAOTP_CONFIG if the reply may still arrive, if the purchase is known to be refused
/// or to have bought another activation, or if another purchase bought this activation. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_resolve_made(
    client: *const sastaotp_client,
    intent: *const sastaotp_intent,
    activation_id: *const c_char,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        let (client, intent) = (as_client(client)?, required(intent)?.intent());
        let id = required_text(activation_id, "activation_id")?.to_owned();
        client.resolve(intent, Resolution::Made(id))
    })
}

/// Settles the leases in the client's journal whose processes ended before they settled them: see
/// sastaotp_config_set_journal and sastaotp_activation_settle. Without a journal there are none. A
/// lease that could not be settled has an error in `*leases`, and sastaotp_client_unclaimed lists
/// its number. Actions getStatus and setStatus.
///
/// Free `*leases` with sastaotp_settled_leases_free. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_settle_leftover_leases(
    client: *const sastaotp_client,
    on_too_early: sastaotp_on_too_early,
    leases: *mut *mut sastaotp_settled_leases,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(leases, error, || {
        let (client, on_too_early) = (as_client(client)?, on_too_early.read()?);
        Ok(sastaotp_settled_leases::new(client.settle_leftover_leases(on_too_early)))
    })
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

/// Ends the use of a client: waits at most `timeout_ms` milliseconds for the replies of its
/// purchases in flight. Then lists each purchase of the client that is not settled or kept, even if
/// an activation or a lease holds it, and each one that sastaotp_client_unclaimed lists. Report
/// every entry: without a journal, no other record of it exists after the process has ended. The
/// client stays usable. Sends nothing.
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

#[cfg(test)]
mod tests {
    use std::ptr::null_mut;

    use super::*;
    use crate::NumberRequest;
    use crate::capi::*;
    use crate::intent::tests::defective_client;

    #[test]
    fn a_panic_in_a_purchase_leaves_its_charge_unknown() {
        let request = NumberRequest::new("tg").country("22").accept_any_price();
        let client = defective_client();
        let intent = client.intent(request.clone()).unwrap();
        let (request, intent) =
            (sastaotp_number_request::new(request), sastaotp_intent::new(intent));
        let activation = sastaotp_activation::new(client.activation("1").unwrap());
        let client = sastaotp_client::new(client);
        let (mut bought, mut leased, mut error) = (null_mut(), null_mut(), null_mut());
        let (place, lease, failure) = (&raw mut bought, &raw mut leased, &raw mut error);
        let calls: [(&str, &dyn Fn() -> sastaotp_status); 7] = unsafe {
            [
                ("get_number", &|| {
                    sastaotp_client_get_number(
                        &raw const client,
                        &raw const request,
                        place,
                        failure,
                    )
                }),
                ("buy", &|| {
                    sastaotp_client_buy(&raw const client, &raw const intent, place, failure)
                }),
                ("reget_number", &|| {
                    sastaotp_client_reget_number(
                        &raw const client,
                        c"1".as_ptr(),
                        1,
                        place,
                        failure,
                    )
                }),
                ("reget_number_at_any_price", &|| {
                    sastaotp_client_reget_number_at_any_price(
                        &raw const client,
                        c"1".as_ptr(),
                        place,
                        failure,
                    )
                }),
                ("lease", &|| {
                    sastaotp_client_lease(&raw const client, &raw const request, lease, failure)
                }),
                ("activation_reget_number", &|| {
                    sastaotp_activation_reget_number(&raw const activation, 1, place, failure)
                }),
                ("activation_reget_number_at_any_price", &|| {
                    sastaotp_activation_reget_number_at_any_price(
                        &raw const activation,
                        place,
                        failure,
                    )
                }),
            ]
        };
        for (name, call) in calls {
            assert_eq!(call(), SASTAOTP_INTERNAL, "{name}");
            unsafe {
                assert!((*place).is_null() && (*lease).is_null(), "{name}");
                assert_eq!(sastaotp_error_charge(*failure), SASTAOTP_CHARGE_UNKNOWN, "{name}");
                assert!(!sastaotp_error_intent(*failure).is_null(), "{name}");
                sastaotp_error_free(*failure);
            }
        }
    }
}
