//! Checks that may cost something. Each keeps to the budget of its client, buys the cheapest number there is, and cancels it
//! whatever the check found.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use libtest_mimic::Failed;
use sastaotp::clock::{Clock, ManualClock};
use sastaotp::sandbox::MemoryTransport;
use sastaotp::{
    Amount, Client, ErrorKind, Lease, NumberRequest, OnTooEarly, OrderQuery, SetStatus,
    SettlementState, Status,
};

use super::reads::{must, say};

type Checked = Result<(), String>;

/// A price that no number has.
const TOO_LITTLE: Amount = Amount::from_micros(10_000);

/// The cheapest number: its service, its country, and its price. Those of the sandbox that tell a story are none.
fn cheapest(client: &Client) -> Result<(String, String, Amount), String> {
    let prices = client.get_prices(None, None).map_err(say)?;
    let offers = prices.iter().filter(|price| {
        price.country.parse::<u32>().is_ok()
            && price.available != Some(0)
            && !price.service.starts_with("zz_")
    });
    let offers =
        offers.filter_map(|price| Some((price.price.filter(|cost| *cost > Amount::ZERO)?, price)));
    let (cost, offer) = offers.min_by_key(|(cost, _)| *cost).ok_or("nothing is sold")?;
    Ok((offer.service.to_owned(), offer.country.to_owned(), cost))
}

/// Buys, looks, and cancels, waiting where it is too early for that: dropping the lease would not wait.
fn with_number<T>(
    client: &Client,
    request: NumberRequest,
    look: impl FnOnce(&Lease) -> Result<T, String>,
) -> Result<(T, SettlementState), String> {
    let lease = client.lease(request).map_err(say)?;
    let id = lease.id().to_owned();
    let seen = look(&lease);
    match (seen, lease.close(OnTooEarly::Wait)) {
        (Ok(seen), Ok(settlement)) => Ok((seen, settlement.state)),
        (Err(what), Ok(_)) => Err(what),
        (seen, Err(error)) => Err(format!(
            "{}order {id} is not settled: {error}",
            seen.err().map_or(String::new(), |what| what + "; ")
        )),
    }
}

/// The same with the cheapest number.
fn with_cheapest<T>(
    client: &Client,
    look: impl FnOnce(&Lease) -> Result<T, String>,
) -> Result<(T, SettlementState), String> {
    let (service, country, price) = cheapest(client)?;
    with_number(client, NumberRequest::new(service).country(country).max_price(price), look)
}

fn wallet(client: &Client) -> Result<Amount, String> {
    client.get_balance().map(|balance| balance.amount).map_err(say)
}

pub(crate) fn too_dear(client: &Client) -> Checked {
    let (service, country, _) = cheapest(client)?;
    let before = wallet(client)?;
    let request = NumberRequest::new(service).country(country).max_price(TOO_LITTLE);
    match client.get_number(request) {
        Ok(number) => {
            let settled = number.settle(OnTooEarly::Wait).map_err(say)?;
            return Err(format!("bought for {:?}, and {:?}", number.price(), settled.state));
        }
        Err(error) => must(error.kind() == ErrorKind::PriceTooHigh, || error.to_string())?,
    }
    let after = wallet(client)?;
    must(after == before, || format!("the wallet had {before}, and has {after}"))
}

pub(crate) fn purchase(client: &Client) -> Checked {
    let (service, country, most) = cheapest(client)?;
    let before = wallet(client)?;
    let request = NumberRequest::new(service).country(country).max_price(most);
    let look = |lease: &Lease| {
        let price = lease.price().ok_or("the reply names no price")?;
        let number = lease.phone_number().unwrap_or_default();
        let is_number = number.bytes().filter(u8::is_ascii_digit).count() >= 7;
        must(price <= most && is_number, || format!("{price}, {number:?}"))?;
        let after = wallet(client)?;
        must(before.checked_sub(price) == Some(after), || {
            format!("{before} less {price} is not {after}")
        })
    };
    with_number(client, request, look).map(drop)
}

pub(crate) fn in_the_history(client: &Client) -> Checked {
    let look = |lease: &Lease| {
        let page =
            client.get_orders(&OrderQuery { limit: 5, ..OrderQuery::default() }).map_err(say)?;
        let is_there =
            page.orders.iter().any(|order| order.activation_id.as_deref() == Some(lease.id()));
        must(is_there, || format!("not among {} orders", page.orders.len()))
    };
    with_cheapest(client, look).map(drop)
}

pub(crate) fn waits(client: &Client) -> Checked {
    let look = |lease: &Lease| {
        let status = client.get_status(lease.id()).map_err(say)?;
        must(matches!(status, Status::Waiting), || format!("{status:?}"))
    };
    with_cheapest(client, look).map(drop)
}

pub(crate) fn refund(client: &Client) -> Checked {
    let before = wallet(client)?;
    let ((), state) = with_cheapest(client, |_| Ok(()))?;
    let after = wallet(client)?;
    must(state == SettlementState::Cancelled && after == before, || {
        format!("{state:?}; {before} before, {after} after")
    })
}

pub(crate) fn second_cancel(client: &Client) -> Checked {
    let before = wallet(client)?;
    let (id, _) = with_cheapest(client, |lease| Ok(lease.id().to_owned()))?;
    // By its id, so that the library does not answer from what it knows.
    let again = client.set_status(&id, SetStatus::Cancel);
    let after = wallet(client)?;
    must(after == before, || format!("{before} before, {after} after; {again:?}"))
}

pub(crate) fn cancelled(client: &Client) -> Checked {
    let (id, _) = with_cheapest(client, |lease| Ok(lease.id().to_owned()))?;
    let status = client.get_status(&id).map_err(say)?;
    must(matches!(status, Status::Cancelled), || format!("{status:?}"))
}

/// Of the suite itself: what a failed check bought is cancelled too, where the service asks to wait two minutes before.
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
    let found = with_number(&client, request, |_| Err::<(), _>("as it must".to_owned()));
    must(found == Err("as it must".to_owned()), || format!("{found:?}"))?;
    let waited = clock.now().monotonic;
    must(waited >= Duration::from_secs(120), || format!("cancelled after {waited:?}"))?;
    transport.control(KEY, "assert", r#"{"charges":1,"refunds":1}"#).map(drop).map_err(Failed::from)
}
