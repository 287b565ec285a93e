//! The service without sockets: a request and a time in, a reply out.
//!
//! It owns the namespaces, checks the key, applies faults and writes the log. It reads no clock,
//! and its random numbers are a function of the key, so the same requests at the same times always
//! get the same replies.

use std::collections::{HashMap, VecDeque};

use super::action_request::{ActionRequest, Performed};
use super::actions::ActionResult;
use super::control_api;
use super::fault_injection::{self, Started, match_rule, start_action};
use super::fault_rules::{ClientTraits, MatchStage};
use super::fault_table::{Effect, Unreachable};
use super::http_types::{Delivery, Params, Reply, Request};
use super::namespace::{LogEntry, Namespace};
use super::paths::{CONTROL_PATH, SERVICE_PATH};

/// How many keys are kept; beyond that, the key with the oldest first use is discarded. This many
/// keys with one order each take 12 MB.
const MAX_NAMESPACES: usize = 5_000;
/// The log limits in entries: for all keys together, and the maximum and minimum for one key.
const LOG_LIMITS: (usize, usize, usize) = (10_000, 1_000, 10);

/// The service: small, deterministic and without sockets.
///
/// ```
/// use sastaotp::sandbox::{Request, Service};
///
/// let mut service = Service::new();
/// let request = Request {
///     method: "GET",
///     path: "/stubs/handler_api.php",
///     query: "api_key=example&action=getBalance",
///     host: Some("localhost"),
///     ..Request::default()
/// };
/// assert_eq!(service.handle(&request, 0).body, b"ACCESS_BALANCE:1000.00");
/// ```
#[derive(Default)]
pub struct Service {
    namespaces: HashMap<Box<str>, Namespace>,
    /// The keys in the order of their first use.
    oldest: VecDeque<Box<str>>,
    /// Whether requests arrive through the in-memory transport, which can also cause faults before
    /// a connection.
    in_memory: bool,
    /// The number of calls so far. The inbox compares it to see whether anything has changed.
    call_count: u64,
    /// The number of keys ever seen.
    keys_seen: u64,
}

/// A request that was passed to the service.
pub(super) enum Handled {
    Replied(Reply),
    /// The reply is due later: [`Service::reply_of`] returns it for this ticket.
    Delayed(u64),
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Leaves out the keys of the map, because they are secrets.
        f.debug_struct("Service")
            .field("namespaces", &self.namespaces.len())
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Creates a service without any keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows the faults that prevent a connection, which only the in-memory transport can cause.
    pub(super) fn allow_unreachable_faults(&mut self) {
        self.in_memory = true;
    }

    /// Answers a request at `now`, in milliseconds since 1970. A reply that a fault delays is
    /// returned at once.
    pub fn handle(&mut self, request: &Request<'_>, now: u64) -> Reply {
        match self.start(request, now) {
            Handled::Replied(reply) => reply,
            Handled::Delayed(ticket) => self.reply_without_delay(request, ticket, now),
        }
    }

    /// Passes a request to the service at `now`.
    pub(super) fn start(&mut self, request: &Request<'_>, now: u64) -> Handled {
        if let Some(refusal) = host_refusal(request) {
            return Handled::Replied(refusal);
        }
        if let Some(call) = request.path.strip_prefix(CONTROL_PATH) {
            return Handled::Replied(self.control(call, request, now));
        }
        if request.path != SERVICE_PATH {
            return Handled::Replied(Reply::text(
                404,
                format!(
                    "Not found: the service is at {SERVICE_PATH}, the control calls are under \
                     {CONTROL_PATH}.\n"
                ),
            ));
        }
        if request.method != "GET" {
            return Handled::Replied(self.refuse_method(request, now));
        }
        self.start_action(request, now)
    }

    /// Returns the delayed reply of a request if it is due. Otherwise the error is the number of
    /// milliseconds until it is due, or `None` if the clock of the key stands still.
    pub(super) fn reply_of(
        &mut self,
        request: &Request<'_>,
        ticket: u64,
        now: u64,
    ) -> Result<Reply, Option<u64>> {
        let (limit, Some(namespace)) = self.delayed_by(request) else {
            return Ok(forgotten());
        };
        // The namespace was reset.
        let Some(due_ms) = namespace.delayed.due_ms(ticket) else { return Ok(forgotten()) };
        match namespace.time.real_until(due_ms, now) {
            Some(0) => {}
            left => return Err(left),
        }
        run_delayed(namespace, limit, namespace.time.now(now));
        Ok(take_delayed(namespace, limit, request, ticket, now))
    }

    /// Returns the delayed reply of a request as it will be when it is due.
    pub(super) fn reply_without_delay(
        &mut self,
        request: &Request<'_>,
        ticket: u64,
        now: u64,
    ) -> Reply {
        let (limit, Some(namespace)) = self.delayed_by(request) else { return forgotten() };
        let due_ms = namespace.delayed.due_ms(ticket).unwrap_or(0);
        run_delayed(namespace, limit, due_ms);
        take_delayed(namespace, limit, request, ticket, now)
    }

    /// Records that the client of a delayed request is gone. The action still takes effect.
    pub(super) fn abandon(&mut self, request: &Request<'_>, ticket: u64) {
        if let (_, Some(namespace)) = self.delayed_by(request) {
            namespace.delayed.abandon(ticket);
        }
    }

    /// Returns the namespace of a request, and the limit of its log.
    fn delayed_by(&mut self, request: &Request<'_>) -> (usize, Option<&mut Namespace>) {
        let limit = self.log_limit();
        let params = Params::parse(request.query);
        let key = key_of(request, &params).map(|(key, _)| key);
        (limit, key.and_then(|key| self.namespaces.get_mut(key)))
    }

    /// The number of log entries that a key may have.
    fn log_limit(&self) -> usize {
        let (total, most, least) = LOG_LIMITS;
        (total / self.namespaces.len().max(1)).clamp(least, most)
    }

    /// Makes a control call without HTTP. An empty body reads, except for `reset`.
    pub(super) fn control_call(
        &mut self,
        key: &str,
        call: &str,
        body: &str,
        now: u64,
    ) -> Result<String, String> {
        let reads = body.is_empty() && call != "reset";
        let request = Request {
            method: if reads { "GET" } else { "POST" },
            api_key: Some(key),
            body: body.as_bytes(),
            ..Request::default()
        };
        let reply = self.control(call, &request, now);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        if reply.status == 200 { Ok(text) } else { Err(text) }
    }

    /// Returns why the service cannot be reached, if a fault rule says so for this request.
    pub(super) fn unreachable(&mut self, request: &Request<'_>) -> Option<Unreachable> {
        let params = Params::parse(request.query);
        let (key, client) = key_of(request, &params)?;
        let namespace = self.namespaces.get_mut(key)?;
        let rule = match_rule(namespace, &params, client, MatchStage::Connect)?;
        match rule.row.effect {
            Effect::Unreachable(unreachable) => Some(unreachable),
            _ => None,
        }
    }

    fn start_action(&mut self, request: &Request<'_>, now: u64) -> Handled {
        let params = Params::parse(request.query);
        let json = params.get("format").is_some_and(|format| format.eq_ignore_ascii_case("json"));
        let Some((key, client)) = key_of(request, &params) else {
            return Handled::Replied(ActionResult::refusal("BAD_KEY", "").reply(json));
        };
        let limit = self.log_limit();
        let namespace = self.namespace(key);
        let ticket = namespace.used;
        let now = namespace.time.now(now);
        run_delayed(namespace, limit, now);
        let action = params.get("action").unwrap_or("").to_string();
        let request = request_without_key(&params);
        let refusal = |code, reason: &str| Performed {
            reply: ActionResult::refusal(code, reason).reply(json),
            fault: None,
            reason: Some(reason.to_string()),
        };
        let performed = match refused_key(key) {
            Some((code, reason)) => refusal(code, reason),
            None if action.is_empty() => {
                refusal("MISSING_PARAMS", "the parameter \"action\" is missing")
            }
            None => {
                let wanted = ActionRequest { action: action.clone(), params: params.clone(), json };
                match start_action(namespace, wanted, client, ticket, now) {
                    Started::Performed(performed) => performed,
                    Started::Delayed => return Handled::Delayed(ticket),
                }
            }
        };
        namespace.push_log(log_entry(&action, request, &performed, now), limit);
        Handled::Replied(performed.reply)
    }

    /// Refuses a request to the service that is not a GET, and logs the reason for its key.
    fn refuse_method(&mut self, request: &Request<'_>, now: u64) -> Reply {
        let mut reply = Reply::text(405, "Not allowed: send the service a GET request.\n");
        reply.headers.push(("Allow", "GET".into()));
        // A form in the body may contain the key and the action.
        let form = std::str::from_utf8(request.body).unwrap_or("");
        let params = Params::parse(&format!("{}&{form}", request.query));
        let Some((key, _)) = key_of(request, &params) else { return reply };
        let limit = self.log_limit();
        let namespace = self.namespace(key);
        let now = namespace.time.now(now);
        let action = params.get("action").unwrap_or("");
        let method: String = request.method.chars().take(10).collect();
        let reason = format!("sent as {method}: the sandbox answers only GET, and nothing is done");
        let performed = Performed { reply, fault: None, reason: Some(reason) };
        let entry = log_entry(action, request_without_key(&params), &performed, now);
        namespace.push_log(entry, limit);
        performed.reply
    }

    pub(super) fn control(&mut self, call: &str, request: &Request<'_>, now: u64) -> Reply {
        if call == "health" {
            return control_api::health();
        }
        let params = Params::parse(request.query);
        let Some((key, _)) = key_of(request, &params) else {
            let sentence = "Send the API key, which selects the namespace: ?api_key=KEY, \
                            Authorization: Bearer KEY, or X-API-Key: KEY.";
            return control_api::refusal(401, sentence);
        };
        let (in_memory, limit) = (self.in_memory, self.log_limit());
        if call == "reset" && request.method == "POST" {
            let namespace = self.namespace(key);
            let (number, used) = (namespace.number, namespace.used);
            *namespace = Namespace::new(key);
            (namespace.number, namespace.created_at_call, namespace.used) = (number, used, used);
            return control_api::done();
        }
        let namespace = self.namespace(key);
        run_delayed(namespace, limit, namespace.time.now(now));
        control_api::run(namespace, call, request, now, in_memory)
    }

    fn namespace(&mut self, key: &str) -> &mut Namespace {
        if !self.namespaces.contains_key(key) {
            while self.namespaces.len() >= MAX_NAMESPACES {
                let Some(oldest) = self.oldest.pop_front() else { break };
                self.namespaces.remove(&oldest);
            }
            self.oldest.push_back(key.into());
            self.keys_seen += 1;
            let mut namespace = Namespace::new(key);
            (namespace.number, namespace.created_at_call) = (self.keys_seen, self.call_count + 1);
            self.namespaces.insert(key.into(), namespace);
        }
        let namespace = self.namespaces.get_mut(key).expect("inserted above");
        self.call_count += 1;
        namespace.used = self.call_count;
        namespace
    }

    /// Returns all namespaces and the call count, for the inbox.
    pub(super) fn namespaces(&mut self) -> (&mut HashMap<Box<str>, Namespace>, u64) {
        (&mut self.namespaces, self.call_count)
    }
}

/// Carries out the delayed actions of a namespace that are due, and logs those whose reply nothing
/// else logs.
fn run_delayed(namespace: &mut Namespace, limit: usize, now: u64) {
    for (request, performed, at_ms) in fault_injection::run_delayed(namespace, now) {
        let text = request_without_key(&request.params);
        let mut entry = log_entry(&request.action, text, &performed, at_ms);
        let reason = entry.reason.as_deref().map(|reason| format!(": {reason}"));
        entry.reason = Some(
            format!("took effect after the client was gone{}", reason.unwrap_or_default()).into(),
        );
        namespace.push_log(entry, limit);
    }
}

/// Removes the delayed reply of a request, and logs it.
fn take_delayed(
    namespace: &mut Namespace,
    limit: usize,
    request: &Request<'_>,
    ticket: u64,
    now: u64,
) -> Reply {
    let Some(performed) = namespace.delayed.take(ticket) else { return forgotten() };
    let params = Params::parse(request.query);
    let action = params.get("action").unwrap_or("");
    let now = namespace.time.now(now);
    namespace.push_log(log_entry(action, request_without_key(&params), &performed, now), limit);
    performed.reply
}

/// The reply of a delayed request whose namespace was reset: the connection closes.
fn forgotten() -> Reply {
    Reply { delivery: Delivery::Close, ..Reply::text(503, "") }
}

fn log_entry(action: &str, request: Box<str>, performed: &Performed, at_ms: u64) -> LogEntry {
    let Performed { reply, fault, reason } = performed;
    LogEntry {
        at_ms,
        action: truncated(action, 40),
        request,
        status: reply.status,
        reply: String::from_utf8_lossy(&reply.body[..reply.body.len().min(120)]).into(),
        fault: *fault,
        reason: reason.as_ref().map(|reason| truncated(reason, 200)),
    }
}

/// Refuses a request whose `Host` is not this machine's loopback.
pub(super) fn host_refusal(request: &Request<'_>) -> Option<Reply> {
    let sentence =
        "The sandbox answers only requests whose Host is 127.0.0.1, localhost or [::1].\n";
    (!request.host.is_some_and(is_loopback)).then(|| Reply::text(403, sentence))
}

/// Returns the API key and how the client identifies itself. The key is taken from the query, else
/// from `Authorization`, else from `X-API-Key`.
fn key_of<'a>(request: &'a Request<'_>, params: &'a Params) -> Option<(&'a str, ClientTraits<'a>)> {
    let bearer =
        || request.authorization.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    let (key, api_key_location) = params
        .get("api_key")
        .map(|key| (key, "query"))
        .or_else(|| Some((bearer()?, "bearer")))
        .or_else(|| Some((request.api_key?, "header")))?;
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    let client = ClientTraits { api_key_location, agent: request.user_agent };
    (visible && (1..=256).contains(&key.len())).then_some((key, client))
}

/// The keys that are always refused, each with its error code and the reason.
fn refused_key(key: &str) -> Option<(&'static str, &'static str)> {
    match key {
        "sandbox_bad" => Some(("BAD_KEY", "the key sandbox_bad is never valid")),
        "sandbox_inactive" => Some(("KEY_INACTIVE", "the key sandbox_inactive is always inactive")),
        "sandbox_banned" => {
            Some(("ACCOUNT_BANNED", "the account of the key sandbox_banned is always banned"))
        }
        _ => None,
    }
}

/// Whether a `Host` header names this machine's loopback, with or without a port.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    };
    let known = ["localhost", "[::1]"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let address = || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    port.bytes().all(|byte| byte.is_ascii_digit()) && (known || address())
}

/// The request without its key, for the log.
fn request_without_key(params: &Params) -> Box<str> {
    let mut text = String::new();
    for (name, value) in params.without_key() {
        let gap = if text.is_empty() { "" } else { "&" };
        text.extend([gap, name, "=", value]);
    }
    truncated(&text, 200)
}

/// Truncates a text: a client may send 16 KiB of it, and the log keeps many.
fn truncated(text: &str, limit: usize) -> Box<str> {
    text.chars().take(limit).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_hosts_are_served() {
        for host in ["127.0.0.1", "127.0.0.1:80", "LOCALHOST:1", "[::1]", "[::1]:8080", "127.9.9.9"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "127.0.0.1.example.com",
            "localhost.example:80",
            "::1",
            "10.0.0.1",
            "localhost:80@x",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    fn get(query: &str) -> Request<'_> {
        Request {
            method: "GET",
            path: SERVICE_PATH,
            query,
            host: Some("localhost"),
            ..Request::default()
        }
    }

    #[test]
    fn keys_have_three_locations_and_some_are_special() {
        let mut service = Service::new();
        let balance = get("action=getBalance");
        for (request, body) in [
            (balance, "BAD_KEY"),
            (get("action=getBalance&api_key=k"), "ACCESS_BALANCE:1000.00"),
            (Request { authorization: Some("Bearer k"), ..balance }, "ACCESS_BALANCE:1000.00"),
            (Request { api_key: Some("k"), ..balance }, "ACCESS_BALANCE:1000.00"),
            (Request { api_key: Some("k k"), ..balance }, "BAD_KEY"),
            (Request { authorization: Some("Basic k"), ..balance }, "BAD_KEY"),
            (Request { api_key: Some("sandbox_bad"), ..balance }, "BAD_KEY"),
            (Request { api_key: Some("sandbox_inactive"), ..balance }, "KEY_INACTIVE"),
            (Request { api_key: Some("sandbox_banned"), ..balance }, "ACCOUNT_BANNED"),
            (Request { api_key: Some("sandbox_poor"), ..balance }, "ACCESS_BALANCE:0.00"),
            (Request { api_key: Some("sandbox_rich"), ..balance }, "ACCESS_BALANCE:100000.00"),
            (get("api_key=k"), "MISSING_PARAMS"),
            (get("api_key=k&action=getbalance"), "BAD_ACTION"),
        ] {
            assert_eq!(
                String::from_utf8(service.handle(&request, 0).body).unwrap(),
                body,
                "{request:?}"
            );
        }
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let mut service = Service::new();
        for key in 0..MAX_NAMESPACES + 10 {
            service.handle(&get(&format!("api_key=k{key}&action=getBalance")), 0);
        }
        assert_eq!(
            (service.namespaces.len(), service.oldest.len()),
            (MAX_NAMESPACES, MAX_NAMESPACES)
        );
        assert!(!service.namespaces.contains_key("k9") && service.namespaces.contains_key("k10"));
    }
}
