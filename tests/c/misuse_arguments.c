/* Invalid texts, numbers and indices. */
#include "check.h"
#include "misuse.h"
#include "sandbox.h"

/* The objects that the rows of texts use. */
typedef struct objects {
    sastaotp_config *config;
    sastaotp_client *client;
    sastaotp_number_request *request;
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
#define SETTER(name, call)                                                                     \
    static sastaotp_status name(const objects *on, const char *text, sastaotp_error **error) { \
        (void)on;                                                                              \
        return (call);                                                                         \
    }

SETTER(api_key, sastaotp_config_set_api_key(on->config, text, error))
SETTER(base_url, sastaotp_config_set_base_url(on->config, text, error))
SETTER(user_agent, sastaotp_config_set_user_agent(on->config, text, error))
SETTER(rupees, sastaotp_amount_parse(text, &(int64_t){0}, error))
SETTER(country, sastaotp_number_request_set_country(on->request, text, error))
SETTER(operator_, sastaotp_number_request_set_operator(on->request, text, error))
SETTER(operation, sastaotp_queue_submit(on->queue, text, &(uint64_t){0}, error))
ROW(request_new, sastaotp_number_request, sastaotp_number_request_new(text, &result, error))
ROW(intent_json, sastaotp_intent, sastaotp_intent_from_json(text, &result, error))
ROW(services, sastaotp_services, sastaotp_client_get_services(on->client, text, &result, error))
ROW(prices_service, sastaotp_prices,
    sastaotp_client_get_prices(on->client, text, NULL, &result, error))
ROW(prices_country, sastaotp_prices,
    sastaotp_client_get_prices(on->client, NULL, text, &result, error))
ROW(find_country, sastaotp_countries,
    sastaotp_client_find_country(on->client, text, &result, error))
ROW(orders_status, sastaotp_orders,
    sastaotp_client_get_orders(on->client, 1, 1, text, &result, error))
ROW(iterator_status, sastaotp_order_iterator,
    sastaotp_client_orders(on->client, text, &result, error))
ROW(reget_id, sastaotp_activation,
    sastaotp_client_reget_number(on->client, text, 1, &result, error))
ROW(reget_any_id, sastaotp_activation,
    sastaotp_client_reget_number_at_any_price(on->client, text, &result, error))
SETTER(made_id, sastaotp_client_resolve_made(on->client, on->intent, text, error))
ROW(activation_id, sastaotp_activation,
    sastaotp_client_activation(on->client, text, &result, error))
ROW(status_id, sastaotp_activation_status,
    sastaotp_client_get_status(on->client, text, &result, error))
ROW(change_id, sastaotp_status_change,
    sastaotp_client_set_status(on->client, text, SASTAOTP_SET_CANCEL, &result, error))

/* Which call rejects a megabyte of text: this one, one that uses the builder or iterator, or none.
 */
typedef enum rejected_by { THIS_CALL, CLIENT_NEW, PURCHASE, ITERATION, NO_CALL } rejected_by;

static const struct {
    const char *argument;
    sastaotp_status (*call)(const objects *, const char *, sastaotp_error **);
    rejected_by megabyte;
} rows[] = {
    {"api_key", api_key, CLIENT_NEW},
    {"base_url", base_url, CLIENT_NEW},
    {"user_agent", user_agent, CLIENT_NEW},
    {"country", country, PURCHASE},
    {"operator", operator_, PURCHASE},
    {"service", request_new, PURCHASE},
    {"json", intent_json, THIS_CALL},
    {"rupees", rupees, THIS_CALL},
    {"service", services, THIS_CALL},
    {"service", prices_service, THIS_CALL},
    {"country", prices_country, THIS_CALL},
    {"name", find_country, NO_CALL},
    {"status", orders_status, THIS_CALL},
    {"status", iterator_status, ITERATION},
    {"id", reget_id, THIS_CALL},
    {"id", reget_any_id, THIS_CALL},
    {"activation_id", made_id, THIS_CALL},
    {"id", activation_id, THIS_CALL},
    {"id", status_id, THIS_CALL},
    {"id", change_id, THIS_CALL},
    {"operation", operation, THIS_CALL},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* The intent of an earlier run. */
static const char INTENT[] =
    "{\"intent_id\":\"00000000000000ff\",\"action\":\"getNumber\",\"service\":\"zz_never\","
    "\"country\":\"22\",\"operator\":null,\"multi_sms\":false,\"max_price_micros\":1000000,"
    "\"started_at_ms\":0,\"watermark\":null}";

static objects objects_new(void) {
    sastaotp_error *error = NULL;
    objects on = {sandbox_config(), sandbox_client(), sandbox_request("zz_never"), NULL, NULL};
    WORKS(sastaotp_intent_from_json(INTENT, &on.intent, &error));
    WORKS(sastaotp_queue_new(on.client, 0, &on.queue, &error));
    return on;
}

static void objects_free(objects on) {
    sastaotp_config_free(on.config);
    sastaotp_client_free(on.client);
    sastaotp_number_request_free(on.request);
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

/* Uses the object that contains the text, which must fail. */
static void use(const objects *on, rejected_by how, const char *text, sastaotp_error **failure) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_order_iterator *iterator = NULL;
    sastaotp_order *order = NULL;
    sastaotp_number_request *request = NULL;
    if (how == CLIENT_NEW) {
        FAILS(sastaotp_client_new(on->config, &client, &error), SASTAOTP_ERROR_CONFIG);
    } else if (how == PURCHASE) {
        FAILS(sastaotp_client_get_number(on->client, on->request, &number, &error),
              SASTAOTP_ERROR_CONFIG);
        sastaotp_error_free(error);
        WORKS(sastaotp_number_request_new(text, &request, &error));
        WORKS(sastaotp_number_request_any_country(request, &error));
        WORKS(sastaotp_number_request_accept_any_price(request, &error));
        FAILS(sastaotp_client_get_number(on->client, request, &number, &error), SASTAOTP_ERROR_CONFIG);
        sastaotp_number_request_free(request);
    } else if (how == ITERATION) {
        WORKS(sastaotp_client_orders(on->client, text, &iterator, &error));
        FAILS(sastaotp_order_iterator_next(iterator, &order, &error), SASTAOTP_ERROR_CONFIG);
        sastaotp_order_iterator_free(iterator);
    }
    *failure = error;
}

void long_texts_are_rejected_briefly(void) {
    enum { MEGABYTE = 1 << 20 };
    char *text = malloc(MEGABYTE + 1);
    CHECK(text != NULL);
    memset(text, 'a', MEGABYTE);
    text[MEGABYTE] = '\0';
    for (size_t row = 0; row < ROWS; row++) {
        objects on = objects_new();
        sastaotp_error *error = NULL;
        size_t before = sandbox_requests(NULL);
        check_context = rows[row].argument;
        if (rows[row].megabyte == THIS_CALL) {
            FAILS(rows[row].call(&on, text, &error), SASTAOTP_ERROR_CONFIG);
        } else {
            WORKS(rows[row].call(&on, text, &error));
            if (rows[row].call == request_new) WORKS(country(&on, text, &error));
            use(&on, rows[row].megabyte, text, &error);
        }
        if (rows[row].megabyte != NO_CALL) {
            CHECK_INT(sandbox_requests(NULL), before);
            CHECK(strlen(sastaotp_error_message(error)) < 1000);
        }
        sastaotp_error_free(error);
        objects_free(on);
    }
    check_context = NULL;
    free(text);
}

void values_out_of_range_are_rejected(void) {
    static const int32_t invalid_constants[] = {-2, 2, 4, 5, 7, 9, INT32_MIN, INT32_MAX};
    static const struct {
        uint32_t limit, page;
    } pages[] = {{0, 1}, {101, 1}, {1, 0}, {UINT32_MAX, UINT32_MAX}};
    static const int64_t invalid_prices[] = {0, -1, INT64_MIN};
    objects on = objects_new();
    sastaotp_error *error = NULL;
    sastaotp_activation *number = sandbox_buy(on.client, "zz_multi"), *none = NULL;
    sastaotp_lease *lease = NULL;
    WORKS(sastaotp_client_lease(on.client, on.request, &lease, &error));
    size_t before = sandbox_requests(NULL);
    for (size_t at = 0; at < sizeof invalid_constants / sizeof *invalid_constants; at++) {
        sastaotp_status_change *change = NULL;
        sastaotp_settlement *settlement = NULL;
        int32_t value = invalid_constants[at];
        FAILS(sastaotp_config_set_api_key_location(on.config, value == 2 ? 3 : value, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "location");
        sastaotp_error_free(error);
        FAILS(sastaotp_client_set_status(on.client, "1", value, &change, &error), SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "status");
        sastaotp_error_free(error);
        FAILS(sastaotp_activation_settle(number, value, &settlement, &error), SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "on_too_early");
        sastaotp_error_free(error);
        /* This does not end the lease. */
        FAILS(sastaotp_lease_close(lease, value, &settlement, &error), SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "on_too_early");
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
        WORKS(sastaotp_number_request_set_max_price(on.request, invalid_prices[at], &error));
        FAILS(sastaotp_client_get_number(on.client, on.request, &none, &error), SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "maximum price");
        sastaotp_error_free(error);
        FAILS(sastaotp_client_reget_number(on.client, "1", invalid_prices[at], &none, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "maximum price");
        sastaotp_error_free(error);
        FAILS(sastaotp_activation_reget_number(number, invalid_prices[at], &none, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "maximum price");
        sastaotp_error_free(error);
    }
    static const char *const ids[] = {"", " ", " 1", "1\t", "1\n2", "\xc2\x85"};
    for (size_t at = 0; at < sizeof ids / sizeof *ids; at++) {
        FAILS(sastaotp_client_activation(on.client, ids[at], &none, &error), SASTAOTP_ERROR_CONFIG);
        sastaotp_error_free(error);
    }
    static const uint32_t invalid_workers[] = {0, 513, UINT32_MAX};
    for (size_t at = 0; at < sizeof invalid_workers / sizeof *invalid_workers; at++) {
        sastaotp_queue *queue = NULL;
        FAILS(sastaotp_queue_new_with_workers(on.client, invalid_workers[at], &queue, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "workers");
        sastaotp_error_free(error);
    }
    static const uint32_t invalid_rates[] = {0, 60000001, UINT32_MAX};
    for (size_t at = 0; at < sizeof invalid_rates / sizeof *invalid_rates; at++) {
        FAILS(sastaotp_config_set_max_requests_per_minute(on.config, invalid_rates[at], &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "requests per minute");
        sastaotp_error_free(error);
    }
    error = NULL;
    sastaotp_client *client = NULL;
    WORKS(sastaotp_config_set_max_connections(on.config, 0, &error));
    FAILS(sastaotp_client_new(on.config, &client, &error), SASTAOTP_ERROR_CONFIG);
    sastaotp_error_free(error);
    CHECK_INT(sandbox_requests(NULL), before);

    /* Values at the ends of their range are accepted. */
    static const uint32_t workers[] = {1, 512};
    for (size_t at = 0; at < sizeof workers / sizeof *workers; at++) {
        sastaotp_queue *queue = NULL;
        sastaotp_completion *completion = NULL;
        uint64_t ticket = 0;
        WORKS(sastaotp_queue_new_with_workers(on.client, workers[at], &queue, &error));
        WORKS(sastaotp_queue_submit(queue, "{\"op\":\"get_balance\"}", &ticket, &error));
        WORKS(sastaotp_queue_join(queue, ticket, UINT32_MAX, &completion, &error));
        CHECK_INT(sastaotp_completion_status(completion), SASTAOTP_OK);
        sastaotp_completion_free(completion);
        sastaotp_queue_free(queue);
    }
    static const uint32_t rates[] = {1, 60000000};
    WORKS(sastaotp_config_set_max_connections(on.config, 1, &error));
    for (size_t at = 0; at < sizeof rates / sizeof *rates; at++) {
        WORKS(sastaotp_config_set_max_requests_per_minute(on.config, rates[at], &error));
        WORKS(sastaotp_client_new(on.config, &client, &error));
        sastaotp_client_free(client);
    }
    sastaotp_wait_options *options = sastaotp_wait_options_new();
    sastaotp_sms *sms = NULL;
    WORKS(sastaotp_wait_options_set_interval_ms(options, UINT32_MAX, &error));
    WORKS(sastaotp_activation_wait_for_code(number, UINT32_MAX, options, &sms, &error));
    sastaotp_sms_free(sms);
    WORKS(sastaotp_wait_options_set_interval_ms(options, 0, &error));
    WORKS(sastaotp_activation_wait_for_code(number, 0, options, &sms, &error));
    sastaotp_sms_free(sms);
    sastaotp_wait_options_free(options);
    WORKS(sastaotp_number_request_set_max_price(on.request, INT64_MAX, &error));
    WORKS(sastaotp_client_get_number(on.client, on.request, &none, &error));
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
    WORKS(sastaotp_client_find_country(client, "India", &countries, &error));
    WORKS(sastaotp_client_get_orders(client, 1, 1, NULL, &orders, &error));
    WORKS(sastaotp_client_unclaimed(client, &list, &error));
    sastaotp_activation *none = NULL;
    sastaotp_reconciliation *found = NULL;
    sastaotp_number_request *request = sandbox_request("zz_lost_reply");
    CHECK(sastaotp_client_get_number(client, request, &none, &error) != SASTAOTP_OK);
    sastaotp_error *lost = error;
    WORKS(sastaotp_client_reconcile(client, sastaotp_error_intent(lost), 0, &found, &error));
    CHECK_INT(sastaotp_reconciliation_count(found), 1);
    CHECK(sastaotp_reconciliation_evidence(found, 0, 0) != NULL);
    for (size_t at = 0; at < sizeof indices / sizeof *indices; at++) {
        size_t index = indices[at];
        int64_t micros = 7;
        uint32_t count = 7;
        CHECK(sastaotp_services_get(services, index) == NULL);
        CHECK(sastaotp_service_offer(sastaotp_services_get(services, 0), index / 2 + 100) == NULL);
        CHECK(sastaotp_prices_country(prices, index) == NULL &&
              sastaotp_prices_service(prices, index) == NULL);
        CHECK(!sastaotp_prices_price(prices, index, &micros) &&
              !sastaotp_prices_available(prices, index, &count));
        CHECK(micros == 7 && count == 7);
        CHECK(sastaotp_countries_get(countries, index) == NULL);
        CHECK(sastaotp_orders_get(orders, index) == NULL);
        CHECK(sastaotp_unclaimed_list_get(list, index) == NULL);
        CHECK(sastaotp_reconciliation_get(found, index) == NULL);
        CHECK(!sastaotp_reconciliation_is_ours(found, index));
        CHECK_INT(sastaotp_reconciliation_evidence_count(found, index), 0);
        CHECK(sastaotp_reconciliation_evidence(found, index, 0) == NULL);
        CHECK(sastaotp_reconciliation_evidence(found, 0, index / 2 + 100) == NULL);
        CHECK(sastaotp_activation_code_at(number, index) == NULL);
        CHECK(sastaotp_purchase_warning(sastaotp_activation_purchase(number), index) == NULL);
    }
    sastaotp_services_free(services);
    sastaotp_prices_free(prices);
    sastaotp_countries_free(countries);
    sastaotp_orders_free(orders);
    sastaotp_unclaimed_list_free(list);
    sastaotp_reconciliation_free(found);
    sastaotp_number_request_free(request);
    sastaotp_error_free(lost);
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
}
