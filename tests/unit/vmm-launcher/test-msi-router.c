/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupt messages through KVM, taken by a guest on /dev/kvm. */

#include "kvm/msi-router.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arch/x86_64/kvm-x86.h"
#include "check-main.h"
#include "kvm-fixture.h"
#include "kvm/irqfd.h"
#include "kvm/vcpu-exit.h"

#define MESSAGE_ADDRESS 0xfee00000ULL /* Intel SDM volume 3, 11.11: to local APIC 0 */
#define PORT_SAY        0x10
#define BELL            0xd0000000ULL

#define CODE(name, text)                                                                           \
        extern const char name[], name##_end[];                                                    \
        __asm__(".pushsection .rodata\n.code32\n" #name ":\n" text "\n" #name                      \
                "_end:\n.code64\n.popsection\n")

/* The gate of a vector at this offset of the interrupt table leads to label. */
#define GATE(offset, label)                                                                        \
        "lea " label "-1b(%ebx), %eax\n movzwl %ax, %ecx\n or $0x80000, %ecx\n"                    \
        "mov %ecx, 0x4000+" offset "\n and $0xffff0000, %eax\n or $0x8e00, %eax\n"                 \
        "mov %eax, 0x4004+" offset "\n"

/* Enables its local APIC, says 'r', sleeps. Vector 0x41 says 'i', 0x42 'j'. */
CODE(guest_listen,
     "mov $0x2000, %esp\n call 1f\n1: pop %ebx\n"
     "movl $0x0000ffff, 0x3008\n movl $0x00cf9a00, 0x300c\n" /* segment 8: code, flat */
     "movw $15, 0x2ff0\n movl $0x3000, 0x2ff2\n lgdt 0x2ff0\n"
     "movw $0x7ff, 0x2ff0\n movl $0x4000, 0x2ff2\n lidt 0x2ff0\n" GATE("0x208", "7f")
             GATE("0x210", "8f") "pushl $8\n lea 2f-1b(%ebx), %eax\n push %eax\n lret\n"
                                 "2: movl $0x1ff, 0xfee000f0\n mov $'r', %al\n out %al, $0x10\n"
                                 "sti\n3: hlt\n jmp 3b\n"
                                 "7: mov $'i', %al\n jmp 9f\n8: mov $'j', %al\n"
                                 "9: out %al, $0x10\n movl $0, 0xfee000b0\n iret\n");
/* Rings at a device's memory with each width, says 'd'. */
CODE(guest_ring, "movl $7, 0xd0000000\n movw $7, 0xd0000000\n movb $7, 0xd0000000\n"
                 "mov $'d', %al\n out %al, $0x10\n hlt");

typedef struct Machine {
        KvmFixture kvm;
        MsiRouter *router;
        MsiLine line;
        unsigned n_said[128], n_mmio;
        int last;
} Machine;

static void say_write(void *device, uint64_t offset, const void *data, size_t size)
{
        Machine *machine = device;
        uint8_t byte;

        ck_assert_uint_eq(offset, 0);
        ck_assert_uint_eq(size, 1);
        memcpy(&byte, data, 1);
        machine->n_said[byte & 127U]++;
        machine->last = byte;
}

static void mmio_write(void *device, uint64_t offset, const void *data, size_t size)
{
        Machine *machine = device;

        (void)offset;
        (void)data;
        (void)size;
        machine->n_mmio++;
}

static const BusOps say_ops = {NULL, say_write}, mmio_ops = {NULL, mmio_write};

static void machine_init(Machine *machine, const char *code, const char *code_end)
{
        memset(machine, 0, sizeof(*machine));
        kvm_fixture_init(&machine->kvm, 1);
        ck_assert_int_eq(bus_add(machine->kvm.pio, PORT_SAY, 1, "say", &say_ops, machine), 0);
        ck_assert_int_eq(bus_add(machine->kvm.mmio, BELL, 4, "bell", &mmio_ops, machine), 0);
        ck_assert_int_eq(msi_router_new(&machine->kvm.vm, &machine->router), 0);
        ck_assert_int_eq(msi_router_add(machine->router, 3, &machine->line), 0);
        kvm_fixture_load(&machine->kvm, code, code_end);
}

static void machine_done(Machine *machine)
{
        kvm_fixture_done(&machine->kvm);
        msi_router_free(machine->router);
}

/* Until the guest has said it n times; the test's timeout is for a guest that never does. */
static void await_said(Machine *machine, char what, unsigned n)
{
        const VcpuBuses buses = {machine->kvm.pio, machine->kvm.mmio};
        KvmVcpu *vcpu = &machine->kvm.vcpus[0];
        VcpuDetail detail;

        while (machine->n_said[(unsigned char)what] < n) {
                ck_assert_int_eq(kvm_vcpu_run(vcpu), 0);
                ck_assert_int_eq(vcpu_exit_handle(vcpu->run, vcpu->run_size, &buses, &detail),
                                 VCPU_CONTINUE);
        }
}

static int unmask(Machine *machine, unsigned vector, uint32_t data)
{
        return machine->line.ops->unmask(machine->line.context, vector, MESSAGE_ADDRESS, data);
}

static void mask(Machine *machine, unsigned vector)
{
        machine->line.ops->mask(machine->line.context, vector);
}

static void raise_vector(Machine *machine, unsigned vector)
{
        machine->line.ops->signal(machine->line.context, vector);
}

static bool is_pending(Machine *machine, unsigned vector)
{
        return machine->line.ops->is_pending(machine->line.context, vector);
}

START_TEST(test_delivers)
{
        Machine machine;

        machine_init(&machine, guest_listen, guest_listen_end);
        await_said(&machine, 'r', 1);
        ck_assert_int_eq(unmask(&machine, 0, 0x41), 0);
        ck_assert_int_eq(unmask(&machine, 2, 0x42), 0);
        for (unsigned i = 1; i <= 20; i++) {
                raise_vector(&machine, 0);
                await_said(&machine, 'i', i);
                raise_vector(&machine, 2);
                await_said(&machine, 'j', i);
        }
        ck_assert_uint_eq(machine.n_said['i'], 20);
        /* A new message for one that is connected. */
        ck_assert_int_eq(unmask(&machine, 0, 0x42), 0);
        raise_vector(&machine, 0);
        await_said(&machine, 'j', 21);
        ck_assert_uint_eq(machine.n_said['i'], 20);
        machine_done(&machine);
}
END_TEST

/* Masked: it waits, once however often; unmasked: it comes. */
START_TEST(test_masked_waits)
{
        Machine machine;

        machine_init(&machine, guest_listen, guest_listen_end);
        await_said(&machine, 'r', 1);
        ck_assert(!is_pending(&machine, 1));
        raise_vector(&machine, 1);
        raise_vector(&machine, 1);
        ck_assert(is_pending(&machine, 1));
        ck_assert_int_eq(unmask(&machine, 1, 0x41), 0);
        await_said(&machine, 'i', 1);
        for (unsigned i = 0; i < 50; i++) {
                mask(&machine, 1);
                /* What has been delivered is not pending any more. */
                ck_assert(!is_pending(&machine, 1));
                raise_vector(&machine, 1);
                ck_assert(is_pending(&machine, 1));
                ck_assert_int_eq(unmask(&machine, 1, i % 2 ? 0x41 : 0x42), 0);
                await_said(&machine, i % 2 ? 'i' : 'j', i / 2 + (i % 2 ? 2 : 1));
        }
        ck_assert_uint_eq(machine.n_said['i'], 26);
        ck_assert_uint_eq(machine.n_said['j'], 25);
        machine_done(&machine);
}
END_TEST

START_TEST(test_clear)
{
        Machine machine;

        machine_init(&machine, guest_listen, guest_listen_end);
        await_said(&machine, 'r', 1);
        machine.line.ops->clear(machine.line.context, 0); /* never used: nothing to forget */
        raise_vector(&machine, 0);
        machine.line.ops->clear(machine.line.context, 0);
        ck_assert(!is_pending(&machine, 0));
        ck_assert_int_eq(unmask(&machine, 0, 0x41), 0);
        ck_assert_int_eq(unmask(&machine, 1, 0x42), 0);
        raise_vector(&machine, 1);
        await_said(&machine, 'j', 1);
        ck_assert_uint_eq(machine.n_said['i'], 0);
        machine_done(&machine);
}
END_TEST

/* Another process's way: the eventfd itself. */
START_TEST(test_event_fd)
{
        Machine machine;
        int fd;

        machine_init(&machine, guest_listen, guest_listen_end);
        fd = machine.line.ops->event_fd(machine.line.context, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(machine.line.ops->event_fd(machine.line.context, 0), fd);
        ck_assert_int_ne(machine.line.ops->event_fd(machine.line.context, 1), fd);
        await_said(&machine, 'r', 1);
        ck_assert_int_eq(unmask(&machine, 0, 0x41), 0);
        ck_assert_int_eq(eventfd_write(fd, 1), 0);
        await_said(&machine, 'i', 1);
        machine_done(&machine);
}
END_TEST

/* The irqchip's own inputs lead where they did, to the I/O APIC and both 8259As. */
START_TEST(test_own_routes_stay)
{
        struct kvm_irqchip chip;
        Machine machine;

        machine_init(&machine, guest_listen, guest_listen_end);
        ck_assert_int_eq(unmask(&machine, 0, 0x41), 0);
        for (unsigned gsi = 3; gsi < KVM_IOAPIC_NUM_PINS; gsi++) {
                unsigned pic = gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;

                ck_assert_int_eq(kvm_vm_irq_line(&machine.kvm.vm, gsi, true), 0);
                chip = (struct kvm_irqchip){.chip_id = KVM_IRQCHIP_IOAPIC};
                ck_assert_int_eq(kvm_vm_get_irqchip(&machine.kvm.vm, &chip), 0);
                ck_assert_msg(chip.chip.ioapic.irr & 1U << gsi, "I/O APIC input %u", gsi);
                if (gsi >= 16)
                        continue;
                chip = (struct kvm_irqchip){.chip_id = pic};
                ck_assert_int_eq(kvm_vm_get_irqchip(&machine.kvm.vm, &chip), 0);
                ck_assert_msg(chip.chip.pic.last_irr & 1U << gsi % 8, "8259A input %u", gsi);
        }
        machine_done(&machine);
}
END_TEST

START_TEST(test_room)
{
        MsiRouter *router = NULL;
        MsiLine line, last;
        Machine machine;

        machine_init(&machine, guest_listen, guest_listen_end);
        ck_assert_int_eq(msi_router_new(&machine.kvm.vm, &router), 0);
        ck_assert_int_eq(msi_router_add(router, 4097, &line), -ENOSPC);
        ck_assert_int_eq(msi_router_add(router, UINT32_MAX, &line), -ENOSPC);
        ck_assert_int_eq(msi_router_add(router, 2048, &line), 0);
        ck_assert_int_eq(msi_router_add(router, 2048, &line), -ENOSPC);
        ck_assert_int_eq(msi_router_add(router, 2008, &last), 0);
        ck_assert_int_eq(msi_router_add(router, 1, &line), -ENOSPC);
        /* The highest GSI that there is. */
        await_said(&machine, 'r', 1);
        ck_assert_int_eq(last.ops->unmask(last.context, 2007, MESSAGE_ADDRESS, 0x41), 0);
        last.ops->signal(last.context, 2007);
        await_said(&machine, 'i', 1);
        last.ops->mask(last.context, 2007);
        msi_router_free(router);
        ck_assert_ptr_null(msi_router_free(NULL));
        machine_done(&machine);
}
END_TEST

/* No message that a guest could write takes the others with it. */
START_TEST(test_any_message)
{
        Machine machine;

        machine_init(&machine, guest_listen, guest_listen_end);
        await_said(&machine, 'r', 1);
        ck_assert_int_eq(unmask(&machine, 0, 0x41), 0);
        for (unsigned bit = 0; bit < 64; bit++) {
                /* KVM may refuse it: then it is as before. */
                (void)machine.line.ops->unmask(machine.line.context, 1, 1ULL << bit,
                                               1U << bit % 32);
                raise_vector(&machine, 0);
                await_said(&machine, 'i', bit + 1);
        }
        ck_assert_int_eq(unmask(&machine, 1, 0x42), 0);
        raise_vector(&machine, 1);
        await_said(&machine, 'j', 1);
        machine_done(&machine);
}
END_TEST

/* Any width rings without an exit; after its removal the device sees the write. */
START_TEST(test_doorbell)
{
        Doorbell doorbell;
        Machine machine;
        eventfd_t count;
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        machine_init(&machine, guest_ring, guest_ring_end);
        doorbell = ioeventfd_doorbell(&machine.kvm.vm);
        ck_assert_int_eq(doorbell.add(doorbell.context, BELL, fd), 0);
        ck_assert_int_lt(doorbell.add(doorbell.context, BELL, fd), 0);
        await_said(&machine, 'd', 1);
        ck_assert_int_eq(eventfd_read(fd, &count), 0);
        ck_assert_uint_eq(count, 3);
        ck_assert_uint_eq(machine.n_mmio, 0);
        doorbell.remove(doorbell.context, BELL, fd);
        kvm_fixture_load(&machine.kvm, guest_ring, guest_ring_end);
        await_said(&machine, 'd', 2);
        ck_assert_uint_eq(machine.n_mmio, 3);
        ck_assert_int_lt(eventfd_read(fd, &count), 0);
        close(fd);
        machine_done(&machine);
}
END_TEST

int main(void)
{
        const CheckTest tests[] = {
                {"delivers", test_delivers},
                {"masked waits", test_masked_waits},
                {"clear", test_clear},
                {"eventfd", test_event_fd},
                {"own routes", test_own_routes_stay},
                {"room", test_room},
                {"any message", test_any_message},
                {"doorbell", test_doorbell},
        };

        kvm_fixture_require_kvm();
        return check_run("msi-router", tests, sizeof(tests) / sizeof(tests[0]));
}
