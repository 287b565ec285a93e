//! Scenarios: faults that a line of the table cannot describe, because they take several steps or
//! happen on the client's side.

mod purchases;
mod replies;
#[cfg(unix)]
mod signals;
mod transport;
mod waits;

#[cfg(unix)]
pub(crate) use signals::run_interrupted_child;

/// The id of the fault, the class of action, the case, and the test.
pub(crate) type Scenario = (&'static str, &'static str, &'static str, fn());

pub(crate) static SCENARIOS: &[Scenario] = &[
    ("N07", "read", "kept_connection", transport::read_replaces_a_stale_connection),
    ("N07", "charge", "kept_connection", transport::charge_never_reuses_a_connection),
    ("N11", "read", "call_timeout", transport::slow_reply_ends_at_the_read_timeout),
    ("N11", "charge", "call_timeout", transport::slow_reply_ends_at_the_purchase_timeout),
    ("N17", "read", "in_each_phase", transport::cancel_ends_reads),
    ("N17", "charge", "in_each_phase", transport::cancel_ends_charges),
    ("N17", "wait", "in_each_phase", transport::cancel_ends_waits),
    ("N17", "wait", "queue_dropped", transport::dropping_a_queue_cancels_at_once),
    ("N18", "read", "first_address_broken", transport::read_tries_the_next_address),
    ("N18", "charge", "first_address_broken", transport::charge_tries_the_next_address),
    ("N18", "wait", "first_address_broken", transport::wait_tries_the_next_address),
    ("N19", "read", "one_byte_at_a_time", transport::read_accepts_single_bytes),
    ("N19", "charge", "one_byte_at_a_time", transport::charge_accepts_single_bytes),
    ("N19", "wait", "one_byte_at_a_time", transport::wait_accepts_single_bytes),
    #[cfg(unix)]
    ("N19", "read", "signals", signals::read_survives_signals),
    #[cfg(unix)]
    ("N19", "charge", "signals", signals::charge_survives_signals),
    #[cfg(unix)]
    ("N19", "wait", "signals", signals::wait_survives_signals),
    ("N20", "read", "suspended", transport::read_is_retried_after_a_suspend),
    ("N20", "charge", "suspended", transport::charge_is_unknown_after_a_suspend),
    ("N20", "wait", "suspended", transport::wait_polls_at_once_after_a_suspend),
    ("N21", "charge", "committed_twice", purchases::duplicate_purchase_shows_in_history),
    ("H01", "read", "not_followed", replies::redirects_are_not_followed),
    ("H06", "read", "retry_after", replies::retry_after_is_obeyed_up_to_a_minute),
    ("B06", "read", "whole_reply", replies::nothing_is_an_empty_list),
    ("B08", "read", "fields_missing", replies::missing_fields_have_defaults),
    ("B09", "read", "price_only", replies::an_unreadable_price_costs_only_the_price),
    ("B10", "read", "duplicate_keys", replies::last_of_two_equal_keys_counts),
    ("B12", "read", "refusal_in_words", replies::unknown_texts_are_kept_verbatim),
    ("B13", "read", "phone_with_spaces", replies::phone_number_is_kept_with_its_digits),
    ("B14", "read", "tokens_in_text", replies::tokens_in_a_text_mean_nothing),
    ("N09", "read", "plain_text", replies::plain_text_without_length_is_refused),
    ("S01", "read", "unknown_status", replies::unknown_status_is_kept),
    ("B14", "wait", "tokens_in_text", waits::code_is_kept_verbatim),
    ("S01", "wait", "reported", waits::unknown_status_is_reported),
    ("S02", "wait", "old_code_again", waits::old_code_is_not_the_next_one),
    ("S03", "wait", "code_kept", waits::a_received_code_is_kept),
    ("S04", "wait", "expired", waits::expiry_ends_the_wait),
    ("S05", "wait", "cancelled", waits::provider_cancel_ends_the_wait),
    ("S06", "wait", "cancel_race", waits::code_beats_cancel_on_timeout),
    ("S11", "wait", "fifteen_seconds", waits::unknown_id_gets_fifteen_seconds),
    ("S14", "wait", "clock_jump", waits::wait_reads_both_clocks),
    ("S16", "wait", "earlier_code", waits::earlier_code_of_a_number_is_ignored),
    ("S17", "wait", "ten_minutes", waits::wait_outlasts_maintenance),
    ("S19", "wait", "resumed", waits::another_process_resumes_a_wait),
    ("S20", "wait", "fifty_threads", waits::fifty_threads_get_their_own_codes),
    ("S06", "read", "cancel_race", purchases::lost_cancel_race_is_read_back),
    ("S07", "read", "finished_by_us", purchases::own_finished_change_is_success),
    ("S08", "read", "retry_time", purchases::early_cancel_reports_when),
    ("S12", "charge", "disordered", purchases::disordered_history_shows_purchase_once),
    ("S13", "charge", "two_processes", purchases::foreign_purchase_is_only_a_candidate),
    ("S14", "read", "clock_jump", purchases::clock_jump_does_not_time_reads),
    ("S14", "charge", "clock_jump", purchases::order_id_finds_a_purchase_after_clock_jump),
    ("S15", "read", "listed_twice", purchases::activation_listed_twice_gives_a_warning),
    ("S15", "charge", "sold_twice", purchases::activation_sold_twice_counts_once),
    ("S17", "charge", "ten_minutes", purchases::purchase_is_found_after_maintenance),
    ("S19", "charge", "saved_intent", purchases::saved_intent_finds_the_purchase),
    ("S20", "read", "fifty_threads", purchases::fifty_threads_read),
    ("S20", "charge", "fifty_threads", purchases::fifty_threads_buy_one_each),
];
