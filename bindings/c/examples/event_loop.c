/*
 * Buys many numbers at once, waits for their codes and settles them, in one thread with an event
 * loop.
 *
 *     SASTAOTP_API_KEY=... event_loop [COUNT [SERVICE]]
 *
 * The default is 1,000 numbers of zz_multi, which only the sandbox sells. With a real key and
 * service IT SPENDS MONEY: COUNT numbers in India for at most 80 rupees each.
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

enum { BATCH = 64, BUCKETS = 4096, ID_SIZE = 65, MAX_WAIT_MS = 300000, END_MS = 10000 };

/* The steps of one number, in order. */
enum step { BUY, WAIT, SETTLE, STEPS };

/* An operation in flight. Tickets are looked up, because with several queues they are not
 * consecutive. */
struct job {
    struct job *next;
    uint64_t ticket;
    enum step step;
    char id[ID_SIZE];
};

struct state {
    sastaotp_queue *queue;
    struct job *jobs[BUCKETS];
    size_t open, done[STEPS], failed[STEPS];
    int max_threads;
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

static bool begin(struct state *state, enum step step, const char *id, const char *operation,
                  sastaotp_error **error)
{
    struct job *job = allocate(sizeof *job);
    if (sastaotp_queue_submit(state->queue, operation, &job->ticket, error) != SASTAOTP_OK) {
        free(job);
        return false;
    }
    struct job **bucket = &state->jobs[job->ticket % BUCKETS];
    job->next = *bucket;
    job->step = step;
    snprintf(job->id, sizeof job->id, "%s", id);
    *bucket = job;
    state->open++;
    return true;
}

/* Removes the job of a ticket from the table; the caller frees it. */
static struct job *remove_job(struct state *state, uint64_t ticket)
{
    struct job **at = &state->jobs[ticket % BUCKETS];
    while ((*at)->ticket != ticket) at = &(*at)->next;
    struct job *job = *at;
    *at = job->next;
    state->open--;
    return job;
}

/* Needs no escaping: main checks the service, and an id is letters, digits and "_.:-". */
static bool buy(struct state *state, const char *service, sastaotp_error **error)
{
    char operation[256];
    snprintf(operation, sizeof operation,
             "{\"op\":\"get_number\",\"service\":\"%s\",\"country\":\"22\",\"max_price\":\"80\"}",
             service);
    return begin(state, BUY, "", operation, error);
}

static bool wait_for_code(struct state *state, const char *id, sastaotp_error **error)
{
    char operation[256];
    snprintf(operation, sizeof operation,
             "{\"op\":\"wait_for_code\",\"id\":\"%s\",\"timeout_ms\":%d}", id, MAX_WAIT_MS);
    return begin(state, WAIT, id, operation, error);
}

/* Completes the order if a code arrived; otherwise cancels it for the refund, once that is allowed.
 */
static bool settle(struct state *state, const char *id, sastaotp_error **error)
{
    char operation[256];
    snprintf(operation, sizeof operation,
             "{\"op\":\"settle\",\"id\":\"%s\",\"on_too_early\":\"wait\"}", id);
    return begin(state, SETTLE, id, operation, error);
}

/* Reads the id of a bought number, the first member of its JSON. A real program uses a JSON
 * library. */
static bool read_id(const char *json, char id[ID_SIZE])
{
    const char *at = strstr(json, "\"id\":\"");
    return at != NULL && sscanf(at, "\"id\":\"%64[^\"]\"", id) == 1;
}

/* Counts a completion and starts the next step of its number. */
static bool next_step(struct state *state, const sastaotp_completion *completion,
                      sastaotp_error **error)
{
    static const char *const NAMES[STEPS] = {"buying", "waiting", "settling"};
    struct job *job = remove_job(state, sastaotp_completion_ticket(completion));
    const char *json =
        sastaotp_completion_json(completion); /* contains "code" and "text" if a code arrived */
    bool ok = true;
    if (json == NULL) {
        const sastaotp_error *failure = sastaotp_completion_error(completion);
        fprintf(stderr, "%s %s: %s\n", NAMES[job->step], job->id, sastaotp_error_message(failure));
        if (sastaotp_error_charge(failure) == SASTAOTP_CHARGE_UNKNOWN) {
            fprintf(stderr, "it may have been bought: reconcile %s\n",
                    sastaotp_intent_json(sastaotp_error_intent(failure)));
        }
        state->failed[job->step]++;
    } else {
        state->done[job->step]++;
    }
    if (job->step == BUY && json != NULL) {
        ok = read_id(json, job->id) && wait_for_code(state, job->id, error);
    } else if (job->step == WAIT) {
        /* Even without a code, because an open order is not refunded. */
        ok = settle(state, job->id, error);
    }
    free(job);
    return ok;
}

/* Takes finished operations without waiting. */
static bool take(struct state *state, sastaotp_error **error)
{
    sastaotp_completion *completions[BATCH];
    size_t count = 0;
    bool ok =
        sastaotp_queue_take(state->queue, completions, BATCH, 0, &count, error) == SASTAOTP_OK;
    for (size_t i = 0; i < count; i++) {
        ok = ok && next_step(state, completions[i], error);
        sastaotp_completion_free(completions[i]);
    }
    return ok;
}

static void count_threads(struct state *state)
{
    char line[256];
    int threads = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "Threads: %d", &threads) == 1) break;
    }
    if (status != NULL) fclose(status);
    if (threads > state->max_threads) state->max_threads = threads;
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

/* The event loop. The queue is one file descriptor among others, here a clock. */
static bool run(struct state *state, int loop, int clock, sastaotp_error **error)
{
    int queue = sastaotp_queue_fd(state->queue);
    while (state->open > 0) {
        struct epoll_event events[2];
        int ready = epoll_wait(loop, events, 2, -1);
        if (ready < 0 && errno != EINTR) {
            perror("epoll_wait");
            return false;
        }
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == queue) {
                /* The descriptor stays readable while completions remain. */
                if (!take(state, error)) return false;
                continue;
            }
            uint64_t ticks;
            if (read(clock, &ticks, sizeof ticks) == sizeof ticks) {
                fprintf(stderr, "bought %zu, codes %zu, settled %zu\n", state->done[BUY],
                        state->done[WAIT], state->done[SETTLE]);
            }
        }
        count_threads(state);
    }
    return true;
}

/* Waits for purchases in flight and prints the numbers that the program leaves behind. */
static void print_unsettled(const sastaotp_queue *queue)
{
    sastaotp_unclaimed_list *list = NULL;
    if (queue == NULL || sastaotp_queue_close(queue, END_MS, &list, NULL) != SASTAOTP_OK) return;
    for (size_t i = 0; i < sastaotp_unclaimed_list_count(list); i++)
        fprintf(stderr, "%s\n", sastaotp_unclaimed_message(sastaotp_unclaimed_list_get(list, i)));
    sastaotp_unclaimed_list_free(list);
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
    const char *service = argc > 2 ? argv[2] : "zz_multi";
    if (argc > 3 || count < 1 || count > 100000 ||
        service[strspn(service, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0') {
        fprintf(stderr, "usage: %s [COUNT [SERVICE]], such as 1000 zz_multi with the sandbox\n",
                argv[0]);
        return 2;
    }
    struct state state = {.queue = NULL};
    sastaotp_client *client = NULL;
    sastaotp_error *error = NULL;
    int exit_code = 1;
    double begun = seconds();
    int loop = epoll_create1(EPOLL_CLOEXEC);
    int clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct itimerspec every_second = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 1}};

    if (loop < 0 || clock < 0 || timerfd_settime(clock, 0, &every_second, NULL) != 0 ||
        !watch(loop, clock)) {
        perror("creating an event loop");
        goto end;
    }
    if (sastaotp_client_from_env(&client, &error) != SASTAOTP_OK) goto end;
    if (sastaotp_queue_new(client, &state.queue, &error) != SASTAOTP_OK) goto end;
    if (!watch(loop, sastaotp_queue_fd(state.queue))) {
        perror("watching the queue");
        goto end;
    }
    for (long i = 0; i < count; i++) {
        if (!buy(&state, service, &error)) goto end;
    }
    if (!run(&state, loop, clock, &error)) goto end;
    printf("%zu bought, %zu codes, %zu settled in %.1f s, with %d threads at most\n",
           state.done[BUY], state.done[WAIT], state.done[SETTLE], seconds() - begun,
           state.max_threads);
    exit_code = state.failed[BUY] + state.failed[WAIT] + state.failed[SETTLE] > 0;

end:
    if (error != NULL) fprintf(stderr, "%s\n", sastaotp_error_message(error));
    sastaotp_error_free(error);
    for (size_t i = 0; i < BUCKETS; i++) {
        while (state.jobs[i] != NULL) free(remove_job(&state, state.jobs[i]->ticket));
    }
    /* Before the queue, because the loop watches its descriptor. */
    if (loop >= 0) close(loop);
    print_unsettled(state.queue);
    sastaotp_queue_free(state.queue);
    sastaotp_client_free(client);
    if (clock >= 0) close(clock);
    return exit_code;
}
