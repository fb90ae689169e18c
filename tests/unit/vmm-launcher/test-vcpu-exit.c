/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvm/vcpu-exit.h"

#include <linux/kvm.h>
#include <stdbool.h>
#include <string.h>

#include "check-main.h"
#include "common/string-util.h"
#include "kvm/uapi-compat.h"

#define PORT    0x3f8
#define ADDRESS 0xfed00000ULL
#define WIDTH   8

/* kvm_run and the page of port data behind it. */
typedef union MadeUp {
        struct kvm_run run;
        uint8_t bytes[2 * 4096];
} MadeUp;

typedef struct Access {
        bool is_write;
        uint64_t offset;
        size_t size;
        uint64_t value;
} Access;

typedef struct Device {
        Access accesses[64];
        size_t n_accesses;
        uint64_t next; /* what a read returns; counts up */
} Device;

static void device_read(void *context, uint64_t offset, void *data, size_t size)
{
        Device *device = context;
        uint64_t value = device->next++;

        memcpy(data, &value, size);
        device->accesses[device->n_accesses++ % 64] = (Access){false, offset, size, value};
}

static void device_write(void *context, uint64_t offset, const void *data, size_t size)
{
        Device *device = context;
        uint64_t value = 0;

        memcpy(&value, data, size);
        device->accesses[device->n_accesses++ % 64] = (Access){true, offset, size, value};
}

static const BusOps device_ops = {device_read, device_write};
static Device pio_device, mmio_device;
static MadeUp made_up;
static VcpuDetail detail;

static VcpuOutcome handle_within(size_t run_size)
{
        Bus *pio = NULL, *mmio = NULL;
        VcpuBuses buses;
        VcpuOutcome outcome;

        ck_assert_int_eq(bus_new(&pio), 0);
        ck_assert_int_eq(bus_new(&mmio), 0);
        ck_assert_int_eq(bus_add(pio, PORT, WIDTH, "pio", &device_ops, &pio_device), 0);
        ck_assert_int_eq(bus_add(mmio, ADDRESS, WIDTH, "mmio", &device_ops, &mmio_device), 0);
        buses = (VcpuBuses){pio, mmio};
        outcome = vcpu_exit_handle(&made_up.run, run_size, &buses, &detail);
        bus_free(pio);
        bus_free(mmio);
        return outcome;
}

static VcpuOutcome handle(void)
{
        return handle_within(sizeof(made_up));
}

static void make_up(uint32_t reason)
{
        memset(&made_up, 0, sizeof(made_up));
        memset(&pio_device, 0, sizeof(pio_device));
        memset(&mmio_device, 0, sizeof(mmio_device));
        memset(&detail, 0, sizeof(detail));
        made_up.run.exit_reason = reason;
}

static void make_up_io(uint8_t direction, uint8_t size, uint16_t port, uint32_t count,
                       uint64_t offset)
{
        make_up(KVM_EXIT_IO);
        made_up.run.io.direction = direction;
        made_up.run.io.size = size;
        made_up.run.io.port = port;
        made_up.run.io.count = count;
        made_up.run.io.data_offset = offset;
}

START_TEST(test_port_out)
{
        for (uint8_t size = 1; size <= 4; size++) {
                uint64_t expected = 0;

                make_up_io(KVM_EXIT_IO_OUT, size, PORT + 1, 1, 4096);
                memcpy(made_up.bytes + 4096, "\x11\x22\x33\x44\x55", 5);
                memcpy(&expected, "\x11\x22\x33\x44\x55", size);
                ck_assert_int_eq(handle(), VCPU_CONTINUE);
                ck_assert_uint_eq(pio_device.n_accesses, 1);
                ck_assert(pio_device.accesses[0].is_write);
                ck_assert_uint_eq(pio_device.accesses[0].offset, 1);
                ck_assert_uint_eq(pio_device.accesses[0].size, size);
                ck_assert_uint_eq(pio_device.accesses[0].value, expected);
                ck_assert_uint_eq(mmio_device.n_accesses, 0);
        }
}
END_TEST

/* REP OUTS and REP INS: many accesses of one port in one exit. */
START_TEST(test_port_string)
{
        make_up_io(KVM_EXIT_IO_OUT, 2, PORT, 5, 4096);
        memcpy(made_up.bytes + 4096, "a\0b\0c\0d\0e", 10);
        ck_assert_int_eq(handle(), VCPU_CONTINUE);
        ck_assert_uint_eq(pio_device.n_accesses, 5);
        for (unsigned i = 0; i < 5; i++)
                ck_assert_uint_eq(pio_device.accesses[i].value, 'a' + i);

        make_up_io(KVM_EXIT_IO_IN, 4, PORT + 4, 3, 4096);
        pio_device.next = 0x01020304;
        ck_assert_int_eq(handle(), VCPU_CONTINUE);
        ck_assert_mem_eq(made_up.bytes + 4096, "\x04\x03\x02\x01\x05\x03\x02\x01\x06\x03\x02\x01",
                         12);
        ck_assert_uint_eq(made_up.bytes[4096 + 12], 0);
}
END_TEST

START_TEST(test_port_nobody)
{
        make_up_io(KVM_EXIT_IO_IN, 1, PORT - 1, 1, 4096);
        ck_assert_int_eq(handle(), VCPU_CONTINUE);
        ck_assert_uint_eq(made_up.bytes[4096], 0xff);
        make_up_io(KVM_EXIT_IO_IN, 2, PORT + WIDTH - 1, 1, 4096);
        ck_assert_int_eq(handle(), VCPU_CONTINUE);
        ck_assert_uint_eq(pio_device.n_accesses, 0);
        ck_assert_mem_eq(made_up.bytes + 4096, "\xff\xff\0", 3);
}
END_TEST

START_TEST(test_port_data_outside)
{
        const struct {
                uint8_t size;
                uint32_t count;
                uint64_t offset;
        } bad[] = {
                {0, 1, 4096},       {5, 1, 4096},           {8, 1, 4096},
                {255, 1, 4096},     {1, 4097, 4096},        {1, 1, 8192},
                {4, 1, 8189},       {4, 1025, 4096},        {4, UINT32_MAX, 4096},
                {1, 1, UINT64_MAX}, {4, 1, UINT64_MAX - 3}, {2, 0x80000001U, 8190},
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                for (uint8_t direction = 0; direction < 2; direction++) {
                        make_up_io(direction, bad[i].size, PORT, bad[i].count, bad[i].offset);
                        ck_assert_msg(handle() == VCPU_FAILED, "case %zu", i);
                        ck_assert_str_ne(detail.text, "");
                        ck_assert_uint_eq(pio_device.n_accesses, 0);
                }
        make_up_io(KVM_EXIT_IO_OUT, 4, PORT, 1024, 4096);
        ck_assert_int_eq(handle(), VCPU_CONTINUE);
        ck_assert_int_eq(handle_within(4096), VCPU_FAILED);
}
END_TEST

START_TEST(test_mmio)
{
        for (uint32_t size = 0; size <= 300; size++)
                for (uint8_t write = 0; write < 2; write++) {
                        bool good = size >= 1 && size <= 8;

                        make_up(KVM_EXIT_MMIO);
                        made_up.run.mmio.phys_addr = ADDRESS;
                        made_up.run.mmio.len = size;
                        made_up.run.mmio.is_write = write;
                        memcpy(made_up.run.mmio.data, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
                        mmio_device.next = 0x8877665544332211ULL;
                        ck_assert_int_eq(handle(), good ? VCPU_CONTINUE : VCPU_FAILED);
                        ck_assert_uint_eq(mmio_device.n_accesses, good);
                        if (!good)
                                continue;
                        ck_assert_uint_eq(mmio_device.accesses[0].size, size);
                        ck_assert_int_eq(mmio_device.accesses[0].is_write, write);
                        if (!write) {
                                ck_assert_mem_eq(made_up.run.mmio.data,
                                                 "\x11\x22\x33\x44\x55\x66\x77\x88", size);
                        }
                }
        make_up(KVM_EXIT_MMIO);
        made_up.run.mmio.phys_addr = UINT64_MAX - 3;
        made_up.run.mmio.len = 8;
        ck_assert_int_eq(handle(), VCPU_CONTINUE);
        ck_assert_mem_eq(made_up.run.mmio.data, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
}
END_TEST

START_TEST(test_ends)
{
        make_up(KVM_EXIT_SHUTDOWN);
        ck_assert_int_eq(handle(), VCPU_TRIPLE_FAULT);
        make_up(KVM_EXIT_SYSTEM_EVENT);
        made_up.run.system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
        ck_assert_int_eq(handle(), VCPU_POWER_OFF);
        made_up.run.system_event.type = KVM_SYSTEM_EVENT_RESET;
        ck_assert_int_eq(handle(), VCPU_RESET);
        made_up.run.system_event.type = KVM_SYSTEM_EVENT_CRASH;
        ck_assert_int_eq(handle(), VCPU_GUEST_CRASH);
        made_up.run.system_event.type = 1000;
        ck_assert_int_eq(handle(), VCPU_FAILED);
        ck_assert_ptr_nonnull(strstr(detail.text, "1000"));
        make_up(KVM_EXIT_INTR);
        ck_assert_int_eq(handle(), VCPU_CONTINUE);
        make_up(KVM_EXIT_IRQ_WINDOW_OPEN);
        ck_assert_int_eq(handle(), VCPU_CONTINUE);
}
END_TEST

START_TEST(test_failures_say_why)
{
        make_up(KVM_EXIT_FAIL_ENTRY);
        made_up.run.fail_entry.hardware_entry_failure_reason = 0x80000021;
        ck_assert_int_eq(handle(), VCPU_FAILED);
        ck_assert_ptr_nonnull(strstr(detail.text, "0x80000021"));
        make_up(KVM_EXIT_UNKNOWN);
        made_up.run.hw.hardware_exit_reason = 0x77;
        ck_assert_int_eq(handle(), VCPU_FAILED);
        ck_assert_ptr_nonnull(strstr(detail.text, "0x77"));

        make_up(KVM_EXIT_INTERNAL_ERROR);
        made_up.run.emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
        made_up.run.emulation_failure.ndata = 3;
        made_up.run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
        made_up.run.emulation_failure.insn_size = 255; /* larger than the bytes there are */
        memset(made_up.run.emulation_failure.insn_bytes, 0xab, 15);
        ck_assert_int_eq(handle(), VCPU_FAILED);
        ck_assert_ptr_nonnull(strstr(detail.text, "abababababababababababababab"));
        made_up.run.emulation_failure.ndata = 0;
        ck_assert_int_eq(handle(), VCPU_FAILED);
        ck_assert_ptr_null(strstr(detail.text, "abab"));
        for (uint32_t suberror = 0; suberror < 20; suberror++) {
                made_up.run.internal.suberror = suberror;
                ck_assert_int_eq(handle(), VCPU_FAILED);
                ck_assert_ptr_nonnull(strstr(detail.text, "internal error"));
        }
}
END_TEST

/* Whatever KVM may return one day: no exit that is not understood is run on from. */
START_TEST(test_every_reason)
{
        for (uint32_t reason = 0; reason < 300; reason++) {
                bool known = reason == KVM_EXIT_IO || reason == KVM_EXIT_MMIO ||
                             reason == KVM_EXIT_INTR || reason == KVM_EXIT_IRQ_WINDOW_OPEN ||
                             reason == KVM_EXIT_SHUTDOWN || reason == KVM_EXIT_SYSTEM_EVENT;

                make_up(reason);
                if (!known)
                        ck_assert_msg(handle() == VCPU_FAILED, "reason %u", reason);
                ck_assert_int_lt(vcpu_exit_class(reason), _VCPU_EXIT_CLASS_MAX);
        }
        ck_assert_int_eq(vcpu_exit_class(KVM_EXIT_IO), VCPU_EXIT_IO);
        ck_assert_int_eq(vcpu_exit_class(KVM_EXIT_MMIO), VCPU_EXIT_MMIO);
        ck_assert_int_eq(vcpu_exit_class(KVM_EXIT_INTERNAL_ERROR), VCPU_EXIT_ERROR);
        ck_assert_int_eq(vcpu_exit_class(COMPAT_KVM_EXIT_MEMORY_FAULT), VCPU_EXIT_ERROR);
        ck_assert_int_eq(vcpu_exit_class(UINT32_MAX), VCPU_EXIT_OTHER);
        for (int i = 0; i < _VCPU_EXIT_CLASS_MAX; i++) {
                ck_assert_ptr_nonnull(vcpu_exit_class_names[i]);
                for (int j = 0; j < i; j++)
                        ck_assert(!streq(vcpu_exit_class_names[i], vcpu_exit_class_names[j]));
        }
}
END_TEST

CHECK_MAIN("vcpu-exit", {"port out", test_port_out}, {"port string", test_port_string},
           {"port nobody", test_port_nobody}, {"port data outside", test_port_data_outside},
           {"mmio", test_mmio}, {"ends", test_ends}, {"failures say why", test_failures_say_why},
           {"every reason", test_every_reason});
