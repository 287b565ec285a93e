/* Pauses and a monotonic clock in milliseconds. The includer defines _POSIX_C_SOURCE. */
#ifndef MILLISECONDS_H
#define MILLISECONDS_H

#include <time.h>

static inline void sleep_ms(long millis) {
    struct timespec pause = {millis / 1000, millis % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static inline long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
