/* NULL for every pointer argument. tests/c/every_function_is_called compares the rows with the
 * header, so that none is missing. */
#include "check.h"
#include "misuse.h"
#include "sandbox.h"

static int rows;

/* A call that rejects an argument, once with a place for the error, which names the argument, and
 * once without. */
#define REJECTED(argument, call)                                          \
    do {                                                                 \
        sastaotp_error *object = NULL, **error = &object;                \
        check_context = argument;                                        \
        CHECK_INT(call, SASTAOTP_ERROR_CONFIG);                                \
        CHECK_INT(sastaotp_error_status(object), SASTAOTP_ERROR_CONFIG);       \
        CHECK_CONTAINS(sastaotp_error_message(object), argument);           \
        CHECK_CONTAINS(sastaotp_error_message(object), "NULL");             \
        CHECK_INT(sastaotp_error_charge(object), SASTAOTP_CHARGE_NONE);  \
        CHECK_INT(sastaotp_error_phase(object), SASTAOTP_PHASE_PREPARE); \
        sastaotp_error_free(object);                                     \
        error = NULL;                                                    \
        CHECK_INT(call, SASTAOTP_ERROR_CONFIG);                                \
        check_context = NULL;                                            \
        rows++;                                                          \
    } while (0)

/* As REJECTED, with a place for a result: the call must write NULL to it without reading its
 * previous content. */
#define REJECTED_INTO(type, argument, call)                     \
    do {                                                       \
        char no_object[1];                                     \
        type *result = (type *)(void *)no_object, **place = &result; \
        REJECTED(argument, call);                               \
        CHECK(result == NULL);                                 \
    } while (0)

#define PLACE "the place for the result"

static void utilities(void) {
    int64_t micros = 7;
    REJECTED("rupees", sastaotp_amount_parse(NULL, &micros, error));
    REJECTED("micros", sastaotp_amount_parse("1", NULL, error));
    CHECK_INT(micros, 7);
    REJECTED_INTO(sastaotp_intent, "json", sastaotp_intent_from_json(NULL, place, error));
    REJECTED(PLACE, sastaotp_intent_from_json("{}", NULL, error));
}

static void clients(const sastaotp_client *client, const sastaotp_config *config,
                    const sastaotp_number_request *request, const sastaotp_intent *intent) {
    int64_t balance = 7;
    REJECTED_INTO(sastaotp_client, "config", sastaotp_client_new(NULL, place, error));
    REJECTED(PLACE, sastaotp_client_new(config, NULL, error));
    REJECTED(PLACE, sastaotp_client_from_env(NULL, error));
    REJECTED_INTO(sastaotp_client, "client", sastaotp_client_with(NULL, NULL, 1, place, error));
    REJECTED(PLACE, sastaotp_client_with(client, NULL, 1, NULL, error));
    REJECTED("client", sastaotp_client_get_balance(NULL, &balance, error));
    REJECTED("micros", sastaotp_client_get_balance(client, NULL, error));
    CHECK_INT(balance, 7);
    REJECTED_INTO(sastaotp_services, "client",
                  sastaotp_client_get_services(NULL, NULL, place, error));
    REJECTED(PLACE, sastaotp_client_get_services(client, NULL, NULL, error));
    REJECTED_INTO(sastaotp_prices, "client",
                  sastaotp_client_get_prices(NULL, "tg", "22", place, error));
    REJECTED(PLACE, sastaotp_client_get_prices(client, "tg", "22", NULL, error));
    sastaotp_offer_query query = SASTAOTP_OFFER_QUERY_INIT;
    query.service = "tg";
    REJECTED_INTO(sastaotp_offers, "client",
                  sastaotp_client_get_offers(NULL, &query, place, error));
    REJECTED_INTO(sastaotp_offers, "offer_query",
                  sastaotp_client_get_offers(client, NULL, place, error));
    REJECTED(PLACE, sastaotp_client_get_offers(client, &query, NULL, error));
    REJECTED_INTO(sastaotp_countries, "client",
                  sastaotp_client_get_countries(NULL, "India", place, error));
    REJECTED(PLACE, sastaotp_client_get_countries(client, "India", NULL, error));
    REJECTED_INTO(sastaotp_orders, "client",
                  sastaotp_client_get_orders(NULL, 1, 1, NULL, place, error));
    REJECTED(PLACE, sastaotp_client_get_orders(client, 1, 1, NULL, NULL, error));
    REJECTED_INTO(sastaotp_order_iterator, "client",
                  sastaotp_client_orders(NULL, NULL, place, error));
    REJECTED(PLACE, sastaotp_client_orders(client, NULL, NULL, error));
    REJECTED_INTO(sastaotp_activation, "client",
                  sastaotp_client_get_number(NULL, request, place, error));
    REJECTED_INTO(sastaotp_activation, "request",
                  sastaotp_client_get_number(client, NULL, place, error));
    REJECTED(PLACE, sastaotp_client_get_number(client, request, NULL, error));
    REJECTED_INTO(sastaotp_intent, "client", sastaotp_client_intend(NULL, request, place, error));
    REJECTED_INTO(sastaotp_intent, "request", sastaotp_client_intend(client, NULL, place, error));
    REJECTED(PLACE, sastaotp_client_intend(client, request, NULL, error));
    REJECTED_INTO(sastaotp_activation, "client", sastaotp_client_buy(NULL, intent, place, error));
    REJECTED_INTO(sastaotp_activation, "intent", sastaotp_client_buy(client, NULL, place, error));
    REJECTED(PLACE, sastaotp_client_buy(client, intent, NULL, error));
    REJECTED_INTO(sastaotp_activation, "client",
                  sastaotp_client_reget_number(NULL, "1", 1, place, error));
    REJECTED_INTO(sastaotp_activation, "id",
                  sastaotp_client_reget_number(client, NULL, 1, place, error));
    REJECTED(PLACE, sastaotp_client_reget_number(client, "1", 1, NULL, error));
    REJECTED_INTO(sastaotp_lease, "client", sastaotp_client_lease(NULL, request, place, error));
    REJECTED_INTO(sastaotp_lease, "request", sastaotp_client_lease(client, NULL, place, error));
    REJECTED(PLACE, sastaotp_client_lease(client, request, NULL, error));
    REJECTED_INTO(sastaotp_activation, "client",
                  sastaotp_client_activation(NULL, "1", place, error));
    REJECTED_INTO(sastaotp_activation, "id",
                  sastaotp_client_activation(client, NULL, place, error));
    REJECTED(PLACE, sastaotp_client_activation(client, "1", NULL, error));
    REJECTED_INTO(sastaotp_reconciliation, "client",
                  sastaotp_client_reconcile(NULL, intent, 1, place, error));
    REJECTED_INTO(sastaotp_reconciliation, "intent",
                  sastaotp_client_reconcile(client, NULL, 1, place, error));
    REJECTED(PLACE, sastaotp_client_reconcile(client, intent, 1, NULL, error));
    REJECTED("client", sastaotp_client_resolve_not_made(NULL, intent, error));
    REJECTED("intent", sastaotp_client_resolve_not_made(client, NULL, error));
    REJECTED("client", sastaotp_client_resolve_made(NULL, intent, "1", error));
    REJECTED("intent", sastaotp_client_resolve_made(client, NULL, "1", error));
    REJECTED("activation_id", sastaotp_client_resolve_made(client, intent, NULL, error));
    REJECTED_INTO(
        sastaotp_settled_leases, "client",
        sastaotp_client_settle_leftover_leases(NULL, SASTAOTP_ON_TOO_EARLY_FAIL, place, error));
    REJECTED(PLACE, sastaotp_client_settle_leftover_leases(client, SASTAOTP_ON_TOO_EARLY_FAIL, NULL,
                                                           error));
    REJECTED_INTO(sastaotp_unclaimed_list, "client", sastaotp_client_unclaimed(NULL, place, error));
    REJECTED(PLACE, sastaotp_client_unclaimed(client, NULL, error));
    REJECTED_INTO(sastaotp_unclaimed_list, "client", sastaotp_client_finish(NULL, 1, place, error));
    REJECTED(PLACE, sastaotp_client_finish(client, 1, NULL, error));
}

static void numbers(const sastaotp_activation *number, sastaotp_lease *lease,
                    sastaotp_order_iterator *iterator) {
    REJECTED_INTO(sastaotp_activation_status, "activation",
                  sastaotp_activation_get_status(NULL, place, error));
    REJECTED(PLACE, sastaotp_activation_get_status(number, NULL, error));
    REJECTED_INTO(sastaotp_sms, "activation",
                  sastaotp_activation_wait_for_code(NULL, 1, NULL, place, error));
    REJECTED(PLACE, sastaotp_activation_wait_for_code(number, 1, NULL, NULL, error));
    REJECTED_INTO(sastaotp_sms, "activation",
                  sastaotp_activation_try_wait_for_code(NULL, 1, NULL, place, error));
    REJECTED(PLACE, sastaotp_activation_try_wait_for_code(number, 1, NULL, NULL, error));
    REJECTED("activation", sastaotp_activation_mark_sms_sent(NULL, error));
    REJECTED("activation", sastaotp_activation_request_next_code(NULL, error));
    REJECTED_INTO(sastaotp_settlement, "activation",
                  sastaotp_activation_complete(NULL, place, error));
    REJECTED(PLACE, sastaotp_activation_complete(number, NULL, error));
    REJECTED_INTO(sastaotp_settlement, "activation",
                  sastaotp_activation_complete_without_code(NULL, place, error));
    REJECTED(PLACE, sastaotp_activation_complete_without_code(number, NULL, error));
    REJECTED_INTO(sastaotp_settlement, "activation",
                  sastaotp_activation_cancel(NULL, place, error));
    REJECTED(PLACE, sastaotp_activation_cancel(number, NULL, error));
    REJECTED_INTO(sastaotp_settlement, "activation",
                 sastaotp_activation_settle(NULL, SASTAOTP_ON_TOO_EARLY_FAIL, place, error));
    REJECTED(PLACE, sastaotp_activation_settle(number, SASTAOTP_ON_TOO_EARLY_FAIL, NULL, error));
    REJECTED("activation", sastaotp_activation_keep(NULL, error));
    REJECTED_INTO(sastaotp_settlement, "lease",
                  sastaotp_lease_close(NULL, SASTAOTP_ON_TOO_EARLY_FAIL, place, error));
    REJECTED(PLACE, sastaotp_lease_close(lease, SASTAOTP_ON_TOO_EARLY_FAIL, NULL, error));
    REJECTED_INTO(sastaotp_activation, "lease", sastaotp_lease_keep(NULL, place, error));
    REJECTED(PLACE, sastaotp_lease_keep(lease, NULL, error));
    REJECTED_INTO(sastaotp_order, "iterator", sastaotp_order_iterator_next(NULL, place, error));
    REJECTED(PLACE, sastaotp_order_iterator_next(iterator, NULL, error));
}

/* The calls that write a ticket write 0 if they reject an argument. */
#define REJECTED_SUBMIT(argument, call)   \
    do {                                  \
        ticket = 7;                       \
        REJECTED(argument, call);         \
        CHECK_INT(ticket, 0);             \
    } while (0)

static void queues(const sastaotp_client *client, const sastaotp_queue *queue,
                   const sastaotp_number_request *request, const sastaotp_intent *intent) {
    static const char operation[] = "{\"op\":\"get_balance\"}";
    const sastaotp_on_too_early fail = SASTAOTP_ON_TOO_EARLY_FAIL;
    sastaotp_completion *completions[1];
    uint64_t ticket = 7;
    size_t count = 7;
    REJECTED_INTO(sastaotp_queue, "client", sastaotp_queue_new(NULL, 1, place, error));
    REJECTED(PLACE, sastaotp_queue_new(client, 1, NULL, error));
    REJECTED_SUBMIT("queue", sastaotp_queue_submit(NULL, operation, NULL, &ticket, error));
    REJECTED_SUBMIT("operation", sastaotp_queue_submit(queue, NULL, NULL, &ticket, error));
    REJECTED_SUBMIT("queue", sastaotp_queue_submit_held(NULL, operation, NULL, &ticket, error));
    REJECTED_SUBMIT("operation", sastaotp_queue_submit_held(queue, NULL, NULL, &ticket, error));
    REJECTED_SUBMIT("queue",
                    sastaotp_queue_submit_get_number(NULL, request, NULL, &ticket, error));
    REJECTED_SUBMIT("request", sastaotp_queue_submit_get_number(queue, NULL, NULL, &ticket, error));
    REJECTED_SUBMIT("queue", sastaotp_queue_submit_buy(NULL, intent, NULL, &ticket, error));
    REJECTED_SUBMIT("intent", sastaotp_queue_submit_buy(queue, NULL, NULL, &ticket, error));
    REJECTED_SUBMIT("queue", sastaotp_queue_submit_wait_for_code(NULL, "1", 1, NULL, NULL, &ticket,
                                                                 error));
    REJECTED_SUBMIT("id", sastaotp_queue_submit_wait_for_code(queue, NULL, 1, NULL, NULL, &ticket,
                                                              error));
    REJECTED_SUBMIT("queue",
                    sastaotp_queue_submit_request_next_code(NULL, "1", NULL, &ticket, error));
    REJECTED_SUBMIT("id",
                    sastaotp_queue_submit_request_next_code(queue, NULL, NULL, &ticket, error));
    REJECTED_SUBMIT("queue", sastaotp_queue_submit_complete(NULL, "1", NULL, &ticket, error));
    REJECTED_SUBMIT("id", sastaotp_queue_submit_complete(queue, NULL, NULL, &ticket, error));
    REJECTED_SUBMIT("queue", sastaotp_queue_submit_cancel(NULL, "1", NULL, &ticket, error));
    REJECTED_SUBMIT("id", sastaotp_queue_submit_cancel(queue, NULL, NULL, &ticket, error));
    REJECTED_SUBMIT("queue", sastaotp_queue_submit_settle(NULL, "1", fail, NULL, &ticket, error));
    REJECTED_SUBMIT("id", sastaotp_queue_submit_settle(queue, NULL, fail, NULL, &ticket, error));
    REJECTED_SUBMIT("queue",
                    sastaotp_queue_submit_reconcile(NULL, intent, 1, NULL, &ticket, error));
    REJECTED_SUBMIT("intent",
                    sastaotp_queue_submit_reconcile(queue, NULL, 1, NULL, &ticket, error));
    REJECTED("queue", sastaotp_queue_take(NULL, completions, 1, 0, &count, error));
    CHECK_INT(count, 0);
    REJECTED("completions", sastaotp_queue_take(queue, NULL, 1, 0, &count, error));
    REJECTED("count", sastaotp_queue_take(queue, completions, 1, 0, NULL, error));
    REJECTED_INTO(sastaotp_completion, "queue", sastaotp_queue_join(NULL, 1, 0, place, error));
    REJECTED(PLACE, sastaotp_queue_join(queue, 1, 0, NULL, error));
    REJECTED_INTO(sastaotp_unclaimed_list, "queue", sastaotp_queue_close(NULL, 1, place, error));
    REJECTED(PLACE, sastaotp_queue_close(queue, 1, NULL, error));
    CHECK_INT(sastaotp_queue_open_count(queue), 0);
}

void null_arguments_are_rejected(void) {
    sastaotp_error *error = NULL;
    sastaotp_config config = sandbox_config();
    sastaotp_client *client = sandbox_client();
    sastaotp_number_request request = sandbox_request("zz_never");
    sastaotp_intent *intent = NULL;
    sastaotp_order_iterator *iterator = NULL;
    sastaotp_lease *lease = NULL;
    sastaotp_queue *queue = NULL;
    WORKS(sastaotp_queue_new(client, 0, &queue, &error));
    WORKS(sastaotp_client_intend(client, &request, &intent, &error));
    WORKS(sastaotp_client_orders(client, NULL, &iterator, &error));
    WORKS(sastaotp_client_lease(client, &request, &lease, &error));
    size_t before = sandbox_requests(NULL);
    utilities();
    clients(client, &config, &request, intent);
    numbers(sastaotp_lease_activation(lease), lease, iterator);
    queues(client, queue, &request, intent);
    CHECK_INT(sandbox_requests(NULL), before);
    printf("misuse: %d arguments that are NULL\n", rows);
    sastaotp_queue_free(queue);
    sastaotp_lease_free(lease);
    sastaotp_order_iterator_free(iterator);
    sastaotp_intent_free(intent);
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":1}");
}
