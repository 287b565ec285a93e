/* Tests misuse of the C interface against a sandbox. The arguments are its URL and, to run one test
 * only, the name of the test. */
#include "misuse.h"

#include "check.h"
#include "sandbox.h"

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"null_arguments_are_rejected", null_arguments_are_rejected},
    {"getters_accept_null_objects", getters_accept_null_objects},
    {"invalid_texts_are_rejected", invalid_texts_are_rejected},
    {"long_texts_are_rejected_briefly", long_texts_are_rejected_briefly},
    {"values_out_of_range_are_rejected", values_out_of_range_are_rejected},
    {"indices_out_of_range_return_null", indices_out_of_range_return_null},
    {"configs_of_other_versions_are_checked", configs_of_other_versions_are_checked},
    {"requests_of_other_versions_are_checked", requests_of_other_versions_are_checked},
    {"wait_options_of_other_versions_are_checked", wait_options_of_other_versions_are_checked},
    {"invalid_settings_are_refused", invalid_settings_are_refused},
    {"settings_at_the_ends_of_their_range_work", settings_at_the_ends_of_their_range_work},
    {"invalid_requests_are_refused", invalid_requests_are_refused},
    {"a_child_cannot_use_parent_objects", a_child_cannot_use_parent_objects},
    {"a_token_works_after_a_fork", a_token_works_after_a_fork},
    {"a_child_does_not_block_on_locks", a_child_does_not_block_on_locks},
    {"a_child_may_share_its_parents_id", a_child_may_share_its_parents_id},
    {"no_sigpipe_when_a_server_hangs_up", no_sigpipe_when_a_server_hangs_up},
    {"a_token_ends_calls_of_eight_threads", a_token_ends_calls_of_eight_threads},
    {"objects_may_be_freed_in_any_order", objects_may_be_freed_in_any_order},
    {"results_outlive_their_client", results_outlive_their_client},
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
    printf("misuse: %zu tests\n", run);
    return 0;
}
