//! Runs an action and applies the fault that the request matches.

use super::actions::{ActionCall, ActionResult};
use super::fault_rules::{ClientTraits, FaultRule, FaultTiming, RequestTraits};
use super::fault_table::{Effect, ServiceFault};
use super::http_types::{Delivery, JSON, Params, Reply, TEXT};
use super::namespace::Namespace;
use super::orders::{Sms, State};
use super::paths::SERVICE_PATH;

/// The pause between the bytes of a drip, in milliseconds, unless the rule sets one.
const DRIP_MS: u32 = 200;

/// Returns the rule that this request matches, and counts the match.
pub(super) fn match_rule<'a>(
    namespace: &'a mut Namespace,
    params: &Params,
    client: ClientTraits<'_>,
    before_connect: bool,
) -> Option<&'a FaultRule> {
    if namespace.rules.is_empty() {
        return None;
    }
    let id = params.get("id");
    // A request with an id concerns the service of that order.
    let of_order = id.and_then(|id| namespace.order(id)).map(|order| order.item.code);
    let traits = RequestTraits {
        action: params.get("action").unwrap_or(""),
        service: params.get("service").or(of_order),
        id,
        client,
    };
    namespace.rules.next_match(traits, before_connect)
}

/// The effect of a rule, with the rule's own fields filled in.
struct Fault {
    name: &'static str,
    before_commit: bool,
    effect: Effect,
    status: Option<u16>,
    body: Option<String>,
    location: Option<String>,
    retry_after: Option<String>,
    every_ms: Option<u32>,
}

impl Fault {
    fn of(rule: &FaultRule) -> Self {
        Self {
            name: rule.row.name(),
            before_commit: rule.timing == FaultTiming::BeforeCommit,
            effect: rule.row.effect,
            status: rule.status,
            body: rule.body.clone(),
            location: rule.location.clone(),
            retry_after: rule.retry_after.clone(),
            every_ms: rule.every_ms,
        }
    }

    /// Turns the true reply into the faulty one.
    fn apply(self, mut reply: Reply) -> Reply {
        match self.effect {
            Effect::Deliver(Delivery::Drip(_)) => {
                reply.delivery = Delivery::Drip(self.every_ms.unwrap_or(DRIP_MS));
            }
            Effect::Deliver(delivery) => reply.delivery = delivery,
            Effect::Replace(status, content_type, body) => {
                reply = Reply::new(status, content_type, body);
            }
            Effect::Redirect(location) => {
                reply = Reply::new(302, TEXT, "<html><body>Moved</body></html>");
                let location =
                    self.location.unwrap_or_else(|| location.replace("{path}", SERVICE_PATH));
                reply.headers.push(("Location", location));
            }
            Effect::TooManyRequests(after) => {
                reply = Reply::new(
                    429,
                    TEXT,
                    "<html><body><h1>429 Too Many Requests</h1></body></html>",
                );
                if !after.is_empty() && self.retry_after.is_none() {
                    reply.headers.push(("Retry-After", after.into()));
                }
            }
            Effect::Headers(headers) => {
                reply
                    .headers
                    .extend(headers.iter().map(|&(name, value)| (name, value.to_string())));
            }
            Effect::EditBody(edit) => reply.body = edit(reply.body),
            Effect::Service(_) | Effect::Unreachable(_) => {}
        }
        if let Some(after) = self.retry_after {
            reply.headers.push(("Retry-After", after));
        }
        if let Some(status) = self.status {
            reply.status = status;
        }
        if let Some(body) = self.body {
            reply.content_type = if body.starts_with(['{', '[']) { JSON } else { TEXT };
            reply.body = body.into_bytes();
        }
        reply
    }
}

/// Carries out an action with the fault that it matches. Returns the reply, the fault's name, and
/// the reason if the action was refused.
pub(super) fn run_action(
    namespace: &mut Namespace,
    action: &str,
    params: &Params,
    client: ClientTraits<'_>,
    json: bool,
    now: u64,
) -> (Reply, Option<&'static str>, Option<String>) {
    let fault = match_rule(namespace, params, client, false).map(Fault::of);
    let service_fault = match &fault {
        Some(Fault { effect: Effect::Service(service_fault), .. }) => Some(*service_fault),
        _ => None,
    };
    if let (Some(service_fault), Some(id)) = (service_fault, params.get("id")) {
        change_order(namespace, id, service_fault, now);
    }
    let json = json != (service_fault == Some(ServiceFault::OtherFormat));
    let result = if fault.as_ref().is_some_and(|fault| fault.before_commit) {
        ActionResult::refusal("SERVER_ERROR", "the fault hit before the action took effect")
    } else {
        let mut call = ActionCall { namespace, params, now, service_fault };
        let result = call.run(action);
        if service_fault == Some(ServiceFault::Twice) {
            call.run(action);
        }
        result
    };
    let reason = result.reason.clone();
    let reply = result.reply(json);
    let name = fault.as_ref().map(|fault| fault.name);
    let reply = match fault {
        None => reply,
        Some(fault) => fault.apply(reply),
    };
    (reply, name, reason)
}

/// Changes an order before the action runs, if the fault says so.
fn change_order(namespace: &mut Namespace, id: &str, service_fault: ServiceFault, now: u64) {
    namespace.with_order(id, now, |order, _| {
        let refund = match service_fault {
            ServiceFault::Expire => order.end(State::Expired),
            ServiceFault::ProviderCancel => order.end(State::Cancelled),
            ServiceFault::Sms(text) => {
                let text = if text.is_empty() { "4821 ".repeat(820) } else { text.to_string() };
                let sms = Sms { code: text.as_str().into(), text: text.into() };
                order.replace_last(sms);
                0
            }
            _ => 0,
        };
        ((), refund)
    });
}
