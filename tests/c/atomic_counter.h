/* A counter that threads share; C99 has no atomics. */
#ifndef ATOMIC_COUNTER_H
#define ATOMIC_COUNTER_H

#include <pthread.h>

typedef struct counter {
    pthread_mutex_t lock;
    long long value;
} counter;

#define COUNTER {PTHREAD_MUTEX_INITIALIZER, 0}

/* Adds and returns the sum; adding 0 only reads. */
static inline long long counter_add(counter *shared, long long by) {
    pthread_mutex_lock(&shared->lock);
    long long value = shared->value += by;
    pthread_mutex_unlock(&shared->lock);
    return value;
}

#endif
