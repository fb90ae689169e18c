/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A device's state: what was saved goes on elsewhere, and a file that anybody wrote does no harm.
 */

#include "virtio-device-test.h"

#include <errno.h>

static json_object *save(DeviceTest *test)
{
        json_object *state = NULL;

        virtio_device_quiesce(test->echo.device, device_test_quiet, test);
        virtio_driver_settle(&test->driver);
        ck_assert_uint_eq(test->n_quiet, 1);
        ck_assert_int_eq(virtio_device_save(test->echo.device, &state), 0);
        ck_assert_ptr_nonnull(state);
        return state;
}

/* Another device over the same memory takes the place of the first. */
static void replace_device(DeviceTest *test)
{
        virtio_echo_done(&test->echo);
        virtio_echo_init(&test->echo, &test->driver.window, test->driver.loop, QUEUE_SIZE);
        virtio_driver_attach(&test->driver, test->echo.device);
}

static json_object *through_text(json_object *state)
{
        json_object *again = NULL;
        JsonProblem problem;
        char *text = NULL;
        size_t length;

        ck_assert_int_eq(json_print(state, &text, &length), 0);
        ck_assert_int_eq(json_parse_strict(text, length, &again, &problem), 0);
        free(text);
        json_object_put(state);
        return again;
}

static void move(DeviceTest *test)
{
        json_object *state = through_text(save(test));
        JsonProblem problem = {0};

        replace_device(test);
        ck_assert_msg(virtio_device_load(test->echo.device, state, &problem) == 0, "%s: %s",
                      problem.pointer, problem.message);
        json_object_put(state);
}

static void start(DeviceTest *test, uint64_t features)
{
        device_test_init(test);
        ck_assert(virtio_driver_start(&test->driver, features, QUEUE_SIZE / 2));
        for (unsigned i = 0; i < 5; i++)
                device_test_expect_life(test, i % 2);
}

START_TEST(test_round_trip)
{
        const uint64_t features[] = {0, EVENT_IDX | INDIRECT, OFFERED};
        uint8_t config[4] = "1234", read[4];

        for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
                uint8_t generation;
                DeviceTest test;

                start(&test, features[i]);
                virtio_device_write_config(test.echo.device, 8, config, 4);
                generation = virtio_device_get_generation(test.echo.device);
                move(&test);
                /* Quiet, until told to go on. */
                ck_assert(virtio_device_is_quiesced(test.echo.device));
                ck_assert_uint_eq(test.echo.n_activated, 1);
                ck_assert_uint_eq(test.echo.n_echoes, 5);
                ck_assert_uint_eq(virtio_device_get_generation(test.echo.device), generation);
                virtio_device_read_config(test.echo.device, 8, read, 4);
                ck_assert_mem_eq(read, config, 4);
                ck_assert_uint_eq(virtio_device_get_accepted(test.echo.device),
                                  features[i] | VERSION_1);
                device_test_add(&test, 1);
                virtio_driver_kick(&test.driver, 1);
                virtio_driver_settle(&test.driver);
                ck_assert_uint_eq(test.echo.n_echoes, 5);
                virtio_device_resume(test.echo.device);
                virtio_driver_settle(&test.driver);
                ck_assert_uint_eq(test.echo.n_echoes, 6);
                ck_assert(virtio_driver_take(&test.driver, 1, NULL, NULL));
                for (unsigned queue = 0; queue < VIRTIO_ECHO_QUEUES; queue++)
                        device_test_expect_life(&test, queue);
                device_test_done(&test);
        }
}
END_TEST

/* Whatever a driver can bring a device into is saved and loads again. */
START_TEST(test_odd_states)
{
        const VirtioQueueRegisters odd[] = {{.size = 0},
                                            {.size = 65535},
                                            {.size = UINT32_MAX},
                                            {.size = 5,
                                             .descriptor_table = UINT64_MAX,
                                             .driver_area = 3,
                                             .device_area = 1ULL << 63}};
        DeviceTest test;

        /* Before anything. */
        device_test_init(&test);
        move(&test);
        ck_assert_uint_eq(device_test_status(&test), 0);
        ck_assert_uint_eq(test.echo.n_activated, 0);
        virtio_device_resume(test.echo.device);
        ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
        device_test_expect_life(&test, 0);
        device_test_done(&test);
        /* Half set up, with features that were refused, or queues that cannot be. */
        device_test_init(&test);
        ck_assert(!virtio_driver_start(&test.driver, 1ULL << 50, QUEUE_SIZE));
        move(&test);
        ck_assert_uint_eq(device_test_status(&test), ACKNOWLEDGE | DRIVER);
        device_test_done(&test);
        for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
                device_test_init(&test);
                virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER);
                virtio_device_set_accepted(test.echo.device, VERSION_1);
                virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER | FEATURES_OK);
                virtio_device_set_queue(test.echo.device, 2, &odd[i]);
                move(&test);
                ck_assert_uint_eq(virtio_device_get_queue(test.echo.device, 2).size, odd[i].size);
                ck_assert_uint_eq(virtio_device_get_queue(test.echo.device, 2).descriptor_table,
                                  odd[i].descriptor_table);
                device_test_done(&test);
        }
}
END_TEST

/* A broken device stays broken, and is mended by a reset. */
START_TEST(test_broken_device)
{
        DeviceTest test;

        for (unsigned how = 0; how < 2; how++) {
                const VirtioQueueRegisters bad = {.size = 3, .enabled = true};

                if (how == 0) {
                        start(&test, 0);
                        virtio_driver_set_available_index(&test.driver, 0, 9999);
                        virtio_driver_kick(&test.driver, 0);
                } else {
                        device_test_init(&test);
                        virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER);
                        virtio_device_set_accepted(test.echo.device, VERSION_1);
                        virtio_device_set_status(test.echo.device,
                                                 ACKNOWLEDGE | DRIVER | FEATURES_OK);
                        virtio_device_set_queue(test.echo.device, 0, &bad);
                        virtio_device_set_status(test.echo.device,
                                                 ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
                }
                virtio_driver_settle(&test.driver);
                ck_assert(virtio_driver_needs_reset(&test.driver));
                move(&test);
                ck_assert(virtio_driver_needs_reset(&test.driver));
                ck_assert_uint_eq(test.echo.n_activated, 0);
                virtio_device_resume(test.echo.device);
                virtio_driver_settle(&test.driver);
                ck_assert(virtio_driver_reset(&test.driver));
                ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
                device_test_expect_life(&test, 0);
                device_test_done(&test);
        }
}
END_TEST

/* One change to a good state. */
typedef struct Corruption {
        const char *path;  /* keys and indices, '/' between */
        const char *value; /* JSON; NULL: the key is taken away */
        const char *pointer;
} Corruption;

static const Corruption corruptions[] = {
        {"id", "64", "/id"},
        {"id", "\"echo\"", "/id"},
        {"id", NULL, ""},
        {"status", "256", "/status"},
        {"status", "31", "/status"},
        {"status", "7", "/status"},
        {"status", "-1", "/status"},
        {"status", NULL, ""},
        {"accepted", "18446744073709551615", "/accepted"},
        {"accepted", "0", "/accepted"},
        {"accepted", "1.5", "/accepted"},
        {"accepted", NULL, ""},
        {"generation", "256", "/generation"},
        {"generation", NULL, ""},
        {"config", "[]", "/config"},
        {"config", "{}", "/config"},
        {"config", "7", "/config"},
        {"config", NULL, ""},
        {"config/8", "256", "/config"},
        {"config/8", "-1", "/config"},
        {"config/8", "\"a\"", "/config"},
        {"config/8", "[]", "/config"},
        {"queues", "[]", "/queues"},
        {"queues", "{}", "/queues"},
        {"queues", NULL, ""},
        {"queues/1", "null", "/queues/1"},
        {"queues/1", "[]", "/queues/1"},
        {"queues/1/size", "0", "/queues/1"},
        {"queues/1/size", "3", "/queues/1"},
        {"queues/1/size", "32769", "/queues/1"},
        {"queues/1/size", "4294967296", "/queues/1/size"},
        {"queues/1/size", NULL, "/queues/1"},
        {"queues/1/descriptor_table", "8", "/queues/1"},
        {"queues/1/descriptor_table", "18446744073709551600", "/queues/1"},
        {"queues/1/descriptor_table", NULL, "/queues/1"},
        {"queues/1/driver_area", "1", "/queues/1"},
        {"queues/1/driver_area", "18446744073709551614", "/queues/1"},
        {"queues/1/driver_area", NULL, "/queues/1"},
        {"queues/1/device_area", "2", "/queues/1"},
        {"queues/1/device_area", "18446744073709551612", "/queues/1"},
        {"queues/1/device_area", NULL, "/queues/1"},
        {"queues/1/enabled", "1", "/queues/1/enabled"},
        {"queues/1/enabled", NULL, "/queues/1"},
        {"queues/1/position", "65536", "/queues/1/position"},
        {"queues/1/position", NULL, "/queues/1"},
        {"queues/1/more", "1", "/queues/1/more"},
        {"device", NULL, "/device"},
        {"device", "7", "/device"},
        {"device/n_echoes", "-1", "/device/n_echoes"},
        {"more", "1", "/more"},
};

static void corrupt(json_object *state, const Corruption *corruption)
{
        json_object *value = NULL, *at = state;
        char path[64], *key = path, *slash;
        JsonProblem problem;

        ck_assert_uint_lt(strlen(corruption->path), sizeof(path));
        strcpy(path, corruption->path);
        if (corruption->value)
                ck_assert_int_eq(json_parse_strict(corruption->value, strlen(corruption->value),
                                                   &value, &problem),
                                 0);
        for (; (slash = strchr(key, '/')); key = slash + 1) {
                *slash = '\0';
                at = json_object_is_type(at, json_type_array)
                             ? json_object_array_get_idx(at, (size_t)atoi(key))
                             : json_object_object_get(at, key);
                ck_assert_ptr_nonnull(at);
        }
        if (json_object_is_type(at, json_type_array))
                ck_assert_int_eq(json_object_array_put_idx(at, (size_t)atoi(key), value), 0);
        else if (corruption->value)
                ck_assert_int_eq(json_object_object_add(at, key, value), 0);
        else
                json_object_object_del(at, key);
}

/* Refused, with the place; and the device is as after power-on. */
START_TEST(test_every_field_corrupted)
{
        for (size_t i = 0; i < ARRAY_SIZE(corruptions); i++) {
                JsonProblem problem = {0};
                json_object *state;
                DeviceTest test;

                start(&test, 0);
                state = through_text(save(&test));
                corrupt(state, &corruptions[i]);
                replace_device(&test);
                ck_assert_msg(virtio_device_load(test.echo.device, state, &problem) == -EBADMSG,
                              "%s = %s", corruptions[i].path, corruptions[i].value);
                ck_assert_msg(strcmp(problem.pointer, corruptions[i].pointer) == 0, "%s = %s: %s",
                              corruptions[i].path, corruptions[i].value, problem.pointer);
                ck_assert_uint_gt(strlen(problem.message), 0);
                json_object_put(state);
                ck_assert_uint_eq(device_test_status(&test), 0);
                ck_assert_uint_eq(virtio_device_get_accepted(test.echo.device), 0);
                ck_assert(!virtio_device_is_active(test.echo.device));
                virtio_device_resume(test.echo.device);
                ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
                device_test_expect_life(&test, 0);
                device_test_done(&test);
        }
}
END_TEST

/* A position that is not the driver's is a driver's mistake: the device breaks, nothing else. */
START_TEST(test_false_position)
{
        const Corruption position = {"queues/0/position", "60000", NULL};
        JsonProblem problem = {0};
        json_object *state;
        DeviceTest test;

        start(&test, 0);
        state = through_text(save(&test));
        corrupt(state, &position);
        replace_device(&test);
        ck_assert_int_eq(virtio_device_load(test.echo.device, state, &problem), 0);
        json_object_put(state);
        virtio_device_resume(test.echo.device);
        virtio_driver_settle(&test.driver);
        ck_assert(virtio_driver_needs_reset(&test.driver));
        ck_assert(virtio_driver_reset(&test.driver));
        device_test_done(&test);
}
END_TEST

START_TEST(test_host_cannot_activate)
{
        JsonProblem problem = {0};
        json_object *state;
        DeviceTest test;

        start(&test, 0);
        state = through_text(save(&test));
        replace_device(&test);
        test.echo.activate_result = -EMFILE;
        ck_assert_int_eq(virtio_device_load(test.echo.device, state, &problem), -EMFILE);
        ck_assert_uint_eq(device_test_status(&test), 0);
        json_object_put(state);
        device_test_done(&test);
}
END_TEST

CHECK_MAIN("virtio-state", {"round trip", test_round_trip}, {"odd states", test_odd_states},
           {"broken device", test_broken_device},
           {"every field corrupted", test_every_field_corrupted},
           {"false position", test_false_position},
           {"host cannot activate", test_host_cannot_activate});
