/*
 * libsastaotp: the client library for the SastaOTP service. Buy a temporary phone number, wait for
 * the SMS code sent to it, then complete the order or cancel it for a refund.
 *
 * It never buys twice, tells you when the outcome of a purchase is unknown and helps you find out,
 * and never loses a code you paid for. The header is C99 and C++; sastaotp.hpp is the C++17
 * interface.
 *
 *     #include <sastaotp.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         sastaotp_client *client = NULL;
 *         sastaotp_lease *lease = NULL;
 *         const sastaotp_activation *number;
 *         sastaotp_sms *sms = NULL;
 *         sastaotp_unclaimed_list *left = NULL;
 *         sastaotp_error *error = NULL;
 *         sastaotp_number_request request = SASTAOTP_NUMBER_REQUEST_INIT;
 *         int failed = 1;
 *
 *         request.service = "tg";
 *         request.country = "22";  // India: the service's country codes are not calling codes
 *         request.max_price_micros = 80 * SASTAOTP_RUPEE;
 *
 *         // SASTAOTP_API_KEY is the key; set SASTAOTP_BASE_URL to use a sandbox.
 *         if (sastaotp_client_from_env(&client, &error)) goto end;
 *         if (sastaotp_client_lease(client, &request, &lease, &error)) goto end;
 *         number = sastaotp_lease_activation(lease);
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
 *         // If that failed, the number is still paid for.
 *         if (client && !sastaotp_client_finish(client, 10000, &left, NULL)) {
 *             for (size_t i = 0; i < sastaotp_unclaimed_list_count(left); i++)
 *                 puts(sastaotp_unclaimed_message(sastaotp_unclaimed_list_get(left, i)));
 *         }
 *         sastaotp_unclaimed_list_free(left);
 *         sastaotp_client_free(client);
 *         return failed;
 *     }
 *
 * Contents: Version. Errors and log. Configuration. Client. Reading (the catalogue and the order
 * history). Buying (requests, intents, unknown outcomes). One number (waiting, settling, leases).
 * Queue (many operations at once, for event loops). Lists (unclaimed purchases). Utilities.
 *
 * Purchases
 *
 * -   A request states its country and its price: a country code or any country, and a maximum
 *     price or any price. Otherwise the purchase is refused before it is sent.
 * -   Purchases run in parallel, even if they are of one service and country. A purchase is sent at
 *     most once, and only if its reply has time to arrive within the timeout. Otherwise the call
 *     fails with SASTAOTP_ERROR_TIMEOUT and sends nothing. A cancellation or a timeout ends the
 *     call, but not a purchase that was sent: the library awaits its reply in the background.
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
 *     list each purchase that is not settled. Print sastaotp_unclaimed_message of each entry. If a
 *     program ends without these calls, by exit, a signal or a crash, it loses the number of a
 *     purchase in flight and every unsettled number that it has not saved: only the order history
 *     shows them. To find them in the next run, save sastaotp_intent_json before
 *     sastaotp_client_buy, or keep a journal: see the member `journal` of sastaotp_config.
 *
 * Conventions, which apply unless a comment says otherwise
 *
 * 1.  Status. A function that can fail returns sastaotp_status: SASTAOTP_OK (0) on success. Its
 *     result must not be ignored, and compilers warn about it. A later version may return a new
 *     status: SASTAOTP_STATUS_CLASS returns its class. An enumeration may have a value that this
 *     header does not name, so write a `default` case.
 * 2.  Errors. The last parameter `sastaotp_error **error` may be NULL. On failure it receives an
 *     object that the caller frees; on success it receives NULL. There is no last error per thread.
 * 3.  Results. A result is written to an output parameter, such as `sastaotp_client **client`. On
 *     success it receives an object that the caller owns and frees with the "_free" function of its
 *     type; on failure it receives NULL. The library never reads or frees its previous content. If
 *     a function returns a `const` object directly, the object is part of the argument and is freed
 *     with it.
 * 4.  Const. A pointer to const means that any number of threads may make the call at once. It does
 *     not mean that nothing changes: sastaotp_activation_cancel has a const activation.
 * 5.  Options. A struct of options (sastaotp_config, sastaotp_number_request,
 *     sastaotp_offer_query, sastaotp_wait_options) begins with its size. Initialize it with its
 *     "_INIT" macro, then set members. A call copies the struct, its texts and its arrays. A later
 *     version may add members at the end; programs that were compiled before use their defaults.
 * 6.  Texts are UTF-8 and end with NUL. The library copies a text that it receives. A text that it
 *     returns belongs to the object it was read from and is valid until that object, or the list
 *     that contains it, is freed. The caller never frees a text. NULL means absent. A NUL within a
 *     text of the service becomes U+FFFD, unless the caller passes the output parameter `length`:
 *     then the text is verbatim, and `*length` is its length in bytes.
 * 7.  Getters cannot fail. If the object is NULL they return NULL, 0 or false and write nothing. A
 *     getter with an output parameter returns true if there is a value; otherwise it returns false
 *     and writes nothing. If the output parameter is NULL, it only returns whether there is a
 *     value. An index starts at 0; a getter with an index returns NULL if it is out of range.
 * 8.  Units. Money is int64_t in micro-rupees: 18.50 rupees are 18500000. A time is int64_t in
 *     milliseconds since 1970, a duration is uint32_t in milliseconds. There are no floats, structs
 *     by value, variable arguments or global variables. The only callback is that of the log.
 * 9.  Arguments. If an argument is NULL, not UTF-8 or out of range, the call fails with
 *     SASTAOTP_ERROR_CONFIG before it sends anything. If the library has a defect, the call fails
 *     with SASTAOTP_ERROR_INTERNAL and the process continues.
 * 10. Memory. If an allocation fails, the process ends with SIGABRT: without memory, a call that
 *     may have bought a number cannot report it. A journal keeps such a purchase.
 * 11. Fork. A forked child creates its own client, activation, lease, iterator, queue and token. If
 *     it uses an object of its parent, the call fails with SASTAOTP_ERROR_CONFIG, changeable values
 *     read as if the object were NULL, and freeing the object does nothing. A child may read
 *     results, with one exception: if another thread was reading a text or "_json" of a result
 *     during the fork, reading that result in the child may block forever.
 * 12. JSON. Results have a "_json" function: the library's own stable JSON, with money in fields
 *     "..._micros" and times in "..._ms". Its field `raw` contains the service's reply, including
 *     fields that the library does not know yet.
 * 13. Signals. The library has its own threads, which any call may start. It installs no signal
 *     handlers, and its threads inherit the signal mask of the thread that started them. If a
 *     program waits for signals with signalfd or sigwait, it must block them in all its threads
 *     before the first call; otherwise a thread of the library may receive them. A lost connection
 *     raises no SIGPIPE. A signal handler may call sastaotp_cancel_token_trigger, and no other
 *     function.
 * 14. Plugins. The library stays loaded after dlclose, because its threads may still run: they wait
 *     for a reply for at most 90 seconds, for a name look-up longer. If a plugin has set a log
 *     callback, it sets the log off before it is unloaded.
 *
 * Threads
 *
 *     object                              threads that may use it at once
 *     ----------------------------------  -----------------------------------------------------
 *     client, activation, queue, token    any number
 *     results: error, intent, purchase,   any number, because results never change
 *       sms, settlement, lists, ...
 *     lease, order iterator               one
 *     structs of options                  any number that only read; a call copies them
 *     the log                             any number may set it; one at a time calls the callback
 *
 * An object must not be freed while another thread uses it; "_free(NULL)" does nothing. If
 * pthread_cancel cancels a thread that is in a call, the process ends: end the call with a
 * sastaotp_cancel_token instead. The library's threads end with their work, or within
 * sastaotp_queue_close.
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
/** The version as a number that grows: major * 1000000 + minor * 1000 + patch. */
#define SASTAOTP_VERSION_NUMBER 1000

/** One rupee, in micro-rupees. */
#define SASTAOTP_RUPEE INT64_C(1000000)

/** Marks a function whose result must not be ignored: every function that returns a status. */
#if defined(__cplusplus) && __cplusplus >= 201703L
#define SASTAOTP_MUST_USE [[nodiscard]]
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L
#define SASTAOTP_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define SASTAOTP_MUST_USE __attribute__((warn_unused_result))
#elif defined(_MSC_VER)
#define SASTAOTP_MUST_USE _Check_return_
#else
#define SASTAOTP_MUST_USE
#endif

/** The type of an enumeration's values, for language versions that can state it. */
#if (defined(__cplusplus) && (__cplusplus >= 201103L || defined(_MSC_VER))) || \
    (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define SASTAOTP_ENUM_INT32 : int32_t
#else
#define SASTAOTP_ENUM_INT32
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Version
 */

/**
 * The version of the binary interface that this header describes, which is also the number in the
 * library's SONAME. It increases when a program that is already linked would stop working.
 */
#define SASTAOTP_ABI_VERSION 0

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

/*
 * Errors and log
 */

struct sastaotp_intent;

/**
 * The outcome of a call: SASTAOTP_OK, or the kind of failure. SASTAOTP_STATUS_CLASS returns the
 * class of a status, even if it is newer than the program.
 */
typedef enum sastaotp_status SASTAOTP_ENUM_INT32 {
    /** The call succeeded. */
    SASTAOTP_OK = 0,
    /**
     * An argument or a setting is invalid: NULL, not UTF-8, or out of range. Nothing was sent. Also
     * the failure of sastaotp_activation_complete if no code has arrived, after at most one poll.
     */
    SASTAOTP_ERROR_CONFIG = 101,
    /** The client's budget does not cover the purchase. Nothing was sent. */
    SASTAOTP_ERROR_BUDGET = 102,
    /** The intent was sent before. The message states its outcome; this call sent nothing. */
    SASTAOTP_ERROR_ALREADY_SENT = 103,
    /**
     * The journal cannot be written or read, so the purchase could be forgotten. Nothing was sent.
     */
    SASTAOTP_ERROR_JOURNAL = 104,
    /** A cancellation token ended the call. */
    SASTAOTP_ERROR_CANCELLED = 105,
    /** The service rejects the API key or the account. */
    SASTAOTP_ERROR_AUTHENTICATION = 201,
    /** The wallet does not contain enough money. */
    SASTAOTP_ERROR_INSUFFICIENT_BALANCE = 202,
    /** No number is available. */
    SASTAOTP_ERROR_NO_NUMBERS = 203,
    /** The price is higher than the request's maximum price. */
    SASTAOTP_ERROR_PRICE_TOO_HIGH = 204,
    /** The service is not sold in this country. */
    SASTAOTP_ERROR_SERVICE_UNAVAILABLE = 205,
    /** The activation does not exist. */
    SASTAOTP_ERROR_NOT_FOUND = 206,
    /** The order has already ended. */
    SASTAOTP_ERROR_ALREADY_FINISHED = 207,
    /** The order is too young to be cancelled; sastaotp_error_retry writes how long to wait. */
    SASTAOTP_ERROR_TOO_EARLY = 208,
    /** The service rejected the request for another reason: see sastaotp_error_code. */
    SASTAOTP_ERROR_REJECTED = 209,
    /**
     * Too many requests were sent, or the client's own rate limit allows no request before the
     * timeout.
     */
    SASTAOTP_ERROR_RATE_LIMITED = 210,
    /** A firewall in front of the service refused the request. */
    SASTAOTP_ERROR_BLOCKED = 211,
    /** The service or its provider failed. */
    SASTAOTP_ERROR_SERVER = 301,
    /** The reply is incomplete or not in the service's format. */
    SASTAOTP_ERROR_PROTOCOL = 302,
    /** The connection failed or was lost. */
    SASTAOTP_ERROR_CONNECTION = 303,
    /** The server's TLS certificate was rejected. */
    SASTAOTP_ERROR_TLS = 304,
    /** A step of the call, or the whole call, timed out. */
    SASTAOTP_ERROR_TIMEOUT = 305,
    /**
     * No code arrived within the timeout. The activation is unchanged, unless the wait's options
     * cancel it.
     */
    SASTAOTP_ERROR_WAIT_TIMEOUT = 401,
    /** The order expired without a code. */
    SASTAOTP_ERROR_EXPIRED = 402,
    /** The service, or another user of the API key, cancelled the order. */
    SASTAOTP_ERROR_ACTIVATION_CANCELLED = 403,
    /** The library has a defect. The operation may have taken effect. */
    SASTAOTP_ERROR_INTERNAL = 501,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_STATUS_MAX_ENUM = INT32_MAX
} sastaotp_status;

/** The classes of statuses: the first digit of a status. */
typedef enum sastaotp_status_class SASTAOTP_ENUM_INT32 {
    /** Success. */
    SASTAOTP_CLASS_OK = 0,
    /** An argument, a setting or a limit of the caller, or a cancellation. */
    SASTAOTP_CLASS_CALLER = 1,
    /** The service refused the request. */
    SASTAOTP_CLASS_REFUSED = 2,
    /** No usable reply arrived. */
    SASTAOTP_CLASS_TRANSPORT = 3,
    /** The wait ended without a code. */
    SASTAOTP_CLASS_NO_CODE = 4,
    /** The library has a defect. */
    SASTAOTP_CLASS_INTERNAL = 5,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_STATUS_CLASS_MAX_ENUM = INT32_MAX
} sastaotp_status_class;

/** The class of a status, even if it is newer than the program. */
#define SASTAOTP_STATUS_CLASS(status) ((sastaotp_status_class)((int32_t)(status) / 100))

/** The effect of a failed call on the wallet. */
typedef enum sastaotp_charge SASTAOTP_ENUM_INT32 {
    /**
     * The purchase may have been made. Do not repeat it: reconcile its intent. Also the charge of a
     * NULL error, which proves nothing.
     */
    SASTAOTP_CHARGE_UNKNOWN = 0,
    /** Certainly nothing was charged. */
    SASTAOTP_CHARGE_NONE = 1,
    /**
     * Money was charged: sastaotp_client_unclaimed lists the number. No call of this version fails
     * with it.
     */
    SASTAOTP_CHARGE_MADE = 2,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_CHARGE_MAX_ENUM = INT32_MAX
} sastaotp_charge;

/** Whether the same call may succeed later. */
typedef enum sastaotp_retry SASTAOTP_ENUM_INT32 {
    /** Not until something else changes. */
    SASTAOTP_RETRY_NEVER = 0,
    /** After the pause that sastaotp_error_retry writes. */
    SASTAOTP_RETRY_AFTER = 1,
    /** After sastaotp_client_reconcile has shown whether the purchase was made. */
    SASTAOTP_RETRY_AFTER_RECONCILE = 2,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_RETRY_MAX_ENUM = INT32_MAX
} sastaotp_retry;

/** A step of a request. */
typedef enum sastaotp_phase SASTAOTP_ENUM_INT32 {
    /** The step is not known: the error is NULL. */
    SASTAOTP_PHASE_UNKNOWN = 0,
    /** Before a request: checking arguments, or waiting to send the next request. */
    SASTAOTP_PHASE_PREPARE = 1,
    /** Resolving the host name. */
    SASTAOTP_PHASE_RESOLVE = 2,
    /** Connecting to the host or its proxy. */
    SASTAOTP_PHASE_CONNECT = 3,
    /** The TLS handshake. */
    SASTAOTP_PHASE_TLS = 4,
    /** Sending the request. */
    SASTAOTP_PHASE_SEND = 5,
    /** Receiving the reply. */
    SASTAOTP_PHASE_RECEIVE = 6,
    /** Decoding the reply. */
    SASTAOTP_PHASE_DECODE = 7,
    /** The service answered with an error. */
    SASTAOTP_PHASE_SERVICE = 8,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_PHASE_MAX_ENUM = INT32_MAX
} sastaotp_phase;

/**
 * One attempt of a purchase with a list of countries or offers, a minimum price, or patience. Part
 * of its purchase or error and freed with it. Immutable.
 */
typedef struct sastaotp_attempt sastaotp_attempt;

/** The reason for a failed call. It never contains the API key. Immutable. */
typedef struct sastaotp_error sastaotp_error;

/**
 * Returns the name of a status, such as "SASTAOTP_ERROR_NO_NUMBERS". Returns NULL if the library
 * does not define the status. The text is static. Since 0.1.0.
 */
const char *sastaotp_status_name(sastaotp_status status);

/**
 * Returns the kind of failure: the same status that the failed function returned. Since 0.1.0.
 */
sastaotp_status sastaotp_error_status(const sastaotp_error *error);

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
 * Returns the service's error code, such as "NO_BALANCE". Returns NULL if the reply contains
 * none. Since 0.1.0.
 */
const char *sastaotp_error_code(const sastaotp_error *error);

/**
 * Returns the HTTP status of the reply that caused the error. Returns 0 if no reply did. Since
 * 0.1.0.
 */
int32_t sastaotp_error_http_status(const sastaotp_error *error);

/**
 * Returns the step in which the call failed. Returns SASTAOTP_PHASE_UNKNOWN if `error` is NULL.
 * Since 0.1.0.
 */
sastaotp_phase sastaotp_error_phase(const sastaotp_error *error);

/**
 * Returns the effect of the call on the wallet. Check it first after a failed purchase. It is
 * SASTAOTP_CHARGE_NONE for calls that cost nothing, and SASTAOTP_CHARGE_UNKNOWN if `error` is
 * NULL. Since 0.1.0.
 */
sastaotp_charge sastaotp_error_charge(const sastaotp_error *error);

/**
 * Returns whether the same call may succeed later. If the result is SASTAOTP_RETRY_AFTER, writes
 * how long to wait before that, in milliseconds, to `*after_ms`, unless `after_ms` is NULL. Since
 * 0.1.0.
 */
sastaotp_retry sastaotp_error_retry(const sastaotp_error *error, uint32_t *after_ms);

/**
 * Returns the name of the fault, such as "reply_lost"; docs/faults.md lists the names. Returns
 * NULL if the failure is not one of these faults. Since 0.1.0.
 */
const char *sastaotp_error_fault(const sastaotp_error *error);

/**
 * Returns the first 4,096 characters of the reply if the reply is the reason for the failure.
 * Otherwise returns NULL. `length` may be NULL: see "Texts" in the conventions. Since 0.1.0.
 */
const char *sastaotp_error_raw(const sastaotp_error *error, size_t *length);

/**
 * Returns the intent of the purchase that failed, for sastaotp_client_reconcile. Returns NULL if
 * the call was not a purchase, or its request was invalid. The intent belongs to the error. Since
 * 0.1.0.
 */
const struct sastaotp_intent *sastaotp_error_intent(const sastaotp_error *error);

/**
 * Returns the number of attempts of the call, at most the newest 1,000. It is 0 unless the call
 * was a purchase with a list of countries or offers, a minimum price, or patience. Since 0.1.0.
 */
size_t sastaotp_error_attempt_count(const sastaotp_error *error);

/**
 * Returns the attempt at an index, oldest first. Returns NULL if the index is out of range. The
 * attempt belongs to the error. Since 0.1.0.
 */
const sastaotp_attempt *sastaotp_error_attempt(const sastaotp_error *error, size_t index);

/**
 * Returns the code of the country. Returns NULL if the service may choose it, or an operator pins
 * it. Since 0.1.0.
 */
const char *sastaotp_attempt_country(const sastaotp_attempt *attempt);

/**
 * Returns the operator of the request: a code that pins the country, or a mobile operator. Returns
 * NULL if the request has none. Since 0.1.0.
 */
const char *sastaotp_attempt_operator(const sastaotp_attempt *attempt);

/**
 * Writes the listed price, in micro-rupees. Returns false unless the request has a minimum price
 * or the offer has a price. Since 0.1.0.
 */
bool sastaotp_attempt_price_micros(const sastaotp_attempt *attempt, int64_t *micros);

/**
 * Returns why the purchase moved on: the error code of the refusal, such as "NO_NUMBERS", or
 * "skipped: " and the reason if nothing was sent, because the country is not listed at an
 * acceptable price. Returns NULL if the attempt bought the number, or ended the call: its failure
 * is the error of the call. Since 0.1.0.
 */
const char *sastaotp_attempt_refused(const sastaotp_attempt *attempt);

/**
 * Returns the error as JSON: kind, message, hint, code, http_status, phase, charge, retry,
 * retry_after_ms, fault, intent, attempts, raw. An attempt has country, operator, price_micros and
 * refused. Since 0.1.0.
 */
const char *sastaotp_error_json(const sastaotp_error *error);

/** Frees an error. Since 0.1.0. */
void sastaotp_error_free(sastaotp_error *error);

/** The level of a log message, and the most detailed level that a callback receives. */
typedef enum sastaotp_log_level SASTAOTP_ENUM_INT32 {
    /** No messages. */
    SASTAOTP_LOG_OFF = 0,
    /** Defects of the library. */
    SASTAOTP_LOG_ERROR = 1,
    /**
     * Problems with money that need a person: a number is listed as unclaimed, a journal fails.
     */
    SASTAOTP_LOG_WARN = 2,
    /** Purchases and settlements, by their ids. */
    SASTAOTP_LOG_INFO = 3,
    /** Requests and replies. */
    SASTAOTP_LOG_DEBUG = 4,
    /** Everything. */
    SASTAOTP_LOG_TRACE = 5,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_LOG_LEVEL_MAX_ENUM = INT32_MAX
} sastaotp_log_level;

/**
 * Receives a log message. `message` is one line that never contains the API key; it is valid
 * during the call.
 */
typedef void (*sastaotp_log_callback)(void *user, sastaotp_log_level level, const char *message);

/**
 * Sets the callback that receives the library's log: the messages of `level` and of all more
 * serious levels. A process has one callback, so a program sets it, not a library that uses this
 * one. A thread of this library calls the callback, one call at a time, and holds no lock: the
 * callback may call any function, and a slow callback delays no other call. If more than 4,096
 * messages wait for it, further ones are dropped, and a message reports their number. `user` is
 * passed to each call.
 *
 * SASTAOTP_LOG_OFF or a NULL `callback` ends the log. The function returns after the waiting
 * messages were delivered and the last call of the previous callback has returned. Then `user` can
 * be freed and the code of the callback unloaded. The caller must not hold a lock that the
 * callback takes. Set the log off before the program ends. A C++ exception must not leave the
 * callback.
 *
 * The callback itself can only set SASTAOTP_LOG_OFF. Then the function returns immediately, the
 * waiting messages are dropped, and the next call of this function waits until the callback has
 * returned.
 *
 * Fails with SASTAOTP_ERROR_CONFIG if `level` is not one of the constants, if the callback sets
 * another callback, or if the program has another logger of the Rust crate `log`, and with
 * SASTAOTP_ERROR_CONNECTION if no thread can be started. Then the log is unchanged. In a forked
 * child it also fails with SASTAOTP_ERROR_CONFIG if another thread of the parent was in this
 * function during the fork. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_log_set(sastaotp_log_level level,
                                 sastaotp_log_callback callback,
                                 void *user,
                                 sastaotp_error **error);

/**
 * Collects the library's log for sastaotp_log_take, instead of calling a callback: for languages
 * whose code no thread of this library may call. Collects the messages of `level` and of all more
 * serious levels, at most 4,096 that were not taken; further ones are dropped, and a message
 * reports their number.
 *
 * It replaces the callback of sastaotp_log_set, and fails like that function. Another call changes
 * the level and keeps the messages. SASTAOTP_LOG_OFF and sastaotp_log_set end the collection, and
 * drop the messages that were not taken. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_log_collect(sastaotp_log_level level, sastaotp_error **error);

/**
 * Takes the oldest collected message: writes it to `buffer` and its level to `*level`, unless they
 * are NULL. Returns the message's length in bytes; 0 if no message waits, or in a forked child
 * that has not called sastaotp_log_collect. If the length is not below `size`, the text was cut at
 * the end of a character. 1,024 bytes are enough for nearly all messages. Any thread may call it;
 * it returns at once. Since 0.1.0.
 */
size_t sastaotp_log_take(sastaotp_log_level *level, char *buffer, size_t size);

/*
 * Configuration
 */

/** The part of a request that carries the API key. */
typedef enum sastaotp_api_key_location SASTAOTP_ENUM_INT32 {
    /**
     * The header X-API-Key, which keeps the key out of URLs and the logs of proxies. The default.
     */
    SASTAOTP_API_KEY_IN_HEADER = 0,
    /** The header Authorization: Bearer, which Apache with PHP-FPM often drops. */
    SASTAOTP_API_KEY_IN_BEARER = 1,
    /** The query parameter api_key, for services that accept no header. */
    SASTAOTP_API_KEY_IN_QUERY = 2,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_API_KEY_LOCATION_MAX_ENUM = INT32_MAX
} sastaotp_api_key_location;

/** The certificate authorities that a client trusts. */
typedef enum sastaotp_roots SASTAOTP_ENUM_INT32 {
    /**
     * The authorities of the web, which the library contains. Neither the system nor the
     * environment changes them. The default.
     */
    SASTAOTP_ROOTS_WEB = 0,
    /**
     * The authorities of the system, or those in SSL_CERT_FILE and SSL_CERT_DIR if one of these
     * environment variables is set.
     */
    SASTAOTP_ROOTS_SYSTEM = 1,
    /** The authorities of the web and those of the system. */
    SASTAOTP_ROOTS_BOTH = 2,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_ROOTS_MAX_ENUM = INT32_MAX
} sastaotp_roots;

/** The failures that a journal survives. */
typedef enum sastaotp_durability SASTAOTP_ENUM_INT32 {
    /**
     * The end of the process, however it ends, and a power loss. A purchase waits for the disk
     * twice. The default.
     */
    SASTAOTP_DURABILITY_POWER = 0,
    /**
     * The end of the process, however it ends. After a power loss the journal may lack purchases.
     */
    SASTAOTP_DURABILITY_PROCESS = 1,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_DURABILITY_MAX_ENUM = INT32_MAX
} sastaotp_durability;

/**
 * The settings of a client. Initialize it with SASTAOTP_CONFIG_INIT, then set the members that you
 * need: the others are NULL, 0 or false, which means the default. sastaotp_client_new copies the
 * settings and checks them.
 */
typedef struct sastaotp_config {
    /** The size of the struct, which SASTAOTP_CONFIG_INIT sets. */
    size_t size;
    /** The API key: 1 to 256 visible ASCII characters. */
    const char *api_key;
    /**
     * The service's URL: https, or http for this machine only. The default is the vendor's.
     */
    const char *base_url;
    /**
     * The User-Agent: 1 to 256 printable ASCII characters. The default is "libsastaotp/" and the
     * version.
     */
    const char *user_agent;
    /**
     * The proxy: "environment", "direct", or a URL. The default is "environment": the proxy of
     * HTTPS_PROXY or ALL_PROXY unless NO_PROXY excludes the host, read as curl reads them, and
     * none for a service on this machine. "direct" ignores the environment.
     *
     * A URL is `scheme://user:password@host:port` with the scheme http, https, socks5 or socks5h.
     * The user name and password are optional and percent-encoded. With socks5 (also written
     * socks) this machine looks up the name of the service, with socks5h the proxy does. The
     * default port is 443 for https, and otherwise 1080. A proxy that is set by URL is used for
     * every service. For a loopback address it connects to its own machine.
     */
    const char *proxy;
    /**
     * Certificates to trust in addition: the text of a PEM file, not its path. Each is that of an
     * authority, or of the server itself.
     */
    const char *ca_pem;
    /** The length of `ca_pem` in bytes; 0 if it ends with NUL. */
    size_t ca_pem_length;
    /**
     * A folder for the journal of the purchases, which is created if it does not exist. There is
     * no journal by default.
     *
     * However this process ends, the next process that opens the folder with the same API key and
     * base URL has its purchases: sastaotp_client_unclaimed lists them, and their activations have
     * the codes that arrived. All these processes share one budget, which counts from the first
     * purchase in the journal. Several processes can use a folder at once. All clients of an API
     * key and a base URL in a process use the same folder and durability.
     *
     * The folder contains phone numbers and codes. Half a day after an order was settled, the next
     * purchase or settlement removes its number and codes. The folder never contains the API key.
     * A journal does not protect against the loss of the disk. sastaotp_client_new opens the
     * folder, and fails with SASTAOTP_ERROR_JOURNAL if it cannot be used. A purchase that cannot
     * be written fails in the same way: then nothing is sent.
     */
    const char *journal;
    /**
     * The maximum total of all charges, in micro-rupees: 0 allows no purchase; SASTAOTP_NO_BUDGET,
     * which the initializer sets, sets no limit. A purchase that could exceed it fails before it
     * is sent. A confirmed refund returns its money to the budget. With a budget, every purchase
     * needs a maximum price.
     *
     * Only the purchases that this client sends count. A purchase that another client or an
     * earlier run sent does not count, even if this client finds it. With a journal, the purchases
     * of all clients and processes that use it count.
     */
    int64_t budget_micros;
    /** The maximum number of idle connections that the client keeps. The default is 64. */
    uint32_t max_connections;
    /**
     * The maximum duration of a call, including its retries, in milliseconds. The default is
     * 90,000. A wait, a reconcile and a settle with SASTAOTP_ON_TOO_EARLY_WAIT have their own
     * durations.
     */
    uint32_t timeout_ms;
    /**
     * How long after the end of its request the service may still book a purchase whose reply was
     * lost, in milliseconds. The default is 600,000. Until then a search that finds no order is
     * not complete: see sastaotp_reconciliation_is_complete.
     */
    uint32_t late_booking_ms;
    /**
     * The maximum number of requests per minute, for all handles of a client together: 1 to
     * 60,000,000. By default the client sends as many as the service accepts. With or without a
     * limit, it slows down after an HTTP status 429.
     */
    uint32_t max_requests_per_minute;
    /** The part of a request that carries the API key. */
    sastaotp_api_key_location api_key_location;
    /** The certificate authorities to trust. The default is SASTAOTP_ROOTS_WEB. */
    sastaotp_roots roots;
    /** The failures that the journal survives. */
    sastaotp_durability durability;
    /**
     * Whether the journal may be on a network file system. By default it may not, because another
     * machine may not see the locks: two machines could then settle one order. Allow it only if a
     * single machine uses the folder.
     */
    bool journal_on_network;
    /**
     * Whether the members `api_key`, `base_url` and `journal` that are NULL are read from the
     * environment: SASTAOTP_API_KEY, SASTAOTP_BASE_URL and SASTAOTP_JOURNAL.
     */
    bool from_env;
    /** Reserved for later versions: must be 0. */
    uint8_t reserved[10];
} sastaotp_config;

/** The defaults of sastaotp_config. */
#define SASTAOTP_CONFIG_INIT \
    { sizeof(sastaotp_config), NULL, NULL, NULL, NULL, NULL, 0, NULL, \
      SASTAOTP_NO_BUDGET, 0, 0, 0, 0, SASTAOTP_API_KEY_IN_HEADER, SASTAOTP_ROOTS_WEB, \
      SASTAOTP_DURABILITY_POWER, false, false, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } }

/** No limit for the total of all charges. */
#define SASTAOTP_NO_BUDGET INT64_MAX

/**
 * A token that ends calls from another thread, whether they are connecting, in the TLS handshake,
 * reading, or sleeping between two polls. Pass it to sastaotp_client_with.
 */
typedef struct sastaotp_cancel_token sastaotp_cancel_token;

/**
 * Creates a token that is not triggered. The caller owns the result: free it with
 * sastaotp_cancel_token_free. Cannot fail. Since 0.1.0.
 */
sastaotp_cancel_token *sastaotp_cancel_token_new(void);

/**
 * Triggers the token: every call that uses it returns SASTAOTP_ERROR_CANCELLED within 100 ms, and
 * every later call fails the same way. These functions continue, because they protect money:
 * sastaotp_lease_close and sastaotp_lease_free settle the order, sastaotp_client_finish waits for
 * purchases, and sastaotp_client_settle_leftover_leases returns the leases with the reason why
 * each one is not settled. To change an order after the trigger, claim it again through a client
 * without the token.
 *
 * May be called from any thread while others are blocked in calls, and from a signal handler: it
 * takes no lock and allocates nothing. A token that a signal handler can trigger must not be
 * freed: keep it until the process ends. Does nothing if `token` is NULL. Since 0.1.0.
 */
void sastaotp_cancel_token_trigger(const sastaotp_cancel_token *token);

/** Returns whether the token was triggered. Since 0.1.0. */
bool sastaotp_cancel_token_is_triggered(const sastaotp_cancel_token *token);

/**
 * Frees the token. Clients and activations that use it stay usable, but can no longer be cancelled
 * with it. Since 0.1.0.
 */
void sastaotp_cancel_token_free(sastaotp_cancel_token *token);

/*
 * Client
 */

struct sastaotp_unclaimed_list;

/**
 * A client of the service, with its connections and its budget. Any number of threads may use it
 * at once. All clients of one API key and one base URL in a process share the record of purchases,
 * so no order is given to two of them.
 *
 * Every call blocks until it has a result. A read is sent at most three times within the timeout
 * of the call. A "read error", below, is SASTAOTP_ERROR_AUTHENTICATION, SASTAOTP_ERROR_SERVER,
 * SASTAOTP_ERROR_RATE_LIMITED, SASTAOTP_ERROR_BLOCKED, SASTAOTP_ERROR_PROTOCOL,
 * SASTAOTP_ERROR_CONNECTION, SASTAOTP_ERROR_TLS, SASTAOTP_ERROR_TIMEOUT, SASTAOTP_ERROR_CANCELLED,
 * SASTAOTP_ERROR_REJECTED, or SASTAOTP_ERROR_CONFIG for an invalid argument.
 *
 * A purchase is sent at most once, and only if its reply has time to arrive before the call times
 * out: two thirds of the client's timeout, at most 60 seconds. Otherwise it fails with
 * SASTAOTP_ERROR_TIMEOUT and nothing was sent. Purchases run in parallel. The first purchase of an
 * API key in a process reads the newest order first (action getOrders), so that a lost reply can
 * be found. A "purchase error", below, is a read error, SASTAOTP_ERROR_BUDGET,
 * SASTAOTP_ERROR_ALREADY_SENT, SASTAOTP_ERROR_INSUFFICIENT_BALANCE, SASTAOTP_ERROR_NO_NUMBERS,
 * SASTAOTP_ERROR_PRICE_TOO_HIGH or SASTAOTP_ERROR_SERVICE_UNAVAILABLE. Whatever the status,
 * sastaotp_error_charge returns whether money may have been charged.
 */
typedef struct sastaotp_client sastaotp_client;

/**
 * Creates a client from settings, which it copies. Sends nothing.
 *
 * Fails with SASTAOTP_ERROR_CONFIG if a setting is invalid or there is no API key, and with
 * SASTAOTP_ERROR_JOURNAL if the journal's folder cannot be used. By default it reads HTTPS_PROXY,
 * ALL_PROXY and NO_PROXY as curl does, so no other thread may change the environment during the
 * call. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_new(const sastaotp_config *config,
                                    sastaotp_client **client,
                                    sastaotp_error **error);

/**
 * Creates a client from SASTAOTP_API_KEY and, if set, SASTAOTP_BASE_URL and SASTAOTP_JOURNAL.
 * Sends nothing.
 *
 * Fails with SASTAOTP_ERROR_CONFIG if a variable is invalid or the key is missing, and with
 * SASTAOTP_ERROR_JOURNAL if the journal's folder cannot be used. No other thread may change the
 * environment during the call; see sastaotp_client_new for the other variables that it reads.
 * Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_from_env(sastaotp_client **client, sastaotp_error **error);

/**
 * Creates a handle of the same client with its own cancellation token and timeout.
 *
 * `token` can cancel the calls of the handle; if it is NULL, the handle has the token of `client`.
 * `timeout_ms` is the longest duration of a call in milliseconds; if it is 0, the handle has the
 * timeout of `client`. A wait, a reconcile and a settle with SASTAOTP_ON_TOO_EARLY_WAIT have their
 * own durations. Both also apply to the activations that the handle buys or claims.
 *
 * A purchase that was already sent continues until its reply. Its call returns immediately with
 * SASTAOTP_ERROR_CANCELLED or SASTAOTP_ERROR_TIMEOUT and with SASTAOTP_CHARGE_UNKNOWN, and
 * sastaotp_client_unclaimed lists the number that was bought.
 *
 * Free `*handle` with sastaotp_client_free, in any order with the client and the token. Since
 * 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_with(const sastaotp_client *client,
                                     const sastaotp_cancel_token *token,
                                     uint32_t timeout_ms,
                                     sastaotp_client **handle,
                                     sastaotp_error **error);

/**
 * Frees a client or a handle of one. Its activations, leases, iterators, queues and results stay
 * usable. Does not wait for purchases in flight: before the program ends, call
 * sastaotp_client_finish. Since 0.1.0.
 */
void sastaotp_client_free(sastaotp_client *client);

/**
 * Writes the remaining budget, in micro-rupees. Returns false if the client has no budget. Sends
 * nothing. Since 0.1.0.
 */
bool sastaotp_client_budget_left(const sastaotp_client *client, int64_t *micros);

/**
 * Lists every purchase of this API key and base URL in this process that is not settled, kept or
 * resolved, and that no activation or lease holds: its caller stopped waiting, its outcome is
 * unknown, or its last handle was freed while the order was open. Reading the list or a failed
 * cancellation removes nothing. A purchase leaves the list when its order is completed, cancelled
 * or expired, by sastaotp_activation_keep, and by sastaotp_client_resolve_not_made. While an
 * activation or a lease holds the number, it is not listed. Sends nothing. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_unclaimed(const sastaotp_client *client,
                                          struct sastaotp_unclaimed_list **list,
                                          sastaotp_error **error);

/**
 * Finishes the purchases of a client before the program ends: waits at most `timeout_ms`
 * milliseconds for the replies of purchases in flight. Then lists each purchase of the client that
 * is not settled or kept, even if an activation or a lease holds it, and each one that
 * sastaotp_client_unclaimed lists. Report every entry: without a journal, no other record of it
 * exists after the process has ended. The client stays usable. Sends nothing. A triggered token
 * does not end the wait.
 *
 * 10,000 is a good value for `timeout_ms`. Free `*list` with sastaotp_unclaimed_list_free. Since
 * 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_finish(const sastaotp_client *client,
                                       uint32_t timeout_ms,
                                       struct sastaotp_unclaimed_list **list,
                                       sastaotp_error **error);

/*
 * Reading
 */

/**
 * Reads the wallet and writes its amount in micro-rupees. Action getBalance.
 *
 * Fails with a read error, and with SASTAOTP_ERROR_PROTOCOL if the service reports another
 * currency than rupees. Then `*micros` is unchanged. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_get_balance(const sastaotp_client *client,
                                            int64_t *micros,
                                            sastaotp_error **error);

/** A list of services. Immutable. */
typedef struct sastaotp_services sastaotp_services;

/** A service for which numbers are sold. Part of its list and freed with it. */
typedef struct sastaotp_service sastaotp_service;

/** A service in one country. Part of its list, or of its service, and freed with it. */
typedef struct sastaotp_offer sastaotp_offer;

/**
 * Reads the services on sale: all if `service` is NULL, otherwise one with its countries. Action
 * getServicesList.
 *
 * Fails with a read error. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_get_services(const sastaotp_client *client,
                                             const char *service,
                                             sastaotp_services **services,
                                             sastaotp_error **error);

/** Returns the number of services. Since 0.1.0. */
size_t sastaotp_services_count(const sastaotp_services *services);

/**
 * Writes how many services are sold in total. Returns false if the reply does not state it. Since
 * 0.1.0.
 */
bool sastaotp_services_total(const sastaotp_services *services, uint64_t *total);

/**
 * Returns the service at an index. Returns NULL if the index is out of range. The service belongs
 * to the list. Since 0.1.0.
 */
const sastaotp_service *sastaotp_services_get(const sastaotp_services *services, size_t index);

/**
 * Returns the list as a JSON object with the keys `services`, `total` and `raw` (the reply).
 *
 * Each service has code (the service code), name, logo, price_micros, currency, available,
 * multi_sms, expires_in_ms and countries. Each of its countries has country (the country code),
 * country_name, operator, flag, price_micros and available. Since 0.1.0.
 */
const char *sastaotp_services_json(const sastaotp_services *services);

/** Frees a list with its services and offers. Since 0.1.0. */
void sastaotp_services_free(sastaotp_services *services);

/** Returns the service's code for a purchase, such as "tg". Since 0.1.0. */
const char *sastaotp_service_code(const sastaotp_service *service);

/**
 * Returns the service's common name, such as "Telegram". The text is empty if the reply has none.
 * Since 0.1.0.
 */
const char *sastaotp_service_name(const sastaotp_service *service);

/**
 * Returns the URL of the service's logo. Returns NULL if the reply has none. Since
 * 0.1.0.
 */
const char *sastaotp_service_logo(const sastaotp_service *service);

/**
 * Writes the price of a number without a chosen country, in micro-rupees. Returns false if the
 * service does not report it. Since 0.1.0.
 */
bool sastaotp_service_price_micros(const sastaotp_service *service, int64_t *micros);

/**
 * Returns the currency of the service's price, such as "INR". Returns NULL if the reply has none.
 * Since 0.1.0.
 */
const char *sastaotp_service_currency(const sastaotp_service *service);

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

/** Returns the country's code for a purchase. It is not a calling code. Since 0.1.0. */
const char *sastaotp_offer_country(const sastaotp_offer *offer);

/** Returns the name of the country. The text is empty if the reply has none. Since 0.1.0. */
const char *sastaotp_offer_country_name(const sastaotp_offer *offer);

/**
 * Returns the flag of the country, an emoji. Returns an empty text if the reply has none. Since
 * 0.1.0.
 */
const char *sastaotp_offer_flag(const sastaotp_offer *offer);

/**
 * Returns the code of the mobile operator or of the tier. Returns NULL unless the service lists
 * prices by operator or tier. Since 0.1.0.
 */
const char *sastaotp_offer_operator(const sastaotp_offer *offer);

/**
 * Writes the price of a number in this country, in micro-rupees. Returns false if the service does
 * not report it. Since 0.1.0.
 */
bool sastaotp_offer_price_micros(const sastaotp_offer *offer, int64_t *micros);

/**
 * Writes the number of available numbers. Returns false if the service does not report it. Since
 * 0.1.0.
 */
bool sastaotp_offer_available(const sastaotp_offer *offer, uint64_t *count);

/** The prices of services in countries: a table of entries. Immutable. */
typedef struct sastaotp_prices sastaotp_prices;

/**
 * Reads the prices of one service, of one country, or of both. If `service` and `country` are
 * NULL, reads all prices, which are 2.6 MB. Action getPrices.
 *
 * Fails with a read error. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_get_prices(const sastaotp_client *client,
                                           const char *service,
                                           const char *country,
                                           sastaotp_prices **prices,
                                           sastaotp_error **error);

/** Returns the number of entries: about 80,000 if unfiltered. Since 0.1.0. */
size_t sastaotp_prices_count(const sastaotp_prices *prices);

/**
 * Finds the entry of one service in one country and writes its index. If there is an entry for
 * each operator or price, finds the cheapest one in stock. Returns false if there is no
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
 * Returns the operator that sells the numbers of an entry. Returns NULL if the reply lists no
 * operators, or the index is out of range. Since 0.1.0.
 */
const char *sastaotp_prices_operator(const sastaotp_prices *prices, size_t index);

/**
 * Writes the price of a number, in micro-rupees. Returns false if the index is out of range or the
 * reply's price is not readable. Since 0.1.0.
 */
bool sastaotp_prices_price_micros(const sastaotp_prices *prices, size_t index, int64_t *micros);

/**
 * Writes the number of available numbers; the live service reports 999 everywhere. Returns false
 * if the index is out of range or the service does not report it. Since 0.1.0.
 */
bool sastaotp_prices_available(const sastaotp_prices *prices, size_t index, uint64_t *count);

/**
 * Returns the table as a JSON object with the keys `prices` and `raw` (the reply). Each price has
 * country, service, price_micros and available, and operator if the reply lists operators.
 * Unfiltered, it has several megabytes. Since 0.1.0.
 */
const char *sastaotp_prices_json(const sastaotp_prices *prices);

/** Frees a table. Since 0.1.0. */
void sastaotp_prices_free(sastaotp_prices *prices);

/**
 * Selects offers of a service. Initialize it with SASTAOTP_OFFER_QUERY_INIT, then set the service.
 */
typedef struct sastaotp_offer_query {
    /** The size of the struct, which SASTAOTP_OFFER_QUERY_INIT sets. */
    size_t size;
    /** The service: a code from sastaotp_client_get_services, such as "tg". Required. */
    const char *service;
    /**
     * The codes of the countries to select. NULL for all countries. An empty list selects none.
     */
    const char *const *countries;
    /** The number of country codes. */
    size_t country_count;
    /** The minimum price, in micro-rupees. 0 for none. */
    int64_t min_price_micros;
    /** The maximum price, in micro-rupees. 0 for none. */
    int64_t max_price_micros;
    /**
     * The minimum stock. Above 0, an offer whose stock the service does not report is left out.
     */
    uint64_t min_available;
    /** Reserved for later versions: must be 0. */
    uint8_t reserved[8];
} sastaotp_offer_query;

/** The defaults of sastaotp_offer_query. */
#define SASTAOTP_OFFER_QUERY_INIT \
    { sizeof(sastaotp_offer_query), NULL, NULL, 0, 0, 0, 0, { 0, 0, 0, 0, 0, 0, 0, 0 } }

/** The offers of a service, cheapest first. Immutable. */
typedef struct sastaotp_offers sastaotp_offers;

/**
 * Reads the offers of a service: one for each country that sells it now, and for each operator if
 * the service lists prices by operator. The cheapest is first; of equal prices, the one with more
 * numbers in stock. Actions getServicesList and getPrices.
 *
 * If the two replies disagree about an offer, it has the higher price and the smaller stock. An
 * offer without a price or with no number in stock is left out. Buy one of the offers with the
 * member `offers` of sastaotp_number_request.
 *
 * Fails with a read error. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_get_offers(const sastaotp_client *client,
                                           const sastaotp_offer_query *query,
                                           sastaotp_offers **offers,
                                           sastaotp_error **error);

/** Returns the number of offers. Since 0.1.0. */
size_t sastaotp_offers_count(const sastaotp_offers *offers);

/**
 * Returns the offer at an index. Returns NULL if the index is out of range. The offer belongs to
 * the list. Since 0.1.0.
 */
const sastaotp_offer *sastaotp_offers_get(const sastaotp_offers *offers, size_t index);

/**
 * Returns the cheapest offer, which is the first one. Returns NULL if there is no offer. The offer
 * belongs to the list. Since 0.1.0.
 */
const sastaotp_offer *sastaotp_offers_cheapest(const sastaotp_offers *offers);

/**
 * Returns the list as a JSON object with the key `offers`. Each offer has country (the country
 * code), country_name, flag, operator, price_micros and available. Since 0.1.0.
 */
const char *sastaotp_offers_json(const sastaotp_offers *offers);

/** Frees a list and its offers. Since 0.1.0. */
void sastaotp_offers_free(sastaotp_offers *offers);

/** A list of countries. Immutable. */
typedef struct sastaotp_countries sastaotp_countries;

/** A country in which numbers are sold. Part of its list and freed with it. */
typedef struct sastaotp_country sastaotp_country;

/**
 * Reads the countries and their codes, which are not calling codes: all if `name` is NULL,
 * otherwise those with this name, ignoring case. There may be none, one or several, each with its
 * own code and prices. Action getCountries.
 *
 * Fails with a read error. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_get_countries(const sastaotp_client *client,
                                              const char *name,
                                              sastaotp_countries **countries,
                                              sastaotp_error **error);

/** Returns the number of countries. Since 0.1.0. */
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

/** Frees a list and its countries. Since 0.1.0. */
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

/** Returns whether the service shows the country to its users. Since 0.1.0. */
bool sastaotp_country_is_visible(const sastaotp_country *country);

/** A page of the order history, newest first. Immutable. */
typedef struct sastaotp_orders sastaotp_orders;

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
 * Reads one page of the order history, newest first. `limit` is the number of orders per page, 1
 * to 100; `page` starts at 1. Returns the orders with `status` ("pending", "completed",
 * "cancelled", "expired"), or all if `status` is NULL. Action getOrders.
 *
 * Fails with a read error. Since 0.1.0.
 */
SASTAOTP_MUST_USE
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
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_orders(const sastaotp_client *client,
                                       const char *status,
                                       sastaotp_order_iterator **iterator,
                                       sastaotp_error **error);

/** Returns the number of orders on the page. Since 0.1.0. */
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
 * Returns the activation id of an order on the page that may be an unwanted duplicate, or NULL
 * after the last one. Such an order resembles a recent purchase of this client, but this client
 * did not make it: a proxy may have repeated a request. Since 0.1.0.
 */
const char *sastaotp_orders_extra_order(const sastaotp_orders *orders, size_t index);

/**
 * Returns the page as a JSON object with the keys `orders` (each as in sastaotp_order_json),
 * `total` (the number of orders on all pages), `extra_orders` (as sastaotp_orders_extra_order
 * returns them) and `raw` (the reply). Since 0.1.0.
 */
const char *sastaotp_orders_json(const sastaotp_orders *orders);

/** Frees a page and its orders. Since 0.1.0. */
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

/** Returns the phone number verbatim. Returns NULL if the reply has none. Since 0.1.0. */
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

/** Returns the code that arrived. Returns NULL if the reply has none. Since 0.1.0. */
const char *sastaotp_order_code(const sastaotp_order *order);

/**
 * Writes the time of the purchase, in milliseconds since 1970. Returns false if the service does
 * not report seconds since 1970. Since 0.1.0.
 */
bool sastaotp_order_created_at_ms(const sastaotp_order *order, int64_t *millis);

/**
 * Writes the amount charged, in micro-rupees. Returns false if the reply has none. Since 0.1.0.
 */
bool sastaotp_order_price_micros(const sastaotp_order *order, int64_t *micros);

/**
 * Returns the order as JSON: order_id, activation_id, phone_number, service, country,
 * price_micros, status, code, created_text, created_at_ms, raw. Since 0.1.0.
 */
const char *sastaotp_order_json(const sastaotp_order *order);

/** Frees an order from sastaotp_order_iterator_next. Since 0.1.0. */
void sastaotp_order_free(sastaotp_order *order);

/**
 * Returns the next order, and reads the next page if needed. At the end it writes NULL to `*order`
 * and returns SASTAOTP_OK. Action getOrders.
 *
 * Fails with a read error, which ends the iteration. One thread at a time. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_order_iterator_next(sastaotp_order_iterator *iterator,
                                             sastaotp_order **order,
                                             sastaotp_error **error);

/** Frees an iterator. The orders that it returned stay valid. Since 0.1.0. */
void sastaotp_order_iterator_free(sastaotp_order_iterator *iterator);

/*
 * Buying
 */

struct sastaotp_activation;

/** A further parameter of a purchase. */
typedef struct sastaotp_parameter {
    /** The name: 1 to 64 of the characters A-Z a-z 0-9 _. Required. */
    const char *name;
    /**
     * The value: text of 1 to 256 characters without control characters, such as "true". The
     * library encodes it. Required.
     */
    const char *value;
} sastaotp_parameter;

/**
 * A number to buy. Initialize it with SASTAOTP_NUMBER_REQUEST_INIT, then set the service, the
 * country and the price. A purchase copies the request, so one request can buy many numbers.
 *
 * State the country: one of `country`, `countries`, `offers`, `operator_` and `any_country`, or
 * `country` and `operator_` together. State the price: `max_price_micros`, unless each offer has a
 * price. If the country or the price is missing, or two members contradict each other, the
 * purchase fails with SASTAOTP_ERROR_CONFIG and nothing is sent.
 */
typedef struct sastaotp_number_request {
    /** The size of the struct, which SASTAOTP_NUMBER_REQUEST_INIT sets. */
    size_t size;
    /** The service: a code from sastaotp_client_get_services, such as "tg". Required. */
    const char *service;
    /**
     * The country: a code from sastaotp_client_get_countries, which is not a calling code. India
     * is "22".
     */
    const char *country;
    /**
     * Several countries, which are tried in this order: 1 to 100 different codes. NULL for none.
     *
     * The purchase moves on to the next country only if the service refused the current one: it
     * has no number there, does not sell the service there, or sells it above the maximum price.
     * Any other failure ends the call: an unknown outcome is never followed by another attempt.
     * Each attempt has a separate intent and the full timeout of the call, and the budget
     * reserves one attempt at a time. sastaotp_purchase_attempt and sastaotp_error_attempt return
     * the attempts. If every country is refused, the call fails with the last temporary refusal,
     * such as NO_NUMBERS, or else with the last one.
     */
    const char *const *countries;
    /** The number of countries. */
    size_t country_count;
    /**
     * Several offers of sastaotp_client_get_offers, which are tried in this order like countries:
     * 1 to 100 different ones. NULL for none. The maximum price of each attempt is the price of
     * its offer, or `max_price_micros` if that is lower. An offer without a price needs
     * `max_price_micros`.
     */
    const sastaotp_offer *const *offers;
    /** The number of offers. */
    size_t offer_count;
    /**
     * Pins the country: the parameter `operator` of the vendor's page, a country code of
     * sastaotp_client_get_services. It is sent verbatim, beside the country if both are set. For
     * other vendors of the protocol it is the name of a mobile operator.
     */
    const char *operator_;
    /**
     * Further parameters that the service accepts and the library does not set, such as "ref" or
     * "fixedPrice": at most 16. NULL for none. They are part of the intent. These names are
     * refused, in any letter case, because the library sets them: action, api_key, country,
     * format, id, limit, maxPrice, multiSMS, operator, page, service, status.
     */
    const sastaotp_parameter *parameters;
    /** The number of parameters. */
    size_t parameter_count;
    /**
     * The minimum price, in micro-rupees. 0 for none. Cheap numbers have often been used before.
     * The call reads the price list once (action getPrices). It skips a country whose listed price
     * is below the minimum or above the maximum, and a country that is not listed. If it skips
     * every country, it fails with SASTAOTP_ERROR_NO_NUMBERS. Not possible with `any_country`.
     */
    int64_t min_price_micros;
    /**
     * The maximum price, in micro-rupees: 18.50 rupees are 18500000. SASTAOTP_ANY_PRICE accepts
     * any price, unless the client has a budget. 0, which the initializer sets, is refused.
     */
    int64_t max_price_micros;
    /**
     * How long to keep trying if the service refused every country, in milliseconds. 0 tries each
     * country once. The call pauses before it starts again with the first country. The pauses grow
     * from 2 to 30 seconds, and are longer if the service requests it. It does not bound the call:
     * each country is tried at least once, and each attempt has the full timeout. To bound the
     * call, use a cancel token: see sastaotp_client_with.
     */
    uint32_t patience_ms;
    /** Whether the service may choose the country. */
    bool any_country;
    /** Whether the number must be able to receive several codes. */
    bool multi_sms;
    /** Reserved for later versions: must be 0. */
    uint8_t reserved[2];
} sastaotp_number_request;

/** The defaults of sastaotp_number_request. */
#define SASTAOTP_NUMBER_REQUEST_INIT \
    { sizeof(sastaotp_number_request), NULL, NULL, NULL, 0, NULL, 0, NULL, NULL, 0, 0, \
      0, 0, false, false, { 0, 0 } }

/** No maximum for the price of a number. */
#define SASTAOTP_ANY_PRICE INT64_MAX

/**
 * Buys a number. Action getNumber. COSTS MONEY.
 *
 * Sends the purchase, or each attempt of it, at most once. If it fails and sastaotp_error_charge
 * is SASTAOTP_CHARGE_UNKNOWN, call sastaotp_client_reconcile before you buy again.
 *
 * A request with several countries or offers, or with patience, is a series of attempts that ends
 * when one buys a number.
 *
 * Read sastaotp_purchase_warning of the purchase: the price may be above the maximum. Fails with a
 * purchase error. Freeing `*activation` with sastaotp_activation_free does not change the order.
 * Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_get_number(const sastaotp_client *client,
                                           const sastaotp_number_request *request,
                                           struct sastaotp_activation **activation,
                                           sastaotp_error **error);

/**
 * Buys the number of a completed activation again, for at most `max_price_micros`, or at any
 * price if it is SASTAOTP_ANY_PRICE. Action regetNumber. COSTS MONEY, as much as the first time.
 *
 * The service accepts no maximum for this action. If the price is known, from the purchase or from
 * the order history, and above the maximum, the call fails with SASTAOTP_ERROR_PRICE_TOO_HIGH and
 * sends nothing. Otherwise a warning of the purchase reports a price above the maximum.
 *
 * Fails with a purchase error or SASTAOTP_ERROR_NOT_FOUND. Free `*activation` with
 * sastaotp_activation_free. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_reget_number(const sastaotp_client *client,
                                             const char *id,
                                             int64_t max_price_micros,
                                             struct sastaotp_activation **activation,
                                             sastaotp_error **error);

/**
 * Prepares a purchase for sastaotp_client_buy. Save sastaotp_intent_json before you buy: a program
 * that is killed before the reply can then still find its purchase. If the client has not read the
 * newest order yet, it does so first. Action getOrders.
 *
 * An intent is one attempt, so the request must not have a list of countries or offers, a minimum
 * price or patience.
 *
 * Fails with a read error. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_intend(const sastaotp_client *client,
                                       const sastaotp_number_request *request,
                                       struct sastaotp_intent **intent,
                                       sastaotp_error **error);

/**
 * Makes a prepared purchase. Action getNumber. COSTS MONEY.
 *
 * An intent is sent once. If it was sent before, fails with SASTAOTP_ERROR_ALREADY_SENT: the
 * message states its outcome, and sastaotp_error_charge is SASTAOTP_CHARGE_UNKNOWN if that is not
 * known. An intent that an earlier run saved is looked up in the order history first (action
 * getOrders). The call fails in the same way, and names the candidates, unless the search is
 * complete and found none. A complete search takes ten minutes, or `late_booking_ms` of the
 * settings, from the first search of this process, because the earlier run may have sent the
 * request at its end.
 *
 * Fails with a purchase error. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_buy(const sastaotp_client *client,
                                    const struct sastaotp_intent *intent,
                                    struct sastaotp_activation **activation,
                                    sastaotp_error **error);

/**
 * A purchase that is about to be made: enough data to find it in the order history if its reply is
 * lost. An intent is sent once: make another one to buy another number. Immutable. Valid until it
 * is freed, or the error or list that contains it is freed.
 */
typedef struct sastaotp_intent sastaotp_intent;

/**
 * Reads a saved intent: the text that sastaotp_intent_json returned.
 *
 * Fails with SASTAOTP_ERROR_CONFIG if the text is not an intent. Since 0.1.0.
 */
SASTAOTP_MUST_USE
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
 * Writes the maximum price, in micro-rupees. Returns false if the request accepts any price, or
 * the maximum is unknown. Since 0.1.0.
 */
bool sastaotp_intent_max_price_micros(const sastaotp_intent *intent, int64_t *micros);

/**
 * Copies an intent, to keep it after the error or list that contains it is freed. The caller owns
 * the result: free it with sastaotp_intent_free. Returns NULL if `intent` is NULL. Since 0.1.0.
 */
sastaotp_intent *sastaotp_intent_copy(const sastaotp_intent *intent);

/**
 * Frees an intent that the caller owns; not one that is part of an error or a list. Since 0.1.0.
 */
void sastaotp_intent_free(sastaotp_intent *intent);

/** The reply to a purchase. Part of its activation or list and freed with it. Immutable. */
typedef struct sastaotp_purchase sastaotp_purchase;

/** Returns the id for sastaotp_client_activation. Treat it as opaque text. Since 0.1.0. */
const char *sastaotp_purchase_activation_id(const sastaotp_purchase *purchase);

/**
 * Returns the id of the order in the history. Returns NULL if the reply has none. Since 0.1.0.
 */
const char *sastaotp_purchase_order_id(const sastaotp_purchase *purchase);

/** Returns the phone number verbatim. Since 0.1.0. */
const char *sastaotp_purchase_phone_number(const sastaotp_purchase *purchase);

/** Returns the code of the service. Returns NULL if the reply has none. Since 0.1.0. */
const char *sastaotp_purchase_service(const sastaotp_purchase *purchase);

/** Returns the name of the service. Returns NULL if the reply has none. Since 0.1.0. */
const char *sastaotp_purchase_service_name(const sastaotp_purchase *purchase);

/** Returns the code of the country. Returns NULL if the reply has none. Since 0.1.0. */
const char *sastaotp_purchase_country(const sastaotp_purchase *purchase);

/**
 * Writes the amount charged, in micro-rupees. Returns false if the reply has none. Since 0.1.0.
 */
bool sastaotp_purchase_price_micros(const sastaotp_purchase *purchase, int64_t *micros);

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
 * Returns a note by the service's operators. Returns NULL if the reply has none. Since 0.1.0.
 */
const char *sastaotp_purchase_note(const sastaotp_purchase *purchase);

/**
 * Returns the warning at an index, as a sentence, or NULL after the last one. A warning states
 * that the price was above the maximum, that the number is of another country, or that the reply
 * is unusual. The purchase is valid despite it, so read the warnings after each purchase. Since
 * 0.1.0.
 */
const char *sastaotp_purchase_warning(const sastaotp_purchase *purchase, size_t index);

/**
 * Returns the number of attempts of the call that bought the number, at most the newest 1,000. It
 * is 0 unless the request had a list of countries or offers, a minimum price, or patience. Since
 * 0.1.0.
 */
size_t sastaotp_purchase_attempt_count(const sastaotp_purchase *purchase);

/**
 * Returns the attempt at an index, oldest first; the last one bought the number. Returns NULL if
 * the index is out of range. The attempt belongs to the purchase. Since 0.1.0.
 */
const sastaotp_attempt *sastaotp_purchase_attempt(const sastaotp_purchase *purchase, size_t index);

/**
 * Returns the purchase as JSON: activation_id, order_id, phone_number, service, service_name,
 * country, country_name, price_micros, multi_sms, can_get_another_sms, expires_in_ms, note,
 * warnings, attempts, raw. An attempt has country, operator, price_micros and refused. Since
 * 0.1.0.
 */
const char *sastaotp_purchase_json(const sastaotp_purchase *purchase);

/** The orders of the history that may be a purchase whose reply was lost. Immutable. */
typedef struct sastaotp_reconciliation sastaotp_reconciliation;

/**
 * Searches the order history for a purchase whose outcome is unknown, for at most `timeout_ms`
 * milliseconds. 60,000 is a good value; 0 searches once. Action getOrders.
 *
 * Returns earlier only if the evidence proves that an order is the purchase, or if the search is
 * complete. Otherwise continues until the time is over: the history can lag, and another program's
 * order can look the same. If the search is not complete then, the purchase stays unknown and
 * listed, and the next call continues.
 *
 * An order that another purchase of this API key bought is not a candidate. To claim a candidate,
 * pass its activation id to sastaotp_client_activation. If there are several, call
 * sastaotp_client_resolve_made first; let a person decide if several are likely, or none is.
 *
 * Claiming the only candidate resolves the purchase, unless the search ended less than 60 seconds
 * after the reply was lost and was not complete. Then the maximum stays reserved, and a refund of
 * that order makes the purchase unknown again: call sastaotp_client_resolve_made as well if you
 * know that the order is yours.
 *
 * Fails with a read error. If it fails, the purchase stays unknown: sastaotp_error_charge is
 * SASTAOTP_CHARGE_UNKNOWN. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_reconcile(const sastaotp_client *client,
                                          const sastaotp_intent *intent,
                                          uint32_t timeout_ms,
                                          sastaotp_reconciliation **reconciliation,
                                          sastaotp_error **error);

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
 * the purchase is known from now on: sastaotp_client_unclaimed lists it as bought. It is false for
 * most candidates, because the history does not show which request made an order: then decide by
 * the evidence, and claim the candidate. Returns false if the index is out of range. Since 0.1.0.
 */
bool sastaotp_reconciliation_is_ours(const sastaotp_reconciliation *reconciliation, size_t index);

/**
 * Returns one fact for or against the candidate at an index, such as its age or its price, or NULL
 * after the last one. `position` starts at 0. Since 0.1.0.
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

/** Returns why the search is not complete. Returns NULL if it is complete. Since 0.1.0. */
const char *sastaotp_reconciliation_reason(const sastaotp_reconciliation *reconciliation);

/**
 * Returns the reconciliation as JSON: candidates, each as in sastaotp_order_json with is_ours and
 * evidence; complete; reason. Since 0.1.0.
 */
const char *sastaotp_reconciliation_json(const sastaotp_reconciliation *reconciliation);

/** Frees a reconciliation and its orders. Since 0.1.0. */
void sastaotp_reconciliation_free(sastaotp_reconciliation *reconciliation);

/**
 * Resolves a purchase with an unknown outcome: the caller knows that it was not made. It is not
 * listed any more. If a client of this process sent it, its reservation returns to that client's
 * budget. sastaotp_client_resolve_made can correct the answer later. Sends nothing.
 *
 * Fails with SASTAOTP_ERROR_CONFIG if the reply may still arrive, or the purchase is known to be
 * made. Since 0.1.0.
 */
SASTAOTP_MUST_USE
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
 * Fails with SASTAOTP_ERROR_CONFIG if the reply may still arrive, if the purchase is known to be
 * refused or to have bought another activation, or if another purchase bought this activation.
 * Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_resolve_made(const sastaotp_client *client,
                                             const sastaotp_intent *intent,
                                             const char *activation_id,
                                             sastaotp_error **error);

/*
 * One number
 */

struct sastaotp_sms;
struct sastaotp_activation_status;
struct sastaotp_wait_options;
struct sastaotp_settlement;

/**
 * A number that was bought. Any number of threads may use it at once. Freeing it does not change
 * the order: sastaotp_client_unclaimed lists an open order that no activation holds. A
 * sastaotp_lease settles its order.
 *
 * A change of the order is sent once. If the reply is lost, the status is read, and the request is
 * repeated only if the status shows that it had no effect. A "change error", below, is a read
 * error, SASTAOTP_ERROR_NOT_FOUND, SASTAOTP_ERROR_ALREADY_FINISHED or SASTAOTP_ERROR_TOO_EARLY.
 */
typedef struct sastaotp_activation sastaotp_activation;

/** How a settle reacts if the service does not allow cancelling the order yet. */
typedef enum sastaotp_on_too_early SASTAOTP_ENUM_INT32 {
    /** Fail with SASTAOTP_ERROR_TOO_EARLY; sastaotp_error_retry writes how long to wait. */
    SASTAOTP_ON_TOO_EARLY_FAIL = 0,
    /** Wait until cancelling is allowed, and complete the order if a code arrives meanwhile. */
    SASTAOTP_ON_TOO_EARLY_WAIT = 1,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_ON_TOO_EARLY_MAX_ENUM = INT32_MAX
} sastaotp_on_too_early;

/** How an activation ended, as far as is known. */
typedef enum sastaotp_ending SASTAOTP_ENUM_INT32 {
    /** The activation has not ended, as far as is known. */
    SASTAOTP_ENDING_NONE = 0,
    /** The order was completed. */
    SASTAOTP_ENDING_COMPLETED = 1,
    /** The order was cancelled, by its owner or by the service. */
    SASTAOTP_ENDING_CANCELLED = 2,
    /** The order expired. */
    SASTAOTP_ENDING_EXPIRED = 3,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_ENDING_MAX_ENUM = INT32_MAX
} sastaotp_ending;

/**
 * Claims an existing activation by its id: one of an earlier run, of the order history, or of
 * sastaotp_client_unclaimed. Sends nothing.
 *
 * Fails with SASTAOTP_ERROR_CONFIG if `id` is not 1 to 256 bytes, or has blanks around it or a
 * line end. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_activation(const sastaotp_client *client,
                                           const char *id,
                                           sastaotp_activation **activation,
                                           sastaotp_error **error);

/**
 * Returns the id for the other calls, and for sastaotp_client_activation in a later run. Since
 * 0.1.0.
 */
const char *sastaotp_activation_id(const sastaotp_activation *activation);

/**
 * Returns the phone number as the service writes it. Returns NULL if the activation was claimed by
 * its id and this process does not know its number: it did not buy it, and no search, resolution
 * or page of the history showed it. Empty if the order was found without a number. Since 0.1.0.
 */
const char *sastaotp_activation_phone_number(const sastaotp_activation *activation);

/**
 * Writes the amount charged, in micro-rupees. Returns false if neither the purchase nor the
 * history stated it, or if sastaotp_activation_phone_number returns NULL. Since 0.1.0.
 */
bool sastaotp_activation_price_micros(const sastaotp_activation *activation, int64_t *micros);

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
 * Returns the number of messages with a code that have arrived so far. Sends nothing. Since 0.1.0.
 */
size_t sastaotp_activation_sms_count(const sastaotp_activation *activation);

/**
 * Returns the message at an index, oldest first: the newest one is at the count minus 1. Returns
 * NULL if the index is out of range. The caller owns the result: free it with sastaotp_sms_free.
 * Sends nothing. Since 0.1.0.
 */
struct sastaotp_sms *sastaotp_activation_sms(const sastaotp_activation *activation, size_t index);

/** Returns how the order ended, as far as is known. Sends nothing. Since 0.1.0. */
sastaotp_ending sastaotp_activation_ending(const sastaotp_activation *activation);

/**
 * Reads the status. If it contains a code, the activation keeps the code. Actions getStatus, and
 * getStatusV2 for the text of a message.
 *
 * Fails with a read error or SASTAOTP_ERROR_NOT_FOUND. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_activation_get_status(const sastaotp_activation *activation,
                                               struct sastaotp_activation_status **status,
                                               sastaotp_error **error);

/**
 * Waits for a code for at most `timeout_ms` milliseconds. `options` may be NULL. Actions
 * getStatus, and getStatusV2 for the text of the message.
 *
 * If a code has already arrived, returns it immediately. Otherwise polls every 5 seconds and once
 * more at the deadline, which is the timeout or the expiry of the order, whichever comes first; if
 * replies are slow, the last poll starts before the deadline. Polls are at least 5 seconds apart:
 * a poll that would be due in the last seven seconds before the deadline is skipped in favour of
 * the poll at the deadline, and a wait of less than 5 seconds polls once, at its start. If the
 * service still waits for a code after the expiry, the wait continues to the timeout. Transient
 * failures do not end the wait. A single reply that the order is cancelled, that the id is unknown
 * or that the key is invalid does not end it either: the next poll must confirm it. To show
 * progress, wait one second at a time: consecutive waits keep the interval between polls.
 *
 * Fails with SASTAOTP_ERROR_WAIT_TIMEOUT if no code arrived in time, SASTAOTP_ERROR_EXPIRED,
 * SASTAOTP_ERROR_ACTIVATION_CANCELLED or SASTAOTP_ERROR_ALREADY_FINISHED if the order ended,
 * SASTAOTP_ERROR_CANCELLED, or with an error that waiting cannot fix, such as
 * SASTAOTP_ERROR_AUTHENTICATION. A failed wait does not change the order, unless the options
 * cancel it: you can wait again. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_activation_wait_for_code(const sastaotp_activation *activation,
                                                  uint32_t timeout_ms,
                                                  const struct sastaotp_wait_options *options,
                                                  struct sastaotp_sms **sms,
                                                  sastaotp_error **error);

/**
 * Waits for a code as sastaotp_activation_wait_for_code does, but if none arrives in time, writes
 * NULL to `*sms` and returns SASTAOTP_OK. For a program that calls it in a loop, for example to
 * show progress.
 *
 * Fails as sastaotp_activation_wait_for_code does, but not with SASTAOTP_ERROR_WAIT_TIMEOUT. Since
 * 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_activation_try_wait_for_code(const sastaotp_activation *activation,
                                                      uint32_t timeout_ms,
                                                      const struct sastaotp_wait_options *options,
                                                      struct sastaotp_sms **sms,
                                                      sastaotp_error **error);

/**
 * Reports to the service that the SMS was sent to the number. Action setStatus, 1. Sent once,
 * because no status shows whether the request had an effect.
 *
 * Fails with a change error, and with SASTAOTP_ERROR_ACTIVATION_CANCELLED if the service answers
 * that the order is cancelled. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_activation_mark_sms_sent(const sastaotp_activation *activation,
                                                  sastaotp_error **error);

/**
 * Requests another code for the same number, if the service allows it. Action setStatus, 3.
 *
 * The next sastaotp_activation_wait_for_code waits for the new code; the previous one stays in
 * sastaotp_activation_sms. Fails with a change error, and with SASTAOTP_ERROR_ACTIVATION_CANCELLED
 * if the service answers that the order is cancelled. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_activation_request_next_code(const sastaotp_activation *activation,
                                                      sastaotp_error **error);

/**
 * Completes the order after its code was used. Action setStatus, 6.
 *
 * Fails with SASTAOTP_ERROR_CONFIG if no code has arrived, because completing spends the price:
 * cancel the order, or call sastaotp_activation_complete_without_code. Before it fails, it polls
 * once.
 *
 * Check the settlement: if the service treats 6 as a cancellation, its state is
 * SASTAOTP_SETTLED_CANCELLED. Fails with a change error. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_activation_complete(const sastaotp_activation *activation,
                                             struct sastaotp_settlement **settlement,
                                             sastaotp_error **error);

/**
 * Completes the order even if no code has arrived here, for example because the user has read the
 * code elsewhere. The price is spent. Action setStatus, 6.
 *
 * Fails with a change error. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_activation_complete_without_code(const sastaotp_activation *activation,
                                                          struct sastaotp_settlement **settlement,
                                                          sastaotp_error **error);

/**
 * Cancels the order for its refund. Action setStatus, 8. Before that, it polls once, unless a poll
 * was answered in the last 5 seconds.
 *
 * If a code arrived first, the order is not cancelled: the settlement is
 * SASTAOTP_SETTLED_CODE_ARRIVED and contains the code, and the order stays open until it is
 * completed. A code that you already have does not prevent the attempt.
 *
 * Fails with a change error, with SASTAOTP_ERROR_TOO_EARLY if the order is too young.
 * Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_activation_cancel(const sastaotp_activation *activation,
                                           struct sastaotp_settlement **settlement,
                                           sastaotp_error **error);

/**
 * Closes the order: completes it if a code arrived, otherwise cancels it for the refund. If a code
 * arrived but is not readable, fails and leaves the order open. Action setStatus, 6 or 8. Before
 * it cancels, it polls once, as sastaotp_activation_cancel does.
 *
 * `on_too_early` is the reaction if the order is too young to be cancelled. Waiting continues
 * until the service allows it or the order has expired. Fails as sastaotp_activation_cancel does.
 * Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_activation_settle(const sastaotp_activation *activation,
                                           sastaotp_on_too_early on_too_early,
                                           struct sastaotp_settlement **settlement,
                                           sastaotp_error **error);

/**
 * Keeps the number although its order is open: sastaotp_client_unclaimed, sastaotp_client_finish
 * and sastaotp_queue_close do not list it any more. Use it for a number that another program or a
 * later run settles. Sends nothing.
 *
 * Fails with SASTAOTP_ERROR_CONFIG for an invalid argument. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_activation_keep(const sastaotp_activation *activation,
                                         sastaotp_error **error);

/**
 * Frees an activation. The order does not change. If it is open and no other activation holds it,
 * sastaotp_client_unclaimed lists the number. Since 0.1.0.
 */
void sastaotp_activation_free(sastaotp_activation *activation);

/**
 * Options for waiting for a code. Initialize it with SASTAOTP_WAIT_OPTIONS_INIT. A wait copies the
 * options.
 */
typedef struct sastaotp_wait_options {
    /** The size of the struct, which SASTAOTP_WAIT_OPTIONS_INIT sets. */
    size_t size;
    /**
     * The interval between polls, in milliseconds. The default is 5,000. Shorter intervals count
     * as 5,000, longer ones than an hour as an hour.
     */
    uint32_t interval_ms;
    /**
     * After a request for the next code, whether to accept a code that equals an earlier one, even
     * if the service never reported that it was waiting in between.
     */
    bool accept_same_code;
    /**
     * Whether to cancel the order for its refund if no code arrives in time, which takes at most
     * 10 more seconds. The wait still fails with SASTAOTP_ERROR_WAIT_TIMEOUT, and the error's hint
     * states whether the order was cancelled. An order that cannot be cancelled yet stays open:
     * settle it later. If the cancellation fails in another way, the wait fails with its error.
     */
    bool cancel_on_timeout;
    /** Reserved for later versions: must be 0. */
    uint8_t reserved[2];
} sastaotp_wait_options;

/** The defaults of sastaotp_wait_options. */
#define SASTAOTP_WAIT_OPTIONS_INIT \
    { sizeof(sastaotp_wait_options), 0, false, false, { 0, 0 } }

/** A message that a number received. Immutable. */
typedef struct sastaotp_sms sastaotp_sms;

/** Returns the code verbatim: it may contain colons, spaces and leading zeros. Since 0.1.0. */
const char *sastaotp_sms_code(const sastaotp_sms *sms);

/**
 * Returns the text of the message. Returns NULL if the service reports none. `length` may be NULL:
 * see "Texts" in the conventions. Since 0.1.0.
 */
const char *sastaotp_sms_text(const sastaotp_sms *sms, size_t *length);

/** Returns the sender. Returns NULL if the service reports none. Since 0.1.0. */
const char *sastaotp_sms_sender(const sastaotp_sms *sms);

/** Returns whether the order received the same code before. Since 0.1.0. */
bool sastaotp_sms_is_repeat(const sastaotp_sms *sms);

/**
 * Returns the message as JSON: code, text, sender, received_text, is_repeat, raw. Since 0.1.0.
 */
const char *sastaotp_sms_json(const sastaotp_sms *sms);

/** Frees a message that the caller owns. Since 0.1.0. */
void sastaotp_sms_free(sastaotp_sms *sms);

/** The status of an activation, as the service reports it. Immutable. */
typedef struct sastaotp_activation_status sastaotp_activation_status;

/** The kinds of sastaotp_activation_status. */
typedef enum sastaotp_status_kind SASTAOTP_ENUM_INT32 {
    /** No code has arrived yet. */
    SASTAOTP_ACTIVATION_STATUS_WAITING = 1,
    /** The service waits for the next code; the previous one is in the JSON. */
    SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT = 2,
    /** A code has arrived: sastaotp_activation_status_sms. */
    SASTAOTP_ACTIVATION_STATUS_RECEIVED = 3,
    /**
     * The service reports cancelled. If the order already had its code, the service may also mean
     * completed or expired.
     */
    SASTAOTP_ACTIVATION_STATUS_CANCELLED = 4,
    /**
     * A status that is unknown to the library: sastaotp_activation_status_text. It does not end the
     * order.
     */
    SASTAOTP_ACTIVATION_STATUS_OTHER = 0,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_STATUS_KIND_MAX_ENUM = INT32_MAX
} sastaotp_status_kind;

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
 * Returns the status verbatim if its kind is SASTAOTP_ACTIVATION_STATUS_OTHER. Otherwise returns
 * NULL. Since 0.1.0.
 */
const char *sastaotp_activation_status_text(const sastaotp_activation_status *status);

/**
 * Returns the status as JSON: kind (waiting, waiting_for_next, received, cancelled or other), sms,
 * last_code, text, raw. Since 0.1.0.
 */
const char *sastaotp_activation_status_json(const sastaotp_activation_status *status);

/** Frees a status and its message. Since 0.1.0. */
void sastaotp_activation_status_free(sastaotp_activation_status *status);

/** The result of closing an order. Immutable. */
typedef struct sastaotp_settlement sastaotp_settlement;

/** The state of an order after it was settled. */
typedef enum sastaotp_settled SASTAOTP_ENUM_INT32 {
    /** The state is not known: `settlement` is NULL. */
    SASTAOTP_SETTLED_UNKNOWN = 0,
    /** Completed: the price is spent. */
    SASTAOTP_SETTLED_COMPLETED = 1,
    /** Cancelled: the price is refunded. */
    SASTAOTP_SETTLED_CANCELLED = 2,
    /** Not cancelled, because a code arrived first. The order is still open: complete it. */
    SASTAOTP_SETTLED_CODE_ARRIVED = 3,
    /**
     * The order had already ended: it was completed, cancelled or expired before.
     * sastaotp_activation_ending of its activation returns which, if it is known.
     */
    SASTAOTP_SETTLED_ALREADY_OVER = 4,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_SETTLED_MAX_ENUM = INT32_MAX
} sastaotp_settled;

/**
 * Returns the state of the order. Returns SASTAOTP_SETTLED_UNKNOWN if `settlement` is NULL.
 * Since 0.1.0.
 */
sastaotp_settled sastaotp_settlement_state(const sastaotp_settlement *settlement);

/**
 * Returns the message that arrived. Returns NULL if none did. The message belongs to the
 * settlement. Since 0.1.0.
 */
const sastaotp_sms *sastaotp_settlement_sms(const sastaotp_settlement *settlement);

/**
 * Returns the settlement as JSON: state (completed, cancelled, code_arrived or already_over),
 * code, raw. Since 0.1.0.
 */
const char *sastaotp_settlement_json(const sastaotp_settlement *settlement);

/** Frees a settlement and its message. Since 0.1.0. */
void sastaotp_settlement_free(sastaotp_settlement *settlement);

/**
 * A number whose order is settled when the lease ends: completed if a code arrived, otherwise
 * cancelled for its refund. One thread at a time; any number of threads may use its activation.
 */
typedef struct sastaotp_lease sastaotp_lease;

/**
 * Buys a number and returns a lease, which settles the order when it ends. Action getNumber. COSTS
 * MONEY. The request may have several countries or offers, as for sastaotp_client_get_number.
 *
 * Fails with a purchase error. sastaotp_lease_free settles the order and frees `*lease`. Since
 * 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_lease(const sastaotp_client *client,
                                      const sastaotp_number_request *request,
                                      sastaotp_lease **lease,
                                      sastaotp_error **error);

/**
 * Returns the leased number. The activation belongs to the lease: it becomes invalid when the
 * lease is freed. Since 0.1.0.
 */
const sastaotp_activation *sastaotp_lease_activation(const sastaotp_lease *lease);

/**
 * Ends the lease and settles the order: see sastaotp_activation_settle. If that fails,
 * sastaotp_client_unclaimed lists the number once the lease is freed. Free it afterwards.
 *
 * A triggered token does not prevent it: the call then settles the order as sastaotp_lease_free
 * does, for at most 10 seconds and with SASTAOTP_ON_TOO_EARLY_FAIL.
 *
 * Fails as sastaotp_activation_settle does, and with SASTAOTP_ERROR_CONFIG if the lease has
 * already ended. One thread at a time. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_lease_close(sastaotp_lease *lease,
                                     sastaotp_on_too_early on_too_early,
                                     sastaotp_settlement **settlement,
                                     sastaotp_error **error);

/**
 * Ends the lease and leaves the order unchanged. The number is kept: see sastaotp_activation_keep.
 * Free the lease afterwards.
 *
 * Fails with SASTAOTP_ERROR_CONFIG if the lease has already ended. One thread at a time. Since
 * 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_lease_keep(sastaotp_lease *lease,
                                    sastaotp_activation **activation,
                                    sastaotp_error **error);

/**
 * Frees a lease. If the lease was neither closed nor kept, first settles its order, for at most 10
 * seconds. If that fails, or the order is too young to be cancelled, sastaotp_client_unclaimed
 * lists the number. In a forked child the order does not change. Since 0.1.0.
 */
void sastaotp_lease_free(sastaotp_lease *lease);

/*
 * Queue
 */

struct sastaotp_completion;

/**
 * Runs operations in the background, on a pool of workers that grows and shrinks: thousands of
 * waits in one thread, or calls that block no event loop. Any number of threads may use it at
 * once.
 *
 * Submit an operation with a pointer to your own data. When sastaotp_queue_fd is readable, take
 * the completions: each returns the pointer and a typed result. Between two polls a wait occupies
 * no worker.
 *
 * The queue holds each number that it bought until its order is settled, so its operations need
 * only the id: sastaotp_activation_id of sastaotp_completion_activation. Operations of
 * sastaotp_queue_submit_held have other holds: do not use both on one number. When the queue is
 * freed, sastaotp_client_unclaimed lists the numbers whose orders are open.
 */
typedef struct sastaotp_queue sastaotp_queue;

/**
 * Creates a queue on a client. Starts no thread yet.
 *
 * `workers` is the maximum number of workers for purchases, and also for the other operations, so
 * that slow purchases delay no poll: 1 to 512, or 0 for 64. Each worker makes one request at a
 * time. If there are too few, the interval between the polls of one wait grows to the number of
 * waits times the duration of a reply, divided by the workers. The time that a purchase waits for
 * a worker does not count towards its timeout, unless the settings of the client state a timeout:
 * then its ticket completes within the timeout, and a purchase whose reply would be too late is
 * not sent.
 *
 * The client may be freed before the queue. A cancellation token of the client does not affect the
 * queue: cancel its tickets instead. Fails with SASTAOTP_ERROR_CONFIG if `workers` is out of
 * range, and with SASTAOTP_ERROR_CONNECTION if the process has no file descriptor left. Since
 * 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_new(const sastaotp_client *client,
                                   uint32_t workers,
                                   sastaotp_queue **queue,
                                   sastaotp_error **error);

/**
 * Starts an operation in JSON, for the operations that have no submit function and for other
 * languages. Returns immediately.
 *
 * This and the other submits return `user` with the completion, by sastaotp_completion_user. They
 * write the ticket to `*ticket`, for sastaotp_queue_cancel and sastaotp_queue_join, unless
 * `ticket` is NULL. The ticket is written before the operation starts; another thread may take its
 * completion before the submit returns.
 *
 * Each submit fails with SASTAOTP_ERROR_CONFIG, and starts nothing, if an argument cannot be read.
 * If the operation itself fails, its completion contains the error, even if a request has no
 * country or no price.
 *
 * An operation is a JSON object with a name, `op`, and arguments, such as
 * {"op":"get_number","service":"tg","country":"22","max_price":"80"} or
 * {"op":"wait_for_code","id":"38496653","timeout_ms":300000}. The operations, most of which have
 * the name of a function, are: get_balance; get_services (service); get_prices (service, country);
 * get_countries; find_country (name); get_orders (limit, page, status); get_number, lease and
 * intend (service, a country, a price, multi_sms); buy (intent); reget_number (id, a price); claim
 * (id), which returns the activation with this id; get_status (id); set_status (id, status);
 * wait_for_code (id, timeout_ms, interval_ms, accept_same_code, cancel_on_timeout); mark_sms_sent,
 * request_next_code, cancel (id); complete (id, without_code); settle (id, on_too_early: "fail",
 * the default, or "wait"); keep (id); mark_unclaimed (id), which lists a number that no caller
 * holds any longer as unclaimed; reconcile (intent, timeout_ms: 60,000 by default); resolve
 * (intent, and not_made: true or activation_id); settle_leftover_leases (on_too_early); unclaimed;
 * finish (timeout_ms: 10,000 by default); budget_left. The caller settles the number of a lease.
 * If the process ends first, settle_leftover_leases of the next process with the same journal
 * settles it. Required are name, id, status of set_status, timeout_ms of wait_for_code, intent,
 * and service, a country and a price of a purchase. A country is country, any_country: true, or
 * operator, which may be beside country. A price is max_price as text, max_price_micros, or
 * accept_any_price: true. If two of them disagree, the operation is refused. null counts as
 * absent, and a member that the operation does not have is refused. An id is a text in quotes. An
 * intent is the object that sastaotp_intent_json returns.
 *
 * The result of an operation is the "_json" of its function's result. For get_number, lease, buy
 * and reget_number it is id, phone_number, price_micros, expires_at_ms, purchase: pass the id to
 * wait_for_code. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_submit(const sastaotp_queue *queue,
                                      const char *operation,
                                      void *user,
                                      uint64_t *ticket,
                                      sastaotp_error **error);

/**
 * Starts an operation in JSON like sastaotp_queue_submit, for a language whose own objects decide
 * how long a number is in use.
 *
 * The ticket of a purchase or of claim holds its number until sastaotp_queue_release. An operation
 * with an id holds its number while it is open. If nothing holds a number any longer and its order
 * is open, sastaotp_client_unclaimed lists it. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_submit_held(const sastaotp_queue *queue,
                                           const char *operation,
                                           void *user,
                                           uint64_t *ticket,
                                           sastaotp_error **error);

/**
 * Starts sastaotp_client_get_number, which COSTS MONEY: sastaotp_completion_activation returns the
 * number. The request is copied. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_submit_get_number(const sastaotp_queue *queue,
                                                 const sastaotp_number_request *request,
                                                 void *user,
                                                 uint64_t *ticket,
                                                 sastaotp_error **error);

/**
 * Starts sastaotp_client_buy, which COSTS MONEY: sastaotp_completion_activation returns the
 * number. The intent is copied. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_submit_buy(const sastaotp_queue *queue,
                                          const sastaotp_intent *intent,
                                          void *user,
                                          uint64_t *ticket,
                                          sastaotp_error **error);

/**
 * Starts sastaotp_activation_wait_for_code on an activation: sastaotp_completion_sms returns the
 * message. `options` may be NULL. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_submit_wait_for_code(const sastaotp_queue *queue,
                                                    const char *id,
                                                    uint32_t timeout_ms,
                                                    const sastaotp_wait_options *options,
                                                    void *user,
                                                    uint64_t *ticket,
                                                    sastaotp_error **error);

/** Starts sastaotp_activation_request_next_code on an activation. Since 0.1.0. */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_submit_request_next_code(const sastaotp_queue *queue,
                                                        const char *id,
                                                        void *user,
                                                        uint64_t *ticket,
                                                        sastaotp_error **error);

/**
 * Starts sastaotp_activation_complete on an activation: sastaotp_completion_settlement returns the
 * result. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_submit_complete(const sastaotp_queue *queue,
                                               const char *id,
                                               void *user,
                                               uint64_t *ticket,
                                               sastaotp_error **error);

/**
 * Starts sastaotp_activation_cancel on an activation: sastaotp_completion_settlement returns the
 * result. sastaotp_queue_cancel cancels a ticket, not an order. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_submit_cancel(const sastaotp_queue *queue,
                                             const char *id,
                                             void *user,
                                             uint64_t *ticket,
                                             sastaotp_error **error);

/**
 * Starts sastaotp_activation_settle on an activation: sastaotp_completion_settlement returns the
 * result. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_submit_settle(const sastaotp_queue *queue,
                                             const char *id,
                                             sastaotp_on_too_early on_too_early,
                                             void *user,
                                             uint64_t *ticket,
                                             sastaotp_error **error);

/**
 * Starts sastaotp_client_reconcile: sastaotp_completion_reconciliation returns the candidates. The
 * intent is copied. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_submit_reconcile(const sastaotp_queue *queue,
                                                const sastaotp_intent *intent,
                                                uint32_t timeout_ms,
                                                void *user,
                                                uint64_t *ticket,
                                                sastaotp_error **error);

/**
 * Cancels a ticket immediately: its completion has SASTAOTP_ERROR_CANCELLED. Returns whether the
 * ticket was open. Returns false if `queue` is NULL or belongs to the parent process.
 *
 * Cancelling a wait does not change the order. A purchase that was already sent continues until
 * its reply: its completion has SASTAOTP_CHARGE_UNKNOWN, and sastaotp_client_unclaimed lists the
 * number that was bought. A change of an order that is in flight may still take effect: its
 * completion has SASTAOTP_PHASE_RECEIVE, and the status of the order shows the result. Since
 * 0.1.0.
 */
bool sastaotp_queue_cancel(const sastaotp_queue *queue, uint64_t ticket);

/**
 * Drops a ticket that its caller no longer needs. An open operation is cancelled as by
 * sastaotp_queue_cancel, but without a completion. A completion that was not taken is dropped. A
 * hold of sastaotp_queue_submit_held on a number ends. The function does not block: a finalizer of
 * any thread may call it.
 *
 * Returns true if the completion of the ticket can no longer be taken because of this call.
 * Returns false, and does nothing, if the ticket is unknown, or if `queue` is NULL or belongs to
 * the parent process. Since 0.1.0.
 */
bool sastaotp_queue_release(const sastaotp_queue *queue, uint64_t ticket);

/**
 * Takes at most `capacity` completions, oldest first, and writes their number to `*count`. Waits
 * at most `timeout_ms` milliseconds for the first; 0 does not wait. Each completion is returned
 * once. After sastaotp_queue_close it does not wait: take until `*count` is 0.
 *
 * A cancellation token does not end the wait. To wait for other events too, poll sastaotp_queue_fd
 * together with them.
 *
 * The caller owns each completion: free it with sastaotp_completion_free. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_take(const sastaotp_queue *queue,
                                    struct sastaotp_completion **completions,
                                    size_t capacity,
                                    uint32_t timeout_ms,
                                    size_t *count,
                                    sastaotp_error **error);

/**
 * Waits at most `timeout_ms` milliseconds for the completion of one ticket. If the operation has
 * not finished by then, writes NULL to `*completion` and returns SASTAOTP_OK.
 *
 * Fails with SASTAOTP_ERROR_CONFIG if the ticket is not from this queue, or its completion was
 * already returned. Free `*completion` with sastaotp_completion_free. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_join(const sastaotp_queue *queue,
                                    uint64_t ticket,
                                    uint32_t timeout_ms,
                                    struct sastaotp_completion **completion,
                                    sastaotp_error **error);

/**
 * Returns a file descriptor (a SOCKET on Windows) for poll, epoll and event loops. It is readable
 * exactly while there is a completion to take. Do not read from it or close it. It is valid until
 * sastaotp_queue_free: remove it from the event loop first. Returns -1 if `queue` is NULL or
 * belongs to the parent process. On Windows the first call makes it, from a connection of the
 * process with itself, and returns -1 if that fails: then call sastaotp_queue_take at intervals.
 * Since 0.1.0.
 */
intptr_t sastaotp_queue_fd(const sastaotp_queue *queue);

/**
 * Returns the number of open tickets: submitted and not finished. If it is 0, there may still be
 * completions to take. To know when all are taken, count submits and completions. Since 0.1.0.
 */
size_t sastaotp_queue_open_count(const sastaotp_queue *queue);

/**
 * Closes a queue: cancels its operations except the purchases that were sent, and waits at most
 * `timeout_ms` milliseconds for their replies. Each ticket completes, and its completion can still
 * be taken: take them to get each `user` back. Then returns the list of sastaotp_client_finish,
 * which includes the purchases whose completion was not taken. Report every entry: without a
 * journal, no other record of it exists after the process has ended.
 *
 * Within the same time, joins the threads that the queue and its purchases started. 10,000 is a
 * good value for `timeout_ms`. Free the queue afterwards, and `*list` with
 * sastaotp_unclaimed_list_free. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_queue_close(const sastaotp_queue *queue,
                                     uint32_t timeout_ms,
                                     struct sastaotp_unclaimed_list **list,
                                     sastaotp_error **error);

/**
 * Frees a queue and ends its operations without waiting for them. They have no completions, so
 * their `user` is not returned. Waits and reads end within a second; the orders do not change. A
 * purchase that was sent continues until its reply, and sastaotp_client_unclaimed lists it. It
 * also lists a purchase that is finished but was not taken. Before the program ends, call
 * sastaotp_queue_close first. Since 0.1.0.
 */
void sastaotp_queue_free(sastaotp_queue *queue);

/** A finished operation. Immutable. */
typedef struct sastaotp_completion sastaotp_completion;

/** Returns the ticket. Since 0.1.0. */
uint64_t sastaotp_completion_ticket(const sastaotp_completion *completion);

/** Returns the `user` of the submit. The library never dereferences it. Since 0.1.0. */
void *sastaotp_completion_user(const sastaotp_completion *completion);

/**
 * Returns SASTAOTP_OK, or the kind of failure of the operation. Returns SASTAOTP_ERROR_CONFIG if
 * `completion` is NULL: the operation has not finished. Since 0.1.0.
 */
sastaotp_status sastaotp_completion_status(const sastaotp_completion *completion);

/**
 * Returns the reason why the operation failed. Returns NULL if it succeeded. The error belongs to
 * the completion. Since 0.1.0.
 */
const sastaotp_error *sastaotp_completion_error(const sastaotp_completion *completion);

/**
 * Returns the number that get_number, lease, buy or reget_number bought. Returns NULL if the
 * operation failed or is of another kind. The activation belongs to the completion; to keep a
 * number, claim it by its id with sastaotp_client_activation, or submit further operations on it
 * to the queue. Until the completion is freed, it holds the number: sastaotp_client_unclaimed does
 * not list it. Since 0.1.0.
 */
const sastaotp_activation *sastaotp_completion_activation(const sastaotp_completion *completion);

/**
 * Returns the message that wait_for_code received. Returns NULL if the operation failed or is of
 * another kind. The message belongs to the completion. Since 0.1.0.
 */
const sastaotp_sms *sastaotp_completion_sms(const sastaotp_completion *completion);

/**
 * Returns the result of complete, cancel or settle. Returns NULL if the operation failed or is of
 * another kind. The settlement belongs to the completion. Since 0.1.0.
 */
const sastaotp_settlement *sastaotp_completion_settlement(const sastaotp_completion *completion);

/**
 * Returns the result of reconcile. Returns NULL if the operation failed or is of another kind. The
 * reconciliation belongs to the completion. Since 0.1.0.
 */
const sastaotp_reconciliation *sastaotp_completion_reconciliation(
    const sastaotp_completion *completion);

/**
 * Returns the result of the operation as JSON. Returns NULL if the operation failed. Since 0.1.0.
 */
const char *sastaotp_completion_json(const sastaotp_completion *completion);

/** Frees a completion. Since 0.1.0. */
void sastaotp_completion_free(sastaotp_completion *completion);

/*
 * Lists
 */

/** A list of unclaimed purchases. Immutable. */
typedef struct sastaotp_unclaimed_list sastaotp_unclaimed_list;

/**
 * A purchase that is not settled: its caller stopped waiting before the reply, its outcome is
 * unknown, or its order is open. Part of its list and freed with it.
 */
typedef struct sastaotp_unclaimed sastaotp_unclaimed;

/** The outcome of an unclaimed purchase. */
typedef enum sastaotp_outcome SASTAOTP_ENUM_INT32 {
    /** The reply has not arrived yet. */
    SASTAOTP_OUTCOME_PENDING = 1,
    /** A number was bought: claim it with sastaotp_client_activation. */
    SASTAOTP_OUTCOME_BOUGHT = 2,
    /** The outcome is unknown: reconcile the intent, then claim an order or resolve the intent. */
    SASTAOTP_OUTCOME_UNKNOWN = 0,
    /** Not a value: it makes the type 32 bits wide in C99. */
    SASTAOTP_OUTCOME_MAX_ENUM = INT32_MAX
} sastaotp_outcome;

/** Returns the number of purchases in the list. Since 0.1.0. */
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

/** Frees a list and its parts. The purchases stay unclaimed. Since 0.1.0. */
void sastaotp_unclaimed_list_free(sastaotp_unclaimed_list *list);

/**
 * Returns the outcome of the purchase. Returns SASTAOTP_OUTCOME_UNKNOWN if `unclaimed` is NULL.
 * Since 0.1.0.
 */
sastaotp_outcome sastaotp_unclaimed_outcome(const sastaotp_unclaimed *unclaimed);

/** Returns one line for a person: the purchase, its state, and the next step. Since 0.1.0. */
const char *sastaotp_unclaimed_message(const sastaotp_unclaimed *unclaimed);

/** Returns the intent of the purchase. The intent belongs to the list. Since 0.1.0. */
const sastaotp_intent *sastaotp_unclaimed_intent(const sastaotp_unclaimed *unclaimed);

/**
 * Returns the reply to the purchase. Returns NULL unless the outcome is SASTAOTP_OUTCOME_BOUGHT.
 * The purchase belongs to the list. Since 0.1.0.
 */
const sastaotp_purchase *sastaotp_unclaimed_purchase(const sastaotp_unclaimed *unclaimed);

/**
 * Returns the reason why the outcome is unknown. Returns NULL unless the outcome is
 * SASTAOTP_OUTCOME_UNKNOWN. The error belongs to the list. Since 0.1.0.
 */
const sastaotp_error *sastaotp_unclaimed_error(const sastaotp_unclaimed *unclaimed);

/**
 * The leases of ended processes that sastaotp_client_settle_leftover_leases settled, or tried to.
 * Immutable.
 */
typedef struct sastaotp_settled_leases sastaotp_settled_leases;

/**
 * Settles the leases in the client's journal whose processes ended before they settled them: see
 * the member `journal` of sastaotp_config and sastaotp_activation_settle. Without a journal there
 * are none. A lease that could not be settled has an error in `*leases`, and
 * sastaotp_client_unclaimed lists its number. Actions getStatus and setStatus.
 *
 * Free `*leases` with sastaotp_settled_leases_free. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_client_settle_leftover_leases(const sastaotp_client *client,
                                                       sastaotp_on_too_early on_too_early,
                                                       sastaotp_settled_leases **leases,
                                                       sastaotp_error **error);

/** Returns the number of leases. Since 0.1.0. */
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
 * settlement and error; one of the last two is null. Since 0.1.0.
 */
const char *sastaotp_settled_leases_json(const sastaotp_settled_leases *leases);

/** Frees the leases and their parts. Since 0.1.0. */
void sastaotp_settled_leases_free(sastaotp_settled_leases *leases);

/*
 * Utilities
 */

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
 * Fails with SASTAOTP_ERROR_CONFIG if the text is not such an amount or the amount does not fit 64
 * bits; then `*micros` is unchanged. Since 0.1.0.
 */
SASTAOTP_MUST_USE
sastaotp_status sastaotp_amount_parse(const char *rupees, int64_t *micros, sastaotp_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // SASTAOTP_H
