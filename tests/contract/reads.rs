//! Checks that read. They know no service or country beforehand: what they ask about is what the service names.

use sastaotp::{ApiKeyLocation, Client, ErrorKind, OrderQuery, OrderStatus, Prices};

use super::Service;

type Checked = Result<(), String>;

/// For `map_err`.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn say(error: sastaotp::Error) -> String {
    error.to_string()
}

pub(crate) fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn accepted(service: &Service, place: ApiKeyLocation) -> Checked {
    let client = service.builder.clone().api_key_location(place).build().map_err(say)?;
    client.get_balance().map(drop).map_err(say)
}

pub(crate) fn key_in_header(service: &Service) -> Checked {
    accepted(service, ApiKeyLocation::Header)
}

pub(crate) fn key_in_query(service: &Service) -> Checked {
    accepted(service, ApiKeyLocation::Query)
}

pub(crate) fn key_in_bearer(service: &Service) -> Checked {
    accepted(service, ApiKeyLocation::Bearer)
}

/// With a key that nobody has, and nothing like the user's.
pub(crate) fn wrong_key(service: &Service) -> Checked {
    let client = service.builder.clone().api_key("sandbox_bad").build().map_err(say)?;
    match client.get_balance() {
        Ok(balance) => Err(format!("it has a balance: {balance:?}")),
        Err(error) => must(
            error.kind() == ErrorKind::Authentication
                && error.code().is_some_and(|code| code.as_str() == "BAD_KEY"),
            || error.to_string(),
        ),
    }
}

pub(crate) fn library_agent(service: &Service) -> Checked {
    service.client.get_balance().map(drop).map_err(say)
}

pub(crate) fn balance(service: &Service) -> Checked {
    let balance = service.client.get_balance().map_err(say)?;
    must(balance.currency == "INR", || format!("{balance:?}"))
}

pub(crate) fn countries(service: &Service) -> Checked {
    let countries = service.client.get_countries().map_err(say)?;
    let mut codes: Vec<&str> = countries.iter().map(|country| country.code.as_str()).collect();
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    must(all > 0 && codes.len() == all, || format!("{all} countries with {} codes", codes.len()))
}

pub(crate) fn india(service: &Service) -> Checked {
    let found = service.client.find_country("India").map_err(say)?;
    let codes: Vec<&str> = found.iter().map(|country| country.code.as_str()).collect();
    must(codes == ["22"], || format!("{codes:?}"))
}

pub(crate) fn services(service: &Service) -> Checked {
    let services = service.client.get_services(None).map_err(say)?;
    let priced = services.iter().filter(|service| service.price.is_some()).count();
    must(priced > 0, || format!("{} services, {priced} with a price", services.len()))
}

/// A service that is sold: the first of the prices.
fn sold(client: &Client) -> Result<(Prices, String, String), String> {
    let prices = client.get_prices(None, None).map_err(say)?;
    let first =
        prices.iter().find(|price| price.country.parse::<u32>().is_ok() && price.price.is_some());
    let (country, service) = first
        .map(|price| (price.country.to_owned(), price.service.to_owned()))
        .ok_or("no price")?;
    Ok((prices, country, service))
}

pub(crate) fn service_with_countries(service: &Service) -> Checked {
    let (_, _, code) = sold(&service.client)?;
    let services = service.client.get_services(Some(&code)).map_err(say)?;
    let is_it =
        services.len() == 1 && services[0].code == code && !services[0].countries.is_empty();
    must(is_it, || format!("asked for {code}: {} services", services.len()))
}

pub(crate) fn services_without_countries(service: &Service) -> Checked {
    let services = service.client.get_services(None).map_err(say)?;
    let with = services.iter().filter(|service| !service.countries.is_empty()).count();
    must(with == 0, || format!("{with} of {} have some", services.len()))
}

pub(crate) fn prices(service: &Service) -> Checked {
    sold(&service.client).map(drop)
}

pub(crate) fn price_of_one(service: &Service) -> Checked {
    let (_, country, code) = sold(&service.client)?;
    let prices = service.client.get_prices(Some(&code), Some(&country)).map_err(say)?;
    must(prices.len() == 1 && prices.get(&country, &code).is_some(), || {
        format!("{} prices", prices.len())
    })
}

pub(crate) fn prices_agree(service: &Service) -> Checked {
    let (all, country, code) = sold(&service.client)?;
    let one = service.client.get_prices(Some(&code), Some(&country)).map_err(say)?;
    let (of_all, of_one) = (all.get(&country, &code), one.get(&country, &code));
    let cost = |price: Option<sastaotp::Price<'_>>| price.and_then(|price| price.price);
    must(cost(of_all).is_some() && cost(of_all) == cost(of_one), || {
        format!("{:?}, {:?}", cost(of_all), cost(of_one))
    })
}

pub(crate) fn orders_limit(service: &Service) -> Checked {
    let page = service
        .client
        .get_orders(&OrderQuery { limit: 2, ..OrderQuery::default() })
        .map_err(say)?;
    must(page.orders.len() <= 2, || format!("{} orders on a page of 2", page.orders.len()))
}

pub(crate) fn orders_newest_first(service: &Service) -> Checked {
    let page = service.client.get_orders(&OrderQuery::default()).map_err(say)?;
    let ids: Vec<u64> = page.orders.iter().filter_map(sastaotp::Order::sequence).collect();
    must(ids.is_sorted_by(|a, b| a > b), || format!("{ids:?}"))
}

pub(crate) fn orders_filtered(service: &Service) -> Checked {
    let query = OrderQuery { status: Some(OrderStatus::Cancelled), ..OrderQuery::default() };
    let page = service.client.get_orders(&query).map_err(say)?;
    let others =
        page.orders.iter().filter(|order| order.status != Some(OrderStatus::Cancelled)).count();
    must(others == 0, || format!("{others} of {} in another state", page.orders.len()))
}

pub(crate) fn unknown_id(service: &Service) -> Checked {
    match service.client.get_status("0") {
        Ok(status) => Err(format!("{status:?}")),
        Err(error) => must(error.kind() == ErrorKind::NotFound, || error.to_string()),
    }
}
