//! Runs an action and applies the fault and the delay that the request matches.

use super::action_names::canonical;
use super::action_request::{ActionRequest, Fault, Performed};
use super::actions::{ActionCall, ActionResult};
use super::delays::{DelayedCall, Stage};
use super::fault_rules::{ClientTraits, FaultRule, FaultTiming, MatchStage, RequestTraits};
use super::fault_table::{Effect, ServiceFault};
use super::http_types::{Delivery, JSON, Params, Reply, TEXT};
use super::namespace::Namespace;
use super::orders::{Sms, State};
use super::paths::SERVICE_PATH;

/// The pause between the bytes of a drip, in milliseconds, unless the rule sets one.
const DRIP_MS: u32 = 200;
/// The delay of a reply in milliseconds, unless the rule sets one.
const DELAY_MS: u64 = 2_000;

/// Returns the rule that this request matches, and counts the match.
pub(super) fn match_rule<'a>(
    namespace: &'a mut Namespace,
    params: &Params,
    client: ClientTraits<'_>,
    stage: MatchStage,
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
        // The parameter `operator` pins a country.
        country: params.get("operator").or(params.get("country")),
        id,
        status: params.get("status"),
        client,
    };
    namespace.rules.next_match(traits, stage)
}

/// The progress of an action after its request arrived.
pub(super) enum Started {
    Performed(Performed),
    /// The reply is due later: `Namespace::delayed` keeps the call under the ticket.
    Delayed,
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
            delay_ms: rule.delay_ms.unwrap_or(0),
            commit_after_ms: rule.commit_after_ms,
        }
    }

    /// Whether the reply is the same before and after the action takes effect.
    fn hides_the_result(&self) -> bool {
        matches!(
            self.effect,
            Effect::Replace(..)
                | Effect::Redirect(_)
                | Effect::TooManyRequests(_)
                | Effect::Deliver(Delivery::Close | Delivery::Reset | Delivery::Stall)
        )
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
            Effect::Service(_) | Effect::Unreachable(_) | Effect::Delay => {}
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

/// Carries out an action with the fault that it matches, or keeps it under the ticket if the action
/// or the reply is due later.
pub(super) fn start_action(
    namespace: &mut Namespace,
    request: ActionRequest,
    client: ClientTraits<'_>,
    ticket: u64,
    now: u64,
) -> Started {
    let fault = match_rule(namespace, &request.params, client, MatchStage::Action).map(Fault::of);
    let delay = match_rule(namespace, &request.params, client, MatchStage::Delay)
        .map(|rule| (rule.delay_ms.unwrap_or(DELAY_MS), rule.timing == FaultTiming::BeforeCommit));
    let (delay_ms, before_commit) = delay.unwrap_or((0, false));
    let never_commits =
        fault.as_ref().is_some_and(|fault| fault.before_commit && fault.commit_after_ms.is_none());
    let commit_after = match fault.as_ref().and_then(|fault| fault.commit_after_ms) {
        Some(after) => after,
        None if before_commit && !never_commits => delay_ms,
        None => 0,
    };
    let reply_after = delay_ms + fault.as_ref().map_or(0, |fault| fault.delay_ms);
    let is_purchase = matches!(canonical(&request.action), "getNumber" | "regetNumber");
    if (commit_after, reply_after) == (0, 0) || namespace.delayed.is_full() {
        if is_purchase {
            namespace.delayed.count_immediate();
        }
        return Started::Performed(perform(namespace, &request, fault, now));
    }
    let reply_ms = now.saturating_add(reply_after);
    let commit_ms = now.saturating_add(commit_after);
    let hidden = fault.as_ref().filter(|fault| fault.hides_the_result() && reply_ms < commit_ms);
    let (stage, performed, reply_ms) = if let Some(hidden) = hidden {
        let reason = format!("the action takes effect {commit_after} ms after the request");
        let reply = hidden.clone().apply(Reply::new(200, TEXT, ""));
        let performed = Performed { reply, fault: Some(hidden.name), reason: Some(reason) };
        // The action takes effect without a client that reads its reply.
        let stage = Stage::Due { commit_ms, request, fault: None };
        if reply_after == 0 {
            (stage, Some(performed), None)
        } else {
            namespace.delayed.push(DelayedCall {
                ticket: 0,
                is_purchase: false,
                stage,
                reply_ms: None,
            });
            (Stage::Done(performed), None, Some(reply_ms))
        }
    } else if commit_after > 0 {
        (Stage::Due { commit_ms, request, fault }, None, Some(reply_ms.max(commit_ms)))
    } else {
        (Stage::Done(perform(namespace, &request, fault, now)), None, Some(reply_ms))
    };
    namespace.delayed.push(DelayedCall { ticket, is_purchase, stage, reply_ms });
    performed.map_or(Started::Delayed, Started::Performed)
}

/// Carries out the delayed actions that are due at `now`, each at its own time. Returns those
/// whose client no longer waits for the reply, with action, request and time, for the log.
pub(super) fn run_delayed(
    namespace: &mut Namespace,
    now: u64,
) -> Vec<(ActionRequest, Performed, u64)> {
    let mut unread = Vec::new();
    while let Some(mut call) = namespace.delayed.next_due(now) {
        let Stage::Due { commit_ms, request, fault } = call.stage else { continue };
        let performed = perform(namespace, &request, fault, commit_ms);
        if call.reply_ms.is_some() {
            call.stage = Stage::Done(performed);
            namespace.delayed.push(call);
        } else {
            unread.push((request, performed, commit_ms));
        }
    }
    unread
}

/// Carries out an action with a fault.
pub(super) fn perform(
    namespace: &mut Namespace,
    request: &ActionRequest,
    fault: Option<Fault>,
    now: u64,
) -> Performed {
    let ActionRequest { action, params, json } = request;
    let service_fault = match &fault {
        Some(Fault { effect: Effect::Service(service_fault), .. }) => Some(*service_fault),
        _ => None,
    };
    if let (Some(service_fault), Some(id)) = (service_fault, params.get("id")) {
        change_order(namespace, id, service_fault, now);
    }
    let json = *json != (service_fault == Some(ServiceFault::OtherFormat));
    let never_commits = |fault: &Fault| fault.before_commit && fault.commit_after_ms.is_none();
    let result = if fault.as_ref().is_some_and(never_commits) {
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
    Performed { reply, fault: name, reason }
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
