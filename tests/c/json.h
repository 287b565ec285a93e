/* A small JSON reader: validates a text and steps through its values. */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>

/* Whether the text is one JSON value, in UTF-8, with nothing after it. */
int json_is_valid(const char *text);

/* Returns the value of an object's member; NULL if `object` does not start an object, or has no
 * such member. */
const char *json_member(const char *object, const char *name);

/* Whether the value that starts at `value` is spelled exactly like `expected`. */
int json_is(const char *value, const char *expected);

/* Returns the length in bytes of the value that starts at `value`; 0 if none does. */
size_t json_size(const char *value);

/* Steps through a list or an object. Returns the value after `previous`, or the first if `previous`
 * is NULL; returns NULL at the end, or if `container` is neither. For a member of an object, writes
 * the start of its quoted name to `*name`. */
const char *json_step(const char *container, const char *previous, const char **name);

#endif
