/*
 * Buys a number, waits for its code, and completes the order.
 *
 *     SASTAOTP_API_KEY=... quickstart
 *
 * With a real key IT SPENDS MONEY. Set SASTAOTP_BASE_URL to use another server, such as
 * sastaotp-sandbox, which accepts any key and costs nothing.
 */
#include <sastaotp.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { SECOND_MS = 1000, MAX_WAIT_S = 300, PLAIN_LINE_S = 10 };

static void print_rupees(const char *label, int64_t micros)
{
    char rupees[32];
    sastaotp_amount_format(micros, rupees, sizeof rupees);
    printf("%-9s %s\n", label, rupees);
}

static bool print_balance(const sastaotp_client *client, sastaotp_error **error)
{
    sastaotp_balance *balance = NULL;
    if (sastaotp_client_get_balance(client, &balance, error) != SASTAOTP_OK) return false;
    print_rupees("balance", sastaotp_balance_amount(balance));
    sastaotp_balance_free(balance);
    return true;
}

/* Reads the price of the service in the country. `*found` is false if it is not sold there. */
static bool find_price(const sastaotp_client *client, const char *service, const char *country,
                       int64_t *price, bool *found, sastaotp_error **error)
{
    sastaotp_prices *prices = NULL;
    size_t index = 0;
    if (sastaotp_client_get_prices(client, service, country, &prices, error) != SASTAOTP_OK)
        return false;
    *found = sastaotp_prices_find(prices, country, service, &index) &&
             sastaotp_prices_price(prices, index, price);
    sastaotp_prices_free(prices);
    return true;
}

/* Waits one second at a time to show progress. The library still polls only every five seconds. */
static sastaotp_status wait_with_progress(const sastaotp_activation *number, sastaotp_sms **sms,
                                          sastaotp_error **error)
{
    bool terminal = isatty(STDOUT_FILENO) == 1;
    sastaotp_status status = SASTAOTP_WAIT_TIMEOUT;
    for (int second = 0; second < MAX_WAIT_S && status == SASTAOTP_WAIT_TIMEOUT; second++) {
        sastaotp_error_free(*error); /* the timeout of the previous second */
        if (terminal || second % PLAIN_LINE_S == 0) {
            const char *line =
                terminal ? "\rwaiting   %d s, %d s left " : "waiting   %d s, %d s left\n";
            printf(line, second, MAX_WAIT_S - second);
            fflush(stdout);
        }
        status = sastaotp_activation_wait_for_code(number, SECOND_MS, NULL, sms, error);
    }
    if (terminal) putchar('\n');
    return status;
}

int main(void)
{
    const char *service = "tg";
    const char *country = "22"; /* India: the service's country codes are not calling codes */
    sastaotp_client *client = NULL;
    sastaotp_number_request *request = NULL;
    sastaotp_lease *lease = NULL;
    sastaotp_sms *sms = NULL;
    sastaotp_settlement *settlement = NULL;
    sastaotp_error *error = NULL;
    int exit_code = 1;

    if (sastaotp_client_from_env(&client, &error) != SASTAOTP_OK) goto end;
    if (!print_balance(client, &error)) goto end;

    int64_t price = 0;
    bool found = false;
    if (!find_price(client, service, country, &price, &found, &error)) goto end;
    if (!found) {
        fprintf(stderr, "%s is not sold in country %s\n", service, country);
        goto end;
    }
    print_rupees("price", price);

    if (sastaotp_number_request_new(service, &request, &error) != SASTAOTP_OK) goto end;
    if (sastaotp_number_request_set_country(request, country, &error) != SASTAOTP_OK) goto end;
    /* If the price has risen meanwhile, the purchase is refused and costs nothing. */
    if (sastaotp_number_request_set_max_price(request, price, &error) != SASTAOTP_OK) goto end;
    /* sastaotp_lease_free settles the order, so no number stays open if anything below fails. */
    if (sastaotp_client_lease(client, request, &lease, &error) != SASTAOTP_OK) goto end;
    const sastaotp_activation *number = sastaotp_lease_activation(lease);
    printf("number    %s\n", sastaotp_activation_phone_number(number));

    if (wait_with_progress(number, &sms, &error) != SASTAOTP_OK) goto end;
    const char *text = sastaotp_sms_text(sms);
    printf("code      %s\n", sastaotp_sms_code(sms));
    printf("SMS       %s\n", text != NULL ? text : "the service gave no text");

    if (sastaotp_lease_close(lease, SASTAOTP_ON_TOO_EARLY_WAIT, &settlement, &error) != SASTAOTP_OK)
        goto end;
    bool completed = sastaotp_settlement_state(settlement) == SASTAOTP_SETTLED_COMPLETED;
    printf("settled   %s\n", completed ? "completed" : sastaotp_settlement_json(settlement));
    if (!print_balance(client, &error)) goto end;
    exit_code = 0;

end:
    if (error != NULL) fprintf(stderr, "%s\n", sastaotp_error_message(error));
    sastaotp_error_free(error);
    sastaotp_settlement_free(settlement);
    sastaotp_sms_free(sms);
    sastaotp_lease_free(lease);
    sastaotp_number_request_free(request);
    sastaotp_client_free(client);
    return exit_code;
}
