/* Tests C details against a sandbox. The arguments are its URL and, to run one test only, the name
 * of the test. The Rust suites that tests/capi runs through the C functions, cases.c, cpp.cpp and
 * misuse*.c hold the other rules. */
#include "suite.h"

#include "check.h"
#include "sandbox.h"

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"amounts_fit_their_buffer", amounts_fit_their_buffer},
    {"every_status_has_a_kind", every_status_has_a_kind},
    {"every_change_has_a_kind", every_change_has_a_kind},
    {"json_reader_rejects_invalid_json", json_reader_rejects_invalid_json},
    {"raw_contains_new_fields", raw_contains_new_fields},
    {"texts_may_contain_a_nul", texts_may_contain_a_nul},
    {"a_balance_in_another_currency_is_an_error", a_balance_in_another_currency_is_an_error},
    {"a_purchase_has_every_field", a_purchase_has_every_field},
    {"an_order_that_no_purchase_made_is_extra", an_order_that_no_purchase_made_is_extra},
    {"every_status_has_a_class", every_status_has_a_class},
    {"a_failed_purchase_has_every_field", a_failed_purchase_has_every_field},
    {"a_failed_read_has_every_field", a_failed_read_has_every_field},
    {"fd_is_readable_while_completions_wait", fd_is_readable_while_completions_wait},
    {"a_cancelled_purchase_is_listed", a_cancelled_purchase_is_listed},
    {"a_released_ticket_holds_nothing", a_released_ticket_holds_nothing},
    {"invalid_operations_are_rejected", invalid_operations_are_rejected},
    {"threads_share_one_queue", threads_share_one_queue},
    {"a_queue_ends_while_connections_hang", a_queue_ends_while_connections_hang},
    {"queue_and_client_end_in_any_order", queue_and_client_end_in_any_order},
    {"a_closed_queue_has_no_thread", a_closed_queue_has_no_thread},
    {"completions_reach_their_user_pointers", completions_reach_their_user_pointers},
    {"typed_submits_have_typed_results", typed_submits_have_typed_results},
    {"json_submits_have_typed_results", json_submits_have_typed_results},
    {"a_purchase_tries_several_countries", a_purchase_tries_several_countries},
    {"claimed_numbers_have_number_and_price", claimed_numbers_have_number_and_price},
    {"try_wait_returns_null_without_a_code", try_wait_returns_null_without_a_code},
    {"a_lease_closes_through_a_triggered_token", a_lease_closes_through_a_triggered_token},
    {"a_signal_ends_calls_and_loses_no_order", a_signal_ends_calls_and_loses_no_order},
    {"log_callback_gets_messages_of_its_level", log_callback_gets_messages_of_its_level},
    {"collected_log_is_taken_once", collected_log_is_taken_once},
    {"log_callback_never_gets_the_key", log_callback_never_gets_the_key},
    {"log_callback_may_call_the_library", log_callback_may_call_the_library},
    {"no_log_call_follows_log_off", no_log_call_follows_log_off},
    {"invalid_journals_are_rejected", invalid_journals_are_rejected},
    {"next_program_has_purchases_of_killed_one", next_program_has_purchases_of_killed_one},
};

int main(int count, char **arguments) {
    CHECK(count == 2 || count == 3);
    sandbox_open(arguments[1]);
    size_t run = 0;
    for (size_t at = 0; at < sizeof tests / sizeof *tests; at++) {
        if (count == 3 && strcmp(tests[at].name, arguments[2]) != 0) continue;
        sandbox_begin(tests[at].name);
        tests[at].run();
        run++;
    }
    CHECK(run > 0);
    printf("suite: %zu tests\n", run);
    return 0;
}
