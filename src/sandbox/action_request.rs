//! A request for an action, the fault that it meets, and its reply.

use super::fault_table::Effect;
use super::http_types::{Params, Reply};

/// A request for an action.
pub(super) struct ActionRequest {
    pub(super) action: String,
    pub(super) params: Params,
    pub(super) json: bool,
}

/// An action that was carried out, and its reply.
pub(super) struct Performed {
    pub(super) reply: Reply,
    pub(super) fault: Option<&'static str>,
    /// Why the action was refused, for the log.
    pub(super) reason: Option<String>,
}

/// The effect of a rule, with the rule's own fields filled in.
#[derive(Clone)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) before_commit: bool,
    pub(super) effect: Effect,
    pub(super) status: Option<u16>,
    pub(super) body: Option<String>,
    pub(super) location: Option<String>,
    pub(super) retry_after: Option<String>,
    pub(super) every_ms: Option<u32>,
    pub(super) delay_ms: u64,
    /// How long after the request the action takes effect, whatever the reply is.
    pub(super) commit_after_ms: Option<u64>,
}
