/* The tests of suite.c; each starts with its own API key. */
#ifndef SUITE_H
#define SUITE_H

/* suite_amounts.c */
void amounts_fit_their_buffer(void);

/* suite_states.c: every kind of status and of status change. */
void every_status_has_a_kind(void);
void every_change_has_a_kind(void);

/* suite_json.c */
void json_reader_rejects_invalid_json(void);
void raw_contains_new_fields(void);
void texts_may_contain_a_nul(void);
void a_balance_in_another_currency_is_an_error(void);
void a_purchase_has_every_field(void);
void an_order_that_no_purchase_made_is_extra(void);

/* suite_errors.c: every status, and every getter of an error. */
void every_status_has_a_class(void);
void a_failed_purchase_has_every_field(void);
void a_failed_read_has_every_field(void);

/* suite_queue.c: many operations at once. */
void fd_is_readable_while_completions_wait(void);
void a_cancelled_purchase_is_listed(void);
void a_released_ticket_holds_nothing(void);
void invalid_operations_are_rejected(void);
void threads_share_one_queue(void);
void a_queue_ends_while_connections_hang(void);
void queue_and_client_end_in_any_order(void);

void a_closed_queue_has_no_thread(void);

/* suite_queue_users.c */
void completions_reach_their_user_pointers(void);

/* suite_typed.c: submits and results of a queue without JSON. */
void typed_submits_have_typed_results(void);
void json_submits_have_typed_results(void);
void a_purchase_tries_several_countries(void);
void claimed_numbers_have_number_and_price(void);

/* suite_cancel.c: tokens and signals. */
void try_wait_returns_null_without_a_code(void);
void a_lease_closes_through_a_triggered_token(void);
void a_signal_ends_calls_and_loses_no_order(void);

/* suite_log.c */
void log_callback_gets_messages_of_its_level(void);
void collected_log_is_taken_once(void);
void log_callback_never_gets_the_key(void);
void log_callback_may_call_the_library(void);
void no_log_call_follows_log_off(void);

/* suite_journal.c: purchases on disk. */
void invalid_journals_are_rejected(void);
void next_program_has_purchases_of_killed_one(void);

#endif
