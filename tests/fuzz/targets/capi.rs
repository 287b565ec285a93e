//! Fuzzes sequences of calls from C: in any order, with NULL, with invalid text, on objects that a
//! fork copied, against an in-memory sandbox whose faults are part of the sequence. Misuse that the
//! header forbids, such as using a freed object, is not included, because its outcome is undefined.
#![no_main]
#![allow(unsafe_op_in_unsafe_fn)]

use std::ffi::{CStr, CString, c_char};
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
        config: null_mut(),
        cancel: null_mut(),
        request: null_mut(),
        options: null_mut(),
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
    config: *mut sastaotp_config,
    cancel: *mut sastaotp_cancel_token,
    request: *mut sastaotp_number_request,
    options: *mut sastaotp_wait_options,
    activation: *mut sastaotp_activation,
    lease: *mut sastaotp_lease,
    intent: *mut sastaotp_intent,
    orders: *mut sastaotp_order_iterator,
    queue: *mut sastaotp_queue,
    ticket: u64,
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
        assert!(
            (SASTAOTP_OK.0..=SASTAOTP_INTERNAL.0).contains(&status.0)
                && status != SASTAOTP_INTERNAL
        );
        assert!(
            !(bound && self.child) || status == SASTAOTP_CONFIG,
            "a child used an object of its parent"
        );
        if !no_error {
            assert_eq!(status == SASTAOTP_OK, error.is_null());
            if !error.is_null() {
                assert_eq!(sastaotp_error_kind(error), status);
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

    /// Builders, which do not belong to a process.
    unsafe fn build(&mut self) {
        let (which, text, micros) =
            (self.byte() % 12, self.text(), i64::from(self.byte()) * 1_000_000 - 1_000_000);
        let (request, options) = (self.request, self.options);
        match which {
            0..=3 => {
                let service = self.pick(&SERVICES).as_ptr();
                let made =
                    self.make(false, |out, error| sastaotp_number_request_new(service, out, error));
                replace!(self.request, sastaotp_number_request_free, made);
                let statements = self.byte();
                if statements & 1 == 0 {
                    self.call(false, |error| sastaotp_number_request_accept_any_price(made, error));
                }
                if statements & 2 == 0 {
                    self.call(false, |error| sastaotp_number_request_any_country(made, error));
                }
            }
            4 => {
                self.call(false, |error| sastaotp_number_request_set_country(request, text, error));
            }
            5 => {
                self.call(false, |error| {
                    sastaotp_number_request_set_max_price(request, micros, error)
                });
            }
            6 => {
                self.call(false, |error| {
                    sastaotp_number_request_set_operator(request, text, error)
                });
            }
            7 => {
                self.call(false, |error| sastaotp_number_request_ask_multi_sms(request, error));
            }
            8 => replace!(self.options, sastaotp_wait_options_free, sastaotp_wait_options_new()),
            9 => {
                let millis = self.millis();
                self.call(false, |error| {
                    sastaotp_wait_options_set_interval_ms(options, millis, error)
                });
            }
            10 => {
                self.call(false, |error| sastaotp_wait_options_accept_same_code(options, error));
            }
            _ => {
                self.call(false, |error| sastaotp_wait_options_cancel_on_timeout(options, error));
            }
        }
    }

    /// Settings. The target never creates a real client, because it would use the network.
    unsafe fn configure(&mut self) {
        let (which, text, small) = (self.byte() % 12, self.text(), i32::from(self.byte()) - 2);
        let config = self.config;
        let pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        match which {
            0 | 1 => replace!(self.config, sastaotp_config_free, sastaotp_config_new()),
            2 => {
                self.call(false, |error| {
                    sastaotp_config_set_api_key_location(
                        config,
                        sastaotp_api_key_location(small),
                        error,
                    )
                });
            }
            3 => {
                self.call(false, |error| sastaotp_config_set_base_url(config, text, error));
            }
            4 => {
                self.call(false, |error| sastaotp_config_set_user_agent(config, text, error));
            }
            5 => {
                let (place, length) =
                    if small < 0 { (null(), 7) } else { (pem.as_ptr(), pem.len()) };
                self.call(false, |error| sastaotp_config_add_ca_pem(config, place, length, error));
            }
            6 => {
                self.call(false, |error| {
                    sastaotp_config_set_max_connections(config, small.unsigned_abs(), error)
                });
            }
            7 => {
                self.call(false, |error| sastaotp_config_set_budget(config, small.into(), error));
            }
            8 => {
                self.call(false, |error| {
                    sastaotp_config_set_timeout_ms(config, small.unsigned_abs(), error)
                });
            }
            9 => {
                let count = small.unsigned_abs();
                self.call(false, |error| {
                    sastaotp_config_set_max_requests_per_minute(config, count, error)
                });
            }
            10 => {
                let odd =
                    [c"".as_ptr(), c"\xff".as_ptr(), c"a b".as_ptr(), null()][(small & 3) as usize];
                self.call(false, |error| sastaotp_config_set_api_key(config, odd, error));
            }
            _ => {
                let made = self.make(false, |out, error| sastaotp_client_new(config, out, error));
                assert!(made.is_null(), "the key is missing");
            }
        }
    }

    unsafe fn handle(&mut self) {
        let (client, cancel, which) = (self.client(), self.cancel, self.byte());
        let millis = self.millis();
        let made = match which % 3 {
            0 => self
                .make(true, |out, error| sastaotp_client_with_cancel(client, cancel, out, error)),
            1 => self.make(true, |out, error| {
                sastaotp_client_with_timeout_ms(client, millis, out, error)
            }),
            _ => null_mut(),
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
        let (which, client, text) = (self.byte() % 12, self.client(), self.text());
        values!(client; sastaotp_client_budget_left);
        match which {
            0 | 1 => {
                let balance =
                    self.make(true, |out, error| sastaotp_client_get_balance(client, out, error));
                read_balance(balance);
                sastaotp_balance_free(balance);
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
            }
            4 if self.byte() == 1 => {
                let countries = self.make(true, |out, error| match text.is_null() {
                    true => sastaotp_client_get_countries(client, out, error),
                    false => sastaotp_client_find_country(client, text, out, error),
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
            10 => {
                let id = self.id();
                let status = self.make(true, |out, error| {
                    sastaotp_client_get_status(client, id.as_ptr(), out, error)
                });
                read_status(status);
                sastaotp_activation_status_free(status);
            }
            _ => {
                let (id, status) =
                    (self.id(), sastaotp_set_status(i32::from(self.byte() % 12) - 2));
                let change = self.make(true, |out, error| {
                    sastaotp_client_set_status(client, id.as_ptr(), status, out, error)
                });
                texts!(change; sastaotp_status_change_text sastaotp_status_change_json);
                sastaotp_status_change_kind(change);
                sastaotp_status_change_free(change);
            }
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
        let (which, client, request, intent) =
            (self.byte() % 8, self.client(), self.request, self.intent);
        let activation = self.activation;
        let id = self.id();
        let micros = i64::from(self.byte()) * 1_000_000 - 128_000_000;
        let bought = match which {
            0..=2 => self
                .make(true, |out, error| sastaotp_client_get_number(client, request, out, error)),
            3 => self.make(true, |out, error| sastaotp_client_buy(client, intent, out, error)),
            4 => self.make(true, |out, error| {
                if micros < 0 {
                    sastaotp_client_reget_number_at_any_price(client, id.as_ptr(), out, error)
                } else {
                    sastaotp_client_reget_number(client, id.as_ptr(), micros, out, error)
                }
            }),
            5 => self.make(true, |out, error| {
                if micros < 0 {
                    sastaotp_activation_reget_number_at_any_price(activation, out, error)
                } else {
                    sastaotp_activation_reget_number(activation, micros, out, error)
                }
            }),
            6 => self.make(true, |out, error| {
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

    unsafe fn settle(&mut self) {
        let (which, millis, options, cancel) =
            (self.byte() % 14, self.millis(), self.options, self.cancel);
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
            8 => {
                let made = match millis & 1 {
                    0 => self.make(true, |again, error| {
                        sastaotp_activation_with_cancel(activation, cancel, again, error)
                    }),
                    _ => self.make(true, |again, error| {
                        sastaotp_activation_with_timeout_ms(activation, millis, again, error)
                    }),
                };
                if !made.is_null() {
                    replace!(self.activation, sastaotp_activation_free, made);
                }
            }
            9 => {
                if millis % 8 == 0 {
                    self.call(true, |error| sastaotp_activation_keep(activation, error));
                }
                let sms = sastaotp_activation_code(activation);
                read_sms(sms);
                sastaotp_sms_free(sms);
                let sms = sastaotp_activation_code_at(activation, millis as usize);
                read_sms(sms);
                sastaotp_sms_free(sms);
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
            (self.byte() % 16, self.client(), u32::from(self.byte() % 4));
        let queue = self.queue;
        match which {
            0 => {
                let made = match workers {
                    3 => self.make(true, |out, error| sastaotp_queue_new(client, out, error)),
                    _ => self.make(true, |out, error| {
                        sastaotp_queue_new_with_workers(client, workers, out, error)
                    }),
                };
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
                if self
                    .call(true, |error| sastaotp_queue_submit(queue, text, &raw mut ticket, error))
                {
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
                    sastaotp_queue_submit(queue, c"{}".as_ptr(), null_mut(), error)
                });
            }
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

    /// Creates, saves, reads back and copies intents.
    unsafe fn use_intents(&mut self) {
        let (client, request) = (self.client(), self.request);
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
        read_balance(null());
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
        sastaotp_queue_free(self.queue);
        sastaotp_order_iterator_free(self.orders);
        sastaotp_intent_free(self.intent);
        sastaotp_lease_free(self.lease);
        sastaotp_activation_free(self.activation);
        sastaotp_wait_options_free(self.options);
        sastaotp_number_request_free(self.request);
        sastaotp_cancel_token_free(self.cancel);
        sastaotp_config_free(self.config);
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
        sastaotp_error_fault sastaotp_error_raw
        sastaotp_error_json);
    values!(error; sastaotp_error_retry_after_ms);
    sastaotp_error_http_status(error);
    sastaotp_error_phase(error);
    sastaotp_error_retry(error);
    let charge = sastaotp_error_charge(error);
    let intent = sastaotp_error_intent(error);
    assert!(
        charge != SASTAOTP_CHARGE_UNKNOWN || !intent.is_null(),
        "an unknown purchase can be reconciled"
    );
    read_intent(intent);
}

unsafe fn read_intent(intent: *const sastaotp_intent) {
    texts!(intent; sastaotp_intent_json sastaotp_intent_service sastaotp_intent_country
        sastaotp_intent_operator sastaotp_intent_reget_of);
    values!(intent; sastaotp_intent_max_price sastaotp_intent_watermark);
    sastaotp_intent_started_at_ms(intent);
}

unsafe fn read_balance(balance: *const sastaotp_balance) {
    texts!(balance; sastaotp_balance_currency sastaotp_balance_json);
    sastaotp_balance_amount(balance);
}

unsafe fn read_services(services: *const sastaotp_services) {
    texts!(services; sastaotp_services_json);
    parts!(services; sastaotp_services_count sastaotp_services_get |service| {
        texts!(service; sastaotp_service_code sastaotp_service_name);
        values!(service; sastaotp_service_price sastaotp_service_available
            sastaotp_service_multi_sms
            sastaotp_service_expires_in_ms);
        parts!(service; sastaotp_service_offer_count sastaotp_service_offer |offer| {
            texts!(offer; sastaotp_offer_country sastaotp_offer_country_name);
            values!(offer; sastaotp_offer_price sastaotp_offer_available);
        });
    });
}

unsafe fn read_prices(prices: *const sastaotp_prices) {
    let count = sastaotp_prices_count(prices);
    for index in [0, count.wrapping_sub(1), count, usize::MAX] {
        let (country, service) =
            (sastaotp_prices_country(prices, index), sastaotp_prices_service(prices, index));
        check_text(country);
        check_text(service);
        assert_eq!(country.is_null(), index >= count);
        let mut found = 0;
        assert_eq!(sastaotp_prices_find(prices, country, service, &raw mut found), index < count);
        let (mut price, mut available) = (0, 0);
        sastaotp_prices_price(prices, index, &raw mut price);
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
}

unsafe fn read_order(order: *const sastaotp_order) {
    texts!(order; sastaotp_order_id sastaotp_order_activation_id sastaotp_order_phone_number
        sastaotp_order_service
        sastaotp_order_country sastaotp_order_status sastaotp_order_code
        sastaotp_order_created_text sastaotp_order_json);
    values!(order; sastaotp_order_created_at_ms sastaotp_order_price);
}

unsafe fn read_reconciliation(found: *const sastaotp_reconciliation) {
    texts!(found; sastaotp_reconciliation_json sastaotp_reconciliation_reason);
    sastaotp_reconciliation_is_complete(found);
    for index in 0..=sastaotp_reconciliation_count(found) {
        sastaotp_reconciliation_is_ours(found, index);
        for position in 0..=sastaotp_reconciliation_evidence_count(found, index) {
            check_text(sastaotp_reconciliation_evidence(found, index, position));
        }
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
        sastaotp_purchase_service sastaotp_purchase_country sastaotp_purchase_json);
    values!(purchase; sastaotp_purchase_price sastaotp_purchase_multi_sms
        sastaotp_purchase_expires_in_ms);
    parts!(purchase; sastaotp_purchase_warning_count sastaotp_purchase_warning |warning|
        check_text(warning));
}

unsafe fn read_activation(activation: *const sastaotp_activation) {
    texts!(activation; sastaotp_activation_id sastaotp_activation_phone_number);
    values!(activation; sastaotp_activation_price sastaotp_activation_expires_at_ms);
    read_purchase(sastaotp_activation_purchase(activation));
    sastaotp_activation_ending(activation);
    sastaotp_activation_code_count(activation);
}

unsafe fn read_sms(sms: *const sastaotp_sms) {
    texts!(sms; sastaotp_sms_code sastaotp_sms_text sastaotp_sms_sender sastaotp_sms_received_text
        sastaotp_sms_json);
    sastaotp_sms_is_repeat(sms);
}

unsafe fn read_status(status: *const sastaotp_activation_status) {
    texts!(status; sastaotp_activation_status_last_code sastaotp_activation_status_text
        sastaotp_activation_status_json);
    sastaotp_activation_status_kind(status);
    read_sms(sastaotp_activation_status_sms(status));
}

unsafe fn read_settlement(settlement: *const sastaotp_settlement) {
    texts!(settlement; sastaotp_settlement_json);
    sastaotp_settlement_state(settlement);
    read_sms(sastaotp_settlement_code(settlement));
}

unsafe fn read_completion(completion: *const sastaotp_completion) {
    texts!(completion; sastaotp_completion_json);
    sastaotp_completion_ticket(completion);
    let status = sastaotp_completion_status(completion);
    let error = sastaotp_completion_error(completion);
    assert_eq!(error.is_null(), status == SASTAOTP_OK);
    read_error(error);
}
