/* Every getter of an error, for failed purchases and reads. */
#include "check.h"
#include "json.h"
#include "sandbox.h"
#include "suite.h"

/* The expected fields of an error; NULL and 0 if a field is absent. */
typedef struct expected_error {
    const char *test, *service, *injected;
    sastaotp_status status;
    const char *code;
    int32_t http_status;
    sastaotp_phase phase;
    sastaotp_charge charge;
    sastaotp_retry retry;
    const char *fault, *raw;
} expected_error;

static void check_error(const sastaotp_error *error, const expected_error *expected) {
    static const char *const members[] = {"kind",           "message", "hint",   "code",
                                          "http_status",    "phase",   "charge", "retry",
                                          "retry_after_ms", "fault",   "intent", "raw"};
    uint32_t millis = 77;
    check_context = expected->test;
    CHECK_TEXT(sastaotp_error_code(error), expected->code);
    CHECK_INT(sastaotp_error_http_status(error), expected->http_status);
    CHECK_INT(sastaotp_error_phase(error), expected->phase);
    CHECK_INT(sastaotp_error_charge(error), expected->charge);
    CHECK_INT(sastaotp_error_retry(error), expected->retry);
    CHECK_INT(sastaotp_error_retry_after_ms(error, &millis),
              expected->retry == SASTAOTP_RETRY_AFTER);
    CHECK((millis == 77) == (expected->retry != SASTAOTP_RETRY_AFTER));
    CHECK_TEXT(sastaotp_error_fault(error), expected->fault);
    if (expected->raw) CHECK_CONTAINS(sastaotp_error_raw(error), expected->raw);
    else CHECK(sastaotp_error_raw(error) == NULL);
    CHECK_CONTAINS(sastaotp_error_message(error), sastaotp_error_hint(error));
    const char *json = sastaotp_error_json(error);
    CHECK(json_is_valid(json));
    for (size_t index = 0; index < sizeof members / sizeof *members; index++) {
        CHECK(json_member(json, members[index]) != NULL);
    }
    check_context = NULL;
}

static void inject(const char *action, const char *fault) {
    char body[256];
    snprintf(body, sizeof body, "{\"match\":{\"action\":\"%s\"},\"times\":0,%s}", action, fault);
    sandbox_do("faults", body);
}

void a_failed_purchase_has_every_field(void) {
    static const expected_error rows[] = {
        {"poor", "zz_ok", "\"fault\":\"S10\"", SASTAOTP_INSUFFICIENT_BALANCE, "NO_BALANCE", 200,
         SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL, "NO_BALANCE"},
        {"bad key", "zz_ok", "\"fault\":\"S18\",\"variant\":\"bad\"", SASTAOTP_AUTHENTICATION,
         "BAD_KEY", 200, SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL,
         "BAD_KEY"},
        {"none", "zz_nonumbers", NULL, SASTAOTP_NO_NUMBERS, "NO_NUMBERS", 200,
         SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_AFTER, NULL, "NO_NUMBERS"},
        {"dear", "zz_ok", "\"fault\":\"S09\"", SASTAOTP_PRICE_TOO_HIGH, "MAX_PRICE_EXCEEDED", 200,
         SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL,
         "MAX_PRICE_EXCEEDED"},
        {"no service", "zz_nothing", NULL, SASTAOTP_SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", 200,
         SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, NULL,
         "SERVICE_UNAVAILABLE"},
        {"sql", "zz_sql", NULL, SASTAOTP_SERVER, "ERROR_SQL", 200, SASTAOTP_PHASE_SERVICE,
         SASTAOTP_CHARGE_UNKNOWN, SASTAOTP_RETRY_AFTER_RECONCILE, NULL, "ERROR_SQL"},
        {"new word", "zz_ok", "\"fault\":\"S01\",\"variant\":\"error\"", SASTAOTP_REJECTED,
         "SOMETHING_NEW", 200, SASTAOTP_PHASE_SERVICE, SASTAOTP_CHARGE_UNKNOWN,
         SASTAOTP_RETRY_AFTER_RECONCILE, NULL, "SOMETHING_NEW"},
        {"page", "zz_ok", "\"fault\":\"H09\"", SASTAOTP_PROTOCOL, NULL, 200, SASTAOTP_PHASE_DECODE,
         SASTAOTP_CHARGE_UNKNOWN, SASTAOTP_RETRY_AFTER_RECONCILE, "html_page",
         "Something went wrong"},
        {"firewall", "zz_ok", "\"fault\":\"H04\"", SASTAOTP_BLOCKED, NULL, 403,
         SASTAOTP_PHASE_DECODE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_AFTER, "blocked_by_firewall",
         "Just a moment"},
        {"lost", "zz_lost_reply", NULL, SASTAOTP_CONNECTION, NULL, 0, SASTAOTP_PHASE_RECEIVE,
         SASTAOTP_CHARGE_UNKNOWN, SASTAOTP_RETRY_AFTER_RECONCILE, "reply_lost", NULL},
    };
    sastaotp_client *client = sandbox_client();
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_error *error = NULL;
        sastaotp_activation *number = (sastaotp_activation *)&error;
        sastaotp_number_request *request = sandbox_request(rows[row].service);
        if (rows[row].injected) inject("getNumber", rows[row].injected);
        size_t before = sandbox_requests("getNumber");
        FAILS(sastaotp_client_get_number(client, request, &number, &error), rows[row].status);
        CHECK(number == NULL);
        CHECK_INT(sandbox_requests("getNumber"), before + 1);
        check_error(error, &rows[row]);
        CHECK_TEXT(sastaotp_intent_service(sastaotp_error_intent(error)), rows[row].service);
        CHECK_CONTAINS(sastaotp_error_message(error), rows[row].service);
        sastaotp_error_free(error);
        sastaotp_number_request_free(request);
        sandbox_do("faults", "{\"clear\":true}");
    }
    sastaotp_client_free(client);
}

void a_failed_read_has_every_field(void) {
    static const expected_error rows[] = {
        {"limited", NULL, "\"fault\":\"H06\",\"variant\":\"huge\"", SASTAOTP_RATE_LIMITED, NULL,
         429, SASTAOTP_PHASE_DECODE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_AFTER,
         "too_many_requests", ""},
        {"not found", NULL, "\"fault\":\"H02\"", SASTAOTP_PROTOCOL, NULL, 404,
         SASTAOTP_PHASE_DECODE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, "http_client_error",
         "Not Found"},
        {"redirect", NULL, "\"fault\":\"H01\",\"variant\":\"http\"", SASTAOTP_PROTOCOL, NULL, 302,
         SASTAOTP_PHASE_DECODE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER, "redirected", ""},
        {"banned", NULL, "\"fault\":\"S18\",\"variant\":\"banned\"", SASTAOTP_AUTHENTICATION,
         "ACCOUNT_BANNED", 200, SASTAOTP_PHASE_SERVICE, SASTAOTP_NOT_CHARGED, SASTAOTP_RETRY_NEVER,
         NULL, "ACCOUNT_BANNED"},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        /* After a 429 a client delays its later calls, so each row has its own. */
        sastaotp_client *client = sandbox_client();
        sastaotp_error *error = NULL;
        sastaotp_balance *balance = NULL;
        inject("getBalance", rows[row].injected);
        FAILS(sastaotp_client_get_balance(client, &balance, &error), rows[row].status);
        check_error(error, &rows[row]);
        CHECK(sastaotp_error_intent(error) == NULL);
        sastaotp_error_free(error);
        sastaotp_client_free(client);
        sandbox_do("faults", "{\"clear\":true}");
    }
    sastaotp_client *client = sandbox_client();
    sastaotp_error *error = NULL;
    sastaotp_activation_status *status = NULL;
    static const expected_error unknown = {"unknown id",
                                           NULL,
                                           NULL,
                                           SASTAOTP_NOT_FOUND,
                                           "NO_ACTIVATION",
                                           200,
                                           SASTAOTP_PHASE_SERVICE,
                                           SASTAOTP_NOT_CHARGED,
                                           SASTAOTP_RETRY_NEVER,
                                           NULL,
                                           "NO_ACTIVATION"};
    FAILS(sastaotp_client_get_status(client, "0", &status, &error), SASTAOTP_NOT_FOUND);
    check_error(error, &unknown);
    sastaotp_error_free(error);
    sastaotp_client_free(client);
}
