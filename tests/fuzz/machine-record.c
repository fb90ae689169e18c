/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon's own state, damaged: refused with a reason, or taken and then written as it reads. */

#include <errno.h>
#include <string.h>

#include "daemon/machine-record.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        MachineRecord first, second;
        Problem problem = {""};
        char *text, *again;
        size_t length, length_again;
        int r;

        r = machine_record_parse((const char *)data, size, &first, &problem);
        if (r < 0) {
                fuzz_check(r == -EBADMSG && problem.message[0] != '\0');
                return 0;
        }
        /* What goes into openat() stays in the folder. */
        json_object_object_foreach (first.files, key, value) {
                (void)key;
                fuzz_check(!strchr(json_object_get_string(value), '/'));
        }
        fuzz_check(machine_record_format(&first, &text, &length) == 0);
        fuzz_check(machine_record_parse(text, length, &second, &problem) == 0);
        fuzz_check(machine_record_format(&second, &again, &length_again) == 0);
        fuzz_check(length == length_again && memcmp(text, again, length) == 0);
        free(text);
        free(again);
        machine_record_done(&first);
        machine_record_done(&second);
        return 0;
}
