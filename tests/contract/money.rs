//! Checks that may cost money. Each stays within the client's budget, buys the cheapest number, and
//! cancels it even if the check fails.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use libtest_mimic::Failed;
use sastaotp::clock::{Clock, ManualClock};
use sastaotp::sandbox::MemoryTransport;
use sastaotp::{
    Amount, Client, ErrorKind, Lease, NumberRequest, OnTooEarly, OrderQuery, SetStatus,
    SettlementState, Status,
};

use super::reads::{check, text};

type CheckResult = Result<(), String>;

/// A price limit below the price of every number.
const BELOW_EVERY_PRICE: Amount = Amount::from_micros(10_000);

/// Returns the service, country and price of the cheapest number. Scenario services of the sandbox
/// are left out.
fn cheapest(client: &Client) -> Result<(String, String, Amount), String> {
    let prices = client.get_prices(None, None).map_err(text)?;
    let offers = prices.iter().filter(|price| {
        price.country.parse::<u32>().is_ok()
            && price.available != Some(0)
            && !price.service.starts_with("zz_")
    });
    let offers = offers
        .filter_map(|price| Some((price.price.filter(|price| *price > Amount::ZERO)?, price)));
    let (price, offer) = offers.min_by_key(|(price, _)| *price).ok_or("no number is on sale")?;
    Ok((offer.service.to_owned(), offer.country.to_owned(), price))
}

/// Buys a number, runs `inspect`, and cancels. It waits if a cancellation is refused as too early,
/// which dropping the lease would not do.
fn with_number<T>(
    client: &Client,
    request: NumberRequest,
    inspect: impl FnOnce(&Lease) -> Result<T, String>,
) -> Result<(T, SettlementState), String> {
    let lease = client.lease(request).map_err(text)?;
    let id = lease.id().to_owned();
    let inspected = inspect(&lease);
    match (inspected, lease.close(OnTooEarly::Wait)) {
        (Ok(value), Ok(settlement)) => Ok((value, settlement.state)),
        (Err(reason), Ok(_)) => Err(reason),
        (inspected, Err(error)) => Err(format!(
            "{}order {id} is not settled: {error}",
            inspected.err().map_or(String::new(), |reason| reason + "; ")
        )),
    }
}

/// Runs [`with_number`] with the cheapest number.
fn with_cheapest<T>(
    client: &Client,
    inspect: impl FnOnce(&Lease) -> Result<T, String>,
) -> Result<(T, SettlementState), String> {
    let (service, country, price) = cheapest(client)?;
    with_number(client, NumberRequest::new(service).country(country).max_price(price), inspect)
}

fn wallet(client: &Client) -> Result<Amount, String> {
    client.get_balance().map(|balance| balance.amount).map_err(text)
}

pub(crate) fn price_limit(client: &Client) -> CheckResult {
    let (service, country, _) = cheapest(client)?;
    let before = wallet(client)?;
    let request = NumberRequest::new(service).country(country).max_price(BELOW_EVERY_PRICE);
    match client.get_number(request) {
        Ok(number) => {
            let settled = number.settle(OnTooEarly::Wait).map_err(text)?;
            return Err(format!("bought for {:?}, and {:?}", number.price(), settled.state));
        }
        Err(error) => check(error.kind() == ErrorKind::PriceTooHigh, || error.to_string())?,
    }
    let after = wallet(client)?;
    check(after == before, || format!("the wallet had {before} and has {after}"))
}

pub(crate) fn purchase(client: &Client) -> CheckResult {
    let (service, country, most) = cheapest(client)?;
    let before = wallet(client)?;
    let request = NumberRequest::new(service).country(country).max_price(most);
    let inspect = |lease: &Lease| {
        let price = lease.price().ok_or("the reply names no price")?;
        let number = lease.phone_number().unwrap_or_default();
        let is_number = number.bytes().filter(u8::is_ascii_digit).count() >= 7;
        check(price <= most && is_number, || format!("{price}, {number:?}"))?;
        let after = wallet(client)?;
        check(before.checked_sub(price) == Some(after), || {
            format!("{before} minus {price} is not {after}")
        })
    };
    with_number(client, request, inspect).map(drop)
}

pub(crate) fn in_the_history(client: &Client) -> CheckResult {
    let inspect = |lease: &Lease| {
        let page =
            client.get_orders(&OrderQuery { limit: 5, ..OrderQuery::default() }).map_err(text)?;
        let is_there =
            page.orders.iter().any(|order| order.activation_id.as_deref() == Some(lease.id()));
        check(is_there, || format!("not among {} orders", page.orders.len()))
    };
    with_cheapest(client, inspect).map(drop)
}

pub(crate) fn waits(client: &Client) -> CheckResult {
    let inspect = |lease: &Lease| {
        let status = client.get_status(lease.id()).map_err(text)?;
        check(matches!(status, Status::Waiting), || format!("{status:?}"))
    };
    with_cheapest(client, inspect).map(drop)
}

pub(crate) fn refund(client: &Client) -> CheckResult {
    let before = wallet(client)?;
    let ((), state) = with_cheapest(client, |_| Ok(()))?;
    let after = wallet(client)?;
    check(state == SettlementState::Cancelled && after == before, || {
        format!("{state:?}; {before} before, {after} after")
    })
}

pub(crate) fn second_cancel(client: &Client) -> CheckResult {
    let before = wallet(client)?;
    let (id, _) = with_cheapest(client, |lease| Ok(lease.id().to_owned()))?;
    // Cancels by id, so that the request is sent and not answered from the lease's state.
    let again = client.set_status(&id, SetStatus::Cancel);
    let after = wallet(client)?;
    check(after == before, || format!("{before} before, {after} after; {again:?}"))
}

pub(crate) fn cancelled(client: &Client) -> CheckResult {
    let (id, _) = with_cheapest(client, |lease| Ok(lease.id().to_owned()))?;
    let status = client.get_status(&id).map_err(text)?;
    check(matches!(status, Status::Cancelled), || format!("{status:?}"))
}

/// Checks the suite itself: if a check fails, its number is still cancelled, even if the service
/// refuses to cancel for two minutes.
pub(crate) fn a_failed_check_settles() -> Result<(), Failed> {
    const KEY: &str = "stp_canary_of_the_contract";
    let clock: Arc<dyn Clock> =
        Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
    let transport = MemoryTransport::new(Arc::clone(&clock));
    let builder = Client::builder()
        .api_key(KEY)
        .clock(Arc::clone(&clock))
        .transport(Arc::new(transport.clone()));
    let client = builder.budget(Amount::from_rupees(100)).build()?;
    let request =
        NumberRequest::new("zz_early_cancel").country("22").max_price(Amount::from_rupees(80));
    let found = with_number(&client, request, |_| Err::<(), _>("the check failed".to_owned()));
    check(found == Err("the check failed".to_owned()), || format!("{found:?}"))?;
    let waited = clock.now().monotonic;
    check(waited >= Duration::from_secs(120), || format!("cancelled after {waited:?}"))?;
    transport.control(KEY, "assert", r#"{"charges":1,"refunds":1}"#).map(drop).map_err(Failed::from)
}
