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
