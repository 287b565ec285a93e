//! Fuzzes sequences of calls from C: in any order, with NULL, with invalid text, on objects that a
//! fork copied, against an in-memory sandbox whose faults are part of the sequence. Misuse that the
//! header forbids, such as using a freed object, is not included, because its outcome is undefined.
#![no_main]
#![allow(unsafe_op_in_unsafe_fn)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{dangling_mut, null, null_mut};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use sastaotp::capi::*;
use sastaotp::clock::{Clock, ManualClock};
use sastaotp::sandbox::MemoryTransport;
use sastaotp::{Amount, Client};

const KEY: &str = "stp_canary_of_the_fuzz_target";
const SERVICES: [&CStr; 16] = [
    c"zz_ok",
    c"zz_multi",
    c"zz_never",
    c"zz_stale",
    c"zz_nonumbers",
    c"zz_price_up",
    c"zz_lost_reply",
    c"zz_html",
    c"zz_cancel_race",
    c"zz_early_cancel",
    c"zz_colon",
    c"zz_expire",
    c"zz_provider_cancel",
    c"zz_sql",
    c"tg",
    c"no service",
];
/// Unusual texts, and a few ordinary ones.
const TEXTS: [&CStr; 8] =
    [c"", c"22", c"tg", c"India", c"pending", c"\xff\xfe", c"a&b=c", c"\xc3\xa9"];
const FAULTS: [&str; 16] = [
    "name_not_resolved",
    "connect_refused",
    "reset_before_reply",
    "reply_lost",
    "reply_truncated",
    "unframed_reply",
    "reply_timeout",
    "reply_too_large",
    "blocked_by_firewall",
    "too_many_requests",
    "server_error",
    "empty_body",
    "json_truncated",
    "text_before_json",
    "empty_list_for_object",
    "json_too_complex",
];
/// Operations; `ID` stands for the id of an activation.
const OPERATIONS: [&str; 20] = [
    r#"{"op":"get_balance"}"#,
    r#"{"op":"get_number","service":"zz_ok","country":"22","max_price":"80"}"#,
    r#"{"op":"get_number","service":"zz_lost_reply","country":"22","accept_any_price":true}"#,
    r#"{"op":"wait_for_code","id":"ID","timeout_ms":20000}"#,
    r#"{"op":"wait_for_code","id":"ID","timeout_ms":1,"cancel_on_timeout":true}"#,
    r#"{"op":"settle","id":"ID","on_too_early":"wait"}"#,
    r#"{"op":"cancel","id":"ID"}"#,
    r#"{"op":"complete","id":"ID"}"#,
    r#"{"op":"complete","id":"ID","without_code":true}"#,
    r#"{"op":"keep","id":"ID"}"#,
    r#"{"op":"finish","timeout_ms":1000}"#,
    r#"{"op":"reget_number","id":"ID","accept_any_price":true}"#,
    r#"{"op":"get_status","id":"ID"}"#,
    r#"{"op":"get_orders","limit":3}"#,
    r#"{"op":"unclaimed"}"#,
    r#"{"op":"budget_left"}"#,
    r#"{"op":"set_status","id":"ID","status":7}"#,
    r#"{"op":"reget_number","id":"a&b","max_price":"80"}"#,
    r#"{"op":"no_such_thing"}"#,
    r#"{"op":"#,
];

fuzz_target!(|data: &[u8]| {
    let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
    let transport = MemoryTransport::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let client = Client::builder()
        .api_key(KEY)
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .transport(Arc::new(transport.clone()))
        .budget(Amount::from_rupees(500))
        .seed(7)
        .build()
        .unwrap();
    let mut program = Program {
        input: data,
        clock,
        transport,
        child: false,
        client: fuzzing::client(client),
        handle: null_mut(),
        cancel: null_mut(),
        request: EMPTY_REQUEST,
        options: EMPTY_OPTIONS,
        activation: null_mut(),
        lease: null_mut(),
        intent: null_mut(),
        orders: null_mut(),
        queue: null_mut(),
        ticket: 0,
    };
    unsafe {
        while !program.input.is_empty() {
            program.step();
        }
        program.free_all();
    }
});

/// A program that uses the library: its objects, and its next step.
struct Program<'a> {
    input: &'a [u8],
    clock: Arc<ManualClock>,
    transport: MemoryTransport,
    child: bool,
    client: *mut sastaotp_client,
    handle: *mut sastaotp_client,
    cancel: *mut sastaotp_cancel_token,
    request: sastaotp_number_request,
    options: sastaotp_wait_options,
    activation: *mut sastaotp_activation,
    lease: *mut sastaotp_lease,
    intent: *mut sastaotp_intent,
    orders: *mut sastaotp_order_iterator,
    queue: *mut sastaotp_queue,
    ticket: u64,
}

const EMPTY_REQUEST: sastaotp_number_request = sastaotp_number_request {
    size: size_of::<sastaotp_number_request>(),
    service: null(),
    country: null(),
    countries: null(),
    country_count: 0,
    offers: null(),
    offer_count: 0,
    operator_: null(),
    parameters: null(),
    parameter_count: 0,
    min_price_micros: 0,
    max_price_micros: 0,
    patience_ms: 0,
    any_country: unsafe { c_bool(0) },
    multi_sms: unsafe { c_bool(0) },
    reserved: [0; 2],
};

/// Texts of the C interface, for lists of countries and for parameters.
struct Texts<T>(T);

// SAFETY: the texts are static and never change.
unsafe impl<T> Sync for Texts<T> {}

static COUNTRIES: Texts<[*const c_char; 4]> =
    Texts([c"9999".as_ptr(), c"22".as_ptr(), c"0".as_ptr(), null()]);
static PARAMETERS: Texts<[sastaotp_parameter; 2]> = Texts([
    sastaotp_parameter { name: c"ref".as_ptr(), value: c"a b".as_ptr() },
    sastaotp_parameter { name: c"service".as_ptr(), value: c"tg".as_ptr() },
]);

const EMPTY_OPTIONS: sastaotp_wait_options = sastaotp_wait_options {
    size: size_of::<sastaotp_wait_options>(),
    interval_ms: 0,
    accept_same_code: unsafe { c_bool(0) },
    cancel_on_timeout: unsafe { c_bool(0) },
    reserved: [0; 2],
};

/// A struct of a later version, which has further members.
#[repr(C)]
struct Later<T> {
    known: T,
    further: [u8; 16],
}

/// The byte of a `bool` in a struct of C, which can be any byte if the struct was not initialized.
const unsafe fn c_bool<T>(byte: u8) -> T {
    assert!(size_of::<T>() == 1);
    // SAFETY: the caller's type is one byte without invalid values.
    unsafe { std::mem::transmute_copy(&byte) }
}

/// Replaces an object, and frees the old one.
macro_rules! replace {
    ($program:ident.$place:ident, $free:ident, $object:expr) => {{
        let object = $object;
        $free(std::mem::replace(&mut $program.$place, object));
    }};
}

/// Reads the texts of an object.
macro_rules! texts {
    ($object:expr; $($read:ident)*) => { $(check_text($read($object));)* };
}

/// Reads values that may be absent, with an output pointer and with NULL.
macro_rules! values {
    ($object:expr; $($read:ident)*) => { $({
        let mut value = Default::default();
        assert_eq!($read($object, &raw mut value), $read($object, null_mut()));
    })* };
}

/// Reads the parts of an object, and checks that there is none after the last.
macro_rules! parts {
    ($object:expr; $count:ident $get:ident $read:expr) => {{
        let count = $count($object);
        for index in 0..count {
            $read($get($object, index));
        }
        assert!($get($object, count).is_null() && $get($object, usize::MAX).is_null());
    }};
}

/// Reads the texts of a list until it returns NULL.
macro_rules! listed_texts {
    ($text:expr) => {{
        let read = $text;
        let count = (0..).position(|index| read(index).is_null()).unwrap();
        (0..count).for_each(|index| check_text(read(index)));
        assert!(read(usize::MAX).is_null());
    }};
}

/// Reads a text of the service with its length and without.
macro_rules! verbatim {
    ($object:expr; $read:ident) => {{
        let mut length = usize::MAX;
        let verbatim = $read($object, &raw mut length);
        let ended = $read($object, null_mut());
        assert_eq!(verbatim.is_null(), ended.is_null());
        check_text(ended);
        if verbatim.is_null() {
            assert_eq!(length, usize::MAX);
        } else {
            let bytes = std::slice::from_raw_parts(verbatim.cast::<u8>(), length + 1);
            let text = std::str::from_utf8(&bytes[..length]).expect("texts are UTF-8");
            assert!(bytes[length] == 0 && !text.contains(KEY), "{text}");
            let replaced = text.replace('\0', "\u{fffd}");
            assert_eq!(replaced.as_bytes(), CStr::from_ptr(ended).to_bytes());
        }
    }};
}

impl Program<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.input.split_first() else { return 0 };
        self.input = rest;
        *first
    }

    fn pick<'t, T: ?Sized>(&mut self, table: &[&'t T]) -> &'t T {
        let at = usize::from(self.byte());
        table[at % table.len()]
    }

    /// Returns a text or NULL.
    fn text(&mut self) -> *const c_char {
        match self.byte() {
            at if at < 200 => TEXTS[usize::from(at) % TEXTS.len()].as_ptr(),
            _ => null(),
        }
    }

    /// Returns the client, a handle of it, or NULL.
    fn client(&mut self) -> *const sastaotp_client {
        match self.byte() % 8 {
            0 => null(),
            1..=3 => self.handle,
            _ => self.client,
        }
    }

    fn millis(&mut self) -> u32 {
        [0, 1, 5_000, 60_000][usize::from(self.byte() & 3)]
    }

    /// Makes a call that may fail. `bound` means that the call takes an object of one process.
    unsafe fn call(
        &mut self,
        bound: bool,
        call: impl FnOnce(*mut *mut sastaotp_error) -> sastaotp_status,
    ) -> bool {
        let mut error = dangling_mut();
        let no_error = self.byte() % 16 == 1;
        let status = call(if no_error { null_mut() } else { &raw mut error });
        assert!(!sastaotp_status_name(status).is_null() && status != SASTAOTP_ERROR_INTERNAL);
        assert!(
            !(bound && self.child) || status == SASTAOTP_ERROR_CONFIG,
            "a child used an object of its parent"
        );
        if !no_error {
            assert_eq!(status == SASTAOTP_OK, error.is_null());
            if !error.is_null() {
                assert_eq!(sastaotp_error_status(error), status);
                read_error(error);
                sastaotp_error_free(error);
            }
        }
        status == SASTAOTP_OK
    }

    /// Makes a call that returns an object; NULL if it fails or has no output pointer.
    unsafe fn make<T>(
        &mut self,
        bound: bool,
        call: impl FnOnce(*mut *mut T, *mut *mut sastaotp_error) -> sastaotp_status,
    ) -> *mut T {
        let mut object = dangling_mut();
        let no_output = self.byte() % 16 == 1;
        let made = self
            .call(bound, |error| call(if no_output { null_mut() } else { &raw mut object }, error));
        if no_output {
            assert!(!made, "a call without an output pointer fails");
            return null_mut();
        }
        assert_eq!(made, !object.is_null());
        object
    }

    unsafe fn step(&mut self) {
        match self.byte() % 48 {
            0 => {
                self.child = !self.child && self.byte() & 1 == 1;
                fuzzing::fork(self.child);
            }
            1 => {
                let seconds = self.byte().into();
                self.clock.advance(Duration::from_secs(seconds));
            }
            2 => self.fault(),
            3..=6 => self.build(),
            7 => self.configure(),
            8 => self.handle(),
            9..=16 => self.read(),
            17..=22 => self.buy(),
            23..=34 => self.settle(),
            35..=37 => self.close_lease(),
            38..=44 => self.enqueue(),
            45 => self.use_intents(),
            46 => self.cancel_token(),
            _ => self.read_null(),
        }
    }

    fn fault(&mut self) {
        let (fault, commit) = (self.pick(&FAULTS), self.byte() & 1 == 1);
        let when = if commit { "after_commit" } else { "before_commit" };
        // Some faults have no `when`; the sandbox then refuses the rule.
        let _ = self.transport.control(
            KEY,
            "faults",
            &format!(r#"{{"fault":"{fault}","when":"{when}"}}"#),
        );
        let _ = self.transport.control(KEY, "faults", &format!(r#"{{"fault":"{fault}"}}"#));
    }

    /// Fills in the structs of requests and of waits.
    unsafe fn build(&mut self) {
        let (which, text, byte) = (self.byte() % 16, self.text(), self.byte());
        let (request, options) = (&mut self.request, &mut self.options);
        match which {
            0..=4 => {
                // Most requests can buy.
                let service = SERVICES[usize::from(byte) % SERVICES.len()].as_ptr();
                *request = sastaotp_number_request {
                    service,
                    max_price_micros: if byte & 32 == 0 { SASTAOTP_ANY_PRICE } else { 0 },
                    any_country: (byte & 64 == 0).into(),
                    ..EMPTY_REQUEST
                };
            }
            5 => request.country = text,
            6 => request.max_price_micros = (i64::from(byte) - 1) * 1_000_000,
            7 => request.operator_ = text,
            8 => request.multi_sms = c_bool(byte & 3),
            9 => *options = EMPTY_OPTIONS,
            10 => options.interval_ms = u32::from(byte) * 1_000,
            11 => options.accept_same_code = c_bool(byte & 3),
            12 => options.cancel_on_timeout = c_bool(byte & 3),
            13 => {
                request.any_country = c_bool(0);
                request.countries = COUNTRIES.0.as_ptr();
                request.country_count = usize::from(byte % 5);
                request.patience_ms = u32::from(byte / 5) * 1_000;
            }
            14 => {
                request.parameters = PARAMETERS.0.as_ptr();
                request.parameter_count = usize::from(byte % 3);
                request.min_price_micros = i64::from(byte / 3) * 1_000_000;
            }
            _ => match byte {
                0..=63 => request.size = usize::from(byte) << (byte & 7),
                64..=127 => options.size = usize::from(byte - 64) << (byte & 7),
                128 => request.reserved[0] = 1,
                129 => options.reserved[0] = 1,
                130 => options.size = usize::MAX,
                _ => {
                    request.size = EMPTY_REQUEST.size;
                    request.reserved = EMPTY_REQUEST.reserved;
                }
            },
        }
    }

    /// Settings. The target never creates a real client, because it would use the network.
    unsafe fn configure(&mut self) {
        let (which, text, byte) = (self.byte() % 18, self.text(), self.byte());
        let small = i32::from(byte) - 2;
        let pem = c"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let mut config = sastaotp_config {
            size: size_of::<sastaotp_config>(),
            api_key: null(),
            base_url: null(),
            user_agent: null(),
            proxy: null(),
            ca_pem: null(),
            ca_pem_length: 0,
            journal: null(),
            budget_micros: SASTAOTP_NO_BUDGET,
            max_connections: 0,
            timeout_ms: 0,
            late_booking_ms: 0,
            max_requests_per_minute: 0,
            api_key_location: SASTAOTP_API_KEY_IN_HEADER,
            roots: SASTAOTP_ROOTS_WEB,
            durability: SASTAOTP_DURABILITY_POWER,
            journal_on_network: false.into(),
            from_env: false.into(),
            reserved: [0; 10],
        };
        match which {
            0 => config.size = usize::from(byte) << (byte & 7),
            1 => config.reserved[usize::from(byte) % 10] = byte,
            2 => config.api_key_location = sastaotp_api_key_location(small),
            3 => config.base_url = text,
            4 => config.user_agent = text,
            5 => {
                config.ca_pem = pem.as_ptr();
                config.ca_pem_length = usize::from(byte) % (pem.count_bytes() + 1);
            }
            6 => config.max_connections = small.unsigned_abs(),
            7 => config.budget_micros = small.into(),
            8 => config.timeout_ms = small.unsigned_abs(),
            9 => config.max_requests_per_minute = small.unsigned_abs() << (byte & 24),
            10 => {
                // No valid key.
                config.api_key = [c"".as_ptr(), c"\xff".as_ptr(), c"a b".as_ptr(), null()]
                    [usize::from(byte & 3)];
            }
            11 => config.durability = sastaotp_durability(small),
            12 => config.journal_on_network = c_bool(byte),
            13 => config.late_booking_ms = small.unsigned_abs(),
            // The environment of the target has no key.
            14 => config.from_env = c_bool(byte),
            15 => config.proxy = text,
            // 1 and 2 read the certificates of this machine.
            16 => config.roots = sastaotp_roots(if small > 0 { small + 2 } else { small }),
            _ => {}
        }
        let mut later = Later { known: config, further: [0; 16] };
        if byte & 128 != 0 && which > 1 {
            later.known.size = size_of_val(&later);
            later.further[usize::from(byte) % 16] = byte & 1;
        }
        let (config, is_null) = (&raw const later.known, which == 15 && byte < 64);
        let made = self.make(false, |out, error| {
            sastaotp_client_new(if is_null { null() } else { config }, out, error)
        });
        assert!(made.is_null(), "the key is missing");
    }

    unsafe fn handle(&mut self) {
        let (client, cancel, which) = (self.client(), self.cancel, self.byte());
        let millis = self.millis();
        let made = match which % 3 {
            2 => null_mut(),
            which => self.make(true, |out, error| {
                sastaotp_client_with(
                    client,
                    if which == 0 { cancel } else { null() },
                    millis,
                    out,
                    error,
                )
            }),
        };
        // In a child, freeing the handle would only leak it, as intended.
        if !self.child {
            replace!(self.handle, sastaotp_client_free, made);
        }
    }

    unsafe fn cancel_token(&mut self) {
        match self.byte() % 4 {
            0 | 1 => replace!(self.cancel, sastaotp_cancel_token_free, sastaotp_cancel_token_new()),
            2 => sastaotp_cancel_token_trigger(self.cancel),
            _ => replace!(self.cancel, sastaotp_cancel_token_free, null_mut()),
        }
        sastaotp_cancel_token_is_triggered(self.cancel);
    }

    unsafe fn read(&mut self) {
        let (which, client, text) = (self.byte() % 11, self.client(), self.text());
        values!(client; sastaotp_client_budget_left);
        match which {
            0 | 1 => {
                let mut micros = i64::MIN;
                let no_output = self.byte() % 16 == 1;
                let place = if no_output { null_mut() } else { &raw mut micros };
                let read =
                    self.call(true, |error| sastaotp_client_get_balance(client, place, error));
                assert_eq!(read, micros != i64::MIN);
            }
            // Reading a whole catalogue takes as long as a hundred other calls, so it is rare.
            2 if self.byte() == 1 => {
                let services = self.make(true, |out, error| {
                    sastaotp_client_get_services(client, text, out, error)
                });
                read_services(services);
                sastaotp_services_free(services);
            }
            3 => {
                let (service, country) =
                    if text.is_null() { (c"tg", c"\xff") } else { (c"tg", c"22") };
                let prices = self.make(true, |out, error| {
                    sastaotp_client_get_prices(
                        client,
                        service.as_ptr(),
                        country.as_ptr(),
                        out,
                        error,
                    )
                });
                read_prices(prices);
                sastaotp_prices_free(prices);
                let query = sastaotp_offer_query {
                    size: size_of::<sastaotp_offer_query>(),
                    service: text,
                    countries: COUNTRIES.0.as_ptr(),
                    country_count: 3,
                    min_price_micros: 0,
                    max_price_micros: 0,
                    min_available: 0,
                    reserved: [0; 8],
                };
                let offers = self.make(true, |out, error| {
                    sastaotp_client_get_offers(client, &raw const query, out, error)
                });
                read_offers(offers);
                sastaotp_offers_free(offers);
            }
            4 if self.byte() == 1 => {
                let countries = self.make(true, |out, error| {
                    sastaotp_client_get_countries(client, text, out, error)
                });
                read_countries(countries);
                sastaotp_countries_free(countries);
            }
            5 => {
                let (limit, page) = (self.byte().into(), self.byte().into());
                let orders = self.make(true, |out, error| {
                    sastaotp_client_get_orders(client, limit, page, text, out, error)
                });
                read_orders(orders);
                sastaotp_orders_free(orders);
            }
            6 => {
                let orders =
                    self.make(true, |out, error| sastaotp_client_orders(client, text, out, error));
                if self.child {
                    assert!(orders.is_null());
                } else {
                    replace!(self.orders, sastaotp_order_iterator_free, orders);
                }
            }
            7 => {
                let (iterator, mut order) = (self.orders, dangling_mut());
                if self.call(true, |error| {
                    sastaotp_order_iterator_next(iterator, &raw mut order, error)
                }) {
                    read_order(order);
                }
                sastaotp_order_free(order);
            }
            8 => {
                let millis = u32::from(self.byte()) * 100;
                let list = self.make(true, |out, error| {
                    if millis == 0 {
                        sastaotp_client_unclaimed(client, out, error)
                    } else {
                        sastaotp_client_finish(client, millis, out, error)
                    }
                });
                read_unclaimed(list);
                sastaotp_unclaimed_list_free(list);
            }
            9 => {
                let (intent, millis) = (self.intent, u32::from(self.byte()) * 500);
                let found = self.make(true, |out, error| {
                    sastaotp_client_reconcile(client, intent, millis, out, error)
                });
                read_reconciliation(found);
                sastaotp_reconciliation_free(found);
                match self.byte() % 8 {
                    0 => {
                        self.call(true, |error| {
                            sastaotp_client_resolve_not_made(client, intent, error)
                        });
                    }
                    1 => {
                        let id = self.id();
                        self.call(true, |error| {
                            sastaotp_client_resolve_made(client, intent, id.as_ptr(), error)
                        });
                    }
                    _ => {}
                }
            }
            _ => self.log(),
        }
    }

    /// Sets the callback of the log, which reads its messages. Its thread does not use the program.
    unsafe fn log(&mut self) {
        unsafe extern "C" fn read(
            user: *mut c_void,
            level: sastaotp_log_level,
            text: *const c_char,
        ) {
            assert!(user.is_null() && (1..=5).contains(&level.0) && !text.is_null());
            check_text(text);
        }
        let level = sastaotp_log_level(i32::from(self.byte() % 8) - 1);
        self.call(false, |error| sastaotp_log_set(level, Some(read), null_mut(), error));
        if self.byte() % 2 == 0 {
            self.call(false, |error| sastaotp_log_set(SASTAOTP_LOG_OFF, None, null_mut(), error));
        }
    }

    /// Returns the id of the current activation, or an unknown id.
    unsafe fn id(&mut self) -> CString {
        let id = sastaotp_activation_id(self.activation);
        if id.is_null() || self.byte() % 8 == 1 {
            c"12345".to_owned()
        } else {
            CStr::from_ptr(id).to_owned()
        }
    }

    unsafe fn buy(&mut self) {
        let (which, client, intent) = (self.byte() % 8, self.client(), self.intent);
        let (copy, id) = (self.request, self.id());
        let request = self.request_or_null(&copy);
        let micros = i64::from(self.byte()) * 1_000_000 - 128_000_000;
        let bought = match which {
            0..=2 => self
                .make(true, |out, error| sastaotp_client_get_number(client, request, out, error)),
            3 => self.make(true, |out, error| sastaotp_client_buy(client, intent, out, error)),
            4 => self.make(true, |out, error| {
                let limit = if micros < 0 { SASTAOTP_ANY_PRICE } else { micros };
                sastaotp_client_reget_number(client, id.as_ptr(), limit, out, error)
            }),
            5 | 6 => self.make(true, |out, error| {
                sastaotp_client_activation(client, id.as_ptr(), out, error)
            }),
            _ => {
                let lease = self
                    .make(true, |out, error| sastaotp_client_lease(client, request, out, error));
                if !self.child {
                    replace!(self.lease, sastaotp_lease_free, lease);
                }
                return;
            }
        };
        if !bought.is_null() {
            read_activation(bought);
            replace!(self.activation, sastaotp_activation_free, bought);
        }
    }

    /// Passes a request, a later version of it, or NULL.
    fn request_or_null(
        &mut self,
        request: &sastaotp_number_request,
    ) -> *const sastaotp_number_request {
        if self.byte() % 16 == 1 { null() } else { request }
    }

    unsafe fn settle(&mut self) {
        let (which, millis, copy) = (self.byte() % 14, self.millis(), self.options);
        let options = if self.byte() % 4 == 1 { &raw const copy } else { null() };
        let activation = match self.byte() % 8 {
            0 => null(),
            1 => sastaotp_lease_activation(self.lease),
            _ => self.activation.cast_const(),
        };
        read_activation(activation);
        let early = sastaotp_on_too_early(i32::from(self.byte() % 4) - 1);
        match which {
            0..=2 => {
                let sms = self.make(true, |sms, error| {
                    sastaotp_activation_wait_for_code(activation, millis, options, sms, error)
                });
                read_sms(sms);
                sastaotp_sms_free(sms);
            }
            8 => {
                let mut sms = dangling_mut();
                let arrived = self.call(true, |error| {
                    let place = &raw mut sms;
                    sastaotp_activation_try_wait_for_code(activation, millis, options, place, error)
                });
                assert!(arrived || sms.is_null());
                read_sms(sms);
                sastaotp_sms_free(sms);
            }
            3 | 4 => {
                let status = self.make(true, |out, error| {
                    sastaotp_activation_get_status(activation, out, error)
                });
                read_status(status);
                sastaotp_activation_status_free(status);
            }
            5 => {
                self.call(true, |error| sastaotp_activation_mark_sms_sent(activation, error));
            }
            6 | 7 => {
                self.call(true, |error| sastaotp_activation_request_next_code(activation, error));
            }
            9 => {
                if millis % 8 == 0 {
                    self.call(true, |error| sastaotp_activation_keep(activation, error));
                }
                let count = sastaotp_activation_sms_count(activation);
                for index in [0, count.wrapping_sub(1), count, millis as usize] {
                    let sms = sastaotp_activation_sms(activation, index);
                    assert_eq!(sms.is_null(), index >= count);
                    read_sms(sms);
                    sastaotp_sms_free(sms);
                }
            }
            _ => {
                let settlement = match which {
                    10 if millis % 2 == 0 => self.make(true, |to, error| {
                        sastaotp_activation_complete(activation, to, error)
                    }),
                    10 => self.make(true, |to, error| {
                        sastaotp_activation_complete_without_code(activation, to, error)
                    }),
                    11 => self
                        .make(true, |to, error| sastaotp_activation_cancel(activation, to, error)),
                    _ => self.make(true, |to, error| {
                        sastaotp_activation_settle(activation, early, to, error)
                    }),
                };
                read_settlement(settlement);
                sastaotp_settlement_free(settlement);
            }
        }
    }

    unsafe fn close_lease(&mut self) {
        let (lease, early) = (self.lease, sastaotp_on_too_early(i32::from(self.byte() % 4) - 1));
        match self.byte() % 3 {
            0 => {
                let settlement =
                    self.make(true, |out, error| sastaotp_lease_close(lease, early, out, error));
                read_settlement(settlement);
                sastaotp_settlement_free(settlement);
            }
            1 => {
                let kept = self.make(true, |out, error| sastaotp_lease_keep(lease, out, error));
                if !kept.is_null() {
                    replace!(self.activation, sastaotp_activation_free, kept);
                }
            }
            _ if !self.child => replace!(self.lease, sastaotp_lease_free, null_mut()),
            _ => {}
        }
    }

    unsafe fn enqueue(&mut self) {
        let (which, client, workers) =
            (self.byte() % 20, self.client(), u32::from(self.byte() % 4));
        let queue = self.queue;
        match which {
            0 => {
                let made =
                    self.make(true, |out, error| sastaotp_queue_new(client, workers, out, error));
                if !self.child {
                    replace!(self.queue, sastaotp_queue_free, made);
                }
            }
            1..=8 => {
                let operation = self.pick(&OPERATIONS);
                let id = self.id();
                let operation =
                    CString::new(operation.replace("ID", id.to_str().unwrap())).unwrap();
                let mut ticket = 0;
                let text = if workers == 3 { null() } else { operation.as_ptr() };
                let user = self.user();
                if self.call(true, |error| {
                    sastaotp_queue_submit(queue, text, user, &raw mut ticket, error)
                }) {
                    self.ticket = ticket;
                }
            }
            9 if workers == 0 => {
                let list = self.make(true, |out, error| sastaotp_queue_close(queue, 0, out, error));
                read_unclaimed(list);
                sastaotp_unclaimed_list_free(list);
            }
            9 => {
                self.call(true, |error| {
                    sastaotp_queue_submit(queue, c"{}".as_ptr(), null_mut(), null_mut(), error)
                });
            }
            15..=18 => self.submit_typed(),
            10 => {
                let ticket = self.ticket.wrapping_sub(self.byte().into());
                let open = sastaotp_queue_cancel(queue, ticket);
                assert!(!(open && (self.child || queue.is_null())));
            }
            11..=13 => {
                let (mut taken, mut count) = ([null_mut(); 4], usize::MAX);
                let capacity = usize::from(self.byte() % 5);
                let place = if capacity == 0 { null_mut() } else { taken.as_mut_ptr() };
                if self.call(true, |error| {
                    sastaotp_queue_take(queue, place, capacity, 0, &raw mut count, error)
                }) {
                    assert!(count <= capacity);
                    for completion in taken.into_iter().take(count) {
                        read_completion(completion);
                        sastaotp_completion_free(completion);
                    }
                }
            }
            14 => {
                let (ticket, mut completion) = (self.ticket, dangling_mut());
                if self.call(true, |error| {
                    sastaotp_queue_join(queue, ticket, 0, &raw mut completion, error)
                }) {
                    read_completion(completion);
                }
                sastaotp_completion_free(completion);
            }
            _ => {
                let fd = sastaotp_queue_fd(queue);
                assert_eq!(fd < 0, self.child || queue.is_null());
                sastaotp_queue_open_count(queue);
            }
        }
    }

    /// A user pointer, which the library never dereferences.
    fn user(&mut self) -> *mut c_void {
        usize::from(self.byte()) as *mut c_void
    }

    unsafe fn submit_typed(&mut self) {
        let (which, queue, intent) = (self.byte() % 8, self.queue, self.intent);
        let (request_copy, options_copy, id) = (self.request, self.options, self.id());
        let request = self.request_or_null(&request_copy);
        let options = if self.byte() % 4 == 1 { &raw const options_copy } else { null() };
        let (user, millis) = (self.user(), self.millis());
        let id = if self.byte() % 16 == 1 { null() } else { id.as_ptr() };
        let early = sastaotp_on_too_early(i32::from(self.byte() % 4) - 1);
        let mut ticket = u64::MAX;
        let place = if self.byte() % 8 == 1 { null_mut() } else { &raw mut ticket };
        let begun = self.call(true, |error| match which {
            0 => sastaotp_queue_submit_get_number(queue, request, user, place, error),
            1 => sastaotp_queue_submit_buy(queue, intent, user, place, error),
            2 => {
                sastaotp_queue_submit_wait_for_code(queue, id, millis, options, user, place, error)
            }
            3 => sastaotp_queue_submit_request_next_code(queue, id, user, place, error),
            6 => sastaotp_queue_submit_complete(queue, id, user, place, error),
            7 => sastaotp_queue_submit_cancel(queue, id, user, place, error),
            4 => sastaotp_queue_submit_settle(queue, id, early, user, place, error),
            _ => sastaotp_queue_submit_reconcile(queue, intent, millis, user, place, error),
        });
        if !place.is_null() {
            assert!(begun != (ticket == 0) && ticket != u64::MAX);
            self.ticket = ticket;
        }
    }

    /// Creates, saves, reads back and copies intents.
    unsafe fn use_intents(&mut self) {
        let (client, copy) = (self.client(), self.request);
        let request = self.request_or_null(&copy);
        match self.byte() % 4 {
            0 | 1 => {
                let made = self
                    .make(true, |out, error| sastaotp_client_intend(client, request, out, error));
                replace!(self.intent, sastaotp_intent_free, made);
            }
            2 => {
                let saved = sastaotp_intent_json(self.intent);
                let read =
                    self.make(false, |out, error| sastaotp_intent_from_json(saved, out, error));
                assert!(read.is_null() || !saved.is_null());
                read_intent(read);
                sastaotp_intent_free(read);
            }
            _ => {
                let copy = sastaotp_intent_copy(self.intent);
                replace!(self.intent, sastaotp_intent_free, copy);
            }
        }
        read_intent(self.intent);
        let (text, mut micros) = (self.text(), 0);
        self.call(false, |error| sastaotp_amount_parse(text, &raw mut micros, error));
        let mut buffer = [1; 8];
        let size = usize::from(self.byte() % 9);
        let length = sastaotp_amount_format(micros, buffer.as_mut_ptr(), size);
        assert!(size == 0 || buffer[..size].contains(&0) || length == 0);
    }

    /// Calls every reader and every "_free" function with NULL.
    unsafe fn read_null(&mut self) {
        read_services(null());
        read_prices(null());
        read_countries(null());
        read_orders(null());
        read_order(null());
        read_unclaimed(null());
        read_reconciliation(null());
        read_status(null());
        read_sms(null());
        read_settlement(null());
        read_activation(null());
        read_intent(null());
        read_completion(null());
        read_error(null());
        sastaotp_completion_free(null_mut());
        sastaotp_error_free(null_mut());
        sastaotp_cancel_token_trigger(null());
        check_text(sastaotp_status_name(sastaotp_status(i32::from(self.byte()) - 100)));
    }

    unsafe fn free_all(&mut self) {
        fuzzing::fork(false);
        assert_eq!(sastaotp_log_set(SASTAOTP_LOG_OFF, None, null_mut(), null_mut()), SASTAOTP_OK);
        sastaotp_queue_free(self.queue);
        sastaotp_order_iterator_free(self.orders);
        sastaotp_intent_free(self.intent);
        sastaotp_lease_free(self.lease);
        sastaotp_activation_free(self.activation);
        sastaotp_cancel_token_free(self.cancel);
        sastaotp_client_free(self.handle);
        sastaotp_client_free(self.client);
    }
}

/// Checks a text of the library: valid UTF-8, without the key.
unsafe fn check_text(text: *const c_char) {
    if !text.is_null() {
        let text = CStr::from_ptr(text).to_str().expect("texts are UTF-8");
        assert!(!text.contains(KEY), "{text}");
    }
}

unsafe fn read_error(error: *const sastaotp_error) {
    texts!(error; sastaotp_error_message sastaotp_error_hint sastaotp_error_code
        sastaotp_error_fault sastaotp_error_json);
    verbatim!(error; sastaotp_error_raw);
    sastaotp_error_http_status(error);
    sastaotp_error_phase(error);
    let mut pause = u32::MAX;
    let retry = sastaotp_error_retry(error, &raw mut pause);
    assert_eq!(retry, sastaotp_error_retry(error, null_mut()));
    assert_eq!(retry == SASTAOTP_RETRY_AFTER, pause != u32::MAX);
    let charge = sastaotp_error_charge(error);
    let intent = sastaotp_error_intent(error);
    assert!(
        charge != SASTAOTP_CHARGE_UNKNOWN || error.is_null() || !intent.is_null(),
        "an unknown purchase can be reconciled"
    );
    read_intent(intent);
    parts!(error; sastaotp_error_attempt_count sastaotp_error_attempt |one| read_attempt(one));
}

unsafe fn read_intent(intent: *const sastaotp_intent) {
    texts!(intent; sastaotp_intent_json sastaotp_intent_service sastaotp_intent_country
        sastaotp_intent_operator);
    values!(intent; sastaotp_intent_max_price_micros);
}

unsafe fn read_services(services: *const sastaotp_services) {
    texts!(services; sastaotp_services_json);
    values!(services; sastaotp_services_total);
    parts!(services; sastaotp_services_count sastaotp_services_get |service| {
        texts!(service; sastaotp_service_code sastaotp_service_name sastaotp_service_logo
            sastaotp_service_currency);
        values!(service; sastaotp_service_price_micros sastaotp_service_available
            sastaotp_service_multi_sms
            sastaotp_service_expires_in_ms);
        parts!(service; sastaotp_service_offer_count sastaotp_service_offer |offer| {
            read_offer(offer);
        });
    });
}

unsafe fn read_offer(offer: *const sastaotp_offer) {
    texts!(offer; sastaotp_offer_country sastaotp_offer_country_name sastaotp_offer_flag
        sastaotp_offer_operator);
    values!(offer; sastaotp_offer_price_micros sastaotp_offer_available);
}

unsafe fn read_offers(offers: *const sastaotp_offers) {
    texts!(offers; sastaotp_offers_json);
    parts!(offers; sastaotp_offers_count sastaotp_offers_get |offer| read_offer(offer));
    read_offer(sastaotp_offers_cheapest(offers));
}

unsafe fn read_attempt(attempt: *const sastaotp_attempt) {
    texts!(attempt; sastaotp_attempt_country sastaotp_attempt_operator sastaotp_attempt_refused);
    values!(attempt; sastaotp_attempt_price_micros);
}

unsafe fn read_prices(prices: *const sastaotp_prices) {
    let count = sastaotp_prices_count(prices);
    for index in [0, count.wrapping_sub(1), count, usize::MAX] {
        let (country, service) =
            (sastaotp_prices_country(prices, index), sastaotp_prices_service(prices, index));
        check_text(country);
        check_text(service);
        check_text(sastaotp_prices_operator(prices, index));
        assert_eq!(country.is_null(), index >= count);
        let mut found = 0;
        assert_eq!(sastaotp_prices_find(prices, country, service, &raw mut found), index < count);
        let (mut price, mut available) = (0, 0);
        sastaotp_prices_price_micros(prices, index, &raw mut price);
        sastaotp_prices_available(prices, index, &raw mut available);
    }
    texts!(prices; sastaotp_prices_json);
}

unsafe fn read_countries(countries: *const sastaotp_countries) {
    texts!(countries; sastaotp_countries_json);
    parts!(countries; sastaotp_countries_count sastaotp_countries_get |country| {
        texts!(country; sastaotp_country_code sastaotp_country_name);
        sastaotp_country_is_visible(country);
    });
}

unsafe fn read_orders(orders: *const sastaotp_orders) {
    texts!(orders; sastaotp_orders_json);
    values!(orders; sastaotp_orders_total);
    parts!(orders; sastaotp_orders_count sastaotp_orders_get |order| read_order(order));
    listed_texts!(|index| sastaotp_orders_extra_order(orders, index));
}

unsafe fn read_order(order: *const sastaotp_order) {
    texts!(order; sastaotp_order_id sastaotp_order_activation_id sastaotp_order_phone_number
        sastaotp_order_service
        sastaotp_order_country sastaotp_order_status sastaotp_order_code
        sastaotp_order_json);
    values!(order; sastaotp_order_created_at_ms sastaotp_order_price_micros);
}

unsafe fn read_reconciliation(found: *const sastaotp_reconciliation) {
    texts!(found; sastaotp_reconciliation_json sastaotp_reconciliation_reason);
    sastaotp_reconciliation_is_complete(found);
    for index in 0..=sastaotp_reconciliation_count(found) {
        sastaotp_reconciliation_is_ours(found, index);
        listed_texts!(|position| sastaotp_reconciliation_evidence(found, index, position));
    }
    parts!(found; sastaotp_reconciliation_count sastaotp_reconciliation_get |order|
        read_order(order));
}

unsafe fn read_unclaimed(list: *const sastaotp_unclaimed_list) {
    texts!(list; sastaotp_unclaimed_list_json);
    parts!(list; sastaotp_unclaimed_list_count sastaotp_unclaimed_list_get |unclaimed| {
        sastaotp_unclaimed_outcome(unclaimed);
        texts!(unclaimed; sastaotp_unclaimed_message);
        read_intent(sastaotp_unclaimed_intent(unclaimed));
        read_purchase(sastaotp_unclaimed_purchase(unclaimed));
        read_error(sastaotp_unclaimed_error(unclaimed));
    });
}

unsafe fn read_purchase(purchase: *const sastaotp_purchase) {
    texts!(purchase; sastaotp_purchase_activation_id sastaotp_purchase_order_id
        sastaotp_purchase_phone_number
        sastaotp_purchase_service sastaotp_purchase_service_name sastaotp_purchase_country
        sastaotp_purchase_note sastaotp_purchase_json);
    values!(purchase; sastaotp_purchase_price_micros sastaotp_purchase_multi_sms
        sastaotp_purchase_expires_in_ms);
    listed_texts!(|index| sastaotp_purchase_warning(purchase, index));
    parts!(purchase; sastaotp_purchase_attempt_count sastaotp_purchase_attempt |one| {
        read_attempt(one);
    });
}

unsafe fn read_activation(activation: *const sastaotp_activation) {
    texts!(activation; sastaotp_activation_id sastaotp_activation_phone_number);
    values!(activation; sastaotp_activation_price_micros sastaotp_activation_expires_at_ms);
    read_purchase(sastaotp_activation_purchase(activation));
    sastaotp_activation_ending(activation);
    sastaotp_activation_sms_count(activation);
}

unsafe fn read_sms(sms: *const sastaotp_sms) {
    texts!(sms; sastaotp_sms_code sastaotp_sms_sender sastaotp_sms_json);
    verbatim!(sms; sastaotp_sms_text);
    sastaotp_sms_is_repeat(sms);
}

unsafe fn read_status(status: *const sastaotp_activation_status) {
    texts!(status; sastaotp_activation_status_text sastaotp_activation_status_json);
    sastaotp_activation_status_kind(status);
    read_sms(sastaotp_activation_status_sms(status));
}

unsafe fn read_settlement(settlement: *const sastaotp_settlement) {
    texts!(settlement; sastaotp_settlement_json);
    sastaotp_settlement_state(settlement);
    read_sms(sastaotp_settlement_sms(settlement));
}

unsafe fn read_completion(completion: *const sastaotp_completion) {
    texts!(completion; sastaotp_completion_json);
    sastaotp_completion_ticket(completion);
    let status = sastaotp_completion_status(completion);
    let error = sastaotp_completion_error(completion);
    assert!(completion.is_null() || error.is_null() == (status == SASTAOTP_OK));
    read_error(error);
    sastaotp_completion_user(completion);
    let activation = sastaotp_completion_activation(completion);
    let sms = sastaotp_completion_sms(completion);
    let settlement = sastaotp_completion_settlement(completion);
    let found = sastaotp_completion_reconciliation(completion);
    let results = [!activation.is_null(), !sms.is_null(), !settlement.is_null(), !found.is_null()];
    assert!(results.iter().filter(|is_there| **is_there).count() <= usize::from(error.is_null()));
    read_activation(activation);
    read_sms(sms);
    read_settlement(settlement);
    read_reconciliation(found);
}
