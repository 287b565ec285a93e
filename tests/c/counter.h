/* A number that threads share; C99 has no atomic ones. */
#ifndef COUNTER_H
#define COUNTER_H

#include <pthread.h>

typedef struct counter {
    pthread_mutex_t lock;
    long long value;
} counter;

#define COUNTER {PTHREAD_MUTEX_INITIALIZER, 0}

/* Adds and returns the sum; adding 0 reads. */
static inline long long counter_add(counter *it, long long by) {
    pthread_mutex_lock(&it->lock);
    long long value = it->value += by;
    pthread_mutex_unlock(&it->lock);
    return value;
}

#endif
