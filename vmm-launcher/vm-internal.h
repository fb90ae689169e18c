/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * struct Vm and what its files share: vm.c (the object), vm-start.c (a start request becomes a
 * machine), vm-run.c (run, pause, reset, end), vm-control.c (the daemon's requests), vm-stats.c.
 *
 * All of it belongs to the event loop's thread, but VmReport, which vCPU threads write.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/arch.h"
#include "backend/console.h"
#include "control.h"
#include "core/bus.h"
#include "core/dma-window.h"
#include "core/event-loop.h"
#include "core/guest-memory.h"
#include "device-table.h"
#include "kvm/kvm.h"
#include "kvm/vcpu.h"
#include "vm.h"
#include "vmconfig/vm-config.h"

/* What stops the vCPUs from inside. */
typedef enum VmCause {
        VM_CAUSE_NONE,
        VM_CAUSE_POWER_OFF,
        VM_CAUSE_RESET,
        VM_CAUSE_GUEST_PANIC,
        VM_CAUSE_TRIPLE_FAULT,
        VM_CAUSE_WATCHDOG,
        VM_CAUSE_PAYLOAD_FINISHED,
        VM_CAUSE_FAILED,
} VmCause;

/* What the vCPU threads have to say. They note it here and wake the loop. */
typedef struct VmReport {
        _Atomic int cause;             /* VmCause; the first one counts until it is dealt with */
        VcpuDetail detail;             /* of VM_CAUSE_FAILED; written before cause */
        _Atomic bool detail_taken;     /* which vCPU may write it */
        _Atomic unsigned payload_seen; /* a bit per PayloadState */
        _Atomic int32_t payload_exit_code;
} VmReport;

#define VM_PROBLEM_MAX 768U

typedef struct VmProblem {
        int error; /* negative errno */
        char message[VM_PROBLEM_MAX];
} VmProblem;

/* Descriptors that a start request brought; -1: none. */
typedef struct VmFiles {
        int kvm, image, initrd, log, log_previous;
} VmFiles;

struct Vm {
        EventLoop *loop;
        Control *control;
        Console *console;
        int wake_fd; /* eventfd: look at report, and whether the vCPUs have parked */
        EventSource wake;

        VmConfig config;
        char *run_id; /* NULL before start */
        VmFiles files;
        int statm_fd; /* /proc/self/statm, opened before the walls are up */

        ArchHost *host; /* written by vCPU 0's thread until that has entered */
        GuestMemory *memory;
        BootImage image;
        uint64_t boot_params;
        KvmVm kvm;
        KvmVcpu *vcpus;
        unsigned n_vcpus;
        Bus *pio, *mmio;
        DmaWindow window; /* what devices see of memory */
        DeviceTable devices;
        enum { VM_DEVICES_BUSY, VM_DEVICES_QUIESCING, VM_DEVICES_QUIET } devices_state;
        VcpuSet *vcpu_set;

        MachineState state;
        VmReport report;
        bool reset_wanted; /* once the vCPUs have parked */
        PayloadState payload_state;
        int64_t payload_exit_code; /* -1: none */
        uint64_t n_resets;
        uint64_t started_nsec; /* CLOCK_MONOTONIC of the first run */
        ControlRequest pause_request, resume_request, reset_request;

        StopReason end_reason; /* STOP_REASON_NONE: not over yet */
        char end_detail[VM_PROBLEM_MAX];
        bool drain_console; /* give readers time to take the rest */
};

/* Fills *problem and returns its error. */
int vm_problem_set(VmProblem *problem, int error, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* vm-start.c: from the request's parameters and descriptors to vCPUs that wait, walls up. */
int vm_assemble(Vm *vm, Message *message, VmProblem *problem);
/* Loads the image into cleared memory and points vCPU 0 at it. */
int vm_load_image(Vm *vm, VmProblem *problem);
int vm_set_entry(Vm *vm, VmProblem *problem);
void vm_disassemble(Vm *vm);

/* vm-run.c */
void vm_begin_run(Vm *vm);
void vm_pause(Vm *vm, ControlRequest request);
void vm_resume(Vm *vm, ControlRequest request);
void vm_reset(Vm *vm, ControlRequest request);
/* The run is over: the event loop ends. The first reason counts. */
void vm_end(Vm *vm, StopReason reason, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void vm_handle_wake(void *context, uint32_t epoll_events);
/* On vCPU threads. */
void vm_note_machine_event(void *context, MachineEvent event, int32_t argument);
void vm_note_outcome(void *context, unsigned index, VcpuOutcome outcome, const VcpuDetail *detail);
void vm_note_parked(void *context);

/* vm-control.c */
extern const ControlHandlers vm_control_handlers; /* context is to be filled in */
void vm_send_state(Vm *vm);
void vm_send_payload(Vm *vm, PayloadState state);
void vm_send_console_writer(void *context, bool attached);

/* vm-stats.c: the caller frees what the two own with json_fields_done(). */
int vm_get_stats(Vm *vm, ProtocolStats *ret);
int vm_get_snapshot(Vm *vm, ProtocolSnapshot *ret);
