/* What goes wrong, and everything that is known then. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <time.h>

#include "check.h"
#include "json.h"
#include "sandbox.h"
#include "suite.h"

/* Everything an error says, or NULL and 0 where it says nothing. */
typedef struct facts {
    const char *name, *service, *fault;
    sastaotp_status status;
    const char *code;
    int32_t http_status;
    sastaotp_phase phase;
    sastaotp_charge charge;
    sastaotp_retry retry;
    const char *row, *raw;
} facts;

static void check_facts(const sastaotp_error *error, const facts *expected) {
    static const char *const members[] = {"kind", "message", "hint", "code", "http_status", "phase", "charge", "retry",
                                          "retry_after_ms", "fault", "intent", "raw"};
    uint32_t millis = 77;
    check_context = expected->name;
    CHECK_TEXT(sastaotp_error_code(error), expected->code);
    CHECK_INT(sastaotp_error_http_status(error), expected->http_status);
    CHECK_INT(sastaotp_error_phase(error), expected->phase);
    CHECK_INT(sastaotp_error_charge(error), expected->charge);
    CHECK_INT(sastaotp_error_retry(error), expected->retry);
    CHECK_INT(sastaotp_error_retry_after_ms(error, &millis), expected->retry == SASTAOTP_RETRY_AFTER);
    CHECK((millis == 77) == (expected->retry != SASTAOTP_RETRY_AFTER));
    CHECK_TEXT(sastaotp_error_fault(error), expected->row);
    if (expected->raw) CHECK_HOLDS(sastaotp_error_raw(error), expected->raw);
    else CHECK(sastaotp_error_raw(error) == NULL);
    CHECK_HOLDS(sastaotp_error_message(error), sastaotp_error_hint(error));
    const char *json = sastaotp_error_json(error);
    CHECK(json_is_valid(json));
    for (size_t at = 0; at < sizeof members / sizeof *members; at++) CHECK(json_member(json, members[at]) != NULL);
    check_context = NULL;
}

static void arm(const char *action, const char *fault) {
    char body[256];
    snprintf(body, sizeof body, "{\"match\":{\"action\":\"%s\"},\"times\":0,%s}", action, fault);
    sandbox_do("faults", body);
}

void every_fact_of_a_refused_purchase(void) {
    static const facts rows[] = {
        {"poor", "zz_ok", "\"fault\":\"S10\"", SASTAOTP_INSUFFICIENT_BALANCE, "NO_BALANCE", 200, SASTAOTP_PHASE_SERVICE,
         SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL, "NO_BALANCE"},
        {"bad key", "zz_ok", "\"fault\":\"S18\",\"variant\":\"bad\"", SASTAOTP_AUTHENTICATION, "BAD_KEY", 200,
         SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL, "BAD_KEY"},
        {"none", "zz_nonumbers", NULL, SASTAOTP_NO_NUMBERS, "NO_NUMBERS", 200, SASTAOTP_PHASE_SERVICE,
         SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL, "NO_NUMBERS"},
        {"dear", "zz_ok", "\"fault\":\"S09\"", SASTAOTP_PRICE_TOO_HIGH, "MAX_PRICE_EXCEEDED", 200,
         SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL, "MAX_PRICE_EXCEEDED"},
        {"no service", "zz_nothing", NULL, SASTAOTP_SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", 200,
         SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL, "SERVICE_UNAVAILABLE"},
        {"sql", "zz_sql", NULL, SASTAOTP_SERVER, "ERROR_SQL", 200, SASTAOTP_PHASE_SERVICE, SASTAOTP_CHARGE_UNKNOWN,
         SASTAOTP_RETRY_AFTER_RECONCILE, NULL, "ERROR_SQL"},
        {"new word", "zz_ok", "\"fault\":\"S01\",\"variant\":\"error\"", SASTAOTP_REJECTED, "SOMETHING_NEW", 200,
         SASTAOTP_PHASE_SERVICE, SASTAOTP_CHARGE_UNKNOWN, SASTAOTP_RETRY_AFTER_RECONCILE, NULL, "SOMETHING_NEW"},
        {"page", "zz_ok", "\"fault\":\"H09\"", SASTAOTP_PROTOCOL, NULL, 200, SASTAOTP_PHASE_DECODE,
         SASTAOTP_CHARGE_UNKNOWN, SASTAOTP_RETRY_AFTER_RECONCILE, "H09", "Something went wrong"},
        {"firewall", "zz_ok", "\"fault\":\"H04\"", SASTAOTP_BLOCKED, NULL, 403, SASTAOTP_PHASE_DECODE,
         SASTAOTP_CHARGE_UNKNOWN, SASTAOTP_RETRY_AFTER_RECONCILE, "H04", "Just a moment"},
        {"lost", "zz_lost_reply", NULL, SASTAOTP_CONNECTION, NULL, 0, SASTAOTP_PHASE_RECEIVE, SASTAOTP_CHARGE_UNKNOWN,
         SASTAOTP_RETRY_AFTER_RECONCILE, "N06", NULL},
    };
    sastaotp_client *client = sandbox_client();
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_error *error = NULL;
        sastaotp_activation *number = (sastaotp_activation *)&error;
        sastaotp_number_request *request = sandbox_request(rows[row].service);
        if (rows[row].fault) arm("getNumber", rows[row].fault);
        size_t before = sandbox_requests("getNumber");
        FAILS(sastaotp_client_get_number(client, request, &number, &error), rows[row].status);
        CHECK(number == NULL);
        CHECK_INT(sandbox_requests("getNumber"), before + 1);
        check_facts(error, &rows[row]);
        CHECK_TEXT(sastaotp_intent_service(sastaotp_error_intent(error)), rows[row].service);
        CHECK_HOLDS(sastaotp_error_message(error), rows[row].service);
        sastaotp_error_free(error);
        sastaotp_number_request_free(request);
        sandbox_do("faults", "{\"clear\":true}");
    }
    sastaotp_client_free(client);
}

void every_fact_of_a_failed_read(void) {
    static const facts rows[] = {
        {"limited", NULL, "\"fault\":\"H06\",\"variant\":\"huge\"", SASTAOTP_RATE_LIMITED, NULL, 429,
         SASTAOTP_PHASE_DECODE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_AFTER, "H06", ""},
        {"not found", NULL, "\"fault\":\"H02\"", SASTAOTP_PROTOCOL, NULL, 404, SASTAOTP_PHASE_DECODE,
         SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, "H02", "Not Found"},
        {"redirect", NULL, "\"fault\":\"H01\",\"variant\":\"http\"", SASTAOTP_PROTOCOL, NULL, 302,
         SASTAOTP_PHASE_DECODE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, "H01", ""},
        {"banned", NULL, "\"fault\":\"S18\",\"variant\":\"banned\"", SASTAOTP_AUTHENTICATION, "ACCOUNT_BANNED", 200,
         SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL, "ACCOUNT_BANNED"},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        /* One that gets a 429 holds its later calls back. */
        sastaotp_client *client = sandbox_client();
        sastaotp_error *error = NULL;
        sastaotp_balance *balance = NULL;
        arm("getBalance", rows[row].fault);
        FAILS(sastaotp_client_get_balance(client, &balance, &error), rows[row].status);
        check_facts(error, &rows[row]);
        CHECK(sastaotp_error_intent(error) == NULL);
        sastaotp_error_free(error);
        sastaotp_client_free(client);
        sandbox_do("faults", "{\"clear\":true}");
    }
    sastaotp_client *client = sandbox_client();
    sastaotp_error *error = NULL;
    sastaotp_activation_status *state = NULL;
    static const facts unknown = {"unknown id", NULL, NULL, SASTAOTP_NOT_FOUND, "NO_ACTIVATION", 200,
                                  SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL,
                                  "NO_ACTIVATION"};
    FAILS(sastaotp_client_get_status(client, "0", &state, &error), SASTAOTP_NOT_FOUND);
    check_facts(error, &unknown);
    sastaotp_error_free(error);
    sastaotp_client_free(client);
}

void budgets_are_kept(void) {
    sastaotp_error *error = NULL;
    sastaotp_config *config = sandbox_config();
    sastaotp_client *client = NULL, *free_of = sandbox_client();
    int64_t left = 5;
    CHECK(!sastaotp_client_budget_left(free_of, &left) && left == 5);
    sastaotp_client_free(free_of);
    WORKS(sastaotp_config_set_budget(config, 105 * SASTAOTP_RUPEE, &error));
    WORKS(sastaotp_client_new(config, &client, &error));
    sastaotp_config_free(config);
    sastaotp_activation *number = sandbox_buy(client, "zz_never"), *none = NULL;
    CHECK(sastaotp_client_budget_left(client, &left) && left == 95 * SASTAOTP_RUPEE);
    sastaotp_number_request *request = sandbox_request("zz_never");
    size_t before = sandbox_requests(NULL);
    FAILS(sastaotp_client_get_number(client, request, &none, &error), SASTAOTP_BUDGET);
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_NOT_CHARGED);
    sastaotp_error_free(error);
    WORKS(sastaotp_number_request_accept_any_price(request, &error));
    FAILS(sastaotp_client_get_number(client, request, &none, &error), SASTAOTP_BUDGET);
    sastaotp_error_free(error);
    CHECK_INT(sandbox_requests(NULL), before);
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_activation_cancel(number, &settlement, &error));
    CHECK(sastaotp_client_budget_left(client, &left) && left == 105 * SASTAOTP_RUPEE);
    sastaotp_settlement_free(settlement);
    sastaotp_number_request_free(request);
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
}

static void *trigger_soon(void *cancel) {
    struct timespec pause = {0, 300000000};
    nanosleep(&pause, NULL);
    sastaotp_cancel_token_trigger(cancel);
    return NULL;
}

void tokens_end_calls(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client(), *ended = NULL;
    sastaotp_cancel_token *cancel = sastaotp_cancel_token_new();
    sastaotp_activation *number = sandbox_buy(client, "zz_never"), *handle = NULL;
    sastaotp_sms *sms = NULL;
    sastaotp_balance *balance = NULL;
    pthread_t thread;
    CHECK(!sastaotp_cancel_token_is_triggered(cancel));
    WORKS(sastaotp_activation_with_cancel(number, cancel, &handle, &error));
    WORKS(sastaotp_client_with_cancel(client, cancel, &ended, &error));
    CHECK_INT(pthread_create(&thread, NULL, trigger_soon, cancel), 0);
    FAILS(sastaotp_activation_wait_for_code(handle, 60000, NULL, &sms, &error), SASTAOTP_CANCELLED);
    sastaotp_error_free(error);
    pthread_join(thread, NULL);
    size_t before = sandbox_requests(NULL);
    FAILS(sastaotp_client_get_balance(ended, &balance, &error), SASTAOTP_CANCELLED);
    sastaotp_error_free(error);
    CHECK_INT(sandbox_requests(NULL), before);
    WORKS(sastaotp_client_get_balance(client, &balance, &error));
    sastaotp_balance_free(balance);
    sastaotp_cancel_token_free(cancel);
    sastaotp_activation_free(handle);
    sastaotp_activation_free(number);
    sastaotp_client_free(ended);
    sastaotp_client_free(client);
}
