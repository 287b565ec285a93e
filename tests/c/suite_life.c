/* A number from its purchase to its end. */
#include "check.h"
#include "json.h"
#include "sandbox.h"
#include "suite.h"

static void check_purchase(const sastaotp_purchase *bought, const sastaotp_activation *number) {
    int64_t micros = 0;
    uint32_t millis = 0;
    bool multi = false;
    CHECK_TEXT(sastaotp_purchase_activation_id(bought), sastaotp_activation_id(number));
    CHECK_TEXT(sastaotp_purchase_phone_number(bought), sastaotp_activation_phone_number(number));
    CHECK_TEXT(sastaotp_purchase_order_id(bought), "1001");
    CHECK_TEXT(sastaotp_purchase_service(bought), "zz_multi");
    CHECK_TEXT(sastaotp_purchase_country(bought), "22");
    CHECK(sastaotp_purchase_price(bought, &micros) && sastaotp_purchase_price(bought, NULL));
    CHECK_INT(micros, 10 * SASTAOTP_RUPEE);
    CHECK(sastaotp_purchase_multi_sms(bought, &multi) && multi);
    CHECK(sastaotp_purchase_expires_in_ms(bought, &millis));
    CHECK_INT(millis, 1200000);
    CHECK_INT(sastaotp_purchase_warning_count(bought), 0);
    CHECK(sastaotp_purchase_warning(bought, 0) == NULL);
    const char *json = sastaotp_purchase_json(bought);
    CHECK(json_is_valid(json));
    CHECK(json_is(json_member(json, "price_micros"), "10000000"));
}

static void check_sms(const sastaotp_sms *sms, const char *text) {
    CHECK(sms != NULL);
    CHECK_HOLDS(text, sastaotp_sms_code(sms));
    CHECK_TEXT(sastaotp_sms_text(sms), text);
    CHECK(sastaotp_sms_sender(sms) == NULL && sastaotp_sms_received_text(sms) == NULL);
    CHECK(!sastaotp_sms_is_repeat(sms));
    CHECK(json_is_valid(sastaotp_sms_json(sms)));
    CHECK(json_is(json_member(sastaotp_sms_json(sms), "is_repeat"), "false"));
}

/* Polls until the state is of that kind, twice at most. */
static sastaotp_activation_status *poll_until(const sastaotp_activation *number, sastaotp_kind_of_state kind) {
    sastaotp_error *error = NULL;
    sastaotp_activation_status *state = NULL;
    for (int polls = 0; polls < 2; polls++) {
        WORKS(sastaotp_activation_get_status(number, &state, &error));
        if (sastaotp_activation_status_kind(state) == kind) return state;
        sastaotp_activation_status_free(state);
    }
    CHECK(!"the state comes in two polls");
    return NULL;
}

void life_of_a_lease(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_number_request *request = sandbox_request("zz_multi");
    sastaotp_lease *lease = NULL;
    WORKS(sastaotp_number_request_ask_multi_sms(request, &error));
    WORKS(sastaotp_number_request_set_operator(request, "any", &error));
    WORKS(sastaotp_client_lease(client, request, &lease, &error));
    sastaotp_number_request_free(request);
    const sastaotp_activation *number = sastaotp_lease_activation(lease);
    int64_t micros = 0, millis = 0;
    CHECK(sastaotp_activation_price(number, &micros) && micros == 10 * SASTAOTP_RUPEE);
    CHECK(sastaotp_activation_expires_at_ms(number, &millis) && millis > INT64_C(1600000000000));
    CHECK_INT(strncmp(sastaotp_activation_phone_number(number), "91", 2), 0);
    check_purchase(sastaotp_activation_purchase(number), number);
    CHECK(sastaotp_activation_code(number) == NULL);
    CHECK_INT(sastaotp_activation_ending(number), SASTAOTP_ENDING_NONE);

    WORKS(sastaotp_activation_mark_sms_sent(number, &error));
    sastaotp_wait_options *options = sastaotp_wait_options_new();
    WORKS(sastaotp_wait_options_set_interval_ms(options, 5000, &error));
    WORKS(sastaotp_wait_options_accept_same_code(options, &error));
    WORKS(sastaotp_wait_options_cancel_on_timeout(options, &error));
    sastaotp_sms *first = NULL, *second = NULL, *last = NULL;
    WORKS(sastaotp_activation_wait_for_code(number, 20000, options, &first, &error));
    sastaotp_wait_options_free(options);
    char text[256];
    snprintf(text, sizeof text, "%s", sastaotp_sms_text(first));
    check_sms(first, text);
    CHECK_INT(sastaotp_activation_code_count(number), 1);

    WORKS(sastaotp_activation_request_next_code(number, &error));
    CHECK(sastaotp_activation_code(number) == NULL);
    sastaotp_activation_status *state = poll_until(number, SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT);
    CHECK_TEXT(sastaotp_activation_status_last_code(state), sastaotp_sms_code(first));
    CHECK(sastaotp_activation_status_sms(state) == NULL && sastaotp_activation_status_text(state) == NULL);
    sastaotp_activation_status_free(state);
    state = poll_until(number, SASTAOTP_ACTIVATION_STATUS_RECEIVED);
    WORKS(sastaotp_activation_wait_for_code(number, 20000, NULL, &second, &error));
    CHECK_TEXT(sastaotp_sms_code(second), sastaotp_sms_code(sastaotp_activation_status_sms(state)));
    CHECK(strcmp(sastaotp_sms_code(second), sastaotp_sms_code(first)) != 0);
    sastaotp_activation_status_free(state);
    sastaotp_sms_free(second);
    second = sastaotp_activation_code_at(number, 1);
    last = sastaotp_activation_code(number);
    CHECK_TEXT(sastaotp_sms_code(second), sastaotp_sms_code(last));
    CHECK(sastaotp_activation_code_at(number, 2) == NULL);

    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_lease_close(lease, SASTAOTP_ON_TOO_EARLY_WAIT, &settlement, &error));
    CHECK_INT(sastaotp_settlement_state(settlement), SASTAOTP_SETTLED_COMPLETED);
    CHECK_TEXT(sastaotp_sms_code(sastaotp_settlement_code(settlement)), sastaotp_sms_code(last));
    CHECK(json_is_valid(sastaotp_settlement_json(settlement)));
    CHECK(json_is(json_member(sastaotp_settlement_json(settlement), "state"), "\"completed\""));
    CHECK_INT(sastaotp_activation_ending(number), SASTAOTP_ENDING_COMPLETED);
    sastaotp_settlement_free(settlement);
    sastaotp_lease_free(lease);
    sastaotp_client_free(client);
    check_sms(first, text);
    sastaotp_sms_free(first);
    sastaotp_sms_free(second);
    sastaotp_sms_free(last);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":0}");
}

void life_of_an_order_taken_up(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client(), *other = sandbox_client();
    sastaotp_activation *bought = sandbox_buy(client, "zz_multi"), *taken = NULL, *again = NULL, *third = NULL;
    WORKS(sastaotp_client_activation(other, sastaotp_activation_id(bought), &taken, &error));
    CHECK_TEXT(sastaotp_activation_id(taken), sastaotp_activation_id(bought));
    CHECK(sastaotp_activation_phone_number(taken) == NULL && sastaotp_activation_purchase(taken) == NULL);
    CHECK(!sastaotp_activation_price(taken, NULL) && !sastaotp_activation_expires_at_ms(taken, NULL));
    sastaotp_activation_status *state = NULL;
    WORKS(sastaotp_client_get_status(client, sastaotp_activation_id(bought), &state, &error));
    CHECK_INT(sastaotp_activation_status_kind(state), SASTAOTP_ACTIVATION_STATUS_RECEIVED);
    sastaotp_activation_status_free(state);
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_activation_complete(taken, &settlement, &error));
    CHECK_INT(sastaotp_settlement_state(settlement), SASTAOTP_SETTLED_COMPLETED);
    sastaotp_settlement_free(settlement);

    WORKS(sastaotp_activation_reget_number(bought, &again, &error));
    CHECK_TEXT(sastaotp_activation_phone_number(again), sastaotp_activation_phone_number(bought));
    CHECK(strcmp(sastaotp_activation_id(again), sastaotp_activation_id(bought)) != 0);
    WORKS(sastaotp_activation_settle(again, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error));
    CHECK_INT(sastaotp_settlement_state(settlement), SASTAOTP_SETTLED_CANCELLED);
    CHECK(sastaotp_settlement_code(settlement) == NULL);
    sastaotp_settlement_free(settlement);
    WORKS(sastaotp_client_reget_number(client, sastaotp_activation_id(bought), &third, &error));
    WORKS(sastaotp_activation_cancel(third, &settlement, &error));
    CHECK_INT(sastaotp_settlement_state(settlement), SASTAOTP_SETTLED_CANCELLED);
    CHECK_INT(sastaotp_activation_ending(third), SASTAOTP_ENDING_CANCELLED);
    sastaotp_settlement_free(settlement);
    sastaotp_activation *numbers[] = {bought, taken, again, third};
    for (size_t at = 0; at < 4; at++) sastaotp_activation_free(numbers[at]);
    sastaotp_client_free(client);
    sastaotp_client_free(other);
    sandbox_do("assert", "{\"charges\":3,\"refunds\":2}");
}

void leases_end_in_three_ways(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_number_request *request = sandbox_request("zz_never");
    sastaotp_lease *lease = NULL;
    sastaotp_settlement *settlement = NULL;
    sastaotp_activation *kept = NULL;
    WORKS(sastaotp_client_lease(client, request, &lease, &error));
    sastaotp_lease_free(lease);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":1}");
    WORKS(sastaotp_client_lease(client, request, &lease, &error));
    WORKS(sastaotp_lease_close(lease, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error));
    sastaotp_settlement_free(settlement);
    FAILS(sastaotp_lease_close(lease, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error), SASTAOTP_CONFIG);
    CHECK(settlement == NULL);
    sastaotp_error_free(error);
    FAILS(sastaotp_lease_keep(lease, &kept, &error), SASTAOTP_CONFIG);
    sastaotp_error_free(error);
    sastaotp_lease_free(lease);
    sandbox_do("assert", "{\"charges\":2,\"refunds\":2}");
    WORKS(sastaotp_client_lease(client, request, &lease, &error));
    WORKS(sastaotp_lease_keep(lease, &kept, &error));
    sastaotp_lease_free(lease);
    CHECK(sastaotp_activation_phone_number(kept) != NULL);
    sastaotp_activation_free(kept);
    sandbox_do("assert", "{\"charges\":3,\"refunds\":2}");
    sastaotp_number_request_free(request);
    sastaotp_client_free(client);
}
