/* Related objects, freed in every order, with the remaining ones used in between. */
#include "check.h"
#include "misuse.h"
#include "sandbox.h"

enum { INTENT, QUEUE, CANCEL, CLIENT, HANDLE, NUMBER, NUMBER_HANDLE, OBJECTS };

/* A client, and objects made from it. */
typedef struct family {
    sastaotp_intent *intent;
    sastaotp_queue *queue;
    sastaotp_cancel_token *cancel;
    sastaotp_client *client, *handle;
    sastaotp_activation *number, *number_handle;
    int alive[OBJECTS];
} family;

static family family_new(void) {
    sastaotp_error *error = NULL;
    family of = {.cancel = sastaotp_cancel_token_new()};
    sastaotp_config config = sandbox_config();
    sastaotp_number_request request = sandbox_request("zz_never");
    config.budget_micros = 500 * SASTAOTP_RUPEE;
    WORKS(sastaotp_client_new(&config, &of.client, &error));
    WORKS(sastaotp_client_intend(of.client, &request, &of.intent, &error));
    WORKS(sastaotp_queue_new(of.client, 0, &of.queue, &error));
    WORKS(sastaotp_client_with(of.client, of.cancel, 0, &of.handle, &error));
    WORKS(sastaotp_client_activation(of.client, "1", &of.number, &error));
    WORKS(sastaotp_client_activation(of.handle, "1", &of.number_handle, &error));
    for (int at = 0; at < OBJECTS; at++) of.alive[at] = 1;
    return of;
}

static void family_free(family *of, int which) {
    of->alive[which] = 0;
    switch (which) {
        case INTENT: sastaotp_intent_free(of->intent); break;
        case QUEUE: sastaotp_queue_free(of->queue); break;
        case CANCEL: sastaotp_cancel_token_free(of->cancel); break;
        case CLIENT: sastaotp_client_free(of->client); break;
        case HANDLE: sastaotp_client_free(of->handle); break;
        case NUMBER: sastaotp_activation_free(of->number); break;
        default: sastaotp_activation_free(of->number_handle); break;
    }
}

/* Uses the objects that live, without the service. */
static void family_use(const family *of) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = NULL;
    int64_t left = 0;
    if (of->alive[INTENT]) CHECK_TEXT(sastaotp_intent_service(of->intent), "zz_never");
    if (of->alive[QUEUE]) CHECK_INT(sastaotp_queue_open_count(of->queue), 0);
    if (of->alive[CANCEL]) CHECK(!sastaotp_cancel_token_is_triggered(of->cancel));
    if (of->alive[CLIENT])
        CHECK(sastaotp_client_budget_left(of->client, &left) && left == 500 * SASTAOTP_RUPEE);
    if (of->alive[HANDLE]) {
        WORKS(sastaotp_client_with(of->handle, NULL, 1, &client, &error));
        sastaotp_client_free(client);
    }
    if (of->alive[NUMBER]) CHECK_TEXT(sastaotp_activation_id(of->number), "1");
    if (of->alive[NUMBER_HANDLE]) CHECK_TEXT(sastaotp_activation_id(of->number_handle), "1");
}

/* Calls the service through the objects that live. */
static void family_call(const family *of) {
    sastaotp_error *error = NULL;
    int64_t balance = 7;
    sastaotp_activation_status *state = NULL;
    const sastaotp_client *clients[] = {of->alive[CLIENT] ? of->client : NULL,
                                        of->alive[HANDLE] ? of->handle : NULL};
    for (size_t at = 0; at < 2; at++) {
        if (clients[at] == NULL) continue;
        WORKS(sastaotp_client_get_balance(clients[at], &balance, &error));
        CHECK_INT(balance, 1000 * SASTAOTP_RUPEE);
    }
    if (of->alive[QUEUE]) {
        sastaotp_completion *completion = NULL;
        uint64_t ticket = 0;
        WORKS(sastaotp_queue_submit(of->queue, "{\"op\":\"get_balance\"}", NULL, &ticket, &error));
        WORKS(sastaotp_queue_join(of->queue, ticket, 25000, &completion, &error));
        CHECK_INT(sastaotp_completion_status(completion), SASTAOTP_OK);
        sastaotp_completion_free(completion);
    }
    if (of->alive[NUMBER]) {
        FAILS(sastaotp_activation_get_status(of->number, &state, &error), SASTAOTP_ERROR_NOT_FOUND);
        sastaotp_error_free(error);
    }
    if (of->alive[NUMBER_HANDLE]) {
        FAILS(sastaotp_activation_get_status(of->number_handle, &state, &error),
              SASTAOTP_ERROR_NOT_FOUND);
        sastaotp_error_free(error);
    }
}

/* Advances to the next permutation in lexicographic order; returns 0 after the last. */
static int next_order(int *order) {
    int at = OBJECTS - 2, other = OBJECTS - 1;
    while (at >= 0 && order[at] > order[at + 1]) at--;
    if (at < 0) return 0;
    while (order[other] < order[at]) other--;
    int held = order[at];
    order[at] = order[other];
    order[other] = held;
    for (int low = at + 1, high = OBJECTS - 1; low < high; low++, high--) {
        held = order[low];
        order[low] = order[high];
        order[high] = held;
    }
    return 1;
}

void objects_may_be_freed_in_any_order(void) {
    int order[OBJECTS], orders = 0;
    for (int at = 0; at < OBJECTS; at++) order[at] = at;
    do {
        family of = family_new();
        for (int at = 0; at < OBJECTS; at++) {
            family_free(&of, order[at]);
            family_use(&of);
            if (orders % 100 == 0) family_call(&of);
        }
        orders++;
    } while (next_order(order));
    CHECK_INT(orders, 5040);
    printf("misuse: %d orders of freeing 7 objects\n", orders);
}

void results_outlive_their_client(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_number_request request = sandbox_request("zz_multi"),
                            none = sandbox_request("zz_nonumbers");
    sastaotp_lease *lease = NULL;
    sastaotp_order_iterator *iterator = NULL;
    sastaotp_services *services = NULL;
    sastaotp_unclaimed_list *list = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_queue *queue = NULL;
    WORKS(sastaotp_queue_new(client, 0, &queue, &error));
    WORKS(sastaotp_client_lease(client, &request, &lease, &error));
    WORKS(sastaotp_client_orders(client, NULL, &iterator, &error));
    WORKS(sastaotp_client_get_services(client, "tg", &services, &error));
    WORKS(sastaotp_client_unclaimed(client, &list, &error));
    FAILS(sastaotp_client_get_number(client, &none, &number, &error), SASTAOTP_ERROR_NO_NUMBERS);
    sastaotp_error *refusal = error;
    sastaotp_client_free(client);

    CHECK_TEXT(sastaotp_intent_service(sastaotp_error_intent(refusal)), "zz_nonumbers");
    CHECK_TEXT(sastaotp_service_code(sastaotp_services_get(services, 0)), "tg");
    CHECK_INT(sastaotp_unclaimed_list_count(list), 0);
    sastaotp_completion *completion = NULL;
    uint64_t ticket = 0;
    WORKS(sastaotp_queue_submit(queue, "{\"op\":\"get_balance\"}", NULL, &ticket, &error));
    WORKS(sastaotp_queue_join(queue, ticket, 25000, &completion, &error));
    sastaotp_queue_free(queue);
    CHECK(sastaotp_completion_json(completion) != NULL);
    sastaotp_completion_free(completion);
    sastaotp_order *order = NULL, *end = NULL;
    WORKS(sastaotp_order_iterator_next(iterator, &order, &error));
    WORKS(sastaotp_order_iterator_next(iterator, &end, &error));
    CHECK(end == NULL);
    sastaotp_order_iterator_free(iterator);
    CHECK_TEXT(sastaotp_order_service(order), "zz_multi");
    sastaotp_sms *sms = NULL;
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_activation_wait_for_code(sastaotp_lease_activation(lease), 1000, NULL, &sms,
                                            &error));
    WORKS(sastaotp_lease_close(lease, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error));
    sastaotp_lease_free(lease);
    CHECK_TEXT(sastaotp_sms_code(sastaotp_settlement_sms(settlement)), sastaotp_sms_code(sms));
    CHECK(sastaotp_settlement_json(settlement) != NULL);
    sastaotp_settlement_free(settlement);
    CHECK(sastaotp_sms_text(sms, NULL) != NULL);
    sastaotp_sms_free(sms);
    sastaotp_order_free(order);
    sastaotp_services_free(services);
    sastaotp_unclaimed_list_free(list);
    sastaotp_error_free(refusal);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":0}");
}
