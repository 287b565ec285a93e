/* Calls on a queue that must succeed, for all programs. */
#ifndef QUEUE_CALLS_H
#define QUEUE_CALLS_H

#include <sastaotp.h>

enum { SOON_MS = 25000 };

/* Returns an empty queue of a client. */
sastaotp_queue *queue_of(const sastaotp_client *client);

/* Submits the JSON of an operation and returns its ticket. */
uint64_t submit(const sastaotp_queue *queue, const char *operation);

/* Waits for the completion of a ticket. */
sastaotp_completion *join(const sastaotp_queue *queue, uint64_t ticket);

/* Runs an operation that must succeed; returns its JSON, which the caller frees. */
char *result_of(const sastaotp_queue *queue, const char *operation);

/* The JSON of an operation on an activation; `more` continues the object. Valid until the next
 * call. */
const char *operation_on(const char *op, const char *id, const char *more);

/* The JSON of a purchase in India for at most 100 rupees. Valid until the next call. */
const char *purchase_of(const char *service);

/* Buys a number and copies its id. */
void buy(const sastaotp_queue *queue, const char *service, char id[65]);

/* Closes a queue without unclaimed purchases and frees it. */
void queue_end(sastaotp_queue *queue);

/* The number of threads of this process. */
int threads(void);

#endif
