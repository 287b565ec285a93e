/* The sandbox, asked over plain sockets of the tests' own, so that the library is not its own witness. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <sastaotp.h>
#include <stddef.h>

/* Takes the address that sastaotp-sandbox printed. */
void sandbox_open(const char *url);
const char *sandbox_url(void);

/* What follows is about this key, whose wallet, orders, faults and log begin anew. One thread only. */
void sandbox_begin(const char *key);

/* Makes a control call that must work, on the key; without a body it reads. The reply is yours: free. */
char *sandbox_ask(const char *call, const char *body);
void sandbox_do(const char *call, const char *body);

/* How many requests the service saw: of one action, or of all where that is NULL. */
size_t sandbox_requests(const char *action);

/* A client with the key, and a request for a service in India for 100 rupees at most. */
sastaotp_config *sandbox_config(void);
sastaotp_client *sandbox_client(void);
sastaotp_number_request *sandbox_request(const char *service);
sastaotp_activation *sandbox_buy(const sastaotp_client *client, const char *service);

#endif
