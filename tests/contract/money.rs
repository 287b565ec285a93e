//! Checks that may cost something. Each keeps to the budget of its client, buys the cheapest number there is, and cancels it:
//! a lease does so whatever goes wrong.

use sastaotp::{Amount, Client, EarlyCancel, ErrorKind, Lease, NumberRequest, OrderQuery, Settled, Status};

use super::reads::{must, say};

type Checked = Result<(), String>;

/// A price that no number has.
const TOO_LITTLE: Amount = Amount::from_micros(10_000);

/// The cheapest number: its service, its country, and its price. Those of the sandbox that tell a story are none.
fn cheapest(client: &Client) -> Result<(String, String, Amount), String> {
    let prices = client.get_prices(None, None).map_err(say)?;
    let offers = prices.iter().filter(|price| {
        price.country.parse::<u32>().is_ok() && price.count != Some(0) && !price.service.starts_with("zz_")
    });
    let offers = offers.filter_map(|price| Some((price.cost.filter(|cost| *cost > Amount::ZERO)?, price)));
    let (cost, offer) = offers.min_by_key(|(cost, _)| *cost).ok_or("nothing is sold")?;
    Ok((offer.service.to_owned(), offer.country.to_owned(), cost))
}

fn bought(client: &Client) -> Result<(Lease, Amount), String> {
    let (service, country, price) = cheapest(client)?;
    let lease = client.lease(NumberRequest::new(service).country(country).max_price(price)).map_err(say)?;
    Ok((lease, price))
}

/// Cancels, and waits where it is too early for that.
fn cancel(lease: &Lease) -> Result<Settled, String> {
    lease.settle(EarlyCancel::WaitOut).map(|settlement| settlement.state).map_err(say)
}

pub(crate) fn too_dear(client: &Client) -> Checked {
    let (service, country, _) = cheapest(client)?;
    let before = client.get_balance().map_err(say)?.amount;
    let request = NumberRequest::new(service).country(country).max_price(TOO_LITTLE);
    match client.get_number(request) {
        Ok(number) => {
            let settled = number.settle(EarlyCancel::WaitOut).map_err(say)?;
            return Err(format!("bought for {:?}, and {:?}", number.price(), settled.state));
        }
        Err(error) => must(error.kind() == ErrorKind::PriceTooHigh, || error.to_string())?,
    }
    let after = client.get_balance().map_err(say)?.amount;
    must(after == before, || format!("the wallet had {before}, and has {after}"))
}

pub(crate) fn purchase(client: &Client) -> Checked {
    let before = client.get_balance().map_err(say)?.amount;
    let (lease, most) = bought(client)?;
    let after = client.get_balance().map_err(say)?.amount;
    let price = lease.price().ok_or("the reply names no price")?;
    let number = lease.phone_number().unwrap_or_default().to_owned();
    cancel(&lease)?;
    must(price <= most && number.bytes().filter(u8::is_ascii_digit).count() >= 7, || format!("{price}, {number:?}"))?;
    must(before.checked_sub(price) == Some(after), || format!("{before} less {price} is not {after}"))
}

pub(crate) fn in_the_history(client: &Client) -> Checked {
    let (lease, _) = bought(client)?;
    let page = client.get_orders(&OrderQuery { limit: 5, ..OrderQuery::default() }).map_err(say)?;
    let is_there = page.orders.iter().any(|order| order.activation_id.as_deref() == Some(lease.id()));
    cancel(&lease)?;
    must(is_there, || format!("not among {} orders", page.orders.len()))
}

pub(crate) fn waits(client: &Client) -> Checked {
    let (lease, _) = bought(client)?;
    let status = client.get_status(lease.id());
    cancel(&lease)?;
    let status = status.map_err(say)?;
    must(matches!(status, Status::Waiting), || format!("{status:?}"))
}

pub(crate) fn refund(client: &Client) -> Checked {
    let before = client.get_balance().map_err(say)?.amount;
    let (lease, _) = bought(client)?;
    let state = cancel(&lease)?;
    let after = client.get_balance().map_err(say)?.amount;
    must(state == Settled::Cancelled && after == before, || format!("{state:?}; {before} before, {after} after"))
}

pub(crate) fn second_cancel(client: &Client) -> Checked {
    let before = client.get_balance().map_err(say)?.amount;
    let (lease, _) = bought(client)?;
    cancel(&lease)?;
    // Through another handle, which knows nothing of the first.
    let again = client.set_status(lease.id(), sastaotp::SetStatus::Cancel);
    let after = client.get_balance().map_err(say)?.amount;
    must(after == before, || format!("{before} before, {after} after; {again:?}"))
}

pub(crate) fn cancelled(client: &Client) -> Checked {
    let (lease, _) = bought(client)?;
    cancel(&lease)?;
    let status = client.get_status(lease.id()).map_err(say)?;
    must(matches!(status, Status::Cancelled), || format!("{status:?}"))
}
