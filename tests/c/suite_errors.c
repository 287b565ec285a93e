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
    CHECK_INT(sastaotp_error_retry(error, NULL), expected->retry);
    CHECK_INT(sastaotp_error_retry(error, &millis), expected->retry);
    CHECK((millis == 77) == (expected->retry != SASTAOTP_RETRY_AFTER));
    CHECK_TEXT(sastaotp_error_fault(error), expected->fault);
    size_t length = 77;
    const char *raw = sastaotp_error_raw(error, &length);
    if (expected->raw) {
        CHECK_CONTAINS(sastaotp_error_raw(error, NULL), expected->raw);
        CHECK(raw != NULL && length == strlen(raw));
    } else {
        CHECK(sastaotp_error_raw(error, NULL) == NULL && raw == NULL && length == 77);
    }
    CHECK_CONTAINS(sastaotp_error_message(error), sastaotp_error_hint(error));
    const char *json = sastaotp_error_json(error);
    CHECK(json_is_valid(json));
    for (size_t index = 0; index < sizeof members / sizeof *members; index++) {
        CHECK(json_member(json, members[index]) != NULL);
    }
    check_context = NULL;
}

void every_status_has_a_class(void) {
    static const struct {
        sastaotp_status status;
        const char *name;
        sastaotp_status_class group;
    } rows[] = {
#define ROW(name, group) {name, #name, group}
        ROW(SASTAOTP_OK, SASTAOTP_CLASS_OK),
        ROW(SASTAOTP_ERROR_CONFIG, SASTAOTP_CLASS_CALLER),
        ROW(SASTAOTP_ERROR_BUDGET, SASTAOTP_CLASS_CALLER),
        ROW(SASTAOTP_ERROR_ALREADY_SENT, SASTAOTP_CLASS_CALLER),
        ROW(SASTAOTP_ERROR_JOURNAL, SASTAOTP_CLASS_CALLER),
        ROW(SASTAOTP_ERROR_CANCELLED, SASTAOTP_CLASS_CALLER),
        ROW(SASTAOTP_ERROR_AUTHENTICATION, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_INSUFFICIENT_BALANCE, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_NO_NUMBERS, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_PRICE_TOO_HIGH, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_SERVICE_UNAVAILABLE, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_NOT_FOUND, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_ALREADY_FINISHED, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_TOO_EARLY, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_REJECTED, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_RATE_LIMITED, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_BLOCKED, SASTAOTP_CLASS_REFUSED),
        ROW(SASTAOTP_ERROR_SERVER, SASTAOTP_CLASS_TRANSPORT),
        ROW(SASTAOTP_ERROR_PROTOCOL, SASTAOTP_CLASS_TRANSPORT),
        ROW(SASTAOTP_ERROR_CONNECTION, SASTAOTP_CLASS_TRANSPORT),
        ROW(SASTAOTP_ERROR_TLS, SASTAOTP_CLASS_TRANSPORT),
        ROW(SASTAOTP_ERROR_TIMEOUT, SASTAOTP_CLASS_TRANSPORT),
        ROW(SASTAOTP_ERROR_WAIT_TIMEOUT, SASTAOTP_CLASS_NO_CODE),
        ROW(SASTAOTP_ERROR_EXPIRED, SASTAOTP_CLASS_NO_CODE),
        ROW(SASTAOTP_ERROR_ACTIVATION_CANCELLED, SASTAOTP_CLASS_NO_CODE),
        ROW(SASTAOTP_ERROR_INTERNAL, SASTAOTP_CLASS_INTERNAL),
#undef ROW
    };
    size_t named = 0;
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        check_context = rows[row].name;
        CHECK_TEXT(sastaotp_status_name(rows[row].status), rows[row].name);
        CHECK_INT(SASTAOTP_STATUS_CLASS(rows[row].status), rows[row].group);
    }
    check_context = NULL;
    /* No other status has a name, and a status that this program does not know has a class. */
    for (int32_t value = -1000; value < 1000; value++) {
        named += sastaotp_status_name((sastaotp_status)value) != NULL;
    }
    CHECK_INT(named, sizeof rows / sizeof *rows);
    CHECK_INT(SASTAOTP_STATUS_CLASS((sastaotp_status)299), SASTAOTP_CLASS_REFUSED);
    CHECK_INT(SASTAOTP_STATUS_CLASS((sastaotp_status)399), SASTAOTP_CLASS_TRANSPORT);
    CHECK(sastaotp_status_name(SASTAOTP_STATUS_MAX_ENUM) == NULL);
    /* A NULL error proves nothing. */
    CHECK_INT(sastaotp_error_charge(NULL), SASTAOTP_CHARGE_UNKNOWN);
    CHECK_INT(SASTAOTP_CHARGE_UNKNOWN, 0);
}

static void inject(const char *action, const char *fault) {
    char body[256];
    snprintf(body, sizeof body, "{\"match\":{\"action\":\"%s\"},\"times\":0,%s}", action, fault);
    sandbox_do("faults", body);
}

void a_failed_purchase_has_every_field(void) {
    static const expected_error rows[] = {
        {"poor", "zz_ok", "\"fault\":\"S10\"", SASTAOTP_ERROR_INSUFFICIENT_BALANCE,
         "NO_BALANCE", 200, SASTAOTP_PHASE_SERVICE, SASTAOTP_CHARGE_NONE, SASTAOTP_RETRY_NEVER,
         NULL, "NO_BALANCE"},
        {"bad key", "zz_ok", "\"fault\":\"S18\",\"variant\":\"bad\"", SASTAOTP_ERROR_AUTHENTICATION,
         "BAD_KEY", 200, SASTAOTP_PHASE_SERVICE, SASTAOTP_CHARGE_NONE, SASTAOTP_RETRY_NEVER, NULL,
         "BAD_KEY"},
        {"none", "zz_nonumbers", NULL, SASTAOTP_ERROR_NO_NUMBERS, "NO_NUMBERS", 200,
         SASTAOTP_PHASE_SERVICE, SASTAOTP_CHARGE_NONE, SASTAOTP_RETRY_AFTER, NULL, "NO_NUMBERS"},
        {"expensive", "zz_ok", "\"fault\":\"S09\"", SASTAOTP_ERROR_PRICE_TOO_HIGH,
         "MAX_PRICE_EXCEEDED", 200, SASTAOTP_PHASE_SERVICE, SASTAOTP_CHARGE_NONE,
         SASTAOTP_RETRY_NEVER, NULL, "MAX_PRICE_EXCEEDED"},
        {"no service", "zz_nothing", NULL, SASTAOTP_ERROR_SERVICE_UNAVAILABLE,
         "SERVICE_UNAVAILABLE", 200, SASTAOTP_PHASE_SERVICE, SASTAOTP_CHARGE_NONE,
         SASTAOTP_RETRY_NEVER, NULL, "SERVICE_UNAVAILABLE"},
        {"sql", "zz_sql", NULL, SASTAOTP_ERROR_SERVER, "ERROR_SQL", 200, SASTAOTP_PHASE_SERVICE,
         SASTAOTP_CHARGE_UNKNOWN, SASTAOTP_RETRY_AFTER_RECONCILE, NULL, "ERROR_SQL"},
        {"new word", "zz_ok", "\"fault\":\"S01\",\"variant\":\"error\"", SASTAOTP_ERROR_REJECTED,
         "SOMETHING_NEW", 200, SASTAOTP_PHASE_SERVICE, SASTAOTP_CHARGE_UNKNOWN,
         SASTAOTP_RETRY_AFTER_RECONCILE, NULL, "SOMETHING_NEW"},
        {"page", "zz_ok", "\"fault\":\"H09\"", SASTAOTP_ERROR_PROTOCOL, NULL, 200,
         SASTAOTP_PHASE_DECODE, SASTAOTP_CHARGE_UNKNOWN, SASTAOTP_RETRY_AFTER_RECONCILE,
         "html_page", "Something went wrong"},
        {"firewall", "zz_ok", "\"fault\":\"H04\"", SASTAOTP_ERROR_BLOCKED, NULL, 403,
         SASTAOTP_PHASE_DECODE, SASTAOTP_CHARGE_NONE, SASTAOTP_RETRY_AFTER, "blocked_by_firewall",
         "Just a moment"},
        {"lost", "zz_lost_reply", NULL, SASTAOTP_ERROR_CONNECTION, NULL, 0, SASTAOTP_PHASE_RECEIVE,
         SASTAOTP_CHARGE_UNKNOWN, SASTAOTP_RETRY_AFTER_RECONCILE, "reply_lost", NULL},
    };
    sastaotp_client *client = sandbox_client();
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_error *error = NULL;
        sastaotp_activation *number = (sastaotp_activation *)&error;
        sastaotp_number_request request = sandbox_request(rows[row].service);
        if (rows[row].injected) inject("getNumber", rows[row].injected);
        size_t before = sandbox_requests("getNumber");
        FAILS(sastaotp_client_get_number(client, &request, &number, &error), rows[row].status);
        CHECK(number == NULL);
        CHECK_INT(sandbox_requests("getNumber"), before + 1);
        check_error(error, &rows[row]);
        CHECK_TEXT(sastaotp_intent_service(sastaotp_error_intent(error)), rows[row].service);
        CHECK_CONTAINS(sastaotp_error_message(error), rows[row].service);
        sastaotp_error_free(error);
        sandbox_do("faults", "{\"clear\":true}");
    }
    sastaotp_client_free(client);
}

void a_failed_read_has_every_field(void) {
    static const expected_error rows[] = {
        {"limited", NULL, "\"fault\":\"H06\",\"variant\":\"huge\"", SASTAOTP_ERROR_RATE_LIMITED,
         NULL, 429, SASTAOTP_PHASE_DECODE, SASTAOTP_CHARGE_NONE, SASTAOTP_RETRY_AFTER,
         "too_many_requests", ""},
        {"not found", NULL, "\"fault\":\"H02\"", SASTAOTP_ERROR_PROTOCOL, NULL, 404,
         SASTAOTP_PHASE_DECODE, SASTAOTP_CHARGE_NONE, SASTAOTP_RETRY_NEVER, "http_client_error",
         "Not Found"},
        {"redirect", NULL, "\"fault\":\"H01\",\"variant\":\"http\"", SASTAOTP_ERROR_PROTOCOL, NULL,
         302, SASTAOTP_PHASE_DECODE, SASTAOTP_CHARGE_NONE, SASTAOTP_RETRY_NEVER, "redirected", ""},
        {"banned", NULL, "\"fault\":\"S18\",\"variant\":\"banned\"", SASTAOTP_ERROR_AUTHENTICATION,
         "ACCOUNT_BANNED", 200, SASTAOTP_PHASE_SERVICE, SASTAOTP_CHARGE_NONE, SASTAOTP_RETRY_NEVER,
         NULL, "ACCOUNT_BANNED"},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        /* After a 429 a client delays its later calls, so each row has its own. */
        sastaotp_client *client = sandbox_client();
        sastaotp_error *error = NULL;
        int64_t balance = 7;
        inject("getBalance", rows[row].injected);
        FAILS(sastaotp_client_get_balance(client, &balance, &error), rows[row].status);
        CHECK_INT(balance, 7);
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
                                           SASTAOTP_ERROR_NOT_FOUND,
                                           "NO_ACTIVATION",
                                           200,
                                           SASTAOTP_PHASE_SERVICE,
                                           SASTAOTP_CHARGE_NONE,
                                           SASTAOTP_RETRY_NEVER,
                                           NULL,
                                           "NO_ACTIVATION"};
    sastaotp_activation *number = NULL;
    WORKS(sastaotp_client_activation(client, "0", &number, &error));
    FAILS(sastaotp_activation_get_status(number, &status, &error), SASTAOTP_ERROR_NOT_FOUND);
    check_error(error, &unknown);
    sastaotp_error_free(error);
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
}
