/* Invalid texts, numbers and indices. */
#include "check.h"
#include "misuse.h"
#include "queue_calls.h"
#include "sandbox.h"

/* The objects that the rows of texts use. */
typedef struct objects {
    sastaotp_client *client;
    sastaotp_intent *intent;
    sastaotp_queue *queue;
} objects;

/* A row: a call that takes a text. If it creates an object, it frees it. */
#define ROW(name, type, call)                                                                  \
    static sastaotp_status name(const objects *on, const char *text, sastaotp_error **error) { \
        type *result = NULL;                                                                   \
        sastaotp_status status = (call);                                                       \
        (void)on;                                                                              \
        CHECK((result == NULL) == (status != SASTAOTP_OK));                                    \
        type##_free(result);                                                                   \
        return status;                                                                         \
    }
#define CALL(name, call)                                                                       \
    static sastaotp_status name(const objects *on, const char *text, sastaotp_error **error) { \
        (void)on;                                                                              \
        return (call);                                                                         \
    }
/* A row: a struct with the text in one member, and a call that takes the struct. */
#define MEMBER(name, member, type, make, result_type, call)                                    \
    static sastaotp_status name(const objects *on, const char *text, sastaotp_error **error) { \
        type with = make;                                                                      \
        result_type *result = NULL;                                                            \
        with.member = text;                                                                    \
        sastaotp_status status = (call);                                                       \
        (void)on;                                                                              \
        CHECK(result == NULL);                                                                 \
        return status;                                                                         \
    }
#define CONFIG(name, member)                                                     \
    MEMBER(name, member, sastaotp_config, sandbox_config(), sastaotp_client,     \
           sastaotp_client_new(&with, &result, error))
#define REQUEST(name, member)                                                                   \
    MEMBER(name##_of_number, member, sastaotp_number_request, sandbox_request("zz_never"),      \
           sastaotp_activation, sastaotp_client_get_number(on->client, &with, &result, error))  \
    MEMBER(name##_of_lease, member, sastaotp_number_request, sandbox_request("zz_never"),       \
           sastaotp_lease, sastaotp_client_lease(on->client, &with, &result, error))            \
    MEMBER(name##_of_intent, member, sastaotp_number_request, sandbox_request("zz_never"),      \
           sastaotp_intent, sastaotp_client_intend(on->client, &with, &result, error))          \
    MEMBER(name##_of_queue, member, sastaotp_number_request, sandbox_request("zz_never"), void, \
           sastaotp_queue_submit_get_number(on->queue, &with, NULL, NULL, error))

CONFIG(api_key, api_key)
CONFIG(base_url, base_url)
CONFIG(user_agent, user_agent)
CONFIG(journal, journal)
REQUEST(service, service)
REQUEST(country, country)
REQUEST(operator_, operator_)
CALL(rupees, sastaotp_amount_parse(text, &(int64_t){0}, error))
CALL(operation, sastaotp_queue_submit(on->queue, text, NULL, NULL, error))
CALL(waited_id, sastaotp_queue_submit_wait_for_code(on->queue, text, 1, NULL, NULL, NULL, error))
CALL(next_code_id, sastaotp_queue_submit_request_next_code(on->queue, text, NULL, NULL, error))
CALL(completed_id, sastaotp_queue_submit_complete(on->queue, text, NULL, NULL, error))
CALL(cancelled_id, sastaotp_queue_submit_cancel(on->queue, text, NULL, NULL, error))
CALL(settled_id, sastaotp_queue_submit_settle(on->queue, text, SASTAOTP_ON_TOO_EARLY_FAIL, NULL,
                                              NULL, error))
CALL(made_id, sastaotp_client_resolve_made(on->client, on->intent, text, error))
ROW(intent_json, sastaotp_intent, sastaotp_intent_from_json(text, &result, error))
ROW(services, sastaotp_services, sastaotp_client_get_services(on->client, text, &result, error))
ROW(prices_service, sastaotp_prices,
    sastaotp_client_get_prices(on->client, text, NULL, &result, error))
ROW(prices_country, sastaotp_prices,
    sastaotp_client_get_prices(on->client, NULL, text, &result, error))
ROW(country_name, sastaotp_countries,
    sastaotp_client_get_countries(on->client, text, &result, error))
ROW(orders_status, sastaotp_orders,
    sastaotp_client_get_orders(on->client, 1, 1, text, &result, error))
ROW(iterator_status, sastaotp_order_iterator,
    sastaotp_client_orders(on->client, text, &result, error))
ROW(reget_id, sastaotp_activation,
    sastaotp_client_reget_number(on->client, text, 1, &result, error))
ROW(reget_any_id, sastaotp_activation,
    sastaotp_client_reget_number(on->client, text, SASTAOTP_ANY_PRICE, &result, error))
ROW(activation_id, sastaotp_activation,
    sastaotp_client_activation(on->client, text, &result, error))

/* A megabyte of text is rejected by the call, by the completion of the call, by the system because
 * no folder has such a name, by the iterator, or not at all. */
typedef enum rejected_by { THIS_CALL, COMPLETION, THE_SYSTEM, ITERATION, NO_CALL } rejected_by;

static const struct {
    const char *argument;
    sastaotp_status (*call)(const objects *, const char *, sastaotp_error **);
    rejected_by megabyte;
} rows[] = {
    {"api_key", api_key, THIS_CALL},
    {"base_url", base_url, THIS_CALL},
    {"user_agent", user_agent, THIS_CALL},
    {"journal", journal, THE_SYSTEM},
#define OF_REQUEST(argument, name)            \
    {argument, name##_of_number, THIS_CALL},  \
    {argument, name##_of_lease, THIS_CALL},   \
    {argument, name##_of_intent, THIS_CALL},  \
    {argument, name##_of_queue, COMPLETION}
    OF_REQUEST("service", service),
    OF_REQUEST("country", country),
    OF_REQUEST("operator", operator_),
#undef OF_REQUEST
    {"json", intent_json, THIS_CALL},
    {"rupees", rupees, THIS_CALL},
    {"service", services, THIS_CALL},
    {"service", prices_service, THIS_CALL},
    {"country", prices_country, THIS_CALL},
    {"name", country_name, NO_CALL},
    {"status", orders_status, THIS_CALL},
    {"status", iterator_status, ITERATION},
    {"id", reget_id, THIS_CALL},
    {"id", reget_any_id, THIS_CALL},
    {"activation_id", made_id, THIS_CALL},
    {"id", activation_id, THIS_CALL},
    {"operation", operation, THIS_CALL},
    {"id", waited_id, THIS_CALL},
    {"id", next_code_id, THIS_CALL},
    {"id", completed_id, THIS_CALL},
    {"id", cancelled_id, THIS_CALL},
    {"id", settled_id, THIS_CALL},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* The intent of an earlier run. */
static const char INTENT[] =
    "{\"intent_id\":\"00000000000000ff\",\"action\":\"getNumber\",\"service\":\"zz_never\","
    "\"country\":\"22\",\"operator\":null,\"multi_sms\":false,\"parameters\":{},"
    "\"max_price_micros\":1000000,\"started_at_ms\":0,\"watermark\":null}";

static objects objects_new(void) {
    sastaotp_error *error = NULL;
    objects on = {sandbox_client(), NULL, NULL};
    WORKS(sastaotp_intent_from_json(INTENT, &on.intent, &error));
    WORKS(sastaotp_queue_new(on.client, 0, &on.queue, &error));
    return on;
}

static void objects_free(objects on) {
    CHECK_INT(sastaotp_queue_open_count(on.queue), 0);
    sastaotp_client_free(on.client);
    sastaotp_intent_free(on.intent);
    sastaotp_queue_free(on.queue);
}

void invalid_texts_are_rejected(void) {
    static const char *const texts[] = {"\xff", "22\xc3", "\xed\xa0\x80", "\xc0\x80",
                                        "a\xf4\x90\x80\x80"};
    objects on = objects_new();
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
            sastaotp_error *error = NULL;
            check_context = rows[row].argument;
            FAILS(rows[row].call(&on, texts[at], &error), SASTAOTP_ERROR_CONFIG);
            CHECK_CONTAINS(sastaotp_error_message(error), rows[row].argument);
            CHECK_CONTAINS(sastaotp_error_message(error), "UTF-8");
            sastaotp_error_free(error);
            CHECK_INT(rows[row].call(&on, texts[at], NULL), SASTAOTP_ERROR_CONFIG);
        }
    }
    check_context = NULL;
    CHECK_INT(sandbox_requests(NULL), 0);
    sastaotp_error *error = NULL;
    sastaotp_prices *prices = NULL;
    size_t index = 7;
    WORKS(sastaotp_client_get_prices(on.client, "tg", "22", &prices, &error));
    CHECK(!sastaotp_prices_find(prices, "\xff", "tg", &index) &&
          !sastaotp_prices_find(prices, "22", "\xff", &index));
    CHECK(!sastaotp_prices_find(prices, NULL, "tg", &index) &&
          !sastaotp_prices_find(prices, "22", NULL, &index));
    CHECK_INT(index, 7);
    sastaotp_prices_free(prices);
    objects_free(on);
}

/* Uses an iterator with the text, which must fail. */
static void iterate(const sastaotp_client *client, const char *text, sastaotp_error **failure) {
    sastaotp_error *error = NULL;
    sastaotp_order_iterator *iterator = NULL;
    sastaotp_order *order = NULL;
    WORKS(sastaotp_client_orders(client, text, &iterator, &error));
    FAILS(sastaotp_order_iterator_next(iterator, &order, &error), SASTAOTP_ERROR_CONFIG);
    sastaotp_order_iterator_free(iterator);
    *failure = error;
}

/* Submits an operation whose completion contains a brief error. */
static void refuse_later(const objects *on,
                         sastaotp_status (*call)(const objects *, const char *, sastaotp_error **),
                         const char *text) {
    sastaotp_error *error = NULL;
    sastaotp_completion *completion = NULL;
    size_t count = 0;
    WORKS(call(on, text, &error));
    WORKS(sastaotp_queue_take(on->queue, &completion, 1, SOON_MS, &count, &error));
    CHECK_INT(count, 1);
    CHECK_INT(sastaotp_completion_status(completion), SASTAOTP_ERROR_CONFIG);
    CHECK(strlen(sastaotp_error_message(sastaotp_completion_error(completion))) < 1000);
    sastaotp_completion_free(completion);
    CHECK_INT(sandbox_requests("getNumber"), 0);
}

void long_texts_are_rejected_briefly(void) {
    enum { MEGABYTE = 1 << 20 };
    char *text = malloc(MEGABYTE + 1);
    CHECK(text != NULL);
    memset(text, 'a', MEGABYTE);
    text[MEGABYTE] = '\0';
    for (size_t row = 0; row < ROWS; row++) {
        char key[64];
        snprintf(key, sizeof key, "long_texts_%zu", row);
        sandbox_begin(key);
        objects on = objects_new();
        sastaotp_error *error = NULL;
        size_t before = sandbox_requests(NULL);
        check_context = rows[row].argument;
        if (rows[row].megabyte == ITERATION) {
            iterate(on.client, text, &error);
        } else if (rows[row].megabyte == NO_CALL) {
            WORKS(rows[row].call(&on, text, &error));
        } else if (rows[row].megabyte == COMPLETION) {
            refuse_later(&on, rows[row].call, text);
        } else {
            FAILS(rows[row].call(&on, text, &error), rows[row].megabyte == THE_SYSTEM
                                                         ? SASTAOTP_ERROR_JOURNAL
                                                         : SASTAOTP_ERROR_CONFIG);
        }
        if (rows[row].megabyte != NO_CALL && rows[row].megabyte != COMPLETION) {
            CHECK_INT(sandbox_requests(NULL), before);
            /* The error of a folder names it. */
            CHECK(rows[row].megabyte == THE_SYSTEM ||
                  strlen(sastaotp_error_message(error)) < 1000);
        }
        sastaotp_error_free(error);
        objects_free(on);
    }
    check_context = NULL;
    free(text);
}

void values_out_of_range_are_rejected(void) {
    static const int32_t invalid_constants[] = {-2, -1, 2, 3, 4, 77, INT32_MIN, INT32_MAX};
    static const struct {
        uint32_t limit, page;
    } pages[] = {{0, 1}, {101, 1}, {1, 0}, {UINT32_MAX, UINT32_MAX}};
    static const int64_t invalid_prices[] = {0, -1, INT64_MIN};
    objects on = objects_new();
    sastaotp_error *error = NULL;
    sastaotp_activation *number = sandbox_buy(on.client, "zz_multi"), *none = NULL;
    sastaotp_number_request request = sandbox_request("zz_never");
    sastaotp_lease *lease = NULL;
    WORKS(sastaotp_client_lease(on.client, &request, &lease, &error));
    const char *id = sastaotp_activation_id(number);
    size_t before = sandbox_requests(NULL);
    for (size_t at = 0; at < sizeof invalid_constants / sizeof *invalid_constants; at++) {
        sastaotp_settlement *settlement = NULL;
        sastaotp_settled_leases *leases = NULL;
        sastaotp_on_too_early value = (sastaotp_on_too_early)invalid_constants[at];
        FAILS(sastaotp_activation_settle(number, value, &settlement, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "on_too_early");
        sastaotp_error_free(error);
        FAILS(sastaotp_queue_submit_settle(on.queue, id, value, NULL, NULL, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "on_too_early");
        sastaotp_error_free(error);
        FAILS(sastaotp_client_settle_leftover_leases(on.client, value, &leases, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "on_too_early");
        sastaotp_error_free(error);
        /* This does not end the lease. */
        FAILS(sastaotp_lease_close(lease, value, &settlement, &error), SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "on_too_early");
        sastaotp_error_free(error);
    }
    static const char *const statuses[] = {"-2", "0", "2", "4", "7", "9", "2147483648"};
    for (size_t at = 0; at < sizeof statuses / sizeof *statuses; at++) {
        char more[64];
        snprintf(more, sizeof more, ",\"status\":%s", statuses[at]);
        FAILS(sastaotp_queue_submit(on.queue, operation_on("set_status", id, more), NULL, NULL,
                                    &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "status");
        sastaotp_error_free(error);
    }
    for (size_t at = 0; at < sizeof pages / sizeof *pages; at++) {
        sastaotp_orders *page = NULL;
        FAILS(sastaotp_client_get_orders(on.client, pages[at].limit, pages[at].page, NULL, &page,
                                         &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "limit");
        sastaotp_error_free(error);
    }
    for (size_t at = 0; at < sizeof invalid_prices / sizeof *invalid_prices; at++) {
        FAILS(sastaotp_client_reget_number(on.client, id, invalid_prices[at], &none, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "maximum price");
        sastaotp_error_free(error);
    }
    static const char *const ids[] = {"", " ", " 1", "1\t", "1\n2", "\xc2\x85"};
    for (size_t at = 0; at < sizeof ids / sizeof *ids; at++) {
        FAILS(sastaotp_client_activation(on.client, ids[at], &none, &error), SASTAOTP_ERROR_CONFIG);
        sastaotp_error_free(error);
        FAILS(waited_id(&on, ids[at], &error), SASTAOTP_ERROR_CONFIG);
        sastaotp_error_free(error);
        FAILS(next_code_id(&on, ids[at], &error), SASTAOTP_ERROR_CONFIG);
        sastaotp_error_free(error);
        FAILS(completed_id(&on, ids[at], &error), SASTAOTP_ERROR_CONFIG);
        sastaotp_error_free(error);
        FAILS(cancelled_id(&on, ids[at], &error), SASTAOTP_ERROR_CONFIG);
        sastaotp_error_free(error);
        FAILS(settled_id(&on, ids[at], &error), SASTAOTP_ERROR_CONFIG);
        sastaotp_error_free(error);
    }
    static const uint32_t invalid_workers[] = {513, UINT32_MAX};
    for (size_t at = 0; at < sizeof invalid_workers / sizeof *invalid_workers; at++) {
        sastaotp_queue *queue = NULL;
        FAILS(sastaotp_queue_new(on.client, invalid_workers[at], &queue, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "workers");
        sastaotp_error_free(error);
    }
    error = NULL;
    CHECK_INT(sandbox_requests(NULL), before);

    /* Values at the ends of their range are accepted. */
    static const uint32_t workers[] = {0, 1, 512};
    for (size_t at = 0; at < sizeof workers / sizeof *workers; at++) {
        sastaotp_queue *queue = NULL;
        WORKS(sastaotp_queue_new(on.client, workers[at], &queue, &error));
        free(result_of(queue, "{\"op\":\"get_balance\"}"));
        sastaotp_queue_free(queue);
    }
    static const uint32_t intervals[] = {UINT32_MAX, 1, 0};
    for (size_t at = 0; at < sizeof intervals / sizeof *intervals; at++) {
        sastaotp_wait_options options = SASTAOTP_WAIT_OPTIONS_INIT;
        sastaotp_sms *sms = NULL;
        options.interval_ms = intervals[at];
        WORKS(sastaotp_activation_wait_for_code(number, intervals[at], &options, &sms, &error));
        sastaotp_sms_free(sms);
    }
    request.max_price_micros = INT64_MAX - 1;
    WORKS(sastaotp_client_get_number(on.client, &request, &none, &error));
    sastaotp_activation_free(none);
    sastaotp_activation_free(number);
    sastaotp_lease_free(lease);
    objects_free(on);
    sandbox_do("assert", "{\"charges\":3,\"refunds\":1}");
}

void indices_out_of_range_return_null(void) {
    static const size_t indices[] = {1, 2, SIZE_MAX / 2, SIZE_MAX};
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_activation *number = sandbox_buy(client, "zz_never");
    sastaotp_services *services = NULL;
    sastaotp_prices *prices = NULL;
    sastaotp_countries *countries = NULL;
    sastaotp_orders *orders = NULL;
    sastaotp_unclaimed_list *list = NULL;
    WORKS(sastaotp_client_get_services(client, "tg", &services, &error));
    WORKS(sastaotp_client_get_prices(client, "tg", "22", &prices, &error));
    WORKS(sastaotp_client_get_countries(client, "iNDIA", &countries, &error));
    WORKS(sastaotp_client_get_orders(client, 1, 1, NULL, &orders, &error));
    WORKS(sastaotp_client_unclaimed(client, &list, &error));
    sastaotp_activation *none = NULL;
    sastaotp_reconciliation *found = NULL;
    sastaotp_number_request request = sandbox_request("zz_lost_reply");
    CHECK_INT(sastaotp_countries_count(countries), 1);
    CHECK_TEXT(sastaotp_country_name(sastaotp_countries_get(countries, 0)), "India");
    CHECK(sastaotp_client_get_number(client, &request, &none, &error) != SASTAOTP_OK);
    sastaotp_error *lost = error;
    WORKS(sastaotp_client_reconcile(client, sastaotp_error_intent(lost), 0, &found, &error));
    CHECK_INT(sastaotp_reconciliation_count(found), 1);
    CHECK(sastaotp_reconciliation_evidence(found, 0, 0) != NULL);
    for (size_t at = 0; at < sizeof indices / sizeof *indices; at++) {
        size_t index = indices[at];
        int64_t micros = 7;
        uint64_t count = 7;
        CHECK(sastaotp_service_price_micros(sastaotp_services_get(services, 0), NULL));
        (void)sastaotp_services_total(services, NULL);
        CHECK(!sastaotp_service_price_micros(sastaotp_services_get(services, index), &micros));
        CHECK(sastaotp_services_get(services, index) == NULL);
        CHECK(sastaotp_service_offer(sastaotp_services_get(services, 0), index / 2 + 100) == NULL);
        CHECK(sastaotp_prices_country(prices, index) == NULL &&
              sastaotp_prices_service(prices, index) == NULL &&
              sastaotp_prices_operator(prices, index) == NULL);
        CHECK(!sastaotp_prices_price_micros(prices, index, &micros) &&
              !sastaotp_prices_available(prices, index, &count));
        CHECK(micros == 7 && count == 7);
        CHECK(sastaotp_countries_get(countries, index) == NULL);
        CHECK(sastaotp_orders_get(orders, index) == NULL);
        CHECK(sastaotp_orders_extra_order(orders, index) == NULL);
        CHECK(sastaotp_unclaimed_list_get(list, index) == NULL);
        CHECK(sastaotp_reconciliation_get(found, index) == NULL);
        CHECK(!sastaotp_reconciliation_is_ours(found, index));
        CHECK(sastaotp_reconciliation_evidence(found, index, 0) == NULL);
        CHECK(sastaotp_reconciliation_evidence(found, 0, index / 2 + 100) == NULL);
        CHECK(sastaotp_activation_sms(number, index) == NULL);
        CHECK(sastaotp_purchase_warning(sastaotp_activation_purchase(number), index) == NULL);
    }
    sastaotp_services_free(services);
    sastaotp_prices_free(prices);
    sastaotp_countries_free(countries);
    sastaotp_orders_free(orders);
    sastaotp_unclaimed_list_free(list);
    sastaotp_reconciliation_free(found);
    sastaotp_error_free(lost);
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
}
