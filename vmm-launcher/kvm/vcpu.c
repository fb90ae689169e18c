/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Room for a device's handler and a signal frame with the largest register state (AVX-512 needs
 * 3 KiB, AMX 11). Sanitizers need more for theirs.
 */
#ifdef LAUNCHER_SANITIZED
#define VCPU_STACK_SIZE (1024UL * 1024)
#else
#define VCPU_STACK_SIZE (64UL * 1024)
#endif

/* Not a real-time signal: those are queued, and fail when the user's queue is full (kill(2)). */
#define KICK_SIGNAL SIGUSR1

typedef enum VcpuRequest {
        VCPU_REQUEST_PARK,
        VCPU_REQUEST_RUN,
        VCPU_REQUEST_EXIT,
} VcpuRequest;

typedef struct VcpuThread {
        VcpuSet *set;
        KvmVcpu vcpu;
        unsigned index;
        pthread_t thread;
        _Atomic pid_t tid; /* 0 until the thread runs */
        int enter_error;
        bool entered;
        bool parked; /* set by the thread, cleared by who lets it go; under the set's lock */
        /* Written by this thread only; read by anyone. */
        _Atomic uint64_t exits[_VCPU_EXIT_CLASS_MAX];
} VcpuThread;

struct VcpuSet {
        VcpuBuses buses;
        VcpuHandlers handlers;
        pthread_mutex_t lock;
        pthread_cond_t released; /* some thread's parked, or request */
        sem_t entered;           /* one for each thread that has parked for the first time */
        _Atomic int request;     /* VcpuRequest; RUN and EXIT only under the lock */
        unsigned n_parked;       /* under the lock */
        unsigned n_vcpus;
        unsigned n_started;
        bool has_run; /* under the lock */
        VcpuThread threads[];
};

static void kick_signal_handler(_unused_ int number)
{
        /* Its delivery is all that is wanted: KVM_RUN returns EINTR. */
}

static void set_immediate_exit(const VcpuThread *thread, bool on)
{
        __atomic_store_n(&thread->vcpu.run->immediate_exit, on, __ATOMIC_SEQ_CST);
}

static void count_exit(VcpuThread *thread, VcpuExitClass class)
{
        _Atomic uint64_t *counter = &thread->exits[class];

        /* One writer: no need for a locked instruction. */
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                              memory_order_relaxed);
}

static VcpuOutcome vcpu_handle_exit(VcpuThread *thread, int run_result, VcpuDetail *detail)
{
        struct kvm_run *run = thread->vcpu.run;

        if (run_result < 0) {
                (void)snprintf(detail->text, sizeof(detail->text), "KVM_RUN failed: %s",
                               strerrordesc_np(-run_result));
                count_exit(thread, VCPU_EXIT_ERROR);
                return VCPU_FAILED;
        }
        count_exit(thread, vcpu_exit_class(run->exit_reason));
        return vcpu_exit_handle(run, thread->vcpu.run_size, &thread->set->buses, detail);
}

/*
 * Runs until asked to stop. KVM finishes a port or memory access only at the next KVM_RUN, so a
 * stop is taken at KVM_RUN's EINTR and nowhere else.
 */
static void vcpu_run(VcpuThread *thread)
{
        VcpuSet *set = thread->set;

        set_immediate_exit(thread, false);
        for (;;) {
                VcpuDetail detail = {""};
                VcpuOutcome outcome;
                int r;

                if (atomic_load(&set->request) != VCPU_REQUEST_RUN)
                        set_immediate_exit(thread, true);
                r = kvm_vcpu_run(&thread->vcpu);
                if (r == -EINTR || r == -EAGAIN) {
                        count_exit(thread, VCPU_EXIT_INTERRUPTED);
                        if (r == -EINTR && atomic_load(&set->request) != VCPU_REQUEST_RUN)
                                return;
                        continue;
                }
                outcome = vcpu_handle_exit(thread, r, &detail);
                if (outcome != VCPU_CONTINUE) {
                        vcpu_set_request_park(set);
                        set->handlers.outcome(set->handlers.context, thread->index, outcome,
                                              &detail);
                        return;
                }
        }
}

/* Returns whether to run (again), or to end. */
static bool vcpu_park(VcpuThread *thread)
{
        VcpuSet *set = thread->set;
        bool all_parked, go_on;

        pthread_mutex_lock(&set->lock);
        thread->parked = true;
        all_parked = ++set->n_parked == set->n_vcpus && set->has_run;
        pthread_mutex_unlock(&set->lock);
        if (!thread->entered) {
                thread->entered = true;
                sem_post(&set->entered);
        }
        if (all_parked && set->handlers.parked)
                set->handlers.parked(set->handlers.context);
        pthread_mutex_lock(&set->lock);
        while (thread->parked && set->request != VCPU_REQUEST_EXIT)
                pthread_cond_wait(&set->released, &set->lock);
        go_on = set->request != VCPU_REQUEST_EXIT;
        pthread_mutex_unlock(&set->lock);
        return go_on;
}

static void *vcpu_thread_main(void *argument)
{
        VcpuThread *thread = argument;
        VcpuSet *set = thread->set;
        char name[16];

        thread->tid = gettid();
        (void)snprintf(name, sizeof(name), "vcpu%u", thread->index);
        (void)pthread_setname_np(pthread_self(), name);
        if (set->handlers.enter)
                thread->enter_error = set->handlers.enter(set->handlers.context, thread->index);
        while (vcpu_park(thread))
                vcpu_run(thread);
        return NULL;
}

static int vcpu_thread_start(VcpuThread *thread)
{
        pthread_attr_t attributes;
        int r;

        r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;
        r = pthread_attr_setstacksize(&attributes, VCPU_STACK_SIZE);
        if (r == 0)
                r = pthread_create(&thread->thread, &attributes, vcpu_thread_main, thread);
        (void)pthread_attr_destroy(&attributes);
        return -r;
}

int vcpu_set_await_entered(VcpuSet *set)
{
        int r = 0;

        for (unsigned i = 0; i < set->n_vcpus; i++)
                while (sem_wait(&set->entered) < 0)
                        ;
        for (unsigned i = 0; i < set->n_vcpus && r == 0; i++)
                r = set->threads[i].enter_error;
        return r;
}

/* The threads have their mask from this one, and a mask outlives exec. */
static int kick_signal_install(void)
{
        struct sigaction action = {.sa_handler = kick_signal_handler, .sa_flags = SA_RESTART};
        sigset_t kick;

        if (sigaction(KICK_SIGNAL, &action, NULL) < 0)
                return -errno;
        sigemptyset(&kick);
        sigaddset(&kick, KICK_SIGNAL);
        return -pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
}

int vcpu_set_new(unsigned n_vcpus, const VcpuHandlers *handlers, VcpuSet **ret)
{
        VcpuSet *set;

        if (n_vcpus == 0)
                return -EINVAL;
        set = calloc(1, sizeof(*set) + n_vcpus * sizeof(set->threads[0]));
        if (!set)
                return -ENOMEM;
        set->handlers = *handlers;
        set->n_vcpus = n_vcpus;
        pthread_mutex_init(&set->lock, NULL);
        pthread_cond_init(&set->released, NULL);
        (void)sem_init(&set->entered, 0, 0);
        for (unsigned i = 0; i < n_vcpus; i++) {
                set->threads[i].set = set;
                set->threads[i].vcpu = KVM_VCPU_NONE;
                set->threads[i].index = i;
        }
        *ret = set;
        return 0;
}

int vcpu_set_start(VcpuSet *set)
{
        int r = kick_signal_install();

        for (unsigned i = 0; i < set->n_vcpus && r >= 0; i++) {
                r = vcpu_thread_start(&set->threads[i]);
                if (r >= 0)
                        set->n_started++;
        }
        return r;
}

void vcpu_set_attach(VcpuSet *set, const KvmVcpu *vcpus, const VcpuBuses *buses)
{
        /* The lock: the threads see it when they are let go. */
        pthread_mutex_lock(&set->lock);
        set->buses = *buses;
        for (unsigned i = 0; i < set->n_vcpus; i++)
                set->threads[i].vcpu = vcpus[i];
        pthread_mutex_unlock(&set->lock);
}

static void vcpu_set_request(VcpuSet *set, VcpuRequest request)
{
        pthread_mutex_lock(&set->lock);
        set->request = request;
        for (unsigned i = 0; i < set->n_started; i++) {
                VcpuThread *thread = &set->threads[i];

                if (request == VCPU_REQUEST_RUN)
                        thread->parked = false;
                else if (!thread->parked && thread->tid > 0 && thread->vcpu.run) {
                        set_immediate_exit(thread, true);
                        (void)syscall(SYS_tgkill, getpid(), thread->tid, KICK_SIGNAL);
                }
        }
        if (request == VCPU_REQUEST_RUN) {
                set->n_parked = 0;
                set->has_run = true;
        }
        pthread_mutex_unlock(&set->lock);
        /* After the lock is free, so that who wakes does not run into it. */
        if (request != VCPU_REQUEST_PARK)
                pthread_cond_broadcast(&set->released);
}

VcpuSet *vcpu_set_free(VcpuSet *set)
{
        if (!set)
                return NULL;
        vcpu_set_request(set, VCPU_REQUEST_EXIT);
        for (unsigned i = 0; i < set->n_started; i++)
                (void)pthread_join(set->threads[i].thread, NULL);
        (void)sem_destroy(&set->entered);
        pthread_cond_destroy(&set->released);
        pthread_mutex_destroy(&set->lock);
        free(set);
        return NULL;
}

void vcpu_set_run(VcpuSet *set)
{
        vcpu_set_request(set, VCPU_REQUEST_RUN);
}

void vcpu_set_park(VcpuSet *set)
{
        vcpu_set_request(set, VCPU_REQUEST_PARK);
}

void vcpu_set_request_park(VcpuSet *set)
{
        int running = VCPU_REQUEST_RUN;

        atomic_compare_exchange_strong(&set->request, &running, VCPU_REQUEST_PARK);
}

bool vcpu_set_is_parked(VcpuSet *set)
{
        bool parked;

        pthread_mutex_lock(&set->lock);
        parked = set->n_parked == set->n_vcpus;
        pthread_mutex_unlock(&set->lock);
        return parked;
}

uint64_t vcpu_set_run_time_usec(const VcpuSet *set, unsigned index)
{
        struct timespec time;
        clockid_t clock;

        if (pthread_getcpuclockid(set->threads[index].thread, &clock) != 0 ||
            clock_gettime(clock, &time) < 0)
                return 0;
        return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

uint64_t vcpu_set_exits(const VcpuSet *set, VcpuExitClass class)
{
        uint64_t n = 0;

        for (unsigned i = 0; i < set->n_vcpus; i++)
                n += atomic_load_explicit(&set->threads[i].exits[class], memory_order_relaxed);
        return n;
}
