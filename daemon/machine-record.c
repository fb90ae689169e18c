/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/machine-record.h"

#include <errno.h>
#include <sys/types.h>

#include "common/string-util.h"

#define RUN(k, t, m, ...)                                                                          \
        {                                                                                          \
                .key = (k), .type = (t), .offset = offsetof(RunRecord, m), __VA_ARGS__             \
        }
#define RECORD(k, t, m, ...)                                                                       \
        {                                                                                          \
                .key = (k), .type = (t), .offset = offsetof(MachineRecord, m), __VA_ARGS__         \
        }

static const JsonField run_record_fields[] = {
        RUN("id", JSON_FIELD_STRING, id, .max = 32),
        RUN("on", JSON_FIELD_BOOL, on),
        RUN("boot_id", JSON_FIELD_STRING, boot_id, .max = 64),
        RUN("bound_to", JSON_FIELD_STRING, bound_to, .max = 255),
        RUN("bus_id", JSON_FIELD_STRING, bus_id, .max = 64),
        RUN("started_at", JSON_FIELD_U64, started_at, .max = INT64_MAX),
        RUN("stopped_at", JSON_FIELD_U64, stopped_at, .max = INT64_MAX),
        RUN("stop_reason", JSON_FIELD_ENUM, stop_reason, .names = stop_reason_names),
        RUN("stop_detail", JSON_FIELD_STRING, stop_detail, .max = 4 * STOP_DETAIL_MAX),
        RUN("payload_state", JSON_FIELD_ENUM, payload_state, .names = payload_state_names),
        RUN("payload_exit_code", JSON_FIELD_I64, payload_exit_code, .min = (uint64_t)INT32_MIN,
            .max = INT32_MAX, .default_value = (uint64_t)-1),
        {NULL},
};

static const JsonField machine_record_fields[] = {
        RECORD("version", JSON_FIELD_U64, version, .min = 1, .max = INT64_MAX, .required = true),
        RECORD("id", JSON_FIELD_STRING, id, .min = 32, .max = 32, .required = true),
        RECORD("name", JSON_FIELD_STRING, name, .min = 1, .max = 64, .required = true),
        RECORD("owner", JSON_FIELD_U64, owner, .max = UINT32_MAX - 1, .required = true),
        RECORD("transient", JSON_FIELD_BOOL, transient, .required = true),
        RECORD("bound", JSON_FIELD_BOOL, bound, .required = true),
        RECORD("config", JSON_FIELD_JSON, config, .required = true),
        RECORD("files", JSON_FIELD_JSON, files, .required = true),
        RECORD("images_bytes", JSON_FIELD_U64, images_bytes, .max = INT64_MAX, .required = true),
        RECORD("run", JSON_FIELD_OBJECT, run, .fields = run_record_fields, .required = true),
        {NULL},
};

void machine_record_done(MachineRecord *record)
{
        json_fields_done(machine_record_fields, record);
        *record = (MachineRecord){0};
}

/* File names come out of this record only and go into openat(): no way out of the folder. */
static bool files_are_sane(json_object *files)
{
        if (!json_object_is_type(files, json_type_object))
                return false;
        json_object_object_foreach (files, key, value) {
                (void)key;
                if (!json_object_is_type(value, json_type_string) ||
                    strncmp(json_object_get_string(value), "file-", 5) != 0 ||
                    strchr(json_object_get_string(value), '/'))
                        return false;
        }
        return true;
}

static int machine_record_check(const MachineRecord *record, Problem *problem)
{
        Id128 id;

        if (record->version != MACHINE_RECORD_VERSION)
                return problem_set(problem, -EBADMSG,
                                   "it is of version %llu and this vmserviced knows version %u: "
                                   "use the vmservice that wrote it",
                                   (unsigned long long)record->version, MACHINE_RECORD_VERSION);
        if (id128_from_string(record->id, &id) < 0)
                return problem_set(problem, -EBADMSG, "its id is not one");
        if (record->run.id && id128_from_string(record->run.id, &id) < 0)
                return problem_set(problem, -EBADMSG, "its run's id is not one");
        if (record->run.on && !record->run.id)
                return problem_set(problem, -EBADMSG, "it is on without a run's id");
        if (machine_name_problem(record->name))
                return problem_set(problem, -EBADMSG, "its name breaks the rules");
        if (!files_are_sane(record->files))
                return problem_set(problem, -EBADMSG, "its files are not names");
        return 0;
}

int machine_record_parse(const char *text, size_t length, MachineRecord *ret, Problem *problem)
{
        _cleanup_(machine_record_done) MachineRecord record = {0};
        JsonProblem json_problem = {"", ""};
        json_object *json = NULL;
        int r;

        r = json_parse_strict(text, length, &json, &json_problem);
        if (r >= 0) {
                r = json_fields_load(machine_record_fields, json, "", &record, &json_problem);
                json_object_put(json);
        }
        if (r < 0)
                return problem_set(problem, r, "%s: %s", json_problem.pointer,
                                   json_problem.message);
        r = machine_record_check(&record, problem);
        if (r < 0)
                return r;
        *ret = record;
        record = (MachineRecord){0};
        return 0;
}

int machine_record_format(const MachineRecord *record, char **ret_text, size_t *ret_length)
{
        json_object *json = json_fields_save(machine_record_fields, record);
        int r;

        if (!json)
                return -ENOMEM;
        r = json_print(json, ret_text, ret_length);
        json_object_put(json);
        return r;
}

const char *machine_record_file(const MachineRecord *record, const char *key)
{
        json_object *name = NULL;

        if (!record->files || !json_object_object_get_ex(record->files, key, &name))
                return NULL;
        return json_object_get_string(name);
}
