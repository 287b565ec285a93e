/* Exits while a queue waits for codes: its threads are running, and nothing is freed. */
#include <sastaotp.h>
#include <stdio.h>

enum { NUMBERS = 8, SOON_MS = 60000 };

static int fail(const sastaotp_error *error)
{
    fprintf(stderr, "%s\n", sastaotp_error_message(error));
    return 1;
}

int main(void)
{
    sastaotp_client *client = NULL;
    sastaotp_queue *queue = NULL;
    sastaotp_error *error = NULL;
    sastaotp_number_request request = SASTAOTP_NUMBER_REQUEST_INIT;
    request.service = "zz_never";
    request.country = "22";
    request.max_price_micros = 80 * SASTAOTP_RUPEE;

    if (sastaotp_client_from_env(&client, &error) != SASTAOTP_OK) return fail(error);
    if (sastaotp_queue_new(client, 0, &queue, &error) != SASTAOTP_OK) return fail(error);
    if (sastaotp_queue_fd(queue) == -1) return 2;
    for (int i = 0; i < NUMBERS; i++) {
        sastaotp_completion *bought = NULL;
        size_t taken = 0;
        if (sastaotp_queue_submit_get_number(queue, &request, NULL, NULL, &error) != SASTAOTP_OK)
            return fail(error);
        if (sastaotp_queue_take(queue, &bought, 1, SOON_MS, &taken, &error) != SASTAOTP_OK)
            return fail(error);
        if (taken != 1) return 3;
        const sastaotp_error *refusal = sastaotp_completion_error(bought);
        if (refusal != NULL) return fail(refusal);
        const char *id = sastaotp_activation_id(sastaotp_completion_activation(bought));
        if (sastaotp_queue_submit_wait_for_code(queue, id, SOON_MS, NULL, NULL, NULL, &error) !=
            SASTAOTP_OK)
            return fail(error);
        sastaotp_completion_free(bought);
    }
    return sastaotp_queue_open_count(queue) == NUMBERS ? 0 : 4;
}
