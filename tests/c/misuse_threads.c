/* Eight threads use one client and one activation until a ninth triggers the token. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>

#include "check.h"
#include "atomic_counter.h"
#include "json.h"
#include "milliseconds.h"
#include "misuse.h"
#include "sandbox.h"

enum { THREADS = 8 };

static sastaotp_client *client;
static sastaotp_activation *number;
static sastaotp_error *shared_error;
static sastaotp_orders *shared_orders;
static counter triggered_at = COUNTER;
static counter call_count = COUNTER;

static sastaotp_status read_balance(sastaotp_error **error) {
    int64_t balance = -1;
    sastaotp_status status = sastaotp_client_get_balance(client, &balance, error);
    CHECK((status == SASTAOTP_OK) == (balance > 0));
    return status;
}

static sastaotp_status read_status(sastaotp_error **error) {
    sastaotp_activation_status *state = NULL;
    sastaotp_status status = sastaotp_activation_get_status(number, &state, error);
    sastaotp_activation_status_free(state);
    return status;
}

static sastaotp_status read_order(sastaotp_error **error) {
    sastaotp_order_iterator *iterator = NULL;
    sastaotp_order *order = NULL;
    sastaotp_status status = sastaotp_client_orders(client, NULL, &iterator, error);
    if (status == SASTAOTP_OK) status = sastaotp_order_iterator_next(iterator, &order, error);
    sastaotp_order_free(order);
    sastaotp_order_iterator_free(iterator);
    return status;
}

static sastaotp_status wait_for_code(sastaotp_error **error) {
    sastaotp_sms *sms = NULL;
    sastaotp_status status = sastaotp_activation_wait_for_code(number, 60000, NULL, &sms, error);
    sastaotp_sms_free(sms);
    return status;
}

static sastaotp_status (*const tasks[THREADS])(sastaotp_error **) = {
    read_balance,  read_status,   read_order,  wait_for_code,
    wait_for_code, wait_for_code, read_status, read_balance,
};

/* Reads objects that all threads share; every thread gets the same pointers. */
static void read_shared(void) {
    CHECK_TEXT(sastaotp_activation_id(number), sastaotp_activation_id(number));
    CHECK(sastaotp_activation_phone_number(number) != NULL &&
          sastaotp_activation_sms(number, 0) == NULL);
    CHECK_INT(sastaotp_activation_ending(number), SASTAOTP_ENDING_NONE);
    CHECK(sastaotp_error_hint(shared_error) == sastaotp_error_hint(shared_error));
    CHECK(json_is_valid(sastaotp_error_json(shared_error)));
    CHECK(json_is_valid(sastaotp_purchase_json(sastaotp_activation_purchase(number))));
    CHECK(sastaotp_order_json(sastaotp_orders_get(shared_orders, 0)) ==
          sastaotp_order_json(sastaotp_orders_get(shared_orders, 0)));
}

/* Repeats a call until the token cancels it; returns how long after the trigger that was. */
static void *worker(void *argument) {
    sastaotp_status (*const *call)(sastaotp_error **) = argument;
    for (;;) {
        sastaotp_error *error = NULL;
        sastaotp_status status = (*call)(&error);
        if (status == SASTAOTP_ERROR_CANCELLED) {
            CHECK(counter_add(&triggered_at, 0) != 0);
            CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_NONE);
            sastaotp_error_free(error);
            return (void *)(intptr_t)(now_ms() - counter_add(&triggered_at, 0));
        }
        WORKS(status);
        counter_add(&call_count, 1);
        read_shared();
    }
}

static void *trigger(void *cancel) {
    sleep_ms(500);
    counter_add(&triggered_at, now_ms());
    sastaotp_cancel_token_trigger(cancel);
    return NULL;
}

void a_token_ends_calls_of_eight_threads(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *first = sandbox_client();
    sastaotp_cancel_token *cancel = sastaotp_cancel_token_new();
    sastaotp_activation *bought = sandbox_buy(first, "zz_never"), *none = NULL;
    WORKS(sastaotp_client_with(first, cancel, 0, &client, &error));
    WORKS(sastaotp_client_activation(client, sastaotp_activation_id(bought), &number, &error));
    WORKS(sastaotp_client_get_orders(first, 1, 1, NULL, &shared_orders, &error));
    FAILS(sastaotp_client_activation(first, "", &none, &error), SASTAOTP_ERROR_CONFIG);
    shared_error = error;
    pthread_t threads[THREADS], ninth;
    for (int at = 0; at < THREADS; at++) {
        CHECK_INT(pthread_create(&threads[at], NULL, worker, (void *)(uintptr_t)&tasks[at]), 0);
    }
    CHECK_INT(pthread_create(&ninth, NULL, trigger, cancel), 0);
    intptr_t slowest = 0;
    for (int at = 0; at < THREADS; at++) {
        void *late = NULL;
        CHECK_INT(pthread_join(threads[at], &late), 0);
        if ((intptr_t)late > slowest) slowest = (intptr_t)late;
    }
    CHECK_INT(pthread_join(ninth, NULL), 0);
    printf("misuse: %lld calls of 8 threads; the last ended %d ms after the trigger\n",
           counter_add(&call_count, 0), (int)slowest);
    CHECK(slowest < at_most_ms(2000));
    sastaotp_settlement *settlement = NULL;
    WORKS(sastaotp_activation_cancel(bought, &settlement, &error));
    sastaotp_settlement_free(settlement);
    sastaotp_error_free(shared_error);
    sastaotp_orders_free(shared_orders);
    sastaotp_activation_free(number);
    sastaotp_activation_free(bought);
    sastaotp_client_free(client);
    sastaotp_client_free(first);
    sastaotp_cancel_token_free(cancel);
}
