/* The ends of programs: each row is a process that ends with purchases that are not settled, and
 * prints the reports of the library. The argument is the URL of a sandbox. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "json.h"
#include "milliseconds.h"
#include "queue_calls.h"
#include "sandbox.h"

enum { MAX_REPORT = 16384 };

/* The parts of a program. The parent reads its standard output. */

/* Prints a line for each purchase of a list: the outcome, and the message for people. */
static void report(sastaotp_unclaimed_list *list) {
    static const char *const outcomes[] = {"unknown", "pending", "bought"};
    CHECK(json_is_valid(sastaotp_unclaimed_list_json(list)));
    for (size_t at = 0; at < sastaotp_unclaimed_list_count(list); at++) {
        const sastaotp_unclaimed *one = sastaotp_unclaimed_list_get(list, at);
        printf("%s: %s\n", outcomes[sastaotp_unclaimed_outcome(one)],
               sastaotp_unclaimed_message(one));
    }
    fflush(stdout);
    sastaotp_unclaimed_list_free(list);
}

static void finish(const sastaotp_client *client, uint32_t timeout_ms) {
    sastaotp_error *error = NULL;
    sastaotp_unclaimed_list *list = NULL;
    WORKS(sastaotp_client_finish(client, timeout_ms, &list, &error));
    report(list);
}

static void close_queue(const sastaotp_queue *queue, uint32_t timeout_ms) {
    sastaotp_error *error = NULL;
    sastaotp_unclaimed_list *list = NULL;
    WORKS(sastaotp_queue_close(queue, timeout_ms, &list, &error));
    report(list);
}

/* Lets the reply to the next purchase arrive slowly, or never. */
static void slow_reply(void) {
    sandbox_do("faults", "{\"match\":{\"action\":\"getNumber\"},\"fault\":\"N11\",\"every_ms\":4}");
}

static void no_reply(void) {
    sandbox_do("faults",
               "{\"match\":{\"action\":\"getNumber\"},\"fault\":\"N10\",\"variant\":\"silent\"}");
}

static void wait_until_sent(void) {
    while (sandbox_requests("getNumber") == 0) sleep_ms(5);
}

/* Saves the intent of a purchase and starts the purchase in a queue. */
static sastaotp_queue *start_purchase(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_queue *queue = NULL;
    sastaotp_intent *intent = NULL;
    sastaotp_number_request request = sandbox_request("zz_never");
    WORKS(sastaotp_client_intend(client, &request, &intent, &error));
    printf("saved: %s\n", sastaotp_intent_json(intent));
    fflush(stdout);
    WORKS(sastaotp_queue_new(client, 0, &queue, &error));
    WORKS(sastaotp_queue_submit_buy(queue, intent, NULL, NULL, &error));
    wait_until_sent();
    sastaotp_intent_free(intent);
    return queue;
}

/* Buys in this thread and fails with an unknown charge. */
static void lose_purchase(const sastaotp_client *client, const char *service) {
    sastaotp_error *error = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_number_request request = sandbox_request(service);
    CHECK(sastaotp_client_get_number(client, &request, &number, &error) != SASTAOTP_OK);
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_UNKNOWN);
    sastaotp_error_free(error);
}

static void *buy_with_token(void *handle) {
    lose_purchase(handle, "zz_never");
    return NULL;
}

/* The programs. */

static void queue_closes_during_a_purchase(const sastaotp_client *client) {
    slow_reply();
    close_queue(start_purchase(client), SOON_MS);
}

static void queue_closes_before_the_reply(const sastaotp_client *client) {
    no_reply();
    close_queue(start_purchase(client), 200);
}

static void queue_is_freed_during_a_purchase(const sastaotp_client *client) {
    slow_reply();
    sastaotp_queue_free(start_purchase(client));
    finish(client, SOON_MS);
}

static void completion_is_not_taken(const sastaotp_client *client) {
    sastaotp_queue *queue = start_purchase(client);
    while (sastaotp_queue_open_count(queue) > 0) sleep_ms(5);
    close_queue(queue, 0);
}

static void purchase_is_cancelled(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_client *handle = NULL;
    sastaotp_cancel_token *token = sastaotp_cancel_token_new();
    pthread_t thread;
    slow_reply();
    WORKS(sastaotp_client_with(client, token, 0, &handle, &error));
    CHECK_INT(pthread_create(&thread, NULL, buy_with_token, handle), 0);
    wait_until_sent();
    sastaotp_cancel_token_trigger(token);
    CHECK_INT(pthread_join(thread, NULL), 0);
    finish(client, SOON_MS);
}

static void purchase_times_out(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_client *handle = NULL;
    slow_reply();
    WORKS(sastaotp_client_with(client, NULL, 500, &handle, &error));
    lose_purchase(handle, "zz_never");
    finish(client, SOON_MS);
}

static void reply_is_lost(const sastaotp_client *client) {
    lose_purchase(client, "zz_lost_reply");
    finish(client, 0);
}

static void number_is_held(const sastaotp_client *client) {
    sandbox_buy(client, "zz_never");
    finish(client, 0);
}

static void number_is_freed(const sastaotp_client *client) {
    sastaotp_activation_free(sandbox_buy(client, "zz_never"));
    finish(client, 0);
}

static void wait_fails(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_sms *sms = NULL;
    sastaotp_activation *number = sandbox_buy(client, "zz_never");
    FAILS(sastaotp_activation_wait_for_code(number, 0, NULL, &sms, &error),
          SASTAOTP_ERROR_WAIT_TIMEOUT);
    sastaotp_error_free(error);
    sastaotp_activation_free(number);
    finish(client, 0);
}

static void cancel_fails(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_settlement *settlement = NULL;
    sastaotp_activation *number = sandbox_buy(client, "zz_early_cancel");
    FAILS(sastaotp_activation_cancel(number, &settlement, &error), SASTAOTP_ERROR_TOO_EARLY);
    sastaotp_error_free(error);
    sastaotp_activation_free(number);
    finish(client, 0);
}

static void lease_cannot_settle(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_lease *lease = NULL;
    sastaotp_number_request request = sandbox_request("zz_early_cancel");
    WORKS(sastaotp_client_lease(client, &request, &lease, &error));
    sastaotp_lease_free(lease);
    finish(client, 0);
}

static void lease_settles(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_lease *lease = NULL;
    sastaotp_number_request request = sandbox_request("zz_never");
    WORKS(sastaotp_client_lease(client, &request, &lease, &error));
    sastaotp_lease_free(lease);
    finish(client, 0);
}

static void number_is_kept(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_activation *number = sandbox_buy(client, "zz_never");
    WORKS(sastaotp_activation_keep(number, &error));
    sastaotp_activation_free(number);
    finish(client, 0);
}

static void purchase_is_resolved(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_unclaimed_list *list = NULL;
    lose_purchase(client, "zz_html");
    WORKS(sastaotp_client_unclaimed(client, &list, &error));
    CHECK_INT(sastaotp_unclaimed_list_count(list), 1);
    const sastaotp_unclaimed *lost = sastaotp_unclaimed_list_get(list, 0);
    WORKS(sastaotp_client_resolve_not_made(client, sastaotp_unclaimed_intent(lost), &error));
    sastaotp_unclaimed_list_free(list);
    finish(client, 0);
}

static void program_exits_during_a_purchase(const sastaotp_client *client) {
    slow_reply();
    start_purchase(client);
    exit(0);
}

static void program_is_killed_during_a_purchase(const sastaotp_client *client) {
    slow_reply();
    start_purchase(client);
    raise(SIGKILL);
}

/* The output of a program: one purchase with this outcome, nothing, or only its saved intent. */
static const char BOUGHT[] = "bought", PENDING[] = "pending", UNKNOWN[] = "unknown",
                  NOTHING[] = "", SAVED_ONLY[] = "saved";

static const struct {
    const char *name;
    void (*run)(const sastaotp_client *);
    const char *outcome;
} programs[] = {
#define ROW(name, outcome) {#name, name, outcome}
    ROW(queue_closes_during_a_purchase, BOUGHT),
    ROW(queue_closes_before_the_reply, PENDING),
    ROW(queue_is_freed_during_a_purchase, BOUGHT),
    ROW(completion_is_not_taken, BOUGHT),
    ROW(purchase_is_cancelled, BOUGHT),
    ROW(purchase_times_out, BOUGHT),
    ROW(reply_is_lost, UNKNOWN),
    ROW(number_is_held, BOUGHT),
    ROW(number_is_freed, BOUGHT),
    ROW(wait_fails, BOUGHT),
    ROW(cancel_fails, BOUGHT),
    ROW(lease_cannot_settle, BOUGHT),
    ROW(lease_settles, NOTHING),
    ROW(number_is_kept, NOTHING),
    ROW(purchase_is_resolved, NOTHING),
    ROW(program_exits_during_a_purchase, SAVED_ONLY),
    ROW(program_is_killed_during_a_purchase, SAVED_ONLY),
#undef ROW
};
enum { PROGRAMS = sizeof programs / sizeof *programs };

/* Runs a program in a child and reads its output. */
static void run(size_t at, char printed[MAX_REPORT]) {
    int ends[2], status = 0;
    size_t length = 0;
    CHECK(pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(ends[0]);
        CHECK(dup2(ends[1], STDOUT_FILENO) >= 0);
        close(ends[1]);
        programs[at].run(sandbox_client());
        exit(0);
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], printed + length, MAX_REPORT - 1 - length)) != 0;) {
        CHECK(got > 0);
        length += (size_t)got;
    }
    printed[length] = '\0';
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(programs[at].run == program_is_killed_during_a_purchase
              ? WIFSIGNALED(status)
              : WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Returns the activation id of the only order, which the caller frees. */
static char *only_order(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_orders *orders = NULL;
    WORKS(sastaotp_client_get_orders(client, 10, 1, NULL, &orders, &error));
    CHECK_INT(sastaotp_orders_count(orders), 1);
    const char *id = sastaotp_order_activation_id(sastaotp_orders_get(orders, 0));
    char *copy = malloc(strlen(id) + 1);
    CHECK(copy != NULL);
    strcpy(copy, id);
    sastaotp_orders_free(orders);
    return copy;
}

/* The next run of a program that reported nothing: it finds the purchase by the saved intent, and
 * does not buy again. */
static void next_run(const sastaotp_client *client, char *saved) {
    sastaotp_error *error = NULL;
    sastaotp_intent *intent = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_reconciliation *found = NULL;
    saved[strcspn(saved, "\n")] = '\0';
    WORKS(sastaotp_intent_from_json(saved, &intent, &error));
    FAILS(sastaotp_client_buy(client, intent, &number, &error), SASTAOTP_ERROR_ALREADY_SENT);
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_UNKNOWN);
    sastaotp_error_free(error);
    error = NULL;
    WORKS(sastaotp_client_reconcile(client, intent, 0, &found, &error));
    CHECK_INT(sastaotp_reconciliation_count(found), 1);
    CHECK(sastaotp_reconciliation_evidence(found, 0, 0) != NULL);
    char *id = only_order(client);
    CHECK_TEXT(sastaotp_order_activation_id(sastaotp_reconciliation_get(found, 0)), id);
    free(id);
    sastaotp_reconciliation_free(found);
    sastaotp_intent_free(intent);
}

static void check_report(size_t at, char *printed) {
    const char *outcome = programs[at].outcome;
    static const char saved[] = "saved: ";
    sastaotp_client *client = sandbox_client();
    char *intent = strncmp(printed, saved, strlen(saved)) == 0 ? printed + strlen(saved) : NULL;
    char *lines = intent ? strchr(printed, '\n') + 1 : printed;
    if (outcome == NOTHING || outcome == SAVED_ONLY) {
        CHECK_TEXT(lines, "");
    } else {
        const char *end = strchr(lines, '\n');
        CHECK(end != NULL && end[1] == '\0');
        CHECK(strncmp(lines, outcome, strlen(outcome)) == 0);
    }
    if (outcome == BOUGHT) {
        char *id = only_order(client);
        CHECK_CONTAINS(lines, id);
        CHECK_CONTAINS(lines, "cancel");
        free(id);
    } else if (outcome == PENDING || outcome == UNKNOWN) {
        /* The next run can read the intent from the line. */
        sastaotp_error *error = NULL;
        sastaotp_intent *read = NULL;
        char *json = strchr(lines, '{');
        CHECK(json != NULL && json_size(json) > 0);
        json[json_size(json)] = '\0';
        WORKS(sastaotp_intent_from_json(json, &read, &error));
        sastaotp_intent_free(read);
    } else if (outcome == SAVED_ONLY) {
        next_run(client, intent);
    }
    sastaotp_client_free(client);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    sandbox_open(arguments[1]);
    for (size_t at = 0; at < PROGRAMS; at++) {
        char key[64], printed[MAX_REPORT];
        check_context = programs[at].name;
        snprintf(key, sizeof key, "end_%zu_%ld", at, (long)getpid());
        sandbox_begin(key);
        run(at, printed);
        check_report(at, printed);
    }
    printf("ends: %d programs\n", (int)PROGRAMS);
    return 0;
}
