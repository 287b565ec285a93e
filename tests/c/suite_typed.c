/* The typed half of the queue: submits without JSON, and results with their type. */
#define _POSIX_C_SOURCE 200809L

#include "check.h"
#include "json.h"
#include "queue_calls.h"
#include "sandbox.h"
#include "suite.h"

typedef enum result { NOTHING, ACTIVATION, SMS, SETTLEMENT, RECONCILIATION } result;

/* Waits for a completion; it has a result of this type and no other. */
static sastaotp_completion *completion_of(const sastaotp_queue *queue, uint64_t ticket,
                                          result expected) {
    sastaotp_completion *completion = join(queue, ticket);
    CHECK((sastaotp_completion_activation(completion) != NULL) == (expected == ACTIVATION));
    CHECK((sastaotp_completion_sms(completion) != NULL) == (expected == SMS));
    CHECK((sastaotp_completion_settlement(completion) != NULL) == (expected == SETTLEMENT));
    CHECK((sastaotp_completion_reconciliation(completion) != NULL) == (expected == RECONCILIATION));
    CHECK(expected == NOTHING || sastaotp_completion_status(completion) == SASTAOTP_OK);
    /* Each call returns the same object. */
    CHECK(sastaotp_completion_activation(completion) == sastaotp_completion_activation(completion));
    CHECK(sastaotp_completion_sms(completion) == sastaotp_completion_sms(completion));
    CHECK((sastaotp_completion_json(completion) == NULL) ==
          (sastaotp_completion_error(completion) != NULL));
    return completion;
}

/* Whether a member of a completion's JSON is this text. */
static void check_member(const sastaotp_completion *completion, const char *name,
                         const char *text) {
    char quoted[128];
    CHECK(text != NULL);
    snprintf(quoted, sizeof quoted, "\"%s\"", text);
    CHECK(json_is(json_member(sastaotp_completion_json(completion), name), quoted));
}

/* Copies the id of the number that a completion bought, and frees the completion. */
static void bought(sastaotp_completion *completion, char id[65]) {
    const sastaotp_activation *number = sastaotp_completion_activation(completion);
    int64_t micros = 0;
    CHECK(sastaotp_activation_phone_number(number) != NULL);
    CHECK(sastaotp_activation_price_micros(number, &micros) && micros > 0);
    CHECK(sastaotp_activation_purchase(number) != NULL);
    check_member(completion, "id", sastaotp_activation_id(number));
    check_member(completion, "phone_number", sastaotp_activation_phone_number(number));
    snprintf(id, 65, "%s", sastaotp_activation_id(number));
    sastaotp_completion_free(completion);
}

/* The end of an order, and the code that it has; frees the completion. */
static void settled(sastaotp_completion *completion, sastaotp_settled state, const char *code) {
    const sastaotp_settlement *settlement = sastaotp_completion_settlement(completion);
    CHECK_INT(sastaotp_settlement_state(settlement), state);
    CHECK_TEXT(sastaotp_sms_code(sastaotp_settlement_sms(settlement)), code);
    CHECK_TEXT(sastaotp_settlement_json(settlement), sastaotp_completion_json(completion));
    sastaotp_completion_free(completion);
}

void typed_submits_have_typed_results(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    sastaotp_number_request request = sandbox_request("zz_multi");
    sastaotp_wait_options options = SASTAOTP_WAIT_OPTIONS_INIT;
    sastaotp_intent *intent = NULL;
    char id[65], code[32], user;
    uint64_t ticket = 0;
    WORKS(sastaotp_queue_submit_get_number(queue, &request, &user, &ticket, &error));
    sastaotp_completion *completion = completion_of(queue, ticket, ACTIVATION);
    CHECK(sastaotp_completion_user(completion) == &user);
    bought(completion, id);

    WORKS(sastaotp_queue_submit_wait_for_code(queue, id, SOON_MS, NULL, &user, &ticket, &error));
    completion = completion_of(queue, ticket, SMS);
    CHECK(sastaotp_completion_user(completion) == &user);
    snprintf(code, sizeof code, "%s", sastaotp_sms_code(sastaotp_completion_sms(completion)));
    check_member(completion, "code", code);
    sastaotp_completion_free(completion);

    options.accept_same_code = true;
    options.interval_ms = 60000;
    WORKS(sastaotp_queue_submit_wait_for_code(queue, id, 0, &options, NULL, &ticket, &error));
    sastaotp_completion_free(completion_of(queue, ticket, SMS));
    WORKS(sastaotp_queue_submit_request_next_code(queue, id, &user, &ticket, &error));
    completion = completion_of(queue, ticket, NOTHING);
    CHECK_INT(sastaotp_completion_status(completion), SASTAOTP_OK);
    CHECK(sastaotp_completion_user(completion) == &user);
    sastaotp_completion_free(completion);
    WORKS(sastaotp_queue_submit_settle(queue, id, SASTAOTP_ON_TOO_EARLY_WAIT, &user, &ticket,
                                       &error));
    completion = completion_of(queue, ticket, SETTLEMENT);
    CHECK(sastaotp_completion_user(completion) == &user);
    settled(completion, SASTAOTP_SETTLED_COMPLETED, code);

    request = sandbox_request("zz_never");
    WORKS(sastaotp_client_intend(client, &request, &intent, &error));
    WORKS(sastaotp_queue_submit_buy(queue, intent, &user, &ticket, &error));
    completion = completion_of(queue, ticket, ACTIVATION);
    CHECK(sastaotp_completion_user(completion) == &user);
    bought(completion, id);
    /* An intent is sent once. */
    WORKS(sastaotp_queue_submit_buy(queue, intent, NULL, &ticket, &error));
    completion = completion_of(queue, ticket, NOTHING);
    CHECK_INT(sastaotp_completion_status(completion), SASTAOTP_ERROR_ALREADY_SENT);
    CHECK(sastaotp_completion_user(completion) == NULL);
    sastaotp_completion_free(completion);
    sastaotp_intent_free(intent);
    options.cancel_on_timeout = true;
    WORKS(sastaotp_queue_submit_wait_for_code(queue, id, 0, &options, &user, &ticket, &error));
    completion = completion_of(queue, ticket, NOTHING);
    CHECK_INT(sastaotp_completion_status(completion), SASTAOTP_ERROR_WAIT_TIMEOUT);
    CHECK(sastaotp_completion_user(completion) == &user);
    sastaotp_completion_free(completion);
    sandbox_do("assert", "{\"charges\":2,\"refunds\":1}");

    /* The other ends of an order. */
    static const struct {
        const char *service;
        sastaotp_status (*end)(const sastaotp_queue *, const char *, void *, uint64_t *,
                               sastaotp_error **);
        sastaotp_settled state;
    } ends[] = {
        {"zz_multi", sastaotp_queue_submit_complete, SASTAOTP_SETTLED_COMPLETED},
        {"zz_never", sastaotp_queue_submit_cancel, SASTAOTP_SETTLED_CANCELLED},
    };
    for (size_t row = 0; row < sizeof ends / sizeof *ends; row++) {
        buy(queue, ends[row].service, id);
        if (ends[row].state == SASTAOTP_SETTLED_COMPLETED) {
            WORKS(sastaotp_queue_submit_wait_for_code(queue, id, SOON_MS, NULL, NULL, &ticket,
                                                      &error));
            sastaotp_completion_free(completion_of(queue, ticket, SMS));
        }
        WORKS(ends[row].end(queue, id, &user, &ticket, &error));
        completion = completion_of(queue, ticket, SETTLEMENT);
        CHECK(sastaotp_completion_user(completion) == &user);
        const sastaotp_settlement *settlement = sastaotp_completion_settlement(completion);
        CHECK_INT(sastaotp_settlement_state(settlement), ends[row].state);
        sastaotp_completion_free(completion);
    }

    request = sandbox_request("zz_lost_reply");
    WORKS(sastaotp_queue_submit_get_number(queue, &request, &user, &ticket, &error));
    sastaotp_completion *lost = completion_of(queue, ticket, NOTHING);
    const sastaotp_error *failure = sastaotp_completion_error(lost);
    CHECK_INT(sastaotp_error_charge(failure), SASTAOTP_CHARGE_UNKNOWN);
    WORKS(sastaotp_queue_submit_reconcile(queue, sastaotp_error_intent(failure), 0, &user, &ticket,
                                          &error));
    completion = completion_of(queue, ticket, RECONCILIATION);
    CHECK(sastaotp_completion_user(completion) == &user);
    const sastaotp_reconciliation *found = sastaotp_completion_reconciliation(completion);
    CHECK_INT(sastaotp_reconciliation_count(found), 1);
    CHECK_TEXT(sastaotp_reconciliation_json(found), sastaotp_completion_json(completion));
    snprintf(id, sizeof id, "%s",
             sastaotp_order_activation_id(sastaotp_reconciliation_get(found, 0)));
    sastaotp_completion_free(completion);
    /* The search was too short to decide without the caller. */
    WORKS(sastaotp_client_resolve_made(client, sastaotp_error_intent(failure), id, &error));
    sastaotp_completion_free(lost);
    WORKS(sastaotp_queue_submit_settle(queue, id, SASTAOTP_ON_TOO_EARLY_FAIL, NULL, &ticket,
                                       &error));
    settled(completion_of(queue, ticket, SETTLEMENT), SASTAOTP_SETTLED_CANCELLED, NULL);
    queue_end(queue);
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":5,\"refunds\":3}");
}

void json_submits_have_typed_results(void) {
    static const struct {
        const char *operation;
        result result;
    } rows[] = {
        {"{\"op\":\"get_balance\"}", NOTHING},
        {"{\"op\":\"get_services\",\"service\":\"tg\"}", NOTHING},
        {"{\"op\":\"get_prices\",\"service\":\"tg\",\"country\":\"22\"}", NOTHING},
        {"{\"op\":\"get_countries\"}", NOTHING},
        {"{\"op\":\"get_orders\"}", NOTHING},
        {"{\"op\":\"intend\",\"service\":\"tg\",\"country\":\"22\",\"max_price\":\"100\"}",
         NOTHING},
        {"{\"op\":\"unclaimed\"}", NOTHING},
        {"{\"op\":\"budget_left\"}", NOTHING},
        {"{\"op\":\"finish\",\"timeout_ms\":0}", NOTHING},
        {"{\"op\":\"settle_leftover_leases\"}", NOTHING},
        /* The first number is completed, and bought again. */
        {"{\"op\":\"get_number\",\"service\":\"zz_multi\",\"country\":\"22\","
         "\"max_price\":\"100\"}",
         ACTIVATION},
        {"{\"op\":\"get_status\",\"id\":\"ID\"}", NOTHING},
        {"{\"op\":\"mark_sms_sent\",\"id\":\"ID\"}", NOTHING},
        {"{\"op\":\"wait_for_code\",\"id\":\"ID\",\"timeout_ms\":25000}", SMS},
        {"{\"op\":\"complete\",\"id\":\"ID\"}", SETTLEMENT},
        {"{\"op\":\"reget_number\",\"id\":\"ID\",\"accept_any_price\":true}", ACTIVATION},
        {"{\"op\":\"settle\",\"id\":\"ID\"}", SETTLEMENT},
        {"{\"op\":\"lease\",\"service\":\"zz_never\",\"country\":\"22\",\"max_price\":\"100\"}",
         ACTIVATION},
        {"{\"op\":\"cancel\",\"id\":\"ID\"}", SETTLEMENT},
        {"{\"op\":\"set_status\",\"id\":\"ID\",\"status\":8}", NOTHING},
    };
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    char id[65] = "", operation[256];
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        const char *at = strstr(rows[row].operation, "\"ID\"");
        size_t before = at ? (size_t)(at - rows[row].operation) : strlen(rows[row].operation);
        snprintf(operation, sizeof operation, "%.*s%s%s%s%s", (int)before, rows[row].operation,
                 at ? "\"" : "", at ? id : "", at ? "\"" : "", at ? at + strlen("\"ID\"") : "");
        check_context = operation;
        sastaotp_completion *completion =
            completion_of(queue, submit(queue, operation), rows[row].result);
        if (rows[row].result == ACTIVATION) bought(completion, id);
        else sastaotp_completion_free(completion);
    }
    check_context = NULL;
    sastaotp_completion_free(
        completion_of(queue, submit(queue, "{\"op\":\"get_status\",\"id\":\"0\"}"), NOTHING));
    queue_end(queue);
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":3,\"refunds\":1}");
}

/* Claims a number by its id: it has this phone number and price. */
static sastaotp_activation *claim(const sastaotp_client *client, const char *id,
                                  const char *phone_number, int64_t price) {
    sastaotp_error *error = NULL;
    sastaotp_activation *number = NULL;
    int64_t micros = 7;
    size_t before = sandbox_requests(NULL);
    WORKS(sastaotp_client_activation(client, id, &number, &error));
    CHECK_INT(sandbox_requests(NULL), before);
    CHECK_TEXT(sastaotp_activation_id(number), id);
    CHECK_TEXT(sastaotp_activation_phone_number(number), phone_number);
    CHECK(sastaotp_activation_price_micros(number, &micros));
    CHECK_INT(micros, price);
    return number;
}

static void settle(sastaotp_activation *number) {
    sastaotp_error *error = NULL;
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_activation_settle(number, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error));
    sastaotp_settlement_free(settlement);
    sastaotp_activation_free(number);
}

void claimed_numbers_have_number_and_price(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    /* A number that the queue bought. */
    for (int is_taken = 0; is_taken < 2; is_taken++) {
        sastaotp_completion *completion = join(queue, submit(queue, purchase_of("zz_never")));
        const sastaotp_activation *number = sastaotp_completion_activation(completion);
        char id[65], phone_number[65];
        int64_t price = 0;
        snprintf(id, sizeof id, "%s", sastaotp_activation_id(number));
        snprintf(phone_number, sizeof phone_number, "%s", sastaotp_activation_phone_number(number));
        CHECK(sastaotp_activation_price_micros(number, &price));
        if (is_taken) sastaotp_completion_free(completion);
        settle(claim(client, id, phone_number, price));
        if (!is_taken) sastaotp_completion_free(completion);
    }

    /* An order that reconcile found, through the client and through the queue. */
    for (int is_queue = 0; is_queue < 2; is_queue++) {
        sastaotp_number_request request = sandbox_request("zz_lost_reply");
        sastaotp_activation *none = NULL;
        sastaotp_reconciliation *own = NULL;
        sastaotp_completion *completion = NULL;
        CHECK(sastaotp_client_get_number(client, &request, &none, &error) != SASTAOTP_OK);
        sastaotp_error *lost = error;
        const sastaotp_intent *intent = sastaotp_error_intent(lost);
        error = NULL;
        if (is_queue) {
            uint64_t ticket = 0;
            WORKS(sastaotp_queue_submit_reconcile(queue, intent, 0, NULL, &ticket, &error));
            completion = join(queue, ticket);
        } else {
            WORKS(sastaotp_client_reconcile(client, intent, 0, &own, &error));
        }
        const sastaotp_reconciliation *found =
            is_queue ? sastaotp_completion_reconciliation(completion) : own;
        CHECK_INT(sastaotp_reconciliation_count(found), 1);
        const sastaotp_order *order = sastaotp_reconciliation_get(found, 0);
        int64_t price = 0;
        CHECK(sastaotp_order_price_micros(order, &price));
        const char *id = sastaotp_order_activation_id(order);
        const char *phone_number = sastaotp_order_phone_number(order);
        sastaotp_activation_free(claim(client, id, phone_number, price));
        /* The search was too short to decide without the caller. */
        WORKS(sastaotp_client_resolve_made(client, intent, id, &error));
        settle(claim(client, id, phone_number, price));
        sastaotp_reconciliation_free(own);
        sastaotp_completion_free(completion);
        sastaotp_error_free(lost);
    }
    queue_end(queue);
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":4,\"refunds\":4}");
}

/* Checks the attempts of a purchase: 22 refused, and 0 sold the number. */
static void check_attempts(const sastaotp_activation *number) {
    const sastaotp_purchase *purchase = sastaotp_activation_purchase(number);
    CHECK_INT(sastaotp_purchase_attempt_count(purchase), 2);
    const sastaotp_attempt *refused = sastaotp_purchase_attempt(purchase, 0);
    const sastaotp_attempt *made = sastaotp_purchase_attempt(purchase, 1);
    CHECK(sastaotp_purchase_attempt(purchase, 2) == NULL);
    CHECK_TEXT(sastaotp_attempt_country(refused), "22");
    CHECK_TEXT(sastaotp_attempt_refused(refused), "NO_NUMBERS");
    CHECK_TEXT(sastaotp_attempt_country(made), "0");
    CHECK(sastaotp_attempt_refused(made) == NULL && sastaotp_attempt_operator(made) == NULL);
    CHECK(!sastaotp_attempt_price_micros(made, NULL));
}

void a_purchase_tries_several_countries(void) {
    static const char *const countries[] = {"22", "0"};
    static const sastaotp_parameter parameters[] = {{"ref", "a b"}, {"providerIds", "1,2"}};
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sandbox_do("faults", "{\"match\":{\"action\":\"getNumber\",\"country\":\"22\"},"
                         "\"fault\":\"html_page\",\"body\":\"NO_NUMBERS\",\"times\":0}");
    sastaotp_number_request request = sandbox_request("zz_ok");
    request.country = NULL;
    request.countries = countries;
    request.country_count = 2;
    request.parameters = parameters;
    request.parameter_count = 2;
    request.patience_ms = 60000;
    sastaotp_activation *number = NULL;
    WORKS(sastaotp_client_get_number(client, &request, &number, &error));
    check_attempts(number);
    WORKS(sastaotp_activation_keep(number, &error));
    sastaotp_activation_free(number);

    sastaotp_queue *queue = NULL;
    uint64_t ticket = 0;
    WORKS(sastaotp_queue_new(client, 0, &queue, &error));
    WORKS(sastaotp_queue_submit_get_number(queue, &request, NULL, &ticket, &error));
    sastaotp_completion *completion = completion_of(queue, ticket, ACTIVATION);
    check_attempts(sastaotp_completion_activation(completion));
    sastaotp_completion_free(completion);

    /* All countries refuse. */
    request.country_count = 1;
    request.patience_ms = 0;
    FAILS(sastaotp_client_get_number(client, &request, &number, &error),
          SASTAOTP_ERROR_NO_NUMBERS);
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_NONE);
    CHECK_INT(sastaotp_error_attempt_count(error), 1);
    CHECK_TEXT(sastaotp_attempt_refused(sastaotp_error_attempt(error, 0)), "NO_NUMBERS");
    sastaotp_error_free(error);
    error = NULL;

    /* The cheapest offer. */
    sastaotp_offer_query query = SASTAOTP_OFFER_QUERY_INIT;
    sastaotp_offers *offers = NULL;
    int64_t first = 0, second = 0;
    query.service = "fb";
    query.countries = countries;
    query.country_count = 2;
    query.min_available = 1;
    WORKS(sastaotp_client_get_offers(client, &query, &offers, &error));
    CHECK_INT(sastaotp_offers_count(offers), 2);
    CHECK(sastaotp_offers_cheapest(offers) == sastaotp_offers_get(offers, 0));
    CHECK(sastaotp_offer_price_micros(sastaotp_offers_get(offers, 0), &first));
    CHECK(sastaotp_offer_price_micros(sastaotp_offers_get(offers, 1), &second));
    CHECK(first <= second && sastaotp_offers_get(offers, 2) == NULL);
    CHECK(sastaotp_offer_operator(sastaotp_offers_get(offers, 0)) == NULL);
    CHECK(json_is_valid(sastaotp_offers_json(offers)));
    const sastaotp_offer *const both[] = {sastaotp_offers_get(offers, 1),
                                          sastaotp_offers_get(offers, 0)};
    sastaotp_number_request offered = SASTAOTP_NUMBER_REQUEST_INIT;
    offered.service = "fb";
    offered.offers = both;
    offered.offer_count = 2;
    WORKS(sastaotp_client_get_number(client, &offered, &number, &error));
    const sastaotp_purchase *purchase = sastaotp_activation_purchase(number);
    CHECK(sastaotp_attempt_price_micros(sastaotp_purchase_attempt(purchase, 0), &first));
    CHECK_INT(first, second);
    sastaotp_activation_free(number);
    sastaotp_offers_free(offers);
    sastaotp_queue_free(queue);
    sastaotp_client_free(client);
}
