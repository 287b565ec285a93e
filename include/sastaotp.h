/*
 * libsastaotp: the client library for the SastaOTP service. Buy a temporary phone number, wait for the SMS code sent to it,
 * complete the order or cancel it for a refund.
 *
 * It buys at most once, says honestly when an outcome is unknown and helps to find out, and never loses a code that was
 * paid for. All functions are typed and blocking. C99 and C++; for C++17 see also sastaotp.hpp.
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
 *         // SASTAOTP_API_KEY, and SASTAOTP_BASE_URL for another server, such as a sandbox.
 *         if (sastaotp_client_from_env(&client, &error)) goto end;
 *         if (sastaotp_number_request_new("tg", &request, &error)) goto end;
 *         // 22 is India: country codes of this service are not calling codes. 80 rupees at most.
 *         if (sastaotp_number_request_set_country(request, "22", &error)) goto end;
 *         if (sastaotp_number_request_set_max_price(request, 80 * SASTAOTP_RUPEE, &error)) goto end;
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
 *         sastaotp_lease_free(lease);  // completes the order; without a code it cancels it for the refund
 *         sastaotp_number_request_free(request);
 *         sastaotp_client_free(client);
 *         return failed;
 *     }
 *
 * Conventions
 *
 * 1. A function returns sastaotp_status, SASTAOTP_OK (0) on success, unless it cannot fail.
 * 2. The last parameter `sastaotp_error **error` may be NULL. On failure it receives an object that the caller frees; on
 *    success it receives NULL. There is no last error of a thread.
 * 3. A result is written to the place that the caller names: an object to free on success, NULL on failure. What a place held
 *    before is never looked at or freed. An object with a "_free" of its own is the caller's where the comment says "yours";
 *    others are part of an object, and go with it.
 * 4. Texts are UTF-8 and end with NUL. Those that go in are copied. Those that come out belong to the object that was asked, and
 *    are valid until it is freed; nobody frees a text. NULL means absent. A NUL within a text of the service comes
 *    out as U+FFFD.
 * 5. Builders (sastaotp_config, sastaotp_number_request, sastaotp_wait_options), iterators and leases are for one thread at
 *    a time. Clients, activations, queues and tokens are for any number of threads at once. Results never change: any
 *    number of threads may read one. "_free(NULL)" does nothing; an object must not be freed while another thread uses it.
 *    pthread_cancel of a thread that is in a call ends the process: end the call with a sastaotp_cancel_token.
 * 6. Money is int64_t in micro-rupees (18.50 rupees are 18500000), a time is int64_t in milliseconds since 1970, a duration
 *    is uint32_t in milliseconds. There are no floats, structs by value, variable arguments, callbacks or globals.
 * 7. Whatever is wrong with an argument that can be seen (NULL, not UTF-8, out of range) fails with SASTAOTP_CONFIG before
 *    anything is sent. A defect within the library fails with SASTAOTP_INTERNAL and ends no process. A client, activation,
 *    lease, iterator, queue or token that a fork copied is of no use in the child, which makes its own: it fails with
 *    SASTAOTP_CONFIG, what may change about it reads as for NULL, and freeing it does nothing. Results may be read there, but
 *    for one whose text or "_json" another thread was asking for as the process forked: a child that asks it may wait for ever.
 * 8. Results have a "_json": the library's own JSON, stable, with money in fields "..._micros" and times in "..._ms". The
 *    service's reply stands beside it as `raw`: a field that the service adds shows there first.
 * 9. sastaotp_cancel_token is a token: triggering it from any thread ends a blocked connect, handshake, read or sleep within 100 ms.
 * 10. The library has threads of its own, which a call may start. It installs no signal handlers, and such a thread blocks the
 *     signals that the calling thread blocked. A program that waits for signals, with signalfd or sigwait, blocks them in all
 *     its threads before the first call: otherwise a thread of the library takes them.
 */


#ifndef SASTAOTP_H
#define SASTAOTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The version of the library that this header came with. */
#define SASTAOTP_VERSION "0.1.0"
#define SASTAOTP_VERSION_MAJOR 0
#define SASTAOTP_VERSION_MINOR 1
#define SASTAOTP_VERSION_PATCH 0

/** A rupee, in micro-rupees. */
#define SASTAOTP_RUPEE INT64_C(1000000)

/**
 * The version of the binary interface that this header describes; it is also the number in the library's SONAME. It
 * grows when a program that was linked before would no longer work.
 */
#define SASTAOTP_ABI_VERSION 0

/**
 * A number that was bought. Any number of threads may use it at once. Freeing it does nothing to the order: see
 * sastaotp_lease for one that settles itself.
 */
typedef struct sastaotp_activation sastaotp_activation;

/**
 * What the service says about an activation. Immutable: any thread may read it.
 */
typedef struct sastaotp_activation_status sastaotp_activation_status;

/**
 * What is in the wallet. Immutable: any thread may read it. Its texts are valid until sastaotp_balance_free.
 */
typedef struct sastaotp_balance sastaotp_balance;

/**
 * A token that ends calls from another thread, wherever they are blocked: connecting, in the TLS handshake, reading, or
 * sleeping between two polls. Give it to sastaotp_client_with_cancel or sastaotp_activation_with_cancel.
 */
typedef struct sastaotp_cancel_token sastaotp_cancel_token;

/**
 * A client of the service: connections, budget and bookkeeping. Any number of threads may call at once.
 *
 * Every call blocks until it has its answer. Reads are repeated up to three times within the time of the call; they fail
 * with SASTAOTP_AUTHENTICATION, SASTAOTP_SERVER, SASTAOTP_RATE_LIMITED, SASTAOTP_BLOCKED, SASTAOTP_PROTOCOL,
 * SASTAOTP_CONNECTION, SASTAOTP_TLS, SASTAOTP_TIMEOUT, SASTAOTP_CANCELLED, or SASTAOTP_CONFIG for a bad argument: below, "an
 * error of a read".
 *
 * Purchases are sent once. They fail with those of a read and with SASTAOTP_BUDGET, SASTAOTP_INSUFFICIENT_BALANCE,
 * SASTAOTP_NO_NUMBERS, SASTAOTP_PRICE_TOO_HIGH or SASTAOTP_SERVICE_UNAVAILABLE: below, "an error of a purchase". Whatever
 * the status, sastaotp_error_charge says whether money may be gone.
 */
typedef struct sastaotp_client sastaotp_client;

/**
 * An operation that is finished. Immutable: any thread may read it. Its texts are valid until sastaotp_completion_free.
 */
typedef struct sastaotp_completion sastaotp_completion;

/**
 * The settings of a client. A builder: one thread at a time. sastaotp_client_new copies what it needs, so one
 * configuration can make many clients.
 */
typedef struct sastaotp_config sastaotp_config;

/**
 * A list of countries. Immutable: any thread may read it.
 */
typedef struct sastaotp_countries sastaotp_countries;

/**
 * A country that numbers are sold in. Part of its list: valid, with its texts, until that is freed.
 */
typedef struct sastaotp_country sastaotp_country;

/**
 * Why a call failed: facts that stand beside each other, and a sentence. It never holds the API key.
 *
 * Immutable: any thread may read it. Its texts are valid until sastaotp_error_free.
 */
typedef struct sastaotp_error sastaotp_error;

/**
 * A purchase that was about to be made: enough to find it in the order history when its reply was lost. Immutable: any
 * thread may read it. Its texts are valid until it is freed, or the error or list that it is part of.
 */
typedef struct sastaotp_intent sastaotp_intent;

/**
 * A number that is settled when the lease ends: completed when a code came, else cancelled for its refund. One thread at a
 * time; its activation may be used by any.
 */
typedef struct sastaotp_lease sastaotp_lease;

/**
 * A purchase to make. A builder: one thread at a time. Purchases copy what they need, so one request can buy many numbers.
 *
 * Either sastaotp_number_request_set_max_price or sastaotp_number_request_accept_any_price must be called: otherwise the
 * purchase fails with SASTAOTP_CONFIG.
 */
typedef struct sastaotp_number_request sastaotp_number_request;

/**
 * A service in one country. Part of its list: valid, with its texts, until that is freed.
 */
typedef struct sastaotp_offer sastaotp_offer;

/**
 * An order of the history. From sastaotp_order_iterator_next it is yours; from a list it is part of that, and valid, with its
 * texts, until that is freed. Immutable: any thread may read it.
 */
typedef struct sastaotp_order sastaotp_order;

/**
 * Goes through the order history, newest first, and asks for pages as they are needed. One thread at a time.
 */
typedef struct sastaotp_order_iterator sastaotp_order_iterator;

/**
 * A page of the order history, newest first. Immutable: any thread may read it.
 */
typedef struct sastaotp_orders sastaotp_orders;

/**
 * What services cost in countries: a table of entries. Immutable: any thread may read it. Its texts are valid until
 * sastaotp_prices_free.
 */
typedef struct sastaotp_prices sastaotp_prices;

/**
 * What the reply to a purchase said. Part of its activation or list: valid, with its texts, until that is freed.
 */
typedef struct sastaotp_purchase sastaotp_purchase;

/**
 * Runs operations beside their callers, with workers that come and go. Any number of threads may use it at once.
 *
 * An operation is a JSON object with its name as `op` and its arguments, such as
 * {"op":"get_number","service":"tg","country":"22","max_price":"80"} or
 * {"op":"wait_for_code","id":"38496653","timeout_ms":300000}. The names are those of the calls: get_balance; get_services
 * (service); get_prices (service, country); get_countries; find_country (name); get_orders (limit, page, status);
 * get_number and intend (service, country, max_price as text or max_price_micros or accept_any_price, operator, multi_sms);
 * buy (intent); reget_number (id); get_status (id); set_status (id, status); wait_for_code (id, timeout_ms, interval_ms,
 * accept_same_code, cancel_on_timeout); mark_sms_sent, request_next_code, complete, cancel (id); settle (id, wait_out);
 * leave (id), which lists a number that nobody has any longer as unclaimed; reconcile (intent); unclaimed; budget_left.
 *
 * What came of one is what the "_json" of its result says; of get_number, buy and reget_number it is id, phone_number,
 * price_micros, expires_at_ms, purchase.
 */
typedef struct sastaotp_queue sastaotp_queue;

/**
 * What the order history shows about a purchase whose reply was lost. Immutable: any thread may read it.
 */
typedef struct sastaotp_reconciliation sastaotp_reconciliation;

/**
 * A service that numbers are sold for. Part of its list: valid, with its texts, until that is freed.
 */
typedef struct sastaotp_service sastaotp_service;

/**
 * A list of services. Immutable: any thread may read it.
 */
typedef struct sastaotp_services sastaotp_services;

/**
 * How an order was closed. Immutable: any thread may read it.
 */
typedef struct sastaotp_settlement sastaotp_settlement;

/**
 * A message that came to a number. Where a function says that it is yours, free it; else it is part of another object, and
 * valid, with its texts, until that is freed. Immutable: any thread may read it.
 */
typedef struct sastaotp_sms sastaotp_sms;

/**
 * What the service says that a change did. Immutable: any thread may read it.
 */
typedef struct sastaotp_status_change sastaotp_status_change;

/**
 * A purchase whose caller gave up before its reply. Part of its list: valid until that is freed.
 */
typedef struct sastaotp_unclaimed sastaotp_unclaimed;

/**
 * The purchases whose caller gave up. Immutable: any thread may read it.
 */
typedef struct sastaotp_unclaimed_list sastaotp_unclaimed_list;

/**
 * How to wait for a code, where the defaults are not right. A builder: one thread at a time. Waits copy what they need.
 */
typedef struct sastaotp_wait_options sastaotp_wait_options;

/**
 * What a function returns: SASTAOTP_OK, or what kind of failure it was.
 */
typedef int32_t sastaotp_status;

/**
 * A step of a request.
 */
typedef int32_t sastaotp_phase;

/**
 * What a failed call did to the wallet.
 */
typedef int32_t sastaotp_charge;

/**
 * Whether the same call may succeed later.
 */
typedef int32_t sastaotp_retry;

/**
 * Where the API key goes in a request.
 */
typedef int32_t sastaotp_api_key_location;

/**
 * What sastaotp_client_set_status asks for: the values of the service's action setStatus.
 */
typedef int32_t sastaotp_set_status;

/**
 * The kinds of sastaotp_activation_status.
 */
typedef int32_t sastaotp_kind_of_state;

/**
 * The kinds of sastaotp_status_change.
 */
typedef int32_t sastaotp_kind_of_change;

/**
 * How an activation ended, as far as it is known.
 */
typedef int32_t sastaotp_ending;

/**
 * What settling does when the service does not let the order be cancelled yet.
 */
typedef int32_t sastaotp_on_too_early;

/**
 * What became of an order.
 */
typedef int32_t sastaotp_settled;

/**
 * What became of a purchase that nobody waits for.
 */
typedef int32_t sastaotp_outcome;

/**
 * It worked.
 */
#define SASTAOTP_OK 0

/**
 * An argument or a setting is wrong: NULL, not UTF-8, out of its range. Nothing was sent.
 */
#define SASTAOTP_CONFIG 1

/**
 * The budget of the client does not cover the purchase. Nothing was sent.
 */
#define SASTAOTP_BUDGET 2

/**
 * The key or the account is not accepted.
 */
#define SASTAOTP_AUTHENTICATION 3

/**
 * The wallet is too low.
 */
#define SASTAOTP_INSUFFICIENT_BALANCE 4

/**
 * No number is free.
 */
#define SASTAOTP_NO_NUMBERS 5

/**
 * The price is above the maximum given.
 */
#define SASTAOTP_PRICE_TOO_HIGH 6

/**
 * The service is not sold in this country.
 */
#define SASTAOTP_SERVICE_UNAVAILABLE 7

/**
 * The service does not know the activation.
 */
#define SASTAOTP_NOT_FOUND 8

/**
 * The order is over.
 */
#define SASTAOTP_ALREADY_FINISHED 9

/**
 * The order is too young to be cancelled; sastaotp_error_retry_after_ms says how long to wait.
 */
#define SASTAOTP_TOO_EARLY 10

/**
 * The service rejected the request for another reason, which sastaotp_error_code tells.
 */
#define SASTAOTP_REJECTED 11

/**
 * The service or its provider failed.
 */
#define SASTAOTP_SERVER 12

/**
 * Too many requests.
 */
#define SASTAOTP_RATE_LIMITED 13

/**
 * A firewall in front of the service refused the request.
 */
#define SASTAOTP_BLOCKED 14

/**
 * The reply is not one of the service, or not a whole one.
 */
#define SASTAOTP_PROTOCOL 15

/**
 * The connection could not be made, or broke.
 */
#define SASTAOTP_CONNECTION 16

/**
 * The server could not prove who it is.
 */
#define SASTAOTP_TLS 17

/**
 * Something did not happen in time.
 */
#define SASTAOTP_TIMEOUT 18

/**
 * The call was ended by its token.
 */
#define SASTAOTP_CANCELLED 19

/**
 * No code came in the time given. The activation is as it was, unless the wait was to cancel it.
 */
#define SASTAOTP_WAIT_TIMEOUT 20

/**
 * The order expired without a code.
 */
#define SASTAOTP_EXPIRED 21

/**
 * The service, or somebody else with the key, cancelled the order.
 */
#define SASTAOTP_ACTIVATION_CANCELLED 22

/**
 * A defect of this library. What was under way may have taken effect.
 */
#define SASTAOTP_INTERNAL 23

/**
 * Nothing was charged; that is proved.
 */
#define SASTAOTP_NOT_CHARGED 0

/**
 * The purchase may have been made: reconcile its intent, and do not repeat it.
 */
#define SASTAOTP_CHARGE_UNKNOWN 1

/**
 * Money was charged.
 */
#define SASTAOTP_CHARGED 2

/**
 * Not before something else changes.
 */
#define SASTAOTP_RETRY_NEVER 0

/**
 * After the pause that sastaotp_error_retry_after_ms tells.
 */
#define SASTAOTP_RETRY_AFTER 1

/**
 * After sastaotp_client_reconcile has shown what became of the purchase.
 */
#define SASTAOTP_RETRY_AFTER_RECONCILE 2

/**
 * Checking arguments; nothing went out.
 */
#define SASTAOTP_PHASE_PREPARE 0

/**
 * Looking the host's name up.
 */
#define SASTAOTP_PHASE_RESOLVE 1

/**
 * Connecting, to the host or its proxy.
 */
#define SASTAOTP_PHASE_CONNECT 2

/**
 * The TLS handshake.
 */
#define SASTAOTP_PHASE_TLS 3

/**
 * Handing the request over.
 */
#define SASTAOTP_PHASE_SEND 4

/**
 * Reading the reply.
 */
#define SASTAOTP_PHASE_RECEIVE 5

/**
 * Understanding the reply.
 */
#define SASTAOTP_PHASE_DECODE 6

/**
 * The service answered, with a refusal.
 */
#define SASTAOTP_PHASE_SERVICE 7

/**
 * The header X-API-Key: out of URLs, logs and proxies. The default.
 */
#define SASTAOTP_API_KEY_IN_HEADER 0

/**
 * The header Authorization: Bearer, which Apache with PHP-FPM often drops.
 */
#define SASTAOTP_API_KEY_IN_BEARER 1

/**
 * The parameter api_key, for panels that know no other way.
 */
#define SASTAOTP_API_KEY_IN_QUERY 2

/**
 * Cancel the order and refund it.
 */
#define SASTAOTP_SET_CANCEL 8

/**
 * The same under its older number, for panels that know only this one.
 */
#define SASTAOTP_SET_CANCEL_LEGACY -1

/**
 * The SMS was sent to the number.
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
 * No code yet.
 */
#define SASTAOTP_ACTIVATION_STATUS_WAITING 0

/**
 * The next code is awaited; sastaotp_activation_status_last_code is the one before, not a new one.
 */
#define SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT 1

/**
 * A code is there: sastaotp_activation_status_sms.
 */
#define SASTAOTP_ACTIVATION_STATUS_RECEIVED 2

/**
 * The service says cancelled; for an order that had its code it may also mean completed or expired.
 */
#define SASTAOTP_ACTIVATION_STATUS_CANCELLED 3

/**
 * A status that this library does not know: sastaotp_activation_status_text. Not an end.
 */
#define SASTAOTP_ACTIVATION_STATUS_OTHER 4

/**
 * The order is cancelled and the wallet refunded.
 */
#define SASTAOTP_STATUS_CHANGE_CANCELLED 0

/**
 * The order was cancelled before.
 */
#define SASTAOTP_STATUS_CHANGE_ALREADY_CANCELLED 1

/**
 * The service knows that the SMS was sent.
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
 * The service accepted without saying what.
 */
#define SASTAOTP_STATUS_CHANGE_ACCEPTED 5

/**
 * A word that this library does not know: sastaotp_status_change_text.
 */
#define SASTAOTP_STATUS_CHANGE_OTHER 6

/**
 * Fail with SASTAOTP_TOO_EARLY; sastaotp_error_retry_after_ms says when to try again.
 */
#define SASTAOTP_ON_TOO_EARLY_FAIL 0

/**
 * Wait until it may be cancelled, and take a code that comes meanwhile.
 */
#define SASTAOTP_ON_TOO_EARLY_WAIT 1

/**
 * It did not, as far as it is known.
 */
#define SASTAOTP_ENDING_NONE 0

/**
 * It was completed.
 */
#define SASTAOTP_ENDING_COMPLETED 1

/**
 * It was cancelled, by its owner or by the service.
 */
#define SASTAOTP_ENDING_CANCELLED 2

/**
 * Its time was over.
 */
#define SASTAOTP_ENDING_EXPIRED 3

/**
 * Completed; its price is spent.
 */
#define SASTAOTP_SETTLED_COMPLETED 0

/**
 * Cancelled; its price is refunded.
 */
#define SASTAOTP_SETTLED_CANCELLED 1

/**
 * Not cancelled: a code came first. The order is open; complete it.
 */
#define SASTAOTP_SETTLED_CODE_ARRIVED 2

/**
 * It was over before.
 */
#define SASTAOTP_SETTLED_ALREADY_OVER 3

/**
 * The reply is still awaited.
 */
#define SASTAOTP_UNCLAIMED_PENDING 0

/**
 * A number was bought: take it up with sastaotp_client_activation.
 */
#define SASTAOTP_UNCLAIMED_BOUGHT 1

/**
 * It is not known whether a number was bought: reconcile the intent.
 */
#define SASTAOTP_UNCLAIMED_UNKNOWN 2

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Returns the version of the library that runs, such as "0.1.0". It may be newer than that of the header.
 *
 * The text is static: nobody frees it. Cannot fail. Any thread. Since 0.1.0.
 */
const char *sastaotp_version(void);

/**
 * Returns the version of the binary interface of the library that runs: compare it with SASTAOTP_ABI_VERSION when the
 * library is loaded by hand.
 *
 * Cannot fail. Any thread. Since 0.1.0.
 */
uint32_t sastaotp_abi_version(void);

/**
 * Returns the name of a status, such as "SASTAOTP_NO_NUMBERS"; NULL for a number that is none.
 *
 * The text is static: nobody frees it. Cannot fail. Any thread. Since 0.1.0.
 */
const char *sastaotp_status_name(sastaotp_status status);

/**
 * Returns what kind of failure it is: the same that the function returned.
 *
 * NULL gives SASTAOTP_OK. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_error_kind(const sastaotp_error *error);

/**
 * Returns the failure as one sentence: what was being done, what came back, what to do. Such as
 * "buying tg in 22: the service answered NO_BALANCE: add funds, then try again".
 *
 * NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
 */
const char *sastaotp_error_message(const sastaotp_error *error);

/**
 * Returns what to do about it, the last part of the message; empty where there is nothing to say.
 *
 * NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
 */
const char *sastaotp_error_hint(const sastaotp_error *error);

/**
 * Returns the error code of the service as it wrote it, such as "NO_BALANCE"; NULL where it sent none.
 *
 * NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
 */
const char *sastaotp_error_code(const sastaotp_error *error);

/**
 * Returns the HTTP status of the reply; 0 where none came.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
int32_t sastaotp_error_http_status(const sastaotp_error *error);

/**
 * Returns where the call was when it failed.
 *
 * NULL gives SASTAOTP_PHASE_PREPARE. Any thread. Since 0.1.0.
 */
sastaotp_phase sastaotp_error_phase(const sastaotp_error *error);

/**
 * Returns what the call did to the wallet: the first question after a purchase failed. SASTAOTP_NOT_CHARGED for calls that
 * cost nothing.
 *
 * NULL gives SASTAOTP_NOT_CHARGED. Any thread. Since 0.1.0.
 */
sastaotp_charge sastaotp_error_charge(const sastaotp_error *error);

/**
 * Returns whether the same call may succeed later.
 *
 * NULL gives SASTAOTP_RETRY_NEVER. Any thread. Since 0.1.0.
 */
sastaotp_retry sastaotp_error_retry(const sastaotp_error *error);

/**
 * Tells how long to wait before the same call may succeed, in milliseconds. Returns false, and writes nothing, where
 * sastaotp_error_retry is not SASTAOTP_RETRY_AFTER.
 *
 * NULL as error gives false; NULL as millis only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_error_retry_after_ms(const sastaotp_error *error,
                                   uint32_t *millis);

/**
 * Returns the row of the fault matrix, such as "reply_lost", where the failure is one; else NULL.
 *
 * NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
 */
const char *sastaotp_error_fault(const sastaotp_error *error);

/**
 * Returns the reply as it came, its first 4,096 characters, where one came and is the reason; else NULL.
 *
 * NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
 */
const char *sastaotp_error_raw(const sastaotp_error *error);

/**
 * Returns the purchase that failed, for sastaotp_client_reconcile; NULL where none did.
 *
 * The intent is the error's: do not free it, and do not use it after the error was freed. NULL gives NULL. Any thread.
 * Since 0.1.0.
 */
const sastaotp_intent *sastaotp_error_intent(const sastaotp_error *error);

/**
 * Returns the error as JSON: kind, message, hint, code, http_status, phase, charge, retry, retry_after_ms, fault, intent,
 * raw.
 *
 * NULL gives NULL. The text is the error's. Any thread. Since 0.1.0.
 */
const char *sastaotp_error_json(const sastaotp_error *error);

/**
 * Frees an error.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_error_free(sastaotp_error *error);

/**
 * Writes an amount of micro-rupees as rupees with two to six decimals, such as "18.50", and a NUL at its end. Exact.
 *
 * Returns how many bytes the text has, without the NUL, as snprintf does: where `size` is not larger, the text was cut
 * to fit. 32 are always enough. NULL as buffer, or a size of 0, only counts. Cannot fail. Any thread. Since 0.1.0.
 */
size_t sastaotp_amount_format(int64_t micros,
                              char *buffer,
                              size_t size);

/**
 * Reads rupees with a point and at most six decimals, such as "18.50", as micro-rupees. Exact.
 *
 * Fails with SASTAOTP_CONFIG where the text is no such amount or does not fit, and where an argument is NULL. Any
 * thread. Since 0.1.0.
 */
sastaotp_status sastaotp_amount_parse(const char *rupees,
                                      int64_t *micros,
                                      sastaotp_error **error);

/**
 * Makes settings with every default and no API key.
 *
 * Returns an object that is yours: sastaotp_config_free. Cannot fail. Any thread. Since 0.1.0.
 */
sastaotp_config *sastaotp_config_new(void);

/**
 * Makes settings from the environment: SASTAOTP_API_KEY and, where it is set, SASTAOTP_BASE_URL.
 *
 * `*config` is yours: sastaotp_config_free. A NULL place is refused. Fails with SASTAOTP_CONFIG where a variable is not
 * UTF-8. Any thread, while none changes the environment. Since 0.1.0.
 */
sastaotp_status sastaotp_config_from_env(sastaotp_config **config,
                                         sastaotp_error **error);

/**
 * Sets the API key: 1 to 256 visible ASCII characters, checked by sastaotp_client_new.
 *
 * The text is copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_api_key(sastaotp_config *config,
                                            const char *api_key,
                                            sastaotp_error **error);

/**
 * Sets where the API key goes in a request; SASTAOTP_API_KEY_IN_HEADER by default.
 *
 * NULL as config, or a value that is no constant, is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_api_key_location(sastaotp_config *config,
                                                     sastaotp_api_key_location place,
                                                     sastaotp_error **error);

/**
 * Sets the address of the service: https, or http to this machine alone. The vendor's by default. Checked by
 * sastaotp_client_new.
 *
 * The text is copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_base_url(sastaotp_config *config,
                                             const char *base_url,
                                             sastaotp_error **error);

/**
 * Sets the User-Agent: 1 to 256 printable ASCII characters, checked by sastaotp_client_new; "libsastaotp/" and the version by
 * default.
 *
 * The text is copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_user_agent(sastaotp_config *config,
                                               const char *user_agent,
                                               sastaotp_error **error);

/**
 * Trusts certificates besides the public authorities: `length` bytes of PEM, checked by sastaotp_client_new. A second call
 * replaces the first.
 *
 * The bytes are copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_config_add_ca_pem(sastaotp_config *config,
                                           const uint8_t *pem,
                                           size_t length,
                                           sastaotp_error **error);

/**
 * Sets how many idle connections are kept at most: 1 or more; 64 by default. Checked by sastaotp_client_new.
 *
 * NULL as config is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_max_connections(sastaotp_config *config,
                                                    uint32_t count,
                                                    sastaotp_error **error);

/**
 * Sets the total that charges may reach, in micro-rupees. A purchase that could go beyond is refused before it is sent; a
 * confirmed refund gives its money back. With a budget every purchase needs a maximum price. None by default.
 *
 * NULL as config is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_budget(sastaotp_config *config,
                                           int64_t micros,
                                           sastaotp_error **error);

/**
 * Sets how long a call may take in all, its retries among it; 90,000 ms by default. A wait, a reconcile and a
 * settle that waits out have times of their own.
 *
 * NULL as config is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_timeout_ms(sastaotp_config *config,
                                               uint32_t millis,
                                               sastaotp_error **error);

/**
 * Sets how many requests a minute are sent at most, by all handles of a client together: 1 or more. As many as the service
 * takes by default. A 429 slows down by itself, either way.
 *
 * NULL as config, 0, and more than 60,000,000 are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_config_set_max_requests_per_minute(sastaotp_config *config,
                                                            uint32_t count,
                                                            sastaotp_error **error);

/**
 * Frees settings. Clients that were made from them go on.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_config_free(sastaotp_config *config);

/**
 * Makes a token that is not triggered.
 *
 * Returns an object that is yours: sastaotp_cancel_token_free. Cannot fail. Any thread. Since 0.1.0.
 */
sastaotp_cancel_token *sastaotp_cancel_token_new(void);

/**
 * Triggers the token: every call that uses it returns SASTAOTP_CANCELLED within 100 ms, and so does every later one.
 *
 * NULL does nothing. Any thread, while others are blocked in calls; not from a signal handler. Since 0.1.0.
 */
void sastaotp_cancel_token_trigger(const sastaotp_cancel_token *cancel);

/**
 * Says whether the token was triggered.
 *
 * NULL gives false. Any thread. Since 0.1.0.
 */
bool sastaotp_cancel_token_is_triggered(const sastaotp_cancel_token *cancel);

/**
 * Frees the token. Clients and activations that were made with it go on, and can no longer be ended by it.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_cancel_token_free(sastaotp_cancel_token *cancel);

/**
 * Makes a client from settings. Sends nothing.
 *
 * `*client` is yours: sastaotp_client_free. Fails with SASTAOTP_CONFIG where a setting is wrong, no API key is set, or an
 * argument is NULL. Any thread, while none changes the environment: HTTPS_PROXY, ALL_PROXY and NO_PROXY are read, as curl
 * reads them. Since 0.1.0.
 */
sastaotp_status sastaotp_client_new(const sastaotp_config *config,
                                    sastaotp_client **client,
                                    sastaotp_error **error);

/**
 * Makes a client from SASTAOTP_API_KEY and, where it is set, SASTAOTP_BASE_URL. Sends nothing.
 *
 * `*client` is yours: sastaotp_client_free. Fails with SASTAOTP_CONFIG where a variable is wrong or the key is missing, or
 * the place is NULL. Any thread, while none changes the environment; see sastaotp_client_new for what else is read of it.
 * Since 0.1.0.
 */
sastaotp_status sastaotp_client_from_env(sastaotp_client **client,
                                         sastaotp_error **error);

/**
 * Makes a handle of the same client whose calls `cancel` ends.
 *
 * A purchase that was sent already runs on to its reply: its call returns at once with SASTAOTP_CANCELLED and
 * SASTAOTP_CHARGE_UNKNOWN, and sastaotp_client_unclaimed lists what was bought.
 *
 * `*handle` is yours: sastaotp_client_free, in any order with the client and the token. NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_with_cancel(const sastaotp_client *client,
                                            const sastaotp_cancel_token *cancel,
                                            sastaotp_client **handle,
                                            sastaotp_error **error);

/**
 * Makes a handle of the same client whose calls return within a time. A purchase that was sent runs on, as when it is
 * cancelled. A wait, a reconcile and a settle that waits out have times of their own.
 *
 * `*handle` is yours: sastaotp_client_free, in any order with the client. NULL arguments are refused with SASTAOTP_CONFIG.
 * Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_with_timeout_ms(const sastaotp_client *client,
                                                uint32_t millis,
                                                sastaotp_client **handle,
                                                sastaotp_error **error);

/**
 * Frees a client or a handle of one. Its activations, leases and results go on. A purchase that is under way on another
 * thread must be over first.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_client_free(sastaotp_client *client);

/**
 * Tells what is left of the budget, in micro-rupees. Returns false, and writes nothing, where there is no budget. Sends
 * nothing.
 *
 * NULL as client gives false; NULL as micros only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_client_budget_left(const sastaotp_client *client,
                                 int64_t *micros);

/**
 * Reads the wallet. Action getBalance.
 *
 * `*balance` is yours: sastaotp_balance_free. Fails with an error of a read. NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_balance(const sastaotp_client *client,
                                            sastaotp_balance **balance,
                                            sastaotp_error **error);

/**
 * Reads what is sold: all services where `service` is NULL, or one with its countries. Action getServicesList.
 *
 * `*services` is yours: sastaotp_services_free. Fails with an error of a read. Other NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_services(const sastaotp_client *client,
                                             const char *service,
                                             sastaotp_services **services,
                                             sastaotp_error **error);

/**
 * Reads prices: of one service, of one country, of both, or all where both are NULL, which are 2.6 MB. Action getPrices.
 *
 * `*prices` is yours: sastaotp_prices_free. Fails with an error of a read. Other NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_prices(const sastaotp_client *client,
                                           const char *service,
                                           const char *country,
                                           sastaotp_prices **prices,
                                           sastaotp_error **error);

/**
 * Reads the countries and their codes, which are not calling codes. Action getCountries.
 *
 * `*countries` is yours: sastaotp_countries_free. Fails with an error of a read. NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_countries(const sastaotp_client *client,
                                              sastaotp_countries **countries,
                                              sastaotp_error **error);

/**
 * Reads the countries of a name, whatever its case: none, one, or several, each with a code and prices of its own. Action
 * getCountries.
 *
 * `*countries` is yours: sastaotp_countries_free. Fails with an error of a read. NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_find_country(const sastaotp_client *client,
                                             const char *name,
                                             sastaotp_countries **countries,
                                             sastaotp_error **error);

/**
 * Reads one page of the order history, newest first: `limit` orders, 1 to 100; `page` from 1; of one state ("pending",
 * "completed", "cancelled", "expired"), or of all where `status` is NULL. Action getOrders.
 *
 * `*orders` is yours: sastaotp_orders_free. Fails with an error of a read. Other NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_orders(const sastaotp_client *client,
                                           uint32_t limit,
                                           uint32_t page,
                                           const char *status,
                                           sastaotp_orders **orders,
                                           sastaotp_error **error);

/**
 * Begins to go through the order history, newest first: of one state, or of all where `status` is NULL. Sends nothing.
 *
 * `*iterator` is yours: sastaotp_order_iterator_free. Other NULL arguments are refused with SASTAOTP_CONFIG. Any thread.
 * Since 0.1.0.
 */
sastaotp_status sastaotp_client_orders(const sastaotp_client *client,
                                       const char *status,
                                       sastaotp_order_iterator **iterator,
                                       sastaotp_error **error);

/**
 * Buys a number. Action getNumber. COSTS MONEY.
 *
 * Sends the purchase once. Where sastaotp_error_charge says SASTAOTP_CHARGE_UNKNOWN, look with sastaotp_client_reconcile
 * before buying again.
 *
 * `*activation` is yours: sastaotp_activation_free, which leaves the order as it is. Fails with an error of a purchase. NULL
 * arguments are refused with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_number(const sastaotp_client *client,
                                           const sastaotp_number_request *request,
                                           sastaotp_activation **activation,
                                           sastaotp_error **error);

/**
 * Prepares a purchase for sastaotp_client_buy. Save sastaotp_intent_json in between, and a program that is killed before the
 * reply can still find out what it bought. Asks for the newest order first where the client does not know it yet. Action
 * getOrders.
 *
 * `*intent` is yours: sastaotp_intent_free. Fails with an error of a read. NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_intend(const sastaotp_client *client,
                                       const sastaotp_number_request *request,
                                       sastaotp_intent **intent,
                                       sastaotp_error **error);

/**
 * Makes a purchase that was prepared. Action getNumber. COSTS MONEY, each time it is called.
 *
 * `*activation` is yours: sastaotp_activation_free. Fails with an error of a purchase. NULL arguments are refused with
 * SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_buy(const sastaotp_client *client,
                                    const sastaotp_intent *intent,
                                    sastaotp_activation **activation,
                                    sastaotp_error **error);

/**
 * Buys the number of a completed activation again. Action regetNumber. COSTS MONEY, as much as the first time.
 *
 * `*activation` is yours: sastaotp_activation_free. Fails with an error of a purchase, SASTAOTP_NOT_FOUND or
 * SASTAOTP_REJECTED. NULL arguments are refused with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_reget_number(const sastaotp_client *client,
                                             const char *id,
                                             sastaotp_activation **activation,
                                             sastaotp_error **error);

/**
 * Buys a number that is settled when the lease ends. Action getNumber. COSTS MONEY.
 *
 * `*lease` is yours: sastaotp_lease_free, which settles the order. Fails with an error of a purchase. NULL arguments are
 * refused with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_lease(const sastaotp_client *client,
                                      const sastaotp_number_request *request,
                                      sastaotp_lease **lease,
                                      sastaotp_error **error);

/**
 * Takes up an activation that exists: of an earlier run, from the history, or from sastaotp_client_unclaimed. Sends nothing.
 *
 * `*activation` is yours: sastaotp_activation_free. NULL arguments and ids that cannot be one (1 to 64 letters, digits and
 * "_.:-") are refused with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_activation(const sastaotp_client *client,
                                           const char *id,
                                           sastaotp_activation **activation,
                                           sastaotp_error **error);

/**
 * Reads the state of an activation. Action getStatus, and getStatusV2 for the text of a message.
 *
 * `*state` is yours: sastaotp_activation_status_free. Fails with an error of a read, or SASTAOTP_NOT_FOUND. NULL arguments are refused
 * with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_get_status(const sastaotp_client *client,
                                           const char *id,
                                           sastaotp_activation_status **state,
                                           sastaotp_error **error);

/**
 * Changes an activation and gives what the service says that it did. Action setStatus.
 *
 * Sent once; where the reply is lost, the state is read back, and the request repeated only if it did not apply.
 *
 * No sastaotp_activation learns of it: its own functions are the ones that keep the codes of an order apart, and know how it
 * ended.
 *
 * `*change` is yours: sastaotp_status_change_free. Fails with an error of a read, or SASTAOTP_NOT_FOUND,
 * SASTAOTP_ALREADY_FINISHED, SASTAOTP_TOO_EARLY or SASTAOTP_REJECTED. NULL arguments and a status that is no constant are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_set_status(const sastaotp_client *client,
                                           const char *id,
                                           sastaotp_set_status status,
                                           sastaotp_status_change **change,
                                           sastaotp_error **error);

/**
 * Finds out what became of a purchase, from the order history. Action getOrders.
 *
 * Looks 2, 5, 10, 20 and 40 seconds after the purchase, and only once more after something was found; those that are past
 * already are made as one, at once. Where the client has another purchase of the kind under way, waits for its reply, which
 * tells whose the order is. Takes up nothing: give the id of a candidate to sastaotp_client_activation.
 *
 * `*reconciliation` is yours: sastaotp_reconciliation_free. Fails with an error of a read. NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_client_reconcile(const sastaotp_client *client,
                                          const sastaotp_intent *intent,
                                          sastaotp_reconciliation **reconciliation,
                                          sastaotp_error **error);

/**
 * Lists purchases whose caller gave up, or whose lease could not settle them, until they are taken up with
 * sastaotp_client_activation or reconciled. Sends nothing.
 *
 * `*list` is yours: sastaotp_unclaimed_list_free. NULL arguments are refused with SASTAOTP_CONFIG. Any thread. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_client_unclaimed(const sastaotp_client *client,
                                          sastaotp_unclaimed_list **list,
                                          sastaotp_error **error);

/**
 * Returns the amount in micro-rupees.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
int64_t sastaotp_balance_amount(const sastaotp_balance *balance);

/**
 * Returns the currency as the service names it, "INR" where it names none.
 *
 * NULL gives NULL. The text is the balance's. Any thread. Since 0.1.0.
 */
const char *sastaotp_balance_currency(const sastaotp_balance *balance);

/**
 * Returns the balance as JSON: amount_micros, currency, raw.
 *
 * NULL gives NULL. The text is the balance's. Any thread. Since 0.1.0.
 */
const char *sastaotp_balance_json(const sastaotp_balance *balance);

/**
 * Frees a balance.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_balance_free(sastaotp_balance *balance);

/**
 * Returns how many services there are.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
size_t sastaotp_services_count(const sastaotp_services *services);

/**
 * Returns the service at an index from 0; NULL behind the end.
 *
 * The service is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_service *sastaotp_services_get(const sastaotp_services *services, size_t index);

/**
 * Returns the list as JSON: services, a list of code, name, price_micros, available, multi_sms, expires_in_ms and
 * countries, which is a list of country, country_name, price_micros, available; and raw.
 *
 * NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
 */
const char *sastaotp_services_json(const sastaotp_services *services);

/**
 * Frees a list with its services and offers.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_services_free(sastaotp_services *services);

/**
 * Returns the code for a purchase, such as "tg".
 *
 * NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
 */
const char *sastaotp_service_code(const sastaotp_service *service);

/**
 * Returns the name that people know, such as "Telegram"; empty where there is none.
 *
 * NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
 */
const char *sastaotp_service_name(const sastaotp_service *service);

/**
 * Tells what a number costs where no country is chosen, in micro-rupees. Returns false, and writes nothing, where the
 * service does not say.
 *
 * NULL as service gives false; NULL as micros only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_service_price(const sastaotp_service *service,
                            int64_t *micros);

/**
 * Tells how many numbers there are. Returns false, and writes nothing, where the service does not say.
 *
 * NULL as service gives false; NULL as count only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_service_available(const sastaotp_service *service,
                                uint64_t *count);

/**
 * Tells whether one number can get several codes. Returns false, and writes nothing, where the service does not say.
 *
 * NULL as service gives false; NULL as multi_sms only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_service_multi_sms(const sastaotp_service *service,
                                bool *multi_sms);

/**
 * Tells how long after the purchase an order expires, in milliseconds. Returns false, and writes nothing, where the service
 * does not say.
 *
 * NULL as service gives false; NULL as millis only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_service_expires_in_ms(const sastaotp_service *service,
                                    uint32_t *millis);

/**
 * Returns in how many countries it is sold. The live service says so only when one service is asked for.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
size_t sastaotp_service_offer_count(const sastaotp_service *service);

/**
 * Returns the offer at an index from 0; NULL behind the end.
 *
 * The offer is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_offer *sastaotp_service_offer(const sastaotp_service *service, size_t index);

/**
 * Returns the code of the country for a purchase. It is not a calling code.
 *
 * NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
 */
const char *sastaotp_offer_country(const sastaotp_offer *offer);

/**
 * Returns the name of the country; empty where there is none.
 *
 * NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
 */
const char *sastaotp_offer_country_name(const sastaotp_offer *offer);

/**
 * Tells what a number costs there, in micro-rupees. Returns false, and writes nothing, where the service does not say.
 *
 * NULL as offer gives false; NULL as micros only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_offer_price(const sastaotp_offer *offer,
                          int64_t *micros);

/**
 * Tells how many numbers there are. Returns false, and writes nothing, where the service does not say.
 *
 * NULL as offer gives false; NULL as count only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_offer_available(const sastaotp_offer *offer,
                              uint64_t *count);

/**
 * Returns how many entries there are: unfiltered, some eighty thousand.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
size_t sastaotp_prices_count(const sastaotp_prices *prices);

/**
 * Finds the entry of one service in one country and writes its index, from 0. Returns false, and writes nothing, where
 * there is none.
 *
 * NULL as prices, country or service gives false; NULL as index only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_prices_find(const sastaotp_prices *prices,
                          const char *country,
                          const char *service,
                          size_t *index);

/**
 * Returns the code of an entry's country; "*" and "any" are the service's own words. NULL behind the end.
 *
 * NULL gives NULL. The text is the table's. Any thread. Since 0.1.0.
 */
const char *sastaotp_prices_country(const sastaotp_prices *prices,
                                    size_t index);

/**
 * Returns the code of an entry's service. NULL behind the end.
 *
 * NULL gives NULL. The text is the table's. Any thread. Since 0.1.0.
 */
const char *sastaotp_prices_service(const sastaotp_prices *prices, size_t index);

/**
 * Tells what a number costs, in micro-rupees. Returns false, and writes nothing, behind the end or where the figure of the
 * reply cannot be read.
 *
 * NULL as prices gives false; NULL as micros only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_prices_price(const sastaotp_prices *prices,
                           size_t index,
                           int64_t *micros);

/**
 * Tells how many numbers there are. Returns false, and writes nothing, behind the end or where the service does not say. The
 * live service says 999 everywhere.
 *
 * NULL as prices gives false; NULL as count only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_prices_available(const sastaotp_prices *prices,
                               size_t index,
                               uint32_t *count);

/**
 * Returns the table as JSON: prices, a list of country, service, cost_micros, count; and raw. Unfiltered it has megabytes.
 *
 * NULL gives NULL. The text is the table's. Any thread. Since 0.1.0.
 */
const char *sastaotp_prices_json(const sastaotp_prices *prices);

/**
 * Frees a table.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_prices_free(sastaotp_prices *prices);

/**
 * Returns how many countries there are.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
size_t sastaotp_countries_count(const sastaotp_countries *countries);

/**
 * Returns the country at an index from 0; NULL behind the end.
 *
 * The country is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_country *sastaotp_countries_get(const sastaotp_countries *countries, size_t index);

/**
 * Returns the list as JSON: countries, a list of code, name, visible; and raw.
 *
 * NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
 */
const char *sastaotp_countries_json(const sastaotp_countries *countries);

/**
 * Frees a list and its countries.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_countries_free(sastaotp_countries *countries);

/**
 * Returns the code for a purchase. It is not a calling code: 22 is India.
 *
 * NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
 */
const char *sastaotp_country_code(const sastaotp_country *country);

/**
 * Returns the name in English; empty where there is none. Names repeat.
 *
 * NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
 */
const char *sastaotp_country_name(const sastaotp_country *country);

/**
 * Says whether the service shows the country to its users.
 *
 * NULL gives false. Any thread. Since 0.1.0.
 */
bool sastaotp_country_is_visible(const sastaotp_country *country);

/**
 * Returns how many orders are on the page.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
size_t sastaotp_orders_count(const sastaotp_orders *orders);

/**
 * Returns the order at an index from 0; NULL behind the end.
 *
 * The order is the page's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_order *sastaotp_orders_get(const sastaotp_orders *orders, size_t index);

/**
 * Tells how many orders there are on all pages. Returns false, and writes nothing, where the service does not say.
 *
 * NULL as orders gives false; NULL as count only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_orders_total(const sastaotp_orders *orders,
                           uint64_t *count);

/**
 * Returns the page as JSON: orders, each as sastaotp_order_json writes it; total; extra_orders, the activations on the page
 * that may be a purchase of this client made twice; raw.
 *
 * NULL gives NULL. The text is the page's. Any thread. Since 0.1.0.
 */
const char *sastaotp_orders_json(const sastaotp_orders *orders);

/**
 * Frees a page and its orders.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_orders_free(sastaotp_orders *orders);

/**
 * Returns the id of the order, a number that grows; NULL where the reply gives none.
 *
 * NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
 */
const char *sastaotp_order_id(const sastaotp_order *order);

/**
 * Returns the id for sastaotp_client_activation; NULL where the reply gives none.
 *
 * NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
 */
const char *sastaotp_order_activation_id(const sastaotp_order *order);

/**
 * Returns the phone number as the service wrote it; NULL where the reply gives none.
 *
 * NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
 */
const char *sastaotp_order_phone_number(const sastaotp_order *order);

/**
 * Returns the code of the service, or its name where the reply has no code; NULL where it has neither.
 *
 * NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
 */
const char *sastaotp_order_service(const sastaotp_order *order);

/**
 * Returns the code of the country, or its name where the reply has no code; NULL where it has neither.
 *
 * NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
 */
const char *sastaotp_order_country(const sastaotp_order *order);

/**
 * Returns the state of the order: "pending", "completed", "cancelled", "expired", or another word as the service wrote it;
 * NULL where the reply gives none.
 *
 * NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
 */
const char *sastaotp_order_status(const sastaotp_order *order);

/**
 * Returns the code that came; NULL where the reply gives none.
 *
 * NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
 */
const char *sastaotp_order_code(const sastaotp_order *order);

/**
 * Returns when it was bought, in the words of the service: the zone of that time is not known. NULL where the reply gives none.
 *
 * NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
 */
const char *sastaotp_order_created_text(const sastaotp_order *order);

/**
 * Tells when it was bought, in milliseconds since 1970. Returns false, and writes nothing, where the service does not give
 * seconds since 1970.
 *
 * NULL as order gives false; NULL as millis only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_order_created_at_ms(const sastaotp_order *order,
                                  int64_t *millis);

/**
 * Tells what was charged, in micro-rupees. Returns false, and writes nothing, where the reply does not say.
 *
 * NULL as order gives false; NULL as micros only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_order_price(const sastaotp_order *order,
                          int64_t *micros);

/**
 * Returns the order as JSON: order_id, activation_id, phone_number, service, country, price_micros, status, code,
 * created_text, created_at_ms, raw.
 *
 * NULL gives NULL. The text is the order's. Any thread. Since 0.1.0.
 */
const char *sastaotp_order_json(const sastaotp_order *order);

/**
 * Frees an order that sastaotp_order_iterator_next gave.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_order_free(sastaotp_order *order);

/**
 * Gives the next order, and asks for the next page where that is needed. Action getOrders.
 *
 * `*order` is yours: sastaotp_order_free. At the end it is NULL, with SASTAOTP_OK. After a failure, which is one of a
 * read, the iteration has ended. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_order_iterator_next(sastaotp_order_iterator *iterator,
                                             sastaotp_order **order,
                                             sastaotp_error **error);

/**
 * Frees an iterator. Orders that it gave stay.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_order_iterator_free(sastaotp_order_iterator *iterator);

/**
 * Reads an intent that was saved: the text that sastaotp_intent_json gave.
 *
 * `*intent` is yours: sastaotp_intent_free. Fails with SASTAOTP_CONFIG where the text is another, or an argument is NULL. Any
 * thread. Since 0.1.0.
 */
sastaotp_status sastaotp_intent_from_json(const char *json,
                                          sastaotp_intent **intent,
                                          sastaotp_error **error);

/**
 * Returns the intent as JSON, to be saved before the purchase and read with sastaotp_intent_from_json.
 *
 * NULL gives NULL. The text is the intent's. Any thread. Since 0.1.0.
 */
const char *sastaotp_intent_json(const sastaotp_intent *intent);

/**
 * Returns the code of the service; NULL where a number was to be bought again.
 *
 * NULL gives NULL. The text is the intent's. Any thread. Since 0.1.0.
 */
const char *sastaotp_intent_service(const sastaotp_intent *intent);

/**
 * Returns the code of the country; NULL where none was asked for.
 *
 * NULL gives NULL. The text is the intent's. Any thread. Since 0.1.0.
 */
const char *sastaotp_intent_country(const sastaotp_intent *intent);

/**
 * Returns the id of the activation whose number was to be bought again; NULL for another purchase.
 *
 * NULL gives NULL. The text is the intent's. Any thread. Since 0.1.0.
 */
const char *sastaotp_intent_reget_of(const sastaotp_intent *intent);

/**
 * Tells the most that may be charged, in micro-rupees. Returns false, and writes nothing, where any price was accepted, or
 * it is not known.
 *
 * NULL as intent gives false; NULL as micros only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_intent_max_price(const sastaotp_intent *intent,
                               int64_t *micros);

/**
 * Tells the highest order id that was known before: what was bought has a higher one. Returns false, and writes nothing,
 * where none was known.
 *
 * NULL as intent gives false; NULL as order_id only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_intent_watermark(const sastaotp_intent *intent,
                               uint64_t *order_id);

/**
 * Returns when the intent was made, in milliseconds since 1970.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
int64_t sastaotp_intent_started_at_ms(const sastaotp_intent *intent);

/**
 * Copies an intent, to keep it beyond the error or list that it is part of.
 *
 * Returns an object that is yours: sastaotp_intent_free. NULL gives NULL. Any thread. Since 0.1.0.
 */
sastaotp_intent *sastaotp_intent_copy(const sastaotp_intent *intent);

/**
 * Frees an intent of your own; not one that is part of an error or a list.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_intent_free(sastaotp_intent *intent);

/**
 * Asks for a number for a service: a code from sastaotp_client_get_services, such as "tg".
 *
 * The text is copied. `*request` is yours: sastaotp_number_request_free. NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_new(const char *service,
                                            sastaotp_number_request **request,
                                            sastaotp_error **error);

/**
 * Asks for a country: a code from sastaotp_client_get_countries, which is not a calling code. India is "22". Without a
 * country the service chooses one.
 *
 * The text is copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_set_country(sastaotp_number_request *request,
                                                    const char *country,
                                                    sastaotp_error **error);

/**
 * Sets the most that may be charged, in micro-rupees: 18.50 rupees are 18500000.
 *
 * NULL as request is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_set_max_price(sastaotp_number_request *request,
                                                      int64_t micros,
                                                      sastaotp_error **error);

/**
 * Accepts whatever price the service asks.
 *
 * NULL as request is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_accept_any_price(sastaotp_number_request *request,
                                                         sastaotp_error **error);

/**
 * Asks for a provider.
 *
 * The text is copied. NULL arguments are refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_set_operator(sastaotp_number_request *request,
                                                     const char *operator_,
                                                     sastaotp_error **error);

/**
 * Asks for a number that can get several codes.
 *
 * NULL as request is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_number_request_ask_multi_sms(sastaotp_number_request *request,
                                                      sastaotp_error **error);

/**
 * Frees a request.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_number_request_free(sastaotp_number_request *request);

/**
 * Returns the id for sastaotp_client_activation. Opaque text.
 *
 * NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
 */
const char *sastaotp_purchase_activation_id(const sastaotp_purchase *purchase);

/**
 * Returns the id of the order in the history; NULL where the reply gives none.
 *
 * NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
 */
const char *sastaotp_purchase_order_id(const sastaotp_purchase *purchase);

/**
 * Returns the phone number as the service wrote it.
 *
 * NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
 */
const char *sastaotp_purchase_phone_number(const sastaotp_purchase *purchase);

/**
 * Returns the code of the service that it is for; NULL where the reply gives none.
 *
 * NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
 */
const char *sastaotp_purchase_service(const sastaotp_purchase *purchase);

/**
 * Returns the code of the country; NULL where the reply gives none.
 *
 * NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
 */
const char *sastaotp_purchase_country(const sastaotp_purchase *purchase);

/**
 * Tells what was charged, in micro-rupees. Returns false, and writes nothing, where the reply does not say.
 *
 * NULL as purchase gives false; NULL as micros only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_purchase_price(const sastaotp_purchase *purchase,
                             int64_t *micros);

/**
 * Tells whether the service sells further codes on this number. Returns false, and writes nothing, where the reply does not
 * say.
 *
 * NULL as purchase gives false; NULL as multi_sms only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_purchase_multi_sms(const sastaotp_purchase *purchase,
                                 bool *multi_sms);

/**
 * Tells how long after the purchase the order expires, in milliseconds. Returns false, and writes nothing, where the reply
 * does not say.
 *
 * NULL as purchase gives false; NULL as millis only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_purchase_expires_in_ms(const sastaotp_purchase *purchase,
                                     uint32_t *millis);

/**
 * Returns how many sentences there are about what is odd in the reply, such as an overcharge. The purchase stands all the
 * same.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
size_t sastaotp_purchase_warning_count(const sastaotp_purchase *purchase);

/**
 * Returns the sentence at an index from 0; NULL behind the end.
 *
 * NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
 */
const char *sastaotp_purchase_warning(const sastaotp_purchase *purchase, size_t index);

/**
 * Returns the purchase as JSON: activation_id, order_id, phone_number, service, service_name, country, country_name,
 * price_micros, multi_sms, can_get_another_sms, expires_in_ms, note, warnings, raw.
 *
 * NULL gives NULL. The text is the purchase's. Any thread. Since 0.1.0.
 */
const char *sastaotp_purchase_json(const sastaotp_purchase *purchase);

/**
 * Returns the code, untouched: it may hold colons, blanks and leading zeros.
 *
 * NULL gives NULL. The text is the message's. Any thread. Since 0.1.0.
 */
const char *sastaotp_sms_code(const sastaotp_sms *sms);

/**
 * Returns the text of the message; NULL where the service gives none.
 *
 * NULL gives NULL. The text is the message's. Any thread. Since 0.1.0.
 */
const char *sastaotp_sms_text(const sastaotp_sms *sms);

/**
 * Returns who sent it; NULL where the service does not say.
 *
 * NULL gives NULL. The text is the message's. Any thread. Since 0.1.0.
 */
const char *sastaotp_sms_sender(const sastaotp_sms *sms);

/**
 * Returns when it came, in the words of the service: the zone of that time is not known. NULL where it does not say.
 *
 * NULL gives NULL. The text is the message's. Any thread. Since 0.1.0.
 */
const char *sastaotp_sms_received_text(const sastaotp_sms *sms);

/**
 * Says whether the same code came for the order before.
 *
 * NULL gives false. Any thread. Since 0.1.0.
 */
bool sastaotp_sms_is_repeat(const sastaotp_sms *sms);

/**
 * Returns the message as JSON: code, text, sender, received_text, is_repeat, raw.
 *
 * NULL gives NULL. The text is the message's. Any thread. Since 0.1.0.
 */
const char *sastaotp_sms_json(const sastaotp_sms *sms);

/**
 * Frees a message that is yours.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_sms_free(sastaotp_sms *sms);

/**
 * Returns what state it is.
 *
 * NULL gives SASTAOTP_ACTIVATION_STATUS_OTHER. Any thread. Since 0.1.0.
 */
sastaotp_kind_of_state sastaotp_activation_status_kind(const sastaotp_activation_status *state);

/**
 * Returns the message that came; NULL where none did.
 *
 * The message is the state's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_sms *sastaotp_activation_status_sms(const sastaotp_activation_status *state);

/**
 * Returns the code before the one that is awaited; NULL where the service does not repeat it.
 *
 * NULL gives NULL. The text is the state's. Any thread. Since 0.1.0.
 */
const char *sastaotp_activation_status_last_code(const sastaotp_activation_status *state);

/**
 * Returns a status that this library does not know, as the service wrote it; NULL for one that it knows.
 *
 * NULL gives NULL. The text is the state's. Any thread. Since 0.1.0.
 */
const char *sastaotp_activation_status_text(const sastaotp_activation_status *state);

/**
 * Returns the state as JSON: status (waiting, waiting_for_next, received, cancelled or other), sms, last_code, text, raw.
 *
 * NULL gives NULL. The text is the state's. Any thread. Since 0.1.0.
 */
const char *sastaotp_activation_status_json(const sastaotp_activation_status *state);

/**
 * Frees a state and its message.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_activation_status_free(sastaotp_activation_status *state);

/**
 * Returns what change it is.
 *
 * NULL gives SASTAOTP_STATUS_CHANGE_OTHER. Any thread. Since 0.1.0.
 */
sastaotp_kind_of_change sastaotp_status_change_kind(const sastaotp_status_change *change);

/**
 * Returns a word that this library does not know, as the service wrote it; NULL for a change that it knows.
 *
 * NULL gives NULL. The text is the change's. Any thread. Since 0.1.0.
 */
const char *sastaotp_status_change_text(const sastaotp_status_change *change);

/**
 * Returns the change as JSON: change (cancelled, already_cancelled, ready, waiting_for_next, completed, accepted or other),
 * text, raw.
 *
 * NULL gives NULL. The text is the change's. Any thread. Since 0.1.0.
 */
const char *sastaotp_status_change_json(const sastaotp_status_change *change);

/**
 * Frees a change.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_status_change_free(sastaotp_status_change *change);

/**
 * Returns the id for the other calls, and for sastaotp_client_activation in a later run.
 *
 * NULL gives NULL. The text is the activation's. Any thread. Since 0.1.0.
 */
const char *sastaotp_activation_id(const sastaotp_activation *activation);

/**
 * Returns the phone number as the service wrote it; NULL for an activation that was taken up by its id.
 *
 * NULL gives NULL. The text is the activation's. Any thread. Since 0.1.0.
 */
const char *sastaotp_activation_phone_number(const sastaotp_activation *activation);

/**
 * Tells what was charged, in micro-rupees. Returns false, and writes nothing, where the service did not say.
 *
 * NULL as activation gives false; NULL as micros only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_activation_price(const sastaotp_activation *activation,
                               int64_t *micros);

/**
 * Tells when the order expires, in milliseconds since 1970. Returns false, and writes nothing, where the service did not say.
 *
 * NULL as activation gives false; NULL as millis only asks. Any thread. Since 0.1.0.
 */
bool sastaotp_activation_expires_at_ms(const sastaotp_activation *activation,
                                       int64_t *millis);

/**
 * Returns what the reply to the purchase said; NULL for an activation that was taken up by its id.
 *
 * The purchase is the activation's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_purchase *sastaotp_activation_purchase(const sastaotp_activation *activation);

/**
 * Returns the code that came and was not asked to be replaced; NULL where there is none. Sends nothing.
 *
 * The message is yours: sastaotp_sms_free. NULL gives NULL. Any thread. Since 0.1.0.
 */
sastaotp_sms *sastaotp_activation_code(const sastaotp_activation *activation);

/**
 * Returns how many codes came so far. Sends nothing.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
size_t sastaotp_activation_code_count(const sastaotp_activation *activation);

/**
 * Returns the code at an index from 0, oldest first; NULL behind the end. Sends nothing.
 *
 * The message is yours: sastaotp_sms_free. NULL gives NULL. Any thread. Since 0.1.0.
 */
sastaotp_sms *sastaotp_activation_code_at(const sastaotp_activation *activation, size_t index);

/**
 * Returns how the order ended, as far as it is known. Sends nothing.
 *
 * NULL gives SASTAOTP_ENDING_NONE. Any thread. Since 0.1.0.
 */
sastaotp_ending sastaotp_activation_ending(const sastaotp_activation *activation);

/**
 * Makes a handle of the same activation whose calls `cancel` ends.
 *
 * `*handle` is yours: sastaotp_activation_free, in any order with the activation and the token. NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_with_cancel(const sastaotp_activation *activation,
                                                const sastaotp_cancel_token *cancel,
                                                sastaotp_activation **handle,
                                                sastaotp_error **error);

/**
 * Makes a handle of the same activation whose calls return within a time. A wait, and a settle that waits out,
 * have times of their own.
 *
 * `*handle` is yours: sastaotp_activation_free, in any order with the activation. NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_with_timeout_ms(const sastaotp_activation *activation,
                                                    uint32_t millis,
                                                    sastaotp_activation **handle,
                                                    sastaotp_error **error);

/**
 * Asks the service once for the state. A code that comes back is kept. Action getStatus.
 *
 * `*state` is yours: sastaotp_activation_status_free. Fails with an error of a read, or SASTAOTP_NOT_FOUND. NULL arguments are refused
 * with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_get_status(const sastaotp_activation *activation,
                                               sastaotp_activation_status **state,
                                               sastaotp_error **error);

/**
 * Makes options with every default.
 *
 * Returns an object that is yours: sastaotp_wait_options_free. Cannot fail. Any thread. Since 0.1.0.
 */
sastaotp_wait_options *sastaotp_wait_options_new(void);

/**
 * Polls less often than every 5,000 ms; more often is not possible, and an hour is the longest pause.
 *
 * NULL as options is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_wait_options_set_interval_ms(sastaotp_wait_options *options,
                                                      uint32_t millis,
                                                      sastaotp_error **error);

/**
 * After a request for the next code, takes one that came before for it even if the service showed no waiting in
 * between.
 *
 * NULL as options is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_wait_options_accept_same_code(sastaotp_wait_options *options,
                                                       sastaotp_error **error);

/**
 * Cancels the order for its refund when no code came in time. That takes 10 seconds more at most. The wait fails with
 * SASTAOTP_WAIT_TIMEOUT all the same, where the hint of the error says whether the order was cancelled, or with what the
 * cancellation failed with.
 *
 * NULL as options is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_wait_options_cancel_on_timeout(sastaotp_wait_options *options,
                                                        sastaotp_error **error);

/**
 * Frees options.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_wait_options_free(sastaotp_wait_options *options);

/**
 * Waits for a code, `timeout_ms` at most; `options` may be NULL. Actions getStatus, and getStatusV2 for the text of the
 * message.
 *
 * Polls every 5 seconds, and once more at the deadline, which is the timeout or the order's expiry; before it where replies
 * are slow. A failure that may pass does not end the wait. A code that came before is given at once. To show progress, wait
 * a second at a time: the distance between polls is kept from one wait to the next.
 *
 * `*sms` is yours: sastaotp_sms_free. Fails with SASTAOTP_WAIT_TIMEOUT when no code came in time, SASTAOTP_EXPIRED or
 * SASTAOTP_ACTIVATION_CANCELLED when the order is over, SASTAOTP_CANCELLED, or with what the service refused. Unless the
 * options are to cancel it, the activation stays as it is, and can be waited for again. Other NULL arguments are refused with
 * SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_wait_for_code(const sastaotp_activation *activation,
                                                  uint32_t timeout_ms,
                                                  const sastaotp_wait_options *options,
                                                  sastaotp_sms **sms,
                                                  sastaotp_error **error);

/**
 * Tells the service that the SMS was sent to the number. Action setStatus, 1. Sent once, for no status shows whether it
 * applied.
 *
 * Fails as sastaotp_client_set_status does, and with SASTAOTP_ACTIVATION_CANCELLED where the service answers that the order is
 * cancelled. NULL as activation is refused with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_mark_sms_sent(const sastaotp_activation *activation,
                                                  sastaotp_error **error);

/**
 * Asks for a further code on the same number, for services that allow it. Action setStatus, 3.
 *
 * The next sastaotp_activation_wait_for_code waits for the new code; the one before is kept in sastaotp_activation_code_at.
 * Fails as sastaotp_client_set_status does, and with SASTAOTP_ACTIVATION_CANCELLED where the service answers that the order is
 * cancelled. NULL as activation is refused with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_request_next_code(const sastaotp_activation *activation,
                                                      sastaotp_error **error);

/**
 * Completes the order: its code was used. Action setStatus, 6.
 *
 * Read the settlement: a service that takes 6 for a cancellation says so there.
 *
 * `*settlement` is yours: sastaotp_settlement_free. Fails as sastaotp_client_set_status does. NULL arguments are refused
 * with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_complete(const sastaotp_activation *activation,
                                             sastaotp_settlement **settlement,
                                             sastaotp_error **error);

/**
 * Cancels the order for its refund. Action setStatus, 8.
 *
 * A code that came first wins: then the settlement is SASTAOTP_SETTLED_CODE_ARRIVED and holds the code, and the order stays
 * open to be completed.
 *
 * `*settlement` is yours: sastaotp_settlement_free. Fails as sastaotp_client_set_status does; with SASTAOTP_TOO_EARLY where
 * the order is too young. NULL arguments are refused with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_cancel(const sastaotp_activation *activation,
                                           sastaotp_settlement **settlement,
                                           sastaotp_error **error);

/**
 * Closes the order: completes it when a code came, else cancels it for the refund. A code that came and cannot be read is an
 * error, and the order stays open. Action setStatus, 6 or 8.
 *
 * `*settlement` is yours: sastaotp_settlement_free. Fails as sastaotp_activation_cancel does. NULL arguments and a value of
 * `early` that is no constant are refused with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_settle(const sastaotp_activation *activation,
                                           sastaotp_on_too_early early,
                                           sastaotp_settlement **settlement,
                                           sastaotp_error **error);

/**
 * Buys the same number again, after this order was completed. Action regetNumber. COSTS MONEY, as much as the first time.
 *
 * `*again` is yours: sastaotp_activation_free. Fails as sastaotp_client_reget_number does. NULL arguments are refused with
 * SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_activation_reget_number(const sastaotp_activation *activation,
                                                 sastaotp_activation **again,
                                                 sastaotp_error **error);

/**
 * Frees an activation or a handle of one. The order stays as it is.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_activation_free(sastaotp_activation *activation);

/**
 * Returns what became of the order.
 *
 * NULL gives SASTAOTP_SETTLED_ALREADY_OVER. Any thread. Since 0.1.0.
 */
sastaotp_settled sastaotp_settlement_state(const sastaotp_settlement *settlement);

/**
 * Returns the code that came; NULL where none did.
 *
 * The message is the settlement's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_sms *sastaotp_settlement_code(const sastaotp_settlement *settlement);

/**
 * Returns the settlement as JSON: state (completed, cancelled, code_arrived or already_over), code, raw.
 *
 * NULL gives NULL. The text is the settlement's. Any thread. Since 0.1.0.
 */
const char *sastaotp_settlement_json(const sastaotp_settlement *settlement);

/**
 * Frees a settlement and its message.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_settlement_free(sastaotp_settlement *settlement);

/**
 * Returns the number that is leased.
 *
 * The activation is the lease's: do not free it, and do not use it after the lease was freed. NULL gives NULL. Any thread.
 * Since 0.1.0.
 */
const sastaotp_activation *sastaotp_lease_activation(const sastaotp_lease *lease);

/**
 * Ends the lease and settles the order: see sastaotp_activation_settle. On failure sastaotp_client_unclaimed lists the
 * number. The lease remains to be freed.
 *
 * `*settlement` is yours: sastaotp_settlement_free. Fails as sastaotp_activation_settle does, and with SASTAOTP_CONFIG where
 * the lease ended before or an argument is NULL. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_lease_close(sastaotp_lease *lease,
                                     sastaotp_on_too_early early,
                                     sastaotp_settlement **settlement,
                                     sastaotp_error **error);

/**
 * Ends the lease and leaves the order as it is. The lease remains to be freed.
 *
 * `*activation` is yours: sastaotp_activation_free. Fails with SASTAOTP_CONFIG where the lease ended before or an argument is
 * NULL. One thread at a time. Since 0.1.0.
 */
sastaotp_status sastaotp_lease_keep(sastaotp_lease *lease,
                                    sastaotp_activation **activation,
                                    sastaotp_error **error);

/**
 * Frees a lease. One that was neither closed nor kept settles its order first, in 10 seconds at most; where that fails, or
 * the order is too young to be cancelled, sastaotp_client_unclaimed lists the number. In a forked child the order is left
 * alone.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_lease_free(sastaotp_lease *lease);

/**
 * Returns how many orders may be the purchase; several where others buy the same with this key. None means that none was
 * seen, not that nothing was charged.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
size_t sastaotp_reconciliation_count(const sastaotp_reconciliation *reconciliation);

/**
 * Returns the candidate at an index from 0, newest first; NULL behind the end.
 *
 * The order is the reconciliation's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_order *sastaotp_reconciliation_get(const sastaotp_reconciliation *reconciliation,
                                                  size_t index);

/**
 * Says whether the history was read down to what was known before the purchase. Otherwise a candidate may be older than it.
 *
 * NULL gives false. Any thread. Since 0.1.0.
 */
bool sastaotp_reconciliation_is_complete(const sastaotp_reconciliation *reconciliation);

/**
 * Returns the reconciliation as JSON: candidates, each as sastaotp_order_json writes it; complete.
 *
 * NULL gives NULL. The text is the reconciliation's. Any thread. Since 0.1.0.
 */
const char *sastaotp_reconciliation_json(const sastaotp_reconciliation *reconciliation);

/**
 * Frees a reconciliation and its orders.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_reconciliation_free(sastaotp_reconciliation *reconciliation);

/**
 * Returns how many purchases are listed.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
size_t sastaotp_unclaimed_list_count(const sastaotp_unclaimed_list *list);

/**
 * Returns the purchase at an index from 0; NULL behind the end.
 *
 * The purchase is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_unclaimed *sastaotp_unclaimed_list_get(const sastaotp_unclaimed_list *list,
                                                      size_t index);

/**
 * Returns the list as JSON: unclaimed, a list of intent, outcome (pending, bought or unknown), purchase and error.
 *
 * NULL gives NULL. The text is the list's. Any thread. Since 0.1.0.
 */
const char *sastaotp_unclaimed_list_json(const sastaotp_unclaimed_list *list);

/**
 * Frees a list and all that is part of it. The purchases stay listed.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_unclaimed_list_free(sastaotp_unclaimed_list *list);

/**
 * Returns what became of the purchase.
 *
 * NULL gives SASTAOTP_UNCLAIMED_UNKNOWN. Any thread. Since 0.1.0.
 */
sastaotp_outcome sastaotp_unclaimed_outcome(const sastaotp_unclaimed *unclaimed);

/**
 * Returns what was to be bought.
 *
 * The intent is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_intent *sastaotp_unclaimed_intent(const sastaotp_unclaimed *unclaimed);

/**
 * Returns what was bought; NULL where it is not known that something was.
 *
 * The purchase is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_purchase *sastaotp_unclaimed_purchase(const sastaotp_unclaimed *unclaimed);

/**
 * Returns why it is not known whether something was bought; NULL where it is.
 *
 * The error is the list's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_error *sastaotp_unclaimed_error(const sastaotp_unclaimed *unclaimed);

/**
 * Makes a queue on a client, with 64 workers at most: so many requests are under way at once. Starts no thread yet. A token
 * of the client does not reach it: cancel its tickets.
 *
 * `*queue` is yours: sastaotp_queue_free. Fails with SASTAOTP_CONNECTION where the machine has no descriptor left. NULL
 * arguments are refused with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_queue_new(const sastaotp_client *client,
                                   sastaotp_queue **queue,
                                   sastaotp_error **error);

/**
 * Makes a queue with so many workers at most, 1 to 512. With fewer than are needed the pause between the polls of a wait is
 * the number of waits times the time of a reply, divided by the workers.
 *
 * `*queue` is yours: sastaotp_queue_free. Fails as sastaotp_queue_new does, and with SASTAOTP_CONFIG for another number of
 * workers. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_queue_new_with_workers(const sastaotp_client *client,
                                                uint32_t workers,
                                                sastaotp_queue **queue,
                                                sastaotp_error **error);

/**
 * Begins an operation and writes its ticket. Returns at once.
 *
 * The text is copied. Fails with SASTAOTP_CONFIG where the text is no operation, or an argument is NULL: then nothing
 * began. What an operation itself fails with is told by its completion. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_queue_submit(const sastaotp_queue *queue,
                                      const char *operation,
                                      uint64_t *ticket,
                                      sastaotp_error **error);

/**
 * Settles a ticket at once: its completion is SASTAOTP_CANCELLED. Returns whether the ticket was open.
 *
 * Cancelling a wait does nothing to the activation. A purchase that was sent already runs on to its reply: its completion says
 * SASTAOTP_CHARGE_UNKNOWN, and sastaotp_client_unclaimed lists what was bought. A change of an order that is under way may be
 * done all the same: its completion says SASTAOTP_PHASE_RECEIVE, and the status of the order what is so.
 *
 * NULL gives false, and so does a queue of a parent process. Any thread. Since 0.1.0.
 */
bool sastaotp_queue_cancel(const sastaotp_queue *queue,
                           uint64_t ticket);

/**
 * Takes up to `capacity` completions, oldest first, and writes how many; waits up to `timeout_ms` for the first. A time of
 * 0 never waits. Each completion is given once.
 *
 * Each of `completions` is yours: sastaotp_completion_free. NULL arguments are refused with SASTAOTP_CONFIG. Any thread. Since
 * 0.1.0.
 */
sastaotp_status sastaotp_queue_take(const sastaotp_queue *queue,
                                    sastaotp_completion **completions,
                                    size_t capacity,
                                    uint32_t timeout_ms,
                                    size_t *count,
                                    sastaotp_error **error);

/**
 * Waits up to `timeout_ms` for the completion of one ticket. `*completion` is NULL, with SASTAOTP_OK, while it is not
 * finished.
 *
 * `*completion` is yours: sastaotp_completion_free. Fails with SASTAOTP_CONFIG for a ticket that is not of this queue, or
 * whose completion was given already, and for NULL arguments. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_queue_join(const sastaotp_queue *queue,
                                    uint64_t ticket,
                                    uint32_t timeout_ms,
                                    sastaotp_completion **completion,
                                    sastaotp_error **error);

/**
 * Returns a descriptor that is readable exactly while there is a completion to take: for poll, epoll and event loops. Not to
 * be read from or closed; valid until sastaotp_queue_free. Take it out of the loop before that.
 *
 * NULL gives -1, and so does a queue of a parent process. Any thread. Since 0.1.0.
 */
int32_t sastaotp_queue_fd(const sastaotp_queue *queue);

/**
 * Returns how many tickets are open: submitted, and not finished.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
size_t sastaotp_queue_open_count(const sastaotp_queue *queue);

/**
 * Frees a queue and ends what it does, without waiting for that: waits and reads within a second, without completions, and
 * activations stay as they are. A purchase that was sent runs on to its reply, and sastaotp_client_unclaimed lists it, as it
 * does one that is finished and was not taken.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_queue_free(sastaotp_queue *queue);

/**
 * Returns the ticket.
 *
 * NULL gives 0. Any thread. Since 0.1.0.
 */
uint64_t sastaotp_completion_ticket(const sastaotp_completion *completion);

/**
 * Returns what the operation ended with.
 *
 * NULL gives SASTAOTP_OK. Any thread. Since 0.1.0.
 */
sastaotp_status sastaotp_completion_status(const sastaotp_completion *completion);

/**
 * Returns what came of the operation, as JSON; NULL where it failed.
 *
 * NULL gives NULL. The text is the completion's. Any thread. Since 0.1.0.
 */
const char *sastaotp_completion_json(const sastaotp_completion *completion);

/**
 * Returns why the operation failed; NULL where it did not.
 *
 * The error is the completion's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
 */
const sastaotp_error *sastaotp_completion_error(const sastaotp_completion *completion);

/**
 * Frees a completion.
 *
 * NULL does nothing. Since 0.1.0.
 */
void sastaotp_completion_free(sastaotp_completion *completion);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SASTAOTP_H */
