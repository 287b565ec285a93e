/* The JSON of results: it is valid, and its raw contains fields that the service adds. */
#include "json.h"

#include "check.h"
#include "queue_calls.h"
#include "sandbox.h"
#include "suite.h"

/* The JSON reader of the tests themselves. */
void json_reader_rejects_invalid_json(void) {
    static const char *const valid[] = {"{}", " [1, -0.5e+3, \"\\u00e9\\n\", true,null ] ",
                                        "{\"a\":{\"b\":[]}}", "\"\xc3\xa9\""};
    static const char *const invalid[] = {"",
                                          "{",
                                          "{}x",
                                          "[1,]",
                                          "{\"a\"}",
                                          "{a:1}",
                                          "01",
                                          "1.",
                                          "\"\x01\"",
                                          "\"\\x\"",
                                          "\"\\u12\"",
                                          "\"\xff\"",
                                          "\"\xed\xa0\x80\"",
                                          "nul",
                                          "'a'",
                                          "[1 2]",
                                          "{\"a\":1,}",
                                          "\"open"};
    for (size_t row = 0; row < sizeof valid / sizeof *valid; row++)
        CHECK(json_is_valid(valid[row]));
    for (size_t row = 0; row < sizeof invalid / sizeof *invalid; row++) {
        CHECK(!json_is_valid(invalid[row]));
    }
    CHECK(json_is(json_member(json_member("{\"x\":[{\"a\":1}],\"a\":{\"b\":2}}", "a"), "b"), "2"));
    CHECK(json_member("{\"x\":{\"a\":1}}", "a") == NULL && json_member("[1]", "a") == NULL);
    const char *name = NULL, *list = "[ 1 , [2] ]", *first = json_step(list, NULL, &name);
    CHECK(json_is(first, "1") && json_is(json_step(list, first, &name), "[2]"));
    CHECK(json_step(list, list + 6, &name) == NULL && json_step("{}", NULL, &name) == NULL);
    CHECK(json_is(json_step("{ \"a\" : 3}", NULL, &name), "3") && json_is(name, "\"a\""));
}

/* Copies a valid JSON text. */
static char *copy_of(const char *json) {
    CHECK(json_is_valid(json));
    char *copy = malloc(strlen(json) + 1);
    CHECK(copy != NULL);
    return strcpy(copy, json);
}

/* Runs an operation of a queue and returns its JSON. */
static char *run_once(const sastaotp_client *client, const char *operation) {
    sastaotp_queue *queue = queue_of(client);
    char *json = result_of(queue, operation);
    sastaotp_queue_free(queue);
    return json;
}

/* A function that makes one call and returns a copy of its result's JSON. */
#define CALL(name, type, call, json_of)                                          \
    static char *name(const sastaotp_client *client, const char *id) {          \
        sastaotp_error *error = NULL;                                           \
        type *result = NULL;                                                    \
        (void)id;                                                               \
        WORKS(call);                                                            \
        char *copy = copy_of(json_of);                                          \
        type##_free(result);                                                    \
        return copy;                                                            \
    }

CALL(of_services, sastaotp_services, sastaotp_client_get_services(client, NULL, &result, &error),
    sastaotp_services_json(result))
CALL(of_prices, sastaotp_prices, sastaotp_client_get_prices(client, "tg", NULL, &result, &error),
    sastaotp_prices_json(result))
CALL(of_countries, sastaotp_countries, sastaotp_client_get_countries(client, NULL, &result, &error),
    sastaotp_countries_json(result))
CALL(of_orders, sastaotp_orders, sastaotp_client_get_orders(client, 5, 1, NULL, &result, &error),
    sastaotp_orders_json(result))
CALL(of_order, sastaotp_orders, sastaotp_client_get_orders(client, 5, 1, NULL, &result, &error),
    sastaotp_order_json(sastaotp_orders_get(result, 0)))
static char *of_balance(const sastaotp_client *client, const char *id) {
    (void)id;
    return run_once(client, "{\"op\":\"get_balance\"}");
}

static char *of_status(const sastaotp_client *client, const char *id) {
    return run_once(client, operation_on("get_status", id, ""));
}

static char *of_change(const sastaotp_client *client, const char *id) {
    return run_once(client, operation_on("set_status", id, ",\"status\":1"));
}

/* The status of an activation, and the message in it. */
#define OF_STATUS(name, json_of)                                                \
    static char *name(const sastaotp_client *client, const char *id) {          \
        sastaotp_error *error = NULL;                                           \
        sastaotp_activation *number = NULL;                                     \
        sastaotp_activation_status *result = NULL;                              \
        WORKS(sastaotp_client_activation(client, id, &number, &error));         \
        WORKS(sastaotp_activation_get_status(number, &result, &error));         \
        char *copy = copy_of(json_of);                                          \
        sastaotp_activation_status_free(result);                                \
        sastaotp_activation_free(number);                                       \
        return copy;                                                            \
    }
OF_STATUS(of_typed_status, sastaotp_activation_status_json(result))
OF_STATUS(of_sms, sastaotp_sms_json(sastaotp_activation_status_sms(result)))

static char *of_purchase(const sastaotp_client *client, const char *id) {
    sastaotp_activation *number = sandbox_buy(client, "zz_never");
    char *copy = copy_of(sastaotp_purchase_json(sastaotp_activation_purchase(number)));
    (void)id;
    sastaotp_activation_free(number);
    return copy;
}

static char *of_settlement(const sastaotp_client *client, const char *id) {
    sastaotp_error *error = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_client_activation(client, id, &number, &error));
    WORKS(sastaotp_activation_complete_without_code(number, &settlement, &error));
    char *copy = copy_of(sastaotp_settlement_json(settlement));
    sastaotp_settlement_free(settlement);
    sastaotp_activation_free(number);
    return copy;
}

#define NEW "\\\"brand_new\\\":1"
#define Q(name) "\\\"" name "\\\""

void raw_contains_new_fields(void) {
    static const struct {
        const char *action, *body;
        char *(*json)(const sastaotp_client *, const char *);
    } rows[] = {
        {"getBalance", "{" Q("status") ":" Q("OK") "," Q("balance") ":5," NEW "}", of_balance},
        {"getServicesList", "{" Q("services") ":{" Q("tg") ":{" Q("name") ":" Q("T") "}}," NEW "}",
         of_services},
        {"getPrices",
         "{" Q("status") ":" Q("OK") "," Q("data") ":{" Q("22") ":{" Q("tg") ":{" Q(
             "cost") ":1}}}," NEW "}",
         of_prices},
        {"getCountries",
         "{" Q("countries") ":{" Q("22") ":{" Q("name") ":" Q("India") "}}," NEW "}", of_countries},
        {"getOrders", "{" Q("status") ":" Q("OK") "," Q("orders") ":[]," NEW "}", of_orders},
        {"getOrders",
         "{" Q("status") ":" Q("OK") "," Q("orders") ":[{" Q("order_id") ":1," NEW "}]}", of_order},
        {"getStatus",
         "{" Q("status") ":" Q("OK") "," Q("raw") ":" Q("STATUS_WAIT_CODE") "," NEW "}", of_status},
        {"getStatus",
         "{" Q("status") ":" Q("OK") "," Q("raw") ":" Q("STATUS_WAIT_CODE") "," NEW "}",
         of_typed_status},
        {"getStatus",
         "{" Q("status") ":" Q("OK") "," Q("sms") ":{" Q("code") ":" Q("1234") "," Q("text") ":" Q(
             "t") "," NEW "}}",
         of_sms},
        {"setStatus", "{" Q("status") ":" Q("OK") "," Q("raw") ":" Q("ACCESS_READY") "," NEW "}",
         of_change},
        {"setStatus",
         "{" Q("status") ":" Q("OK") "," Q("raw") ":" Q("ACCESS_ACTIVATION") "," NEW "}",
         of_settlement},
        {"getNumber",
         "{" Q("status") ":" Q("OK") "," Q("activation_id") ":" Q("7") "," Q("number") ":" Q(
             "917") "," Q("price") ":1," NEW "}",
         of_purchase},
    };
    sastaotp_client *client = sandbox_client();
    sastaotp_activation *number = sandbox_buy(client, "zz_never");
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        char fault[512];
        snprintf(fault, sizeof fault,
                 "{\"match\":{\"action\":\"%s\"},\"fault\":\"H09\",\"times\":2,\"body\":\"%s\"}",
                 rows[row].action, rows[row].body);
        sandbox_do("faults", fault);
        char *json = rows[row].json(client, sastaotp_activation_id(number));
        if (!json_is(json_member(json_member(json, "raw"), "brand_new"), "1")) {
            fprintf(stderr, "%s: %s\n", rows[row].action, json);
            CHECK(!"raw contains the new field");
        }
        free(json);
        sandbox_do("faults", "{\"clear\":true}");
    }
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
}

/* A text of the service with an escaped NUL: it is verbatim if it is read with its length, and has
 * a replacement character if it is not. */
void texts_may_contain_a_nul(void) {
    static const char replaced[] = "a\xef\xbf\xbd" "b";
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_activation *number = sandbox_buy(client, "zz_never");
    sastaotp_activation_status *status = NULL;
    size_t length = 7;
    sandbox_do("faults", "{\"match\":{\"action\":\"getStatus\"},\"fault\":\"H09\",\"body\":\"{" Q(
                             "status") ":" Q("OK") "," Q("sms") ":{" Q("code") ":" Q("12") "," Q(
                             "text") ":" Q("a\\\\u0000b") "}}\"}");
    WORKS(sastaotp_activation_get_status(number, &status, &error));
    const sastaotp_sms *sms = sastaotp_activation_status_sms(status);
    CHECK_TEXT(sastaotp_sms_text(sms, NULL), replaced);
    const char *text = sastaotp_sms_text(sms, &length);
    CHECK_INT(length, 3);
    CHECK(memcmp(text, "a\0b", 4) == 0);
    CHECK_CONTAINS(sastaotp_sms_json(sms), "a\\u0000b");
    sastaotp_activation_status_free(status);

    /* The body itself contains the byte. */
    int64_t micros = 7;
    sandbox_do("faults", "{\"fault\":\"H09\",\"times\":0,\"body\":\"<html>a\\u0000b\"}");
    FAILS(sastaotp_client_get_balance(client, &micros, &error), SASTAOTP_ERROR_PROTOCOL);
    CHECK_TEXT(sastaotp_error_raw(error, NULL), "<html>a\xef\xbf\xbd" "b");
    text = sastaotp_error_raw(error, &length);
    CHECK_INT(length, 9);
    CHECK(memcmp(text, "<html>a\0b", 10) == 0);
    CHECK_INT(micros, 7);
    sastaotp_error_free(error);
    error = NULL;
    sandbox_do("faults", "{\"clear\":true}");

    /* Without a NUL both are the same. */
    sandbox_do("faults", "{\"fault\":\"H09\",\"times\":0,\"body\":\"<html>ab\"}");
    FAILS(sastaotp_client_get_balance(client, &micros, &error), SASTAOTP_ERROR_PROTOCOL);
    CHECK_TEXT(sastaotp_error_raw(error, NULL), "<html>ab");
    CHECK_TEXT(sastaotp_error_raw(error, &length), "<html>ab");
    CHECK_INT(length, 8);
    sastaotp_error_free(error);
    error = NULL;
    sandbox_do("faults", "{\"clear\":true}");
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
}

void a_balance_in_another_currency_is_an_error(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    int64_t micros = 7;
    sandbox_do("faults", "{\"fault\":\"H09\",\"body\":\"{" Q("status") ":" Q("OK") "," Q(
                             "balance") ":5," Q("currency") ":" Q("USD") "}\"}");
    FAILS(sastaotp_client_get_balance(client, &micros, &error), SASTAOTP_ERROR_PROTOCOL);
    CHECK_CONTAINS(sastaotp_error_message(error), "USD");
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_NONE);
    CHECK_INT(micros, 7);
    sastaotp_error_free(error);
    error = NULL;
    WORKS(sastaotp_client_get_balance(client, &micros, &error));
    CHECK_INT(micros, 1000 * SASTAOTP_RUPEE);
    sastaotp_client_free(client);
}

void a_purchase_has_every_field(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    bool multi_sms = false;
    uint32_t millis = 7;
    int64_t micros = 7;
    static const char body[] =
        "{" Q("status") ":" Q("OK") "," Q("activation_id") ":" Q("7") "," Q("order_id") ":8,"
        Q("number") ":" Q("+67071234567") "," Q("service_code") ":" Q("zz_ok") ","
        Q("service") ":" Q("All is well") "," Q("country_code") ":" Q("22") ","
        Q("price") ":101.5," Q("multi_sms") ":true," Q("expires_in") ":900,"
        Q("note") ":" Q("a note") "}";
    char fault[1024];
    snprintf(fault, sizeof fault,
             "{\"match\":{\"action\":\"getNumber\"},\"fault\":\"H09\",\"body\":\"%s\"}", body);
    sandbox_do("faults", fault);
    sastaotp_activation *number = sandbox_buy(client, "zz_ok");
    const sastaotp_purchase *purchase = sastaotp_activation_purchase(number);
    CHECK_TEXT(sastaotp_purchase_activation_id(purchase), "7");
    CHECK_TEXT(sastaotp_purchase_order_id(purchase), "8");
    CHECK_CONTAINS(sastaotp_purchase_phone_number(purchase), "67071234567");
    CHECK_TEXT(sastaotp_purchase_service(purchase), "zz_ok");
    CHECK_TEXT(sastaotp_purchase_service_name(purchase), "All is well");
    CHECK_TEXT(sastaotp_purchase_country(purchase), "22");
    CHECK(sastaotp_purchase_price_micros(purchase, &micros) && micros == 101500000);
    CHECK(sastaotp_purchase_multi_sms(purchase, &multi_sms) && multi_sms);
    CHECK(sastaotp_purchase_expires_in_ms(purchase, &millis) && millis == 900000);
    CHECK_TEXT(sastaotp_purchase_note(purchase), "a note");
    /* The price is above the maximum, and the number is of another country. */
    CHECK(sastaotp_purchase_warning(purchase, 0) != NULL);
    CHECK(sastaotp_purchase_warning(purchase, 1) != NULL);
    CHECK(sastaotp_purchase_warning(purchase, 2) == NULL);
    CHECK(json_is_valid(sastaotp_purchase_json(purchase)));
    CHECK_INT(sastaotp_activation_sms_count(number), 0);
    WORKS(sastaotp_activation_keep(number, &error));
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
}

void an_order_that_no_purchase_made_is_extra(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_orders *orders = NULL;
    sandbox_do("faults",
               "{\"match\":{\"action\":\"getNumber\"},\"fault\":\"duplicate_request\"}");
    sastaotp_activation *number = sandbox_buy(client, "zz_never");
    WORKS(sastaotp_client_get_orders(client, 10, 1, NULL, &orders, &error));
    CHECK_INT(sastaotp_orders_count(orders), 2);
    const char *extra = sastaotp_orders_extra_order(orders, 0);
    CHECK(extra != NULL && strcmp(extra, sastaotp_activation_id(number)) != 0);
    CHECK(sastaotp_orders_extra_order(orders, 1) == NULL);
    sastaotp_activation *other = NULL;
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_client_activation(client, extra, &other, &error));
    WORKS(sastaotp_activation_cancel(other, &settlement, &error));
    sastaotp_settlement_free(settlement);
    sastaotp_activation_free(other);
    sastaotp_orders_free(orders);
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":2,\"refunds\":1}");
}
