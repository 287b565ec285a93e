/* Purchases whose outcome was not seen: saved, looked for, listed. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <time.h>

#include "check.h"
#include "json.h"
#include "sandbox.h"
#include "suite.h"

void an_unknown_purchase_is_found(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client(), *later = sandbox_client();
    sastaotp_activation_free(sandbox_buy(client, "zz_never"));
    sastaotp_number_request *request = sandbox_request("zz_lost_reply");
    sastaotp_intent *intent = NULL, *loaded = NULL;
    sastaotp_activation *number = NULL;
    WORKS(sastaotp_client_intend(later, request, &intent, &error));
    char saved[512];
    snprintf(saved, sizeof saved, "%s", sastaotp_intent_json(intent));
    CHECK(json_is_valid(saved));
    FAILS(sastaotp_client_buy(later, intent, &number, &error), SASTAOTP_CONNECTION);
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_UNKNOWN);
    CHECK_TEXT(sastaotp_intent_json(sastaotp_error_intent(error)), saved);
    sastaotp_intent *copy = sastaotp_intent_copy(sastaotp_error_intent(error));
    sastaotp_error_free(error);
    CHECK_TEXT(sastaotp_intent_json(copy), saved);
    sastaotp_intent_free(copy);
    sastaotp_intent_free(intent);
    sastaotp_client_free(later);

    /* The program was killed here; what was saved is all that is left. */
    int64_t micros = 0;
    uint64_t order = 0;
    WORKS(sastaotp_intent_from_json(saved, &loaded, &error));
    CHECK_TEXT(sastaotp_intent_json(loaded), saved);
    CHECK_TEXT(sastaotp_intent_service(loaded), "zz_lost_reply");
    CHECK_TEXT(sastaotp_intent_country(loaded), "22");
    CHECK(sastaotp_intent_reget_of(loaded) == NULL);
    CHECK(sastaotp_intent_max_price(loaded, &micros) && micros == 100 * SASTAOTP_RUPEE);
    CHECK(sastaotp_intent_watermark(loaded, &order) && order == 1001);
    CHECK(sastaotp_intent_started_at_ms(loaded) > INT64_C(1600000000000));
    sastaotp_reconciliation *found = NULL;
    WORKS(sastaotp_client_reconcile(client, loaded, &found, &error));
    CHECK_INT(sastaotp_reconciliation_count(found), 1);
    CHECK(sastaotp_reconciliation_is_complete(found));
    CHECK(json_is_valid(sastaotp_reconciliation_json(found)));
    CHECK(sastaotp_reconciliation_get(found, 1) == NULL);
    const sastaotp_order *candidate = sastaotp_reconciliation_get(found, 0);
    CHECK_TEXT(sastaotp_order_service(candidate), "zz_lost_reply");
    WORKS(sastaotp_client_activation(client, sastaotp_order_activation_id(candidate), &number, &error));
    sastaotp_reconciliation_free(found);
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_activation_settle(number, SASTAOTP_ON_TOO_EARLY_WAIT, &settlement, &error));
    CHECK_INT(sastaotp_settlement_state(settlement), SASTAOTP_SETTLED_CANCELLED);
    sastaotp_settlement_free(settlement);
    sastaotp_activation_free(number);
    sastaotp_intent_free(loaded);
    sastaotp_number_request_free(request);
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":2,\"refunds\":1}");
}

static void pause_ms(long millis) {
    struct timespec time = {millis / 1000, millis % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void *trigger_soon(void *cancel) {
    pause_ms(300);
    sastaotp_cancel_token_trigger(cancel);
    return NULL;
}

/* Buys through a handle that a token ends while the reply drips in. */
static void abandon(const sastaotp_client *client, const char *service, int every_ms) {
    sastaotp_error *error = NULL;
    sastaotp_cancel_token *cancel = sastaotp_cancel_token_new();
    sastaotp_client *handle = NULL;
    sastaotp_number_request *request = sandbox_request(service);
    sastaotp_activation *number = NULL;
    pthread_t thread;
    char fault[128];
    snprintf(fault, sizeof fault, "{\"match\":{\"action\":\"getNumber\"},\"fault\":\"N11\",\"every_ms\":%d}", every_ms);
    sandbox_do("faults", fault);
    WORKS(sastaotp_client_with_cancel(client, cancel, &handle, &error));
    CHECK_INT(pthread_create(&thread, NULL, trigger_soon, cancel), 0);
    FAILS(sastaotp_client_get_number(handle, request, &number, &error), SASTAOTP_CANCELLED);
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_UNKNOWN);
    pthread_join(thread, NULL);
    CHECK(sastaotp_cancel_token_is_triggered(cancel));
    sastaotp_error_free(error);
    sastaotp_number_request_free(request);
    sastaotp_client_free(handle);
    sastaotp_cancel_token_free(cancel);
    sandbox_do("faults", "{\"clear\":true}");
}

/* The list once its only purchase is no longer pending. */
static sastaotp_unclaimed_list *settled_list(const sastaotp_client *client, const char *service) {
    for (int tries = 0; tries < 1000; tries++) {
        sastaotp_error *error = NULL;
        sastaotp_unclaimed_list *list = NULL;
        WORKS(sastaotp_client_unclaimed(client, &list, &error));
        CHECK_INT(sastaotp_unclaimed_list_count(list), 1);
        const sastaotp_unclaimed *one = sastaotp_unclaimed_list_get(list, 0);
        CHECK(json_is_valid(sastaotp_unclaimed_list_json(list)));
        CHECK_TEXT(sastaotp_intent_service(sastaotp_unclaimed_intent(one)), service);
        if (sastaotp_unclaimed_outcome(one) != SASTAOTP_UNCLAIMED_PENDING) return list;
        CHECK(sastaotp_unclaimed_purchase(one) == NULL && sastaotp_unclaimed_error(one) == NULL);
        sastaotp_unclaimed_list_free(list);
        pause_ms(20);
    }
    CHECK(!"the purchase ends");
    return NULL;
}

void an_abandoned_purchase_is_listed(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    abandon(client, "zz_ok", 3);
    sastaotp_unclaimed_list *list = settled_list(client, "zz_ok");
    const sastaotp_unclaimed *one = sastaotp_unclaimed_list_get(list, 0);
    CHECK_INT(sastaotp_unclaimed_outcome(one), SASTAOTP_UNCLAIMED_BOUGHT);
    CHECK(sastaotp_unclaimed_error(one) == NULL && sastaotp_unclaimed_list_get(list, 1) == NULL);
    const sastaotp_purchase *bought = sastaotp_unclaimed_purchase(one);
    sastaotp_activation *number = NULL;
    WORKS(sastaotp_client_activation(client, sastaotp_purchase_activation_id(bought), &number, &error));
    CHECK_TEXT(sastaotp_activation_phone_number(number), sastaotp_purchase_phone_number(bought));
    sastaotp_unclaimed_list_free(list);
    sastaotp_activation_free(number);

    abandon(client, "zz_sql", 20);
    list = settled_list(client, "zz_sql");
    one = sastaotp_unclaimed_list_get(list, 0);
    CHECK_INT(sastaotp_unclaimed_outcome(one), SASTAOTP_UNCLAIMED_UNKNOWN);
    CHECK(sastaotp_unclaimed_purchase(one) == NULL);
    CHECK_TEXT(sastaotp_error_code(sastaotp_unclaimed_error(one)), "ERROR_SQL");
    CHECK_INT(sastaotp_error_charge(sastaotp_unclaimed_error(one)), SASTAOTP_CHARGE_UNKNOWN);
    sastaotp_unclaimed_list_free(list);
    sastaotp_client_free(client);
}
