//! Checks that only read. They assume no service or country code: they take both from the service's
//! own replies.

use sastaotp::{ApiKeyLocation, Client, ErrorKind, OrderQuery, OrderStatus, Prices};

use super::Service;

type CheckResult = Result<(), String>;

/// For `map_err`.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn text(error: sastaotp::Error) -> String {
    error.to_string()
}

pub(crate) fn check(holds: bool, otherwise: impl FnOnce() -> String) -> CheckResult {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn accepted(service: &Service, place: ApiKeyLocation) -> CheckResult {
    let client = service.builder.clone().api_key_location(place).build().map_err(text)?;
    client.get_balance().map(drop).map_err(text)
}

pub(crate) fn key_in_header(service: &Service) -> CheckResult {
    accepted(service, ApiKeyLocation::Header)
}

pub(crate) fn key_in_query(service: &Service) -> CheckResult {
    accepted(service, ApiKeyLocation::Query)
}

pub(crate) fn key_in_bearer(service: &Service) -> CheckResult {
    accepted(service, ApiKeyLocation::Bearer)
}

/// The key belongs to no account and does not resemble the user's.
pub(crate) fn wrong_key(service: &Service) -> CheckResult {
    let client = service.builder.clone().api_key("sandbox_bad").build().map_err(text)?;
    match client.get_balance() {
        Ok(balance) => Err(format!("it has a balance: {balance:?}")),
        Err(error) => check(
            error.kind() == ErrorKind::Authentication
                && error.code().is_some_and(|code| code.as_str() == "BAD_KEY"),
            || error.to_string(),
        ),
    }
}

pub(crate) fn library_agent(service: &Service) -> CheckResult {
    service.client.get_balance().map(drop).map_err(text)
}

pub(crate) fn balance(service: &Service) -> CheckResult {
    let balance = service.client.get_balance().map_err(text)?;
    check(balance.currency == "INR", || format!("{balance:?}"))
}

pub(crate) fn countries(service: &Service) -> CheckResult {
    let countries = service.client.get_countries().map_err(text)?;
    let mut codes: Vec<&str> = countries.iter().map(|country| country.code.as_str()).collect();
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    check(all > 0 && codes.len() == all, || format!("{all} countries with {} codes", codes.len()))
}

pub(crate) fn india(service: &Service) -> CheckResult {
    let found = service.client.find_country("India").map_err(text)?;
    let codes: Vec<&str> = found.iter().map(|country| country.code.as_str()).collect();
    check(codes == ["22"], || format!("{codes:?}"))
}

pub(crate) fn services(service: &Service) -> CheckResult {
    let services = service.client.get_services(None).map_err(text)?;
    let priced = services.iter().filter(|service| service.price.is_some()).count();
    check(priced > 0, || format!("{} services, {priced} with a price", services.len()))
}

/// Returns the prices, and the country and service of the first one.
fn sold(client: &Client) -> Result<(Prices, String, String), String> {
    let prices = client.get_prices(None, None).map_err(text)?;
    let first =
        prices.iter().find(|price| price.country.parse::<u32>().is_ok() && price.price.is_some());
    let (country, service) = first
        .map(|price| (price.country.to_owned(), price.service.to_owned()))
        .ok_or("no price")?;
    Ok((prices, country, service))
}

pub(crate) fn service_with_countries(service: &Service) -> CheckResult {
    let (_, _, code) = sold(&service.client)?;
    let services = service.client.get_services(Some(&code)).map_err(text)?;
    let is_it =
        services.len() == 1 && services[0].code == code && !services[0].countries.is_empty();
    check(is_it, || format!("asked for {code}: {} services", services.len()))
}

pub(crate) fn services_without_countries(service: &Service) -> CheckResult {
    let services = service.client.get_services(None).map_err(text)?;
    let with = services.iter().filter(|service| !service.countries.is_empty()).count();
    check(with == 0, || format!("{with} of {} have some", services.len()))
}

pub(crate) fn prices(service: &Service) -> CheckResult {
    sold(&service.client).map(drop)
}

pub(crate) fn price_of_one(service: &Service) -> CheckResult {
    let (_, country, code) = sold(&service.client)?;
    let prices = service.client.get_prices(Some(&code), Some(&country)).map_err(text)?;
    check(prices.len() == 1 && prices.get(&country, &code).is_some(), || {
        format!("{} prices", prices.len())
    })
}

pub(crate) fn prices_agree(service: &Service) -> CheckResult {
    let (all, country, code) = sold(&service.client)?;
    let one = service.client.get_prices(Some(&code), Some(&country)).map_err(text)?;
    let (of_all, of_one) = (all.get(&country, &code), one.get(&country, &code));
    let price_of = |price: Option<sastaotp::Price<'_>>| price.and_then(|price| price.price);
    check(price_of(of_all).is_some() && price_of(of_all) == price_of(of_one), || {
        format!("{:?}, {:?}", price_of(of_all), price_of(of_one))
    })
}

pub(crate) fn orders_limit(service: &Service) -> CheckResult {
    let page = service
        .client
        .get_orders(&OrderQuery { limit: 2, ..OrderQuery::default() })
        .map_err(text)?;
    check(page.orders.len() <= 2, || format!("{} orders on a page of 2", page.orders.len()))
}

pub(crate) fn orders_newest_first(service: &Service) -> CheckResult {
    let page = service.client.get_orders(&OrderQuery::default()).map_err(text)?;
    let ids: Vec<u64> = page.orders.iter().filter_map(sastaotp::Order::sequence).collect();
    check(ids.is_sorted_by(|a, b| a > b), || format!("{ids:?}"))
}

pub(crate) fn orders_filtered(service: &Service) -> CheckResult {
    let query = OrderQuery { status: Some(OrderStatus::Cancelled), ..OrderQuery::default() };
    let page = service.client.get_orders(&query).map_err(text)?;
    let others =
        page.orders.iter().filter(|order| order.status != Some(OrderStatus::Cancelled)).count();
    check(others == 0, || format!("{others} of {} in another state", page.orders.len()))
}

pub(crate) fn unknown_id(service: &Service) -> CheckResult {
    match service.client.get_status("0") {
        Ok(status) => Err(format!("{status:?}")),
        Err(error) => check(error.kind() == ErrorKind::NotFound, || error.to_string()),
    }
}
