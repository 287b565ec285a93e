/* Every state, change and end of an order. */
#include "check.h"
#include "json.h"
#include "sandbox.h"
#include "suite.h"

/* A name or a text within a body that is itself a JSON text. */
#define Q(name) "\\\"" name "\\\""

/* Gives the next request of an action this body for an answer. */
static void answer_once(const char *action, const char *body) {
    char fault[256];
    snprintf(fault, sizeof fault, "{\"match\":{\"action\":\"%s\"},\"fault\":\"H09\",\"body\":\"%s\"}", action, body);
    sandbox_do("faults", fault);
}

void every_state(void) {
    static const struct {
        const char *reply, *word, *text;
        sastaotp_kind_of_state kind;
    } rows[] = {
        {"STATUS_WAIT_CODE", "\"waiting\"", NULL, SASTAOTP_ACTIVATION_STATUS_WAITING},
        {"STATUS_WAIT_RETRY:1234", "\"waiting_for_next\"", NULL, SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT},
        {"STATUS_OK:1234", "\"received\"", NULL, SASTAOTP_ACTIVATION_STATUS_RECEIVED},
        {"STATUS_CANCEL", "\"cancelled\"", NULL, SASTAOTP_ACTIVATION_STATUS_CANCELLED},
        {"STATUS_MYSTERY", "\"other\"", "STATUS_MYSTERY", SASTAOTP_ACTIVATION_STATUS_OTHER},
    };
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_activation *number = sandbox_buy(client, "zz_never");
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_activation_status *state = NULL;
        answer_once("getStatus", rows[row].reply);
        WORKS(sastaotp_client_get_status(client, sastaotp_activation_id(number), &state, &error));
        CHECK_INT(sastaotp_activation_status_kind(state), rows[row].kind);
        CHECK_TEXT(sastaotp_activation_status_text(state), rows[row].text);
        const char *json = sastaotp_activation_status_json(state);
        CHECK(json_is_valid(json));
        CHECK(json_is(json_member(json, "status"), rows[row].word));
        CHECK(json_is(json_member(json, "sms"), "null") == (sastaotp_activation_status_sms(state) == NULL));
        sastaotp_activation_status_free(state);
    }
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
}

void every_change(void) {
    static const struct {
        sastaotp_set_status asked;
        const char *service, *reply, *word, *text;
        sastaotp_kind_of_change kind;
    } rows[] = {
        {SASTAOTP_SET_CANCEL, "zz_never", NULL, "\"cancelled\"", NULL, SASTAOTP_STATUS_CHANGE_CANCELLED},
        {SASTAOTP_SET_CANCEL_LEGACY, "zz_never", NULL, "\"cancelled\"", NULL, SASTAOTP_STATUS_CHANGE_CANCELLED},
        {SASTAOTP_SET_SMS_SENT, "zz_never", NULL, "\"ready\"", NULL, SASTAOTP_STATUS_CHANGE_READY},
        {SASTAOTP_SET_NEXT_CODE, "zz_multi", NULL, "\"waiting_for_next\"", NULL, SASTAOTP_STATUS_CHANGE_WAITING_FOR_NEXT},
        {SASTAOTP_SET_COMPLETE, "zz_multi", NULL, "\"completed\"", NULL, SASTAOTP_STATUS_CHANGE_COMPLETED},
        {SASTAOTP_SET_CANCEL, "zz_never", "ACCESS_CANCEL_ALREADY", "\"already_cancelled\"", NULL,
         SASTAOTP_STATUS_CHANGE_ALREADY_CANCELLED},
        {SASTAOTP_SET_SMS_SENT, "zz_never", "{" Q("status") ":" Q("OK") "}", "\"accepted\"", NULL,
         SASTAOTP_STATUS_CHANGE_ACCEPTED},
        {SASTAOTP_SET_SMS_SENT, "zz_never", "ACCESS_MYSTERY", "\"other\"", "ACCESS_MYSTERY", SASTAOTP_STATUS_CHANGE_OTHER},
    };
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_activation *number = sandbox_buy(client, rows[row].service);
        sastaotp_activation_status *state = NULL;
        sastaotp_status_change *change = NULL;
        WORKS(sastaotp_activation_get_status(number, &state, &error));
        sastaotp_activation_status_free(state);
        if (rows[row].reply) answer_once("setStatus", rows[row].reply);
        WORKS(sastaotp_client_set_status(client, sastaotp_activation_id(number), rows[row].asked, &change, &error));
        CHECK_INT(sastaotp_status_change_kind(change), rows[row].kind);
        CHECK_TEXT(sastaotp_status_change_text(change), rows[row].text);
        CHECK(json_is_valid(sastaotp_status_change_json(change)));
        CHECK(json_is(json_member(sastaotp_status_change_json(change), "change"), rows[row].word));
        sastaotp_status_change_free(change);
        sastaotp_activation_free(number);
    }
    sastaotp_client_free(client);
}

void every_end(void) {
    static const struct {
        const char *service, *control;
        sastaotp_status fails;
        sastaotp_settled settled;
        sastaotp_ending end;
    } rows[] = {
        /* The service says the same of an order that expired before its time and of one that was cancelled. */
        {"zz_never", "expire", SASTAOTP_ACTIVATION_CANCELLED, SASTAOTP_SETTLED_ALREADY_OVER, SASTAOTP_ENDING_CANCELLED},
        {"zz_never", "provider_cancel", SASTAOTP_ACTIVATION_CANCELLED, SASTAOTP_SETTLED_ALREADY_OVER,
         SASTAOTP_ENDING_CANCELLED},
        {"zz_cancel_race", NULL, SASTAOTP_WAIT_TIMEOUT, SASTAOTP_SETTLED_COMPLETED, SASTAOTP_ENDING_COMPLETED},
        {"zz_never", NULL, SASTAOTP_WAIT_TIMEOUT, SASTAOTP_SETTLED_CANCELLED, SASTAOTP_ENDING_CANCELLED},
    };
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_activation *number = sandbox_buy(client, rows[row].service);
        sastaotp_sms *sms = NULL;
        sastaotp_settlement *settlement = NULL;
        char body[128];
        snprintf(body, sizeof body, "{\"id\":\"%s\"}", sastaotp_activation_id(number));
        if (rows[row].control) sandbox_do(rows[row].control, body);
        sastaotp_status status = sastaotp_activation_wait_for_code(number, 1, NULL, &sms, &error);
        CHECK_INT(status, rows[row].fails);
        sastaotp_error_free(error);
        WORKS(sastaotp_activation_settle(number, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error));
        CHECK_INT(sastaotp_settlement_state(settlement), rows[row].settled);
        CHECK_INT(sastaotp_activation_ending(number), rows[row].end);
        sastaotp_settlement_free(settlement);
        sastaotp_activation_free(number);
    }
    sastaotp_activation *race = sandbox_buy(client, "zz_cancel_race"), *young = sandbox_buy(client, "zz_early_cancel");
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_activation_cancel(race, &settlement, &error));
    CHECK_INT(sastaotp_settlement_state(settlement), SASTAOTP_SETTLED_CODE_ARRIVED);
    CHECK(sastaotp_sms_code(sastaotp_settlement_code(settlement)) != NULL);
    sastaotp_settlement_free(settlement);
    uint32_t millis = 0;
    FAILS(sastaotp_activation_cancel(young, &settlement, &error), SASTAOTP_TOO_EARLY);
    CHECK_TEXT(sastaotp_error_code(error), "EARLY_CANCEL_DENIED");
    CHECK(sastaotp_error_retry_after_ms(error, &millis) && millis > 100000 && millis <= 125000);
    sastaotp_error_free(error);
    sastaotp_activation_free(race);

    answer_once("getNumber", "{" Q("status") ":" Q("OK") "," Q("activation_id") ":" Q("7") "," Q("number") ":" Q("917")
                             "," Q("expires_in") ":1}");
    sandbox_do("faults", "{\"match\":{\"action\":\"getStatus\"},\"fault\":\"S03\",\"times\":0}");
    sastaotp_activation *old = sandbox_buy(client, "zz_never");
    sastaotp_sms *sms = NULL;
    FAILS(sastaotp_activation_wait_for_code(old, 20000, NULL, &sms, &error), SASTAOTP_EXPIRED);
    CHECK_INT(sastaotp_activation_ending(old), SASTAOTP_ENDING_EXPIRED);
    sastaotp_error_free(error);
    sastaotp_activation_free(old);
    sastaotp_activation_free(young);
    sastaotp_client_free(client);
}

void codes_come_out_untouched(void) {
    static const char *const codes[] = {"12:34",  "12:34:56",      "007",             "12 34",
                                        "G-1234", "STATUS_CANCEL", "\xf0\x9f\x94\x91"};
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    for (size_t row = 0; row < sizeof codes / sizeof *codes; row++) {
        sastaotp_activation *number = sandbox_buy(client, "zz_never");
        sastaotp_sms *sms = NULL;
        char body[256];
        snprintf(body, sizeof body, "{\"id\":\"%s\",\"code\":\"%s\",\"text\":\"Your code: %s\"}",
                 sastaotp_activation_id(number), codes[row], codes[row]);
        sandbox_do("sms", body);
        WORKS(sastaotp_activation_wait_for_code(number, 1000, NULL, &sms, &error));
        CHECK_TEXT(sastaotp_sms_code(sms), codes[row]);
        CHECK_HOLDS(sastaotp_sms_text(sms), codes[row]);
        CHECK(json_is_valid(sastaotp_sms_json(sms)));
        sastaotp_sms_free(sms);
        sastaotp_activation_free(number);
    }
    sastaotp_client_free(client);
}

void waits_end_in_time(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_activation *number = sandbox_buy(client, "zz_never"), *quick = NULL;
    sastaotp_wait_options *options = sastaotp_wait_options_new();
    sastaotp_sms *sms = (sastaotp_sms *)&error;
    FAILS(sastaotp_activation_wait_for_code(number, 200, NULL, &sms, &error), SASTAOTP_WAIT_TIMEOUT);
    CHECK(sms == NULL);
    CHECK_INT(sastaotp_error_retry(error), SASTAOTP_RETRY_AFTER);
    sastaotp_error_free(error);
    WORKS(sastaotp_activation_with_timeout_ms(number, 5000, &quick, &error));
    WORKS(sastaotp_wait_options_cancel_on_timeout(options, &error));
    FAILS(sastaotp_activation_wait_for_code(quick, 200, options, &sms, &error), SASTAOTP_WAIT_TIMEOUT);
    CHECK_HOLDS(sastaotp_error_message(error), "cancelled");
    sastaotp_error_free(error);
    CHECK_INT(sastaotp_activation_ending(number), SASTAOTP_ENDING_CANCELLED);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":1}");
    sastaotp_wait_options_free(options);
    sastaotp_activation_free(number);
    sastaotp_activation_free(quick);
    sastaotp_client_free(client);
}
