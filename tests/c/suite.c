/* Every function of the header against a running sandbox, whose address is the argument. */
#include "suite.h"

#include "check.h"
#include "sandbox.h"

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"life_of_a_lease", life_of_a_lease},
    {"life_of_an_order_taken_up", life_of_an_order_taken_up},
    {"leases_end_in_three_ways", leases_end_in_three_ways},
    {"every_state", every_state},
    {"every_change", every_change},
    {"every_end", every_end},
    {"codes_come_out_untouched", codes_come_out_untouched},
    {"waits_end_in_time", waits_end_in_time},
    {"what_is_said_without_a_service", what_is_said_without_a_service},
    {"every_setting", every_setting},
    {"the_catalogue", the_catalogue},
    {"the_history", the_history},
    {"the_reader_of_json", the_reader_of_json},
    {"fields_that_the_service_adds", fields_that_the_service_adds},
    {"every_fact_of_a_refused_purchase", every_fact_of_a_refused_purchase},
    {"every_fact_of_a_failed_read", every_fact_of_a_failed_read},
    {"an_unknown_purchase_is_found", an_unknown_purchase_is_found},
    {"an_abandoned_purchase_is_listed", an_abandoned_purchase_is_listed},
    {"budgets_are_kept", budgets_are_kept},
    {"tokens_end_calls", tokens_end_calls},
    {"a_number_goes_through_a_queue", a_number_goes_through_a_queue},
    {"every_operation_has_json", every_operation_has_json},
    {"a_descriptor_tells_of_completions", a_descriptor_tells_of_completions},
    {"a_cancelled_purchase_of_a_queue_is_listed", a_cancelled_purchase_of_a_queue_is_listed},
    {"what_is_no_operation_is_refused", what_is_no_operation_is_refused},
    {"an_operation_that_fails_says_why", an_operation_that_fails_says_why},
    {"eight_threads_submit_while_three_take", eight_threads_submit_while_three_take},
    {"a_queue_ends_while_connections_hang", a_queue_ends_while_connections_hang},
    {"a_queue_and_its_client_end_in_any_order", a_queue_and_its_client_end_in_any_order},
    {"requests_keep_to_their_rate", requests_keep_to_their_rate},
};

int main(int count, char **arguments) {
    CHECK(count == 2);
    sandbox_open(arguments[1]);
    size_t total = sizeof cases / sizeof *cases;
    for (size_t at = 0; at < total; at++) {
        sandbox_begin(cases[at].name);
        cases[at].run();
    }
    printf("suite: %zu cases\n", total);
    return 0;
}
