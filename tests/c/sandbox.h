/* Controls the sandbox through plain sockets, so that the tests do not depend on the library. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <sastaotp.h>
#include <stddef.h>

/* Sets the URL that sastaotp-sandbox printed. */
void sandbox_open(const char *url);
const char *sandbox_url(void);
const char *sandbox_key(void);

/* Selects the API key for the functions below and resets its wallet, orders, faults and log. Call
 * it from one thread only. */
void sandbox_begin(const char *key);

/* Makes a control call, which must succeed: a POST if there is a body, otherwise a GET. The caller
 * frees the reply. */
char *sandbox_call(const char *call, const char *body);
void sandbox_do(const char *call, const char *body);

/* Returns the number of requests that the service received: of one action, or all if it is NULL. */
size_t sandbox_requests(const char *action);

/* Settings and a client with the key; a request for a service in India for at most 100 rupees. */
sastaotp_config sandbox_config(void);
sastaotp_client *sandbox_client(void);
sastaotp_number_request sandbox_request(const char *service);
sastaotp_activation *sandbox_buy(const sastaotp_client *client, const char *service);

#endif
