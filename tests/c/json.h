/* Just enough of JSON to say whether a text is it, and to find a member. */
#ifndef JSON_H
#define JSON_H

/* Whether the text is one JSON value, in UTF-8, with nothing after it. */
int json_is_valid(const char *text);

/* The value of a member of the object that begins there; NULL where it is no object or has no such member. */
const char *json_member(const char *object, const char *name);

/* Whether the value that begins there is written just so. */
int json_is(const char *value, const char *written);

#endif
