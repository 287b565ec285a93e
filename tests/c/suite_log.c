/* The log callback: its messages, its threads, and the end of its use. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>

#include "check.h"
#include "atomic_counter.h"
#include "milliseconds.h"
#include "sandbox.h"
#include "suite.h"

/* The user pointer of a callback. It is freed as soon as the log is off. */
typedef struct listener {
    sastaotp_log_level level;
    counter calls, warnings;
    /* The callback calls it once, unless it is NULL. */
    void (*then)(void *listener);
    const sastaotp_client *client;
    char first_warning[256];
} listener;

static listener *listener_new(sastaotp_log_level level) {
    listener *made = calloc(1, sizeof *made);
    CHECK(made != NULL);
    made->level = level;
    CHECK_INT(pthread_mutex_init(&made->calls.lock, NULL), 0);
    CHECK_INT(pthread_mutex_init(&made->warnings.lock, NULL), 0);
    return made;
}

static void listener_free(listener *one) {
    pthread_mutex_destroy(&one->calls.lock);
    pthread_mutex_destroy(&one->warnings.lock);
    memset(one, 0x55, sizeof *one);
    free(one);
}

static void listen(void *user, sastaotp_log_level level, const char *message) {
    listener *own = user;
    CHECK(level >= SASTAOTP_LOG_ERROR && level <= own->level);
    CHECK(message != NULL && message[0] != '\0');
    CHECK(strstr(message, sandbox_key()) == NULL);
    if (level <= SASTAOTP_LOG_WARN && counter_add(&own->warnings, 1) == 1) {
        snprintf(own->first_warning, sizeof own->first_warning, "%s", message);
    }
    if (counter_add(&own->calls, 1) == 1 && own->then != NULL) own->then(own);
}

static void log_to(sastaotp_log_level level, listener *user) {
    sastaotp_error *error = NULL;
    WORKS(sastaotp_log_set(level, user ? listen : NULL, user, &error));
}

static void read_balance(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    int64_t micros = 7;
    WORKS(sastaotp_client_get_balance(client, &micros, &error));
}

/* A read whose reply causes a warning. */
static void read_with_warning(const sastaotp_client *client) {
    sandbox_do("faults", "{\"fault\":\"text_before_json\"}");
    read_balance(client);
}

void log_callback_gets_messages_of_its_level(void) {
    sastaotp_client *client = sandbox_client();
    static const sastaotp_log_level levels[] = {SASTAOTP_LOG_ERROR, SASTAOTP_LOG_WARN,
                                                SASTAOTP_LOG_INFO, SASTAOTP_LOG_DEBUG,
                                                SASTAOTP_LOG_TRACE};
    for (size_t at = 0; at < sizeof levels / sizeof *levels; at++) {
        listener *own = listener_new(levels[at]);
        log_to(levels[at], own);
        read_with_warning(client);
        log_to(SASTAOTP_LOG_OFF, NULL);
        long long calls = counter_add(&own->calls, 0), warnings = counter_add(&own->warnings, 0);
        CHECK_INT(warnings, levels[at] >= SASTAOTP_LOG_WARN);
        CHECK((calls > warnings) == (levels[at] >= SASTAOTP_LOG_DEBUG));
        if (warnings) CHECK_CONTAINS(own->first_warning, "unexpected text before its data");
        listener_free(own);
    }
    /* A NULL callback and the level OFF both set the log off. */
    listener *own = listener_new(SASTAOTP_LOG_TRACE);
    sastaotp_error *error = NULL;
    log_to(SASTAOTP_LOG_TRACE, own);
    log_to(SASTAOTP_LOG_TRACE, NULL);
    read_with_warning(client);
    log_to(SASTAOTP_LOG_TRACE, own);
    WORKS(sastaotp_log_set(SASTAOTP_LOG_OFF, listen, own, &error));
    read_with_warning(client);
    CHECK_INT(counter_add(&own->calls, 0), 0);
    /* An invalid level leaves the callback as it is. */
    static const int32_t invalid[] = {-1, 6, INT32_MIN, SASTAOTP_LOG_LEVEL_MAX_ENUM};
    log_to(SASTAOTP_LOG_WARN, own);
    for (size_t at = 0; at < sizeof invalid / sizeof *invalid; at++) {
        FAILS(sastaotp_log_set((sastaotp_log_level)invalid[at], listen, own, &error),
              SASTAOTP_ERROR_CONFIG);
        CHECK_CONTAINS(sastaotp_error_message(error), "level");
        sastaotp_error_free(error);
    }
    read_with_warning(client);
    log_to(SASTAOTP_LOG_OFF, NULL);
    CHECK_INT(counter_add(&own->calls, 0), 1);
    listener_free(own);
    sastaotp_client_free(client);
}

void collected_log_is_taken_once(void) {
    sastaotp_client *client = sandbox_client();
    sastaotp_error *error = NULL;
    sastaotp_log_level level = SASTAOTP_LOG_OFF;
    char message[1024] = "unchanged";
    CHECK_INT(sastaotp_log_take(&level, message, sizeof message), 0);
    CHECK(level == SASTAOTP_LOG_OFF && message[0] == '\0');
    WORKS(sastaotp_log_collect(SASTAOTP_LOG_WARN, &error));
    read_with_warning(client);
    read_with_warning(client);
    size_t length = sastaotp_log_take(&level, message, sizeof message);
    CHECK_INT(length, (long long)strlen(message));
    CHECK_INT(level, SASTAOTP_LOG_WARN);
    CHECK_CONTAINS(message, "unexpected text before its data");
    /* A message that does not fit is cut, and is gone. */
    char start[11] = "";
    CHECK_INT(sastaotp_log_take(NULL, start, sizeof start), (long long)length);
    CHECK(strlen(start) == 10 && strncmp(start, message, 10) == 0);
    CHECK_INT(sastaotp_log_take(NULL, NULL, 0), 0);
    /* Another level keeps the messages. */
    read_with_warning(client);
    WORKS(sastaotp_log_collect(SASTAOTP_LOG_ERROR, &error));
    read_with_warning(client);
    CHECK(sastaotp_log_take(&level, message, sizeof message) > 0);
    CHECK_CONTAINS(message, "unexpected text before its data");
    CHECK_INT(sastaotp_log_take(&level, message, sizeof message), 0);
    /* Messages that are not taken do not grow without end. */
    enum { LIMIT = 4096, MORE = 100 };
    WORKS(sastaotp_log_collect(SASTAOTP_LOG_TRACE, &error));
    int taken = 0, dropped = 0;
    for (int at = 0; at < LIMIT + MORE; at++) read_balance(client);
    while (sastaotp_log_take(&level, message, sizeof message) > 0) {
        CHECK(strstr(message, sandbox_key()) == NULL);
        if (strstr(message, "log messages were dropped")) dropped++;
        taken++;
    }
    CHECK_INT(dropped, 1);
    CHECK_INT(taken, LIMIT + 1);
    /* A callback takes the place of the collection, and the other way round. */
    listener *own = listener_new(SASTAOTP_LOG_WARN);
    log_to(SASTAOTP_LOG_WARN, own);
    read_with_warning(client);
    CHECK_INT(sastaotp_log_take(&level, message, sizeof message), 0);
    WORKS(sastaotp_log_collect(SASTAOTP_LOG_WARN, &error));
    CHECK_INT(counter_add(&own->warnings, 0), 1);
    read_with_warning(client);
    CHECK_INT(counter_add(&own->warnings, 0), 1);
    listener_free(own);
    WORKS(sastaotp_log_collect(SASTAOTP_LOG_OFF, &error));
    CHECK_INT(sastaotp_log_take(&level, message, sizeof message), 0);
    FAILS(sastaotp_log_collect((sastaotp_log_level)6, &error), SASTAOTP_ERROR_CONFIG);
    CHECK_CONTAINS(sastaotp_error_message(error), "level");
    sastaotp_error_free(error);
    sastaotp_client_free(client);
}

/* Everything is logged while calls succeed and fail, with the key in each of its locations. */
void log_callback_never_gets_the_key(void) {
    static const char *const faults[] = {"reset_before_reply", "reply_lost", "server_error",
                                         "text_before_json", "json_truncated",
                                         "blocked_by_firewall", "html_page"};
    static const sastaotp_api_key_location locations[] = {
        SASTAOTP_API_KEY_IN_HEADER, SASTAOTP_API_KEY_IN_BEARER, SASTAOTP_API_KEY_IN_QUERY};
    listener *own = listener_new(SASTAOTP_LOG_TRACE);
    log_to(SASTAOTP_LOG_TRACE, own);
    for (size_t at = 0; at < sizeof locations / sizeof *locations; at++) {
        sastaotp_error *error = NULL;
        sastaotp_client *client = NULL;
        sastaotp_config config = sandbox_config();
        config.api_key_location = locations[at];
        WORKS(sastaotp_client_new(&config, &client, &error));
        for (size_t fault = 0; fault < sizeof faults / sizeof *faults; fault++) {
            char body[128];
            int64_t micros = 7;
            sastaotp_activation *number = NULL;
            sastaotp_number_request request = sandbox_request("zz_never");
            snprintf(body, sizeof body, "{\"fault\":\"%s\"}", faults[fault]);
            sandbox_do("faults", body);
            if (sastaotp_client_get_balance(client, &micros, NULL) != SASTAOTP_OK)
                CHECK_INT(micros, 7);
            sandbox_do("faults", body);
            if (sastaotp_client_get_number(client, &request, &number, NULL) != SASTAOTP_OK)
                CHECK(number == NULL);
            sastaotp_activation_free(number);
            sandbox_do("faults", "{\"clear\":true}");
        }
        sastaotp_client_free(client);
    }
    log_to(SASTAOTP_LOG_OFF, NULL);
    CHECK(counter_add(&own->calls, 0) > 0);
    listener_free(own);
}

/* Calls the library, which logs again. */
static void call_library(void *user) {
    listener *own = user;
    sastaotp_error *error = NULL;
    sastaotp_activation *number = NULL;
    read_balance(own->client);
    FAILS(sastaotp_client_activation(own->client, "", &number, &error), SASTAOTP_ERROR_CONFIG);
    CHECK(sastaotp_error_json(error) != NULL);
    sastaotp_error_free(error);
}

static void set_off(void *user) {
    (void)user;
    log_to(SASTAOTP_LOG_OFF, NULL);
}

void log_callback_may_call_the_library(void) {
    sastaotp_client *client = sandbox_client();
    listener *own = listener_new(SASTAOTP_LOG_DEBUG);
    own->then = call_library;
    own->client = client;
    log_to(SASTAOTP_LOG_DEBUG, own);
    read_balance(client);
    while (counter_add(&own->calls, 0) < 2) sleep_ms(1);
    log_to(SASTAOTP_LOG_OFF, NULL);
    CHECK_INT(sandbox_requests("getBalance"), 2);
    listener_free(own);

    /* A callback may set the log off. */
    own = listener_new(SASTAOTP_LOG_DEBUG);
    own->then = set_off;
    log_to(SASTAOTP_LOG_DEBUG, own);
    read_balance(client);
    while (counter_add(&own->calls, 0) == 0) sleep_ms(1);
    log_to(SASTAOTP_LOG_OFF, NULL);
    read_balance(client);
    CHECK_INT(counter_add(&own->calls, 0), 1);
    listener_free(own);
    sastaotp_client_free(client);
}

enum { THREADS = 4, ROUNDS = 200 };
static counter stopped = COUNTER;

static void *log_until_stopped(void *client) {
    while (counter_add(&stopped, 0) == 0) read_balance(client);
    return NULL;
}

/* The user is freed when sastaotp_log_set returns, while other threads log: a later call would use
 * freed memory. */
void no_log_call_follows_log_off(void) {
    sastaotp_client *client = sandbox_client();
    pthread_t running[THREADS];
    long long calls = 0;
    for (int at = 0; at < THREADS; at++)
        CHECK_INT(pthread_create(&running[at], NULL, log_until_stopped, client), 0);
    for (int round = 0; round < ROUNDS || calls < ROUNDS; round++) {
        listener *own = listener_new(SASTAOTP_LOG_TRACE);
        log_to(SASTAOTP_LOG_TRACE, own);
        /* Every other callback is replaced instead. */
        listener *next = round % 2 ? listener_new(SASTAOTP_LOG_TRACE) : NULL;
        while (round % 4 == 0 && counter_add(&own->calls, 0) == 0) read_balance(client);
        log_to(next ? SASTAOTP_LOG_TRACE : SASTAOTP_LOG_OFF, next);
        calls += counter_add(&own->calls, 0);
        listener_free(own);
        if (next == NULL) continue;
        log_to(SASTAOTP_LOG_OFF, NULL);
        listener_free(next);
    }
    counter_add(&stopped, 1);
    for (int at = 0; at < THREADS; at++) CHECK_INT(pthread_join(running[at], NULL), 0);
    printf("suite: %lld messages while the log was set off %d times\n", calls, ROUNDS);
    sastaotp_client_free(client);
}
