/* Just enough of JSON to say whether a text is it, and to walk through it. */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>

/* Whether the text is one JSON value, in UTF-8, with nothing after it. */
int json_is_valid(const char *text);

/* The value of a member of the object that begins there; NULL where it is no object or has no such member. */
const char *json_member(const char *object, const char *name);

/* Whether the value that begins there is written just so. */
int json_is(const char *value, const char *written);

/* How many bytes the value that begins there takes; 0 where none does. */
size_t json_size(const char *value);

/* Steps through a list or an object: the value after `before`, which is NULL for the first; NULL at the end, and where it is
 * neither. `name` receives where the name of a member begins, in quotes. */
const char *json_step(const char *many, const char *before, const char **name);

#endif
