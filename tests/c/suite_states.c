/* Every kind of status and of status change. */
#include "check.h"
#include "json.h"
#include "sandbox.h"
#include "suite.h"

/* A name or text in a body that is itself a JSON string. */
#define Q(name) "\\\"" name "\\\""

/* Answers the next request of an action with this body. */
static void answer_once(const char *action, const char *body) {
    char fault[256];
    snprintf(fault, sizeof fault,
             "{\"match\":{\"action\":\"%s\"},\"fault\":\"H09\",\"body\":\"%s\"}", action, body);
    sandbox_do("faults", fault);
}

void every_status_has_a_kind(void) {
    static const struct {
        const char *reply, *word, *text, *last_code;
        sastaotp_status_kind kind;
    } rows[] = {
        {"STATUS_WAIT_CODE", "\"waiting\"", NULL, NULL, SASTAOTP_ACTIVATION_STATUS_WAITING},
        {"STATUS_WAIT_RETRY:1234", "\"waiting_for_next\"", NULL, "1234",
         SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT},
        {"STATUS_OK:1234", "\"received\"", NULL, NULL, SASTAOTP_ACTIVATION_STATUS_RECEIVED},
        {"STATUS_CANCEL", "\"cancelled\"", NULL, NULL, SASTAOTP_ACTIVATION_STATUS_CANCELLED},
        {"STATUS_MYSTERY", "\"other\"", "STATUS_MYSTERY", NULL, SASTAOTP_ACTIVATION_STATUS_OTHER},
    };
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_activation *number = sandbox_buy(client, "zz_never");
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_activation_status *status = NULL;
        answer_once("getStatus", rows[row].reply);
        WORKS(sastaotp_client_get_status(client, sastaotp_activation_id(number), &status, &error));
        CHECK_INT(sastaotp_activation_status_kind(status), rows[row].kind);
        CHECK_TEXT(sastaotp_activation_status_text(status), rows[row].text);
        CHECK_TEXT(sastaotp_activation_status_last_code(status), rows[row].last_code);
        const char *json = sastaotp_activation_status_json(status);
        CHECK(json_is_valid(json));
        CHECK(json_is(json_member(json, "kind"), rows[row].word));
        const sastaotp_sms *sms = sastaotp_activation_status_sms(status);
        CHECK((sms != NULL) == (rows[row].kind == SASTAOTP_ACTIVATION_STATUS_RECEIVED));
        CHECK(json_is(json_member(json, "sms"), "null") == (sms == NULL));
        if (sms != NULL) CHECK_TEXT(sastaotp_sms_code(sms), "1234");
        sastaotp_activation_status_free(status);
    }
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
}

void every_change_has_a_kind(void) {
    static const struct {
        sastaotp_set_status request;
        const char *service, *reply, *word, *text;
        sastaotp_change_kind kind;
    } rows[] = {
        {SASTAOTP_SET_CANCEL, "zz_never", NULL, "\"cancelled\"", NULL,
         SASTAOTP_STATUS_CHANGE_CANCELLED},
        {SASTAOTP_SET_CANCEL_LEGACY, "zz_never", NULL, "\"cancelled\"", NULL,
         SASTAOTP_STATUS_CHANGE_CANCELLED},
        {SASTAOTP_SET_SMS_SENT, "zz_never", NULL, "\"ready\"", NULL, SASTAOTP_STATUS_CHANGE_READY},
        {SASTAOTP_SET_NEXT_CODE, "zz_multi", NULL, "\"waiting_for_next\"", NULL,
         SASTAOTP_STATUS_CHANGE_WAITING_FOR_NEXT},
        {SASTAOTP_SET_COMPLETE, "zz_multi", NULL, "\"completed\"", NULL,
         SASTAOTP_STATUS_CHANGE_COMPLETED},
        {SASTAOTP_SET_CANCEL, "zz_never", "ACCESS_CANCEL_ALREADY", "\"already_cancelled\"", NULL,
         SASTAOTP_STATUS_CHANGE_ALREADY_CANCELLED},
        {SASTAOTP_SET_SMS_SENT, "zz_never", "{" Q("status") ":" Q("OK") "}", "\"accepted\"", NULL,
         SASTAOTP_STATUS_CHANGE_ACCEPTED},
        {SASTAOTP_SET_SMS_SENT, "zz_never", "ACCESS_MYSTERY", "\"other\"", "ACCESS_MYSTERY",
         SASTAOTP_STATUS_CHANGE_OTHER},
    };
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_activation *number = sandbox_buy(client, rows[row].service);
        sastaotp_activation_status *status = NULL;
        sastaotp_status_change *change = NULL;
        WORKS(sastaotp_activation_get_status(number, &status, &error));
        sastaotp_activation_status_free(status);
        if (rows[row].reply) answer_once("setStatus", rows[row].reply);
        WORKS(sastaotp_client_set_status(client, sastaotp_activation_id(number), rows[row].request,
                                         &change, &error));
        CHECK_INT(sastaotp_status_change_kind(change), rows[row].kind);
        CHECK_TEXT(sastaotp_status_change_text(change), rows[row].text);
        CHECK(json_is_valid(sastaotp_status_change_json(change)));
        CHECK(json_is(json_member(sastaotp_status_change_json(change), "kind"), rows[row].word));
        sastaotp_status_change_free(change);
        sastaotp_activation_free(number);
    }
    sastaotp_client_free(client);
}
