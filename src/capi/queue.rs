//! Many operations at once, for event loops and the bindings: JSON in, JSON out.

use std::ffi::{CString, c_char};
use std::os::fd::AsRawFd;
use std::ptr::null;

use super::boundary::{
    Object, call, clear_result, create, duration, free, null_argument, read_or, required,
    required_text,
};
use super::c_strings::c_string;
use super::client::{as_client, sastaotp_client};
use super::error::{SASTAOTP_OK, sastaotp_error, sastaotp_status, status_of};
use super::fork_guard::ForkGuarded;
use super::pointer;
use super::unclaimed::sastaotp_unclaimed_list;
use crate::{Completion, Error, Operation, Queue, Result, Ticket};

/// Runs operations in the background, on a pool of workers that grows and shrinks. Any number of
/// threads may use it at once.
///
/// An operation is a JSON object with a name, `op`, and arguments, such as
/// {"op":"get_number","service":"tg","country":"22","max_price":"80"} or
/// {"op":"wait_for_code","id":"38496653","timeout_ms":300000}. The operations, most of which have
/// the name of a function, are: get_balance; get_services (service); get_prices (service, country);
/// get_countries; find_country (name); get_orders (limit, page, status); get_number, lease and
/// intend (service, a country, a price, multi_sms); buy (intent); reget_number (id, a price);
/// get_status (id); set_status (id, status); wait_for_code (id, timeout_ms, interval_ms,
/// accept_same_code, cancel_on_timeout); mark_sms_sent, request_next_code, cancel (id); complete
/// (id, without_code); settle (id, on_too_early: "fail", the default, or "wait"); keep (id);
/// mark_unclaimed (id), which lists a number that no caller holds any longer as unclaimed;
/// reconcile (intent, timeout_ms: 60,000 by default); resolve (intent, and not_made: true or
/// activation_id); settle_leftover_leases (on_too_early); unclaimed; finish (timeout_ms: 10,000 by
/// default); budget_left. The caller settles the number of a lease. If the process ends first,
/// settle_leftover_leases of the next process with the same journal settles it. Required are name,
/// id, status of set_status, timeout_ms of wait_for_code, intent, and service, a country and a
/// price of a purchase. A country is country, any_country: true, or operator, which may be beside
/// country. A price is max_price as text, max_price_micros, or accept_any_price: true. If two of
/// them disagree, the operation is refused. null counts as absent. An id is a text in quotes. An
/// intent is the object that sastaotp_intent_json returns.
///
/// The result of an operation is the "_json" of its function's result. For get_number, lease, buy
/// and reget_number it is id, phone_number, price_micros, expires_at_ms, purchase: pass the id to
/// wait_for_code.
pub struct sastaotp_queue(ForkGuarded<Queue>);

impl Object for sastaotp_queue {
    const NAME: &'static str = "queue";
}

/// A finished operation. Immutable.
pub struct sastaotp_completion {
    ticket: u64,
    outcome: std::result::Result<CString, sastaotp_error>,
    status: sastaotp_status,
}

impl sastaotp_completion {
    fn new(completion: Completion) -> Self {
        let Completion { ticket, result, .. } = completion;
        let status = result.as_ref().err().map_or(SASTAOTP_OK, |error| status_of(error.kind()));
        Self {
            ticket: ticket.number(),
            outcome: result.map(|output| c_string(output.into_json())).map_err(sastaotp_error::new),
            status,
        }
    }
}

/// Borrows the queue of an argument; fails in another process than the one that created it.
unsafe fn as_queue<'a>(argument: *const sastaotp_queue) -> Result<&'a Queue> {
    required(argument)?.0.required::<sastaotp_queue>()
}

/// Creates a queue on a client with at most 64 workers for purchases and 64 for the other
/// operations, so that slow purchases delay no poll. Each worker makes one request at a time.
/// Starts no thread yet. A cancellation token of the client does not affect the queue: cancel its
/// tickets instead.
///
/// Fails with SASTAOTP_CONNECTION if the process has no file descriptor left. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_new(
    client: *const sastaotp_client,
    queue: *mut *mut sastaotp_queue,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(queue, error, || {
        Queue::new(as_client(client)?).map(|queue| sastaotp_queue(ForkGuarded::new(queue)))
    })
}

/// Creates a queue with at most `workers` workers for purchases and as many for the other
/// operations, 1 to 512. If there are too few, the interval between the polls of one wait grows to
/// the number of waits times the duration of a reply, divided by the workers. A purchase that waits
/// for a worker loses none of its time, unless the settings of the client state a timeout: then its
/// ticket completes within the timeout, and a purchase whose reply would be too late is not sent.
///
/// Fails as sastaotp_queue_new does, and with SASTAOTP_CONFIG if `workers` is out of range. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_new_with_workers(
    client: *const sastaotp_client,
    workers: u32,
    queue: *mut *mut sastaotp_queue,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(queue, error, || {
        let workers = workers as usize;
        if !(1..=Queue::MAX_WORKERS).contains(&workers) {
            return Err(Error::config(
                "creating a queue",
                format!("{workers} workers is out of range: use 1 to 512"),
            ));
        }
        let queue = Queue::with_workers(as_client(client)?, workers)?;
        Ok(sastaotp_queue(ForkGuarded::new(queue)))
    })
}

/// Starts an operation, writes its ticket to `*ticket` and returns immediately.
///
/// Fails with SASTAOTP_CONFIG, and starts nothing, if the text is not a valid operation. If the
/// operation itself fails, its completion contains the error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit(
    queue: *const sastaotp_queue,
    operation: *const c_char,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        // Starts nothing without a place for the ticket: the caller could not find the completion.
        if !pointer::write(ticket, 0) {
            return Err(null_argument("ticket"));
        }
        let operation = Operation::from_json(required_text(operation, "operation")?)?;
        pointer::write(ticket, as_queue(queue)?.submit(operation)?.number());
        Ok(())
    })
}

/// Cancels a ticket immediately: its completion is SASTAOTP_CANCELLED. Returns whether the ticket
/// was open. Returns false if `queue` is NULL or belongs to the parent process.
///
/// Cancelling a wait does not change the order. A purchase that was already sent continues until
/// its reply: its completion has SASTAOTP_CHARGE_UNKNOWN, and sastaotp_client_unclaimed lists the
/// number that was bought. A change of an order that is in flight may still take effect: its
/// completion has SASTAOTP_PHASE_RECEIVE, and the status of the order shows the result. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_cancel(queue: *const sastaotp_queue, ticket: u64) -> bool {
    read_or(queue, false, |queue| {
        queue.0.get().is_some_and(|queue| queue.cancel(Ticket::from_number(ticket)))
    })
}

/// Takes at most `capacity` completions, oldest first, and writes their number to `*count`. Waits
/// at most `timeout_ms` milliseconds for the first; 0 does not wait. Each completion is returned
/// once.
///
/// The caller owns each completion: free it with sastaotp_completion_free. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_take(
    queue: *const sastaotp_queue,
    completions: *mut *mut sastaotp_completion,
    capacity: usize,
    timeout_ms: u32,
    count: *mut usize,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        if !pointer::write(count, 0) {
            return Err(null_argument("count"));
        }
        if completions.is_null() {
            return Err(null_argument("completions"));
        }
        let taken = as_queue(queue)?.take(capacity, duration(timeout_ms));
        pointer::write(count, taken.len());
        for (index, completion) in taken.into_iter().enumerate() {
            pointer::write(
                completions.add(index),
                pointer::into_raw(sastaotp_completion::new(completion)),
            );
        }
        Ok(())
    })
}

/// Waits at most `timeout_ms` milliseconds for the completion of one ticket. If the operation has
/// not finished by then, writes NULL to `*completion` and returns SASTAOTP_OK.
///
/// Fails with SASTAOTP_CONFIG if the ticket is not from this queue, or its completion was already
/// returned. Free `*completion` with sastaotp_completion_free. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_join(
    queue: *const sastaotp_queue,
    ticket: u64,
    timeout_ms: u32,
    completion: *mut *mut sastaotp_completion,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        clear_result(completion)?;
        if let Some(joined) =
            as_queue(queue)?.join(Ticket::from_number(ticket), duration(timeout_ms))?
        {
            pointer::write(completion, pointer::into_raw(sastaotp_completion::new(joined)));
        }
        Ok(())
    })
}

/// Returns a file descriptor for poll, epoll and event loops. It is readable exactly while there is
/// a completion to take. Do not read from it or close it. It is valid until sastaotp_queue_free:
/// remove it from the event loop first. Returns -1 if `queue` is NULL or belongs to the parent
/// process. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_fd(queue: *const sastaotp_queue) -> i32 {
    read_or(queue, -1, |queue| queue.0.get().map_or(-1, |queue| queue.fd().as_raw_fd()))
}

/// Returns the number of open tickets: submitted and not finished. If it is 0, there may still be
/// completions to take: to take all, count them. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_open_count(queue: *const sastaotp_queue) -> usize {
    read_or(queue, 0, |queue| queue.0.get().map_or(0, Queue::open))
}

/// Ends the use of a queue: ends its operations except the purchases that were sent, and waits at
/// most `timeout_ms` milliseconds for their replies. Then returns the list of
/// sastaotp_client_finish, which includes the purchases whose completion was not taken. Report
/// every entry: after the process has ended, no other record of it exists.
///
/// 10,000 is a good value for `timeout_ms`. Free the queue afterwards, and `*list` with
/// sastaotp_unclaimed_list_free. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_close(
    queue: *const sastaotp_queue,
    timeout_ms: u32,
    list: *mut *mut sastaotp_unclaimed_list,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(list, error, || {
        Ok(sastaotp_unclaimed_list::new(as_queue(queue)?.close(duration(timeout_ms))))
    })
}

/// Frees a queue and ends its operations without waiting for them. Waits and reads end within a
/// second, without completions; the orders do not change. A purchase that was sent continues until
/// its reply, and sastaotp_client_unclaimed lists it. It also lists a purchase that is finished but
/// was not taken. Before the program ends, call sastaotp_queue_close first. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_free(queue: *mut sastaotp_queue) {
    free(queue);
}

/// Returns the ticket. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_ticket(completion: *const sastaotp_completion) -> u64 {
    read_or(completion, 0, |completion| completion.ticket)
}

/// Returns SASTAOTP_OK, or the kind of failure of the operation. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_status(
    completion: *const sastaotp_completion,
) -> sastaotp_status {
    read_or(completion, SASTAOTP_OK, |completion| completion.status)
}

/// Returns the result of the operation as JSON. Returns NULL if the operation failed. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_json(
    completion: *const sastaotp_completion,
) -> *const c_char {
    read_or(completion, null(), |completion| {
        completion.outcome.as_ref().map_or(null(), |json| json.as_ptr())
    })
}

/// Returns the reason why the operation failed. Returns NULL if it succeeded. The error belongs to
/// the completion. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_error(
    completion: *const sastaotp_completion,
) -> *const sastaotp_error {
    read_or(completion, null(), |completion| {
        completion.outcome.as_ref().map_or_else(std::ptr::from_ref, |_| null())
    })
}

/// Frees a completion. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_free(completion: *mut sastaotp_completion) {
    free(completion);
}
