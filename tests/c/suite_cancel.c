/* Cancellation: a token ends a call and not the order, even if a signal handler triggers it. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"
#include "atomic_counter.h"
#include "milliseconds.h"
#include "sandbox.h"
#include "suite.h"

void try_wait_returns_null_without_a_code(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = sandbox_client(), *handle = NULL;
    sastaotp_cancel_token *token = sastaotp_cancel_token_new();
    sastaotp_activation *silent = sandbox_buy(client, "zz_never"), *cancelled = NULL;
    sastaotp_activation *number = sandbox_buy(client, "zz_multi");
    sastaotp_wait_options options = SASTAOTP_WAIT_OPTIONS_INIT;
    static const uint32_t times[] = {0, 1, 200};
    for (size_t at = 0; at < sizeof times / sizeof *times; at++) {
        char no_object[1];
        sastaotp_sms *sms = (sastaotp_sms *)(void *)no_object;
        WORKS(sastaotp_activation_try_wait_for_code(silent, times[at], NULL, &sms, &error));
        CHECK(sms == NULL);
    }
    sastaotp_sms *sms = NULL;
    WORKS(sastaotp_activation_try_wait_for_code(number, 25000, &options, &sms, &error));
    CHECK(strlen(sastaotp_sms_code(sms)) > 0);
    sastaotp_sms_free(sms);
    WORKS(sastaotp_client_with(client, token, 0, &handle, &error));
    const char *id = sastaotp_activation_id(silent);
    WORKS(sastaotp_client_activation(handle, id, &cancelled, &error));
    sastaotp_cancel_token_trigger(token);
    FAILS(sastaotp_activation_try_wait_for_code(cancelled, 60000, NULL, &sms, &error),
          SASTAOTP_ERROR_CANCELLED);
    CHECK(sms == NULL);
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_NONE);
    sastaotp_error_free(error);
    error = NULL;
    options.cancel_on_timeout = true;
    WORKS(sastaotp_activation_try_wait_for_code(silent, 0, &options, &sms, &error));
    CHECK(sms == NULL);
    CHECK_INT(sastaotp_activation_ending(silent), SASTAOTP_ENDING_CANCELLED);
    /* Other failures are errors. */
    FAILS(sastaotp_activation_try_wait_for_code(silent, 1000, NULL, &sms, &error),
          SASTAOTP_ERROR_ACTIVATION_CANCELLED);
    sastaotp_error_free(error);
    sandbox_do("assert", "{\"charges\":2,\"refunds\":1}");
    sastaotp_activation_free(silent);
    sastaotp_activation_free(cancelled);
    sastaotp_activation_free(number);
    sastaotp_client_free(handle);
    sastaotp_client_free(client);
    sastaotp_cancel_token_free(token);
}

void a_lease_closes_through_a_triggered_token(void) {
    static const struct {
        const char *service;
        bool has_code;
        sastaotp_settled state;
        sastaotp_status status;
        const char *ledger;
    } rows[] = {
        {"zz_never", false, SASTAOTP_SETTLED_CANCELLED, SASTAOTP_OK,
         "{\"charges\":1,\"refunds\":1}"},
        {"zz_multi", true, SASTAOTP_SETTLED_COMPLETED, SASTAOTP_OK,
         "{\"charges\":1,\"refunds\":0}"},
        {"zz_early_cancel", false, SASTAOTP_SETTLED_CANCELLED, SASTAOTP_ERROR_TOO_EARLY,
         "{\"charges\":1,\"refunds\":0}"},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        sastaotp_error *error = NULL;
        sastaotp_client *handle = NULL;
        sastaotp_lease *lease = NULL;
        sastaotp_settlement *settlement = NULL;
        sastaotp_unclaimed_list *list = NULL;
        sastaotp_sms *sms = NULL;
        sandbox_begin(rows[row].service);
        sastaotp_client *client = sandbox_client();
        sastaotp_cancel_token *token = sastaotp_cancel_token_new();
        sastaotp_number_request request = sandbox_request(rows[row].service);
        WORKS(sastaotp_client_with(client, token, 0, &handle, &error));
        WORKS(sastaotp_client_lease(handle, &request, &lease, &error));
        const sastaotp_activation *number = sastaotp_lease_activation(lease);
        if (rows[row].has_code) {
            WORKS(sastaotp_activation_wait_for_code(number, 25000, NULL, &sms, &error));
        }
        sastaotp_cancel_token_trigger(token);
        /* The token ends every other call. */
        FAILS(sastaotp_activation_cancel(number, &settlement, &error), SASTAOTP_ERROR_CANCELLED);
        sastaotp_error_free(error);
        error = NULL;
        CHECK_INT(sastaotp_lease_close(lease, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error),
                  rows[row].status);
        if (rows[row].status == SASTAOTP_OK) {
            CHECK_INT(sastaotp_settlement_state(settlement), rows[row].state);
        } else {
            CHECK(settlement == NULL);
            CHECK_INT(sastaotp_error_status(error), rows[row].status);
        }
        sandbox_do("assert", rows[row].ledger);
        sastaotp_error_free(error);
        error = NULL;
        WORKS(sastaotp_client_unclaimed(client, &list, &error));
        CHECK_INT(sastaotp_unclaimed_list_count(list), 0);
        sastaotp_unclaimed_list_free(list);
        /* A lease that is not settled is listed once it ends. */
        sastaotp_lease_free(lease);
        WORKS(sastaotp_client_unclaimed(client, &list, &error));
        CHECK_INT(sastaotp_unclaimed_list_count(list), rows[row].status != SASTAOTP_OK);
        sastaotp_unclaimed_list_free(list);
        sastaotp_settlement_free(settlement);
        sastaotp_sms_free(sms);
        sastaotp_client_free(handle);
        sastaotp_client_free(client);
        sastaotp_cancel_token_free(token);
    }
}

/* The token that the signal handler triggers, and the time at which its signal was sent. */
static sastaotp_cancel_token *signal_token;
static counter sent_at = COUNTER;
static volatile sig_atomic_t signals;

static void trigger_token(int number) {
    (void)number;
    signals++;
    sastaotp_cancel_token_trigger(signal_token);
}

/* The ways in which a signal is sent. */

static void send_now(void) {
    counter_add(&sent_at, now_ms());
    CHECK_INT(raise(SIGINT), 0);
}

static void send_by_alarm(void) {
    counter_add(&sent_at, now_ms() + 1000);
    alarm(1);
}

static void *send_to_process(void *unused) {
    (void)unused;
    while (sandbox_requests(NULL) == 0) sleep_ms(5);
    sleep_ms(300);
    counter_add(&sent_at, now_ms());
    CHECK_INT(kill(getpid(), SIGINT), 0);
    return NULL;
}

static pthread_t sender;
static void send_by_thread(void) {
    CHECK_INT(pthread_create(&sender, NULL, send_to_process, NULL), 0);
}

/* The calls that the signal ends. Each sends the signal right before it blocks. */

static sastaotp_status wait_for_code(const sastaotp_client *handle, void (*send)(void),
                                     sastaotp_error **failure) {
    sastaotp_activation *number = sandbox_buy(handle, "zz_never");
    sastaotp_sms *sms = NULL;
    send();
    sastaotp_status status = sastaotp_activation_wait_for_code(number, 60000, NULL, &sms, failure);
    sastaotp_activation_free(number);
    return status;
}

static sastaotp_status wait_on_a_lease(const sastaotp_client *handle, void (*send)(void),
                                       sastaotp_error **failure) {
    sastaotp_error *error = NULL;
    sastaotp_number_request request = sandbox_request("zz_never");
    sastaotp_lease *lease = NULL;
    sastaotp_sms *sms = NULL;
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_client_lease(handle, &request, &lease, &error));
    send();
    sastaotp_status status = sastaotp_activation_wait_for_code(sastaotp_lease_activation(lease),
                                                               60000, NULL, &sms, failure);
    WORKS(sastaotp_lease_close(lease, SASTAOTP_ON_TOO_EARLY_FAIL, &settlement, &error));
    CHECK_INT(sastaotp_settlement_state(settlement), SASTAOTP_SETTLED_CANCELLED);
    sastaotp_settlement_free(settlement);
    sastaotp_lease_free(lease);
    return status;
}

static sastaotp_status buy_slowly(const sastaotp_client *handle, void (*send)(void),
                                  sastaotp_error **failure) {
    sastaotp_number_request request = sandbox_request("zz_never");
    sastaotp_activation *number = NULL;
    sandbox_do("faults",
               "{\"match\":{\"action\":\"getNumber\"},\"fault\":\"N11\",\"every_ms\":10}");
    send();
    return sastaotp_client_get_number(handle, &request, &number, failure);
}

void a_signal_ends_calls_and_loses_no_order(void) {
    static const struct {
        const char *name;
        void (*send)(void);
        sastaotp_status (*call)(const sastaotp_client *, void (*)(void), sastaotp_error **);
    } rows[] = {
        {"raise, wait", send_now, wait_for_code},
        {"raise, lease", send_now, wait_on_a_lease},
        {"raise, purchase", send_now, buy_slowly},
        {"alarm, wait", send_by_alarm, wait_for_code},
        {"alarm, lease", send_by_alarm, wait_on_a_lease},
        {"alarm, purchase", send_by_alarm, buy_slowly},
        {"kill, wait", send_by_thread, wait_for_code},
        {"kill, lease", send_by_thread, wait_on_a_lease},
        {"kill, purchase", send_by_thread, buy_slowly},
    };
    struct sigaction action = {.sa_handler = trigger_token}, ints, alarms;
    CHECK_INT(sigaction(SIGINT, &action, &ints), 0);
    CHECK_INT(sigaction(SIGALRM, &action, &alarms), 0);
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        char key[64];
        sastaotp_error *error = NULL, *failure = NULL;
        sastaotp_client *handle = NULL;
        sastaotp_unclaimed_list *list = NULL;
        snprintf(key, sizeof key, "signals_%zu", row);
        check_context = rows[row].name;
        sandbox_begin(key);
        sastaotp_client *client = sandbox_client();
        signal_token = sastaotp_cancel_token_new();
        signals = 0;
        counter_add(&sent_at, -counter_add(&sent_at, 0));
        WORKS(sastaotp_client_with(client, signal_token, 0, &handle, &error));
        sastaotp_status status = rows[row].call(handle, rows[row].send, &failure);
        long long ended = now_ms();
        CHECK_INT(status, SASTAOTP_ERROR_CANCELLED);
        CHECK_INT(signals, 1);
        CHECK(sastaotp_cancel_token_is_triggered(signal_token));
        if (rows[row].send == send_by_thread) CHECK_INT(pthread_join(sender, NULL), 0);
        CHECK(ended - counter_add(&sent_at, 0) < at_most_ms(1000));
        /* The order is refunded or listed. */
        WORKS(sastaotp_client_finish(client, 25000, &list, &error));
        int is_sent = sastaotp_error_charge(failure) == SASTAOTP_CHARGE_UNKNOWN;
        int is_listed = rows[row].call == buy_slowly ? is_sent
                                                            : rows[row].call == wait_for_code;
        CHECK_INT(sastaotp_unclaimed_list_count(list), is_listed);
        if (rows[row].call == wait_on_a_lease)
            sandbox_do("assert", "{\"charges\":1,\"refunds\":1}");
        if (rows[row].call == buy_slowly && !is_sent)
            sandbox_do("assert", "{\"charges\":0,\"refunds\":0}");
        sastaotp_unclaimed_list_free(list);
        sastaotp_error_free(failure);
        sastaotp_client_free(handle);
        sastaotp_client_free(client);
        sastaotp_cancel_token_free(signal_token);
    }
    check_context = NULL;
    CHECK_INT(sigaction(SIGINT, &ints, NULL), 0);
    CHECK_INT(sigaction(SIGALRM, &alarms, NULL), 0);
}
