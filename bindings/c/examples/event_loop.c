/*
 * Buys many numbers at once, waits for their codes and settles them, with one thread of its own: the loop below.
 *
 *     SASTAOTP_API_KEY=... event_loop [COUNT [SERVICE]]
 *
 * 1,000 numbers by default, of zz_multi, which only the sandbox sells. With your key and a service that is sold it spends
 * money: COUNT numbers, in India, for 80 rupees each at most.
 */
#define _GNU_SOURCE /* epoll, timerfd */
#include <errno.h>
#include <inttypes.h>
#include <sastaotp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, BUCKETS = 4096, ID_SIZE = 65, LONGEST_WAIT_MS = 300000 };

/* What is done with a number, one after the other. */
enum step { BUY, WAIT, SETTLE, STEPS };

/* An operation that is under way. Tickets are not in a row where a program has several queues, so they are looked up. */
struct job {
    struct job *next;
    uint64_t ticket;
    enum step step;
    char id[ID_SIZE];
};

struct shop {
    sastaotp_queue *queue;
    struct job *jobs[BUCKETS];
    size_t open, done[STEPS], failed[STEPS];
    int most_threads;
};

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

static bool begin(struct shop *shop, enum step step, const char *id, const char *operation, sastaotp_error **error)
{
    struct job *job = allocate(sizeof *job);
    if (sastaotp_queue_submit(shop->queue, operation, &job->ticket, error) != SASTAOTP_OK) {
        free(job);
        return false;
    }
    struct job **bucket = &shop->jobs[job->ticket % BUCKETS];
    job->next = *bucket;
    job->step = step;
    snprintf(job->id, sizeof job->id, "%s", id);
    *bucket = job;
    shop->open++;
    return true;
}

/* Takes the job of a ticket out; the caller frees it. */
static struct job *end(struct shop *shop, uint64_t ticket)
{
    struct job **at = &shop->jobs[ticket % BUCKETS];
    while ((*at)->ticket != ticket) at = &(*at)->next;
    struct job *job = *at;
    *at = job->next;
    shop->open--;
    return job;
}

/* The service is checked by main, and an id is letters, digits and "_.:-": nothing to be escaped. */
static bool buy(struct shop *shop, const char *service, sastaotp_error **error)
{
    char operation[256];
    snprintf(operation, sizeof operation,
             "{\"op\":\"get_number\",\"service\":\"%s\",\"country\":\"22\",\"max_price\":\"80\"}", service);
    return begin(shop, BUY, "", operation, error);
}

static bool wait_for_code(struct shop *shop, const char *id, sastaotp_error **error)
{
    char operation[256];
    snprintf(operation, sizeof operation, "{\"op\":\"wait_for_code\",\"id\":\"%s\",\"timeout_ms\":%d}", id, LONGEST_WAIT_MS);
    return begin(shop, WAIT, id, operation, error);
}

/* Completes the order where a code came, else cancels it for the refund, as soon as that is allowed. */
static bool settle(struct shop *shop, const char *id, sastaotp_error **error)
{
    char operation[256];
    snprintf(operation, sizeof operation, "{\"op\":\"settle\",\"id\":\"%s\",\"wait_out\":true}", id);
    return begin(shop, SETTLE, id, operation, error);
}

/* The id of a number that was bought, the first member of its JSON. A program with more to read has a JSON library. */
static bool read_id(const char *json, char id[ID_SIZE])
{
    const char *at = strstr(json, "\"id\":\"");
    return at != NULL && sscanf(at, "\"id\":\"%64[^\"]\"", id) == 1;
}

/* Goes on with what a completion was about. */
static bool go_on(struct shop *shop, const sastaotp_completion *completion, sastaotp_error **error)
{
    static const char *const NAMES[STEPS] = {"buying", "waiting", "settling"};
    struct job *job = end(shop, sastaotp_completion_ticket(completion));
    const char *json = sastaotp_completion_json(completion); /* a code is in here, as "code" and "text" */
    bool went_on = true;
    if (json == NULL) {
        const sastaotp_error *failure = sastaotp_completion_error(completion);
        fprintf(stderr, "%s %s: %s\n", NAMES[job->step], job->id, sastaotp_error_message(failure));
        if (sastaotp_error_charge(failure) == SASTAOTP_CHARGE_UNKNOWN) {
            fprintf(stderr, "it may have been bought: reconcile %s\n", sastaotp_intent_json(sastaotp_error_intent(failure)));
        }
        shop->failed[job->step]++;
    } else {
        shop->done[job->step]++;
    }
    if (job->step == BUY && json != NULL) {
        went_on = read_id(json, job->id) && wait_for_code(shop, job->id, error);
    } else if (job->step == WAIT) {
        /* Without a code too: an order that is left open is not refunded. */
        went_on = settle(shop, job->id, error);
    }
    free(job);
    return went_on;
}

/* Takes what is finished, without waiting. */
static bool take(struct shop *shop, sastaotp_error **error)
{
    sastaotp_completion *completions[BATCH];
    size_t count = 0;
    bool went_on = sastaotp_queue_take(shop->queue, completions, BATCH, 0, &count, error) == SASTAOTP_OK;
    for (size_t i = 0; i < count; i++) {
        went_on = went_on && go_on(shop, completions[i], error);
        sastaotp_completion_free(completions[i]);
    }
    return went_on;
}

static void count_threads(struct shop *shop)
{
    char line[256];
    int threads = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "Threads: %d", &threads) == 1) break;
    }
    if (status != NULL) fclose(status);
    if (threads > shop->most_threads) shop->most_threads = threads;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool watch(int loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* The event loop: the queue is one descriptor among others, here among a clock. */
static bool run(struct shop *shop, int loop, int clock, sastaotp_error **error)
{
    int queue = sastaotp_queue_fd(shop->queue);
    while (shop->open > 0) {
        struct epoll_event events[2];
        int ready = epoll_wait(loop, events, 2, -1);
        if (ready < 0 && errno != EINTR) {
            perror("epoll_wait");
            return false;
        }
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == queue) {
                /* The descriptor stays readable while there is more to take. */
                if (!take(shop, error)) return false;
                continue;
            }
            uint64_t ticks;
            if (read(clock, &ticks, sizeof ticks) == sizeof ticks) {
                fprintf(stderr, "bought %zu, codes %zu, settled %zu\n", shop->done[BUY], shop->done[WAIT], shop->done[SETTLE]);
            }
        }
        count_threads(shop);
    }
    return true;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
    const char *service = argc > 2 ? argv[2] : "zz_multi";
    if (argc > 3 || count < 1 || count > 100000 || service[strspn(service, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0') {
        fprintf(stderr, "usage: %s [COUNT [SERVICE]], such as 1000 zz_multi, of the sandbox\n", argv[0]);
        return 2;
    }
    struct shop shop = {.queue = NULL};
    sastaotp_client *client = NULL;
    sastaotp_error *error = NULL;
    int exit_code = 1;
    double begun = seconds();
    int loop = epoll_create1(EPOLL_CLOEXEC);
    int clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct itimerspec every_second = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 1}};

    if (loop < 0 || clock < 0 || timerfd_settime(clock, 0, &every_second, NULL) != 0 || !watch(loop, clock)) {
        perror("making an event loop");
        goto end;
    }
    if (sastaotp_client_from_env(&client, &error) != SASTAOTP_OK) goto end;
    if (sastaotp_queue_new(client, &shop.queue, &error) != SASTAOTP_OK) goto end;
    if (!watch(loop, sastaotp_queue_fd(shop.queue))) {
        perror("watching the queue");
        goto end;
    }
    for (long i = 0; i < count; i++) {
        if (!buy(&shop, service, &error)) goto end;
    }
    if (!run(&shop, loop, clock, &error)) goto end;
    printf("%zu bought, %zu codes, %zu settled in %.1f s, with %d threads at most\n", shop.done[BUY], shop.done[WAIT],
           shop.done[SETTLE], seconds() - begun, shop.most_threads);
    exit_code = shop.failed[BUY] + shop.failed[WAIT] + shop.failed[SETTLE] > 0;

end:
    if (error != NULL) fprintf(stderr, "%s\n", sastaotp_error_message(error));
    sastaotp_error_free(error);
    for (size_t i = 0; i < BUCKETS; i++) {
        while (shop.jobs[i] != NULL) free(end(&shop, shop.jobs[i]->ticket));
    }
    /* Before the queue, whose descriptor it watches. */
    if (loop >= 0) close(loop);
    sastaotp_queue_free(shop.queue);
    sastaotp_client_free(client);
    if (clock >= 0) close(clock);
    return exit_code;
}
