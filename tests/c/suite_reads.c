/* What is read from the service, and the JSON of it. */
#define _POSIX_C_SOURCE 200809L

#include "check.h"
#include "json.h"
#include "sandbox.h"
#include "suite.h"

void what_is_said_without_a_service(void) {
    CHECK_TEXT(sastaotp_version(), SASTAOTP_VERSION);
    CHECK_INT(sastaotp_abi_version(), SASTAOTP_ABI_VERSION);
    CHECK_TEXT(sastaotp_status_name(SASTAOTP_OK), "SASTAOTP_OK");
    CHECK_TEXT(sastaotp_status_name(SASTAOTP_NO_NUMBERS), "SASTAOTP_NO_NUMBERS");
    CHECK_TEXT(sastaotp_status_name(SASTAOTP_INTERNAL), "SASTAOTP_INTERNAL");
    CHECK(sastaotp_status_name(SASTAOTP_INTERNAL + 1) == NULL && sastaotp_status_name(-1) == NULL);
    static const struct {
        int64_t micros;
        const char *text;
    } amounts[] = {{18500000, "18.50"}, {0, "0.00"}, {1, "0.000001"}, {-18500000, "-18.50"},
                   {INT64_MAX, "9223372036854.775807"}, {INT64_MIN, "-9223372036854.775808"}};
    static const char *const no_amounts[] = {"", "x", "1.2.3", "0.0000001", "9223372036854.775808", "1,5"};
    sastaotp_error *error = NULL;
    for (size_t at = 0; at < sizeof amounts / sizeof *amounts; at++) {
        char text[32], short_text[4] = "???";
        int64_t micros = 7;
        size_t length = sastaotp_amount_format(amounts[at].micros, text, sizeof text);
        CHECK_TEXT(text, amounts[at].text);
        CHECK_INT(length, strlen(text));
        CHECK_INT(sastaotp_amount_format(amounts[at].micros, NULL, 0), length);
        CHECK_INT(sastaotp_amount_format(amounts[at].micros, short_text, 3), length);
        CHECK(strlen(short_text) == 2 && strncmp(short_text, text, 2) == 0 && short_text[3] == '\0');
        WORKS(sastaotp_amount_parse(text, &micros, &error));
        CHECK_INT(micros, amounts[at].micros);
    }
    for (size_t at = 0; at < sizeof no_amounts / sizeof *no_amounts; at++) {
        int64_t micros = 7;
        FAILS(sastaotp_amount_parse(no_amounts[at], &micros, &error), SASTAOTP_CONFIG);
        sastaotp_error_free(error);
        CHECK_INT(micros, 7);
    }
    sastaotp_config *config = NULL;
    sastaotp_client *client = NULL;
    unsetenv("SASTAOTP_API_KEY");
    unsetenv("SASTAOTP_BASE_URL");
    FAILS(sastaotp_client_from_env(&client, &error), SASTAOTP_CONFIG);
    CHECK_HOLDS(sastaotp_error_message(error), "SASTAOTP_API_KEY");
    sastaotp_error_free(error);
    setenv("SASTAOTP_API_KEY", "what_is_said_without_a_service", 1);
    setenv("SASTAOTP_BASE_URL", sandbox_url(), 1);
    WORKS(sastaotp_config_from_env(&config, &error));
    WORKS(sastaotp_client_new(config, &client, &error));
    sastaotp_client_free(client);
    sastaotp_config_free(config);
    WORKS(sastaotp_client_from_env(&client, &error));
    sastaotp_balance *balance = NULL;
    WORKS(sastaotp_client_get_balance(client, &balance, &error));
    sastaotp_balance_free(balance);
    sastaotp_client_free(client);
    CHECK_INT(sandbox_requests("getBalance"), 1);
}

void every_setting(void) {
    static const sastaotp_api_key_location places[] = {SASTAOTP_API_KEY_IN_HEADER, SASTAOTP_API_KEY_IN_BEARER, SASTAOTP_API_KEY_IN_QUERY};
    static const char no_pem[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    sastaotp_error *error = NULL;
    sastaotp_client *client = NULL, *quick = NULL;
    for (size_t at = 0; at < sizeof places / sizeof *places; at++) {
        sastaotp_config *config = sandbox_config();
        sastaotp_balance *balance = NULL;
        WORKS(sastaotp_config_set_api_key_location(config, places[at], &error));
        WORKS(sastaotp_config_set_user_agent(config, "suite/1", &error));
        WORKS(sastaotp_config_set_max_connections(config, 1, &error));
        WORKS(sastaotp_config_set_timeout_ms(config, 20000, &error));
        WORKS(sastaotp_config_set_budget(config, 5 * SASTAOTP_RUPEE, &error));
        WORKS(sastaotp_client_new(config, &client, &error));
        WORKS(sastaotp_client_with_timeout_ms(client, 10000, &quick, &error));
        WORKS(sastaotp_client_get_balance(quick, &balance, &error));
        CHECK_INT(sastaotp_balance_amount(balance), 1000 * SASTAOTP_RUPEE);
        CHECK_TEXT(sastaotp_balance_currency(balance), "INR");
        CHECK(json_is(json_member(sastaotp_balance_json(balance), "amount_micros"), "1000000000"));
        sastaotp_balance_free(balance);
        sastaotp_client_free(quick);
        sastaotp_client_free(client);
        WORKS(sastaotp_config_add_ca_pem(config, (const uint8_t *)no_pem, sizeof no_pem - 1, &error));
        FAILS(sastaotp_client_new(config, &client, &error), SASTAOTP_CONFIG);
        sastaotp_error_free(error);
        error = NULL;
        sastaotp_config_free(config);
    }
}

static void check_offers(const sastaotp_service *service) {
    CHECK(sastaotp_service_offer_count(service) > 3);
    CHECK(sastaotp_service_offer(service, sastaotp_service_offer_count(service)) == NULL);
    bool india = false;
    for (size_t at = 0; at < sastaotp_service_offer_count(service); at++) {
        const sastaotp_offer *offer = sastaotp_service_offer(service, at);
        int64_t micros = 0;
        uint64_t count = 0;
        CHECK(sastaotp_offer_price(offer, &micros) && micros > 0);
        CHECK(sastaotp_offer_available(offer, &count) && sastaotp_offer_available(offer, NULL));
        if (strcmp(sastaotp_offer_country(offer), "22") != 0) continue;
        india = true;
        CHECK_TEXT(sastaotp_offer_country_name(offer), "India");
        CHECK_INT(micros, 76940000);
    }
    CHECK(india);
}

void the_catalogue(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_services *services = NULL;
    WORKS(sastaotp_client_get_services(client, NULL, &services, &error));
    size_t count = sastaotp_services_count(services);
    CHECK(count > 30 && sastaotp_services_get(services, count) == NULL);
    CHECK(json_is_valid(sastaotp_services_json(services)));
    sastaotp_services_free(services);
    WORKS(sastaotp_client_get_services(client, "tg", &services, &error));
    CHECK_INT(sastaotp_services_count(services), 1);
    const sastaotp_service *service = sastaotp_services_get(services, 0);
    int64_t micros = 0;
    uint64_t available = 0;
    uint32_t millis = 0, priced = 0;
    bool multi = true;
    CHECK_TEXT(sastaotp_service_code(service), "tg");
    CHECK_TEXT(sastaotp_service_name(service), "Telegram");
    if (sastaotp_service_price(service, &micros)) CHECK(micros > 0);
    if (sastaotp_service_available(service, &available)) CHECK(available > 0);
    CHECK(sastaotp_service_multi_sms(service, &multi) && !multi);
    if (sastaotp_service_expires_in_ms(service, &millis)) CHECK_INT(millis, 1200000);
    check_offers(service);
    sastaotp_services_free(services);

    sastaotp_prices *prices = NULL;
    WORKS(sastaotp_client_get_prices(client, NULL, NULL, &prices, &error));
    CHECK(sastaotp_prices_count(prices) > 500);
    CHECK(json_is_valid(sastaotp_prices_json(prices)));
    sastaotp_prices_free(prices);
    WORKS(sastaotp_client_get_prices(client, "tg", "22", &prices, &error));
    size_t index = 99;
    CHECK(sastaotp_prices_find(prices, "22", "tg", &index) && sastaotp_prices_find(prices, "22", "tg", NULL));
    CHECK(index < sastaotp_prices_count(prices));
    CHECK(!sastaotp_prices_find(prices, "22", "wa", &index));
    CHECK_TEXT(sastaotp_prices_country(prices, index), "22");
    CHECK_TEXT(sastaotp_prices_service(prices, index), "tg");
    CHECK(sastaotp_prices_price(prices, index, &micros) && micros == 76940000);
    CHECK(sastaotp_prices_available(prices, index, &priced) && priced == 999);
    sastaotp_prices_free(prices);

    sastaotp_countries *countries = NULL;
    WORKS(sastaotp_client_get_countries(client, &countries, &error));
    CHECK(sastaotp_countries_count(countries) > 30);
    CHECK(json_is_valid(sastaotp_countries_json(countries)));
    sastaotp_countries_free(countries);
    WORKS(sastaotp_client_find_country(client, "iNDIA", &countries, &error));
    CHECK_INT(sastaotp_countries_count(countries), 1);
    const sastaotp_country *country = sastaotp_countries_get(countries, 0);
    CHECK_TEXT(sastaotp_country_code(country), "22");
    CHECK_TEXT(sastaotp_country_name(country), "India");
    CHECK(sastaotp_country_is_visible(country));
    CHECK(sastaotp_countries_get(countries, 1) == NULL);
    sastaotp_countries_free(countries);
    sastaotp_client_free(client);
}

static void check_order(const sastaotp_order *order) {
    int64_t micros = 0, millis = 0;
    CHECK(sastaotp_order_activation_id(order) != NULL && sastaotp_order_id(order) != NULL);
    CHECK_INT(strncmp(sastaotp_order_phone_number(order), "91", 2), 0);
    CHECK_TEXT(sastaotp_order_service(order), "zz_never");
    CHECK_TEXT(sastaotp_order_country(order), "22");
    CHECK(sastaotp_order_code(order) == NULL);
    CHECK(sastaotp_order_created_text(order) != NULL);
    CHECK(!sastaotp_order_created_at_ms(order, &millis) || millis > INT64_C(1600000000000));
    CHECK(sastaotp_order_price(order, &micros) && micros == 10 * SASTAOTP_RUPEE);
    CHECK(json_is_valid(sastaotp_order_json(order)));
    CHECK(json_member(json_member(sastaotp_order_json(order), "raw"), "activation_id") != NULL);
}

void the_history(void) {
    enum { ORDERS = 103 };
    sastaotp_error *error = NULL;
    sandbox_do("seed", "{\"wallet\":\"5000\"}");
    sastaotp_client *client = sandbox_client();
    for (int at = 0; at < ORDERS; at++) {
        sastaotp_activation *number = sandbox_buy(client, "zz_never");
        sastaotp_status_change *change = NULL;
        if (at == 0) {
            const char *id = sastaotp_activation_id(number);
            WORKS(sastaotp_client_set_status(client, id, SASTAOTP_SET_CANCEL, &change, &error));
        }
        sastaotp_status_change_free(change);
        sastaotp_activation_free(number);
    }
    sastaotp_orders *page = NULL;
    uint64_t total = 0;
    WORKS(sastaotp_client_get_orders(client, 10, 11, NULL, &page, &error));
    CHECK_INT(sastaotp_orders_count(page), 3);
    CHECK(sastaotp_orders_total(page, &total) && total == ORDERS);
    CHECK(json_is_valid(sastaotp_orders_json(page)));
    check_order(sastaotp_orders_get(page, 2));
    CHECK_TEXT(sastaotp_order_status(sastaotp_orders_get(page, 2)), "cancelled");
    CHECK(sastaotp_orders_get(page, 3) == NULL);
    sastaotp_orders_free(page);
    WORKS(sastaotp_client_get_orders(client, 1, 1, "cancelled", &page, &error));
    CHECK_TEXT(sastaotp_order_id(sastaotp_orders_get(page, 0)), "1001");
    sastaotp_orders_free(page);

    static const struct {
        const char *status;
        int count;
    } rows[] = {{NULL, ORDERS}, {"pending", ORDERS - 1}, {"expired", 0}};
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_order_iterator *iterator = NULL;
        sastaotp_order *order = NULL, *first = NULL;
        int seen = 0;
        WORKS(sastaotp_client_orders(client, rows[row].status, &iterator, &error));
        for (;; seen++) {
            WORKS(sastaotp_order_iterator_next(iterator, &order, &error));
            if (order == NULL) break;
            if (first == NULL) first = order;
            else sastaotp_order_free(order);
        }
        CHECK_INT(seen, rows[row].count);
        WORKS(sastaotp_order_iterator_next(iterator, &order, &error));
        CHECK(order == NULL);
        sastaotp_order_iterator_free(iterator);
        if (first) check_order(first);
        sastaotp_order_free(first);
    }
    sastaotp_client_free(client);
}
