//! The client and its calls.

use std::ffi::c_char;

use super::activation::sastaotp_activation;
use super::balance::sastaotp_balance;
use super::boundary::{
    Object, free, given, look_into, make, millis as duration, text, text_or_null,
};
use super::c_strings::WithCStrings;
use super::cancel_token::{sastaotp_cancel_token, token};
use super::config::sastaotp_config;
use super::countries::sastaotp_countries;
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use super::intent::sastaotp_intent;
use super::lease::sastaotp_lease;
use super::number::sastaotp_number_request;
use super::orders::{sastaotp_order_iterator, sastaotp_orders};
use super::prices::sastaotp_prices;
use super::reconcile::sastaotp_reconciliation;
use super::services::sastaotp_services;
use super::status::{sastaotp_activation_status, sastaotp_set_status, sastaotp_status_change};
use super::unclaimed::sastaotp_unclaimed_list;
use crate::{Amount, Client, Lease, OrderQuery, OrderStatus, Result};

/// A client of the service: connections, budget and bookkeeping. Any number of threads may call at once.
///
/// Every call blocks until it has its answer. Reads are repeated up to three times within the time of the call; they fail
/// with SASTAOTP_AUTHENTICATION, SASTAOTP_SERVER, SASTAOTP_RATE_LIMITED, SASTAOTP_BLOCKED, SASTAOTP_PROTOCOL,
/// SASTAOTP_CONNECTION, SASTAOTP_TLS, SASTAOTP_TIMEOUT, SASTAOTP_CANCELLED, or SASTAOTP_CONFIG for a bad argument: below, "an
/// error of a read".
///
/// Purchases are sent once. They fail with those of a read and with SASTAOTP_BUDGET, SASTAOTP_INSUFFICIENT_BALANCE,
/// SASTAOTP_NO_NUMBERS, SASTAOTP_PRICE_TOO_HIGH or SASTAOTP_SERVICE_UNAVAILABLE: below, "an error of a purchase". Whatever
/// the status, sastaotp_error_charge says whether money may be gone.
pub struct sastaotp_client(ForkGuarded<Client>);

impl Object for sastaotp_client {
    const NAME: &'static str = "client";
}

impl sastaotp_client {
    pub(super) fn new(client: Client) -> Self {
        Self(ForkGuarded::new(client))
    }
}

/// The client behind an argument, in the process that made it.
pub(super) unsafe fn client<'a>(argument: *const sastaotp_client) -> Result<&'a Client> {
    given(argument)?.0.given::<sastaotp_client>()
}

/// Makes a client from settings. Sends nothing.
///
/// `*client` is yours: sastaotp_client_free. Fails with SASTAOTP_CONFIG where a setting is wrong, no API key is set, or an
/// argument is NULL. Any thread, while none changes the environment: HTTPS_PROXY, ALL_PROXY and NO_PROXY are read, as curl
/// reads them. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_new(
    config: *const sastaotp_config,
    client: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(client, error, || given(config)?.0.clone().build().map(sastaotp_client::new))
}

/// Makes a client from SASTAOTP_API_KEY and, where it is set, SASTAOTP_BASE_URL. Sends nothing.
///
/// `*client` is yours: sastaotp_client_free. Fails with SASTAOTP_CONFIG where a variable is wrong or the key is missing, or
/// the place is NULL. Any thread, while none changes the environment; see sastaotp_client_new for what else is read of it.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_from_env(
    client: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(client, error, || Client::from_env().map(sastaotp_client::new))
}

/// Makes a handle of the same client whose calls `cancel` ends.
///
/// A purchase that was sent already runs on to its reply: its call returns at once with SASTAOTP_CANCELLED and
/// SASTAOTP_CHARGE_UNKNOWN, and sastaotp_client_unclaimed lists what was bought.
///
/// `*handle` is yours: sastaotp_client_free, in any order with the client and the token. NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_with_cancel(
    client: *const sastaotp_client,
    cancel: *const sastaotp_cancel_token,
    handle: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(handle, error, || {
        Ok(sastaotp_client::new(self::client(client)?.with_cancel(token(cancel)?)))
    })
}

/// Makes a handle of the same client whose calls return within a time. A purchase that was sent runs on, as when it is
/// cancelled. A wait, a reconcile and a settle that waits out have times of their own.
///
/// `*handle` is yours: sastaotp_client_free, in any order with the client. NULL arguments are refused with SASTAOTP_CONFIG.
/// Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_with_timeout_ms(
    client: *const sastaotp_client,
    millis: u32,
    handle: *mut *mut sastaotp_client,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(handle, error, || {
        Ok(sastaotp_client::new(self::client(client)?.with_timeout(duration(millis))))
    })
}

/// Frees a client or a handle of one. Its activations, leases and results go on. A purchase that is under way on another
/// thread must be over first.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_free(client: *mut sastaotp_client) {
    free(client);
}

/// Tells what is left of the budget, in micro-rupees. Returns false, and writes nothing, where there is no budget. Sends
/// nothing.
///
/// NULL as client gives false; NULL as micros only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_budget_left(
    client: *const sastaotp_client,
    micros: *mut i64,
) -> bool {
    look_into(client, micros, |it| it.0.get()?.budget_left().map(Amount::micros))
}

/// Reads the wallet. Action getBalance.
///
/// `*balance` is yours: sastaotp_balance_free. Fails with an error of a read. NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_balance(
    client: *const sastaotp_client,
    balance: *mut *mut sastaotp_balance,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(balance, error, || {
        Ok(sastaotp_balance(WithCStrings::answer(self::client(client)?.balance()?)))
    })
}

/// Reads what is sold: all services where `service` is NULL, or one with its countries. Action getServicesList.
///
/// `*services` is yours: sastaotp_services_free. Fails with an error of a read. Other NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_services(
    client: *const sastaotp_client,
    service: *const c_char,
    services: *mut *mut sastaotp_services,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(services, error, || {
        let service = text_or_null(service, "service")?;
        Ok(sastaotp_services::new(self::client(client)?.services(service)?))
    })
}

/// Reads prices: of one service, of one country, of both, or all where both are NULL, which are 2.6 MB. Action getPrices.
///
/// `*prices` is yours: sastaotp_prices_free. Fails with an error of a read. Other NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_prices(
    client: *const sastaotp_client,
    service: *const c_char,
    country: *const c_char,
    prices: *mut *mut sastaotp_prices,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(prices, error, || {
        let (service, country) =
            (text_or_null(service, "service")?, text_or_null(country, "country")?);
        Ok(sastaotp_prices::new(self::client(client)?.prices(service, country)?))
    })
}

/// Reads the countries and their codes, which are not calling codes. Action getCountries.
///
/// `*countries` is yours: sastaotp_countries_free. Fails with an error of a read. NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_countries(
    client: *const sastaotp_client,
    countries: *mut *mut sastaotp_countries,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(countries, error, || Ok(sastaotp_countries::new(self::client(client)?.countries()?)))
}

/// Reads the countries of a name, whatever its case: none, one, or several, each with a code and prices of its own. Action
/// getCountries.
///
/// `*countries` is yours: sastaotp_countries_free. Fails with an error of a read. NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_find_country(
    client: *const sastaotp_client,
    name: *const c_char,
    countries: *mut *mut sastaotp_countries,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(countries, error, || {
        let name = text(name, "name")?;
        Ok(sastaotp_countries::new(self::client(client)?.countries_named(name)?))
    })
}

/// Reads one page of the order history, newest first: `limit` orders, 1 to 100; `page` from 1; of one state ("pending",
/// "completed", "cancelled", "expired"), or of all where `status` is NULL. Action getOrders.
///
/// `*orders` is yours: sastaotp_orders_free. Fails with an error of a read. Other NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_orders(
    client: *const sastaotp_client,
    limit: u32,
    page: u32,
    status: *const c_char,
    orders: *mut *mut sastaotp_orders,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(orders, error, || {
        let query = OrderQuery {
            limit,
            page,
            status: text_or_null(status, "status")?.map(OrderStatus::read),
        };
        Ok(sastaotp_orders::new(self::client(client)?.get_orders(&query)?))
    })
}

/// Begins to go through the order history, newest first: of one state, or of all where `status` is NULL. Sends nothing.
///
/// `*iterator` is yours: sastaotp_order_iterator_free. Other NULL arguments are refused with SASTAOTP_CONFIG. Any thread.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_orders(
    client: *const sastaotp_client,
    status: *const c_char,
    iterator: *mut *mut sastaotp_order_iterator,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(iterator, error, || {
        let status = text_or_null(status, "status")?.map(OrderStatus::read);
        let orders = self::client(client)?.orders(OrderQuery { status, ..OrderQuery::default() });
        Ok(sastaotp_order_iterator::new(orders))
    })
}

/// Buys a number. Action getNumber. COSTS MONEY.
///
/// Sends the purchase once. Where sastaotp_error_charge says SASTAOTP_CHARGE_UNKNOWN, look with sastaotp_client_reconcile
/// before buying again.
///
/// `*activation` is yours: sastaotp_activation_free, which leaves the order as it is. Fails with an error of a purchase. NULL
/// arguments are refused with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_number(
    client: *const sastaotp_client,
    request: *const sastaotp_number_request,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(activation, error, || {
        let (client, request) = (self::client(client)?, given(request)?.0.clone());
        client
            .intent(request)?
            .carry_out(|intent| Ok(sastaotp_activation::new(client.buy(intent)?)))
    })
}

/// Prepares a purchase for sastaotp_client_buy. Save sastaotp_intent_json in between, and a program that is killed before the
/// reply can still find out what it bought. Asks for the newest order first where the client does not know it yet. Action
/// getOrders.
///
/// `*intent` is yours: sastaotp_intent_free. Fails with an error of a read. NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_intend(
    client: *const sastaotp_client,
    request: *const sastaotp_number_request,
    intent: *mut *mut sastaotp_intent,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(intent, error, || {
        let request = given(request)?.0.clone();
        Ok(sastaotp_intent::new(self::client(client)?.intend(request)?))
    })
}

/// Makes a purchase that was prepared. Action getNumber. COSTS MONEY, each time it is called.
///
/// `*activation` is yours: sastaotp_activation_free. Fails with an error of a purchase. NULL arguments are refused with
/// SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_buy(
    client: *const sastaotp_client,
    intent: *const sastaotp_intent,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(activation, error, || {
        let (client, intent) = (self::client(client)?, given(intent)?.intent().clone());
        intent.carry_out(|intent| Ok(sastaotp_activation::new(client.buy(intent)?)))
    })
}

/// Buys the number of a completed activation again. Action regetNumber. COSTS MONEY, as much as the first time.
///
/// `*activation` is yours: sastaotp_activation_free. Fails with an error of a purchase, SASTAOTP_NOT_FOUND or
/// SASTAOTP_REJECTED. NULL arguments are refused with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_reget_number(
    client: *const sastaotp_client,
    id: *const c_char,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(activation, error, || {
        let (client, id) = (self::client(client)?, text(id, "id")?);
        client
            .reget_intent(id)?
            .carry_out(|intent| Ok(sastaotp_activation::new(client.buy(intent)?)))
    })
}

/// Buys a number that is settled when the lease ends. Action getNumber. COSTS MONEY.
///
/// `*lease` is yours: sastaotp_lease_free, which settles the order. Fails with an error of a purchase. NULL arguments are
/// refused with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_lease(
    client: *const sastaotp_client,
    request: *const sastaotp_number_request,
    lease: *mut *mut sastaotp_lease,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(lease, error, || {
        let (client, request) = (self::client(client)?, given(request)?.0.clone());
        client
            .intent(request)?
            .carry_out(|intent| Ok(sastaotp_lease::new(Lease::new(client.buy(intent)?))))
    })
}

/// Takes up an activation that exists: of an earlier run, from the history, or from sastaotp_client_unclaimed. Sends nothing.
///
/// `*activation` is yours: sastaotp_activation_free. NULL arguments and ids that cannot be one (1 to 64 letters, digits and
/// "_.:-") are refused with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_activation(
    client: *const sastaotp_client,
    id: *const c_char,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(activation, error, || {
        let id = text(id, "id")?;
        Ok(sastaotp_activation::new(self::client(client)?.activation(id)?))
    })
}

/// Reads the state of an activation. Action getStatus, and getStatusV2 for the text of a message.
///
/// `*state` is yours: sastaotp_activation_status_free. Fails with an error of a read, or SASTAOTP_NOT_FOUND. NULL arguments are refused
/// with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_status(
    client: *const sastaotp_client,
    id: *const c_char,
    state: *mut *mut sastaotp_activation_status,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(state, error, || {
        let id = text(id, "id")?;
        Ok(sastaotp_activation_status::new(
            self::client(client)?.state(id)?.map(|shown| shown.status),
        ))
    })
}

/// Changes an activation and gives what the service says that it did. Action setStatus.
///
/// Sent once; where the reply is lost, the state is read back, and the request repeated only if it did not apply.
///
/// No sastaotp_activation learns of it: its own functions are the ones that keep the codes of an order apart, and know how it
/// ended.
///
/// `*change` is yours: sastaotp_status_change_free. Fails with an error of a read, or SASTAOTP_NOT_FOUND,
/// SASTAOTP_ALREADY_FINISHED, SASTAOTP_TOO_EARLY or SASTAOTP_REJECTED. NULL arguments and a status that is no constant are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_set_status(
    client: *const sastaotp_client,
    id: *const c_char,
    status: sastaotp_set_status,
    change: *mut *mut sastaotp_status_change,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(change, error, || {
        let (id, status) = (text(id, "id")?, status.read()?);
        Ok(sastaotp_status_change::new(self::client(client)?.change(id, status)?))
    })
}

/// Finds out what became of a purchase, from the order history. Action getOrders.
///
/// Looks 2, 5, 10, 20 and 40 seconds after the purchase, and only once more after something was found; those that are past
/// already are made as one, at once. Where the client has another purchase of the kind under way, waits for its reply, which
/// tells whose the order is. Takes up nothing: give the id of a candidate to sastaotp_client_activation.
///
/// `*reconciliation` is yours: sastaotp_reconciliation_free. Fails with an error of a read. NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_reconcile(
    client: *const sastaotp_client,
    intent: *const sastaotp_intent,
    reconciliation: *mut *mut sastaotp_reconciliation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(reconciliation, error, || {
        let intent = given(intent)?.intent();
        Ok(sastaotp_reconciliation::new(self::client(client)?.reconcile(intent)?))
    })
}

/// Lists purchases whose caller gave up, or whose lease could not settle them, until they are taken up with
/// sastaotp_client_activation or reconciled. Sends nothing.
///
/// `*list` is yours: sastaotp_unclaimed_list_free. NULL arguments are refused with SASTAOTP_CONFIG. Any thread. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_unclaimed(
    client: *const sastaotp_client,
    list: *mut *mut sastaotp_unclaimed_list,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(list, error, || Ok(sastaotp_unclaimed_list::new(self::client(client)?.unclaimed())))
}

#[cfg(test)]
mod tests {
    use std::ptr::null_mut;

    use super::*;
    use crate::NumberRequest;
    use crate::capi::*;
    use crate::intent::tests::defective_client;

    #[test]
    fn a_purchase_that_the_library_itself_failed_in_may_have_been_made() {
        let request = NumberRequest::new("tg").accept_any_price();
        let intent = request.clone().into_intent(std::time::SystemTime::now(), None).unwrap();
        let (request, intent) = (sastaotp_number_request(request), sastaotp_intent::new(intent));
        let client = defective_client();
        let activation = sastaotp_activation::new(client.activation("1").unwrap());
        let client = sastaotp_client::new(client);
        let (mut bought, mut leased, mut error) = (null_mut(), null_mut(), null_mut());
        let (place, lease, failure) = (&raw mut bought, &raw mut leased, &raw mut error);
        let calls: [(&str, &dyn Fn() -> sastaotp_status); 5] = unsafe {
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
                    sastaotp_client_reget_number(&raw const client, c"1".as_ptr(), place, failure)
                }),
                ("lease", &|| {
                    sastaotp_client_lease(&raw const client, &raw const request, lease, failure)
                }),
                ("reget", &|| {
                    sastaotp_activation_reget_number(&raw const activation, place, failure)
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
