/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A field table: one array of JsonField per struct drives parsing, validation and serialisation, so
 * that the three cannot drift apart. Strict: unknown keys (but "x-...") are refused with the
 * nearest known key; wrong types and ranges are named with the JSON pointer (RFC 6901) of the
 * place.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum JsonFieldType {
        JSON_FIELD_STRING, /* char *, owned; min/max are lengths in bytes */
        JSON_FIELD_BOOL,   /* bool */
        JSON_FIELD_U64,    /* uint64_t; min/max are values */
        JSON_FIELD_I64,    /* int64_t; min/max (as int64_t) are values */
        JSON_FIELD_ENUM,   /* int: index into names */
        JSON_FIELD_OBJECT, /* struct at offset, by its own table */
        JSON_FIELD_JSON,   /* json_object *, owned reference; any value; null is as if absent */
} JsonFieldType;

typedef struct JsonField JsonField;
struct JsonField {
        const char *key;
        JsonFieldType type;
        size_t offset;
        uint64_t min, max;        /* both 0: no limits. A default need not lie within them. */
        const char *const *names; /* JSON_FIELD_ENUM: NULL-terminated */
        const JsonField *fields;  /* JSON_FIELD_OBJECT: ends with a NULL key */
        bool required;
        uint64_t default_value; /* U64, I64, BOOL, ENUM when absent */
        const char *unit;       /* for messages and documents: "MiB" */
        const char *doc;        /* one sentence */
};

typedef struct JsonProblem {
        char pointer[128]; /* JSON pointer, "" for the whole document */
        char message[384]; /* cause and fix, guest- or caller-chosen text escaped */
} JsonProblem;

/*
 * Describes a problem (printf; the arguments are ASCII or already escaped; what does not fit is
 * cut) and returns -EBADMSG. problem may be NULL.
 */
int json_problem(JsonProblem *problem, const char *pointer, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * Composes the pointer of a key below parent (RFC 6901 section 3; key escaped for terminals too)
 * into a buffer of size bytes. Returns buffer.
 */
char *json_pointer_of(char *buffer, size_t size, const char *parent, const char *key);

/*
 * Parses text of length bytes into a json_object (NULL for the JSON value null), by RFC 8259 to the
 * letter. Depth at most JSON_MAX_DEPTH; nothing may follow the value; duplicate keys, NUL bytes (as
 * \u0000 too) and invalid UTF-8 refused. 0, -EBADMSG with *problem set, -ENOMEM. Linear in length.
 */
#define JSON_MAX_DEPTH 16U
int json_parse_strict(const char *text, size_t length, json_object **ret, JsonProblem *problem);

/* The same without a copy: text[length] must be NUL, and the text is overwritten. */
int json_parse_strict_in_place(char *text, size_t length, json_object **ret, JsonProblem *problem);

/*
 * Prints json (NULL: null) without blanks, as json_parse_strict() takes it; the caller frees
 * *ret_text. ret_length may be NULL. -EILSEQ if a string in it is not UTF-8 or holds a NUL byte,
 * -EINVAL for a number that is none or a depth over JSON_MAX_DEPTH, -ENOMEM. To be used instead of
 * json_object_to_json_string(), whose text is silently cut short where memory runs out.
 */
int json_print(json_object *json, char **ret_text, size_t *ret_length);

/*
 * Fills object by the table (which ends with a NULL key), defaults included. On failure -EBADMSG
 * with *problem set or -ENOMEM, and object holds nothing owned. pointer is the place of json in its
 * document ("" at the top). A table has at most 64 fields. Whole numbers may be written with a
 * fraction of zero or an exponent, as JSON Schema has it.
 */
int json_fields_load(const JsonField *fields, json_object *json, const char *pointer, void *object,
                     JsonProblem *problem);

/* The JSON object of a struct; NULL strings are left out. NULL without memory. It refers to the
 * keys of the table, which has to outlive it. */
json_object *json_fields_save(const JsonField *fields, const void *object);

/* Frees what the struct owns and empties it. */
void json_fields_done(const JsonField *fields, void *object);
