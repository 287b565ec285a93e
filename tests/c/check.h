/* Checks that print their location and the actual value, and end the program. NDEBUG has no effect.
 */
#ifndef CHECK_H
#define CHECK_H

#include <sastaotp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) check_true((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
#define CHECK_INT(actual, expected) \
    check_int((int64_t)(actual), (int64_t)(expected), #actual " == " #expected, __FILE__, __LINE__)
/* Both may be NULL. */
#define CHECK_TEXT(actual, expected) \
    check_text((actual), (expected), #actual " is " #expected, __FILE__, __LINE__)
#define CHECK_CONTAINS(text, part) \
    check_contains((text), (part), #text " contains " #part, __FILE__, __LINE__)
/* A call that must succeed; its last argument is the address of a variable `error`. */
#define WORKS(call) check_works((call), &error, #call, __FILE__, __LINE__)
/* A call that must fail with this status; its last argument is the address of a variable `error`,
 * which the caller frees. */
#define FAILS(call, status) \
    check_fails((call), (status), &error, #call " fails with " #status, __FILE__, __LINE__)

/* The row of a table that the next checks are about, or NULL. */
static const char *check_context;

static inline void check_failed(const char *what, const char *file, int line) {
    if (check_context) fprintf(stderr, "%s: ", check_context);
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    exit(1);
}

static inline void check_true(int holds, const char *what, const char *file, int line) {
    if (!holds) check_failed(what, file, line);
}

static inline void check_int(int64_t actual, int64_t expected, const char *what, const char *file,
                             int line) {
    if (actual == expected) return;
    fprintf(stderr, "%lld instead of %lld: ", (long long)actual, (long long)expected);
    check_failed(what, file, line);
}

static inline void check_text(const char *actual, const char *expected, const char *what,
                              const char *file, int line) {
    if (actual == NULL && expected == NULL) return;
    if (actual != NULL && expected != NULL && strcmp(actual, expected) == 0) return;
    fprintf(stderr, "\"%s\" instead of \"%s\": ", actual ? actual : "(NULL)",
            expected ? expected : "(NULL)");
    check_failed(what, file, line);
}

static inline void check_contains(const char *text, const char *part, const char *what,
                                  const char *file, int line) {
    if (text != NULL && strstr(text, part) != NULL) return;
    fprintf(stderr, "\"%.2000s\" does not contain \"%s\": ", text ? text : "(NULL)", part);
    check_failed(what, file, line);
}

/* A limit in milliseconds. It is exact only if SASTAOTP_STRICT_TIMING is set, as on a quiet
 * machine; otherwise only a hang exceeds it. */
static inline long long at_most_ms(long long millis) {
    return getenv("SASTAOTP_STRICT_TIMING") ? millis : millis + 30000;
}

static inline void check_works(sastaotp_status status, sastaotp_error **error, const char *what,
                               const char *file, int line) {
    if (status != SASTAOTP_OK)
        fprintf(stderr, "%s: ", *error ? sastaotp_error_message(*error) : "no error object");
    if (status != SASTAOTP_OK || *error != NULL) check_failed(what, file, line);
}

static inline void check_fails(sastaotp_status actual, sastaotp_status expected,
                               sastaotp_error **error, const char *what, const char *file,
                               int line) {
    if (actual != expected) {
        const char *name = sastaotp_status_name(actual);
        fprintf(stderr, "%s (%s): ", name ? name : "?",
                *error ? sastaotp_error_message(*error) : "no error object");
    }
    if (actual != expected || *error == NULL || sastaotp_error_status(*error) != expected) {
        check_failed(what, file, line);
    }
}

#endif
