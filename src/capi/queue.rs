//! Many operations at once, for event loops and the bindings.

use std::ffi::{c_char, c_void};

use super::activation::sastaotp_on_too_early;
use super::boundary::{
    Object, call, clear_result, create, duration, free, null_argument, read_or, required,
    required_text,
};
use super::client::{as_client, sastaotp_client};
use super::completion::sastaotp_completion;
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use super::intent::sastaotp_intent;
use super::number_request::{number_request, sastaotp_number_request};
use super::pointer;
use super::unclaimed::sastaotp_unclaimed_list;
use super::wait_options::{copied_options, sastaotp_wait_options};
use crate::system::AsRawFd as _;
use crate::{Error, Operation, Queue, Result, Ticket};

/// Runs operations in the background, on a pool of workers that grows and shrinks: thousands of
/// waits in one thread, or calls that block no event loop. Any number of threads may use it at
/// once.
///
/// Submit an operation with a pointer to your own data. When sastaotp_queue_fd is readable, take
/// the completions: each returns the pointer and a typed result. Between two polls a wait occupies
/// no worker.
///
/// The queue holds each number that it bought until its order is settled, so its operations need
/// only the id: sastaotp_activation_id of sastaotp_completion_activation. Operations of
/// sastaotp_queue_submit_held have other holds: do not use both on one number. When the queue is
/// freed, sastaotp_client_unclaimed lists the numbers whose orders are open.
pub struct sastaotp_queue(ForkGuarded<Queue>);

impl Object for sastaotp_queue {
    const NAME: &'static str = "queue";
}

/// Borrows the queue of an argument; fails in another process than the one that created it.
unsafe fn as_queue<'a>(argument: *const sastaotp_queue) -> Result<&'a Queue> {
    required(argument)?.0.required::<sastaotp_queue>()
}

/// Creates a queue on a client. Starts no thread yet.
///
/// `workers` is the maximum number of workers for purchases, and also for the other operations, so
/// that slow purchases delay no poll: 1 to 512, or 0 for 64. Each worker makes one request at a
/// time. If there are too few, the interval between the polls of one wait grows to the number of
/// waits times the duration of a reply, divided by the workers. The time that a purchase waits for
/// a worker does not count towards its timeout, unless the settings of the client state a timeout:
/// then its ticket completes within the timeout, and a purchase whose reply would be too late is
/// not sent.
///
/// The client may be freed before the queue. A cancellation token of the client does not affect the
/// queue: cancel its tickets instead. Fails with SASTAOTP_ERROR_CONFIG if `workers` is out of
/// range, and with SASTAOTP_ERROR_CONNECTION if the process has no file descriptor left. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_new(
    client: *const sastaotp_client,
    workers: u32,
    queue: *mut *mut sastaotp_queue,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(queue, error, || {
        let client = as_client(client)?;
        let queue = match workers as usize {
            0 => Queue::new(client)?,
            workers @ 1..=Queue::MAX_WORKERS => Queue::with_workers(client, workers)?,
            _ => {
                let reason = format!("{workers} workers is out of range: use 1 to 512, or 0");
                return Err(Error::config("creating a queue", reason));
            }
        };
        Ok(sastaotp_queue(ForkGuarded::new(queue)))
    })
}

/// Starts an operation and writes its ticket to `*ticket`, unless `ticket` is NULL.
unsafe fn submit(
    queue: *const sastaotp_queue,
    operation: &mut dyn FnMut() -> Result<Operation>,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    start(queue, operation, user, false, ticket, error)
}

unsafe fn start(
    queue: *const sastaotp_queue,
    operation: &mut dyn FnMut() -> Result<Operation>,
    user: *mut c_void,
    is_held: bool,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        pointer::write(ticket, 0);
        let operation = operation()?;
        as_queue(queue)?.submit_with_user(operation, user as usize, is_held, |begun| {
            pointer::write(ticket, begun.number());
        })?;
        Ok(())
    })
}

/// Starts an operation in JSON, for the operations that have no submit function and for other
/// languages. Returns immediately.
///
/// This and the other submits return `user` with the completion, by sastaotp_completion_user. They
/// write the ticket to `*ticket`, for sastaotp_queue_cancel and sastaotp_queue_join, unless
/// `ticket` is NULL. The ticket is written before the operation starts; another thread may take its
/// completion before the submit returns.
///
/// Each submit fails with SASTAOTP_ERROR_CONFIG, and starts nothing, if an argument cannot be read.
/// If the operation itself fails, its completion contains the error, even if a request has no
/// country or no price.
///
/// An operation is a JSON object with a name, `op`, and arguments, such as
/// {"op":"get_number","service":"tg","country":"22","max_price":"80"} or
/// {"op":"wait_for_code","id":"38496653","timeout_ms":300000}. The operations, most of which have
/// the name of a function, are: get_balance; get_services (service); get_prices (service, country);
/// get_countries; find_country (name); get_orders (limit, page, status); get_number, lease and
/// intend (service, a country, a price, multi_sms); buy (intent); reget_number (id, a price); claim
/// (id), which returns the activation with this id; get_status (id); set_status (id, status);
/// wait_for_code (id, timeout_ms, interval_ms, accept_same_code, cancel_on_timeout); mark_sms_sent,
/// request_next_code, cancel (id); complete (id, without_code); settle (id, on_too_early: "fail",
/// the default, or "wait"); keep (id); mark_unclaimed (id), which lists a number that no caller
/// holds any longer as unclaimed; reconcile (intent, timeout_ms: 60,000 by default); resolve
/// (intent, and not_made: true or activation_id); settle_leftover_leases (on_too_early); unclaimed;
/// finish (timeout_ms: 10,000 by default); budget_left. The caller settles the number of a lease.
/// If the process ends first, settle_leftover_leases of the next process with the same journal
/// settles it. Required are name, id, status of set_status, timeout_ms of wait_for_code, intent,
/// and service, a country and a price of a purchase. A country is country, any_country: true, or
/// operator, which may be beside country. A price is max_price as text, max_price_micros, or
/// accept_any_price: true. If two of them disagree, the operation is refused. null counts as
/// absent, and a member that the operation does not have is refused. An id is a text in quotes. An
/// intent is the object that sastaotp_intent_json returns.
///
/// The result of an operation is the "_json" of its function's result. For get_number, lease, buy
/// and reget_number it is id, phone_number, price_micros, expires_at_ms, purchase: pass the id to
/// wait_for_code. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit(
    queue: *const sastaotp_queue,
    operation: *const c_char,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    submit(
        queue,
        &mut || Operation::from_json(required_text(operation, "operation")?),
        user,
        ticket,
        error,
    )
}

/// Starts an operation in JSON like sastaotp_queue_submit, for a language whose own objects decide
/// how long a number is in use.
///
/// The ticket of a purchase or of claim holds its number until sastaotp_queue_release. An operation
/// with an id holds its number while it is open. If nothing holds a number any longer and its order
/// is open, sastaotp_client_unclaimed lists it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit_held(
    queue: *const sastaotp_queue,
    operation: *const c_char,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    start(
        queue,
        &mut || Operation::from_json(required_text(operation, "operation")?),
        user,
        true,
        ticket,
        error,
    )
}

/// Starts sastaotp_client_get_number, which COSTS MONEY: sastaotp_completion_activation returns the
/// number. The request is copied. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit_get_number(
    queue: *const sastaotp_queue,
    request: *const sastaotp_number_request,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    submit(queue, &mut || Ok(Operation::GetNumber(number_request(request)?)), user, ticket, error)
}

/// Starts sastaotp_client_buy, which COSTS MONEY: sastaotp_completion_activation returns the
/// number. The intent is copied. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit_buy(
    queue: *const sastaotp_queue,
    intent: *const sastaotp_intent,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    submit(
        queue,
        &mut || Ok(Operation::Buy { intent: required(intent)?.intent().clone() }),
        user,
        ticket,
        error,
    )
}

/// Starts sastaotp_activation_wait_for_code on an activation: sastaotp_completion_sms returns the
/// message. `options` may be NULL. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit_wait_for_code(
    queue: *const sastaotp_queue,
    id: *const c_char,
    timeout_ms: u32,
    options: *const sastaotp_wait_options,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    submit(
        queue,
        &mut || {
            let options = copied_options(options)?;
            Ok(Operation::WaitForCode {
                id: required_text(id, "id")?.to_owned(),
                timeout_ms: timeout_ms.into(),
                interval_ms: (options.interval_ms != 0).then(|| options.interval_ms.into()),
                accept_same_code: options.accept_same_code.get("accept_same_code")?,
                cancel_on_timeout: options.cancel_on_timeout.get("cancel_on_timeout")?,
            })
        },
        user,
        ticket,
        error,
    )
}

/// Starts sastaotp_activation_request_next_code on an activation. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit_request_next_code(
    queue: *const sastaotp_queue,
    id: *const c_char,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    submit(
        queue,
        &mut || Ok(Operation::RequestNextCode { id: required_text(id, "id")?.to_owned() }),
        user,
        ticket,
        error,
    )
}

/// Starts sastaotp_activation_complete on an activation: sastaotp_completion_settlement returns the
/// result. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit_complete(
    queue: *const sastaotp_queue,
    id: *const c_char,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    submit(
        queue,
        &mut || {
            Ok(Operation::Complete { id: required_text(id, "id")?.to_owned(), without_code: false })
        },
        user,
        ticket,
        error,
    )
}

/// Starts sastaotp_activation_cancel on an activation: sastaotp_completion_settlement returns the
/// result. sastaotp_queue_cancel cancels a ticket, not an order. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit_cancel(
    queue: *const sastaotp_queue,
    id: *const c_char,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    submit(
        queue,
        &mut || Ok(Operation::Cancel { id: required_text(id, "id")?.to_owned() }),
        user,
        ticket,
        error,
    )
}

/// Starts sastaotp_activation_settle on an activation: sastaotp_completion_settlement returns the
/// result. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit_settle(
    queue: *const sastaotp_queue,
    id: *const c_char,
    on_too_early: sastaotp_on_too_early,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    submit(
        queue,
        &mut || {
            let (id, on_too_early) = (required_text(id, "id")?.to_owned(), on_too_early.read()?);
            Ok(Operation::Settle { id, on_too_early })
        },
        user,
        ticket,
        error,
    )
}

/// Starts sastaotp_client_reconcile: sastaotp_completion_reconciliation returns the candidates. The
/// intent is copied. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit_reconcile(
    queue: *const sastaotp_queue,
    intent: *const sastaotp_intent,
    timeout_ms: u32,
    user: *mut c_void,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    submit(
        queue,
        &mut || {
            let intent = required(intent)?.intent().clone();
            Ok(Operation::Reconcile { intent, timeout_ms: Some(timeout_ms.into()) })
        },
        user,
        ticket,
        error,
    )
}

/// Cancels a ticket immediately: its completion has SASTAOTP_ERROR_CANCELLED. Returns whether the
/// ticket was open. Returns false if `queue` is NULL or belongs to the parent process.
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

/// Drops a ticket that its caller no longer needs. An open operation is cancelled as by
/// sastaotp_queue_cancel, but without a completion. A completion that was not taken is dropped. A
/// hold of sastaotp_queue_submit_held on a number ends. The function does not block: a finalizer of
/// any thread may call it.
///
/// Returns true if the completion of the ticket can no longer be taken because of this call.
/// Returns false, and does nothing, if the ticket is unknown, or if `queue` is NULL or belongs to
/// the parent process. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_release(queue: *const sastaotp_queue, ticket: u64) -> bool {
    read_or(queue, false, |queue| {
        queue.0.get().is_some_and(|queue| queue.release(Ticket::from_number(ticket)))
    })
}

/// Takes at most `capacity` completions, oldest first, and writes their number to `*count`. Waits
/// at most `timeout_ms` milliseconds for the first; 0 does not wait. Each completion is returned
/// once. After sastaotp_queue_close it does not wait: take until `*count` is 0.
///
/// A cancellation token does not end the wait. To wait for other events too, poll sastaotp_queue_fd
/// together with them.
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
        // Converts all before it writes the count: if this panics, the count stays 0.
        let taken: Vec<_> = taken.into_iter().map(sastaotp_completion::new).collect();
        pointer::write(count, taken.len());
        for (index, completion) in taken.into_iter().enumerate() {
            pointer::write(completions.add(index), pointer::into_raw(completion));
        }
        Ok(())
    })
}

/// Waits at most `timeout_ms` milliseconds for the completion of one ticket. If the operation has
/// not finished by then, writes NULL to `*completion` and returns SASTAOTP_OK.
///
/// Fails with SASTAOTP_ERROR_CONFIG if the ticket is not from this queue, or its completion was
/// already returned. Free `*completion` with sastaotp_completion_free. Since 0.1.0.
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

/// Returns a file descriptor (a SOCKET on Windows) for poll, epoll and event loops. It is readable
/// exactly while there is a completion to take. Do not read from it or close it. It is valid until
/// sastaotp_queue_free: remove it from the event loop first. Returns -1 if `queue` is NULL or
/// belongs to the parent process. On Windows the first call makes it, from a connection of the
/// process with itself, and returns -1 if that fails: then call sastaotp_queue_take at intervals.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_fd(queue: *const sastaotp_queue) -> isize {
    read_or(queue, -1, |queue| {
        let fd = queue.0.get().and_then(|queue| queue.fd().ok());
        fd.map_or(-1, |fd| fd.as_raw_fd() as isize)
    })
}

/// Returns the number of open tickets: submitted and not finished. If it is 0, there may still be
/// completions to take. To know when all are taken, count submits and completions. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_open_count(queue: *const sastaotp_queue) -> usize {
    read_or(queue, 0, |queue| queue.0.get().map_or(0, Queue::open))
}

/// Closes a queue: cancels its operations except the purchases that were sent, and waits at most
/// `timeout_ms` milliseconds for their replies. Each ticket completes, and its completion can still
/// be taken: take them to get each `user` back. Then returns the list of sastaotp_client_finish,
/// which includes the purchases whose completion was not taken. Report every entry: without a
/// journal, no other record of it exists after the process has ended.
///
/// Within the same time, joins the threads that the queue and its purchases started. 10,000 is a
/// good value for `timeout_ms`. Free the queue afterwards, and `*list` with
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

/// Frees a queue and ends its operations without waiting for them. They have no completions, so
/// their `user` is not returned. Waits and reads end within a second; the orders do not change. A
/// purchase that was sent continues until its reply, and sastaotp_client_unclaimed lists it. It
/// also lists a purchase that is finished but was not taken. Before the program ends, call
/// sastaotp_queue_close first. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_free(queue: *mut sastaotp_queue) {
    free(queue);
}
