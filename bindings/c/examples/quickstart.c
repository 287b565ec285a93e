/*
 * Buys a number, waits for its code, and completes the order.
 *
 *     SASTAOTP_API_KEY=... quickstart
 *
 * With a real key IT SPENDS MONEY. Set SASTAOTP_BASE_URL to use another server, such as
 * sastaotp-sandbox, which accepts any key and costs nothing.
 */
#include <sastaotp.h>
#include <stdio.h>

enum { MAX_WAIT_MS = 300000, END_MS = 10000 };

/* Prints each purchase that is not settled, such as one that could not be cancelled. */
static void print_unsettled(const sastaotp_client *client)
{
    sastaotp_unclaimed_list *list = NULL;
    if (sastaotp_client_finish(client, END_MS, &list, NULL) != SASTAOTP_OK) return;
    for (size_t i = 0; i < sastaotp_unclaimed_list_count(list); i++)
        fprintf(stderr, "%s\n", sastaotp_unclaimed_message(sastaotp_unclaimed_list_get(list, i)));
    sastaotp_unclaimed_list_free(list);
}

int main(void)
{
    sastaotp_client *client = NULL;
    sastaotp_lease *lease = NULL;
    sastaotp_sms *sms = NULL;
    sastaotp_error *error = NULL;
    int exit_code = 1;

    sastaotp_number_request request = SASTAOTP_NUMBER_REQUEST_INIT;
    request.service = "tg";
    request.country = "22"; /* India: the service's country codes are not calling codes */
    request.max_price_micros = 80 * SASTAOTP_RUPEE;

    if (sastaotp_client_from_env(&client, &error) != SASTAOTP_OK) goto end;
    /* sastaotp_lease_free settles the order, so no number stays open if anything below fails. */
    if (sastaotp_client_lease(client, &request, &lease, &error) != SASTAOTP_OK) goto end;
    const sastaotp_activation *number = sastaotp_lease_activation(lease);
    printf("number    %s\n", sastaotp_activation_phone_number(number));
    int64_t price = 0;
    char rupees[32] = "?";
    if (sastaotp_activation_price_micros(number, &price))
        sastaotp_amount_format(price, rupees, sizeof rupees);
    printf("price     %s\n", rupees);
    fflush(stdout);

    if (sastaotp_activation_wait_for_code(number, MAX_WAIT_MS, NULL, &sms, &error) != SASTAOTP_OK)
        goto end;
    const char *text = sastaotp_sms_text(sms, NULL);
    printf("code      %s\n", sastaotp_sms_code(sms));
    printf("SMS       %s\n", text != NULL ? text : "the service gave no text");
    exit_code = 0;

end:
    if (error != NULL) fprintf(stderr, "%s\n", sastaotp_error_message(error));
    sastaotp_error_free(error);
    sastaotp_sms_free(sms);
    sastaotp_lease_free(lease); /* completes the order; without a code, cancels it for the refund */
    if (client != NULL) print_unsettled(client);
    sastaotp_client_free(client);
    return exit_code;
}
