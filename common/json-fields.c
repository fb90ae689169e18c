/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/json-fields.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/string-util.h"

#define MAX_FIELDS    64U
#define POINTER_SIZE  sizeof(((JsonProblem *)NULL)->pointer)
#define EXACT_INTEGER 9007199254740992.0 /* 2^53: below it a double holds every integer */

#define MEMBER(object, field, type) (*(type *)(void *)((char *)(object) + (field)->offset))
#define MEMBER_CONST(object, field, type)                                                          \
        (*(type const *)(const void *)((const char *)(object) + (field)->offset))

static size_t count_fields(const JsonField *fields)
{
        size_t n = 0;

        while (fields[n].key)
                n++;
        assert(n <= MAX_FIELDS);
        return n;
}

static bool has_limits(const JsonField *field)
{
        return field->min != 0 || field->max != 0;
}

/* "; did you mean ...?" for a word that is in no table, or "". */
static const char *suggest(char *buffer, size_t size, const char *word, const char *const *table,
                           size_t n_table)
{
        const char *nearest = string_nearest(word, table, n_table);

        if (!nearest)
                return "";
        snprintf(buffer, size, "; did you mean \"%s\"?", nearest);
        return buffer;
}

static int refuse_field(JsonProblem *problem, const char *pointer, const JsonField *field,
                        const char *text)
{
        char place[POINTER_SIZE];

        return json_problem(problem, json_pointer_of(place, sizeof(place), pointer, field->key),
                            "\"%s\" %s", field->key, text);
}

static int refuse_unknown(JsonProblem *problem, const char *pointer, const JsonField *fields,
                          const char *key)
{
        const char *keys[MAX_FIELDS];
        size_t n = count_fields(fields);
        char place[POINTER_SIZE], escaped[96], suggestion[96];

        for (size_t i = 0; i < n; i++)
                keys[i] = fields[i].key;
        string_escape_into(escaped, sizeof(escaped), key, strlen(key));
        return json_problem(problem, json_pointer_of(place, sizeof(place), pointer, key),
                            "unknown key \"%s\"%s", escaped,
                            suggest(suggestion, sizeof(suggestion), key, keys, n));
}

static const char *type_name(JsonFieldType type)
{
        switch (type) {
        case JSON_FIELD_STRING:
        case JSON_FIELD_ENUM:
                return "a string";
        case JSON_FIELD_BOOL:
                return "true or false";
        case JSON_FIELD_U64:
        case JSON_FIELD_I64:
                return "a whole number";
        case JSON_FIELD_OBJECT:
                return "an object";
        case JSON_FIELD_JSON:
                break;
        }
        return "a value";
}

static const char *value_name(json_object *json)
{
        switch (json_object_get_type(json)) {
        case json_type_null:
                return "null";
        case json_type_boolean:
                return json_object_get_boolean(json) ? "true" : "false";
        case json_type_double:
                return "a fraction";
        case json_type_int:
                return "a number";
        case json_type_object:
                return "an object";
        case json_type_array:
                return "an array";
        case json_type_string:
                break;
        }
        return "a string";
}

static int refuse_type(JsonProblem *problem, const char *pointer, const JsonField *field,
                       json_object *json)
{
        char text[96];

        snprintf(text, sizeof(text), "must be %s%s%s, not %s", type_name(field->type),
                 field->unit ? " of " : "", field->unit ? field->unit : "", value_name(json));
        return refuse_field(problem, pointer, field, text);
}

static int refuse_range(JsonProblem *problem, const char *pointer, const JsonField *field,
                        const char *given)
{
        char text[256], from[24], to[24];

        if (field->type == JSON_FIELD_I64) {
                int64_t min = has_limits(field) ? (int64_t)field->min : INT64_MIN;
                int64_t max = has_limits(field) ? (int64_t)field->max : INT64_MAX;

                snprintf(from, sizeof(from), "%" PRIi64, min);
                snprintf(to, sizeof(to), "%" PRIi64, max);
        } else {
                snprintf(from, sizeof(from), "%" PRIu64, field->min);
                snprintf(to, sizeof(to), "%" PRIu64, has_limits(field) ? field->max : UINT64_MAX);
        }
        snprintf(text, sizeof(text), "is %s, but must be from %s to %s%s%s", given, from, to,
                 field->unit ? " " : "", field->unit ? field->unit : "");
        return refuse_field(problem, pointer, field, text);
}

/* A number as its text stands in messages: json-c keeps what the caller wrote. */
static int refuse_number(JsonProblem *problem, const char *pointer, const JsonField *field,
                         json_object *json)
{
        char given[48];
        const char *text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);

        if (!text)
                return -ENOMEM;
        string_escape_into(given, sizeof(given), text, strlen(text));
        return refuse_range(problem, pointer, field, given);
}

static int load_string(const JsonField *field, json_object *json, const char *pointer, void *object,
                       JsonProblem *problem)
{
        const char *text;
        size_t length;
        char *copy;

        if (!json_object_is_type(json, json_type_string))
                return refuse_type(problem, pointer, field, json);
        text = json_object_get_string(json);
        length = (size_t)json_object_get_string_len(json);
        if (strlen(text) != length)
                return refuse_field(problem, pointer, field, "holds a NUL byte; remove it");
        if (has_limits(field) && (length < field->min || length > field->max)) {
                char message[192];

                if (length == 0)
                        snprintf(message, sizeof(message), "must not be empty");
                else
                        snprintf(message, sizeof(message),
                                 "is %zu bytes long, but must be from %" PRIu64 " to %" PRIu64
                                 " bytes",
                                 length, field->min, field->max);
                return refuse_field(problem, pointer, field, message);
        }
        copy = malloc(length + 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, text, length + 1);
        MEMBER(object, field, char *) = copy;
        return 0;
}

static int load_integer(const JsonField *field, json_object *json, const char *pointer,
                        void *object, JsonProblem *problem)
{
        bool is_signed = field->type == JSON_FIELD_I64, fits;
        uint64_t magnitude;
        int64_t value;

        if (json_object_is_type(json, json_type_double)) {
                double number = json_object_get_double(json);

                if (number >= EXACT_INTEGER || number <= -EXACT_INTEGER)
                        return refuse_number(problem, pointer, field, json);
                value = (int64_t)number;
                if ((double)value != number)
                        return refuse_type(problem, pointer, field, json);
                magnitude = (uint64_t)value;
        } else if (json_object_is_type(json, json_type_int)) {
                value = json_object_get_int64(json); /* both saturate */
                magnitude = json_object_get_uint64(json);
        } else {
                return refuse_type(problem, pointer, field, json);
        }

        if (is_signed) {
                fits = value >= 0 ? magnitude == (uint64_t)value : true;
                fits = fits && (!has_limits(field) ||
                                (value >= (int64_t)field->min && value <= (int64_t)field->max));
                MEMBER(object, field, int64_t) = value;
        } else {
                fits = value >= 0 &&
                       (!has_limits(field) || (magnitude >= field->min && magnitude <= field->max));
                MEMBER(object, field, uint64_t) = magnitude;
        }
        return fits ? 0 : refuse_number(problem, pointer, field, json);
}

static int load_enum(const JsonField *field, json_object *json, const char *pointer, void *object,
                     JsonProblem *problem)
{
        char list[192] = "", text[384], escaped[64], suggestion[64];
        const char *word;
        size_t n = 0, used = 0;

        if (!json_object_is_type(json, json_type_string))
                return refuse_type(problem, pointer, field, json);
        word = json_object_get_string(json);
        for (; field->names[n]; n++)
                if (streq(field->names[n], word) &&
                    strlen(word) == (size_t)json_object_get_string_len(json)) {
                        MEMBER(object, field, int) = (int)n;
                        return 0;
                }

        for (size_t i = 0; i < n && used < sizeof(list); i++)
                used += (size_t)snprintf(list + used, sizeof(list) - used, "%s\"%s\"",
                                         i == 0 ? "" : ", ", field->names[i]);
        string_escape_into(escaped, sizeof(escaped), word, strlen(word));
        snprintf(text, sizeof(text), "is \"%s\", but must be one of %s%s", escaped, list,
                 suggest(suggestion, sizeof(suggestion), word, field->names, n));
        return refuse_field(problem, pointer, field, text);
}

static int load_object(const JsonField *field, json_object *json, const char *pointer, void *object,
                       JsonProblem *problem)
{
        char place[POINTER_SIZE];

        if (!json_object_is_type(json, json_type_object))
                return refuse_type(problem, pointer, field, json);
        return json_fields_load(field->fields, json,
                                json_pointer_of(place, sizeof(place), pointer, field->key),
                                &MEMBER(object, field, char), problem);
}

static int load_field(const JsonField *field, json_object *json, const char *pointer, void *object,
                      JsonProblem *problem)
{
        switch (field->type) {
        case JSON_FIELD_STRING:
                return load_string(field, json, pointer, object, problem);
        case JSON_FIELD_BOOL:
                if (!json_object_is_type(json, json_type_boolean))
                        return refuse_type(problem, pointer, field, json);
                MEMBER(object, field, bool) = json_object_get_boolean(json);
                return 0;
        case JSON_FIELD_U64:
        case JSON_FIELD_I64:
                return load_integer(field, json, pointer, object, problem);
        case JSON_FIELD_ENUM:
                return load_enum(field, json, pointer, object, problem);
        case JSON_FIELD_OBJECT:
                return load_object(field, json, pointer, object, problem);
        case JSON_FIELD_JSON:
                if (!json && field->required)
                        return refuse_type(problem, pointer, field, json);
                MEMBER(object, field, json_object *) = json_object_get(json);
                return 0;
        }
        return -EINVAL;
}

static void set_default(const JsonField *field, void *object)
{
        switch (field->type) {
        case JSON_FIELD_STRING:
                MEMBER(object, field, char *) = NULL;
                break;
        case JSON_FIELD_BOOL:
                MEMBER(object, field, bool) = field->default_value != 0;
                break;
        case JSON_FIELD_U64:
        case JSON_FIELD_I64:
                MEMBER(object, field, uint64_t) = field->default_value;
                break;
        case JSON_FIELD_ENUM:
                MEMBER(object, field, int) = (int)field->default_value;
                break;
        case JSON_FIELD_OBJECT:
                for (const JsonField *f = field->fields; f->key; f++)
                        set_default(f, &MEMBER(object, field, char));
                break;
        case JSON_FIELD_JSON:
                MEMBER(object, field, json_object *) = NULL;
                break;
        }
}

static const JsonField *find_field(const JsonField *fields, const char *key)
{
        for (const JsonField *f = fields; f->key; f++)
                if (f->key[0] == key[0] && streq(f->key, key))
                        return f;
        return NULL;
}

static int load_members(const JsonField *fields, json_object *json, const char *pointer,
                        void *object, JsonProblem *problem)
{
        struct lh_entry *entry;
        uint64_t seen = 0;

        lh_foreach(json_object_get_object(json), entry)
        {
                const char *key = lh_entry_k(entry);
                const JsonField *field = find_field(fields, key);
                int r;

                if (!field && strncmp(key, "x-", 2) == 0)
                        continue;
                if (!field)
                        return refuse_unknown(problem, pointer, fields, key);
                r = load_field(field, (json_object *)lh_entry_v(entry), pointer, object, problem);
                if (r < 0)
                        return r;
                seen |= UINT64_C(1) << (field - fields);
        }

        for (const JsonField *f = fields; f->key; f++)
                if (f->required && !(seen & UINT64_C(1) << (f - fields)))
                        return json_problem(problem, pointer, "\"%s\" is missing; add it", f->key);
        return 0;
}

int json_fields_load(const JsonField *fields, json_object *json, const char *pointer, void *object,
                     JsonProblem *problem)
{
        int r;

        for (const JsonField *f = fields; f->key; f++)
                set_default(f, object);
        if (!json_object_is_type(json, json_type_object))
                return json_problem(problem, pointer, "an object {...} is needed here, not %s",
                                    value_name(json));
        r = load_members(fields, json, pointer, object, problem);
        if (r < 0)
                json_fields_done(fields, object);
        return r;
}

/* A new value in *ret; 1 if the field is to be left out. */
static int save_field(const JsonField *field, const void *object, json_object **ret)
{
        switch (field->type) {
        case JSON_FIELD_STRING: {
                const char *text = MEMBER_CONST(object, field, char *);

                if (!text)
                        return 1;
                *ret = json_object_new_string(text);
                break;
        }
        case JSON_FIELD_BOOL:
                *ret = json_object_new_boolean(MEMBER_CONST(object, field, bool));
                break;
        case JSON_FIELD_U64: {
                uint64_t value = MEMBER_CONST(object, field, uint64_t);

                *ret = value > INT64_MAX ? json_object_new_uint64(value)
                                         : json_object_new_int64((int64_t)value);
                break;
        }
        case JSON_FIELD_I64:
                *ret = json_object_new_int64(MEMBER_CONST(object, field, int64_t));
                break;
        case JSON_FIELD_ENUM:
                *ret = json_object_new_string(field->names[MEMBER_CONST(object, field, int)]);
                break;
        case JSON_FIELD_OBJECT:
                *ret = json_fields_save(field->fields, &MEMBER_CONST(object, field, char));
                break;
        case JSON_FIELD_JSON: {
                json_object *json = MEMBER_CONST(object, field, json_object *);

                if (!json)
                        return 1;
                *ret = json_object_get(json);
                break;
        }
        }
        return *ret ? 0 : -ENOMEM;
}

json_object *json_fields_save(const JsonField *fields, const void *object)
{
        json_object *json = json_object_new_object();

        if (!json)
                return NULL;
        for (const JsonField *f = fields; f->key; f++) {
                json_object *value = NULL;
                int r = save_field(f, object, &value);

                if (r > 0)
                        continue;
                /* The table's keys outlive the object. (json-c leaks a key of its own when the
                 * table of an object cannot grow.) */
                if (r < 0 ||
                    json_object_object_add_ex(json, f->key, value,
                                              JSON_C_OBJECT_ADD_KEY_IS_NEW |
                                                      JSON_C_OBJECT_ADD_CONSTANT_KEY) < 0) {
                        json_object_put(value);
                        json_object_put(json);
                        return NULL;
                }
        }
        return json;
}

void json_fields_done(const JsonField *fields, void *object)
{
        for (const JsonField *f = fields; f->key; f++) {
                if (f->type == JSON_FIELD_STRING) {
                        free(MEMBER(object, f, char *));
                        MEMBER(object, f, char *) = NULL;
                } else if (f->type == JSON_FIELD_JSON) {
                        json_object_put(MEMBER(object, f, json_object *));
                        MEMBER(object, f, json_object *) = NULL;
                } else if (f->type == JSON_FIELD_OBJECT) {
                        json_fields_done(f->fields, &MEMBER(object, f, char));
                }
        }
}
