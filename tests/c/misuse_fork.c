/* A forked child can neither use nor damage the objects of its parent. */
#define _GNU_SOURCE

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "atomic_counter.h"
#include "milliseconds.h"
#include "misuse.h"
#include "sandbox.h"

/* A call on an object of the parent: it fails, and the message says what to do. */
#define PARENTS(name, call)                                                \
    do {                                                                   \
        FAILS(call, SASTAOTP_ERROR_CONFIG);                                \
        CHECK_CONTAINS(sastaotp_error_message(error),                      \
                       "this " name " belongs to the parent process");     \
        CHECK_CONTAINS(sastaotp_error_message(error), "create a new one"); \
        sastaotp_error_free(error);                                        \
        error = NULL;                                                      \
    } while (0)

/* Ends a child by running another program: valgrind would report the objects of its parent, and the
 * stacks of threads that it does not have, as leaks. It still sees invalid accesses before this. */
static void end_child(void) {
    fflush(NULL);
    execl("/bin/true", "true", (char *)NULL);
    _exit(1);
}

typedef struct inherited {
    sastaotp_config config;
    sastaotp_number_request request;
    sastaotp_client *client, *handle;
    sastaotp_cancel_token *cancel;
    sastaotp_intent *intent;
    sastaotp_activation *number;
    sastaotp_lease *lease;
    sastaotp_order_iterator *iterator;
    sastaotp_orders *orders;
    sastaotp_queue *queue;
} inherited;

static void clients_in_a_child(const inherited *of) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = NULL;
    int64_t balance = 7;
    sastaotp_services *services = NULL;
    sastaotp_offers *offers = NULL;
    sastaotp_prices *prices = NULL;
    sastaotp_countries *countries = NULL;
    sastaotp_orders *orders = NULL;
    sastaotp_order_iterator *iterator = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_intent *intent = NULL;
    sastaotp_lease *lease = NULL;
    sastaotp_reconciliation *found = NULL;
    sastaotp_settled_leases *leases = NULL;
    sastaotp_unclaimed_list *list = NULL;
    PARENTS("client", sastaotp_client_with(of->client, of->cancel, 0, &client, &error));
    PARENTS("client", sastaotp_client_with(of->handle, NULL, 1, &client, &error));
    PARENTS("client", sastaotp_client_get_balance(of->client, &balance, &error));
    PARENTS("client", sastaotp_client_get_services(of->client, NULL, &services, &error));
    sastaotp_offer_query query = SASTAOTP_OFFER_QUERY_INIT;
    query.service = "tg";
    PARENTS("client", sastaotp_client_get_offers(of->client, &query, &offers, &error));
    PARENTS("client", sastaotp_client_get_prices(of->client, NULL, NULL, &prices, &error));
    PARENTS("client", sastaotp_client_get_countries(of->client, NULL, &countries, &error));
    PARENTS("client", sastaotp_client_get_orders(of->client, 1, 1, NULL, &orders, &error));
    PARENTS("client", sastaotp_client_orders(of->client, NULL, &iterator, &error));
    PARENTS("client", sastaotp_client_get_number(of->handle, &of->request, &number, &error));
    PARENTS("client", sastaotp_client_intend(of->client, &of->request, &intent, &error));
    PARENTS("client", sastaotp_client_buy(of->client, of->intent, &number, &error));
    PARENTS("client", sastaotp_client_reget_number(of->client, "1", 1, &number, &error));
    PARENTS("client", sastaotp_client_reget_number(of->client, "1", SASTAOTP_ANY_PRICE, &number,
                                                   &error));
    PARENTS("client", sastaotp_client_lease(of->client, &of->request, &lease, &error));
    PARENTS("client", sastaotp_client_activation(of->client, "1", &number, &error));
    PARENTS("client", sastaotp_client_reconcile(of->client, of->intent, 1, &found, &error));
    PARENTS("client", sastaotp_client_resolve_not_made(of->client, of->intent, &error));
    PARENTS("client", sastaotp_client_resolve_made(of->client, of->intent, "1", &error));
    PARENTS("client", sastaotp_client_settle_leftover_leases(
                          of->client, SASTAOTP_ON_TOO_EARLY_FAIL, &leases, &error));
    PARENTS("client", sastaotp_client_unclaimed(of->client, &list, &error));
    PARENTS("client", sastaotp_client_finish(of->client, 60000, &list, &error));
    CHECK(!sastaotp_client_budget_left(of->client, NULL));
    CHECK_INT(balance, 7);
}

static void queues_in_a_child(const inherited *of, uint64_t ticket) {
    sastaotp_error *error = NULL;
    sastaotp_queue *queue = NULL;
    sastaotp_completion *completion = NULL;
    sastaotp_unclaimed_list *list = NULL;
    uint64_t none = 7;
    size_t count = 7;
    PARENTS("client", sastaotp_queue_new(of->client, 0, &queue, &error));
    PARENTS("queue",
            sastaotp_queue_submit(of->queue, "{\"op\":\"get_balance\"}", NULL, &none, &error));
    PARENTS("queue", sastaotp_queue_submit_held(of->queue, "{\"op\":\"get_balance\"}", NULL, &none,
                                                &error));
    PARENTS("queue",
            sastaotp_queue_submit_get_number(of->queue, &of->request, NULL, &none, &error));
    PARENTS("queue", sastaotp_queue_submit_buy(of->queue, of->intent, NULL, &none, &error));
    PARENTS("queue", sastaotp_queue_submit_wait_for_code(of->queue, "1", 1, NULL, NULL, &none,
                                                         &error));
    PARENTS("queue",
            sastaotp_queue_submit_request_next_code(of->queue, "1", NULL, &none, &error));
    PARENTS("queue", sastaotp_queue_submit_complete(of->queue, "1", NULL, &none, &error));
    PARENTS("queue", sastaotp_queue_submit_cancel(of->queue, "1", NULL, &none, &error));
    PARENTS("queue", sastaotp_queue_submit_settle(of->queue, "1", SASTAOTP_ON_TOO_EARLY_FAIL, NULL,
                                                  &none, &error));
    PARENTS("queue",
            sastaotp_queue_submit_reconcile(of->queue, of->intent, 1, NULL, &none, &error));
    PARENTS("queue", sastaotp_queue_take(of->queue, &completion, 1, 60000, &count, &error));
    PARENTS("queue", sastaotp_queue_join(of->queue, ticket, 60000, &completion, &error));
    PARENTS("queue", sastaotp_queue_close(of->queue, 60000, &list, &error));
    CHECK(none == 0 && count == 0 && completion == NULL && queue == NULL);
    CHECK(!sastaotp_queue_cancel(of->queue, ticket));
    CHECK(!sastaotp_queue_release(of->queue, ticket));
    CHECK_INT(sastaotp_queue_fd(of->queue), -1);
    CHECK_INT(sastaotp_queue_open_count(of->queue), 0);
}

static void numbers_in_a_child(const inherited *of) {
    sastaotp_error *error = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_activation_status *state = NULL;
    sastaotp_sms *sms = NULL;
    sastaotp_settlement *settlement = NULL;
    sastaotp_order *order = NULL;
    const sastaotp_activation *leased = sastaotp_lease_activation(of->lease);
    PARENTS("activation", sastaotp_activation_get_status(of->number, &state, &error));
    PARENTS("activation", sastaotp_activation_wait_for_code(leased, 1, NULL, &sms, &error));
    PARENTS("activation", sastaotp_activation_try_wait_for_code(leased, 1, NULL, &sms, &error));
    PARENTS("activation", sastaotp_activation_mark_sms_sent(of->number, &error));
    PARENTS("activation", sastaotp_activation_request_next_code(of->number, &error));
    PARENTS("activation", sastaotp_activation_complete(of->number, &settlement, &error));
    PARENTS("activation",
            sastaotp_activation_complete_without_code(of->number, &settlement, &error));
    PARENTS("activation", sastaotp_activation_cancel(leased, &settlement, &error));
    PARENTS("activation",
            sastaotp_activation_settle(leased, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error));
    PARENTS("activation", sastaotp_activation_keep(of->number, &error));
    PARENTS("lease",
            sastaotp_lease_close(of->lease, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error));
    PARENTS("lease", sastaotp_lease_keep(of->lease, &number, &error));
    PARENTS("iterator", sastaotp_order_iterator_next(of->iterator, &order, &error));
    CHECK(sastaotp_activation_id(of->number) != NULL &&
          sastaotp_activation_phone_number(leased) != NULL);
    CHECK(sastaotp_activation_price_micros(of->number, NULL) &&
          sastaotp_activation_purchase(leased) != NULL);
    CHECK(sastaotp_activation_sms(of->number, 0) == NULL &&
          !sastaotp_activation_expires_at_ms(of->number, NULL));
}

static void inherited_free(const inherited *of) {
    sastaotp_queue_free(of->queue);
    sastaotp_lease_free(of->lease);
    sastaotp_activation_free(of->number);
    sastaotp_order_iterator_free(of->iterator);
    sastaotp_client_free(of->client);
    sastaotp_client_free(of->handle);
    sastaotp_cancel_token_free(of->cancel);
    sastaotp_intent_free(of->intent);
    sastaotp_orders_free(of->orders);
}

void a_child_cannot_use_parent_objects(void) {
    sastaotp_error *error = NULL;
    inherited of = {.config = sandbox_config(), .request = sandbox_request("zz_never"),
                    .cancel = sastaotp_cancel_token_new()};
    of.config.budget_micros = 500 * SASTAOTP_RUPEE;
    WORKS(sastaotp_client_new(&of.config, &of.client, &error));
    WORKS(sastaotp_client_with(of.client, of.cancel, 0, &of.handle, &error));
    WORKS(sastaotp_client_intend(of.client, &of.request, &of.intent, &error));
    WORKS(sastaotp_client_get_number(of.client, &of.request, &of.number, &error));
    WORKS(sastaotp_client_lease(of.client, &of.request, &of.lease, &error));
    WORKS(sastaotp_client_orders(of.client, NULL, &of.iterator, &error));
    WORKS(sastaotp_client_get_orders(of.client, 10, 1, NULL, &of.orders, &error));
    WORKS(sastaotp_queue_new(of.client, 0, &of.queue, &error));
    /* A completion waits, which only the parent may take. */
    uint64_t ticket = 0;
    sastaotp_completion *completion = NULL;
    WORKS(sastaotp_queue_submit(of.queue, "{\"op\":\"unclaimed\"}", NULL, &ticket, &error));
    while (sastaotp_queue_open_count(of.queue) > 0) sleep_ms(1);
    size_t before = sandbox_requests(NULL);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        sastaotp_client *own = NULL, *none = NULL;
        int64_t balance = 7;
        clients_in_a_child(&of);
        queues_in_a_child(&of, ticket);
        numbers_in_a_child(&of);
        CHECK_INT(sandbox_requests(NULL), before);
        CHECK_INT(sastaotp_orders_count(of.orders), 2);
        WORKS(sastaotp_client_new(&of.config, &own, &error));
        PARENTS("token", sastaotp_client_with(own, of.cancel, 0, &none, &error));
        sastaotp_cancel_token_trigger(of.cancel);
        CHECK(!sastaotp_cancel_token_is_triggered(of.cancel));
        inherited_free(&of);
        WORKS(sastaotp_client_get_balance(own, &balance, &error));
        CHECK_INT(balance, 980 * SASTAOTP_RUPEE);
        sastaotp_client_free(own);
        end_child();
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_INT(sandbox_requests(NULL), before + 1);
    WORKS(sastaotp_queue_join(of.queue, ticket, 0, &completion, &error));
    CHECK(sastaotp_completion_json(completion) != NULL);
    sastaotp_completion_free(completion);
    sandbox_do("assert", "{\"charges\":2,\"refunds\":0}");
    sastaotp_order *order = NULL;
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_order_iterator_next(of.iterator, &order, &error));
    sastaotp_order_free(order);
    WORKS(sastaotp_activation_cancel(of.number, &settlement, &error));
    sastaotp_settlement_free(settlement);
    inherited_free(&of);
    sandbox_do("assert", "{\"charges\":2,\"refunds\":2}");
}

static void *read_until_cancelled(void *client) {
    sastaotp_error *error = NULL;
    int64_t balance = 7;
    FAILS(sastaotp_client_get_balance(client, &balance, &error), SASTAOTP_ERROR_CANCELLED);
    sastaotp_error_free(error);
    return NULL;
}

void a_token_works_after_a_fork(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client(), *handle = NULL;
    sastaotp_cancel_token *cancel = sastaotp_cancel_token_new();
    pthread_t thread;
    WORKS(sastaotp_client_with(client, cancel, 0, &handle, &error));
    sandbox_do("faults", "{\"fault\":\"N10\",\"variant\":\"silent\"}");
    CHECK_INT(pthread_create(&thread, NULL, read_until_cancelled, handle), 0);
    while (sandbox_requests("getBalance") == 0) sleep_ms(20);
    sleep_ms(50);
    int ends[2], status = 0;
    CHECK(pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        /* Lives until the parent closes its end of the pipe. */
        char byte;
        close(ends[1]);
        CHECK(read(ends[0], &byte, 1) == 0);
        end_child();
    }
    close(ends[0]);
    long long triggered = now_ms();
    sastaotp_cancel_token_trigger(cancel);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(now_ms() - triggered < at_most_ms(2000));
    close(ends[1]);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    sastaotp_client_free(handle);
    sastaotp_client_free(client);
    sastaotp_cancel_token_free(cancel);
}

static counter ended = COUNTER;

static void ignore_log(void *user, sastaotp_log_level level, const char *message) {
    (void)level, (void)message;
    counter_add(user, 1);
}

/* Keeps the locks of the log busy, whose callback is called meanwhile. */
static void *log_at_full_speed(void *argument) {
    const inherited *of = argument;
    sastaotp_error *error = NULL;
    counter calls = COUNTER;
    for (int round = 0; counter_add(&ended, 0) == 0; round++) {
        int64_t balance = 7;
        WORKS(sastaotp_log_set(SASTAOTP_LOG_TRACE, ignore_log, &calls, &error));
        WORKS(sastaotp_client_get_balance(of->client, &balance, &error));
        if (round % 2) WORKS(sastaotp_log_set(SASTAOTP_LOG_OFF, NULL, NULL, &error));
    }
    WORKS(sastaotp_log_set(SASTAOTP_LOG_OFF, NULL, NULL, &error));
    CHECK(counter_add(&calls, 0) > 0);
    return NULL;
}

/* A child may set its own callback. If its parent was setting one, the call may fail. */
static void log_in_a_child(void) {
    counter calls = COUNTER;
    sastaotp_client *own = sandbox_client();
    int64_t balance = 7;
    sastaotp_status status = sastaotp_log_set(SASTAOTP_LOG_TRACE, ignore_log, &calls, NULL);
    CHECK_INT(sastaotp_client_get_balance(own, &balance, NULL), SASTAOTP_OK);
    CHECK(sastaotp_log_set(SASTAOTP_LOG_OFF, NULL, NULL, NULL) == SASTAOTP_OK ||
          status != SASTAOTP_OK);
    CHECK(status != SASTAOTP_OK || counter_add(&calls, 0) > 0);
    sastaotp_client_free(own);
}

/* Keeps the locks of an activation, a token and a queue busy. */
static void *use_at_full_speed(void *argument) {
    const inherited *of = argument;
    while (counter_add(&ended, 0) == 0) {
        for (int at = 0; at < 100; at++) {
            CHECK(sastaotp_activation_sms_count(of->number) == 0 &&
                  !sastaotp_cancel_token_is_triggered(of->cancel));
            CHECK(!sastaotp_client_budget_left(of->client, NULL));
            CHECK_INT(sastaotp_queue_open_count(of->queue), 0);
        }
    }
    return NULL;
}

void a_child_does_not_block_on_locks(void) {
    enum { FORKS = 50 };
    inherited of = {.client = sandbox_client(), .cancel = sastaotp_cancel_token_new()};
    of.number = sandbox_buy(of.client, "zz_never");
    sastaotp_error *error = NULL;
    WORKS(sastaotp_queue_new(of.client, 0, &of.queue, &error));
    pthread_t thread, logger;
    CHECK_INT(pthread_create(&thread, NULL, use_at_full_speed, &of), 0);
    CHECK_INT(pthread_create(&logger, NULL, log_at_full_speed, &of), 0);
    for (int at = 0; at < FORKS; at++) {
        int status = 0;
        fflush(NULL);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(20);
            CHECK_INT(sastaotp_activation_sms_count(of.number), 0);
            CHECK_INT(sastaotp_activation_ending(of.number), SASTAOTP_ENDING_NONE);
            CHECK(sastaotp_activation_phone_number(of.number) != NULL);
            sastaotp_cancel_token_trigger(of.cancel);
            CHECK(!sastaotp_client_budget_left(of.client, NULL));
            CHECK_INT(sastaotp_queue_open_count(of.queue), 0);
            log_in_a_child();
            inherited_free(&of);
            end_child();
        }
        CHECK(waitpid(child, &status, 0) == child);
        /* If the child hangs, the alarm ends it. */
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    counter_add(&ended, 1);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(pthread_join(logger, NULL), 0);
    inherited_free(&of);
}

/* The first process of a namespace, as in a container. Its child is the first of another one, so
 * both have the id 1. */
static void first_process(void) {
    int status = 0;
    CHECK_INT(getpid(), 1);
    sastaotp_error *error = NULL;
    inherited of = {.client = sandbox_client(), .request = sandbox_request("zz_never")};
    WORKS(sastaotp_client_lease(of.client, &of.request, &of.lease, &error));
    CHECK(unshare(CLONE_NEWPID) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int64_t balance = 7;
        CHECK_INT(getpid(), 1);
        PARENTS("client", sastaotp_client_get_balance(of.client, &balance, &error));
        inherited_free(&of);
        end_child();
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":0}");
    inherited_free(&of);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":1}");
}

void a_child_may_share_its_parents_id(void) {
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        /* A namespace needs privileges, which not every machine gives. */
        pid_t first = unshare(CLONE_NEWPID) == 0 ? fork() : -1;
        if (first == 0) {
            first_process();
            end_child();
        }
        CHECK(first < 0 || (waitpid(first, &status, 0) == first && WIFEXITED(status) &&
                            WEXITSTATUS(status) == 0));
        end_child();
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
