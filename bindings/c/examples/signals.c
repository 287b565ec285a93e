/*
 * Buys a number and waits for its code. Ctrl-C ends the wait and cancels the order for the refund.
 *
 *     SASTAOTP_API_KEY=... signals [SERVICE]
 *
 * With a real key IT SPENDS MONEY. The default service is zz_never, which only the sandbox sells
 * and whose code never arrives.
 */
#define _POSIX_C_SOURCE 200809L /* sigaction */
#include <sastaotp.h>
#include <signal.h>
#include <stdio.h>

enum { MAX_WAIT_MS = 300000, END_MS = 10000 };

/* Set before the handler is installed, and freed after it is removed. */
static sastaotp_cancel_token *interrupted;

/* sastaotp_cancel_token_trigger is the only function that a signal handler may call. */
static void on_signal(int signal_number)
{
    (void)signal_number;
    sastaotp_cancel_token_trigger(interrupted);
}

static void handle_signals(void (*handler)(int))
{
#ifdef _WIN32 /* the handler runs in a thread of its own */
    signal(SIGINT, handler);
    signal(SIGBREAK, handler);
#else
    struct sigaction action = {0};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
#endif
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

/* Completes the order if a code arrived; otherwise cancels it, even after Ctrl-C. */
static bool settle(sastaotp_lease *lease, sastaotp_error **error)
{
    sastaotp_settlement *settlement = NULL;
    if (sastaotp_lease_close(lease, SASTAOTP_ON_TOO_EARLY_WAIT, &settlement, error) != SASTAOTP_OK)
        return false;
    printf("settled   %s\n", state_of(settlement));
    sastaotp_settlement_free(settlement);
    return true;
}

/* Waits for a purchase in flight and prints each purchase that is not settled. */
static void print_unsettled(const sastaotp_client *client)
{
    sastaotp_unclaimed_list *list = NULL;
    if (sastaotp_client_finish(client, END_MS, &list, NULL) != SASTAOTP_OK) return;
    for (size_t i = 0; i < sastaotp_unclaimed_list_count(list); i++)
        fprintf(stderr, "%s\n", sastaotp_unclaimed_message(sastaotp_unclaimed_list_get(list, i)));
    sastaotp_unclaimed_list_free(list);
}

int main(int argc, char **argv)
{
    sastaotp_client *plain = NULL;
    sastaotp_client *client = NULL; /* its calls end when the token is triggered */
    sastaotp_lease *lease = NULL;
    sastaotp_sms *sms = NULL;
    sastaotp_error *error = NULL;
    int exit_code = 1;

    sastaotp_number_request request = SASTAOTP_NUMBER_REQUEST_INIT;
    request.service = argc > 1 ? argv[1] : "zz_never";
    request.country = "22";
    request.max_price_micros = 80 * SASTAOTP_RUPEE;

    interrupted = sastaotp_cancel_token_new();
    handle_signals(on_signal);
    if (sastaotp_client_from_env(&plain, &error) != SASTAOTP_OK) goto end;
    if (sastaotp_client_with(plain, interrupted, 0, &client, &error) != SASTAOTP_OK) goto end;
    if (sastaotp_client_lease(client, &request, &lease, &error) != SASTAOTP_OK) goto end;
    const sastaotp_activation *number = sastaotp_lease_activation(lease);
    printf("number    %s\n", sastaotp_activation_phone_number(number));
    printf("waiting   press Ctrl-C to cancel\n");
    fflush(stdout);

    if (sastaotp_activation_wait_for_code(number, MAX_WAIT_MS, NULL, &sms, &error) == SASTAOTP_OK) {
        printf("code      %s\n", sastaotp_sms_code(sms));
    } else {
        printf("no code   %s\n", sastaotp_error_message(error));
        sastaotp_error_free(error);
        error = NULL;
    }
    if (settle(lease, &error)) exit_code = sms != NULL ? 0 : 1;

end:
    if (error != NULL) fprintf(stderr, "%s\n", sastaotp_error_message(error));
    sastaotp_error_free(error);
    sastaotp_sms_free(sms);
    sastaotp_lease_free(lease);
    if (plain != NULL) print_unsettled(plain);
    sastaotp_client_free(client);
    sastaotp_client_free(plain);
    handle_signals(SIG_DFL);
    sastaotp_cancel_token_free(interrupted);
    return exit_code;
}
