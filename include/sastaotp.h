/*
 * libsastaotp: the client library for the SastaOTP service. Buy a temporary phone number, wait for
 * the SMS code sent to it, then complete the order or cancel it for a refund.
 *
 * It never buys twice, tells you when the outcome of a purchase is unknown and helps you find out,
 * and never loses a code you paid for. All functions are typed and blocking. The header is C99 and
 * C++; sastaotp.hpp is the C++17 interface.
 *
 *     #include <sastaotp.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         sastaotp_client *client = NULL;
 *         sastaotp_number_request *request = NULL;
 *         sastaotp_lease *lease = NULL;
 *         sastaotp_sms *sms = NULL;
 *         sastaotp_error *error = NULL;
 *         int failed = 1;
 *
 *         // SASTAOTP_API_KEY is the key; set SASTAOTP_BASE_URL to use a sandbox.
 *         if (sastaotp_client_from_env(&client, &error)) goto end;
 *         if (sastaotp_number_request_new("tg", &request, &error)) goto end;
 *         // 22 is India: the service's country codes are not calling codes.
 *         if (sastaotp_number_request_set_country(request, "22", &error)) goto end;
 *         int64_t max_price = 80 * SASTAOTP_RUPEE;
 *         if (sastaotp_number_request_set_max_price(request, max_price, &error)) goto end;
 *         if (sastaotp_client_lease(client, request, &lease, &error)) goto end;
 *         const sastaotp_activation *number = sastaotp_lease_activation(lease);
 *         printf("send the SMS to %s\n", sastaotp_activation_phone_number(number));
 *         if (sastaotp_activation_wait_for_code(number, 300000, NULL, &sms, &error)) goto end;
 *         printf("the code is %s\n", sastaotp_sms_code(sms));
 *         failed = 0;
 *     end:
 *         if (failed) fprintf(stderr, "%s\n", sastaotp_error_message(error));
 *         sastaotp_error_free(error);
 *         sastaotp_sms_free(sms);
 *         // Completes the order; cancels it for the refund if no code arrived.
 *         sastaotp_lease_free(lease);
 *         sastaotp_number_request_free(request);
 *         sastaotp_client_free(client);
 *         return failed;
 *     }
 *
 * Purchases
 *
 * -   A request states its country and its price: a country code or any country, and a maximum
 *     price or any price. Otherwise the purchase is refused before it is sent.
 * -   Purchases run in parallel, also of one service and country. A purchase is sent at most once,
 *     and not too late: if its reply does not have time to arrive within the timeout, the call
 *     fails with SASTAOTP_TIMEOUT and sends nothing. A cancellation or a timeout ends the call, not
 *     a purchase that was sent: its reply is awaited in the background.
 * -   Every purchase is recorded until it is settled: completed, cancelled or expired.
 *     sastaotp_client_unclaimed lists each one that no activation or lease holds. A purchase leaves
 *     the list when it is settled, by sastaotp_activation_keep, or by
 *     sastaotp_client_resolve_not_made; a failed call removes nothing.
 * -   After SASTAOTP_CHARGE_UNKNOWN do not buy again: call sastaotp_client_reconcile with the
 *     intent of the error. It finds the order, proves that no number was bought, or states why
 *     neither is certain.
 * -   The end of a program. The library has no handler at exit, and the record is in memory. Before
 *     main returns or exit is called, call sastaotp_client_finish for each client, or
 *     sastaotp_queue_close for each queue: they wait for the replies of purchases in flight and
 *     list each purchase that is not settled. Print sastaotp_unclaimed_message of each entry. A
 *     program that ends otherwise, by exit, a signal or a crash, loses the number of a purchase in
 *     flight and every unsettled number that it has not saved: then only the order history shows
 *     them. To find them in the next run, save sastaotp_intent_json before sastaotp_client_buy, or
 *     keep a journal: see sastaotp_config_set_journal.
 *
 * Conventions, which apply unless a comment says otherwise
 *
 * 1.  Status. A function that can fail returns sastaotp_status: SASTAOTP_OK (0) on success.
 * 2.  Errors. The last parameter `sastaotp_error **error` may be NULL. On failure it receives an
 *     object that the caller frees; on success it receives NULL. There is no last error per thread.
 * 3.  Results. The caller passes the place for a result, such as `sastaotp_client **client`. On
 *     success it receives an object that the caller owns and frees with the "_free" function of its
 *     type; on failure it receives NULL. The library never reads or frees the previous content of a
 *     place. If a function returns an object directly, the object belongs to the one it was read
 *     from and is freed with it.
 * 4.  Texts are UTF-8 and end with NUL. The library copies a text that it receives. A text that it
 *     returns belongs to the object it was read from and is valid until that object, or the list
 *     that contains it, is freed. The caller never frees a text. NULL means absent. A NUL within a
 *     text of the service becomes U+FFFD.
 * 5.  Getters cannot fail. If the object is NULL they return NULL, 0 or false and write nothing. A
 *     getter that writes its value to a place returns true if there is a value; if there is none,
 *     it returns false and writes nothing. If the place is NULL, it only returns whether there is a
 *     value. An index starts at 0.
 * 6.  Threads. Any number of threads may use the same client, activation, queue or token at once,
 *     and may read the same result at once: results never change. Only one thread at a time may use
 *     a builder (sastaotp_config, sastaotp_number_request, sastaotp_wait_options), iterator or
 *     lease. An object must not be freed while another thread uses it; "_free(NULL)" does nothing.
 *     If pthread_cancel cancels a thread that is in a call, the process ends: end the call with a
 *     sastaotp_cancel_token instead.
 * 7.  Units. Money is int64_t in micro-rupees: 18.50 rupees are 18500000. A time is int64_t in
 *     milliseconds since 1970, a duration is uint32_t in milliseconds. There are no floats, structs
 *     by value, variable arguments, callbacks or global variables.
 * 8.  Arguments. If an argument is NULL, not UTF-8 or out of range, the call fails with
 *     SASTAOTP_CONFIG before it sends anything. A defect of the library fails with
 *     SASTAOTP_INTERNAL and does not end the process.
 * 9.  Fork. A forked child creates its own client, activation, lease, iterator, queue and token. If
 *     it uses one of its parent, the call fails with SASTAOTP_CONFIG, changeable values read as
 *     if the object were NULL, and freeing the object does nothing. A child may read results, with
 *     one exception: if another thread was reading a text or "_json" of a result during the fork,
 *     reading that result in the child may block forever.
 * 10. JSON. Results have a "_json" function: the library's own stable JSON, with money in fields
 *     "..._micros" and times in "..._ms". Its field `raw` contains the service's reply, including
 *     fields that the library does not know yet.
 * 11. Cancellation. sastaotp_cancel_token_trigger, from any thread, ends a blocked connect, TLS
 *     handshake, read or sleep within 100 ms.
 * 12. Signals. The library has its own threads, which any call may start. It installs no signal
 *     handlers, and its threads inherit the signal mask of the thread that started them. If a
 *     program waits for signals with signalfd or sigwait, it must block them in all its threads
 *     before the first call; otherwise a thread of the library may receive them.
 */


#ifndef SASTAOTP_H
#define SASTAOTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The version of the library that this header belongs to. */
#define SASTAOTP_VERSION "0.1.0"
#define SASTAOTP_VERSION_MAJOR 0
#define SASTAOTP_VERSION_MINOR 1
#define SASTAOTP_VERSION_PATCH 0

/** One rupee, in micro-rupees. */
#define SASTAOTP_RUPEE INT64_C(1000000)

/**
 * The version of the binary interface that this header describes, which is also the number in the
 * library's SONAME. It increases when a program that is already linked would stop working.
 */
#define SASTAOTP_ABI_VERSION 0

/**
 * A number that was bought. Any number of threads may use it at once. Freeing it does not change
 * the order: sastaotp_client_unclaimed lists an open order that no activation holds. A
 * sastaotp_lease settles its order.
 */
typedef struct sastaotp_activation sastaotp_activation;

/**
 * The status of an activation, as the service reports it. Immutable.
 */
typedef struct sastaotp_activation_status sastaotp_activation_status;

/**
 * The wallet. Immutable.
 */
typedef struct sastaotp_balance sastaotp_balance;

/**
 * A token that ends calls from another thread, whether they are connecting, in the TLS handshake,
 * reading, or sleeping between two polls. Pass it to sastaotp_client_with_cancel or
 * sastaotp_activation_with_cancel.
 */
typedef struct sastaotp_cancel_token sastaotp_cancel_token;

/**
 * A client of the service, with its connections and its budget. Any number of threads may use it
 * at once. All clients of one API key and one base URL in a process share the record of purchases,
 * so no order is given to two of them.
 *
 * Every call blocks until it has a result. A read is sent at most three times within the timeout
 * of the call. A "read error", below, is SASTAOTP_AUTHENTICATION, SASTAOTP_SERVER,
 * SASTAOTP_RATE_LIMITED, SASTAOTP_BLOCKED, SASTAOTP_PROTOCOL, SASTAOTP_CONNECTION, SASTAOTP_TLS,
 * SASTAOTP_TIMEOUT, SASTAOTP_CANCELLED, SASTAOTP_REJECTED, or SASTAOTP_CONFIG for an invalid
 * argument.
 *
 * A purchase is sent at most once, and only if its reply has time to arrive before the call times
 * out: two thirds of the client's timeout, at most 60 seconds. Otherwise it fails with
 * SASTAOTP_TIMEOUT and nothing was sent. Purchases run in parallel. The first purchase of an API
 * key in a process reads the newest order first (action getOrders), so that a lost reply can be
 * found. A "purchase error", below, is a read error, SASTAOTP_BUDGET, SASTAOTP_ALREADY_SENT,
 * SASTAOTP_INSUFFICIENT_BALANCE, SASTAOTP_NO_NUMBERS, SASTAOTP_PRICE_TOO_HIGH or
 * SASTAOTP_SERVICE_UNAVAILABLE. Whatever the status, sastaotp_error_charge returns whether money
 * may have been charged.
 */
typedef struct sastaotp_client sastaotp_client;

/**
 * A finished operation. Immutable.
 */
typedef struct sastaotp_completion sastaotp_completion;

/**
 * The settings of a client. A builder: one thread at a time. sastaotp_client_new copies the
 * settings, so one config can create many clients.
 */
typedef struct sastaotp_config sastaotp_config;

/**
 * A list of countries. Immutable.
 */
typedef struct sastaotp_countries sastaotp_countries;

/**
 * A country in which numbers are sold. Part of its list and freed with it.
 */
typedef struct sastaotp_country sastaotp_country;

/**
 * The reason for a failed call. It never contains the API key. Immutable.
 */
typedef struct sastaotp_error sastaotp_error;

/**
 * A purchase that is about to be made: enough data to find it in the order history if its reply is
 * lost. An intent is sent once: make another one to buy another number. Immutable. Valid until it
 * is freed, or the error or list that contains it is freed.
 */
typedef struct sastaotp_intent sastaotp_intent;

/**
 * A number whose order is settled when the lease ends: completed if a code arrived, otherwise
 * cancelled for its refund. One thread at a time; any number of threads may use its activation.
 */
typedef struct sastaotp_lease sastaotp_lease;

/**
 * A number to buy. A builder: one thread at a time. A purchase copies the request, so one request
 * can buy many numbers.
 *
 * State the country: call sastaotp_number_request_set_country,
 * sastaotp_number_request_set_operator or sastaotp_number_request_any_country. State the price:
 * call sastaotp_number_request_set_max_price or sastaotp_number_request_accept_any_price. If one
 * of the two is not stated, or two statements disagree, the purchase fails with SASTAOTP_CONFIG.
 */
typedef struct sastaotp_number_request sastaotp_number_request;

/**
 * A service in one country. Part of its list and freed with it.
 */
typedef struct sastaotp_offer sastaotp_offer;

/**
 * An order of the history. If it comes from sastaotp_order_iterator_next, the caller frees it;
 * otherwise it is part of a list and freed with it. Immutable.
 */
typedef struct sastaotp_order sastaotp_order;

/**
 * An iterator over the order history, newest first. It reads a page when it needs one. One thread
 * at a time.
 */
typedef struct sastaotp_order_iterator sastaotp_order_iterator;

/**
 * A page of the order history, newest first. Immutable.
 */
typedef struct sastaotp_orders sastaotp_orders;

/**
 * The prices of services in countries: a table of entries. Immutable.
 */
typedef struct sastaotp_prices sastaotp_prices;

/**
 * The reply to a purchase. Part of its activation or list and freed with it. Immutable.
 */
typedef struct sastaotp_purchase sastaotp_purchase;

/**
 * Runs operations in the background, on a pool of workers that grows and shrinks. Any number of
 * threads may use it at once.
 *
 * An operation is a JSON object with a name, `op`, and arguments, such as
 * {"op":"get_number","service":"tg","country":"22","max_price":"80"} or
 * {"op":"wait_for_code","id":"38496653","timeout_ms":300000}. The operations, most of which have
 * the name of a function, are: get_balance; get_services (service); get_prices (service, country);
 * get_countries; find_country (name); get_orders (limit, page, status); get_number, lease and
 * intend (service, a country, a price, multi_sms); buy (intent); reget_number (id, a price);
 * get_status (id); set_status (id, status); wait_for_code (id, timeout_ms, interval_ms,
 * accept_same_code, cancel_on_timeout); mark_sms_sent, request_next_code, cancel (id); complete
 * (id, without_code); settle (id, on_too_early: "fail", the default, or "wait"); keep (id);
 * mark_unclaimed (id), which lists a number that no caller holds any longer as unclaimed;
 * reconcile (intent, timeout_ms: 60,000 by default); resolve (intent, and not_made: true or
 * activation_id); settle_leftover_leases (on_too_early); unclaimed; finish (timeout_ms: 10,000 by
 * default); budget_left. The caller settles the number of a lease. If the process ends first,
 * settle_leftover_leases of the next process with the same journal settles it. Required are name,
 * id, status of set_status, timeout_ms of wait_for_code, intent, and service, a country and a
 * price of a purchase. A country is country, any_country: true, or operator, which may be beside
 * country. A price is max_price as text, max_price_micros, or accept_any_price: true. If two of
 * them disagree, the operation is refused. null counts as absent. An id is a text in quotes. An
 * intent is the object that sastaotp_intent_json returns.
 *
 * The result of an operation is the "_json" of its function's result. For get_number, lease, buy
 * and reget_number it is id, phone_number, price_micros, expires_at_ms, purchase: pass the id to
 * wait_for_code.
 */
typedef struct sastaotp_queue sastaotp_queue;

/**
 * The orders of the history that may be a purchase whose reply was lost. Immutable.
 */
typedef struct sastaotp_reconciliation sastaotp_reconciliation;

/**
 * A service for which numbers are sold. Part of its list and freed with it.
 */
typedef struct sastaotp_service sastaotp_service;

/**
 * A list of services. Immutable.
 */
typedef struct sastaotp_services sastaotp_services;

/**
 * The leases of ended processes that sastaotp_client_settle_leftover_leases settled, or tried to.
 * Immutable.
 */
typedef struct sastaotp_settled_leases sastaotp_settled_leases;

/**
 * The result of closing an order. Immutable.
 */
typedef struct sastaotp_settlement sastaotp_settlement;

/**
 * A message that a number received. Immutable.
 */
typedef struct sastaotp_sms sastaotp_sms;

/**
 * The effect of a status change, as the service reports it. Immutable.
 */
typedef struct sastaotp_status_change sastaotp_status_change;

/**
 * A purchase that is not settled: its caller stopped waiting before the reply, its outcome is
 * unknown, or its order is open. Part of its list and freed with it.
 */
typedef struct sastaotp_unclaimed sastaotp_unclaimed;

/**
 * A list of unclaimed purchases. Immutable.
 */
typedef struct sastaotp_unclaimed_list sastaotp_unclaimed_list;

/**
 * Options for waiting for a code. A builder: one thread at a time. A wait copies the options.
 */
typedef struct sastaotp_wait_options sastaotp_wait_options;

/**
 * The outcome of a call: SASTAOTP_OK, or the kind of failure.
 */
typedef int32_t sastaotp_status;

/**
 * A step of a request.
 */
typedef int32_t sastaotp_phase;

/**
 * The effect of a failed call on the wallet.
 */
typedef int32_t sastaotp_charge;

/**
 * Whether the same call may succeed later.
 */
typedef int32_t sastaotp_retry;

/**
 * The part of a request that carries the API key.
 */
typedef int32_t sastaotp_api_key_location;

/**
 * The failures that a journal survives.
 */
typedef int32_t sastaotp_durability;

/**
 * A change of an activation's status, for sastaotp_client_set_status. Each constant has the number
 * that the service's action setStatus uses for the change.
 */
typedef int32_t sastaotp_set_status;

/**
 * The reaction of a settle if the service does not allow cancelling the order yet.
 */
typedef int32_t sastaotp_on_too_early;

/**
 * The kinds of sastaotp_activation_status.
 */
typedef int32_t sastaotp_status_kind;

/**
 * The kinds of sastaotp_status_change.
 */
typedef int32_t sastaotp_change_kind;

/**
 * How an activation ended, as far as is known.
 */
typedef int32_t sastaotp_ending;

/**
 * The state of an order after it was settled.
 */
typedef int32_t sastaotp_settled;

/**
 * The outcome of an unclaimed purchase.
 */
typedef int32_t sastaotp_outcome;

/**
 * The call succeeded.
 */
#define SASTAOTP_OK 0

/**
 * An argument or a setting is invalid: NULL, not UTF-8, or out of range. Nothing was sent. Also
 * the failure of sastaotp_activation_complete if no code has arrived. It sends at most one poll.
 */
#define SASTAOTP_CONFIG 1

/**
 * The client's budget does not cover the purchase. Nothing was sent.
 */
#define SASTAOTP_BUDGET 2

/**
 * The service rejects the API key or the account.
 */
#define SASTAOTP_AUTHENTICATION 3

/**
 * The wallet does not contain enough money.
 */
#define SASTAOTP_INSUFFICIENT_BALANCE 4

/**
 * No number is available.
 */
#define SASTAOTP_NO_NUMBERS 5

/**
 * The price is higher than the request's maximum price.
 */
#define SASTAOTP_PRICE_TOO_HIGH 6

/**
 * The service is not sold in this country.
 */
#define SASTAOTP_SERVICE_UNAVAILABLE 7

/**
 * The activation does not exist.
 */
#define SASTAOTP_NOT_FOUND 8

/**
 * The order has already ended.
 */
#define SASTAOTP_ALREADY_FINISHED 9

/**
 * The order is too young to be cancelled; sastaotp_error_retry_after_ms returns how long to wait.
 */
#define SASTAOTP_TOO_EARLY 10

/**
 * The service rejected the request for another reason: see sastaotp_error_code.
 */
#define SASTAOTP_REJECTED 11

/**
 * The service or its provider failed.
 */
#define SASTAOTP_SERVER 12

/**
 * Too many requests were sent, or the client's own rate limit allows no request before the
 * timeout.
 */
#define SASTAOTP_RATE_LIMITED 13

/**
 * A firewall in front of the service refused the request.
 */
#define SASTAOTP_BLOCKED 14

/**
 * The reply is incomplete or not in the service's format.
 */
#define SASTAOTP_PROTOCOL 15

/**
 * The connection failed or was lost.
 */
#define SASTAOTP_CONNECTION 16

/**
 * The server's TLS certificate was rejected.
 */
#define SASTAOTP_TLS 17

/**
 * A step of the call, or the whole call, timed out.
 */
#define SASTAOTP_TIMEOUT 18

/**
 * A cancellation token ended the call.
 */
#define SASTAOTP_CANCELLED 19

/**
 * No code arrived within the timeout. The activation is unchanged, unless the wait's options
 * cancel it.
 */
#define SASTAOTP_WAIT_TIMEOUT 20

/**
 * The order expired without a code.
 */
#define SASTAOTP_EXPIRED 21

/**
 * The service, or another user of the API key, cancelled the order.
 */
#define SASTAOTP_ACTIVATION_CANCELLED 22

/**
 * The library has a defect. The operation may have taken effect.
 */
#define SASTAOTP_INTERNAL 23

/**
 * The intent was sent before. The message states its outcome; this call sent nothing.
 */
#define SASTAOTP_ALREADY_SENT 24

/**
 * The journal cannot be written or read, so the purchase could be forgotten. Nothing was sent.
 */
#define SASTAOTP_JOURNAL 25

/**
 * Certainly nothing was charged.
 */
#define SASTAOTP_NOT_CHARGED 0

/**
 * The purchase may have been made. Do not repeat it: reconcile its intent.
 */
#define SASTAOTP_CHARGE_UNKNOWN 1

/**
 * Money was charged.
 */
#define SASTAOTP_CHARGED 2

/**
 * Not until something else changes.
 */
#define SASTAOTP_RETRY_NEVER 0

/**
 * After the pause that sastaotp_error_retry_after_ms returns.
 */
#define SASTAOTP_RETRY_AFTER 1

/**
 * After sastaotp_client_reconcile has shown whether the purchase was made.
 */
#define SASTAOTP_RETRY_AFTER_RECONCILE 2

/**
 * Before a request: checking arguments, or waiting to send the next request.
 */
#define SASTAOTP_PHASE_PREPARE 0

/**
 * Resolving the host name.
 */
#define SASTAOTP_PHASE_RESOLVE 1

/**
 * Connecting to the host or its proxy.
 */
#define SASTAOTP_PHASE_CONNECT 2

/**
 * The TLS handshake.
 */
#define SASTAOTP_PHASE_TLS 3

/**
 * Sending the request.
 */
#define SASTAOTP_PHASE_SEND 4

/**
 * Receiving the reply.
 */
#define SASTAOTP_PHASE_RECEIVE 5

/**
 * Decoding the reply.
 */
#define SASTAOTP_PHASE_DECODE 6

/**
 * The service answered with an error.
 */
#define SASTAOTP_PHASE_SERVICE 7

/**
 * The header X-API-Key, which keeps the key out of URLs and the logs of proxies. The default.
 */
#define SASTAOTP_API_KEY_IN_HEADER 0

/**
 * The header Authorization: Bearer, which Apache with PHP-FPM often drops.
 */
#define SASTAOTP_API_KEY_IN_BEARER 1

/**
 * The query parameter api_key, for services that accept no header.
 */
#define SASTAOTP_API_KEY_IN_QUERY 2

/**
 * The end of the process, however it ends, and a power loss. A purchase waits for the disk
 * twice. The default.
 */
#define SASTAOTP_DURABILITY_POWER 0

/**
 * The end of the process, however it ends. After a power loss the journal may lack purchases.
 */
#define SASTAOTP_DURABILITY_PROCESS 1

/**
 * Cancel the order and refund it.
 */
#define SASTAOTP_SET_CANCEL 8

/**
 * Cancel the order and refund it: an older value, for services that do not accept 8.
 */
#define SASTAOTP_SET_CANCEL_LEGACY -1

/**
 * Report that the SMS was sent to the number.
 */
#define SASTAOTP_SET_SMS_SENT 1

/**
 * Wait for the next code.
 */
#define SASTAOTP_SET_NEXT_CODE 3

/**
 * Complete the order.
 */
#define SASTAOTP_SET_COMPLETE 6

/**
 * No code has arrived yet.
 */
#define SASTAOTP_ACTIVATION_STATUS_WAITING 0

/**
 * The service waits for the next code; sastaotp_activation_status_last_code is the previous one.
 */
#define SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT 1

/**
 * A code has arrived: sastaotp_activation_status_sms.
 */
#define SASTAOTP_ACTIVATION_STATUS_RECEIVED 2

/**
 * The service reports cancelled. If the order already had its code, the service may also mean
 * completed or expired.
 */
#define SASTAOTP_ACTIVATION_STATUS_CANCELLED 3

/**
 * A status that is unknown to the library: sastaotp_activation_status_text. It does not end the
 * order.
 */
#define SASTAOTP_ACTIVATION_STATUS_OTHER 4

/**
 * The order is cancelled and the wallet refunded.
 */
#define SASTAOTP_STATUS_CHANGE_CANCELLED 0

/**
 * The order was already cancelled.
 */
#define SASTAOTP_STATUS_CHANGE_ALREADY_CANCELLED 1

/**
 * The service has recorded that the SMS was sent.
 */
#define SASTAOTP_STATUS_CHANGE_READY 2

/**
 * The service waits for the next code.
 */
#define SASTAOTP_STATUS_CHANGE_WAITING_FOR_NEXT 3

/**
 * The order is completed.
 */
#define SASTAOTP_STATUS_CHANGE_COMPLETED 4

/**
 * The service accepted the request without reporting its effect.
 */
#define SASTAOTP_STATUS_CHANGE_ACCEPTED 5

/**
 * An effect that is unknown to the library: sastaotp_status_change_text.
 */
#define SASTAOTP_STATUS_CHANGE_OTHER 6

/**
 * Fail with SASTAOTP_TOO_EARLY; sastaotp_error_retry_after_ms returns how long to wait.
 */
#define SASTAOTP_ON_TOO_EARLY_FAIL 0

/**
 * Wait until cancelling is allowed, and complete the order if a code arrives meanwhile.
 */
#define SASTAOTP_ON_TOO_EARLY_WAIT 1

/**
 * The activation has not ended, as far as is known.
 */
#define SASTAOTP_ENDING_NONE 0

/**
 * The order was completed.
 */
#define SASTAOTP_ENDING_COMPLETED 1

/**
 * The order was cancelled, by its owner or by the service.
 */
#define SASTAOTP_ENDING_CANCELLED 2

/**
 * The order expired.
 */
#define SASTAOTP_ENDING_EXPIRED 3

/**
 * Completed: the price is spent.
 */
#define SASTAOTP_SETTLED_COMPLETED 0

/**
 * Cancelled: the price is refunded.
 */
#define SASTAOTP_SETTLED_CANCELLED 1

/**
 * Not cancelled, because a code arrived first. The order is still open: complete it.
 */
#define SASTAOTP_SETTLED_CODE_ARRIVED 2

/**
 * The order had already ended.
 */
#define SASTAOTP_SETTLED_ALREADY_OVER 3

/**
 * The reply has not arrived yet.
 */
#define SASTAOTP_UNCLAIMED_PENDING 0

/**
 * A number was bought: claim it with sastaotp_client_activation.
 */
#define SASTAOTP_UNCLAIMED_BOUGHT 1

/**
 * The outcome is unknown: reconcile the intent, then claim an order or resolve the intent.
 */
#define SASTAOTP_UNCLAIMED_UNKNOWN 2

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Returns the version of the loaded library, such as "0.1.0". It may be newer than the header's.
 * The text is static. Since 0.1.0.
 */
const char *sastaotp_version(void);

/**
 * Returns the version of the loaded library's binary interface. A program that loads the library
 * by hand compares it with SASTAOTP_ABI_VERSION. Since 0.1.0.
 */
uint32_t sastaotp_abi_version(void);

/**
 * Returns the name of a status, such as "SASTAOTP_NO_NUMBERS". Returns NULL if the library does
 * not define the status. The text is static. Since 0.1.0.
 */
const char *sastaotp_status_name(sastaotp_status status);

/**
 * Returns the kind of failure: the same status that the failed function returned. Since 0.1.0.
 */
sastaotp_status sastaotp_error_kind(const sastaotp_error *error);

/**
 * Returns the failure as one sentence: the operation, the reason, and the next step. For example
 * "buying tg in 22: the service answered NO_BALANCE: add funds, then try again". Since 0.1.0.
 */
const char *sastaotp_error_message(const sastaotp_error *error);

/**
 * Returns the next step, which is the last part of the message. The text is empty if there is
 * nothing to suggest. Since 0.1.0.
 */
const char *sastaotp_error_hint(const sastaotp_error *error);

/**
 * Returns the service's error code verbatim, such as "NO_BALANCE". Returns NULL if the reply
 * contains none. Since 0.1.0.
 */
const char *sastaotp_error_code(const sastaotp_error *error);

/**
 * Returns the HTTP status of the reply that caused the error. Returns 0 if no reply did. Since
 * 0.1.0.
 */
int32_t sastaotp_error_http_status(const sastaotp_error *error);

/**
 * Returns the step in which the call failed. Since 0.1.0.
 */
sastaotp_phase sastaotp_error_phase(const sastaotp_error *error);

/**
 * Returns the effect of the call on the wallet. Check it first after a failed purchase. It is
 * SASTAOTP_NOT_CHARGED for calls that cost nothing. Since 0.1.0.
 */
sastaotp_charge sastaotp_error_charge(const sastaotp_error *error);

/**
 * Returns whether the same call may succeed later. Since 0.1.0.
 */
sastaotp_retry sastaotp_error_retry(const sastaotp_error *error);

/**
 * Writes how long to wait before the same call may succeed, in milliseconds. Returns false if
 * sastaotp_error_retry is not SASTAOTP_RETRY_AFTER. Since 0.1.0.
 */
bool sastaotp_error_retry_after_ms(const sastaotp_error *error, uint32_t *millis);

/**
 * Returns the name of the fault, such as "reply_lost"; docs/faults.md lists the names. Returns
 * NULL if the failure is not one of these faults. Since 0.1.0.
 */
const char *sastaotp_error_fault(const sastaotp_error *error);

/**
 * Returns the first 4,096 characters of the reply, verbatim, if the reply is the reason for the
 * failure. Otherwise returns NULL. Since 0.1.0.
 */
const char *sastaotp_error_raw(const sastaotp_error *error);

/**
 * Returns the intent of the purchase that failed, for sastaotp_client_reconcile. Returns NULL if
 * the call was not a purchase, or its request was invalid. The intent belongs to the error. Since
 * 0.1.0.
 */
const sastaotp_intent *sastaotp_error_intent(const sastaotp_error *error);

/**
 * Returns the error as JSON: kind, message, hint, code, http_status, phase, charge, retry,
 * retry_after_ms, fault, intent, raw. Since 0.1.0.
 */
const char *sastaotp_error_json(const sastaotp_error *error);

/**
 * Frees an error. Since 0.1.0.
 */
void sastaotp_error_free(sastaotp_error *error);

/**
 * Formats micro-rupees as rupees with two to six decimals, such as "18.50". The conversion is
 * exact.
 *
 * Writes the text and a NUL to `buffer`, which has `size` bytes; 32 are always enough. Returns the
 * length of the whole text without the NUL, as snprintf does: if the result is not less than
 * `size`, the text was cut to fit. If `buffer` is NULL or `size` is 0, it only returns the length.
 * Cannot fail. Since 0.1.0.
 */
size_t sastaotp_amount_format(int64_t micros, char *buffer, size_t size);

/**
 * Parses rupees with at most six decimals after a point, such as "18.50", and writes micro-rupees
 * to `*micros`. An exponent is accepted: "1e3" is 1,000 rupees. The conversion is exact.
 *
 * Fails with SASTAOTP_CONFIG if the text is not such an amount or the amount does not fit 64 bits;
 * then `*micros` is unchanged. Since 0.1.0.
 */
sastaotp_status sastaotp_amount_parse(const char *rupees, int64_t *micros, sastaotp_error **error);

/**
 * Creates settings with every default and no API key. The caller owns the result: free it with
 * sastaotp_config_free. Cannot fail. Since 0.1.0.
 */
sastaotp_config *sastaotp_config_new(void);

/**
 * Creates settings from the environment: SASTAOTP_API_KEY and, if set, SASTAOTP_BASE_URL and
 * SASTAOTP_JOURNAL.
 *
 * Fails with SASTAOTP_CONFIG if a variable is not UTF-8. No other thread may change the
 * environment during the call. Since 0.1.0.
 */
sastaotp_status sastaotp_config_from_env(sastaotp_config **config, sastaotp_error **error);

/**
 * Sets the API key: 1 to 256 visible ASCII characters. sastaotp_client_new checks it. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_api_key(sastaotp_config *config,
                                            const char *api_key,
                                            sastaotp_error **error);

/**
 * Sets the part of a request that carries the API key. The default is SASTAOTP_API_KEY_IN_HEADER.
 * Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_api_key_location(sastaotp_config *config,
                                                     sastaotp_api_key_location location,
                                                     sastaotp_error **error);

/**
 * Sets the service's URL: https, or http for this machine only. The default is the vendor's.
 * sastaotp_client_new checks it. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_base_url(sastaotp_config *config,
                                             const char *base_url,
                                             sastaotp_error **error);

/**
 * Sets the User-Agent: 1 to 256 printable ASCII characters. The default is "libsastaotp/" and the
 * version. sastaotp_client_new checks it. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_user_agent(sastaotp_config *config,
                                               const char *user_agent,
                                               sastaotp_error **error);

/**
 * Trusts the certificates in `length` bytes of PEM in addition to the public authorities. A second
 * call replaces the first. The bytes are copied. sastaotp_client_new checks them. Since 0.1.0.
 */
sastaotp_status sastaotp_config_add_ca_pem(sastaotp_config *config,
                                           const uint8_t *pem,
                                           size_t length,
                                           sastaotp_error **error);

/**
 * Sets the maximum number of idle connections that the client keeps: 1 or more. The default is 64.
 * sastaotp_client_new checks it. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_max_connections(sastaotp_config *config,
                                                    uint32_t count,
                                                    sastaotp_error **error);

/**
 * Sets the maximum total of all charges, in micro-rupees. A purchase that could exceed it fails
 * before it is sent. A confirmed refund returns its money to the budget. With a budget, every
 * purchase needs a maximum price. There is no budget by default.
 *
 * Only the purchases that this client sends count. A purchase that another client or an earlier
 * run sent does not count, even if this client finds it. With a journal, the purchases of all
 * clients and processes that use it count. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_budget(sastaotp_config *config,
                                           int64_t micros,
                                           sastaotp_error **error);

/**
 * Sets the maximum duration of a call, including its retries, in milliseconds. The default is
 * 90,000. A wait, a reconcile and a settle with SASTAOTP_ON_TOO_EARLY_WAIT have their own
 * durations. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_timeout_ms(sastaotp_config *config,
                                               uint32_t millis,
                                               sastaotp_error **error);

/**
 * Sets how long after the end of its request the service may still book a purchase whose reply was
 * lost, in milliseconds. The default is 600,000. Until then a search that finds no order is not
 * complete: see sastaotp_reconciliation_is_complete. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_late_booking_ms(sastaotp_config *config,
                                                    uint32_t millis,
                                                    sastaotp_error **error);

/**
 * Sets the maximum number of requests per minute, for all handles of a client together: 1 to
 * 60,000,000. By default the client sends as many as the service accepts. With or without a limit,
 * it slows down after an HTTP status 429.
 *
 * Fails with SASTAOTP_CONFIG if `count` is out of range. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_max_requests_per_minute(sastaotp_config *config,
                                                            uint32_t count,
                                                            sastaotp_error **error);

/**
 * Keeps a journal of the purchases in a folder, which is created if it does not exist. There is no
 * journal by default.
 *
 * However this process ends, the next process that opens the folder with the same API key and base
 * URL has its purchases: sastaotp_client_unclaimed lists them, and their activations have the
 * codes that arrived. The budget is that of all these processes together, from the first purchase
 * in the journal on. Several processes can use a folder at once. All clients of an API key and a
 * base URL in a process use the same folder and durability.
 *
 * The folder contains phone numbers and codes. Those of settled orders are removed by the next
 * purchase or settlement after half a day. It never contains the API key. A journal does not
 * protect against the loss of the disk. sastaotp_client_new opens the folder, and fails with
 * SASTAOTP_JOURNAL if it cannot be used. A purchase that cannot be written fails in the same way:
 * then nothing is sent. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_journal(sastaotp_config *config,
                                            const char *folder,
                                            sastaotp_error **error);

/**
 * Sets the failures that the journal survives. The default is SASTAOTP_DURABILITY_POWER. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_config_set_durability(sastaotp_config *config,
                                               sastaotp_durability durability,
                                               sastaotp_error **error);

/**
 * Sets whether the journal may be on a network file system. By default it may not, because another
 * machine may not see the locks: two machines could then settle one order. Allow it only if a
 * single machine uses the folder. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_journal_on_network(sastaotp_config *config,
                                                       bool allow,
                                                       sastaotp_error **error);

/**
 * Frees settings. Clients that were created from them stay usable. Since 0.1.0.
 */
void sastaotp_config_free(sastaotp_config *config);

/**
 * Creates a token that is not triggered. The caller owns the result: free it with
 * sastaotp_cancel_token_free. Cannot fail. Since 0.1.0.
 */
sastaotp_cancel_token *sastaotp_cancel_token_new(void);

/**
 * Triggers the token: every call that uses it returns SASTAOTP_CANCELLED within 100 ms, and every
 * later call fails the same way. May be called while other threads are blocked in calls, but not
 * from a signal handler. Does nothing if `token` is NULL. Since 0.1.0.
 */
void sastaotp_cancel_token_trigger(const sastaotp_cancel_token *token);

/**
 * Returns whether the token was triggered. Since 0.1.0.
 */
bool sastaotp_cancel_token_is_triggered(const sastaotp_cancel_token *token);

/**
 * Frees the token. Clients and activations that use it stay usable, but can no longer be cancelled
 * with it. Since 0.1.0.
 */
void sastaotp_cancel_token_free(sastaotp_cancel_token *token);

/**
 * Creates a client from settings. Sends nothing.
 *
 * Fails with SASTAOTP_CONFIG if a setting is invalid or there is no API key, and with
 * SASTAOTP_JOURNAL if the journal's folder cannot be used. Reads HTTPS_PROXY, ALL_PROXY and
 * NO_PROXY as curl does, so no other thread may change the environment during the call. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_client_new(const sastaotp_config *config,
                                    sastaotp_client **client,
                                    sastaotp_error **error);

/**
 * Creates a client from SASTAOTP_API_KEY and, if set, SASTAOTP_BASE_URL and SASTAOTP_JOURNAL.
 * Sends nothing.
 *
 * Fails with SASTAOTP_CONFIG if a variable is invalid or the key is missing, and with
 * SASTAOTP_JOURNAL if the journal's folder cannot be used. No other thread may change the
 * environment during the call; see sastaotp_client_new for the other variables that it reads.
 * Since 0.1.0.
 */
sastaotp_status sastaotp_client_from_env(sastaotp_client **client, sastaotp_error **error);

/**
 * Creates a handle of the same client whose calls `token` can cancel. The token also applies to
 * the activations that the handle buys or claims.
 *
 * A purchase that was already sent continues until its reply. Its call returns immediately with
 * SASTAOTP_CANCELLED and SASTAOTP_CHARGE_UNKNOWN, and sastaotp_client_unclaimed lists the number
 * that was bought.
 *
 * Free `*handle` with sastaotp_client_free, in any order with the client and the token. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_client_with_cancel(const sastaotp_client *client,
                                            const sastaotp_cancel_token *token,
                                            sastaotp_client **handle,
                                            sastaotp_error **error);

/**
 * Creates a handle of the same client whose calls last at most `millis` milliseconds. A purchase
 * that was already sent continues until its reply, as after a cancellation. A wait, a reconcile
 * and a settle with SASTAOTP_ON_TOO_EARLY_WAIT have their own durations.
 *
 * Free `*handle` with sastaotp_client_free, in any order with the client. Since 0.1.0.
 */
sastaotp_status sastaotp_client_with_timeout_ms(const sastaotp_client *client,
                                                uint32_t millis,
                                                sastaotp_client **handle,
                                                sastaotp_error **error);

/**
 * Frees a client or a handle of one. Its activations, leases and results stay usable. No other
 * thread may be in a purchase of the client. Does not wait for purchases in flight: before the
 * program ends, call sastaotp_client_finish. Since 0.1.0.
 */
void sastaotp_client_free(sastaotp_client *client);

/**
 * Writes the remaining budget, in micro-rupees. Returns false if the client has no budget. Sends
 * nothing. Since 0.1.0.
 */
bool sastaotp_client_budget_left(const sastaotp_client *client, int64_t *micros);

/**
 * Reads the wallet. Action getBalance.
 *
 * Fails with a read error. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_balance(const sastaotp_client *client,
                                            sastaotp_balance **balance,
                                            sastaotp_error **error);

/**
 * Reads the services on sale: all if `service` is NULL, otherwise one with its countries. Action
 * getServicesList.
 *
 * Fails with a read error. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_services(const sastaotp_client *client,
                                             const char *service,
                                             sastaotp_services **services,
                                             sastaotp_error **error);

/**
 * Reads the prices of one service, of one country, or of both. If `service` and `country` are
 * NULL, reads all prices, which are 2.6 MB. Action getPrices.
 *
 * Fails with a read error. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_prices(const sastaotp_client *client,
                                           const char *service,
                                           const char *country,
                                           sastaotp_prices **prices,
                                           sastaotp_error **error);

/**
 * Reads the countries and their codes, which are not calling codes. Action getCountries.
 *
 * Fails with a read error. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_countries(const sastaotp_client *client,
                                              sastaotp_countries **countries,
                                              sastaotp_error **error);

/**
 * Reads the countries with a name, ignoring case. There may be none, one or several, each with its
 * own code and prices. Action getCountries.
 *
 * Fails with a read error. Since 0.1.0.
 */
sastaotp_status sastaotp_client_find_country(const sastaotp_client *client,
                                             const char *name,
                                             sastaotp_countries **countries,
                                             sastaotp_error **error);

/**
 * Reads one page of the order history, newest first. `limit` is the number of orders per page, 1
 * to 100; `page` starts at 1. Returns the orders with `status` ("pending", "completed",
 * "cancelled", "expired"), or all if `status` is NULL. Action getOrders.
 *
 * Fails with a read error. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_orders(const sastaotp_client *client,
                                           uint32_t limit,
                                           uint32_t page,
                                           const char *status,
                                           sastaotp_orders **orders,
                                           sastaotp_error **error);

/**
 * Creates an iterator over the order history, newest first: over the orders with `status`, or over
 * all if `status` is NULL. Sends nothing.
 *
 * Free `*iterator` with sastaotp_order_iterator_free. Since 0.1.0.
 */
sastaotp_status sastaotp_client_orders(const sastaotp_client *client,
                                       const char *status,
                                       sastaotp_order_iterator **iterator,
                                       sastaotp_error **error);

/**
 * Buys a number. Action getNumber. COSTS MONEY.
 *
 * Sends the purchase at most once. If it fails and sastaotp_error_charge is
 * SASTAOTP_CHARGE_UNKNOWN, call sastaotp_client_reconcile before you buy again.
 *
 * Read sastaotp_purchase_warning of the purchase: the price may be above the maximum. Fails with a
 * purchase error. Freeing `*activation` with sastaotp_activation_free does not change the order.
 * Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_number(const sastaotp_client *client,
                                           const sastaotp_number_request *request,
                                           sastaotp_activation **activation,
                                           sastaotp_error **error);

/**
 * Prepares a purchase for sastaotp_client_buy. Save sastaotp_intent_json before you buy: a program
 * that is killed before the reply can then still find its purchase. If the client has not read the
 * newest order yet, it does so first. Action getOrders.
 *
 * Fails with a read error. Since 0.1.0.
 */
sastaotp_status sastaotp_client_intend(const sastaotp_client *client,
                                       const sastaotp_number_request *request,
                                       sastaotp_intent **intent,
                                       sastaotp_error **error);

/**
 * Makes a prepared purchase. Action getNumber. COSTS MONEY.
 *
 * An intent is sent once. If it was sent before, fails with SASTAOTP_ALREADY_SENT: the message
 * states its outcome, and sastaotp_error_charge is SASTAOTP_CHARGE_UNKNOWN if that is not known.
 * An intent that an earlier run saved is looked up in the order history first (action getOrders).
 * The call fails in the same way, and names the candidates, unless the search is complete and
 * found none. That takes ten minutes, or the time of sastaotp_config_set_late_booking_ms, from the
 * first search of this process, because the earlier run may have sent the request at its end.
 *
 * Fails with a purchase error. Since 0.1.0.
 */
sastaotp_status sastaotp_client_buy(const sastaotp_client *client,
                                    const sastaotp_intent *intent,
                                    sastaotp_activation **activation,
                                    sastaotp_error **error);

/**
 * Buys the number of a completed activation again, for at most `max_price` micro-rupees. Action
 * regetNumber. COSTS MONEY, as much as the first time.
 *
 * The service accepts no maximum for this action. If the price is known, from the purchase or from
 * the order history, and above the maximum, the call fails with SASTAOTP_PRICE_TOO_HIGH and sends
 * nothing. Otherwise a warning of the purchase reports a price above the maximum.
 *
 * Fails with a purchase error or SASTAOTP_NOT_FOUND. Free `*activation` with
 * sastaotp_activation_free. Since 0.1.0.
 */
sastaotp_status sastaotp_client_reget_number(const sastaotp_client *client,
                                             const char *id,
                                             int64_t max_price,
                                             sastaotp_activation **activation,
                                             sastaotp_error **error);

/**
 * Buys the number of a completed activation again, at any price. Not possible for a client with a
 * budget. Action regetNumber. COSTS MONEY, as much as the first time.
 *
 * Fails with a purchase error or SASTAOTP_NOT_FOUND. Free `*activation` with
 * sastaotp_activation_free. Since 0.1.0.
 */
sastaotp_status sastaotp_client_reget_number_at_any_price(const sastaotp_client *client,
                                                          const char *id,
                                                          sastaotp_activation **activation,
                                                          sastaotp_error **error);

/**
 * Buys a number and returns a lease, which settles the order when it ends. Action getNumber. COSTS
 * MONEY.
 *
 * Fails with a purchase error. sastaotp_lease_free settles the order and frees `*lease`. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_client_lease(const sastaotp_client *client,
                                      const sastaotp_number_request *request,
                                      sastaotp_lease **lease,
                                      sastaotp_error **error);

/**
 * Claims an existing activation by its id: one of an earlier run, of the order history, or of
 * sastaotp_client_unclaimed. Sends nothing.
 *
 * Fails with SASTAOTP_CONFIG if `id` is not 1 to 256 bytes, or has blanks around it or a line end.
 * Since 0.1.0.
 */
sastaotp_status sastaotp_client_activation(const sastaotp_client *client,
                                           const char *id,
                                           sastaotp_activation **activation,
                                           sastaotp_error **error);

/**
 * Reads the status of an activation. Sends getStatus, and getStatusV2 to read
 * the text of a message.
 *
 * Fails with a read error or SASTAOTP_NOT_FOUND. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_status(const sastaotp_client *client,
                                           const char *id,
                                           sastaotp_activation_status **status,
                                           sastaotp_error **error);

/**
 * Changes the status of an activation and returns the change that the service reports. Action
 * setStatus.
 *
 * Sends the request once. If the reply is lost, reads the status and repeats the request only if
 * the status shows that it had no effect.
 *
 * Does not update any sastaotp_activation. Prefer the functions of sastaotp_activation: they
 * distinguish the codes of an order and record how it ended.
 *
 * Fails with a read error, SASTAOTP_NOT_FOUND, SASTAOTP_ALREADY_FINISHED or SASTAOTP_TOO_EARLY.
 * Since 0.1.0.
 */
sastaotp_status sastaotp_client_set_status(const sastaotp_client *client,
                                           const char *id,
                                           sastaotp_set_status status,
                                           sastaotp_status_change **change,
                                           sastaotp_error **error);

/**
 * Searches the order history for a purchase whose outcome is unknown, for at most `timeout_ms`
 * milliseconds. 60,000 is a good value; 0 looks once. Action getOrders.
 *
 * Returns earlier only if the evidence proves that an order is the purchase, or if the search is
 * complete. Otherwise looks until the time is over: the history can lag, and another program's
 * order can look the same. If the search is not complete then, the purchase stays unknown and
 * listed, and the next call continues.
 *
 * An order that another purchase of this API key bought is not a candidate. To claim a candidate,
 * pass its activation id to sastaotp_client_activation. If there are several, call
 * sastaotp_client_resolve_made first; let a person decide if several are likely, or none is.
 *
 * The claim of the only candidate resolves the purchase, unless the search ended less than 60
 * seconds after the reply was lost and was not complete. Then the maximum stays reserved, and a
 * refund of that order makes the purchase unknown again: call sastaotp_client_resolve_made as well
 * if you know that the order is yours.
 *
 * Fails with a read error. If it fails, the purchase stays unknown: sastaotp_error_charge is
 * SASTAOTP_CHARGE_UNKNOWN. Since 0.1.0.
 */
sastaotp_status sastaotp_client_reconcile(const sastaotp_client *client,
                                          const sastaotp_intent *intent,
                                          uint32_t timeout_ms,
                                          sastaotp_reconciliation **reconciliation,
                                          sastaotp_error **error);

/**
 * Resolves a purchase with an unknown outcome: the caller knows that it was not made. It is not
 * listed any more. If a client of this process sent it, its reservation returns to that client's
 * budget. sastaotp_client_resolve_made can correct the answer later. Sends nothing.
 *
 * Fails with SASTAOTP_CONFIG if the reply may still arrive, or the purchase is known to be made.
 * Since 0.1.0.
 */
sastaotp_status sastaotp_client_resolve_not_made(const sastaotp_client *client,
                                                 const sastaotp_intent *intent,
                                                 sastaotp_error **error);

/**
 * Resolves a purchase with an unknown outcome: the caller knows that it bought this activation.
 * sastaotp_client_unclaimed lists the number as bought until it is claimed. If a client of this
 * process sent the purchase, the price of the order replaces its reservation. Sends nothing.
 *
 * The id is not checked: take it from a candidate or from the service's order history. A wrong
 * answer can be corrected by calling this function or sastaotp_client_resolve_not_made again until
 * the order has a code or has ended.
 *
 * Fails with SASTAOTP_CONFIG if the reply may still arrive, if the purchase is known to be refused
 * or to have bought another activation, or if another purchase bought this activation. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_client_resolve_made(const sastaotp_client *client,
                                             const sastaotp_intent *intent,
                                             const char *activation_id,
                                             sastaotp_error **error);

/**
 * Settles the leases in the client's journal whose processes ended before they settled them: see
 * sastaotp_config_set_journal and sastaotp_activation_settle. Without a journal there are none. A
 * lease that could not be settled has an error in `*leases`, and sastaotp_client_unclaimed lists
 * its number. Actions getStatus and setStatus.
 *
 * Free `*leases` with sastaotp_settled_leases_free. Since 0.1.0.
 */
sastaotp_status sastaotp_client_settle_leftover_leases(const sastaotp_client *client,
                                                       sastaotp_on_too_early on_too_early,
                                                       sastaotp_settled_leases **leases,
                                                       sastaotp_error **error);

/**
 * Lists every purchase of this API key and base URL in this process that is not settled, kept or
 * resolved, and that no activation or lease holds: its caller stopped waiting, its outcome is
 * unknown, or its last handle was freed while the order was open. Reading the list or a failed
 * cancellation removes nothing. A purchase leaves the list when its order is completed, cancelled
 * or expired, by sastaotp_activation_keep, and by sastaotp_client_resolve_not_made. While an
 * activation or a lease holds the number, it is not listed. Sends nothing. Since 0.1.0.
 */
sastaotp_status sastaotp_client_unclaimed(const sastaotp_client *client,
                                          sastaotp_unclaimed_list **list,
                                          sastaotp_error **error);

/**
 * Ends the use of a client: waits at most `timeout_ms` milliseconds for the replies of its
 * purchases in flight. Then lists each purchase of the client that is not settled or kept, even if
 * an activation or a lease holds it, and each one that sastaotp_client_unclaimed lists. Report
 * every entry: without a journal, no other record of it exists after the process has ended. The
 * client stays usable. Sends nothing.
 *
 * 10,000 is a good value for `timeout_ms`. Free `*list` with sastaotp_unclaimed_list_free. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_client_finish(const sastaotp_client *client,
                                       uint32_t timeout_ms,
                                       sastaotp_unclaimed_list **list,
                                       sastaotp_error **error);

/**
 * Returns the amount in micro-rupees. Since 0.1.0.
 */
int64_t sastaotp_balance_amount(const sastaotp_balance *balance);

/**
 * Returns the service's name of the currency. Returns "INR" if the service reports none. Since
 * 0.1.0.
 */
const char *sastaotp_balance_currency(const sastaotp_balance *balance);

/**
 * Returns the balance as JSON: amount_micros, currency, raw. Since 0.1.0.
 */
const char *sastaotp_balance_json(const sastaotp_balance *balance);

/**
 * Frees a balance. Since 0.1.0.
 */
void sastaotp_balance_free(sastaotp_balance *balance);

/**
 * Returns the number of services. Since 0.1.0.
 */
size_t sastaotp_services_count(const sastaotp_services *services);

/**
 * Returns the service at an index. Returns NULL if the index is out of range. The service belongs
 * to the list. Since 0.1.0.
 */
const sastaotp_service *sastaotp_services_get(const sastaotp_services *services, size_t index);

/**
 * Returns the list as a JSON object with the keys `services` and `raw` (the reply).
 *
 * Each service has code (the service code), name, price_micros, available, multi_sms,
 * expires_in_ms and countries. Each of its countries has country (the country code), country_name,
 * price_micros and available. Since 0.1.0.
 */
const char *sastaotp_services_json(const sastaotp_services *services);

/**
 * Frees a list with its services and offers. Since 0.1.0.
 */
void sastaotp_services_free(sastaotp_services *services);

/**
 * Returns the service's code for a purchase, such as "tg". Since 0.1.0.
 */
const char *sastaotp_service_code(const sastaotp_service *service);

/**
 * Returns the service's common name, such as "Telegram". The text is empty if the reply has none.
 * Since 0.1.0.
 */
const char *sastaotp_service_name(const sastaotp_service *service);

/**
 * Writes the price of a number without a chosen country, in micro-rupees. Returns false if the
 * service does not report it. Since 0.1.0.
 */
bool sastaotp_service_price(const sastaotp_service *service, int64_t *micros);

/**
 * Writes the number of available numbers. Returns false if the service does not report it. Since
 * 0.1.0.
 */
bool sastaotp_service_available(const sastaotp_service *service, uint64_t *count);

/**
 * Writes whether one number can receive several codes. Returns false if the service does not
 * report it. Since 0.1.0.
 */
bool sastaotp_service_multi_sms(const sastaotp_service *service, bool *multi_sms);

/**
 * Writes how long after its purchase an order expires, in milliseconds. Returns false if the
 * service does not report it. Since 0.1.0.
 */
bool sastaotp_service_expires_in_ms(const sastaotp_service *service, uint32_t *millis);

/**
 * Returns the number of countries in which the service is sold. The live service reports them only
 * if the request names one service. Since 0.1.0.
 */
size_t sastaotp_service_offer_count(const sastaotp_service *service);

/**
 * Returns the offer at an index. Returns NULL if the index is out of range. The offer belongs to
 * the list. Since 0.1.0.
 */
const sastaotp_offer *sastaotp_service_offer(const sastaotp_service *service, size_t index);

/**
 * Returns the country's code for a purchase. It is not a calling code. Since 0.1.0.
 */
const char *sastaotp_offer_country(const sastaotp_offer *offer);

/**
 * Returns the name of the country. The text is empty if the reply has none. Since 0.1.0.
 */
const char *sastaotp_offer_country_name(const sastaotp_offer *offer);

/**
 * Writes the price of a number in this country, in micro-rupees. Returns false if the service does
 * not report it. Since 0.1.0.
 */
bool sastaotp_offer_price(const sastaotp_offer *offer, int64_t *micros);

/**
 * Writes the number of available numbers. Returns false if the service does not report it. Since
 * 0.1.0.
 */
bool sastaotp_offer_available(const sastaotp_offer *offer, uint64_t *count);

/**
 * Returns the number of entries: about 80,000 if unfiltered. Since 0.1.0.
 */
size_t sastaotp_prices_count(const sastaotp_prices *prices);

/**
 * Finds the entry of one service in one country and writes its index. Returns false if there is no
 * such entry, or `country` or `service` is NULL or not UTF-8. Since 0.1.0.
 */
bool sastaotp_prices_find(const sastaotp_prices *prices,
                          const char *country,
                          const char *service,
                          size_t *index);

/**
 * Returns the country code of an entry; "*" and "any" are codes of the service too. Returns NULL
 * if the index is out of range. Since 0.1.0.
 */
const char *sastaotp_prices_country(const sastaotp_prices *prices, size_t index);

/**
 * Returns the service code of an entry. Returns NULL if the index is out of range. Since 0.1.0.
 */
const char *sastaotp_prices_service(const sastaotp_prices *prices, size_t index);

/**
 * Writes the price of a number, in micro-rupees. Returns false if the index is out of range or the
 * reply's price is not readable. Since 0.1.0.
 */
bool sastaotp_prices_price(const sastaotp_prices *prices, size_t index, int64_t *micros);

/**
 * Writes the number of available numbers; the live service reports 999 everywhere. Returns false
 * if the index is out of range or the service does not report it. Since 0.1.0.
 */
bool sastaotp_prices_available(const sastaotp_prices *prices, size_t index, uint32_t *count);

/**
 * Returns the table as a JSON object with the keys `prices` and `raw` (the reply). Each price has
 * country, service, price_micros and available.
 * Unfiltered, it has several megabytes. Since 0.1.0.
 */
const char *sastaotp_prices_json(const sastaotp_prices *prices);

/**
 * Frees a table. Since 0.1.0.
 */
void sastaotp_prices_free(sastaotp_prices *prices);

/**
 * Returns the number of countries. Since 0.1.0.
 */
size_t sastaotp_countries_count(const sastaotp_countries *countries);

/**
 * Returns the country at an index. Returns NULL if the index is out of range. The country belongs
 * to the list. Since 0.1.0.
 */
const sastaotp_country *sastaotp_countries_get(const sastaotp_countries *countries, size_t index);

/**
 * Returns the list as a JSON object with the keys `countries` and `raw` (the reply). Each country
 * has code, name and visible. Since 0.1.0.
 */
const char *sastaotp_countries_json(const sastaotp_countries *countries);

/**
 * Frees a list and its countries. Since 0.1.0.
 */
void sastaotp_countries_free(sastaotp_countries *countries);

/**
 * Returns the country's code for a purchase. It is not a calling code: 22 is India. Since 0.1.0.
 */
const char *sastaotp_country_code(const sastaotp_country *country);

/**
 * Returns the English name, which several countries may share. The text is empty if the reply has
 * none. Since 0.1.0.
 */
const char *sastaotp_country_name(const sastaotp_country *country);

/**
 * Returns whether the service shows the country to its users. Since 0.1.0.
 */
bool sastaotp_country_is_visible(const sastaotp_country *country);

/**
 * Returns the number of orders on the page. Since 0.1.0.
 */
size_t sastaotp_orders_count(const sastaotp_orders *orders);

/**
 * Returns the order at an index. Returns NULL if the index is out of range. The order belongs to
 * the page. Since 0.1.0.
 */
const sastaotp_order *sastaotp_orders_get(const sastaotp_orders *orders, size_t index);

/**
 * Writes the number of orders on all pages. Returns false if the service does not report it. Since
 * 0.1.0.
 */
bool sastaotp_orders_total(const sastaotp_orders *orders, uint64_t *count);

/**
 * Returns the page as a JSON object with the keys `orders` (each as in sastaotp_order_json),
 * `total` (the number of orders on all pages), `extra_orders` (the activation ids of the orders
 * that a proxy may have bought again by repeating a request) and `raw` (the reply). Since 0.1.0.
 */
const char *sastaotp_orders_json(const sastaotp_orders *orders);

/**
 * Frees a page and its orders. Since 0.1.0.
 */
void sastaotp_orders_free(sastaotp_orders *orders);

/**
 * Returns the id of the order; newer orders have higher ids. Returns NULL if the reply has none.
 * Since 0.1.0.
 */
const char *sastaotp_order_id(const sastaotp_order *order);

/**
 * Returns the id for sastaotp_client_activation. Returns NULL if the reply has none. Since 0.1.0.
 */
const char *sastaotp_order_activation_id(const sastaotp_order *order);

/**
 * Returns the phone number verbatim. Returns NULL if the reply has none. Since 0.1.0.
 */
const char *sastaotp_order_phone_number(const sastaotp_order *order);

/**
 * Returns the code of the service, or its name if the reply has no code. Returns NULL if the reply
 * has neither. Since 0.1.0.
 */
const char *sastaotp_order_service(const sastaotp_order *order);

/**
 * Returns the code of the country, or its name if the reply has no code. Returns NULL if the reply
 * has neither. Since 0.1.0.
 */
const char *sastaotp_order_country(const sastaotp_order *order);

/**
 * Returns the status of the order: "pending", "completed", "cancelled", "expired", or another word
 * of the service, verbatim. Returns NULL if the reply has none. Since 0.1.0.
 */
const char *sastaotp_order_status(const sastaotp_order *order);

/**
 * Returns the code that arrived. Returns NULL if the reply has none. Since 0.1.0.
 */
const char *sastaotp_order_code(const sastaotp_order *order);

/**
 * Returns the service's text for the time of the purchase; its time zone is unknown. Returns NULL
 * if the reply has none. Since 0.1.0.
 */
const char *sastaotp_order_created_text(const sastaotp_order *order);

/**
 * Writes the time of the purchase, in milliseconds since 1970. Returns false if the service does
 * not report seconds since 1970. Since 0.1.0.
 */
bool sastaotp_order_created_at_ms(const sastaotp_order *order, int64_t *millis);

/**
 * Writes the amount charged, in micro-rupees. Returns false if the reply has none. Since 0.1.0.
 */
bool sastaotp_order_price(const sastaotp_order *order, int64_t *micros);

/**
 * Returns the order as JSON: order_id, activation_id, phone_number, service, country,
 * price_micros, status, code, created_text, created_at_ms, raw. Since 0.1.0.
 */
const char *sastaotp_order_json(const sastaotp_order *order);

/**
 * Frees an order from sastaotp_order_iterator_next. Since 0.1.0.
 */
void sastaotp_order_free(sastaotp_order *order);

/**
 * Returns the next order, and reads the next page if needed. At the end it writes NULL to `*order`
 * and returns SASTAOTP_OK. Action getOrders.
 *
 * Fails with a read error, which ends the iteration. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_order_iterator_next(sastaotp_order_iterator *iterator,
                                             sastaotp_order **order,
                                             sastaotp_error **error);

/**
 * Frees an iterator. The orders that it returned stay valid. Since 0.1.0.
 */
void sastaotp_order_iterator_free(sastaotp_order_iterator *iterator);

/**
 * Reads a saved intent: the text that sastaotp_intent_json returned.
 *
 * Fails with SASTAOTP_CONFIG if the text is not an intent. Since 0.1.0.
 */
sastaotp_status sastaotp_intent_from_json(const char *json,
                                          sastaotp_intent **intent,
                                          sastaotp_error **error);

/**
 * Returns the intent as JSON. Save it before the purchase and read it with
 * sastaotp_intent_from_json. Since 0.1.0.
 */
const char *sastaotp_intent_json(const sastaotp_intent *intent);

/**
 * Returns the code of the service. Returns NULL if the purchase buys a number again. Since 0.1.0.
 */
const char *sastaotp_intent_service(const sastaotp_intent *intent);

/**
 * Returns the code of the country. Returns NULL if the request names none: it accepts any country,
 * or sastaotp_intent_operator pins the country. Since 0.1.0.
 */
const char *sastaotp_intent_country(const sastaotp_intent *intent);

/**
 * Returns the parameter `operator`, which pins the country. Returns NULL if the request has none.
 * Since 0.1.0.
 */
const char *sastaotp_intent_operator(const sastaotp_intent *intent);

/**
 * Returns the id of the activation whose number the purchase buys again. Returns NULL for other
 * purchases. Since 0.1.0.
 */
const char *sastaotp_intent_reget_of(const sastaotp_intent *intent);

/**
 * Writes the maximum price, in micro-rupees. Returns false if the request accepts any price, or
 * the maximum is unknown. Since 0.1.0.
 */
bool sastaotp_intent_max_price(const sastaotp_intent *intent, int64_t *micros);

/**
 * Writes the highest order id before the purchase: the order of the purchase has a higher id.
 * Returns false if no order id was known. Since 0.1.0.
 */
bool sastaotp_intent_watermark(const sastaotp_intent *intent, uint64_t *order_id);

/**
 * Returns when the intent was created, in milliseconds since 1970. Since 0.1.0.
 */
int64_t sastaotp_intent_started_at_ms(const sastaotp_intent *intent);

/**
 * Copies an intent, to keep it after the error or list that contains it is freed. The caller owns
 * the result: free it with sastaotp_intent_free. Returns NULL if `intent` is NULL. Since 0.1.0.
 */
sastaotp_intent *sastaotp_intent_copy(const sastaotp_intent *intent);

/**
 * Frees an intent that the caller owns; not one that is part of an error or a list. Since 0.1.0.
 */
void sastaotp_intent_free(sastaotp_intent *intent);

/**
 * Creates a request for a number of a service: a code from sastaotp_client_get_services, such as
 * "tg". Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_new(const char *service,
                                            sastaotp_number_request **request,
                                            sastaotp_error **error);

/**
 * Sets the country: a code from sastaotp_client_get_countries, which is not a calling code. India
 * is "22". Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_set_country(sastaotp_number_request *request,
                                                    const char *country,
                                                    sastaotp_error **error);

/**
 * Lets the service choose the country. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_any_country(sastaotp_number_request *request,
                                                    sastaotp_error **error);

/**
 * Sets the maximum price, in micro-rupees: 18.50 rupees are 18500000. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_set_max_price(sastaotp_number_request *request,
                                                      int64_t micros,
                                                      sastaotp_error **error);

/**
 * Accepts any price. Not possible for a client with a budget. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_accept_any_price(sastaotp_number_request *request,
                                                         sastaotp_error **error);

/**
 * Pins the country: the parameter `operator` of the vendor's page, a country code of
 * sastaotp_client_get_services. It is sent verbatim, beside the country if both are set. For other
 * vendors of the protocol it is the name of a mobile operator. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_set_operator(sastaotp_number_request *request,
                                                     const char *operator_,
                                                     sastaotp_error **error);

/**
 * Requests a number that can receive several codes. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_ask_multi_sms(sastaotp_number_request *request,
                                                      sastaotp_error **error);

/**
 * Frees a request. Since 0.1.0.
 */
void sastaotp_number_request_free(sastaotp_number_request *request);

/**
 * Returns the id for sastaotp_client_activation. Treat it as opaque text. Since 0.1.0.
 */
const char *sastaotp_purchase_activation_id(const sastaotp_purchase *purchase);

/**
 * Returns the id of the order in the history. Returns NULL if the reply has none. Since 0.1.0.
 */
const char *sastaotp_purchase_order_id(const sastaotp_purchase *purchase);

/**
 * Returns the phone number verbatim. Since 0.1.0.
 */
const char *sastaotp_purchase_phone_number(const sastaotp_purchase *purchase);

/**
 * Returns the code of the service. Returns NULL if the reply has none. Since 0.1.0.
 */
const char *sastaotp_purchase_service(const sastaotp_purchase *purchase);

/**
 * Returns the code of the country. Returns NULL if the reply has none. Since 0.1.0.
 */
const char *sastaotp_purchase_country(const sastaotp_purchase *purchase);

/**
 * Writes the amount charged, in micro-rupees. Returns false if the reply has none. Since 0.1.0.
 */
bool sastaotp_purchase_price(const sastaotp_purchase *purchase, int64_t *micros);

/**
 * Writes whether the service sells further codes for this number. Returns false if the reply does
 * not report it. Since 0.1.0.
 */
bool sastaotp_purchase_multi_sms(const sastaotp_purchase *purchase, bool *multi_sms);

/**
 * Writes how long after the purchase the order expires, in milliseconds. Returns false if the
 * reply does not report it. Since 0.1.0.
 */
bool sastaotp_purchase_expires_in_ms(const sastaotp_purchase *purchase, uint32_t *millis);

/**
 * Returns the number of warnings about the purchase: the price was above the maximum, the number
 * is of another country, or the reply is unusual. The purchase is valid despite them, so read them
 * after each purchase. Since 0.1.0.
 */
size_t sastaotp_purchase_warning_count(const sastaotp_purchase *purchase);

/**
 * Returns the warning at an index, as a sentence. Returns NULL if the index is out of range. Since
 * 0.1.0.
 */
const char *sastaotp_purchase_warning(const sastaotp_purchase *purchase, size_t index);

/**
 * Returns the purchase as JSON: activation_id, order_id, phone_number, service, service_name,
 * country, country_name, price_micros, multi_sms, can_get_another_sms, expires_in_ms, note,
 * warnings, raw. Since 0.1.0.
 */
const char *sastaotp_purchase_json(const sastaotp_purchase *purchase);

/**
 * Returns the code verbatim: it may contain colons, spaces and leading zeros. Since 0.1.0.
 */
const char *sastaotp_sms_code(const sastaotp_sms *sms);

/**
 * Returns the text of the message. Returns NULL if the service reports none. Since 0.1.0.
 */
const char *sastaotp_sms_text(const sastaotp_sms *sms);

/**
 * Returns the sender. Returns NULL if the service reports none. Since 0.1.0.
 */
const char *sastaotp_sms_sender(const sastaotp_sms *sms);

/**
 * Returns the service's text for the time of receipt; its time zone is unknown. Returns NULL if
 * the service reports none. Since 0.1.0.
 */
const char *sastaotp_sms_received_text(const sastaotp_sms *sms);

/**
 * Returns whether the order received the same code before. Since 0.1.0.
 */
bool sastaotp_sms_is_repeat(const sastaotp_sms *sms);

/**
 * Returns the message as JSON: code, text, sender, received_text, is_repeat, raw. Since 0.1.0.
 */
const char *sastaotp_sms_json(const sastaotp_sms *sms);

/**
 * Frees a message that the caller owns. Since 0.1.0.
 */
void sastaotp_sms_free(sastaotp_sms *sms);

/**
 * Returns the kind of the status. Returns SASTAOTP_ACTIVATION_STATUS_OTHER if `status` is NULL.
 * Since 0.1.0.
 */
sastaotp_status_kind sastaotp_activation_status_kind(const sastaotp_activation_status *status);

/**
 * Returns the message that arrived. Returns NULL if none did. The message belongs to the status.
 * Since 0.1.0.
 */
const sastaotp_sms *sastaotp_activation_status_sms(const sastaotp_activation_status *status);

/**
 * Returns the previous code while the service waits for the next one. Returns NULL if the service
 * does not report it. Since 0.1.0.
 */
const char *sastaotp_activation_status_last_code(const sastaotp_activation_status *status);

/**
 * Returns the status verbatim if its kind is SASTAOTP_ACTIVATION_STATUS_OTHER. Otherwise returns
 * NULL. Since 0.1.0.
 */
const char *sastaotp_activation_status_text(const sastaotp_activation_status *status);

/**
 * Returns the status as JSON: kind (waiting, waiting_for_next, received, cancelled or other), sms,
 * last_code, text, raw. Since 0.1.0.
 */
const char *sastaotp_activation_status_json(const sastaotp_activation_status *status);

/**
 * Frees a status and its message. Since 0.1.0.
 */
void sastaotp_activation_status_free(sastaotp_activation_status *status);

/**
 * Returns the kind of the change. Returns SASTAOTP_STATUS_CHANGE_OTHER if `change` is NULL. Since
 * 0.1.0.
 */
sastaotp_change_kind sastaotp_status_change_kind(const sastaotp_status_change *change);

/**
 * Returns the effect verbatim if its kind is SASTAOTP_STATUS_CHANGE_OTHER. Otherwise returns NULL.
 * Since 0.1.0.
 */
const char *sastaotp_status_change_text(const sastaotp_status_change *change);

/**
 * Returns the change as JSON: kind (cancelled, already_cancelled, ready, waiting_for_next,
 * completed, accepted or other), text, raw. Since 0.1.0.
 */
const char *sastaotp_status_change_json(const sastaotp_status_change *change);

/**
 * Frees a change. Since 0.1.0.
 */
void sastaotp_status_change_free(sastaotp_status_change *change);

/**
 * Returns the id for the other calls, and for sastaotp_client_activation in a later run. Since
 * 0.1.0.
 */
const char *sastaotp_activation_id(const sastaotp_activation *activation);

/**
 * Returns the phone number verbatim. Returns NULL if the activation was claimed by its id and this
 * process has no record of its purchase: the process did not buy it, and no search or resolution
 * found it. Empty if it was found without a number. Since 0.1.0.
 */
const char *sastaotp_activation_phone_number(const sastaotp_activation *activation);

/**
 * Writes the amount charged, in micro-rupees. Returns false if the service did not report it, or
 * if sastaotp_activation_purchase is NULL. Since 0.1.0.
 */
bool sastaotp_activation_price(const sastaotp_activation *activation, int64_t *micros);

/**
 * Writes when the order expires, in milliseconds since 1970. Returns false if the service did not
 * report it. Since 0.1.0.
 */
bool sastaotp_activation_expires_at_ms(const sastaotp_activation *activation, int64_t *millis);

/**
 * Returns the reply to the purchase, or the data of the order if a search or a resolution found
 * it. Returns NULL if the activation was claimed by its id and this process has no record of its
 * purchase. The purchase belongs to the activation. Since 0.1.0.
 */
const sastaotp_purchase *sastaotp_activation_purchase(const sastaotp_activation *activation);

/**
 * Returns the code that arrived, unless the next one was requested since. Returns NULL if there is
 * none. The caller owns the result: free it with sastaotp_sms_free. Sends nothing. Since 0.1.0.
 */
sastaotp_sms *sastaotp_activation_code(const sastaotp_activation *activation);

/**
 * Returns the number of codes that have arrived so far. Sends nothing. Since 0.1.0.
 */
size_t sastaotp_activation_code_count(const sastaotp_activation *activation);

/**
 * Returns the code at an index, oldest first. Returns NULL if the index is out of range. The
 * caller owns the result: free it with sastaotp_sms_free. Sends nothing. Since 0.1.0.
 */
sastaotp_sms *sastaotp_activation_code_at(const sastaotp_activation *activation, size_t index);

/**
 * Returns how the order ended, as far as is known. Sends nothing. Since 0.1.0.
 */
sastaotp_ending sastaotp_activation_ending(const sastaotp_activation *activation);

/**
 * Creates a handle of the same activation whose calls `token` can cancel.
 *
 * Free `*handle` with sastaotp_activation_free, in any order with the activation and the token.
 * Since 0.1.0.
 */
sastaotp_status sastaotp_activation_with_cancel(const sastaotp_activation *activation,
                                                const sastaotp_cancel_token *token,
                                                sastaotp_activation **handle,
                                                sastaotp_error **error);

/**
 * Creates a handle of the same activation whose calls last at most `millis` milliseconds. A wait
 * and a settle with SASTAOTP_ON_TOO_EARLY_WAIT have their own durations.
 *
 * Free `*handle` with sastaotp_activation_free, in any order with the activation. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_with_timeout_ms(const sastaotp_activation *activation,
                                                    uint32_t millis,
                                                    sastaotp_activation **handle,
                                                    sastaotp_error **error);

/**
 * Reads the status. If it contains a code, the activation keeps the code. Sends getStatus, and
 * getStatusV2 to read the text of a message.
 *
 * Fails with a read error or SASTAOTP_NOT_FOUND. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_get_status(const sastaotp_activation *activation,
                                               sastaotp_activation_status **status,
                                               sastaotp_error **error);

/**
 * Creates options with every default. The caller owns the result: free it with
 * sastaotp_wait_options_free. Cannot fail. Since 0.1.0.
 */
sastaotp_wait_options *sastaotp_wait_options_new(void);

/**
 * Sets the interval between polls, in milliseconds. The default is 5,000. Shorter intervals count
 * as 5,000, longer ones than an hour as an hour. Since 0.1.0.
 */
sastaotp_status sastaotp_wait_options_set_interval_ms(sastaotp_wait_options *options,
                                                      uint32_t millis,
                                                      sastaotp_error **error);

/**
 * After a request for the next code, accepts a code that equals an earlier one, even if the
 * service never reported that it was waiting in between. Since 0.1.0.
 */
sastaotp_status sastaotp_wait_options_accept_same_code(sastaotp_wait_options *options,
                                                       sastaotp_error **error);

/**
 * Cancels the order for its refund if no code arrives in time, which takes at most 10 more
 * seconds. The wait still fails with SASTAOTP_WAIT_TIMEOUT, and the error's hint states whether
 * the order was cancelled. An order that cannot be cancelled yet stays open: settle it later. If
 * the cancellation fails in another way, the wait fails with its error. Since 0.1.0.
 */
sastaotp_status sastaotp_wait_options_cancel_on_timeout(sastaotp_wait_options *options,
                                                        sastaotp_error **error);

/**
 * Frees options. Since 0.1.0.
 */
void sastaotp_wait_options_free(sastaotp_wait_options *options);

/**
 * Waits for a code for at most `timeout_ms` milliseconds. `options` may be NULL. Actions
 * getStatus, and getStatusV2 for the text of the message.
 *
 * If a code has already arrived, returns it immediately. Otherwise polls every 5 seconds and once
 * more at the deadline, which is the timeout or the expiry of the order, whichever comes first; if
 * replies are slow, the last poll starts before the deadline. If the service still waits for a
 * code after the expiry, the wait goes on to the timeout. Transient failures do not end the wait.
 * Nor does one answer that the order is cancelled, that the id is unknown or that the key is
 * invalid: the next poll must repeat it. To show progress, wait one second at a time: consecutive
 * waits keep the interval between polls.
 *
 * Fails with SASTAOTP_WAIT_TIMEOUT if no code arrived in time, SASTAOTP_EXPIRED,
 * SASTAOTP_ACTIVATION_CANCELLED or SASTAOTP_ALREADY_FINISHED if the order ended,
 * SASTAOTP_CANCELLED, or with an error that waiting cannot fix, such as SASTAOTP_AUTHENTICATION. A
 * failed wait does not change the order, unless the options cancel it: you can wait again. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_activation_wait_for_code(const sastaotp_activation *activation,
                                                  uint32_t timeout_ms,
                                                  const sastaotp_wait_options *options,
                                                  sastaotp_sms **sms,
                                                  sastaotp_error **error);

/**
 * Reports to the service that the SMS was sent to the number. Action setStatus, 1. Sent once,
 * because no status shows whether the request had an effect.
 *
 * Fails as sastaotp_client_set_status does, and with SASTAOTP_ACTIVATION_CANCELLED if the service
 * answers that the order is cancelled. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_mark_sms_sent(const sastaotp_activation *activation,
                                                  sastaotp_error **error);

/**
 * Requests another code for the same number, if the service allows it. Action setStatus, 3.
 *
 * The next sastaotp_activation_wait_for_code waits for the new code; the previous one stays in
 * sastaotp_activation_code_at. Fails as sastaotp_client_set_status does, and with
 * SASTAOTP_ACTIVATION_CANCELLED if the service answers that the order is cancelled. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_request_next_code(const sastaotp_activation *activation,
                                                      sastaotp_error **error);

/**
 * Completes the order after its code was used. Action setStatus, 6.
 *
 * Fails with SASTAOTP_CONFIG if no code has arrived, because completing spends the price: cancel
 * the order, or call sastaotp_activation_complete_without_code. Before it fails, it polls once.
 *
 * Check the settlement: if the service treats 6 as a cancellation, its state is
 * SASTAOTP_SETTLED_CANCELLED. Fails as sastaotp_client_set_status does. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_complete(const sastaotp_activation *activation,
                                             sastaotp_settlement **settlement,
                                             sastaotp_error **error);

/**
 * Completes the order even if no code has arrived here, for example because the user has read the
 * code elsewhere. The price is spent. Action setStatus, 6.
 *
 * Fails as sastaotp_client_set_status does. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_complete_without_code(const sastaotp_activation *activation,
                                                          sastaotp_settlement **settlement,
                                                          sastaotp_error **error);

/**
 * Cancels the order for its refund. Action setStatus, 8. Before that, it polls once, unless a poll
 * was answered in the last 5 seconds.
 *
 * If a code arrived first, the order is not cancelled: the settlement is
 * SASTAOTP_SETTLED_CODE_ARRIVED and contains the code, and the order stays open until it is
 * completed. A code that you already have does not prevent the attempt.
 *
 * Fails as sastaotp_client_set_status does, with SASTAOTP_TOO_EARLY if the order is too young.
 * Since 0.1.0.
 */
sastaotp_status sastaotp_activation_cancel(const sastaotp_activation *activation,
                                           sastaotp_settlement **settlement,
                                           sastaotp_error **error);

/**
 * Closes the order: completes it if a code arrived, otherwise cancels it for the refund. If a code
 * arrived but is not readable, fails and leaves the order open. Action setStatus, 6 or 8. Before
 * it cancels, it polls once, as sastaotp_activation_cancel does.
 *
 * `on_too_early` is the reaction if the order is too young to be cancelled. Waiting goes on until
 * the service allows it or the order has expired. Fails as sastaotp_activation_cancel does. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_activation_settle(const sastaotp_activation *activation,
                                           sastaotp_on_too_early on_too_early,
                                           sastaotp_settlement **settlement,
                                           sastaotp_error **error);

/**
 * Keeps the number although its order is open: sastaotp_client_unclaimed, sastaotp_client_finish
 * and sastaotp_queue_close do not list it any more. For a number that another program or a later
 * run settles. Sends nothing.
 *
 * Fails with SASTAOTP_CONFIG for an invalid argument. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_keep(const sastaotp_activation *activation,
                                         sastaotp_error **error);

/**
 * Buys the same number again after this order was completed, for at most `max_price` micro-rupees.
 * Action regetNumber. COSTS MONEY, as much as the first time.
 *
 * Fails as sastaotp_client_reget_number does. Free `*again` with sastaotp_activation_free. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_activation_reget_number(const sastaotp_activation *activation,
                                                 int64_t max_price,
                                                 sastaotp_activation **again,
                                                 sastaotp_error **error);

/**
 * Buys the same number again after this order was completed, at any price. Action regetNumber.
 * COSTS MONEY, as much as the first time.
 *
 * Fails as sastaotp_client_reget_number does. Free `*again` with sastaotp_activation_free. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_activation_reget_number_at_any_price(const sastaotp_activation *activation,
                                                              sastaotp_activation **again,
                                                              sastaotp_error **error);

/**
 * Frees an activation or a handle of one. The order does not change. If it is open and no other
 * activation holds it, sastaotp_client_unclaimed lists the number. Since 0.1.0.
 */
void sastaotp_activation_free(sastaotp_activation *activation);

/**
 * Returns the state of the order. Returns SASTAOTP_SETTLED_ALREADY_OVER if `settlement` is NULL.
 * Since 0.1.0.
 */
sastaotp_settled sastaotp_settlement_state(const sastaotp_settlement *settlement);

/**
 * Returns the code that arrived. Returns NULL if none did. The message belongs to the settlement.
 * Since 0.1.0.
 */
const sastaotp_sms *sastaotp_settlement_code(const sastaotp_settlement *settlement);

/**
 * Returns the settlement as JSON: state (completed, cancelled, code_arrived or already_over),
 * code, raw. Since 0.1.0.
 */
const char *sastaotp_settlement_json(const sastaotp_settlement *settlement);

/**
 * Frees a settlement and its message. Since 0.1.0.
 */
void sastaotp_settlement_free(sastaotp_settlement *settlement);

/**
 * Returns the leased number. The activation belongs to the lease: it becomes invalid when the
 * lease is freed. Since 0.1.0.
 */
const sastaotp_activation *sastaotp_lease_activation(const sastaotp_lease *lease);

/**
 * Ends the lease and settles the order: see sastaotp_activation_settle. If that fails,
 * sastaotp_client_unclaimed lists the number. Free the lease afterwards.
 *
 * Fails as sastaotp_activation_settle does, and with SASTAOTP_CONFIG if the lease has already
 * ended. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_lease_close(sastaotp_lease *lease,
                                     sastaotp_on_too_early on_too_early,
                                     sastaotp_settlement **settlement,
                                     sastaotp_error **error);

/**
 * Ends the lease and leaves the order unchanged. The number is kept: see sastaotp_activation_keep.
 * Free the lease afterwards.
 *
 * Fails with SASTAOTP_CONFIG if the lease has already ended. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_lease_keep(sastaotp_lease *lease,
                                    sastaotp_activation **activation,
                                    sastaotp_error **error);

/**
 * Frees a lease. If the lease was neither closed nor kept, first settles its order, for at most 10
 * seconds. If that fails, or the order is too young to be cancelled, sastaotp_client_unclaimed
 * lists the number. In a forked child the order does not change. Since 0.1.0.
 */
void sastaotp_lease_free(sastaotp_lease *lease);

/**
 * Returns the number of leases. Since 0.1.0.
 */
size_t sastaotp_settled_leases_count(const sastaotp_settled_leases *leases);

/**
 * Returns the purchase of a lease, as it was listed before. Returns NULL if the index is out of
 * range. The purchase belongs to `leases`. Since 0.1.0.
 */
const sastaotp_unclaimed *sastaotp_settled_leases_unclaimed(const sastaotp_settled_leases *leases,
                                                            size_t index);

/**
 * Returns the settlement of a lease. Returns NULL if the lease could not be settled, or the index
 * is out of range. The settlement belongs to `leases`. Since 0.1.0.
 */
const sastaotp_settlement *sastaotp_settled_leases_settlement(const sastaotp_settled_leases *leases,
                                                              size_t index);

/**
 * Returns the reason why a lease could not be settled. Returns NULL if it was settled, or the
 * index is out of range. The error belongs to `leases`. Since 0.1.0.
 */
const sastaotp_error *sastaotp_settled_leases_error(const sastaotp_settled_leases *leases,
                                                    size_t index);

/**
 * Returns the leases as a JSON object with the member `leases`. Each of its entries has unclaimed,
 * settlement and error; the one of the last two that does not apply is null. Since 0.1.0.
 */
const char *sastaotp_settled_leases_json(const sastaotp_settled_leases *leases);

/**
 * Frees the leases and their parts. Since 0.1.0.
 */
void sastaotp_settled_leases_free(sastaotp_settled_leases *leases);

/**
 * Returns the number of candidates: orders that may be the purchase. There may be several if
 * another program makes similar purchases with this API key. 0 proves that nothing was bought only
 * if the search is complete. Since 0.1.0.
 */
size_t sastaotp_reconciliation_count(const sastaotp_reconciliation *reconciliation);

/**
 * Returns the candidate at an index, the most likely first. Returns NULL if the index is out of
 * range. The order belongs to the reconciliation. Since 0.1.0.
 */
const sastaotp_order *sastaotp_reconciliation_get(const sastaotp_reconciliation *reconciliation,
                                                  size_t index);

/**
 * Returns whether the evidence proves that the candidate at an index is the purchase. If it does,
 * the purchase is known from now on: sastaotp_client_unclaimed lists it as bought. Returns false
 * if the index is out of range. Since 0.1.0.
 */
bool sastaotp_reconciliation_is_ours(const sastaotp_reconciliation *reconciliation, size_t index);

/**
 * Returns the number of facts for and against the candidate at an index. Returns 0 if the index is
 * out of range. Since 0.1.0.
 */
size_t sastaotp_reconciliation_evidence_count(const sastaotp_reconciliation *reconciliation,
                                              size_t index);

/**
 * Returns one fact for or against the candidate at an index, such as its age or its price.
 * `position` starts at 0. Returns NULL if one of them is out of range. Since 0.1.0.
 */
const char *sastaotp_reconciliation_evidence(const sastaotp_reconciliation *reconciliation,
                                             size_t index,
                                             size_t position);

/**
 * Returns whether the history was provably read up to the purchase and no later order can appear.
 * If there is no candidate then, nothing was bought, and the purchase stays listed and reserved
 * until sastaotp_client_resolve_not_made. If this is false, the order of the purchase may be
 * missing, and sastaotp_reconciliation_reason states why. Since 0.1.0.
 */
bool sastaotp_reconciliation_is_complete(const sastaotp_reconciliation *reconciliation);

/**
 * Returns why the search is not complete. Returns NULL if it is complete. Since 0.1.0.
 */
const char *sastaotp_reconciliation_reason(const sastaotp_reconciliation *reconciliation);

/**
 * Returns the reconciliation as JSON: candidates, each as in sastaotp_order_json with is_ours and
 * evidence; complete; reason. Since 0.1.0.
 */
const char *sastaotp_reconciliation_json(const sastaotp_reconciliation *reconciliation);

/**
 * Frees a reconciliation and its orders. Since 0.1.0.
 */
void sastaotp_reconciliation_free(sastaotp_reconciliation *reconciliation);

/**
 * Returns the number of purchases in the list. Since 0.1.0.
 */
size_t sastaotp_unclaimed_list_count(const sastaotp_unclaimed_list *list);

/**
 * Returns the purchase at an index. Returns NULL if the index is out of range. The purchase
 * belongs to the list. Since 0.1.0.
 */
const sastaotp_unclaimed *sastaotp_unclaimed_list_get(const sastaotp_unclaimed_list *list,
                                                      size_t index);

/**
 * Returns the list as a JSON object with the member `unclaimed`. Each of its entries has intent,
 * outcome (pending, bought or unknown), purchase, error and message. Since 0.1.0.
 */
const char *sastaotp_unclaimed_list_json(const sastaotp_unclaimed_list *list);

/**
 * Frees a list and its parts. The purchases stay unclaimed. Since 0.1.0.
 */
void sastaotp_unclaimed_list_free(sastaotp_unclaimed_list *list);

/**
 * Returns the outcome of the purchase. Returns SASTAOTP_UNCLAIMED_UNKNOWN if `unclaimed` is NULL.
 * Since 0.1.0.
 */
sastaotp_outcome sastaotp_unclaimed_outcome(const sastaotp_unclaimed *unclaimed);

/**
 * Returns one line for a person: the purchase, its state, and the next step. Since 0.1.0.
 */
const char *sastaotp_unclaimed_message(const sastaotp_unclaimed *unclaimed);

/**
 * Returns the intent of the purchase. The intent belongs to the list. Since 0.1.0.
 */
const sastaotp_intent *sastaotp_unclaimed_intent(const sastaotp_unclaimed *unclaimed);

/**
 * Returns the reply to the purchase. Returns NULL unless the outcome is SASTAOTP_UNCLAIMED_BOUGHT.
 * The purchase belongs to the list. Since 0.1.0.
 */
const sastaotp_purchase *sastaotp_unclaimed_purchase(const sastaotp_unclaimed *unclaimed);

/**
 * Returns the reason why the outcome is unknown. Returns NULL unless the outcome is
 * SASTAOTP_UNCLAIMED_UNKNOWN. The error belongs to the list. Since 0.1.0.
 */
const sastaotp_error *sastaotp_unclaimed_error(const sastaotp_unclaimed *unclaimed);

/**
 * Creates a queue on a client with at most 64 workers for purchases and 64 for the other
 * operations, so that slow purchases delay no poll. Each worker makes one request at a time.
 * Starts no thread yet. A cancellation token of the client does not affect the queue: cancel its
 * tickets instead.
 *
 * Fails with SASTAOTP_CONNECTION if the process has no file descriptor left. Since 0.1.0.
 */
sastaotp_status sastaotp_queue_new(const sastaotp_client *client,
                                   sastaotp_queue **queue,
                                   sastaotp_error **error);

/**
 * Creates a queue with at most `workers` workers for purchases and as many for the other
 * operations, 1 to 512. If there are too few, the interval between the polls of one wait grows to
 * the number of waits times the duration of a reply, divided by the workers. A purchase that waits
 * for a worker loses none of its time, unless the settings of the client state a timeout: then its
 * ticket completes within the timeout, and a purchase whose reply would be too late is not sent.
 *
 * Fails as sastaotp_queue_new does, and with SASTAOTP_CONFIG if `workers` is out of range. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_queue_new_with_workers(const sastaotp_client *client,
                                                uint32_t workers,
                                                sastaotp_queue **queue,
                                                sastaotp_error **error);

/**
 * Starts an operation, writes its ticket to `*ticket` and returns immediately.
 *
 * Fails with SASTAOTP_CONFIG, and starts nothing, if the text is not a valid operation. If the
 * operation itself fails, its completion contains the error. Since 0.1.0.
 */
sastaotp_status sastaotp_queue_submit(const sastaotp_queue *queue,
                                      const char *operation,
                                      uint64_t *ticket,
                                      sastaotp_error **error);

/**
 * Cancels a ticket immediately: its completion is SASTAOTP_CANCELLED. Returns whether the ticket
 * was open. Returns false if `queue` is NULL or belongs to the parent process.
 *
 * Cancelling a wait does not change the order. A purchase that was already sent continues until
 * its reply: its completion has SASTAOTP_CHARGE_UNKNOWN, and sastaotp_client_unclaimed lists the
 * number that was bought. A change of an order that is in flight may still take effect: its
 * completion has SASTAOTP_PHASE_RECEIVE, and the status of the order shows the result. Since
 * 0.1.0.
 */
bool sastaotp_queue_cancel(const sastaotp_queue *queue, uint64_t ticket);

/**
 * Takes at most `capacity` completions, oldest first, and writes their number to `*count`. Waits
 * at most `timeout_ms` milliseconds for the first; 0 does not wait. Each completion is returned
 * once.
 *
 * The caller owns each completion: free it with sastaotp_completion_free. Since 0.1.0.
 */
sastaotp_status sastaotp_queue_take(const sastaotp_queue *queue,
                                    sastaotp_completion **completions,
                                    size_t capacity,
                                    uint32_t timeout_ms,
                                    size_t *count,
                                    sastaotp_error **error);

/**
 * Waits at most `timeout_ms` milliseconds for the completion of one ticket. If the operation has
 * not finished by then, writes NULL to `*completion` and returns SASTAOTP_OK.
 *
 * Fails with SASTAOTP_CONFIG if the ticket is not from this queue, or its completion was already
 * returned. Free `*completion` with sastaotp_completion_free. Since 0.1.0.
 */
sastaotp_status sastaotp_queue_join(const sastaotp_queue *queue,
                                    uint64_t ticket,
                                    uint32_t timeout_ms,
                                    sastaotp_completion **completion,
                                    sastaotp_error **error);

/**
 * Returns a file descriptor for poll, epoll and event loops. It is readable exactly while there is
 * a completion to take. Do not read from it or close it. It is valid until sastaotp_queue_free:
 * remove it from the event loop first. Returns -1 if `queue` is NULL or belongs to the parent
 * process. Since 0.1.0.
 */
int32_t sastaotp_queue_fd(const sastaotp_queue *queue);

/**
 * Returns the number of open tickets: submitted and not finished. If it is 0, there may still be
 * completions to take: to take all, count them. Since 0.1.0.
 */
size_t sastaotp_queue_open_count(const sastaotp_queue *queue);

/**
 * Ends the use of a queue: ends its operations except the purchases that were sent, and waits at
 * most `timeout_ms` milliseconds for their replies. Then returns the list of
 * sastaotp_client_finish, which includes the purchases whose completion was not taken. Report
 * every entry: after the process has ended, no other record of it exists.
 *
 * 10,000 is a good value for `timeout_ms`. Free the queue afterwards, and `*list` with
 * sastaotp_unclaimed_list_free. Since 0.1.0.
 */
sastaotp_status sastaotp_queue_close(const sastaotp_queue *queue,
                                     uint32_t timeout_ms,
                                     sastaotp_unclaimed_list **list,
                                     sastaotp_error **error);

/**
 * Frees a queue and ends its operations without waiting for them. Waits and reads end within a
 * second, without completions; the orders do not change. A purchase that was sent continues until
 * its reply, and sastaotp_client_unclaimed lists it. It also lists a purchase that is finished but
 * was not taken. Before the program ends, call sastaotp_queue_close first. Since 0.1.0.
 */
void sastaotp_queue_free(sastaotp_queue *queue);

/**
 * Returns the ticket. Since 0.1.0.
 */
uint64_t sastaotp_completion_ticket(const sastaotp_completion *completion);

/**
 * Returns SASTAOTP_OK, or the kind of failure of the operation. Since 0.1.0.
 */
sastaotp_status sastaotp_completion_status(const sastaotp_completion *completion);

/**
 * Returns the result of the operation as JSON. Returns NULL if the operation failed. Since 0.1.0.
 */
const char *sastaotp_completion_json(const sastaotp_completion *completion);

/**
 * Returns the reason why the operation failed. Returns NULL if it succeeded. The error belongs to
 * the completion. Since 0.1.0.
 */
const sastaotp_error *sastaotp_completion_error(const sastaotp_completion *completion);

/**
 * Frees a completion. Since 0.1.0.
 */
void sastaotp_completion_free(sastaotp_completion *completion);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SASTAOTP_H */
