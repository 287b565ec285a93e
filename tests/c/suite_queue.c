/* The queue: its file descriptor, cancellation, threads, and the order of freeing. */
#define _POSIX_C_SOURCE 200809L

#include <poll.h>
#include <pthread.h>

#include "check.h"
#include "atomic_counter.h"
#include "json.h"
#include "milliseconds.h"
#include "queue_calls.h"
#include "sandbox.h"
#include "suite.h"

/* Frees a queue, which returns immediately, and waits for its workers, which end within a second.
 */
static void queue_ends(sastaotp_queue *queue, int threads_before) {
    long long begun = now_ms();
    sastaotp_queue_free(queue);
    long long freed = now_ms();
    CHECK(freed - begun < at_most_ms(500));
    while (threads() > threads_before) {
        CHECK(now_ms() - freed < at_most_ms(5000));
        sleep_ms(10);
    }
}

/* Whether the file descriptor becomes readable within a time. */
static int readable(const sastaotp_queue *queue, int timeout_ms) {
    struct pollfd one = {.fd = (int)sastaotp_queue_fd(queue), .events = POLLIN};
    int ready = poll(&one, 1, timeout_ms);
    CHECK(ready == 0 || (ready == 1 && one.revents == POLLIN));
    return ready;
}

static size_t take(const sastaotp_queue *queue, size_t capacity, uint32_t timeout_ms) {
    sastaotp_error *error = NULL;
    sastaotp_completion *completions[8];
    size_t count = 99;
    WORKS(sastaotp_queue_take(queue, completions, capacity, timeout_ms, &count, &error));
    CHECK(count <= capacity);
    for (size_t at = 0; at < count; at++) sastaotp_completion_free(completions[at]);
    return count;
}

void fd_is_readable_while_completions_wait(void) {
    int before = threads();
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    sastaotp_completion *completion = NULL;
    CHECK(!readable(queue, 0));
    CHECK_INT(take(queue, 8, 0), 0);
    CHECK_INT(take(queue, 8, 50), 0);
    uint64_t tickets[3];
    for (size_t at = 0; at < 3; at++) tickets[at] = submit(queue, "{\"op\":\"budget_left\"}");
    while (sastaotp_queue_open_count(queue) > 0) sleep_ms(1);
    CHECK(tickets[0] != tickets[1] && tickets[1] != tickets[2] && tickets[2] != tickets[0]);
    CHECK(readable(queue, 0) && readable(queue, 0));
    CHECK_INT(take(queue, 0, SOON_MS), 0);
    size_t count = 99;
    WORKS(sastaotp_queue_take(queue, &completion, 1, SOON_MS, &count, &error));
    CHECK_INT(count, 1);
    uint64_t first = sastaotp_completion_ticket(completion);
    sastaotp_completion_free(completion);
    CHECK(readable(queue, 0));
    /* A completion is taken or joined only once, and joining clears the descriptor too. */
    completion = (sastaotp_completion *)(void *)&count;
    FAILS(sastaotp_queue_join(queue, first, SOON_MS, &completion, &error), SASTAOTP_ERROR_CONFIG);
    CHECK(completion == NULL);
    CHECK_CONTAINS(sastaotp_error_message(error), "ticket");
    sastaotp_error_free(error);
    error = NULL;
    sastaotp_completion_free(join(queue, tickets[0] == first ? tickets[1] : tickets[0]));
    CHECK(readable(queue, 0));
    CHECK_INT(take(queue, 8, SOON_MS), 1);
    CHECK(!readable(queue, 0));

    char id[65];
    buy(queue, "zz_never", id);
    CHECK(!readable(queue, 0));
    uint64_t wait = submit(queue, operation_on("wait_for_code", id, ",\"timeout_ms\":60000"));
    CHECK(!readable(queue, 100));
    WORKS(sastaotp_queue_join(queue, wait, 50, &completion, &error));
    CHECK(completion == NULL);
    CHECK_INT(sastaotp_queue_open_count(queue), 1);
    /* A completion that arrives during poll() ends it. */
    submit(queue, "{\"op\":\"get_balance\"}");
    CHECK(readable(queue, SOON_MS));
    CHECK_INT(take(queue, 8, 0), 1);
    CHECK(!readable(queue, 0));
    CHECK(sastaotp_queue_cancel(queue, wait) && readable(queue, 0));
    CHECK(!sastaotp_queue_cancel(queue, wait) && !sastaotp_queue_cancel(queue, UINT64_MAX));
    completion = join(queue, wait);
    CHECK_INT(sastaotp_completion_status(completion), SASTAOTP_ERROR_CANCELLED);
    CHECK_INT(sastaotp_error_charge(sastaotp_completion_error(completion)), SASTAOTP_CHARGE_NONE);
    sastaotp_completion_free(completion);
    CHECK(!readable(queue, 0));
    free(result_of(queue, operation_on("cancel", id, "")));
    queue_ends(queue, before);
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":1}");
}

/* Lets the reply to a held purchase arrive, and waits until the only unclaimed one is bought. */
static void wait_until_bought(const sastaotp_client *client) {
    sandbox_do("clock", "{\"mode\":\"real\"}");
    for (int tries = 0; tries < 1000; tries++) {
        sastaotp_error *error = NULL;
        sastaotp_unclaimed_list *list = NULL;
        WORKS(sastaotp_client_unclaimed(client, &list, &error));
        CHECK_INT(sastaotp_unclaimed_list_count(list), 1);
        sastaotp_outcome outcome = sastaotp_unclaimed_outcome(sastaotp_unclaimed_list_get(list, 0));
        sastaotp_unclaimed_list_free(list);
        if (outcome == SASTAOTP_OUTCOME_BOUGHT) return;
        CHECK_INT(outcome, SASTAOTP_OUTCOME_PENDING);
        sleep_ms(20);
    }
    CHECK(!"the purchase finishes");
}

/* Starts a purchase whose reply is held, because the sandbox's clock stands still. */
static void submit_held_purchase(const sastaotp_queue *queue, uint64_t *ticket) {
    sandbox_do("clock", "{\"mode\":\"manual\"}");
    sandbox_do("faults",
               "{\"match\":{\"action\":\"getNumber\"},\"delay_ms\":500,\"times\":1}");
    *ticket = submit(queue, purchase_of("zz_ok"));
    for (bool is_sent = false; !is_sent;) {
        sleep_ms(5);
        char *ledger = sandbox_call("ledger", NULL);
        is_sent = strstr(ledger, "\"in_flight\":1") != NULL;
        free(ledger);
    }
    CHECK_INT(sastaotp_queue_open_count(queue), 1);
}

void a_cancelled_purchase_is_listed(void) {
    int before = threads();
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    uint64_t ticket = 0;
    submit_held_purchase(queue, &ticket);
    CHECK(sastaotp_queue_cancel(queue, ticket));
    CHECK_INT(sastaotp_queue_open_count(queue), 0);
    sastaotp_completion *completion = join(queue, ticket);
    const sastaotp_error *failure = sastaotp_completion_error(completion);
    CHECK_INT(sastaotp_completion_status(completion), SASTAOTP_ERROR_CANCELLED);
    CHECK(sastaotp_completion_json(completion) == NULL);
    CHECK_INT(sastaotp_error_status(failure), SASTAOTP_ERROR_CANCELLED);
    CHECK_INT(sastaotp_error_charge(failure), SASTAOTP_CHARGE_UNKNOWN);
    CHECK_TEXT(sastaotp_intent_service(sastaotp_error_intent(failure)), "zz_ok");
    sastaotp_completion_free(completion);
    wait_until_bought(client);
    char *json = result_of(queue, "{\"op\":\"unclaimed\"}");
    CHECK_CONTAINS(json, "\"bought\"");
    free(json);
    queue_ends(queue, before);
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":0}");
}

static uint64_t submit_held(const sastaotp_queue *queue, const char *operation) {
    sastaotp_error *error = NULL;
    uint64_t ticket = 0;
    WORKS(sastaotp_queue_submit_held(queue, operation, NULL, &ticket, &error));
    return ticket;
}

static void check_listed(const sastaotp_queue *queue, const char *expected) {
    char *json = result_of(queue, "{\"op\":\"unclaimed\"}");
    CHECK_CONTAINS(json, expected);
    free(json);
}

/* Waits until the number is listed: a poll of a released wait may still be in flight. */
static void wait_until_listed(const sastaotp_queue *queue, const char *id) {
    for (int tries = 0; tries < 1000; tries++) {
        char *json = result_of(queue, "{\"op\":\"unclaimed\"}");
        bool is_listed = strstr(json, id) != NULL;
        free(json);
        if (is_listed) return;
        sleep_ms(20);
    }
    CHECK(!"the number is listed");
}

void a_released_ticket_holds_nothing(void) {
    int before = threads();
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    uint64_t bought = submit_held(queue, "{\"op\":\"get_number\",\"service\":\"zz_never\","
                                         "\"country\":\"22\",\"max_price\":\"80\"}");
    sastaotp_completion *completion = join(queue, bought);
    char id[65];
    snprintf(id, sizeof id, "%s",
             sastaotp_activation_id(sastaotp_completion_activation(completion)));
    sastaotp_completion_free(completion);
    check_listed(queue, "[]");
    uint64_t claimed = submit_held(queue, operation_on("claim", id, ""));
    completion = join(queue, claimed);
    CHECK_CONTAINS(sastaotp_completion_json(completion), id);
    sastaotp_completion_free(completion);
    CHECK(!sastaotp_queue_release(queue, bought));
    check_listed(queue, "[]");
    CHECK(!sastaotp_queue_release(queue, claimed) && !sastaotp_queue_release(queue, claimed));
    check_listed(queue, id);
    /* An open operation ends without a completion. */
    uint64_t wait = submit_held(queue, operation_on("wait_for_code", id, ",\"timeout_ms\":60000"));
    check_listed(queue, "[]");
    CHECK(sastaotp_queue_release(queue, wait));
    CHECK_INT(sastaotp_queue_open_count(queue), 0);
    CHECK_INT(take(queue, 8, 0), 0);
    wait_until_listed(queue, id);
    queue_ends(queue, before);
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":0}");
}

void invalid_operations_are_rejected(void) {
    static const struct {
        const char *operation, *message;
    } rows[] = {
        {"", "not a JSON object"},
        {"tg", "not a JSON object"},
        {"{\"op\":\"get_balance\"", "EOF"},
        {"{\"op\":\"get_balance\"}}", "trailing"},
        {"[]", "object"},
        {"\"get_balance\"", "object"},
        {"{}", "`op`"},
        {"{\"op\":null}", "`op`"},
        {"{\"op\":1}", "`op`"},
        {"{\"op\":\"get_balnce\"}", "`get_balance`"},
        {"{\"op\":\"GetBalance\"}", "`get_balance`"},
        {"{\"op\":\"get_balance\",\"id\":\"1\"}", "`id`"},
        {"{\"op\":\"get_number\",\"country\":\"22\"}", "`service`"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"contry\":\"22\"}", "`contry`"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"country\":22,\"max_price\":\"80\"}",
         "`country`"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"max_price\":18.5}", "`max_price`"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"max_price\":80}", "`max_price`"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"max_price\":\"18,50\"}", "`max_price`"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"max_price_micros\":1.0}",
         "`max_price_micros`"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"max_price\":\"8\",\"max_price\":\"80\"}",
         "`max_price`"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"accept_any_price\":1}", "`accept_any_price`"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"country\":\"22\",\"any_country\":true}",
         "`country` disagree"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"operator\":\"22\",\"any_country\":true}",
         "`operator` disagree"},
        {"{\"op\":\"intend\",\"service\":\"tg\",\"max_price\":\"8\",\"max_price_micros\":80000000}",
         "`max_price_micros` disagree"},
        {"{\"op\":\"get_number\",\"service\":\"tg\",\"max_price\":\"8\",\"accept_any_price\":true}",
         "`max_price` disagree"},
        {"{\"op\":\"reget_number\",\"id\":\"1\"}", "`accept_any_price`"},
        {"{\"op\":\"reget_number\",\"id\":\"1\",\"max_price\":null}", "`accept_any_price`"},
        {"{\"op\":\"reget_number\",\"id\":\"1\",\"max_price\":\"8\",\"accept_any_price\":true}",
         "`max_price` disagree"},
        {"{\"op\":\"resolve\",\"not_made\":true}", "`intent`"},
        {"{\"op\":\"keep\"}", "`id`"},
        {"{\"op\":\"finish\",\"timeout_ms\":-1}", "`timeout_ms`"},
        {"{\"op\":\"wait_for_code\",\"timeout_ms\":1000}", "`id`"},
        {"{\"op\":\"wait_for_code\",\"id\":38496653,\"timeout_ms\":1000}", "`id`"},
        {"{\"op\":\"wait_for_code\",\"id\":\"1\"}", "`timeout_ms`"},
        {"{\"op\":\"wait_for_code\",\"id\":\"1\",\"timeout_ms\":\"1\"}", "`timeout_ms`"},
        {"{\"op\":\"wait_for_code\",\"id\":\"1\",\"timeout_ms\":-1}", "`timeout_ms`"},
        {"{\"op\":\"wait_for_code\",\"id\":\" a\",\"timeout_ms\":1}", "id"},
        {"{\"op\":\"set_status\",\"id\":\"1\",\"status\":2}", "status"},
        {"{\"op\":\"buy\",\"intent\":{}}", "intent"},
        {"{\"op\":\"buy\"}", "`intent`"},
    };
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_error *error = NULL;
        uint64_t ticket = 7;
        check_context = rows[row].operation;
        FAILS(sastaotp_queue_submit(queue, rows[row].operation, NULL, &ticket, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), rows[row].message);
        CHECK_INT(sastaotp_error_phase(error), SASTAOTP_PHASE_PREPARE);
        CHECK_INT(ticket, 0);
        sastaotp_error_free(error);
    }
    check_context = NULL;
    CHECK_INT(sastaotp_queue_open_count(queue), 0);
    CHECK(!readable(queue, 0));
    sastaotp_queue_free(queue);
    sastaotp_client_free(client);
    CHECK_INT(sandbox_requests(NULL), 0);
}

enum { SUBMITTERS = 8, TAKERS = 3, EACH = 40 };

/* The tickets that were submitted and taken; one row for each thread. */
static const sastaotp_queue *shared_queue;
static uint64_t submitted[SUBMITTERS][EACH], taken[TAKERS][SUBMITTERS * EACH];
static counter taken_count = COUNTER;

static void *submit_each(void *row) {
    uint64_t *tickets = row;
    for (int at = 0; at < EACH; at++) {
        tickets[at] =
            submit(shared_queue, at % 8 ? "{\"op\":\"budget_left\"}" : "{\"op\":\"get_balance\"}");
    }
    return NULL;
}

/* Takes completions until the threads together have all; returns how many this one took. */
static void *take_each(void *row) {
    uint64_t *tickets = row;
    size_t total = 0, count = 0;
    do {
        sastaotp_error *error = NULL;
        sastaotp_completion *some[5];
        WORKS(sastaotp_queue_take(shared_queue, some, 5, 100, &count, &error));
        for (size_t at = 0; at < count; at++) {
            CHECK(json_is_valid(sastaotp_completion_json(some[at])));
            tickets[total++] = sastaotp_completion_ticket(some[at]);
            sastaotp_completion_free(some[at]);
        }
    } while (counter_add(&taken_count, (long long)count) < SUBMITTERS * EACH);
    return (void *)(intptr_t)total;
}

static int by_number(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

void threads_share_one_queue(void) {
    enum { ALL = SUBMITTERS * EACH };
    int before = threads();
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    shared_queue = queue;
    pthread_t submitters[SUBMITTERS], takers[TAKERS];
    for (int at = 0; at < TAKERS; at++)
        CHECK_INT(pthread_create(&takers[at], NULL, take_each, taken[at]), 0);
    for (int at = 0; at < SUBMITTERS; at++)
        CHECK_INT(pthread_create(&submitters[at], NULL, submit_each, submitted[at]), 0);
    for (int at = 0; at < SUBMITTERS; at++) CHECK_INT(pthread_join(submitters[at], NULL), 0);
    uint64_t all[ALL];
    size_t total = 0;
    for (int at = 0; at < TAKERS; at++) {
        void *count = NULL;
        CHECK_INT(pthread_join(takers[at], &count), 0);
        CHECK(total + (size_t)(intptr_t)count <= ALL);
        memcpy(all + total, taken[at], (size_t)(intptr_t)count * sizeof *all);
        total += (size_t)(intptr_t)count;
    }
    /* Every ticket is taken exactly once. */
    CHECK_INT(total, ALL);
    qsort(all, ALL, sizeof *all, by_number);
    qsort(submitted, ALL, sizeof *all, by_number);
    CHECK(memcmp(all, submitted, sizeof all) == 0);
    for (int at = 1; at < ALL; at++) CHECK(all[at - 1] != all[at]);
    CHECK(!readable(queue, 0));
    CHECK_INT(sastaotp_queue_open_count(queue), 0);
    queue_ends(queue, before);
    sastaotp_client_free(client);
}

void a_queue_ends_while_connections_hang(void) {
    enum { WAITS = 20 };
    int before = threads();
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    char id[65];
    buy(queue, "zz_never", id);
    sandbox_do("faults", "{\"fault\":\"N10\",\"variant\":\"silent\",\"times\":0}");
    for (int at = 0; at < WAITS; at++) {
        submit(queue, operation_on("wait_for_code", id, ",\"timeout_ms\":60000"));
        submit(queue, "{\"op\":\"get_balance\"}");
    }
    /* The queue frees a completion that is not taken. */
    CHECK(sastaotp_queue_cancel(queue, submit(queue, "{\"op\":\"get_balance\"}")));
    while (sandbox_requests("getBalance") < WAITS) sleep_ms(10);
    CHECK_INT(sastaotp_queue_open_count(queue), 2 * WAITS);
    CHECK(threads() > before + 10);
    queue_ends(queue, before);
    sandbox_do("faults", "{\"clear\":true}");
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":0}");
}

/* Closes a queue within a time, and frees it; its threads have ended. */
static void close_and_free(sastaotp_queue *queue, int threads_before) {
    sastaotp_error *error = NULL;
    sastaotp_unclaimed_list *list = NULL;
    long long begun = now_ms();
    WORKS(sastaotp_queue_close(queue, SOON_MS, &list, &error));
    long long closed = now_ms();
    CHECK(closed - begun < at_most_ms(2000));
    /* The system lists a thread for a moment after it was joined. */
    while (threads() > threads_before) {
        CHECK(now_ms() - closed < at_most_ms(500));
        sleep_ms(1);
    }
    sastaotp_unclaimed_list_free(list);
    sastaotp_queue_free(queue);
    CHECK_INT(threads(), threads_before);
}

void a_closed_queue_has_no_thread(void) {
    enum { WAITS = 20 };
    int before = threads();
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    close_and_free(queue, before);
    /* Completions that are taken, and that are not; waits; reads whose connections hang. */
    queue = queue_of(client);
    char id[65];
    buy(queue, "zz_never", id);
    CHECK(threads() > before);
    for (int at = 0; at < WAITS; at++) {
        submit(queue, "{\"op\":\"budget_left\"}");
        submit(queue, operation_on("wait_for_code", id, ",\"timeout_ms\":60000"));
    }
    CHECK_INT(take(queue, 8, SOON_MS) > 0, 1);
    close_and_free(queue, before);
    queue = queue_of(client);
    sandbox_do("faults", "{\"fault\":\"N10\",\"variant\":\"silent\",\"times\":0}");
    for (int at = 0; at < WAITS; at++) submit(queue, "{\"op\":\"get_balance\"}");
    while (sandbox_requests("getBalance") < WAITS) sleep_ms(10);
    CHECK(threads() > before + 10);
    close_and_free(queue, before);
    sandbox_do("faults", "{\"clear\":true}");
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":0}");
}

void queue_and_client_end_in_any_order(void) {
    int before = threads();
    uint64_t ticket = 0;
    /* A sent purchase outlives the queue. */
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    submit_held_purchase(queue, &ticket);
    sastaotp_queue_free(queue);
    wait_until_bought(client);
    /* A queue may outlive its client, and a completion its queue. */
    queue = queue_of(client);
    sastaotp_client_free(client);
    sastaotp_completion *completion = join(queue, submit(queue, "{\"op\":\"get_balance\"}"));
    char id[65];
    buy(queue, "zz_never", id);
    submit(queue, operation_on("wait_for_code", id, ",\"timeout_ms\":60000"));
    queue_ends(queue, before);
    CHECK(json_is(json_member(sastaotp_completion_json(completion), "currency"), "\"INR\""));
    sastaotp_completion_free(completion);
    sandbox_do("assert", "{\"charges\":2,\"refunds\":0}");
}
