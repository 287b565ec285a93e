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
