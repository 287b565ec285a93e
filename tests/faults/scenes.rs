//! What no line of the table can say: rows with more than one step, and those that happen on the client's side.

mod codes;
mod money;
mod path;
mod replies;
mod signals;

pub(crate) use signals::be_interrupted;

/// The row, the class of action, what happens, and how it goes.
pub(crate) type Scene = (&'static str, &'static str, &'static str, fn());

#[rustfmt::skip]
pub(crate) static SCENES: &[Scene] = &[
    ("N07", "read", "kept_connection_is_stale", path::a_read_goes_on_over_a_fresh_connection),
    ("N07", "charge", "kept_connection_is_stale", path::a_charge_never_uses_a_kept_connection),
    ("N11", "read", "slow_drip", path::a_drip_ends_with_the_time_of_the_read),
    ("N11", "charge", "slow_drip", path::a_drip_ends_with_the_time_of_the_purchase),
    ("N17", "read", "cancelled_in_each_phase", path::reads_are_cancelled),
    ("N17", "charge", "cancelled_in_each_phase", path::charges_are_cancelled),
    ("N17", "wait", "cancelled_in_each_phase", path::waits_are_cancelled),
    ("N17", "wait", "handle_closed", path::a_queue_closes_at_once),
    ("N18", "read", "one_family_broken", path::a_read_takes_the_next_address),
    ("N18", "charge", "one_family_broken", path::a_charge_takes_the_next_address),
    ("N18", "wait", "one_family_broken", path::a_wait_takes_the_next_address),
    ("N19", "read", "one_byte_at_a_time", path::single_bytes_are_read),
    ("N19", "charge", "one_byte_at_a_time", path::single_bytes_are_bought),
    ("N19", "wait", "one_byte_at_a_time", path::single_bytes_bring_a_code),
    ("N19", "read", "signals", signals::a_read_outlasts_signals),
    ("N19", "charge", "signals", signals::a_charge_outlasts_signals),
    ("N19", "wait", "signals", signals::a_wait_outlasts_signals),
    ("N20", "read", "suspended_in_a_request", path::a_read_after_a_suspend_is_repeated),
    ("N20", "charge", "suspended_in_a_request", path::a_charge_after_a_suspend_is_unknown),
    ("N20", "wait", "suspended_in_a_request", path::a_wait_after_a_suspend_polls_at_once),
    ("N21", "charge", "committed_twice", money::a_purchase_made_twice_shows_in_the_history),
    ("H01", "read", "redirect_followed_by_nobody", replies::nobody_follows_a_redirect),
    ("H06", "read", "pause_that_is_asked_for", replies::a_pause_is_kept_up_to_a_minute),
    ("B06", "read", "nothing_for_an_object", replies::nothing_is_an_empty_list),
    ("B08", "read", "fields_missing", replies::missing_fields_have_defaults),
    ("B09", "read", "price_not_to_be_read", replies::an_unreadable_price_costs_only_the_price),
    ("B10", "read", "duplicate_keys", replies::the_last_of_two_equal_keys_counts),
    ("B12", "read", "refusal_in_words", replies::words_are_kept_as_they_are),
    ("B13", "read", "phone_with_blanks", replies::a_phone_number_is_kept_and_its_digits_shown),
    ("B14", "read", "text_full_of_tokens", replies::a_text_full_of_tokens_is_a_text),
    ("N09", "read", "plain_text_without_an_end", replies::plain_text_that_may_be_cut_is_refused),
    ("S01", "read", "unknown_status", replies::an_unknown_status_is_kept),
    ("B14", "wait", "text_full_of_tokens", codes::the_code_stays_whole),
    ("S01", "wait", "unknown_status_is_told", codes::an_unknown_status_is_told),
    ("S02", "wait", "old_code_repeated", codes::the_old_code_is_not_the_next_one),
    ("S03", "wait", "status_goes_backwards", codes::a_code_that_came_stays),
    ("S04", "wait", "order_expires", codes::an_order_that_expires_is_told),
    ("S05", "wait", "provider_cancels", codes::an_order_that_the_provider_cancels_is_told),
    ("S06", "wait", "cancel_races_with_the_code", codes::the_code_beats_the_cancellation),
    ("S11", "wait", "id_not_known_yet", codes::an_id_gets_fifteen_seconds),
    ("S14", "wait", "clock_jumps", codes::both_clocks_are_read),
    ("S16", "wait", "number_used_before", codes::an_old_code_of_the_number_is_not_this_one),
    ("S17", "wait", "maintenance_of_ten_minutes", codes::maintenance_is_waited_out),
    ("S19", "wait", "process_killed", codes::a_wait_is_taken_up_by_its_id),
    ("S20", "wait", "fifty_threads", codes::fifty_threads_wait_for_themselves),
    ("S06", "read", "cancel_races_with_the_code", money::a_cancel_that_lost_is_read_back),
    ("S07", "read", "already_finished_by_us", money::what_we_finished_is_no_failure),
    ("S08", "read", "too_early_to_cancel", money::an_early_cancel_says_when),
    ("S12", "charge", "history_lags_and_shifts", money::a_history_in_disorder_shows_the_purchase_once),
    ("S13", "charge", "two_processes_share_the_key", money::what_another_bought_is_a_candidate_and_no_more),
    ("S14", "read", "clock_jumps", money::a_clock_that_jumps_does_not_time_a_read),
    ("S14", "charge", "clock_jumps", money::a_purchase_is_found_by_its_order_id),
    ("S15", "read", "activation_listed_twice", money::an_activation_listed_twice_is_warned_of),
    ("S15", "charge", "activation_sold_twice", money::an_activation_sold_twice_counts_once),
    ("S17", "charge", "maintenance_of_ten_minutes", money::a_purchase_is_found_after_maintenance),
    ("S19", "charge", "process_killed", money::a_saved_intent_finds_the_purchase),
    ("S20", "read", "fifty_threads", money::fifty_threads_read),
    ("S20", "charge", "fifty_threads", money::fifty_threads_buy_one_each),
];
