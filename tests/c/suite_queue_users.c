/* Completions return the pointer of their submitter, however many threads submit. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>

#include "check.h"
#include "atomic_counter.h"
#include "milliseconds.h"
#include "queue_calls.h"
#include "sandbox.h"
#include "suite.h"

enum { SUBMITTERS = 8, FEW = 20000, MOST_OPEN = 4000, BATCH = 64 };

/* The target of a user pointer: its ticket, and how often it was completed. */
typedef struct place {
    uint64_t ticket;
    unsigned completions;
} place;

typedef struct submitter {
    const sastaotp_queue *queue;
    place *places;
    long first, count;
    const sastaotp_intent *intent;
} submitter;

static counter submitted_count = COUNTER, taken_count = COUNTER;

/* Submits one operation, in a way that depends on `at`. */
static void submit_one(const submitter *own, long at) {
    static const char *const local[] = {"{\"op\":\"budget_left\"}", "{\"op\":\"unclaimed\"}"};
    sastaotp_error *error = NULL;
    place *user = &own->places[at];
    char id[32];
    snprintf(id, sizeof id, "unknown_%ld", own->first + at);
    /* A ticket is optional. */
    uint64_t *ticket = at % 3 ? &user->ticket : NULL;
    switch (at % 512) {
        case 0:
            WORKS(sastaotp_queue_submit_wait_for_code(own->queue, id, 0, NULL, user, ticket,
                                                      &error));
            break;
        case 1:
            WORKS(sastaotp_queue_submit_settle(own->queue, id, SASTAOTP_ON_TOO_EARLY_FAIL, user,
                                               ticket, &error));
            break;
        case 2:
            WORKS(sastaotp_queue_submit_request_next_code(own->queue, id, user, ticket, &error));
            break;
        case 3:
            WORKS(sastaotp_queue_submit_buy(own->queue, own->intent, user, ticket, &error));
            break;
        default: WORKS(sastaotp_queue_submit(own->queue, local[at % 2], user, ticket, &error));
    }
}

static void *submit_all(void *argument) {
    const submitter *own = argument;
    for (long at = 0; at < own->count; at++) {
        while (counter_add(&submitted_count, 0) - counter_add(&taken_count, 0) > MOST_OPEN) {
            sleep_ms(1);
        }
        counter_add(&submitted_count, 1);
        submit_one(own, at);
    }
    return NULL;
}

/* Takes completions until all have arrived, and notes each in the place of its user pointer. */
static void take_all(const sastaotp_queue *queue, long all) {
    sastaotp_error *error = NULL;
    long long begun = now_ms();
    for (long total = 0; total < all;) {
        sastaotp_completion *some[BATCH];
        size_t count = 0;
        WORKS(sastaotp_queue_take(queue, some, BATCH, SOON_MS, &count, &error));
        CHECK(count > 0);
        for (size_t at = 0; at < count; at++) {
            place *user = sastaotp_completion_user(some[at]);
            user->completions++;
            /* The submitter may not have its ticket yet, and needs none. */
            CHECK(sastaotp_completion_ticket(some[at]) != 0);
            sastaotp_completion_free(some[at]);
        }
        total += (long)count;
        counter_add(&taken_count, (long long)count);
    }
    printf("suite: %ld completions of 8 submitters reached their user pointers in %lld ms\n", all,
           now_ms() - begun);
}

void completions_reach_their_user_pointers(void) {
    const char *set = getenv("SASTAOTP_OPERATIONS");
    long each = (set ? strtol(set, NULL, 10) : FEW) / SUBMITTERS;
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = queue_of(client);
    sastaotp_number_request request = sandbox_request("zz_never");
    sastaotp_intent *intent = NULL;
    sastaotp_activation *number = NULL;
    WORKS(sastaotp_client_intend(client, &request, &intent, &error));
    WORKS(sastaotp_client_buy(client, intent, &number, &error));
    place *places = calloc((size_t)each * SUBMITTERS, sizeof *places);
    CHECK(each > 0 && places != NULL);
    submitter submitters[SUBMITTERS];
    pthread_t running[SUBMITTERS];
    for (int at = 0; at < SUBMITTERS; at++) {
        submitters[at] = (submitter){queue, places + at * each, at * each, each, intent};
        CHECK_INT(pthread_create(&running[at], NULL, submit_all, &submitters[at]), 0);
    }
    take_all(queue, each * SUBMITTERS);
    for (int at = 0; at < SUBMITTERS; at++) CHECK_INT(pthread_join(running[at], NULL), 0);
    for (long at = 0; at < each * SUBMITTERS; at++) {
        CHECK_INT(places[at].completions, 1);
        CHECK((places[at].ticket == 0) == (at % each % 3 == 0));
    }
    free(places);
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_activation_cancel(number, &settlement, &error));
    sastaotp_settlement_free(settlement);
    sastaotp_activation_free(number);
    sastaotp_intent_free(intent);
    queue_end(queue);
    sastaotp_client_free(client);
    sandbox_do("assert", "{\"charges\":1,\"refunds\":1}");
}
