/*
 * Buys many numbers at once, waits for their codes and settles them, in one thread with an event
 * loop.
 *
 *     SASTAOTP_API_KEY=... event_loop [COUNT [SERVICE]]
 *
 * On Windows, link with ws2_32.
 *
 * The default is 1,000 numbers of zz_multi, which only the sandbox sells. They cost 10,000 rupees:
 * use the sandbox's key sandbox_rich, whose wallet has 100,000. With a real key and service IT
 * SPENDS MONEY: COUNT numbers in India, at most 10,000 of them, for at most 80 rupees each.
 */
#include <sastaotp.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef _WIN32
#include <winsock2.h>
#define poll WSAPoll
typedef SOCKET descriptor;
#else
#include <poll.h>
typedef int descriptor;
#endif

enum { BATCH = 64, MAX_NUMBERS = 10000, MAX_WAIT_MS = 300000, TICK_MS = 1000, END_MS = 10000 };
enum step { BUY, WAIT, SETTLE, STEPS };

/* The user pointer of each operation points to one of these. */
static struct number {
    enum step step;
    sastaotp_completion *purchase; /* has the id, the phone number and the price */
} numbers[MAX_NUMBERS];

static size_t open_numbers, done[STEPS];

/* Starts the next step of the number whose operation has finished. */
static void finish(const sastaotp_queue *queue, sastaotp_completion *completion)
{
    struct number *number = sastaotp_completion_user(completion);
    const sastaotp_error *error = sastaotp_completion_error(completion);
    enum step step = number->step++;
    bool goes_on = false;

    if (error == NULL) done[step]++;
    if (error != NULL) fprintf(stderr, "%s\n", sastaotp_error_message(error));
    if (step == BUY) number->purchase = completion;
    const char *id = sastaotp_activation_id(sastaotp_completion_activation(number->purchase));
    if (step == BUY && error == NULL)
        goes_on = sastaotp_queue_submit_wait_for_code(queue, id, MAX_WAIT_MS, NULL, number, NULL,
                                                      NULL) == SASTAOTP_OK;
    if (step == WAIT) /* even without a code: then it cancels the order for the refund */
        goes_on = sastaotp_queue_submit_settle(queue, id, SASTAOTP_ON_TOO_EARLY_WAIT, number, NULL,
                                               NULL) == SASTAOTP_OK;
    if (!goes_on) open_numbers--;
    if (step != BUY) sastaotp_completion_free(completion);
}

static void print_progress(FILE *file)
{
    fprintf(file, "%zu bought, %zu codes, %zu settled\n", done[BUY], done[WAIT], done[SETTLE]);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    if (count > MAX_NUMBERS) count = MAX_NUMBERS;
    sastaotp_number_request request = SASTAOTP_NUMBER_REQUEST_INIT;
    request.service = argc > 2 ? argv[2] : "zz_multi";
    request.country = "22";
    request.max_price_micros = 80 * SASTAOTP_RUPEE;
    sastaotp_client *client = NULL;
    sastaotp_queue *queue = NULL;
    sastaotp_unclaimed_list *unsettled = NULL;
    sastaotp_error *error = NULL;
    struct pollfd loop[1] = {{.events = POLLIN}}; /* a program adds its other descriptors */

    if (sastaotp_client_from_env(&client, &error) != SASTAOTP_OK) goto end;
    if (sastaotp_queue_new(client, 0, &queue, &error) != SASTAOTP_OK) goto end;
    loop[0].fd = (descriptor)sastaotp_queue_fd(queue);
    for (; open_numbers < count; open_numbers++) {
        struct number *number = &numbers[open_numbers];
        if (sastaotp_queue_submit_get_number(queue, &request, number, NULL, &error) != SASTAOTP_OK)
            goto end;
    }
    while (open_numbers > 0) {
        sastaotp_completion *completions[BATCH];
        size_t taken = 0;
        if (poll(loop, 1, TICK_MS) == 0) print_progress(stderr);
        if (sastaotp_queue_take(queue, completions, BATCH, 0, &taken, &error) != SASTAOTP_OK)
            goto end;
        for (size_t i = 0; i < taken; i++) finish(queue, completions[i]);
    }
    print_progress(stdout);

end:
    if (error != NULL) fprintf(stderr, "%s\n", sastaotp_error_message(error));
    sastaotp_error_free(error);
    if (queue != NULL && sastaotp_queue_close(queue, END_MS, &unsettled, NULL) != SASTAOTP_OK)
        fprintf(stderr, "closing the queue failed\n");
    for (size_t i = 0; i < sastaotp_unclaimed_list_count(unsettled); i++)
        fprintf(stderr, "%s\n",
                sastaotp_unclaimed_message(sastaotp_unclaimed_list_get(unsettled, i)));
    sastaotp_unclaimed_list_free(unsettled);
    for (size_t i = 0; i < MAX_NUMBERS; i++) sastaotp_completion_free(numbers[i].purchase);
    sastaotp_queue_free(queue);
    sastaotp_client_free(client);
    return done[SETTLE] == count ? 0 : 1;
}
