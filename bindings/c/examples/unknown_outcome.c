/*
 * Buys a number so that neither a lost reply nor a crash can lose it.
 *
 *     SASTAOTP_API_KEY=... unknown_outcome zz_lost_reply
 *
 * Saves the intent to a file before it spends money. If the reply is lost, or an earlier run left
 * its file behind, searches the order history for the purchase, claims it by its id, and settles
 * it. With a real key IT SPENDS MONEY. The sandbox's service zz_lost_reply buys and then resets the
 * connection.
 */
#define _POSIX_C_SOURCE 200809L /* fileno, fsync */
#include <errno.h>
#include <inttypes.h>
#include <sastaotp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#ifdef _WIN32
#include <io.h>
#define fsync _commit
#define fileno _fileno
#else
#include <unistd.h>
#endif

static const char INTENT_FILE[] = "unknown_outcome.intent.json";

enum { SEARCH_MS = 20000, END_MS = 10000 };

/* Writes the intent to the disk, not only to a buffer: the program may end during the purchase. */
static bool save_intent(const sastaotp_intent *intent)
{
    FILE *file = fopen(INTENT_FILE, "w");
    bool saved = file != NULL && fputs(sastaotp_intent_json(intent), file) >= 0 &&
                 fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (!saved) fprintf(stderr, "saving the intent to %s: %s\n", INTENT_FILE, strerror(errno));
    if (file != NULL && fclose(file) != 0) saved = false;
    return saved;
}

/* Reads the intent that an earlier run left behind; NULL, with success, if there is none. */
static bool load_intent(sastaotp_intent **intent, sastaotp_error **error)
{
    char text[16384];
    FILE *file = fopen(INTENT_FILE, "r");
    if (file == NULL && errno == ENOENT) return true;
    if (file == NULL) {
        fprintf(stderr, "reading %s: %s\n", INTENT_FILE, strerror(errno));
        return false;
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed) {
        fprintf(stderr, "reading %s failed\n", INTENT_FILE);
        return false;
    }
    return sastaotp_intent_from_json(text, intent, error) == SASTAOTP_OK;
}

static void forget_intent(void)
{
    if (remove(INTENT_FILE) != 0)
        fprintf(stderr, "removing %s: %s\n", INTENT_FILE, strerror(errno));
}

/* Prepares a purchase in India for at most 80 rupees and saves its intent. */
static bool prepare(const sastaotp_client *client, const char *service, sastaotp_intent **intent,
                    sastaotp_error **error)
{
    sastaotp_number_request request = SASTAOTP_NUMBER_REQUEST_INIT;
    request.service = service;
    request.country = "22";
    request.max_price_micros = 80 * SASTAOTP_RUPEE;
    return sastaotp_client_intend(client, &request, intent, error) == SASTAOTP_OK &&
           save_intent(*intent);
}

static const char *text_or_unknown(const char *text)
{
    return text != NULL ? text : "?";
}

/* Prints an order that may be the purchase, with the evidence. */
static void print_candidate(const sastaotp_reconciliation *found, size_t index)
{
    const sastaotp_order *order = sastaotp_reconciliation_get(found, index);
    printf("candidate  activation %s, number %s, %s in %s, %s%s\n",
           text_or_unknown(sastaotp_order_activation_id(order)),
           text_or_unknown(sastaotp_order_phone_number(order)),
           text_or_unknown(sastaotp_order_service(order)),
           text_or_unknown(sastaotp_order_country(order)),
           text_or_unknown(sastaotp_order_status(order)),
           sastaotp_reconciliation_is_ours(found, index) ? ", certainly" : "");
    const char *evidence;
    for (size_t i = 0; (evidence = sastaotp_reconciliation_evidence(found, index, i)) != NULL; i++)
        printf("           %s\n", evidence);
}

/* Prints the number that was bought or claimed. */
static void print_number(const sastaotp_activation *activation)
{
    char rupees[32] = "?";
    int64_t price = 0;
    if (sastaotp_activation_price_micros(activation, &price))
        sastaotp_amount_format(price, rupees, sizeof rupees);
    printf("number     %s for %s rupees, activation %s\n",
           text_or_unknown(sastaotp_activation_phone_number(activation)), rupees,
           sastaotp_activation_id(activation));
}

/* Searches the order history for the purchase, prints the candidates, and claims the only one. */
static bool find_purchase(const sastaotp_client *client, const sastaotp_intent *intent,
                          sastaotp_activation **activation, sastaotp_error **error)
{
    sastaotp_reconciliation *found = NULL;
    bool claimed = false;

    printf("searching the order history\n");
    if (sastaotp_client_reconcile(client, intent, SEARCH_MS, &found, error) != SASTAOTP_OK)
        return false;
    size_t count = sastaotp_reconciliation_count(found);
    for (size_t i = 0; i < count; i++) print_candidate(found, i);
    const char *reason = sastaotp_reconciliation_reason(found);
    if (reason != NULL) printf("uncertain  %s\n", reason);
    if (count == 0 && reason == NULL) {
        printf("charged    nothing\n");
        forget_intent();
    } else if (count == 0) {
        fprintf(stderr, "no order was found yet: run this again later\n");
    } else if (count > 1) {
        fprintf(stderr,
                "another program buys the same with this key: settle your order by hand, then "
                "remove %s\n",
                INTENT_FILE);
    } else {
        const char *id = sastaotp_order_activation_id(sastaotp_reconciliation_get(found, 0));
        claimed = sastaotp_client_resolve_made(client, intent, id, error) == SASTAOTP_OK &&
                  sastaotp_client_activation(client, id, activation, error) == SASTAOTP_OK;
    }
    sastaotp_reconciliation_free(found);
    return claimed;
}

static const char *state_of(const sastaotp_settlement *settlement)
{
    switch (sastaotp_settlement_state(settlement)) {
    case SASTAOTP_SETTLED_COMPLETED: return "completed";
    case SASTAOTP_SETTLED_CANCELLED: return "cancelled and refunded";
    case SASTAOTP_SETTLED_CODE_ARRIVED: return "not closed: a code arrived";
    case SASTAOTP_SETTLED_ALREADY_OVER: return "already over";
    default: return sastaotp_settlement_json(settlement);
    }
}

/* Completes the order if a code arrived; otherwise cancels it for the refund. */
static bool settle(const sastaotp_activation *activation, sastaotp_error **error)
{
    sastaotp_settlement *settlement = NULL;
    if (sastaotp_activation_settle(activation, SASTAOTP_ON_TOO_EARLY_WAIT, &settlement, error) !=
        SASTAOTP_OK)
        return false;
    printf("settled    %s\n", state_of(settlement));
    sastaotp_settlement_free(settlement);
    return true;
}

/* Waits for purchases in flight and prints what the program leaves behind. */
static void print_unsettled(const sastaotp_client *client)
{
    sastaotp_unclaimed_list *list = NULL;
    if (client == NULL) return;
    if (sastaotp_client_finish(client, END_MS, &list, NULL) != SASTAOTP_OK) return;
    for (size_t i = 0; i < sastaotp_unclaimed_list_count(list); i++)
        fprintf(stderr, "%s\n", sastaotp_unclaimed_message(sastaotp_unclaimed_list_get(list, i)));
    sastaotp_unclaimed_list_free(list);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s SERVICE, such as zz_lost_reply of the sandbox\n", argv[0]);
        return 2;
    }
    sastaotp_client *client = NULL;
    sastaotp_intent *intent = NULL;
    sastaotp_activation *activation = NULL;
    sastaotp_error *error = NULL;
    int exit_code = 1;

    if (sastaotp_client_from_env(&client, &error) != SASTAOTP_OK) goto end;
    if (!load_intent(&intent, &error)) goto end;
    if (intent != NULL) {
        printf("an earlier run did not finish its purchase of %s\n",
               text_or_unknown(sastaotp_intent_service(intent)));
    } else {
        if (!prepare(client, argv[1], &intent, &error)) goto end;
        if (sastaotp_client_buy(client, intent, &activation, &error) != SASTAOTP_OK) {
            printf("failed     %s\n", sastaotp_error_message(error));
            bool charged_nothing = sastaotp_error_charge(error) == SASTAOTP_CHARGE_NONE;
            sastaotp_error_free(error);
            error = NULL;
            if (charged_nothing) {
                printf("charged    nothing\n");
                forget_intent();
                goto end;
            }
            printf("charged    unknown: not buying again\n");
        }
    }
    if (activation == NULL && !find_purchase(client, intent, &activation, &error)) goto end;

    print_number(activation);
    if (!settle(activation, &error)) goto end;
    forget_intent();
    exit_code = 0;

end:
    if (error != NULL) fprintf(stderr, "%s\n", sastaotp_error_message(error));
    print_unsettled(client);
    sastaotp_error_free(error);
    sastaotp_activation_free(activation);
    sastaotp_intent_free(intent);
    sastaotp_client_free(client);
    return exit_code;
}
