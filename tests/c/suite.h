/* The cases of the suite; each begins on a key of its own. */
#ifndef SUITE_H
#define SUITE_H

/* suite_life.c: a number from its purchase to its end. */
void life_of_a_lease(void);
void life_of_an_order_taken_up(void);
void leases_end_in_three_ways(void);

/* suite_states.c: every state, change and end of an order. */
void every_state(void);
void every_change(void);
void every_end(void);
void codes_come_out_untouched(void);
void waits_end_in_time(void);

/* suite_reads.c: settings, and what is read. */
void what_is_said_without_a_service(void);
void every_setting(void);
void the_catalogue(void);
void the_history(void);

/* suite_json.c */
void the_reader_of_json(void);
void fields_that_the_service_adds(void);

/* suite_errors.c: what goes wrong, and what is known then. */
void every_fact_of_a_refused_purchase(void);
void every_fact_of_a_failed_read(void);
void budgets_are_kept(void);
void tokens_end_calls(void);

/* suite_unknown.c: purchases whose outcome was not seen. */
void an_unknown_purchase_is_found(void);
void an_abandoned_purchase_is_listed(void);

/* suite_queue.c: many operations at once. */
void a_number_goes_through_a_queue(void);
void every_operation_has_json(void);
void a_descriptor_tells_of_completions(void);
void a_cancelled_purchase_of_a_queue_is_listed(void);
void what_is_no_operation_is_refused(void);
void an_operation_that_fails_says_why(void);
void eight_threads_submit_while_three_take(void);
void a_queue_ends_while_connections_hang(void);
void a_queue_and_its_client_end_in_any_order(void);
void requests_keep_to_their_rate(void);

#endif
