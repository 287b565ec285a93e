//! The request for a number, as a struct that the caller fills in, and the calls that buy it.

use std::ffi::c_char;

use super::activation::sastaotp_activation;
use super::boundary::{
    create, duration, optional_array, optional_text, optional_texts, required, required_text,
};
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use super::intent::sastaotp_intent;
use super::options::{Options, c_bool, options};
use super::services::sastaotp_offer;
use crate::{Amount, NumberRequest, PriceLimit, Result};

/// A further parameter of a purchase.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sastaotp_parameter {
    /// The name: 1 to 64 of the characters A-Z a-z 0-9 _. Required.
    pub name: *const c_char,
    /// The value: text of 1 to 256 characters without control characters, such as "true". The
    /// library encodes it. Required.
    pub value: *const c_char,
}

/// A number to buy. Initialize it with SASTAOTP_NUMBER_REQUEST_INIT, then set the service, the
/// country and the price. A purchase copies the request, so one request can buy many numbers.
///
/// State the country: one of `country`, `countries`, `offers`, `operator_` and `any_country`, or
/// `country` and `operator_` together. State the price: `max_price_micros`, unless each offer has a
/// price. If the country or the price is missing, or two members contradict each other, the
/// purchase fails with SASTAOTP_ERROR_CONFIG and nothing is sent.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sastaotp_number_request {
    /// The size of the struct, which SASTAOTP_NUMBER_REQUEST_INIT sets.
    pub size: usize,
    /// The service: a code from sastaotp_client_get_services, such as "tg". Required.
    pub service: *const c_char,
    /// The country: a code from sastaotp_client_get_countries, which is not a calling code. India
    /// is "22".
    pub country: *const c_char,
    /// Several countries, which are tried in this order: 1 to 100 different codes. NULL for none.
    ///
    /// The purchase moves on to the next country only if the service refused the current one: it
    /// has no number there, does not sell the service there, or sells it above the maximum price.
    /// Any other failure ends the call: an unknown outcome is never followed by another attempt.
    /// Each attempt has a separate intent and the full timeout of the call, and the budget
    /// reserves one attempt at a time. sastaotp_purchase_attempt and sastaotp_error_attempt return
    /// the attempts. If every country is refused, the call fails with the last temporary refusal,
    /// such as NO_NUMBERS, or else with the last one.
    pub countries: *const *const c_char,
    /// The number of countries.
    pub country_count: usize,
    /// Several offers of sastaotp_client_get_offers, which are tried in this order like countries:
    /// 1 to 100 different ones. NULL for none. The maximum price of each attempt is the price of
    /// its offer, or `max_price_micros` if that is lower. An offer without a price needs
    /// `max_price_micros`.
    pub offers: *const *const sastaotp_offer,
    /// The number of offers.
    pub offer_count: usize,
    /// Pins the country: the parameter `operator` of the vendor's page, a country code of
    /// sastaotp_client_get_services. It is sent verbatim, beside the country if both are set. For
    /// other vendors of the protocol it is the name of a mobile operator.
    pub operator_: *const c_char,
    /// Further parameters that the service accepts and the library does not set, such as "ref" or
    /// "fixedPrice": at most 16. NULL for none. They are part of the intent. These names are
    /// refused, in any letter case, because the library sets them: action, api_key, country,
    /// format, id, limit, maxPrice, multiSMS, operator, page, service, status.
    pub parameters: *const sastaotp_parameter,
    /// The number of parameters.
    pub parameter_count: usize,
    /// The minimum price, in micro-rupees. 0 for none. Cheap numbers have often been used before.
    /// The call reads the price list once (action getPrices). It skips a country whose listed price
    /// is below the minimum or above the maximum, and a country that is not listed. If it skips
    /// every country, it fails with SASTAOTP_ERROR_NO_NUMBERS. Not possible with `any_country`.
    pub min_price_micros: i64,
    /// The maximum price, in micro-rupees: 18.50 rupees are 18500000. SASTAOTP_ANY_PRICE accepts
    /// any price, unless the client has a budget. 0, which the initializer sets, is refused.
    pub max_price_micros: i64,
    /// How long to keep trying if the service refused every country, in milliseconds. 0 tries each
    /// country once. The call pauses before it starts again with the first country. The pauses grow
    /// from 2 to 30 seconds, and are longer if the service requests it. It does not bound the call:
    /// each country is tried at least once, and each attempt has the full timeout. To bound the
    /// call, use a cancel token: see sastaotp_client_with.
    pub patience_ms: u32,
    /// Whether the service may choose the country.
    pub any_country: c_bool,
    /// Whether the number must be able to receive several codes.
    pub multi_sms: c_bool,
    /// Reserved for later versions: must be 0.
    pub reserved: [u8; 2],
}

/// No maximum for the price of a number.
pub const SASTAOTP_ANY_PRICE: i64 = i64::MAX;

unsafe impl Options for sastaotp_number_request {
    const NAME: &'static str = "number_request";
    const INIT: Self = Self {
        size: size_of::<Self>(),
        service: std::ptr::null(),
        country: std::ptr::null(),
        countries: std::ptr::null(),
        country_count: 0,
        offers: std::ptr::null(),
        offer_count: 0,
        operator_: std::ptr::null(),
        parameters: std::ptr::null(),
        parameter_count: 0,
        min_price_micros: 0,
        max_price_micros: 0,
        patience_ms: 0,
        any_country: c_bool::FALSE,
        multi_sms: c_bool::FALSE,
        reserved: [0; 2],
    };
    /// The size in version 0.1.0. It never changes.
    const LEAST_SIZE: usize = std::mem::offset_of!(Self, reserved) + 2;

    fn reserved(&self) -> &[u8] {
        &self.reserved
    }
}

/// Reads the request of a caller.
pub(super) unsafe fn number_request(
    request: *const sastaotp_number_request,
) -> Result<NumberRequest> {
    let from = options(request)?;
    let mut request = NumberRequest::new(required_text(from.service, "service")?);
    if let Some(country) = optional_text(from.country, "country")? {
        request = request.country(country);
    }
    if let Some(countries) = optional_texts(from.countries, from.country_count, "countries")? {
        request = request.countries(countries);
    }
    if let Some(offers) = optional_array(from.offers, from.offer_count, "offers")? {
        let offer = |offer: &*const sastaotp_offer| Ok(required(*offer)?.offer());
        request = request.offers(offers.iter().map(offer).collect::<Result<Vec<_>>>()?);
    }
    for parameter in
        optional_array(from.parameters, from.parameter_count, "parameters")?.unwrap_or_default()
    {
        let name = required_text(parameter.name, "parameters")?;
        request = request.parameter(name, required_text(parameter.value, "parameters")?);
    }
    if from.min_price_micros != 0 {
        request = request.min_price(Amount::from_micros(from.min_price_micros));
    }
    request = request.patience(duration(from.patience_ms));
    if let Some(operator) = optional_text(from.operator_, "operator_")? {
        request = request.operator(operator);
    }
    if from.any_country.get("any_country")? {
        request = request.any_country();
    }
    if from.multi_sms.get("multi_sms")? {
        request = request.multi_sms();
    }
    Ok(match from.max_price_micros {
        0 => request,
        SASTAOTP_ANY_PRICE => request.accept_any_price(),
        micros => request.max_price(Amount::from_micros(micros)),
    })
}

/// Reads a maximum price of a caller.
pub(super) fn price_limit(max_price_micros: i64) -> PriceLimit {
    match max_price_micros {
        SASTAOTP_ANY_PRICE => PriceLimit::Any,
        micros => Amount::from_micros(micros).into(),
    }
}

/// Buys a number. Action getNumber. COSTS MONEY.
///
/// Sends the purchase, or each attempt of it, at most once. If it fails and sastaotp_error_charge
/// is SASTAOTP_CHARGE_UNKNOWN, call sastaotp_client_reconcile before you buy again.
///
/// A request with several countries or offers, or with patience, is a series of attempts that ends
/// when one buys a number.
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
        let (client, request) = (as_client(client)?, number_request(request)?);
        Ok(sastaotp_activation::new(client.get_number(request)?))
    })
}

/// Buys the number of a completed activation again, for at most `max_price_micros`, or at any
/// price if it is SASTAOTP_ANY_PRICE. Action regetNumber. COSTS MONEY, as much as the first time.
///
/// The service accepts no maximum for this action. If the price is known, from the purchase or from
/// the order history, and above the maximum, the call fails with SASTAOTP_ERROR_PRICE_TOO_HIGH and
/// sends nothing. Otherwise a warning of the purchase reports a price above the maximum.
///
/// Fails with a purchase error or SASTAOTP_ERROR_NOT_FOUND. Free `*activation` with
/// sastaotp_activation_free. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_reget_number(
    client: *const sastaotp_client,
    id: *const c_char,
    max_price_micros: i64,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(activation, error, || {
        let (client, id) = (as_client(client)?, required_text(id, "id")?);
        client
            .reget_intent(id, price_limit(max_price_micros))?
            .carry_out(|intent| Ok(sastaotp_activation::new(client.buy(intent)?)))
    })
}

/// Prepares a purchase for sastaotp_client_buy. Save sastaotp_intent_json before you buy: a program
/// that is killed before the reply can then still find its purchase. If the client has not read the
/// newest order yet, it does so first. Action getOrders.
///
/// An intent is one attempt, so the request must not have a list of countries or offers, a minimum
/// price or patience.
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
        let (client, request) = (as_client(client)?, number_request(request)?);
        Ok(sastaotp_intent::new(client.intend(request)?))
    })
}

/// Makes a prepared purchase. Action getNumber. COSTS MONEY.
///
/// An intent is sent once. If it was sent before, fails with SASTAOTP_ERROR_ALREADY_SENT: the
/// message states its outcome, and sastaotp_error_charge is SASTAOTP_CHARGE_UNKNOWN if that is not
/// known. An intent that an earlier run saved is looked up in the order history first (action
/// getOrders). The call fails in the same way, and names the candidates, unless the search is
/// complete and found none. A complete search takes ten minutes, or `late_booking_ms` of the
/// settings, from the first search of this process, because the earlier run may have sent the
/// request at its end.
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
        let intent = client.intent(request).unwrap();
        let intent = sastaotp_intent::new(intent);
        let request = sastaotp_number_request {
            service: c"tg".as_ptr(),
            country: c"22".as_ptr(),
            max_price_micros: SASTAOTP_ANY_PRICE,
            ..sastaotp_number_request::INIT
        };
        let client = sastaotp_client::new(client);
        let (mut bought, mut leased, mut error) = (null_mut(), null_mut(), null_mut());
        let (place, lease, failure) = (&raw mut bought, &raw mut leased, &raw mut error);
        let calls: [(&str, &dyn Fn() -> sastaotp_status); 4] = unsafe {
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
                ("lease", &|| {
                    sastaotp_client_lease(&raw const client, &raw const request, lease, failure)
                }),
            ]
        };
        for (name, call) in calls {
            assert_eq!(call(), SASTAOTP_ERROR_INTERNAL, "{name}");
            unsafe {
                assert!((*place).is_null() && (*lease).is_null(), "{name}");
                assert_eq!(sastaotp_error_charge(*failure), SASTAOTP_CHARGE_UNKNOWN, "{name}");
                assert!(!sastaotp_error_intent(*failure).is_null(), "{name}");
                sastaotp_error_free(*failure);
            }
        }
    }
}
