//! The part of the Rust interface that the client's suites use, on top of the C functions.
//!
//! Every method calls the exported functions and reads results with their getters, so the suites
//! test the C interface too. Plain data types are the crate's own.

use std::borrow::Borrow;
use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::ops::Deref;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::time::Duration;

use sastaotp::capi::*;
pub(crate) use sastaotp::{
    Amount, ApiKeyLocation, Charge, ClientBuilder, Ending, ErrorKind, OnTooEarly, OrderQuery,
    OrderStatus, PriceLimit, Resolution, Retry, SetStatus, SettlementState, StatusChange,
};
use serde_json::{Value, json};

/// An activation lists its messages. Only a wait returns the current code: the last message can be
/// the one before the next code was requested.
pub(crate) const HAS_CURRENT_CODE: bool = false;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A C object, which is freed when it is dropped.
struct Object<T>(*mut T, unsafe extern "C" fn(*mut T));

// The header allows any thread for clients, activations, tokens and results. The suites use a lease
// in one thread at a time.
unsafe impl<T> Send for Object<T> {}
unsafe impl<T> Sync for Object<T> {}

impl<T> Drop for Object<T> {
    fn drop(&mut self) {
        unsafe { (self.1)(self.0) }
    }
}

/// Makes a call that creates an object.
fn create<T>(
    free: unsafe extern "C" fn(*mut T),
    call: impl FnOnce(*mut *mut T, *mut *mut sastaotp_error) -> sastaotp_status,
) -> Result<Object<T>> {
    // The call must ignore the previous content of the place.
    let mut object = std::ptr::dangling_mut();
    checked(|error| call(&raw mut object, error)).inspect_err(|_| assert!(object.is_null()))?;
    assert!(!object.is_null());
    Ok(Object(object, free))
}

/// Makes a call and converts its error.
fn checked(call: impl FnOnce(*mut *mut sastaotp_error) -> sastaotp_status) -> Result<()> {
    let mut error = std::ptr::dangling_mut();
    let status = call(&raw mut error);
    assert_eq!(status == SASTAOTP_OK, error.is_null());
    if status == SASTAOTP_OK {
        return Ok(());
    }
    let error = Error(ErrorOf::Own(Arc::new(Object(error, sastaotp_error_free))));
    assert_eq!(unsafe { sastaotp_error_status(error.get()) }, status);
    Err(error)
}

fn text(pointer: *const c_char) -> Option<String> {
    (!pointer.is_null())
        .then(|| unsafe { CStr::from_ptr(pointer) }.to_str().expect("texts are UTF-8").to_owned())
}

fn required_text(pointer: *const c_char) -> String {
    text(pointer).expect("this text is always there")
}

fn c_string(text: &str) -> CString {
    CString::new(text).expect("no NUL in the texts of the tests")
}

fn optional_ptr(text: Option<&CString>) -> *const c_char {
    text.map_or(std::ptr::null(), |text| text.as_ptr())
}

/// Reads a value that may be absent.
fn optional<T: Default>(read: impl FnOnce(*mut T) -> bool) -> Option<T> {
    let mut value = T::default();
    read(&raw mut value).then_some(value)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).expect("durations of the tests are short")
}

#[derive(Clone)]
pub(crate) struct Error(ErrorOf);

#[derive(Clone)]
enum ErrorOf {
    Own(Arc<Object<sastaotp_error>>),
    Completion(Arc<Object<sastaotp_completion>>),
}

pub(crate) struct ErrorCode {
    text: String,
    hint: String,
}

impl ErrorCode {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error {
    fn get(&self) -> *const sastaotp_error {
        match &self.0 {
            ErrorOf::Own(error) => error.0,
            ErrorOf::Completion(completion) => unsafe { sastaotp_completion_error(completion.0) },
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match unsafe { sastaotp_error_status(self.get()) } {
            SASTAOTP_ERROR_CONFIG => ErrorKind::Config,
            SASTAOTP_ERROR_BUDGET => ErrorKind::Budget,
            SASTAOTP_ERROR_ALREADY_SENT => ErrorKind::AlreadySent,
            SASTAOTP_ERROR_JOURNAL => ErrorKind::Journal,
            SASTAOTP_ERROR_CANCELLED => ErrorKind::Cancelled,
            SASTAOTP_ERROR_AUTHENTICATION => ErrorKind::Authentication,
            SASTAOTP_ERROR_INSUFFICIENT_BALANCE => ErrorKind::InsufficientBalance,
            SASTAOTP_ERROR_NO_NUMBERS => ErrorKind::NoNumbers,
            SASTAOTP_ERROR_PRICE_TOO_HIGH => ErrorKind::PriceTooHigh,
            SASTAOTP_ERROR_SERVICE_UNAVAILABLE => ErrorKind::ServiceUnavailable,
            SASTAOTP_ERROR_NOT_FOUND => ErrorKind::NotFound,
            SASTAOTP_ERROR_ALREADY_FINISHED => ErrorKind::AlreadyFinished,
            SASTAOTP_ERROR_TOO_EARLY => ErrorKind::TooEarly,
            SASTAOTP_ERROR_REJECTED => ErrorKind::Rejected,
            SASTAOTP_ERROR_RATE_LIMITED => ErrorKind::RateLimited,
            SASTAOTP_ERROR_BLOCKED => ErrorKind::Blocked,
            SASTAOTP_ERROR_SERVER => ErrorKind::Server,
            SASTAOTP_ERROR_PROTOCOL => ErrorKind::Protocol,
            SASTAOTP_ERROR_CONNECTION => ErrorKind::Connection,
            SASTAOTP_ERROR_TLS => ErrorKind::Tls,
            SASTAOTP_ERROR_TIMEOUT => ErrorKind::Timeout,
            SASTAOTP_ERROR_WAIT_TIMEOUT => ErrorKind::WaitTimeout,
            SASTAOTP_ERROR_EXPIRED => ErrorKind::Expired,
            SASTAOTP_ERROR_ACTIVATION_CANCELLED => ErrorKind::ActivationCancelled,
            SASTAOTP_ERROR_INTERNAL => ErrorKind::Internal,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn charge(&self) -> Charge {
        match unsafe { sastaotp_error_charge(self.get()) } {
            SASTAOTP_CHARGE_NONE => Charge::NotCharged,
            SASTAOTP_CHARGE_UNKNOWN => Charge::Unknown,
            SASTAOTP_CHARGE_MADE => Charge::Charged,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn retry(&self) -> Retry {
        let mut pause = u32::MAX;
        let retry = unsafe { sastaotp_error_retry(self.get(), &raw mut pause) };
        assert_eq!(retry == SASTAOTP_RETRY_AFTER, pause != u32::MAX);
        match retry {
            SASTAOTP_RETRY_NEVER => Retry::Never,
            SASTAOTP_RETRY_AFTER => Retry::After(Duration::from_millis(pause.into())),
            SASTAOTP_RETRY_AFTER_RECONCILE => Retry::AfterReconcile,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn code(&self) -> Option<ErrorCode> {
        let hint = required_text(unsafe { sastaotp_error_hint(self.get()) });
        text(unsafe { sastaotp_error_code(self.get()) }).map(|text| ErrorCode { text, hint })
    }

    pub(crate) fn http_status(&self) -> Option<u16> {
        Some(unsafe { sastaotp_error_http_status(self.get()) })
            .filter(|status| *status != 0)
            .map(|s| s.try_into().unwrap())
    }

    pub(crate) fn fault(&self) -> Option<String> {
        text(unsafe { sastaotp_error_fault(self.get()) })
    }

    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        let count = unsafe { sastaotp_error_attempt_count(self.get()) };
        assert!(unsafe { sastaotp_error_attempt(self.get(), count) }.is_null());
        (0..count)
            .map(|index| Attempt::read(unsafe { sastaotp_error_attempt(self.get(), index) }))
            .collect()
    }

    pub(crate) fn intent(&self) -> Option<Intent> {
        let intent = unsafe { sastaotp_error_intent(self.get()) };
        (!intent.is_null()).then(|| Intent(IntentOf::Error(self.clone())))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&required_text(unsafe { sastaotp_error_message(self.get()) }))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&required_text(unsafe { sastaotp_error_json(self.get()) }))
    }
}

#[derive(Clone)]
pub(crate) struct Intent(IntentOf);

#[derive(Clone)]
enum IntentOf {
    Error(Error),
    Own(Arc<Object<sastaotp_intent>>),
}

impl PartialEq for Intent {
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl Intent {
    fn get(&self) -> *const sastaotp_intent {
        match &self.0 {
            IntentOf::Error(error) => unsafe { sastaotp_error_intent(error.get()) },
            IntentOf::Own(intent) => intent.0,
        }
    }

    fn own(intent: Object<sastaotp_intent>) -> Self {
        Self(IntentOf::Own(Arc::new(intent)))
    }

    pub(crate) fn from_json(json: &str) -> Result<Self> {
        let json = c_string(json);
        create(sastaotp_intent_free, |place, error| unsafe {
            sastaotp_intent_from_json(json.as_ptr(), place, error)
        })
        .map(Self::own)
    }

    pub(crate) fn to_json(&self) -> String {
        required_text(unsafe { sastaotp_intent_json(self.get()) })
    }

    pub(crate) fn watermark(&self) -> Option<u64> {
        let json: Value = serde_json::from_str(&self.to_json()).unwrap();
        json["watermark"].as_str().map(|watermark| watermark.parse().unwrap())
    }

    pub(crate) fn country(&self) -> Option<String> {
        text(unsafe { sastaotp_intent_country(self.get()) })
    }

    pub(crate) fn operator(&self) -> Option<String> {
        text(unsafe { sastaotp_intent_operator(self.get()) })
    }
}

/// An attempt of a purchase of one of several countries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub(crate) struct Attempt {
    pub(crate) country: Option<String>,
    pub(crate) operator: Option<String>,
    pub(crate) price: Option<Amount>,
    pub(crate) refused: Option<String>,
}

impl Attempt {
    fn read(attempt: *const sastaotp_attempt) -> Self {
        assert!(!attempt.is_null());
        unsafe {
            Self {
                country: text(sastaotp_attempt_country(attempt)),
                operator: text(sastaotp_attempt_operator(attempt)),
                price: optional(|place| sastaotp_attempt_price_micros(attempt, place))
                    .map(Amount::from_micros),
                refused: text(sastaotp_attempt_refused(attempt)),
            }
        }
    }
}

/// An offer of a list, which lives as long as its last offer.
#[derive(Clone)]
pub(crate) struct ListedOffer {
    pub(crate) country: String,
    pub(crate) country_name: String,
    pub(crate) price: Option<Amount>,
    offer: *const sastaotp_offer,
    _list: Arc<Object<sastaotp_offers>>,
}

impl PartialEq for ListedOffer {
    fn eq(&self, other: &Self) -> bool {
        let place = |offer: &Self| (offer.country.clone(), offer.price);
        place(self) == place(other)
    }
}

impl fmt::Debug for ListedOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.country, self.price)
    }
}

#[derive(Clone)]
pub(crate) struct OfferQuery {
    service: CString,
    countries: Option<Vec<CString>>,
    min_price: i64,
    max_price: i64,
    min_available: u64,
}

impl OfferQuery {
    pub(crate) fn new(service: &str) -> Self {
        let service = c_string(service);
        Self { service, countries: None, min_price: 0, max_price: 0, min_available: 0 }
    }

    pub(crate) fn countries<'a>(self, codes: impl IntoIterator<Item = &'a str>) -> Self {
        Self { countries: Some(codes.into_iter().map(c_string).collect()), ..self }
    }

    pub(crate) fn min_price(self, price: impl Into<Amount>) -> Self {
        Self { min_price: price.into().micros(), ..self }
    }

    pub(crate) fn max_price(self, price: impl Into<Amount>) -> Self {
        Self { max_price: price.into().micros(), ..self }
    }

    pub(crate) fn min_available(self, count: u64) -> Self {
        Self { min_available: count, ..self }
    }
}

/// The pointers of texts, and NULL if there is no list.
fn pointers(texts: Option<&Vec<CString>>) -> Vec<*const c_char> {
    texts.into_iter().flatten().map(|text| text.as_ptr()).collect()
}

/// The start of an array, and NULL if there is no list.
fn array<T, L>(list: Option<&L>, pointers: &[T]) -> *const T {
    if list.is_some() { pointers.as_ptr() } else { null() }
}

#[derive(Clone, Debug)]
pub(crate) struct NumberRequest {
    service: String,
    country: Option<String>,
    countries: Option<Vec<CString>>,
    offers: Option<Vec<ListedOffer>>,
    parameters: Vec<(CString, CString)>,
    min_price: i64,
    patience: Duration,
    operator: Option<String>,
    any_country: bool,
    max_price: Option<Amount>,
    any_price: bool,
}

impl NumberRequest {
    pub(crate) fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            country: None,
            countries: None,
            offers: None,
            parameters: Vec::new(),
            min_price: 0,
            patience: Duration::ZERO,
            operator: None,
            any_country: false,
            max_price: None,
            any_price: false,
        }
    }

    pub(crate) fn country(self, country: &str) -> Self {
        Self { country: Some(country.to_owned()), ..self }
    }

    pub(crate) fn countries<'a>(self, codes: impl IntoIterator<Item = &'a str>) -> Self {
        Self { countries: Some(codes.into_iter().map(c_string).collect()), ..self }
    }

    pub(crate) fn offers<'a>(self, offers: impl IntoIterator<Item = &'a ListedOffer>) -> Self {
        Self { offers: Some(offers.into_iter().cloned().collect()), ..self }
    }

    pub(crate) fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((c_string(name), c_string(value)));
        self
    }

    pub(crate) fn min_price(self, price: impl Into<Amount>) -> Self {
        Self { min_price: price.into().micros(), ..self }
    }

    pub(crate) fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(crate) fn operator(self, code: &str) -> Self {
        Self { operator: Some(code.to_owned()), ..self }
    }

    pub(crate) fn any_country(self) -> Self {
        Self { any_country: true, ..self }
    }

    pub(crate) fn max_price(self, price: impl Into<Amount>) -> Self {
        Self { max_price: Some(price.into()), ..self }
    }

    pub(crate) fn accept_any_price(self) -> Self {
        Self { any_price: true, ..self }
    }

    /// Makes a call with the C struct of the request.
    fn with<T>(&self, call: impl FnOnce(*const sastaotp_number_request) -> Result<T>) -> Result<T> {
        let service = c_string(&self.service);
        let (country, operator) =
            (self.country.as_deref().map(c_string), self.operator.as_deref().map(c_string));
        let max_price_micros = match (self.max_price, self.any_price) {
            (Some(price), false) => price.micros(),
            (None, true) => SASTAOTP_ANY_PRICE,
            (None, false) => 0,
            // The C interface has one member for both.
            (Some(_), true) => panic!("both a maximum price and any price"),
        };
        let countries = pointers(self.countries.as_ref());
        let offers: Vec<_> = self.offers.iter().flatten().map(|offer| offer.offer).collect();
        let parameter = |(name, value): &(CString, CString)| sastaotp_parameter {
            name: name.as_ptr(),
            value: value.as_ptr(),
        };
        let parameters: Vec<_> = self.parameters.iter().map(parameter).collect();
        let request = sastaotp_number_request {
            size: size_of::<sastaotp_number_request>(),
            service: service.as_ptr(),
            country: optional_ptr(country.as_ref()),
            countries: array(self.countries.as_ref(), &countries),
            country_count: countries.len(),
            offers: array(self.offers.as_ref(), &offers),
            offer_count: offers.len(),
            operator_: optional_ptr(operator.as_ref()),
            parameters: parameters.as_ptr(),
            parameter_count: parameters.len(),
            min_price_micros: self.min_price,
            max_price_micros,
            patience_ms: millis(self.patience),
            any_country: self.any_country.into(),
            multi_sms: false.into(),
            reserved: [0; 2],
        };
        call(&raw const request)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sms {
    pub(crate) code: String,
    pub(crate) text: Option<String>,
    pub(crate) is_repeat: bool,
}

impl Sms {
    fn read(sms: *const sastaotp_sms) -> Option<Self> {
        (!sms.is_null()).then(|| unsafe {
            Self {
                code: required_text(sastaotp_sms_code(sms)),
                text: Self::read_text(sms),
                is_repeat: sastaotp_sms_is_repeat(sms),
            }
        })
    }

    /// Reads the text with its length, and compares it with the one that ends with NUL.
    fn read_text(sms: *const sastaotp_sms) -> Option<String> {
        let mut length = usize::MAX;
        let verbatim = unsafe { sastaotp_sms_text(sms, &raw mut length) };
        let ended = text(unsafe { sastaotp_sms_text(sms, null_mut()) });
        let verbatim = (!verbatim.is_null()).then(|| {
            let bytes = unsafe { std::slice::from_raw_parts(verbatim.cast::<u8>(), length) };
            String::from_utf8(bytes.to_vec()).expect("texts are UTF-8")
        });
        assert_eq!(verbatim.as_ref().map(|text| text.replace('\0', "\u{fffd}")), ended);
        verbatim
    }

    fn of_json(sms: &Value) -> Self {
        Self {
            code: sms["code"].as_str().unwrap().to_owned(),
            text: sms["text"].as_str().map(str::to_owned),
            is_repeat: sms["is_repeat"].as_bool().unwrap(),
        }
    }

    fn own(sms: *mut sastaotp_sms) -> Option<Self> {
        Self::read(Object(sms, sastaotp_sms_free).0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Waiting,
    WaitingForNext,
    Received(Sms),
    Cancelled,
    Other,
}

impl Status {
    fn read(state: &Object<sastaotp_activation_status>) -> Self {
        match unsafe { sastaotp_activation_status_kind(state.0) } {
            SASTAOTP_ACTIVATION_STATUS_WAITING => Self::Waiting,
            SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT => Self::WaitingForNext,
            SASTAOTP_ACTIVATION_STATUS_RECEIVED => Self::Received(
                Sms::read(unsafe { sastaotp_activation_status_sms(state.0) })
                    .expect("a code is there"),
            ),
            SASTAOTP_ACTIVATION_STATUS_CANCELLED => Self::Cancelled,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    pub(crate) activation_id: String,
    pub(crate) warnings: Vec<String>,
    pub(crate) attempts: Vec<Attempt>,
    phone_number: String,
}

impl Purchase {
    fn read(purchase: *const sastaotp_purchase) -> Option<Self> {
        (!purchase.is_null()).then(|| unsafe {
            let warnings = (0..).map(|index| text(sastaotp_purchase_warning(purchase, index)));
            Self {
                activation_id: required_text(sastaotp_purchase_activation_id(purchase)),
                warnings: warnings.map_while(|warning| warning).collect(),
                attempts: (0..sastaotp_purchase_attempt_count(purchase))
                    .map(|index| Attempt::read(sastaotp_purchase_attempt(purchase, index)))
                    .collect(),
                phone_number: required_text(sastaotp_purchase_phone_number(purchase)),
            }
        })
    }

    pub(crate) fn digits(&self) -> String {
        self.phone_number.chars().filter(char::is_ascii_digit).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) state: SettlementState,
    pub(crate) code: Option<Sms>,
}

impl Settlement {
    fn read(settlement: &Object<sastaotp_settlement>) -> Self {
        let state = match unsafe { sastaotp_settlement_state(settlement.0) } {
            SASTAOTP_SETTLED_COMPLETED => SettlementState::Completed,
            SASTAOTP_SETTLED_CANCELLED => SettlementState::Cancelled,
            SASTAOTP_SETTLED_CODE_ARRIVED => SettlementState::CodeArrived,
            SASTAOTP_SETTLED_ALREADY_OVER => SettlementState::AlreadyOver,
            other => panic!("{other:?}"),
        };
        Self { state, code: Sms::read(unsafe { sastaotp_settlement_sms(settlement.0) }) }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) activation_id: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) price: Option<Amount>,
    number: Option<String>,
}

impl Order {
    fn read(order: *const sastaotp_order) -> Self {
        unsafe {
            Self {
                activation_id: text(sastaotp_order_activation_id(order)),
                service: text(sastaotp_order_service(order)),
                price: optional(|place| sastaotp_order_price_micros(order, place))
                    .map(Amount::from_micros),
                number: text(sastaotp_order_id(order)),
            }
        }
    }

    pub(crate) fn sequence(&self) -> Option<u64> {
        self.number.as_ref()?.parse().ok()
    }
}

#[derive(Debug)]
pub(crate) struct OrderPage {
    pub(crate) orders: Vec<Order>,
    pub(crate) total: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) order: Order,
    pub(crate) is_ours: bool,
    pub(crate) evidence: Vec<String>,
}

impl Deref for Candidate {
    type Target = Order;

    fn deref(&self) -> &Order {
        &self.order
    }
}

#[derive(Debug)]
pub(crate) struct Reconciliation {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) complete: bool,
    pub(crate) reason: Option<String>,
}

pub(crate) struct Unclaimed {
    pub(crate) outcome: UnclaimedOutcome,
    message: String,
}

impl fmt::Display for Unclaimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Unclaimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug)]
pub(crate) enum UnclaimedOutcome {
    Pending,
    Bought(Box<Purchase>),
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Balance {
    pub(crate) amount: Amount,
}

pub(crate) struct Country {
    pub(crate) code: String,
}

pub(crate) struct Services {
    services: Vec<Service>,
    pub(crate) total: Option<u64>,
}

impl std::ops::Deref for Services {
    type Target = [Service];

    fn deref(&self) -> &[Service] {
        &self.services
    }
}

pub(crate) struct Service {
    pub(crate) logo: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) countries: Vec<Offer>,
}

pub(crate) struct Offer {
    pub(crate) country: String,
    pub(crate) flag: String,
    pub(crate) price: Option<Amount>,
}

#[allow(clippy::struct_field_names, reason = "named as in the Rust interface")]
pub(crate) struct Price {
    pub(crate) price: Option<Amount>,
    pub(crate) operator: Option<String>,
    country: String,
}

pub(crate) struct Prices(Object<sastaotp_prices>);

impl Prices {
    pub(crate) fn len(&self) -> usize {
        unsafe { sastaotp_prices_count(self.0.0) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Price> {
        (0..self.len()).map(|index| self.at(index))
    }

    pub(crate) fn countries(&self) -> impl Iterator<Item = String> {
        self.iter().map(|price| price.country)
    }

    pub(crate) fn get(&self, country: &str, service: &str) -> Option<Price> {
        let (country, service) = (c_string(country), c_string(service));
        let find = |place| unsafe {
            sastaotp_prices_find(self.0.0, country.as_ptr(), service.as_ptr(), place)
        };
        optional(find).map(|index| self.at(index))
    }

    fn at(&self, index: usize) -> Price {
        let price =
            optional(|place| unsafe { sastaotp_prices_price_micros(self.0.0, index, place) });
        let country = required_text(unsafe { sastaotp_prices_country(self.0.0, index) });
        let operator = text(unsafe { sastaotp_prices_operator(self.0.0, index) });
        Price { price: price.map(Amount::from_micros), operator, country }
    }
}

#[derive(Clone)]
pub(crate) struct CancelToken(Arc<Object<sastaotp_cancel_token>>);

impl CancelToken {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Object(sastaotp_cancel_token_new(), sastaotp_cancel_token_free)))
    }

    pub(crate) fn cancel(&self) {
        unsafe { sastaotp_cancel_token_trigger(self.0.0) }
    }
}

#[derive(Clone)]
pub(crate) struct Client(Arc<Object<sastaotp_client>>);

/// Creates a client with settings that only Rust can create: a clock and a transport.
pub(crate) fn build(settings: ClientBuilder) -> sastaotp::Result<Client> {
    let client = Box::new(sastaotp_client::from(settings.build()?));
    Ok(Client::of(Object(Box::into_raw(client), sastaotp_client_free)))
}

impl Client {
    fn of(client: Object<sastaotp_client>) -> Self {
        Self(Arc::new(client))
    }

    fn get(&self) -> *const sastaotp_client {
        self.0.0
    }

    pub(crate) fn with_cancel(&self, cancel: &CancelToken) -> Self {
        let handle = create(sastaotp_client_free, |place, error| unsafe {
            sastaotp_client_with(self.get(), cancel.0.0, 0, place, error)
        });
        Self::of(handle.unwrap())
    }

    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        let handle = create(sastaotp_client_free, |place, error| unsafe {
            // 0 would keep the client's timeout.
            let timeout_ms = millis(timeout).max(1);
            sastaotp_client_with(self.get(), null(), timeout_ms, place, error)
        });
        Self::of(handle.unwrap())
    }

    pub(crate) fn budget_left(&self) -> Option<Amount> {
        optional(|place| unsafe { sastaotp_client_budget_left(self.get(), place) })
            .map(Amount::from_micros)
    }

    pub(crate) fn get_balance(&self) -> Result<Balance> {
        let mut micros = i64::MIN;
        checked(|error| unsafe { sastaotp_client_get_balance(self.get(), &raw mut micros, error) })
            .inspect_err(|_| assert_eq!(micros, i64::MIN))?;
        Ok(Balance { amount: Amount::from_micros(micros) })
    }

    pub(crate) fn get_services(&self, service: Option<&str>) -> Result<Services> {
        let service = service.map(c_string);
        let services = create(sastaotp_services_free, |place, error| unsafe {
            sastaotp_client_get_services(self.get(), optional_ptr(service.as_ref()), place, error)
        })?;
        let offer = |offer| unsafe {
            Offer {
                country: required_text(sastaotp_offer_country(offer)),
                flag: required_text(sastaotp_offer_flag(offer)),
                price: optional(|place| sastaotp_offer_price_micros(offer, place))
                    .map(Amount::from_micros),
            }
        };
        let service = |index| unsafe {
            let service = sastaotp_services_get(services.0, index);
            let offers = 0..sastaotp_service_offer_count(service);
            Service {
                logo: text(sastaotp_service_logo(service)),
                currency: text(sastaotp_service_currency(service)),
                countries: offers
                    .map(|index| offer(sastaotp_service_offer(service, index)))
                    .collect(),
            }
        };
        let total = optional(|place| unsafe { sastaotp_services_total(services.0, place) });
        let services = (0..unsafe { sastaotp_services_count(services.0) }).map(service).collect();
        Ok(Services { services, total })
    }

    pub(crate) fn get_prices(
        &self,
        service: Option<&str>,
        country: Option<&str>,
    ) -> Result<Prices> {
        let (service, country) = (service.map(c_string), country.map(c_string));
        let prices = create(sastaotp_prices_free, |place, error| unsafe {
            sastaotp_client_get_prices(
                self.get(),
                optional_ptr(service.as_ref()),
                optional_ptr(country.as_ref()),
                place,
                error,
            )
        });
        prices.map(Prices)
    }

    pub(crate) fn get_offers(&self, query: &OfferQuery) -> Result<Vec<ListedOffer>> {
        self.listed_offers(query, |offers, at| unsafe { sastaotp_offers_get(offers, at) })
    }

    pub(crate) fn cheapest_offer(&self, query: &OfferQuery) -> Result<Option<ListedOffer>> {
        let cheapest = |offers: *const sastaotp_offers, at| {
            if at == 0 { unsafe { sastaotp_offers_cheapest(offers) } } else { null() }
        };
        self.listed_offers(query, cheapest).map(|offers| offers.into_iter().next())
    }

    fn listed_offers(
        &self,
        query: &OfferQuery,
        get: impl Fn(*const sastaotp_offers, usize) -> *const sastaotp_offer,
    ) -> Result<Vec<ListedOffer>> {
        let countries = pointers(query.countries.as_ref());
        let query = sastaotp_offer_query {
            size: size_of::<sastaotp_offer_query>(),
            service: query.service.as_ptr(),
            countries: array(query.countries.as_ref(), &countries),
            country_count: countries.len(),
            min_price_micros: query.min_price,
            max_price_micros: query.max_price,
            min_available: query.min_available,
            reserved: [0; 8],
        };
        let list = Arc::new(create(sastaotp_offers_free, |place, error| unsafe {
            sastaotp_client_get_offers(self.get(), &raw const query, place, error)
        })?);
        let offers = (0..).map(|at| get(list.0, at)).take_while(|offer| !offer.is_null());
        let offer = |offer| unsafe {
            ListedOffer {
                country: required_text(sastaotp_offer_country(offer)),
                country_name: required_text(sastaotp_offer_country_name(offer)),
                price: optional(|place| sastaotp_offer_price_micros(offer, place))
                    .map(Amount::from_micros),
                offer,
                _list: Arc::clone(&list),
            }
        };
        Ok(offers.map(offer).collect())
    }

    pub(crate) fn find_country(&self, name: &str) -> Result<Vec<Country>> {
        let name = c_string(name);
        let countries = create(sastaotp_countries_free, |place, error| unsafe {
            sastaotp_client_get_countries(self.get(), name.as_ptr(), place, error)
        })?;
        let country = |index| unsafe {
            Country {
                code: required_text(sastaotp_country_code(sastaotp_countries_get(
                    countries.0,
                    index,
                ))),
            }
        };
        Ok((0..unsafe { sastaotp_countries_count(countries.0) }).map(country).collect())
    }

    pub(crate) fn get_orders(&self, query: &OrderQuery) -> Result<OrderPage> {
        let OrderQuery { limit, page, status } = query;
        let status = status.as_ref().map(|status| c_string(status.as_str()));
        let orders = create(sastaotp_orders_free, |place, error| unsafe {
            sastaotp_client_get_orders(
                self.get(),
                *limit,
                *page,
                optional_ptr(status.as_ref()),
                place,
                error,
            )
        })?;
        let count = unsafe { sastaotp_orders_count(orders.0) };
        Ok(OrderPage {
            orders: (0..count)
                .map(|index| Order::read(unsafe { sastaotp_orders_get(orders.0, index) }))
                .collect(),
            total: optional(|place| unsafe { sastaotp_orders_total(orders.0, place) }),
        })
    }

    pub(crate) fn orders(&self, query: OrderQuery) -> impl Iterator<Item = Result<Order>> {
        let status = query.status.map(|status| c_string(status.as_str()));
        let iterator = create(sastaotp_order_iterator_free, |place, error| unsafe {
            sastaotp_client_orders(self.get(), optional_ptr(status.as_ref()), place, error)
        })
        .unwrap();
        std::iter::from_fn(move || {
            // Moves the object into the closure, not only its pointer.
            let iterator = &iterator;
            let mut order = null_mut();
            let next = checked(|error| unsafe {
                sastaotp_order_iterator_next(iterator.0, &raw mut order, error)
            });
            let order = Object(order, sastaotp_order_free);
            match next {
                Ok(()) if order.0.is_null() => None,
                next => Some(next.map(|()| Order::read(order.0))),
            }
        })
    }

    pub(crate) fn get_number(&self, request: NumberRequest) -> Result<Activation> {
        let number = request.with(|request| {
            create(sastaotp_activation_free, |place, error| unsafe {
                sastaotp_client_get_number(self.get(), request, place, error)
            })
        });
        number.map(|number| Activation::of(number, self))
    }

    pub(crate) fn intend(&self, request: NumberRequest) -> Result<Intent> {
        let intent = request.with(|request| {
            create(sastaotp_intent_free, |place, error| unsafe {
                sastaotp_client_intend(self.get(), request, place, error)
            })
        });
        intent.map(Intent::own)
    }

    pub(crate) fn buy(&self, intent: Intent) -> Result<Activation> {
        let number = create(sastaotp_activation_free, |place, error| unsafe {
            sastaotp_client_buy(self.get(), intent.get(), place, error)
        });
        number.map(|number| Activation::of(number, self))
    }

    pub(crate) fn reget_number(
        &self,
        id: &str,
        limit: impl Into<PriceLimit>,
    ) -> Result<Activation> {
        let id = c_string(id);
        let limit = match limit.into() {
            PriceLimit::Max(max) => max.micros(),
            PriceLimit::Any => SASTAOTP_ANY_PRICE,
        };
        let number = create(sastaotp_activation_free, |place, error| unsafe {
            sastaotp_client_reget_number(self.get(), id.as_ptr(), limit, place, error)
        });
        number.map(|number| Activation::of(number, self))
    }

    pub(crate) fn lease(&self, request: NumberRequest) -> Result<Lease> {
        let lease = request.with(|request| {
            create(sastaotp_lease_free, |place, error| unsafe {
                sastaotp_client_lease(self.get(), request, place, error)
            })
        });
        lease.map(|lease| Lease { lease, client: self.clone() })
    }

    pub(crate) fn activation(&self, id: &str) -> Result<Activation> {
        let id = c_string(id);
        let number = create(sastaotp_activation_free, |place, error| unsafe {
            sastaotp_client_activation(self.get(), id.as_ptr(), place, error)
        });
        number.map(|number| Activation::of(number, self))
    }

    /// Runs an operation of a queue, and returns its JSON.
    fn operate(&self, operation: &Value) -> Result<Value> {
        let queue = create(sastaotp_queue_free, |place, error| unsafe {
            sastaotp_queue_new(self.get(), 1, place, error)
        })?;
        let (operation, mut ticket) = (c_string(&operation.to_string()), 0);
        checked(|error| unsafe {
            let operation = operation.as_ptr();
            sastaotp_queue_submit(queue.0, operation, null_mut(), &raw mut ticket, error)
        })?;
        let completion = create(sastaotp_completion_free, |place, error| unsafe {
            sastaotp_queue_join(queue.0, ticket, u32::MAX, place, error)
        })?;
        let error = unsafe { sastaotp_completion_error(completion.0) };
        if error.is_null() {
            let json = required_text(unsafe { sastaotp_completion_json(completion.0) });
            return Ok(serde_json::from_str(&json).unwrap());
        }
        Err(Error(ErrorOf::Completion(Arc::new(completion))))
    }

    pub(crate) fn get_status(&self, id: &str) -> Result<Status> {
        let status = self.operate(&json!({"op": "get_status", "id": id}))?;
        Ok(match status["kind"].as_str().unwrap() {
            "waiting" => Status::Waiting,
            "waiting_for_next" => Status::WaitingForNext,
            "received" => Status::Received(Sms::of_json(&status["sms"])),
            "cancelled" => Status::Cancelled,
            _ => Status::Other,
        })
    }

    pub(crate) fn set_status(&self, id: &str, status: SetStatus) -> Result<StatusChange> {
        let operation = json!({"op": "set_status", "id": id, "status": status.value()});
        let change = self.operate(&operation)?;
        Ok(match change["kind"].as_str().unwrap() {
            "cancelled" => StatusChange::Cancelled,
            "already_cancelled" => StatusChange::AlreadyCancelled,
            "ready" => StatusChange::Ready,
            "waiting_for_next" => StatusChange::WaitingForNext,
            "completed" => StatusChange::Completed,
            "accepted" => StatusChange::Accepted,
            "other" => StatusChange::Other(change["text"].as_str().unwrap().to_owned()),
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn reconcile(&self, intent: impl Borrow<Intent>) -> Result<Reconciliation> {
        self.reconcile_within(intent, Duration::from_secs(60))
    }

    pub(crate) fn reconcile_within(
        &self,
        intent: impl Borrow<Intent>,
        look_for: Duration,
    ) -> Result<Reconciliation> {
        let found = create(sastaotp_reconciliation_free, |place, error| unsafe {
            let intent = intent.borrow().get();
            sastaotp_client_reconcile(self.get(), intent, millis(look_for), place, error)
        })?;
        let candidate = |index| unsafe {
            let fact = |at| text(sastaotp_reconciliation_evidence(found.0, index, at));
            Candidate {
                order: Order::read(sastaotp_reconciliation_get(found.0, index)),
                is_ours: sastaotp_reconciliation_is_ours(found.0, index),
                evidence: (0..).map_while(fact).collect(),
            }
        };
        let count = unsafe { sastaotp_reconciliation_count(found.0) };
        let complete = unsafe { sastaotp_reconciliation_is_complete(found.0) };
        let reason = text(unsafe { sastaotp_reconciliation_reason(found.0) });
        assert_eq!(complete, reason.is_none(), "{reason:?}");
        Ok(Reconciliation { candidates: (0..count).map(candidate).collect(), complete, reason })
    }

    pub(crate) fn resolve(
        &self,
        intent: impl Borrow<Intent>,
        resolution: Resolution,
    ) -> Result<()> {
        let intent = intent.borrow().get();
        checked(|error| unsafe {
            match resolution {
                Resolution::NotMade => sastaotp_client_resolve_not_made(self.get(), intent, error),
                Resolution::Made(id) => {
                    let id = c_string(&id);
                    sastaotp_client_resolve_made(self.get(), intent, id.as_ptr(), error)
                }
            }
        })
    }

    pub(crate) fn unclaimed(&self) -> Vec<Unclaimed> {
        Self::listed(|place, error| unsafe { sastaotp_client_unclaimed(self.get(), place, error) })
    }

    pub(crate) fn finish(&self, wait: Duration) -> Vec<Unclaimed> {
        Self::listed(|place, error| unsafe {
            sastaotp_client_finish(self.get(), millis(wait), place, error)
        })
    }

    fn listed<F>(call: F) -> Vec<Unclaimed>
    where
        F: FnOnce(*mut *mut sastaotp_unclaimed_list, *mut *mut sastaotp_error) -> sastaotp_status,
    {
        let list = create(sastaotp_unclaimed_list_free, call).unwrap();
        let unclaimed = |index| unsafe {
            let entry = sastaotp_unclaimed_list_get(list.0, index);
            assert!(
                !required_text(sastaotp_intent_json(sastaotp_unclaimed_intent(entry))).is_empty()
            );
            let purchase = Purchase::read(sastaotp_unclaimed_purchase(entry));
            let error = text(sastaotp_error_message(sastaotp_unclaimed_error(entry)));
            Unclaimed {
                message: required_text(sastaotp_unclaimed_message(entry)),
                outcome: match (sastaotp_unclaimed_outcome(entry), purchase, error) {
                    (SASTAOTP_OUTCOME_PENDING, None, None) => UnclaimedOutcome::Pending,
                    (SASTAOTP_OUTCOME_BOUGHT, Some(purchase), None) => {
                        UnclaimedOutcome::Bought(Box::new(purchase))
                    }
                    (SASTAOTP_OUTCOME_UNKNOWN, None, Some(_)) => UnclaimedOutcome::Unknown,
                    other => panic!("{other:?}"),
                },
            }
        };
        (0..unsafe { sastaotp_unclaimed_list_count(list.0) }).map(unclaimed).collect()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// Wait options; a duration converts to a wait of that length.
pub(crate) struct WaitOptions {
    timeout: Duration,
    cancel_on_timeout: bool,
}

impl WaitOptions {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, cancel_on_timeout: false }
    }

    pub(crate) fn cancel_on_timeout(self) -> Self {
        Self { cancel_on_timeout: true, ..self }
    }
}

impl From<Duration> for WaitOptions {
    fn from(timeout: Duration) -> Self {
        Self::new(timeout)
    }
}

pub(crate) struct Activation {
    own: Option<Object<sastaotp_activation>>,
    get: *const sastaotp_activation,
    client: Client,
    id: String,
    phone_number: Option<String>,
}

// The header allows any thread, as for the objects above.
unsafe impl Send for Activation {}
unsafe impl Sync for Activation {}

impl Activation {
    fn of(own: Object<sastaotp_activation>, client: &Client) -> Self {
        let get = own.0.cast_const();
        Self { own: Some(own), ..Self::borrowed(get, client) }
    }

    /// An activation that belongs to a lease.
    fn borrowed(get: *const sastaotp_activation, client: &Client) -> Self {
        let (id, phone_number) =
            unsafe { (sastaotp_activation_id(get), sastaotp_activation_phone_number(get)) };
        Self {
            own: None,
            get,
            client: client.clone(),
            id: required_text(id),
            phone_number: text(phone_number),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn phone_number(&self) -> Option<&str> {
        self.phone_number.as_deref()
    }

    pub(crate) fn price(&self) -> Option<Amount> {
        optional(|place| unsafe { sastaotp_activation_price_micros(self.get, place) })
            .map(Amount::from_micros)
    }

    pub(crate) fn expires_at(&self) -> Option<i64> {
        optional(|place| unsafe { sastaotp_activation_expires_at_ms(self.get, place) })
    }

    pub(crate) fn purchase(&self) -> Option<Purchase> {
        Purchase::read(unsafe { sastaotp_activation_purchase(self.get) })
    }

    /// The newest message.
    pub(crate) fn code(&self) -> Option<Sms> {
        let count = unsafe { sastaotp_activation_sms_count(self.get) };
        Sms::own(unsafe { sastaotp_activation_sms(self.get, count.wrapping_sub(1)) })
    }

    pub(crate) fn codes(&self) -> Vec<Sms> {
        let code = |index| Sms::own(unsafe { sastaotp_activation_sms(self.get, index) });
        let codes: Vec<_> = (0..).map_while(code).collect();
        assert_eq!(codes.len(), unsafe { sastaotp_activation_sms_count(self.get) });
        codes
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        match unsafe { sastaotp_activation_ending(self.get) } {
            SASTAOTP_ENDING_NONE => None,
            SASTAOTP_ENDING_COMPLETED => Some(Ending::Completed),
            SASTAOTP_ENDING_CANCELLED => Some(Ending::Cancelled),
            SASTAOTP_ENDING_EXPIRED => Some(Ending::Expired),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn get_status(&self) -> Result<Status> {
        let state = create(sastaotp_activation_status_free, |place, error| unsafe {
            sastaotp_activation_get_status(self.get, place, error)
        })?;
        Ok(Status::read(&state))
    }

    pub(crate) fn wait_for_code(&self, options: impl Into<WaitOptions>) -> Result<Sms> {
        let WaitOptions { timeout, cancel_on_timeout } = options.into();
        let options = sastaotp_wait_options {
            size: size_of::<sastaotp_wait_options>(),
            interval_ms: 0,
            accept_same_code: false.into(),
            cancel_on_timeout: cancel_on_timeout.into(),
            reserved: [0; 2],
        };
        let options = if cancel_on_timeout { &raw const options } else { null() };
        let sms = create(sastaotp_sms_free, |place, error| unsafe {
            sastaotp_activation_wait_for_code(self.get, millis(timeout), options, place, error)
        })?;
        Ok(Sms::read(sms.0).unwrap())
    }

    pub(crate) fn mark_sms_sent(&self) -> Result<()> {
        checked(|error| unsafe { sastaotp_activation_mark_sms_sent(self.get, error) })
    }

    pub(crate) fn request_next_code(&self) -> Result<()> {
        checked(|error| unsafe { sastaotp_activation_request_next_code(self.get, error) })
    }

    pub(crate) fn complete(&self) -> Result<Settlement> {
        Self::settlement(|place, error| unsafe {
            sastaotp_activation_complete(self.get, place, error)
        })
    }

    pub(crate) fn complete_without_code(&self) -> Result<Settlement> {
        Self::settlement(|place, error| unsafe {
            sastaotp_activation_complete_without_code(self.get, place, error)
        })
    }

    pub(crate) fn keep(&self) {
        checked(|error| unsafe { sastaotp_activation_keep(self.get, error) }).unwrap();
    }

    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        self.client.with_timeout(timeout).activation(&self.id).unwrap()
    }

    pub(crate) fn cancel(&self) -> Result<Settlement> {
        Self::settlement(|place, error| unsafe {
            sastaotp_activation_cancel(self.get, place, error)
        })
    }

    pub(crate) fn settle(&self, on_too_early: OnTooEarly) -> Result<Settlement> {
        Self::settlement(|place, error| unsafe {
            sastaotp_activation_settle(self.get, constant(on_too_early), place, error)
        })
    }

    fn settlement<F>(call: F) -> Result<Settlement>
    where
        F: FnOnce(*mut *mut sastaotp_settlement, *mut *mut sastaotp_error) -> sastaotp_status,
    {
        create(sastaotp_settlement_free, call).map(|settlement| Settlement::read(&settlement))
    }

    pub(crate) fn reget_number(&self, limit: impl Into<PriceLimit>) -> Result<Self> {
        self.client.reget_number(&self.id, limit)
    }
}

impl fmt::Debug for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activation")
            .field("id", &self.id)
            .field("own", &self.own.is_some())
            .finish_non_exhaustive()
    }
}

fn constant(on_too_early: OnTooEarly) -> sastaotp_on_too_early {
    match on_too_early {
        OnTooEarly::Fail => SASTAOTP_ON_TOO_EARLY_FAIL,
        OnTooEarly::Wait => SASTAOTP_ON_TOO_EARLY_WAIT,
    }
}

pub(crate) struct Lease {
    lease: Object<sastaotp_lease>,
    client: Client,
}

impl Lease {
    fn activation(&self) -> Activation {
        Activation::borrowed(unsafe { sastaotp_lease_activation(self.lease.0) }, &self.client)
    }

    pub(crate) fn id(&self) -> String {
        self.activation().id
    }

    pub(crate) fn purchase(&self) -> Option<Purchase> {
        self.activation().purchase()
    }

    pub(crate) fn wait_for_code(&self, options: impl Into<WaitOptions>) -> Result<Sms> {
        self.activation().wait_for_code(options)
    }

    pub(crate) fn close(self, on_too_early: OnTooEarly) -> Result<Settlement> {
        create(sastaotp_settlement_free, |place, error| unsafe {
            sastaotp_lease_close(self.lease.0, constant(on_too_early), place, error)
        })
        .map(|settlement| Settlement::read(&settlement))
    }

    pub(crate) fn keep(self) -> Activation {
        let kept = create(sastaotp_activation_free, |place, error| unsafe {
            sastaotp_lease_keep(self.lease.0, place, error)
        });
        Activation::of(kept.unwrap(), &self.client)
    }
}
