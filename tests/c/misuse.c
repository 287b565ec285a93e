/* What a program may do wrong, against a running sandbox, whose address is the argument. */
#include "misuse.h"

#include "check.h"
#include "sandbox.h"

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"null_arguments_are_refused", null_arguments_are_refused},
    {"null_objects_have_nothing", null_objects_have_nothing},
    {"bad_texts_are_refused", bad_texts_are_refused},
    {"long_texts_are_borne", long_texts_are_borne},
    {"values_out_of_range", values_out_of_range},
    {"indices_behind_the_end", indices_behind_the_end},
    {"a_forked_child_makes_its_own", a_forked_child_makes_its_own},
    {"a_token_whose_process_forked", a_token_whose_process_forked},
    {"forks_while_a_thread_holds_a_lock", forks_while_a_thread_holds_a_lock},
    {"a_forked_child_with_the_id_of_its_parent", a_forked_child_with_the_id_of_its_parent},
    {"a_server_that_hangs_up", a_server_that_hangs_up},
    {"eight_threads_and_a_token", eight_threads_and_a_token},
    {"every_order_of_freeing", every_order_of_freeing},
    {"what_a_client_made_outlives_it", what_a_client_made_outlives_it},
};

int main(int count, char **arguments) {
    CHECK(count == 2);
    sandbox_open(arguments[1]);
    size_t total = sizeof cases / sizeof *cases;
    for (size_t at = 0; at < total; at++) {
        sandbox_begin(cases[at].name);
        cases[at].run();
    }
    printf("misuse: %zu cases\n", total);
    return 0;
}
