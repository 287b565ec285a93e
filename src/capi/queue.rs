//! Many operations at once, for event loops and the bindings: JSON in, JSON out.

use std::ffi::{CString, c_char};
use std::os::fd::AsRawFd;
use std::ptr::null;

use super::boundary::{
    Object, call, empty, free, given, look, make, millis as duration, null as missing, text,
};
use super::c_strings::c_string;
use super::client::{client, sastaotp_client};
use super::error::{SASTAOTP_OK, sastaotp_error, sastaotp_status, status_of};
use super::fork_guard::ForkGuarded;
use super::pointer;
use crate::{Completion, Error, Operation, Queue, Result, Ticket};

/// Runs operations beside their callers, with workers that come and go. Any number of threads may use it at once.
///
/// An operation is a JSON object with its name as `op` and its arguments, such as
/// {"op":"get_number","service":"tg","country":"22","max_price":"80"} or
/// {"op":"wait_for_code","id":"38496653","timeout_ms":300000}. The names are those of the calls: get_balance; get_services
/// (service); get_prices (service, country); get_countries; find_country (name); get_orders (limit, page, status);
/// get_number and intend (service, country, max_price as text or max_price_micros or accept_any_price, operator, multi_sms);
/// buy (intent); reget_number (id); get_status (id); set_status (id, status); wait_for_code (id, timeout_ms, interval_ms,
/// accept_same_code, cancel_on_timeout); mark_sms_sent, request_next_code, complete, cancel (id); settle (id, wait_out);
/// leave (id), which lists a number that nobody has any longer as unclaimed; reconcile (intent); unclaimed; budget_left.
///
/// What came of one is what the "_json" of its result says; of get_number, buy and reget_number it is id, phone_number,
/// price_micros, expires_at_ms, purchase.
pub struct sastaotp_queue(ForkGuarded<Queue>);

impl Object for sastaotp_queue {
    const NAME: &'static str = "queue";
}

/// An operation that is finished. Immutable: any thread may read it. Its texts are valid until sastaotp_completion_free.
pub struct sastaotp_completion {
    ticket: u64,
    outcome: std::result::Result<CString, sastaotp_error>,
    status: sastaotp_status,
}

impl sastaotp_completion {
    fn new(completion: Completion) -> Self {
        let Completion { ticket, result } = completion;
        let status = result.as_ref().err().map_or(SASTAOTP_OK, |error| status_of(error.kind()));
        Self {
            ticket: ticket.number(),
            outcome: result.map(c_string).map_err(sastaotp_error::new),
            status,
        }
    }
}

/// The queue behind an argument, in the process that made it.
unsafe fn queue<'a>(argument: *const sastaotp_queue) -> Result<&'a Queue> {
    given(argument)?.0.given::<sastaotp_queue>()
}

/// Makes a queue on a client, with 64 workers at most: so many requests are under way at once. Starts no thread yet. A token
/// of the client does not reach it: cancel its tickets.
///
/// `*queue` is yours: sastaotp_queue_free. Fails with SASTAOTP_CONNECTION where the machine has no descriptor left. NULL
/// arguments are refused with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_new(
    client: *const sastaotp_client,
    queue: *mut *mut sastaotp_queue,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(queue, error, || {
        Queue::new(self::client(client)?).map(|made| sastaotp_queue(ForkGuarded::new(made)))
    })
}

/// Makes a queue with so many workers at most, 1 to 512. With fewer than are needed the pause between the polls of a wait is
/// the number of waits times the time of a reply, divided by the workers.
///
/// `*queue` is yours: sastaotp_queue_free. Fails as sastaotp_queue_new does, and with SASTAOTP_CONFIG for another number of
/// workers. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_new_with_workers(
    client: *const sastaotp_client,
    workers: u32,
    queue: *mut *mut sastaotp_queue,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(queue, error, || {
        let workers = workers as usize;
        if !(1..=Queue::MAX_WORKERS).contains(&workers) {
            return Err(Error::config(
                "making a queue",
                format!("{workers} workers are none or too many: give 1 to 512"),
            ));
        }
        let made = Queue::with_workers(self::client(client)?, workers)?;
        Ok(sastaotp_queue(ForkGuarded::new(made)))
    })
}

/// Begins an operation and writes its ticket. Returns at once.
///
/// The text is copied. Fails with SASTAOTP_CONFIG where the text is no operation, or an argument is NULL: then nothing
/// began. What an operation itself fails with is told by its completion. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_submit(
    queue: *const sastaotp_queue,
    operation: *const c_char,
    ticket: *mut u64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        // Without a place for the ticket nothing is begun: nobody could tell what became of it.
        if !pointer::put(ticket, 0) {
            return Err(missing("ticket"));
        }
        let operation = Operation::from_json(text(operation, "operation")?)?;
        pointer::put(ticket, self::queue(queue)?.submit(operation)?.number());
        Ok(())
    })
}

/// Settles a ticket at once: its completion is SASTAOTP_CANCELLED. Returns whether the ticket was open.
///
/// Cancelling a wait does nothing to the activation. A purchase that was sent already runs on to its reply: its completion says
/// SASTAOTP_CHARGE_UNKNOWN, and sastaotp_client_unclaimed lists what was bought. A change of an order that is under way may be
/// done all the same: its completion says SASTAOTP_PHASE_RECEIVE, and the status of the order what is so.
///
/// NULL gives false, and so does a queue of a parent process. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_cancel(queue: *const sastaotp_queue, ticket: u64) -> bool {
    look(queue, false, |it| it.0.get().is_some_and(|it| it.cancel(Ticket::from_number(ticket))))
}

/// Takes up to `capacity` completions, oldest first, and writes how many; waits up to `timeout_ms` for the first. A time of
/// 0 never waits. Each completion is given once.
///
/// Each of `completions` is yours: sastaotp_completion_free. NULL arguments are refused with SASTAOTP_CONFIG. Any thread. Since
/// 0.1.0.
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
        if !pointer::put(count, 0) {
            return Err(missing("count"));
        }
        if completions.is_null() {
            return Err(missing("completions"));
        }
        let taken = self::queue(queue)?.take(capacity, duration(timeout_ms));
        pointer::put(count, taken.len());
        for (index, completion) in taken.into_iter().enumerate() {
            pointer::put(
                completions.add(index),
                pointer::hand_over(sastaotp_completion::new(completion)),
            );
        }
        Ok(())
    })
}

/// Waits up to `timeout_ms` for the completion of one ticket. `*completion` is NULL, with SASTAOTP_OK, while it is not
/// finished.
///
/// `*completion` is yours: sastaotp_completion_free. Fails with SASTAOTP_CONFIG for a ticket that is not of this queue, or
/// whose completion was given already, and for NULL arguments. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_join(
    queue: *const sastaotp_queue,
    ticket: u64,
    timeout_ms: u32,
    completion: *mut *mut sastaotp_completion,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        empty(completion)?;
        if let Some(joined) =
            self::queue(queue)?.join(Ticket::from_number(ticket), duration(timeout_ms))?
        {
            pointer::put(completion, pointer::hand_over(sastaotp_completion::new(joined)));
        }
        Ok(())
    })
}

/// Returns a descriptor that is readable exactly while there is a completion to take: for poll, epoll and event loops. Not to
/// be read from or closed; valid until sastaotp_queue_free. Take it out of the loop before that.
///
/// NULL gives -1, and so does a queue of a parent process. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_fd(queue: *const sastaotp_queue) -> i32 {
    look(queue, -1, |it| it.0.get().map_or(-1, |it| it.fd().as_raw_fd()))
}

/// Returns how many tickets are open: submitted, and not finished.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_open_count(queue: *const sastaotp_queue) -> usize {
    look(queue, 0, |it| it.0.get().map_or(0, Queue::open))
}

/// Frees a queue and ends what it does, without waiting for that: waits and reads within a second, without completions, and
/// activations stay as they are. A purchase that was sent runs on to its reply, and sastaotp_client_unclaimed lists it, as it
/// does one that is finished and was not taken.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_queue_free(queue: *mut sastaotp_queue) {
    free(queue);
}

/// Returns the ticket.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_ticket(completion: *const sastaotp_completion) -> u64 {
    look(completion, 0, |it| it.ticket)
}

/// Returns what the operation ended with.
///
/// NULL gives SASTAOTP_OK. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_status(
    completion: *const sastaotp_completion,
) -> sastaotp_status {
    look(completion, SASTAOTP_OK, |it| it.status)
}

/// Returns what came of the operation, as JSON; NULL where it failed.
///
/// NULL gives NULL. The text is the completion's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_json(
    completion: *const sastaotp_completion,
) -> *const c_char {
    look(completion, null(), |it| it.outcome.as_ref().map_or(null(), |json| json.as_ptr()))
}

/// Returns why the operation failed; NULL where it did not.
///
/// The error is the completion's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_error(
    completion: *const sastaotp_completion,
) -> *const sastaotp_error {
    look(completion, null(), |it| it.outcome.as_ref().map_or_else(std::ptr::from_ref, |_| null()))
}

/// Frees a completion.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_completion_free(completion: *mut sastaotp_completion) {
    free(completion);
}
