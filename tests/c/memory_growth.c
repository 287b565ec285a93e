/*
 * Measures memory growth: of objects that are created and freed a million times, of purchases, and
 * of operations of a queue.
 *
 *     growth URL [PURCHASES [OBJECTS [OPERATIONS]]]    default: 2,000, 1,000,000 and 100,000
 *
 * Memory is measured after a warm-up. The ledger of an API key remembers up to 32,768 purchases and
 * activations (src/client/ledger.rs), and a process the ledgers of 64 keys (src/client/account.rs).
 * Therefore fewer than 100,000 purchases use one key and one client for each twenty; more use a
 * single client. Its ledger, or the table of ledgers, is full before the measurement.
 */
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>

#include "check.h"
#include "queue_calls.h"
#include "sandbox.h"

enum { LIMIT_KIB = 1024, REMEMBERED = 2 * 16384, BATCH = 20, FULL_BATCH = 10000, LEDGERS = 64 };

/* Returns the resident memory in KiB. */
static long resident_kib(void) {
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "VmRSS: %ld kB", &kib) == 1) break;
    }
    fclose(status);
    CHECK(kib > 0);
    return kib;
}

static int open_files(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

static char intent_json[512];

static void make_client(void) {
    sastaotp_client *object = NULL;
    sastaotp_config config = sandbox_config();
    CHECK_INT(sastaotp_client_new(&config, &object, NULL), SASTAOTP_OK);
    sastaotp_client_free(object);
}

static void make_error(void) {
    sastaotp_error *object = NULL;
    CHECK_INT(sastaotp_client_new(NULL, &(sastaotp_client *){NULL}, &object),
              SASTAOTP_ERROR_CONFIG);
    CHECK(sastaotp_error_message(object) != NULL && sastaotp_error_hint(object) != NULL &&
          sastaotp_error_json(object) != NULL);
    sastaotp_error_free(object);
}

static void make_cancel(void) {
    sastaotp_cancel_token *object = sastaotp_cancel_token_new();
    sastaotp_cancel_token_trigger(object);
    sastaotp_cancel_token_free(object);
}

static void make_intent(void) {
    sastaotp_intent *object = NULL;
    CHECK_INT(sastaotp_intent_from_json(intent_json, &object, NULL), SASTAOTP_OK);
    CHECK(sastaotp_intent_service(object) != NULL && sastaotp_intent_country(object) != NULL);
    sastaotp_intent_free(object);
}

static sastaotp_client *client_of_objects;

static void make_handle(void) {
    sastaotp_client *object = NULL;
    CHECK_INT(sastaotp_client_with(client_of_objects, NULL, 1000, &object, NULL), SASTAOTP_OK);
    sastaotp_client_free(object);
}

/* Has no operation, so no thread; each queue has its own file descriptor. */
static void make_queue(void) {
    sastaotp_queue *object = NULL;
    CHECK_INT(sastaotp_queue_new(client_of_objects, 0, &object, NULL), SASTAOTP_OK);
    CHECK(sastaotp_queue_fd(object) >= 0);
    sastaotp_queue_free(object);
}

static const struct {
    const char *name;
    void (*make)(void);
} kinds[] = {
    {"client", make_client}, {"handle", make_handle}, {"error", make_error},
    {"cancel", make_cancel}, {"intent", make_intent}, {"queue", make_queue},
};

static void objects(long count) {
    sastaotp_error *error = NULL;
    sandbox_begin("growth_objects");
    sastaotp_client *client = sandbox_client();
    sastaotp_number_request request = sandbox_request("tg");
    sastaotp_intent *intent = NULL;
    WORKS(sastaotp_client_intend(client, &request, &intent, &error));
    snprintf(intent_json, sizeof intent_json, "%s", sastaotp_intent_json(intent));
    sastaotp_intent_free(intent);
    client_of_objects = client;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        for (long at = 0; at < count / 100 + 1; at++) kinds[kind].make();
        long before = resident_kib();
        for (long at = 0; at < count; at++) kinds[kind].make();
        long grown = resident_kib() - before;
        printf("growth: %ld x %s: %+ld KiB\n", count, kinds[kind].name, grown);
        CHECK(grown < LIMIT_KIB);
    }
    sastaotp_client_free(client);
}

/* Submits `count` operations to one queue; takes half of the completions and joins the others. */
static void submit_and_take(const sastaotp_queue *queue, long count) {
    for (long at = 0; at < count; at++) {
        sastaotp_completion *completion = NULL;
        uint64_t ticket = 0;
        size_t taken = 1;
        CHECK_INT(sastaotp_queue_submit(queue, "{\"op\":\"unclaimed\"}", NULL, &ticket, NULL),
                  SASTAOTP_OK);
        if (at % 2) {
            CHECK_INT(sastaotp_queue_take(queue, &completion, 1, 10000, &taken, NULL), SASTAOTP_OK);
        } else {
            CHECK_INT(sastaotp_queue_join(queue, ticket, 10000, &completion, NULL), SASTAOTP_OK);
        }
        CHECK(taken == 1 && sastaotp_completion_ticket(completion) == ticket);
        CHECK(sastaotp_completion_json(completion) != NULL);
        sastaotp_completion_free(completion);
    }
}

static void operations(long count) {
    sastaotp_error *error = NULL;
    sandbox_begin("growth_operations");
    sastaotp_client *client = sandbox_client();
    sastaotp_queue *queue = NULL;
    WORKS(sastaotp_queue_new(client, 0, &queue, &error));
    submit_and_take(queue, count / 10 + 1);
    long before = resident_kib();
    int files = open_files();
    submit_and_take(queue, count);
    long grown = resident_kib() - before;
    printf("growth: %ld operations through one queue: %+ld KiB\n", count, grown);
    CHECK(grown < LIMIT_KIB);
    queue_end(queue);
    sastaotp_client_free(client);
    CHECK(open_files() < files);
}

/* Buys one number and, in turn, waits for its code, cancels it, or leases it. */
static void buy_one(const sastaotp_client *client, const sastaotp_number_request requests[2],
                    long turn) {
    sastaotp_error *error = NULL;
    sastaotp_settlement *settlement = NULL;
    if (turn % 3 == 2) {
        sastaotp_lease *lease = NULL;
        WORKS(sastaotp_client_lease(client, &requests[1], &lease, &error));
        sastaotp_lease_free(lease);
        return;
    }
    sastaotp_activation *number = NULL;
    WORKS(sastaotp_client_get_number(client, &requests[turn % 3], &number, &error));
    CHECK(sastaotp_activation_phone_number(number) != NULL);
    CHECK(sastaotp_purchase_json(sastaotp_activation_purchase(number)) != NULL);
    if (turn % 3 == 0) {
        sastaotp_sms *sms = NULL;
        WORKS(sastaotp_activation_wait_for_code(number, 10000, NULL, &sms, &error));
        CHECK(sastaotp_sms_code(sms) != NULL && sastaotp_sms_json(sms) != NULL);
        sastaotp_sms_free(sms);
    }
    WORKS(sastaotp_activation_settle(number, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error));
    CHECK(sastaotp_settlement_json(settlement) != NULL);
    sastaotp_settlement_free(settlement);
    sastaotp_activation_free(number);
}

/* Resets the sandbox, with ids that it has not used before, for one key or for the batch's own. */
static void reset_sandbox(long batch, int one_key) {
    char seed[128], key[64];
    snprintf(key, sizeof key, "growth_purchases_%ld", one_key ? 0 : batch);
    sandbox_begin(key);
    snprintf(seed, sizeof seed, "{\"wallet\":\"1000000\",\"rng\":%ld}", batch + 1);
    sandbox_do("seed", seed);
}

static void purchases(long count) {
    int one_client = count >= 100000;
    long batch = one_client ? FULL_BATCH : BATCH;
    long warm_up = one_client ? REMEMBERED + 1000 : 2 * LEDGERS * BATCH;
    long before = 0, files = 0;
    sandbox_begin("growth_purchases");
    const sastaotp_number_request requests[2] = {sandbox_request("zz_multi"),
                                                 sandbox_request("zz_never")};
    sastaotp_client *client = NULL;
    for (long turn = 0; turn < warm_up + count; turn++) {
        if (turn % batch == 0) {
            reset_sandbox(turn / batch, one_client);
            if (!one_client) {
                sastaotp_client_free(client);
                client = NULL;
            }
        }
        if (turn == warm_up) {
            before = resident_kib();
            files = open_files();
        }
        if (client == NULL) client = sandbox_client();
        buy_one(client, requests, turn);
    }
    if (!one_client) {
        sastaotp_client_free(client);
        client = NULL;
    }
    long grown = resident_kib() - before, more_files = open_files() - files;
    printf("growth: %ld purchases, %s: %+ld KiB, %+ld open files\n", count,
           one_client ? "one client that was full before" : "a key for each twenty", grown,
           more_files);
    CHECK(grown < LIMIT_KIB);
    CHECK_INT(more_files, 0);
    sastaotp_client_free(client);
}

int main(int count, char **arguments) {
    CHECK(count >= 2);
    sandbox_open(arguments[1]);
    int files = open_files();
    purchases(count > 2 ? strtol(arguments[2], NULL, 10) : 2000);
    objects(count > 3 ? strtol(arguments[3], NULL, 10) : 1000000);
    operations(count > 4 ? strtol(arguments[4], NULL, 10) : 100000);
    CHECK_INT(open_files(), files);
    printf("growth: %d open files at the start and at the end\n", files);
    return 0;
}
