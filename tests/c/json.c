/* Reads RFC 8259 JSON by recursive descent. */
#include "json.h"

#include <string.h>

enum { DEPTH = 64 };

static const char *value(const char *at, int depth);

static const char *skip_spaces(const char *at) {
    return at + strspn(at, " \t\r\n");
}

/* Returns the position after a non-ASCII UTF-8 sequence; NULL if it is invalid. */
static const char *utf8(const char *at) {
    const unsigned char *byte = (const unsigned char *)at;
    static const struct { unsigned char low, high, first_low, first_high; int more; } rows[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2}, {0xe1, 0xec, 0x80, 0xbf, 2},
        {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2}, {0xf0, 0xf0, 0x90, 0xbf, 3},
        {0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        if (*byte < rows[row].low || *byte > rows[row].high) continue;
        if (byte[1] < rows[row].first_low || byte[1] > rows[row].first_high) return NULL;
        for (int more = 2; more <= rows[row].more; more++) {
            if (byte[more] < 0x80 || byte[more] > 0xbf) return NULL;
        }
        return at + rows[row].more + 1;
    }
    return NULL;
}

static const char *string(const char *at) {
    if (*at++ != '"') return NULL;
    while (at != NULL && *at != '"') {
        if ((unsigned char)*at < 0x20) return NULL;
        if ((unsigned char)*at >= 0x80) {
            at = utf8(at);
        } else if (*at != '\\') {
            at++;
        } else if (at[1] == 'u') {
            if (strspn(at + 2, "0123456789abcdefABCDEF") < 4) return NULL;
            at += 6;
        } else {
            if (at[1] == '\0' || strchr("\"\\/bfnrt", at[1]) == NULL) return NULL;
            at += 2;
        }
    }
    return at ? at + 1 : NULL;
}

static const char *digits(const char *at) {
    size_t count = strspn(at, "0123456789");
    return count > 0 ? at + count : NULL;
}

static const char *number(const char *at) {
    if (*at == '-') at++;
    at = *at == '0' ? at + 1 : digits(at);
    if (at != NULL && *at == '.') at = digits(at + 1);
    if (at != NULL && (*at == 'e' || *at == 'E')) {
        at++;
        at = digits(at + (*at == '+' || *at == '-'));
    }
    return at;
}

/* Reads the elements of a list or the members of an object. */
static const char *container(const char *at, char end, int depth) {
    at = skip_spaces(at + 1);
    if (*at == end) return at + 1;
    for (;;) {
        if (end == '}') {
            at = string(at);
            if (at == NULL) return NULL;
            at = skip_spaces(at);
            if (*at != ':') return NULL;
            at = skip_spaces(at + 1);
        }
        at = value(at, depth + 1);
        if (at == NULL) return NULL;
        at = skip_spaces(at);
        if (*at == end) return at + 1;
        if (*at != ',') return NULL;
        at = skip_spaces(at + 1);
    }
}

/* Returns the position after the value that starts at `at`; NULL if none does. */
static const char *value(const char *at, int depth) {
    static const char *const words[] = {"true", "false", "null"};
    if (depth > DEPTH) return NULL;
    if (*at == '{') return container(at, '}', depth);
    if (*at == '[') return container(at, ']', depth);
    if (*at == '"') return string(at);
    for (size_t word = 0; word < sizeof words / sizeof *words; word++) {
        if (strncmp(at, words[word], strlen(words[word])) == 0) return at + strlen(words[word]);
    }
    return number(at);
}

int json_is_valid(const char *text) {
    const char *end = text ? value(skip_spaces(text), 0) : NULL;
    return end != NULL && *skip_spaces(end) == '\0';
}

const char *json_member(const char *object, const char *name) {
    if (object == NULL || *object != '{') return NULL;
    const char *at = skip_spaces(object + 1);
    while (at != NULL && *at == '"') {
        const char *key = at + 1, *key_end = string(at);
        if (key_end == NULL) return NULL;
        at = skip_spaces(skip_spaces(key_end) + 1);
        size_t length = (size_t)(key_end - key) - 1;
        if (length == strlen(name) && memcmp(key, name, length) == 0) return at;
        at = value(at, 1);
        if (at == NULL) return NULL;
        at = skip_spaces(at);
        at = *at == ',' ? skip_spaces(at + 1) : NULL;
    }
    return NULL;
}

int json_is(const char *value, const char *expected) {
    size_t length = strlen(expected);
    return json_size(value) == length && memcmp(value, expected, length) == 0;
}

size_t json_size(const char *start) {
    const char *end = start ? value(start, 0) : NULL;
    return end ? (size_t)(end - start) : 0;
}

const char *json_step(const char *list, const char *previous, const char **name) {
    if (list == NULL || (*list != '{' && *list != '[')) return NULL;
    const char *at = skip_spaces(previous ? previous + json_size(previous) : list + 1);
    if (previous != NULL && *at == ',') at = skip_spaces(at + 1);
    if (*at == ']' || *at == '}' || *at == '\0') return NULL;
    if (*list == '[') return at;
    *name = at;
    return skip_spaces(skip_spaces(at + json_size(at)) + 1);
}
