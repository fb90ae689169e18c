/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arch/arch.h"
#include "arch/x86_64/kvm-x86.h"
#include "arch/x86_64/registers.h"
#include "check-main.h"
#include "common/cleanup.h"
#include "kvm-fixture.h"
#include "kvm/irqfd.h"

#define PORT_SAY     0x10 /* 1 byte, recorded */
#define PORT_ASK     0x20 /* 4 bytes, counts up */
#define PORT_DOOR    0x30 /* ioeventfd */
#define MMIO_ADDRESS 0xd0000000U
#define WAIT_MSEC    60000

#define CODE(name, text)                                                                           \
        extern const char name[], name##_end[];                                                    \
        __asm__(".pushsection .rodata\n.code32\n" #name ":\n" text "\n" #name                      \
                "_end:\n.code64\n.popsection\n")

/* Says how often it was asked, for ever. */
CODE(guest_count, "1: in $0x20, %eax\n out %al, $0x10\n jmp 1b");
/* Reads a device's memory, adds it up in ebx. */
CODE(guest_mmio, "xor %ebx, %ebx\n1: mov 0xd0000000, %eax\n add %eax, %ebx\n jmp 1b");
/* Loads an empty interrupt table (memory is zero there) and faults. */
CODE(guest_triple, "lidt 0x1000\n ud2");
/* Busy without ever leaving the guest. */
CODE(guest_spin, "1: jmp 1b");
/* Rings the door, then says so, then sleeps. */
CODE(guest_door, "mov $7, %al\n out %al, $0x30\n mov $'d', %al\n out %al, $0x10\n hlt");
/* Starts vCPU 1 in real mode at 0x20000 by INIT and SIPI (Intel SDM volume 3, 9.4.4). */
CODE(guest_start_ap, "movb $0xb0, 0x20000\n movb $'A', 0x20001\n"  /* mov $'A', %al */
                     "movb $0xe6, 0x20002\n movb $0x10, 0x20003\n" /* out %al, $0x10 */
                     "movb $0xf4, 0x20004\n"                       /* hlt */
                     "movl $0x01000000, 0xfee00310\n movl $0x00004500, 0xfee00300\n"
                     "movl $0x01000000, 0xfee00310\n movl $0x00004620, 0xfee00300\n"
                     "movb $'B', %al\n out %al, $0x10\n hlt");
/* Spoils what a reset must mend, then says so. */
CODE(guest_spoil, "mov $0x174, %ecx\n mov $0x1234, %eax\n xor %edx, %edx\n wrmsr\n"
                  "mov $0x4b564d01, %ecx\n mov $0x40001, %eax\n wrmsr\n"
                  "mov %cr4, %eax\n or $0x200, %eax\n mov %eax, %cr4\n"
                  "mov $0x5a5a5a5a, %eax\n mov %eax, %dr0\n movl $0x11111111, 0x80000\n"
                  "mov $'s', %al\n out %al, $0x10\n hlt");

/* Has KVM's clock at 0x40000 and goes in and out of the guest. */
CODE(guest_clock, "mov $0x4b564d01, %ecx\n mov $0x40001, %eax\n xor %edx, %edx\n wrmsr\n"
                  "1: mov $'c', %al\n out %al, $0x10\n jmp 1b");

typedef struct Machine {
        KvmFixture kvm;
        VcpuSet *set;
        pthread_mutex_t lock;
        char said[4096];
        size_t n_said;
        _Atomic uint32_t asked;
        int said_fd, parked_fd, outcome_fd;
        VcpuOutcome outcome;
        VcpuDetail detail;
        _Atomic unsigned n_entered;
        int enter_result;
} Machine;

static void say(void *context, _unused_ uint64_t offset, const void *data, size_t size)
{
        Machine *machine = context;

        pthread_mutex_lock(&machine->lock);
        if (machine->n_said < sizeof(machine->said) - size) {
                memcpy(machine->said + machine->n_said, data, size);
                machine->n_said += size;
        }
        pthread_mutex_unlock(&machine->lock);
        ck_assert_int_eq(eventfd_write(machine->said_fd, 1), 0);
}

static void ask(void *context, _unused_ uint64_t offset, void *data, size_t size)
{
        Machine *machine = context;

        uint32_t asked = ++machine->asked;

        memcpy(data, &asked, size);
        ck_assert_int_eq(eventfd_write(machine->said_fd, 1), 0);
}

static const BusOps say_ops = {NULL, say}, ask_ops = {ask, NULL};

static int machine_enter(void *context, unsigned index)
{
        Machine *machine = context;

        machine->n_entered++;
        return index == 0 ? machine->enter_result : 0;
}

static void machine_outcome(void *context, _unused_ unsigned index, VcpuOutcome outcome,
                            const VcpuDetail *detail)
{
        Machine *machine = context;

        machine->outcome = outcome;
        machine->detail = *detail;
        ck_assert_int_eq(eventfd_write(machine->outcome_fd, 1), 0);
}

static void machine_parked(void *context)
{
        Machine *machine = context;

        ck_assert_int_eq(eventfd_write(machine->parked_fd, 1), 0);
}

static int machine_start(Machine *machine)
{
        const VcpuBuses buses = {machine->kvm.pio, machine->kvm.mmio};
        const VcpuHandlers handlers = {machine_enter, machine_outcome, machine_parked, machine};
        int r;

        ck_assert_int_eq(vcpu_set_new(machine->kvm.n_vcpus, &handlers, &machine->set), 0);
        ck_assert_int_eq(vcpu_set_start(machine->set), 0);
        r = vcpu_set_await_entered(machine->set);
        if (r >= 0)
                vcpu_set_attach(machine->set, machine->kvm.vcpus, &buses);
        return r;
}

static void machine_init(Machine *machine, unsigned n_vcpus, const char *code, const char *code_end)
{
        *machine = (Machine){.lock = PTHREAD_MUTEX_INITIALIZER};
        kvm_fixture_init(&machine->kvm, n_vcpus);
        ck_assert_int_eq(bus_add(machine->kvm.pio, PORT_SAY, 1, "say", &say_ops, machine), 0);
        ck_assert_int_eq(bus_add(machine->kvm.pio, PORT_ASK, 4, "ask", &ask_ops, machine), 0);
        ck_assert_int_eq(bus_add(machine->kvm.mmio, MMIO_ADDRESS, 4, "ask", &ask_ops, machine), 0);
        machine->said_fd = eventfd(0, EFD_CLOEXEC);
        machine->parked_fd = eventfd(0, EFD_CLOEXEC);
        machine->outcome_fd = eventfd(0, EFD_CLOEXEC);
        kvm_fixture_load(&machine->kvm, code, code_end);
}

static void machine_done(Machine *machine)
{
        machine->set = vcpu_set_free(machine->set);
        close(machine->said_fd);
        close(machine->parked_fd);
        close(machine->outcome_fd);
        kvm_fixture_done(&machine->kvm);
}

static void await_fd(int fd)
{
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        eventfd_t value;

        ck_assert_int_eq(poll(&poll_fd, 1, WAIT_MSEC), 1);
        ck_assert_int_eq(eventfd_read(fd, &value), 0);
}

static void await_said(Machine *machine, size_t n)
{
        for (;;) {
                size_t n_said;

                pthread_mutex_lock(&machine->lock);
                n_said = machine->n_said;
                pthread_mutex_unlock(&machine->lock);
                if (n_said >= n)
                        return;
                await_fd(machine->said_fd);
        }
}

static void await_parked(Machine *machine)
{
        while (!vcpu_set_is_parked(machine->set))
                await_fd(machine->parked_fd);
}

/* Parks and runs on many times: no access is lost, none happens twice. */
START_TEST(test_park_and_run)
{
        Machine machine;

        machine_init(&machine, 1, guest_count, guest_count_end);
        ck_assert_int_eq(machine_start(&machine), 0);
        ck_assert(vcpu_set_is_parked(machine.set));
        ck_assert_uint_eq(machine.n_said, 0);
        for (unsigned i = 0; i < 100; i++) {
                size_t before = machine.n_said;

                vcpu_set_run(machine.set);
                if (i % 3 > 0)
                        await_said(&machine, before + i % 3);
                vcpu_set_park(machine.set);
                await_parked(&machine);
        }
        for (size_t i = 0; i < machine.n_said; i++)
                ck_assert_uint_eq((uint8_t)machine.said[i], (uint8_t)(i + 1));
        /* An answer that has been given has been taken: nothing is pending in KVM. */
        ck_assert_uint_ge(machine.asked, machine.n_said);
        ck_assert_uint_le(machine.asked, machine.n_said + 1);
        ck_assert_uint_eq(vcpu_set_exits(machine.set, VCPU_EXIT_IO),
                          machine.asked + machine.n_said);
        ck_assert_uint_gt(vcpu_set_exits(machine.set, VCPU_EXIT_INTERRUPTED), 0);
        ck_assert_uint_eq(vcpu_set_exits(machine.set, VCPU_EXIT_ERROR), 0);
        machine_done(&machine);
}
END_TEST

/* A parked vCPU has taken the answer to its last read: registers are complete. */
START_TEST(test_parked_is_complete)
{
        Machine machine;
        struct kvm_regs regs;

        machine_init(&machine, 1, guest_mmio, guest_mmio_end);
        ck_assert_int_eq(machine_start(&machine), 0);
        for (unsigned i = 0; i < 50; i++) {
                uint32_t n, sum;

                vcpu_set_run(machine.set);
                await_fd(machine.said_fd);
                vcpu_set_park(machine.set);
                await_parked(&machine);
                n = machine.asked;
                sum = n * (n + 1) / 2;
                ck_assert_int_eq(kvm_vcpu_get_regs(&machine.kvm.vcpus[0], &regs), 0);
                if (n > 0)
                        ck_assert_uint_eq(regs.rax, n);
                ck_assert(regs.rbx == sum || regs.rbx == sum - n);
        }
        ck_assert_uint_gt(machine.asked, 0);
        machine_done(&machine);
}
END_TEST

START_TEST(test_kick_spinning)
{
        Machine machine;

        machine_init(&machine, 2, guest_spin, guest_spin_end);
        ck_assert_int_eq(machine_start(&machine), 0);
        ck_assert_uint_eq(machine.n_entered, 2);
        for (unsigned i = 0; i < 20; i++) {
                vcpu_set_run(machine.set);
                vcpu_set_park(machine.set);
                await_parked(&machine);
        }
        ck_assert_uint_gt(vcpu_set_run_time_usec(machine.set, 0), 0);
        /* And out of a run to the end at once. */
        vcpu_set_run(machine.set);
        machine_done(&machine);
}
END_TEST

/* Whoever starts a monitor may have blocked every signal, and used up what a user may queue. */
START_TEST(test_kick_whatever_is_inherited)
{
        struct rlimit usual, none;
        Machine machine;
        sigset_t all;

        sigfillset(&all);
        ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &all, NULL), 0);
        ck_assert_int_eq(getrlimit(RLIMIT_SIGPENDING, &usual), 0);
        none = (struct rlimit){0, usual.rlim_max};
        machine_init(&machine, 2, guest_spin, guest_spin_end);
        ck_assert_int_eq(machine_start(&machine), 0);
        vcpu_set_run(machine.set);
        /* So long that it is in the guest. */
        while (vcpu_set_run_time_usec(machine.set, 0) < 20000)
                ck_assert_int_eq(sched_yield(), 0);
        ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &none), 0);
        vcpu_set_park(machine.set);
        await_parked(&machine);
        ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &usual), 0);
        machine_done(&machine);
}
END_TEST

/* One byte past the multiplier and the shift in struct pvclock_vcpu_time_info (Linux, msr.rst). */
#define CLOCK_FLAGS         (0x40000U + 29U)
#define CLOCK_GUEST_STOPPED 0x02U

static void run_for_a_while(Machine *machine)
{
        size_t n_said = machine->n_said;

        vcpu_set_run(machine->set);
        await_said(machine, n_said + 3);
        vcpu_set_park(machine->set);
        await_parked(machine);
}

/* A guest that looks at KVM's clock sees a pause, and no mere stop of its vCPUs. */
START_TEST(test_pause_is_told)
{
        Machine machine;
        uint8_t flags;

        machine_init(&machine, 1, guest_clock, guest_clock_end);
        ck_assert_int_eq(machine_start(&machine), 0);
        /* Not told of one that has no clock yet. */
        arch_vcpus_note_pause(machine.kvm.vcpus, 1);
        run_for_a_while(&machine);
        run_for_a_while(&machine);
        ck_assert_int_eq(guest_memory_read(machine.kvm.memory, CLOCK_FLAGS, &flags, 1), 0);
        ck_assert_uint_eq(flags & CLOCK_GUEST_STOPPED, 0);
        arch_vcpus_note_pause(machine.kvm.vcpus, 1);
        run_for_a_while(&machine);
        ck_assert_int_eq(guest_memory_read(machine.kvm.memory, CLOCK_FLAGS, &flags, 1), 0);
        ck_assert_uint_eq(flags & CLOCK_GUEST_STOPPED, CLOCK_GUEST_STOPPED);
        machine_done(&machine);
}
END_TEST

START_TEST(test_triple_fault)
{
        Machine machine;

        machine_init(&machine, 2, guest_triple, guest_triple_end);
        ck_assert_int_eq(machine_start(&machine), 0);
        vcpu_set_run(machine.set);
        await_fd(machine.outcome_fd);
        ck_assert_msg(machine.outcome == VCPU_TRIPLE_FAULT, "outcome %d: %s", machine.outcome,
                      machine.detail.text);
        vcpu_set_park(machine.set);
        await_parked(&machine);
        ck_assert_uint_eq(vcpu_set_exits(machine.set, VCPU_EXIT_SHUTDOWN), 1);
        machine_done(&machine);
}
END_TEST

/* The memory behind the guest goes: KVM_RUN fails, or the instruction cannot be fetched. */
START_TEST(test_failure_says_why)
{
        const GuestRegion *regions;
        Machine machine;

        machine_init(&machine, 1, guest_count, guest_count_end);
        ck_assert_int_eq(machine_start(&machine), 0);
        (void)guest_memory_regions(machine.kvm.memory, &regions);
        ck_assert_int_eq(mprotect(regions[0].host, regions[0].size, PROT_NONE), 0);
        vcpu_set_run(machine.set);
        await_fd(machine.outcome_fd);
        ck_assert_int_eq(machine.outcome, VCPU_FAILED);
        ck_assert_ptr_nonnull(strstr(machine.detail.text, "KVM"));
        ck_assert_uint_eq(vcpu_set_exits(machine.set, VCPU_EXIT_ERROR), 1);
        machine_done(&machine);
}
END_TEST

START_TEST(test_enter_fails)
{
        Machine machine;

        machine_init(&machine, 3, guest_spin, guest_spin_end);
        machine.enter_result = -EPERM;
        ck_assert_int_eq(machine_start(&machine), -EPERM);
        ck_assert_uint_eq(machine.n_entered, 3);
        machine_done(&machine);
}
END_TEST

START_TEST(test_second_vcpu)
{
        Machine machine;

        machine_init(&machine, 2, guest_start_ap, guest_start_ap_end);
        ck_assert_int_eq(machine_start(&machine), 0);
        vcpu_set_run(machine.set);
        await_said(&machine, 2);
        ck_assert(memcmp(machine.said, "AB", 2) == 0 || memcmp(machine.said, "BA", 2) == 0);
        vcpu_set_park(machine.set);
        await_parked(&machine);
        machine_done(&machine);
}
END_TEST

/* A second life is like the first: the second vCPU waits again, memory and registers are clean. */
START_TEST(test_reset)
{
        Machine machine;
        struct kvm_sregs sregs;
        struct kvm_regs regs;
        uint32_t word;

        machine_init(&machine, 2, guest_start_ap, guest_start_ap_end);
        ck_assert_int_eq(machine_start(&machine), 0);
        for (unsigned round = 1; round <= 6; round++) {
                bool spoil = round % 2 == 0;

                vcpu_set_run(machine.set);
                await_said(&machine, spoil ? 1 : 2);
                ck_assert_msg(spoil ? machine.said[0] == 's'
                                    : machine.said[0] + machine.said[1] == 'A' + 'B',
                              "round %u", round);
                vcpu_set_park(machine.set);
                await_parked(&machine);
                ck_assert_int_eq(guest_memory_reset(machine.kvm.memory), 0);
                ck_assert_int_eq(arch_vm_reset(&machine.kvm.vm), 0);
                ck_assert_int_eq(arch_vcpus_reset(machine.kvm.vcpus, 2), 0);
                for (unsigned i = 0; i < 2; i++) {
                        ck_assert_int_eq(kvm_vcpu_get_regs(&machine.kvm.vcpus[i], &regs), 0);
                        ck_assert_uint_eq(regs.rip, 0xfff0);
                        ck_assert_uint_eq(regs.rax, 0);
                        ck_assert_int_eq(kvm_vcpu_get_sregs(&machine.kvm.vcpus[i], &sregs), 0);
                        ck_assert_uint_eq(sregs.cr4, 0);
                        ck_assert_uint_eq(sregs.cs.base, 0xffff0000);
                        ck_assert_uint_eq(sregs.apic_base, i == 0 ? 0xfee00900 : 0xfee00800);
                }
                ck_assert_int_eq(guest_memory_read(machine.kvm.memory, 0x80000, &word, 4), 0);
                ck_assert_uint_eq(word, 0);
                machine.n_said = 0;
                if (spoil)
                        kvm_fixture_load(&machine.kvm, guest_start_ap, guest_start_ap_end);
                else
                        kvm_fixture_load(&machine.kvm, guest_spoil, guest_spoil_end);
        }
        machine_done(&machine);
}
END_TEST

static uint64_t get_msr(const KvmVcpu *vcpu, uint32_t index)
{
        struct {
                struct kvm_msrs header;
                struct kvm_msr_entry entry;
        } msrs = {.header.nmsrs = 1, .entry.index = index};

        ck_assert_int_eq(ioctl(vcpu->fd, KVM_GET_MSRS, &msrs), 1);
        return msrs.entry.data;
}

/* Whether this KVM has it. */
static bool set_msr(const KvmVcpu *vcpu, uint32_t index, uint64_t value)
{
        struct {
                struct kvm_msrs header;
                struct kvm_msr_entry entry;
        } msrs = {.header.nmsrs = 1, .entry = {.index = index, .data = value}};

        return ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) == 1;
}

START_TEST(test_reset_mends_msrs)
{
        const uint32_t zero[] = {MSR_IA32_TSC_ADJUST, MSR_MISC_FEATURES_ENABLES, MSR_LSTAR,
                                 MSR_KERNEL_GS_BASE};
        bool is_there[ARRAY_SIZE(zero)];
        Machine machine;

        machine_init(&machine, 1, guest_spoil, guest_spoil_end);
        ck_assert_int_eq(machine_start(&machine), 0);
        vcpu_set_run(machine.set);
        await_said(&machine, 1);
        vcpu_set_park(machine.set);
        await_parked(&machine);
        ck_assert_uint_eq(get_msr(&machine.kvm.vcpus[0], 0x174), 0x1234);
        ck_assert_uint_eq(get_msr(&machine.kvm.vcpus[0], 0x4b564d01), 0x40001);
        for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
                is_there[i] = set_msr(&machine.kvm.vcpus[0], zero[i], 1);
        ck_assert(is_there[0]);
        ck_assert_int_eq(arch_vcpus_reset(machine.kvm.vcpus, 1), 0);
        for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
                ck_assert_msg(!is_there[i] || get_msr(&machine.kvm.vcpus[0], zero[i]) == 0, "%#x",
                              zero[i]);
        ck_assert_uint_eq(get_msr(&machine.kvm.vcpus[0], 0x174), 0);
        ck_assert_uint_eq(get_msr(&machine.kvm.vcpus[0], 0x4b564d01), 0);
        ck_assert_uint_eq(get_msr(&machine.kvm.vcpus[0], MSR_IA32_MTRR_DEF_TYPE),
                          MTRR_DEF_TYPE_WB_ENABLE);
        ck_assert_uint_eq(get_msr(&machine.kvm.vcpus[0], MSR_IA32_MISC_ENABLE) & 1, 1);
        machine_done(&machine);
}
END_TEST

/* A SIPI that was sent and not yet taken when the machine is reset starts nobody afterwards. */
START_TEST(test_reset_drops_pending_sipi)
{
        struct kvm_mp_state state;
        Machine machine;

        machine_init(&machine, 2, guest_start_ap, guest_start_ap_end);
        /* vCPU 1 does not run, so it takes nothing. */
        while (machine.n_said == 0) {
                const VcpuBuses buses = {machine.kvm.pio, machine.kvm.mmio};
                KvmVcpu *vcpu = &machine.kvm.vcpus[0];

                ck_assert_int_eq(kvm_vcpu_run(vcpu), 0);
                ck_assert_int_eq(
                        vcpu_exit_handle(vcpu->run, vcpu->run_size, &buses, &machine.detail),
                        VCPU_CONTINUE);
        }
        ck_assert_int_eq(machine.said[0], 'B');
        ck_assert_int_eq(arch_vcpus_reset(machine.kvm.vcpus, 2), 0);
        ck_assert_int_eq(kvm_vcpu_get_mp_state(&machine.kvm.vcpus[1], &state), 0);
        ck_assert_uint_eq(state.mp_state, KVM_MP_STATE_UNINITIALIZED);
        ck_assert_int_eq(kvm_vcpu_get_mp_state(&machine.kvm.vcpus[0], &state), 0);
        ck_assert_uint_eq(state.mp_state, KVM_MP_STATE_RUNNABLE);
        machine_done(&machine);
}
END_TEST

/* The write goes to the eventfd and is no exit; after its removal it is one. */
START_TEST(test_ioeventfd)
{
        const IoEvent door = {.is_port = true, .address = PORT_DOOR, .size = 1};
        int door_fd = eventfd(0, EFD_CLOEXEC);
        Machine machine;

        machine_init(&machine, 1, guest_door, guest_door_end);
        ck_assert_int_eq(ioeventfd_add(&machine.kvm.vm, &door, door_fd), 0);
        ck_assert_int_eq(ioeventfd_add(&machine.kvm.vm, &door, door_fd), -EEXIST);
        ck_assert_int_eq(machine_start(&machine), 0);
        vcpu_set_run(machine.set);
        await_said(&machine, 1);
        await_fd(door_fd);
        ck_assert_uint_eq(vcpu_set_exits(machine.set, VCPU_EXIT_IO), 1);
        ck_assert_int_eq(ioeventfd_remove(&machine.kvm.vm, &door, door_fd), 0);
        ck_assert_int_eq(ioeventfd_remove(&machine.kvm.vm, &door, door_fd), -ENOENT);
        close(door_fd);
        machine_done(&machine);
}
END_TEST

START_TEST(test_irqfd)
{
        struct kvm_irqchip chip = {.chip_id = KVM_IRQCHIP_IOAPIC};
        int edge_fd = eventfd(0, EFD_CLOEXEC), resample_fd = eventfd(0, EFD_CLOEXEC);
        Machine machine;

        machine_init(&machine, 1, guest_spin, guest_spin_end);
        ck_assert_int_eq(irqfd_add(&machine.kvm.vm, 5, edge_fd), 0);
        ck_assert_int_eq(irqfd_add(&machine.kvm.vm, 5, edge_fd), -EBUSY);
        ck_assert_int_eq(irqfd_remove(&machine.kvm.vm, 5, edge_fd), 0);
        ck_assert_int_eq(irqfd_add_level(&machine.kvm.vm, 6, edge_fd, resample_fd), 0);
        ck_assert_int_eq(eventfd_write(edge_fd, 1), 0);
        /* KVM may leave it to a worker. */
        do
                ck_assert_int_eq(kvm_vm_get_irqchip(&machine.kvm.vm, &chip), 0);
        while (!(chip.chip.ioapic.irr & 1U << 6) && sched_yield() == 0);
        ck_assert_int_eq(irqfd_remove(&machine.kvm.vm, 6, edge_fd), 0);
        ck_assert_int_eq(kvm_vm_irq_line(&machine.kvm.vm, 7, true), 0);
        ck_assert_int_eq(kvm_vm_get_irqchip(&machine.kvm.vm, &chip), 0);
        ck_assert_uint_eq(chip.chip.ioapic.irr & 1U << 7, 1U << 7);
        close(edge_fd);
        close(resample_fd);
        machine_done(&machine);
}
END_TEST

int main(void)
{
        const CheckTest tests[] = {
                {"park and run", test_park_and_run},
                {"parked is complete", test_parked_is_complete},
                {"kick spinning", test_kick_spinning},
                {"kick whatever is inherited", test_kick_whatever_is_inherited},
                {"pause is told", test_pause_is_told},
                {"triple fault", test_triple_fault},
                {"failure says why", test_failure_says_why},
                {"enter fails", test_enter_fails},
                {"second vCPU", test_second_vcpu},
                {"reset", test_reset},
                {"reset mends MSRs", test_reset_mends_msrs},
                {"reset drops pending SIPI", test_reset_drops_pending_sipi},
                {"ioeventfd", test_ioeventfd},
                {"irqfd", test_irqfd},
        };

        kvm_fixture_require_kvm();
        return check_run("vcpus", tests, sizeof(tests) / sizeof(tests[0]));
}
