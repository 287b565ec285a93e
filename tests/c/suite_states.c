/* Every kind of status and of status change. */
#include "check.h"
#include "json.h"
#include "queue_calls.h"
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
        const char *reply, *word, *text;
        /* As the JSON spells it. */
        const char *last_code;
        sastaotp_status_kind kind;
    } rows[] = {
        {"STATUS_WAIT_CODE", "\"waiting\"", NULL, NULL, SASTAOTP_ACTIVATION_STATUS_WAITING},
        {"STATUS_WAIT_RETRY:1234", "\"waiting_for_next\"", NULL, "\"1234\"",
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
        WORKS(sastaotp_activation_get_status(number, &status, &error));
        CHECK_INT(sastaotp_activation_status_kind(status), rows[row].kind);
        CHECK_TEXT(sastaotp_activation_status_text(status), rows[row].text);
        const char *json = sastaotp_activation_status_json(status);
        CHECK(json_is_valid(json));
        const char *last_code = rows[row].last_code ? rows[row].last_code : "null";
        CHECK(json_is(json_member(json, "last_code"), last_code));
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
        int status;
        const char *service, *reply, *word, *text;
    } rows[] = {
        {8, "zz_never", NULL, "\"cancelled\"", "null"},
        {-1, "zz_never", NULL, "\"cancelled\"", "null"},
        {1, "zz_never", NULL, "\"ready\"", "null"},
        {3, "zz_multi", NULL, "\"waiting_for_next\"", "null"},
        {6, "zz_multi", NULL, "\"completed\"", "null"},
        {8, "zz_never", "ACCESS_CANCEL_ALREADY", "\"already_cancelled\"", "null"},
        {1, "zz_never", "{" Q("status") ":" Q("OK") "}", "\"accepted\"", "null"},
        {1, "zz_never", "ACCESS_MYSTERY", "\"other\"", "\"ACCESS_MYSTERY\""},
    };
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_activation *number = sandbox_buy(client, rows[row].service);
        sastaotp_activation_status *status = NULL;
        char more[32];
        WORKS(sastaotp_activation_get_status(number, &status, &error));
        sastaotp_activation_status_free(status);
        if (rows[row].reply) answer_once("setStatus", rows[row].reply);
        snprintf(more, sizeof more, ",\"status\":%d", rows[row].status);
        const char *id = sastaotp_activation_id(number);
        char *json = result_of(queue, operation_on("set_status", id, more));
        CHECK(json_is(json_member(json, "kind"), rows[row].word));
        CHECK(json_is(json_member(json, "text"), rows[row].text));
        free(json);
        sastaotp_activation_free(number);
    }
    sastaotp_queue_free(queue);
    sastaotp_client_free(client);
}
