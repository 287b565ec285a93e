/* Structs of options: sizes of other versions, members that contradict each other, and members
 * with invalid values. */
#include "check.h"
#include "misuse.h"
#include "queue_calls.h"
#include "sandbox.h"

/* A struct of a later version of the library, which has more members. */
#define LATER(type)         \
    struct {                \
        type known;         \
        char further[16];   \
    }

/* Sizes that no version of the library has. */
#define INVALID_SIZES(type) {0, 1, sizeof(size_t), sizeof(type) - 1, 1 << 20, SIZE_MAX}

/* The message of a call that must fail; the caller frees the error. */
#define REFUSED(call, part)                                      \
    do {                                                         \
        FAILS(call, SASTAOTP_ERROR_CONFIG);                      \
        CHECK_CONTAINS(sastaotp_error_message(error), part);     \
        CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_NONE); \
        CHECK_INT(sastaotp_error_phase(error), SASTAOTP_PHASE_PREPARE); \
        sastaotp_error_free(error);                              \
        error = NULL;                                            \
    } while (0)

void configs_of_other_versions_are_checked(void) {
    static const size_t sizes[] = INVALID_SIZES(sastaotp_config);
    sastaotp_error *error = NULL;
    sastaotp_client *client = NULL;
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        sastaotp_config config = sandbox_config();
        config.size = sizes[at];
        REFUSED(sastaotp_client_new(&config, &client, &error), "SASTAOTP_CONFIG_INIT");
        CHECK(client == NULL);
    }
    LATER(sastaotp_config) later;
    memset(&later, 0, sizeof later);
    later.known = sandbox_config();
    later.known.size = sizeof later;
    int64_t micros = 7;
    WORKS(sastaotp_client_new(&later.known, &client, &error));
    WORKS(sastaotp_client_get_balance(client, &micros, &error));
    CHECK_INT(micros, 1000 * SASTAOTP_RUPEE);
    sastaotp_client_free(client);
    for (size_t at = 0; at < sizeof later.further; at++) {
        memset(later.further, 0, sizeof later.further);
        later.further[at] = 1;
        REFUSED(sastaotp_client_new(&later.known, &client, &error), "version");
    }
}

/* Submits a request, which is refused: immediately, or by its completion if a code is invalid. */
static void refuse_submit(const sastaotp_queue *queue, const sastaotp_number_request *request,
                          const char *part) {
    sastaotp_error *error = NULL;
    uint64_t ticket = 7;
    if (sastaotp_queue_submit_get_number(queue, request, NULL, &ticket, NULL) != SASTAOTP_OK) {
        CHECK_INT(ticket, 0);
        REFUSED(sastaotp_queue_submit_get_number(queue, request, NULL, &ticket, &error), part);
        return;
    }
    sastaotp_completion *completion = join(queue, ticket);
    const sastaotp_error *failure = sastaotp_completion_error(completion);
    CHECK_INT(sastaotp_completion_status(completion), SASTAOTP_ERROR_CONFIG);
    CHECK_CONTAINS(sastaotp_error_message(failure), part);
    CHECK_INT(sastaotp_error_charge(failure), SASTAOTP_CHARGE_NONE);
    sastaotp_completion_free(completion);
}

/* Tries a request in each call that takes one; each call must refuse it. */
static void refuse_request(const sastaotp_client *client, const sastaotp_queue *queue,
                           const sastaotp_number_request *request, const char *part) {
    sastaotp_error *error = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_lease *lease = NULL;
    sastaotp_intent *intent = NULL;
    REFUSED(sastaotp_client_get_number(client, request, &number, &error), part);
    REFUSED(sastaotp_client_lease(client, request, &lease, &error), part);
    REFUSED(sastaotp_client_intend(client, request, &intent, &error), part);
    refuse_submit(queue, request, part);
    CHECK(number == NULL && lease == NULL && intent == NULL);
    CHECK_INT(sastaotp_queue_open_count(queue), 0);
    CHECK_INT(sandbox_requests("getNumber"), 0);
}

void requests_of_other_versions_are_checked(void) {
    static const size_t sizes[] = INVALID_SIZES(sastaotp_number_request);
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        sastaotp_number_request request = sandbox_request("zz_never");
        request.size = sizes[at];
        refuse_request(client, queue, &request, "SASTAOTP_NUMBER_REQUEST_INIT");
    }
    LATER(sastaotp_number_request) later;
    memset(&later, 0, sizeof later);
    later.known = sandbox_request("zz_never");
    later.known.size = sizeof later;
    later.further[sizeof later.further - 1] = 1;
    refuse_request(client, queue, &later.known, "version");
    later.further[sizeof later.further - 1] = 0;
    sastaotp_intent *intent = NULL;
    WORKS(sastaotp_client_intend(client, &later.known, &intent, &error));
    CHECK_TEXT(sastaotp_intent_service(intent), "zz_never");
    sastaotp_intent_free(intent);
    queue_end(queue);
    sastaotp_client_free(client);
}

void wait_options_of_other_versions_are_checked(void) {
    static const size_t sizes[] = INVALID_SIZES(sastaotp_wait_options);
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    sastaotp_activation *number = sandbox_buy(client, "zz_multi");
    const char *id = sastaotp_activation_id(number);
    sastaotp_sms *sms = NULL;
    sastaotp_wait_options options = SASTAOTP_WAIT_OPTIONS_INIT;
    options.reserved[1] = 1;
    REFUSED(sastaotp_activation_wait_for_code(number, 1, &options, &sms, &error),
            "reserved");
    LATER(sastaotp_wait_options) later;
    memset(&later, 0, sizeof later);
    later.known = (sastaotp_wait_options)SASTAOTP_WAIT_OPTIONS_INIT;
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes + 2; at++) {
        int is_size = at < sizeof sizes / sizeof *sizes;
        const char *part = is_size ? "SASTAOTP_WAIT_OPTIONS_INIT" : "version";
        later.known.size = is_size ? sizes[at] : sizeof later;
        later.further[is_size ? 0 : at % sizeof later.further] = !is_size;
        REFUSED(sastaotp_activation_wait_for_code(number, 1, &later.known, &sms, &error), part);
        REFUSED(sastaotp_activation_try_wait_for_code(number, 1, &later.known, &sms, &error), part);
        REFUSED(sastaotp_queue_submit_wait_for_code(queue, id, 1, &later.known, NULL, NULL, &error),
                part);
        CHECK(sms == NULL);
    }
    memset(later.further, 0, sizeof later.further);
    WORKS(sastaotp_activation_wait_for_code(number, 1000, &later.known, &sms, &error));
    sastaotp_sms_free(sms);
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_activation_complete(number, &settlement, &error));
    sastaotp_settlement_free(settlement);
    queue_end(queue);
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
}

/* Usual settings, except for one change, which the creation of a client refuses. */
#define BAD_CONFIG(change, part)                                                       \
    do {                                                                               \
        sastaotp_config config = sandbox_config();                                     \
        sastaotp_client *client = NULL;                                                \
        check_context = #change;                                                       \
        change;                                                                        \
        REFUSED(sastaotp_client_new(&config, &client, &error), part);                  \
        CHECK(client == NULL);                                                         \
        CHECK_INT(sastaotp_client_new(&config, &client, NULL), SASTAOTP_ERROR_CONFIG); \
        check_context = NULL;                                                          \
    } while (0)

void invalid_settings_are_refused(void) {
    sastaotp_error *error = NULL;
    BAD_CONFIG(config.api_key = NULL, "API key");
    BAD_CONFIG(config.api_key = "", "API key");
    BAD_CONFIG(config.api_key = "a b", "API key");
    BAD_CONFIG(config.base_url = "", "URL");
    BAD_CONFIG(config.base_url = "ftp://127.0.0.1/", "URL");
    BAD_CONFIG(config.base_url = "http://example.com/", "https");
    BAD_CONFIG(config.user_agent = "", "user agent");
    BAD_CONFIG(config.user_agent = "a\nb", "user agent");
    BAD_CONFIG(config.ca_pem = "no certificate", "PEM");
    BAD_CONFIG((config.ca_pem = "no certificate", config.ca_pem_length = 3), "PEM");
    BAD_CONFIG(config.ca_pem_length = 3, "ca_pem");
#ifndef _WIN32
    BAD_CONFIG(config.ca_pem = "/etc/passwd", "is the path of a file");
#endif
    BAD_CONFIG(config.proxy = "", "proxy");
    BAD_CONFIG(config.proxy = "none", "\"direct\"");
    BAD_CONFIG(config.proxy = "socks4://127.0.0.1", "SOCKS4");
    BAD_CONFIG(config.proxy = "http://u:secret@a b", "valid host");
    BAD_CONFIG(config.journal = "", "journal");
    BAD_CONFIG(config.budget_micros = -1, "budget");
    BAD_CONFIG(config.budget_micros = INT64_MIN, "budget");
    BAD_CONFIG(config.max_requests_per_minute = 60000001, "requests per minute");
    BAD_CONFIG(config.max_requests_per_minute = UINT32_MAX, "requests per minute");
    BAD_CONFIG(config.api_key_location = (sastaotp_api_key_location)-1, "api_key_location");
    BAD_CONFIG(config.api_key_location = (sastaotp_api_key_location)3, "api_key_location");
    BAD_CONFIG(config.api_key_location = SASTAOTP_API_KEY_LOCATION_MAX_ENUM, "api_key_location");
    BAD_CONFIG(config.roots = (sastaotp_roots)-1, "roots");
    BAD_CONFIG(config.roots = (sastaotp_roots)3, "roots");
    BAD_CONFIG(config.durability = (sastaotp_durability)-1, "durability");
    BAD_CONFIG(config.durability = (sastaotp_durability)2, "durability");
    /* Members that are not a bool, as in a struct that was not initialized. */
    BAD_CONFIG(memset(&config.from_env, 0x55, sizeof config.from_env), "from_env");
    BAD_CONFIG(memset(&config.journal_on_network, 0x55, sizeof config.journal_on_network),
               "journal_on_network");
    BAD_CONFIG(config.reserved[0] = 1, "reserved");
    BAD_CONFIG(config.reserved[sizeof config.reserved - 1] = 1, "reserved");
}

/* Usual settings, except for one change, with which a client works. */
#define GOOD_CONFIG(change)                                         \
    do {                                                            \
        sastaotp_config config = sandbox_config();                  \
        sastaotp_client *client = NULL;                             \
        int64_t micros = 7;                                         \
        check_context = #change;                                    \
        change;                                                     \
        WORKS(sastaotp_client_new(&config, &client, &error));       \
        WORKS(sastaotp_client_get_balance(client, &micros, &error)); \
        CHECK_INT(micros, 1000 * SASTAOTP_RUPEE);                   \
        CHECK(!sastaotp_client_budget_left(client, &micros));       \
        sastaotp_client_free(client);                               \
        check_context = NULL;                                       \
    } while (0)

void settings_at_the_ends_of_their_range_work(void) {
    sastaotp_error *error = NULL;
    GOOD_CONFIG(config.budget_micros = SASTAOTP_NO_BUDGET);
    GOOD_CONFIG(config.max_connections = 1);
    GOOD_CONFIG(config.max_connections = UINT32_MAX);
    GOOD_CONFIG(config.timeout_ms = UINT32_MAX);
    GOOD_CONFIG(config.late_booking_ms = UINT32_MAX);
    GOOD_CONFIG(config.max_requests_per_minute = 1);
    GOOD_CONFIG(config.max_requests_per_minute = 60000000);
    GOOD_CONFIG(config.api_key_location = SASTAOTP_API_KEY_IN_BEARER);
    GOOD_CONFIG(config.api_key_location = SASTAOTP_API_KEY_IN_QUERY);
    GOOD_CONFIG(config.durability = SASTAOTP_DURABILITY_PROCESS);
    GOOD_CONFIG(config.user_agent = "misuse/1");
    GOOD_CONFIG(config.proxy = "direct");
    GOOD_CONFIG(config.proxy = "environment");
    GOOD_CONFIG(config.roots = SASTAOTP_ROOTS_SYSTEM);
    GOOD_CONFIG(config.roots = SASTAOTP_ROOTS_BOTH);
    /* A budget of 0 allows no purchase. */
    sastaotp_config config = sandbox_config();
    sastaotp_client *client = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_number_request request = sandbox_request("zz_never");
    int64_t left = 7;
    config.budget_micros = 0;
    WORKS(sastaotp_client_new(&config, &client, &error));
    CHECK(sastaotp_client_budget_left(client, &left));
    CHECK_INT(left, 0);
    FAILS(sastaotp_client_get_number(client, &request, &number, &error), SASTAOTP_ERROR_BUDGET);
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_NONE);
    sastaotp_error_free(error);
    sastaotp_client_free(client);
    CHECK_INT(sandbox_requests("getNumber"), 0);
}

/* A usual request, except for one change, which every call refuses. */
#define BAD_REQUEST(change, part)                                       \
    do {                                                                \
        sastaotp_number_request request = sandbox_request("zz_never");  \
        check_context = #change;                                        \
        change;                                                         \
        refuse_request(client, queue, &request, part);                  \
        check_context = NULL;                                           \
    } while (0)

static const char *const *request_of_countries;

/* A usual request with the first of the countries above instead of one country. */
static sastaotp_number_request listed_request(size_t count) {
    sastaotp_number_request request = sandbox_request("zz_never");
    request.country = NULL;
    request.countries = request_of_countries;
    request.country_count = count;
    return request;
}

void invalid_requests_are_refused(void) {
    static const sastaotp_number_request initial = SASTAOTP_NUMBER_REQUEST_INIT;
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    BAD_REQUEST(request = initial, "service");
    BAD_REQUEST(request.service = NULL, "service");
    BAD_REQUEST(request.service = "", "service");
    BAD_REQUEST(request.country = NULL, "no country");
    BAD_REQUEST(request.country = "", "country");
    BAD_REQUEST(request.any_country = true, "both a country and any country");
    BAD_REQUEST((request.country = NULL, request.operator_ = "22", request.any_country = true),
                "both an operator and any country");
    BAD_REQUEST(request.operator_ = "", "operator");
    static const char *const countries[] = {"22", "0", "22", NULL};
    static const sastaotp_offer *const no_offer[] = {NULL};
    static const sastaotp_parameter parameters[] = {{"maxPrice", "1"}, {"ref", NULL}};
    BAD_REQUEST((request.countries = countries, request.country_count = 2),
                "in one of 2 countries");
    request_of_countries = countries;
    BAD_REQUEST(request = listed_request(0), "in one of 0 countries");
    BAD_REQUEST(request = listed_request(3), "in one of 3 countries");
    BAD_REQUEST(request = listed_request(4), "countries is NULL");
    BAD_REQUEST(request = listed_request(SIZE_MAX), "countries has");
    BAD_REQUEST((request.country = NULL, request.country_count = 1), "countries is NULL");
    BAD_REQUEST((request.country = NULL, request.offers = no_offer, request.offer_count = 1),
                "offer is NULL");
    BAD_REQUEST((request.country = NULL, request.offer_count = 1), "offers is NULL");
    BAD_REQUEST((request.parameters = parameters, request.parameter_count = 1), "maxPrice");
    BAD_REQUEST((request.parameters = parameters + 1, request.parameter_count = 1),
                "parameters is NULL");
    BAD_REQUEST(request.parameter_count = 1, "parameters is NULL");
    BAD_REQUEST(request.min_price_micros = -1, "minimum price");
    BAD_REQUEST(request.min_price_micros = 101 * SASTAOTP_RUPEE, "minimum price");
    BAD_REQUEST(request.max_price_micros = 0, "price");
    BAD_REQUEST(request.max_price_micros = -1, "maximum price");
    BAD_REQUEST(request.max_price_micros = INT64_MIN, "maximum price");
    BAD_REQUEST(memset(&request.any_country, 0x55, sizeof request.any_country), "any_country");
    BAD_REQUEST(memset(&request.multi_sms, 0x55, sizeof request.multi_sms), "multi_sms");
    BAD_REQUEST(request.reserved[0] = 1, "reserved");
    BAD_REQUEST(request.reserved[sizeof request.reserved - 1] = 1, "reserved");

    /* Any price and any country are stated explicitly. */
    sastaotp_number_request request = initial;
    sastaotp_intent *intent = NULL;
    int64_t micros = 7;
    request.service = "zz_never";
    request.any_country = true;
    request.max_price_micros = SASTAOTP_ANY_PRICE;
    request.multi_sms = true;
    WORKS(sastaotp_client_intend(client, &request, &intent, &error));
    CHECK(sastaotp_intent_country(intent) == NULL && sastaotp_intent_operator(intent) == NULL);
    CHECK(!sastaotp_intent_max_price_micros(intent, &micros));
    CHECK_CONTAINS(sastaotp_intent_json(intent), "\"multi_sms\":true");
    sastaotp_intent_free(intent);
    request.any_country = false;
    request.operator_ = "22";
    WORKS(sastaotp_client_intend(client, &request, &intent, &error));
    CHECK_TEXT(sastaotp_intent_operator(intent), "22");
    sastaotp_intent_free(intent);
    queue_end(queue);
    sastaotp_client_free(client);
}
