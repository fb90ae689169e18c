/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Prints as JSON what the program itself goes by: the field tables, the methods, events and exit
 * codes. With arguments, parses each as a configuration file instead and prints per file "ok" or
 * the refusal.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "protocol/protocol.h"
#include "vmconfig/platform-version.h"
#include "vmconfig/vm-config.h"

#define FILE_MAX (1U << 20)

static const char *const type_names[] = {
        [JSON_FIELD_STRING] = "string", [JSON_FIELD_BOOL] = "bool", [JSON_FIELD_U64] = "u64",
        [JSON_FIELD_I64] = "i64",       [JSON_FIELD_ENUM] = "enum", [JSON_FIELD_OBJECT] = "object",
        [JSON_FIELD_JSON] = "json",
};

static const struct {
        const char *name;
        const JsonField *fields;
} tables[] = {
        {"vm-config", vm_config_fields},
        {"hello", protocol_hello_fields},
        {"hello reply", protocol_hello_reply_fields},
        {"start", protocol_start_fields},
        {"console", protocol_console_fields},
        {"state", protocol_state_fields},
        {"payload", protocol_payload_fields},
        {"console-writer", protocol_console_writer_fields},
        {"ended", protocol_ended_fields},
        {"stats reply", protocol_stats_fields},
        {"snapshot reply", protocol_snapshot_fields},
};

static json_object *number(const JsonField *field, uint64_t value)
{
        return field->type == JSON_FIELD_I64 || value <= INT64_MAX
                       ? json_object_new_int64((int64_t)value)
                       : json_object_new_uint64(value);
}

static json_object *strings(const char *const *texts)
{
        json_object *array = json_object_new_array();

        for (; *texts; texts++)
                json_object_array_add(array, json_object_new_string(*texts));
        return array;
}

static json_object *dump_field(const JsonField *field)
{
        json_object *json = json_object_new_object();

        json_object_object_add(json, "key", json_object_new_string(field->key));
        json_object_object_add(json, "type", json_object_new_string(type_names[field->type]));
        json_object_object_add(json, "required", json_object_new_boolean(field->required));
        if (field->min != 0 || field->max != 0) {
                json_object_object_add(json, "min", number(field, field->min));
                json_object_object_add(json, "max", number(field, field->max));
        }
        if (field->type == JSON_FIELD_ENUM) {
                json_object_object_add(json, "names", strings(field->names));
                json_object_object_add(json, "default",
                                       json_object_new_string(field->names[field->default_value]));
        } else if (field->type == JSON_FIELD_BOOL) {
                json_object_object_add(json, "default",
                                       json_object_new_boolean(field->default_value != 0));
        } else if (field->type == JSON_FIELD_U64 || field->type == JSON_FIELD_I64) {
                json_object_object_add(json, "default", number(field, field->default_value));
        }
        if (field->unit)
                json_object_object_add(json, "unit", json_object_new_string(field->unit));
        if (field->doc)
                json_object_object_add(json, "doc", json_object_new_string(field->doc));
        return json;
}

static json_object *dump_tables(void)
{
        json_object *json = json_object_new_object();

        for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
                json_object *array = json_object_new_array();

                for (const JsonField *f = tables[i].fields; f->key; f++)
                        json_object_array_add(array, dump_field(f));
                json_object_object_add(json, tables[i].name, array);
        }
        return json;
}

static json_object *dump_protocol(void)
{
        json_object *json = json_object_new_object(), *methods = json_object_new_array(),
                    *events = json_object_new_array(), *codes = json_object_new_object();

        for (int i = 0; i < _METHOD_MAX; i++)
                json_object_array_add(methods, json_object_new_string(method_to_string((Method)i)));
        for (int i = 0; i < _EVENT_MAX; i++)
                json_object_array_add(events, json_object_new_string(event_to_string((Event)i)));
        for (int i = STOP_REASON_SHUTDOWN; i < _STOP_REASON_MAX; i++)
                json_object_object_add(codes, stop_reason_to_string((StopReason)i),
                                       json_object_new_int(monitor_exit_code((StopReason)i)));
        json_object_object_add(json, "methods", methods);
        json_object_object_add(json, "events", events);
        json_object_object_add(json, "exit_codes", codes);
        json_object_object_add(json, "version", json_object_new_int(PROTOCOL_VERSION));
        json_object_object_add(json, "frame_max", json_object_new_int(PROTOCOL_FRAME_MAX));
        json_object_object_add(json, "max_fds", json_object_new_int(PROTOCOL_MAX_FDS));
        return json;
}

/* One line for a file: "ok", or the pointer and the message of its refusal. */
static int check_file(const char *path)
{
        _cleanup_free_ char *text = NULL;
        JsonProblem problem = {0};
        VmConfig config;
        size_t size = 0;
        int r;

        r = fd_read_file_at(AT_FDCWD, path, FILE_MAX, &text, &size);
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", path, strerror(-r));
                return r;
        }
        r = vm_config_parse(text, size, &config, &problem);
        if (r == 0) {
                puts("ok");
                vm_config_done(&config);
        } else {
                printf("%s: %s\n", problem.pointer, problem.message);
        }
        return 0;
}

int main(int argc, char **argv)
{
        json_object *json;

        for (int i = 1; i < argc; i++)
                if (check_file(argv[i]) < 0)
                        return EXIT_FAILURE;
        if (argc > 1)
                return EXIT_SUCCESS;

        json = json_object_new_object();
        json_object_object_add(json, "tables", dump_tables());
        json_object_object_add(json, "protocol", dump_protocol());
        json_object_object_add(json, "platform_version",
                               json_object_new_string(VM_PLATFORM_VERSION));
        puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY));
        json_object_put(json);
        return EXIT_SUCCESS;
}
