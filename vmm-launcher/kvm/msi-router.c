/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvm/msi-router.h"

#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arch/arch.h"
#include "common/fd.h"
#include "core/guest-log.h"
#include "kvm/irqfd.h"

#define ROUTES_MAX 4096U /* KVM_MAX_IRQ_ROUTES; GSIs are below it, too */

typedef struct MsiVector {
        _Atomic int fd; /* -1: not made yet; then it stays */
        bool is_connected;
        bool has_route; /* it stays while the vector is masked: most messages come again */
        uint64_t address;
        uint32_t data;
} MsiVector;

/* What a line's context is. */
typedef struct MsiGroup {
        MsiRouter *router;
        unsigned first;
        struct MsiGroup *next;
} MsiGroup;

struct MsiRouter {
        const KvmVm *vm;
        GuestLog log;
        pthread_mutex_t lock; /* for what stands here, but fd of a vector, which is only set */
        unsigned n_own;       /* routes of the irqchip's own inputs, at the table's beginning */
        unsigned first_gsi;   /* of vector 0 */
        struct kvm_irq_routing *table; /* room for n_own and all vectors */
        MsiVector *vectors;
        unsigned n_vectors;
        MsiGroup *groups;
};

static int router_grow(MsiRouter *router, unsigned n_vectors)
{
        size_t n_routes = router->n_own + (size_t)n_vectors;
        struct kvm_irq_routing *table = realloc(
                router->table, sizeof(*table) + n_routes * sizeof(struct kvm_irq_routing_entry));
        MsiVector *vectors;

        if (!table)
                return -ENOMEM;
        router->table = table;
        if (n_vectors == 0)
                return 0;
        vectors = reallocarray(router->vectors, n_vectors, sizeof(*vectors));
        if (!vectors)
                return -ENOMEM;
        router->vectors = vectors;
        for (unsigned i = router->n_vectors; i < n_vectors; i++) {
                vectors[i] = (MsiVector){0};
                atomic_init(&vectors[i].fd, -1);
        }
        router->n_vectors = n_vectors;
        return 0;
}

int msi_router_new(const KvmVm *vm, MsiRouter **ret)
{
        struct kvm_irq_routing_entry own[ARCH_IRQ_ROUTES_MAX];
        MsiRouter *router = calloc(1, sizeof(*router));

        if (!router)
                return -ENOMEM;
        router->vm = vm;
        router->n_own = (unsigned)arch_irq_routes(own, &router->first_gsi);
        if (router_grow(router, 0) < 0) {
                free(router);
                return -ENOMEM;
        }
        memset(router->table, 0, sizeof(*router->table));
        memcpy(router->table->entries, own, router->n_own * sizeof(own[0]));
        guest_log_init(&router->log);
        (void)pthread_mutex_init(&router->lock, NULL);
        *ret = router;
        return 0;
}

MsiRouter *msi_router_free(MsiRouter *router)
{
        MsiGroup *group;

        if (!router)
                return NULL;
        while ((group = router->groups)) {
                router->groups = group->next;
                free(group);
        }
        for (unsigned i = 0; i < router->n_vectors; i++)
                fd_close(atomic_load(&router->vectors[i].fd));
        (void)pthread_mutex_destroy(&router->lock);
        guest_log_done(&router->log);
        free(router->vectors);
        free(router->table);
        free(router);
        return NULL;
}

/* -1 if the host has no descriptor left, which has been logged. With the lock held. */
static int vector_make_fd(MsiRouter *router, MsiVector *vector)
{
        int fd = atomic_load(&vector->fd);

        if (fd >= 0)
                return fd;
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0)
                guest_log(&router->log, LOG_ERR,
                          "no descriptor for an interrupt vector, which stays silent: %s",
                          strerrordesc_np(errno));
        else
                atomic_store(&vector->fd, fd);
        return fd;
}

/* Replaces KVM's whole table. */
static int router_set_table(MsiRouter *router)
{
        unsigned n = router->n_own;

        for (unsigned i = 0; i < router->n_vectors; i++) {
                const MsiVector *vector = &router->vectors[i];

                if (!vector->has_route)
                        continue;
                router->table->entries[n++] = (struct kvm_irq_routing_entry){
                        .gsi = router->first_gsi + i,
                        .type = KVM_IRQ_ROUTING_MSI,
                        .u.msi = {.address_lo = (uint32_t)vector->address,
                                  .address_hi = (uint32_t)(vector->address >> 32),
                                  .data = vector->data},
                };
        }
        router->table->nr = n;
        return kvm_vm_set_gsi_routing(router->vm, router->table);
}

static int vector_set_route(MsiRouter *router, MsiVector *vector, uint64_t address, uint32_t data)
{
        int r;

        if (vector->has_route && vector->address == address && vector->data == data)
                return 0;
        vector->has_route = true;
        vector->address = address;
        vector->data = data;
        r = router_set_table(router);
        /* KVM kept its table; a message that it does not take must not be in the next one. */
        if (r < 0)
                vector->has_route = false;
        return r;
}

static void vector_disconnect(MsiRouter *router, unsigned index)
{
        MsiVector *vector = &router->vectors[index];

        if (!vector->is_connected)
                return;
        /* KVM has delivered what was signalled until it returns, and left the counter at zero. */
        (void)irqfd_remove(router->vm, router->first_gsi + index, atomic_load(&vector->fd));
        vector->is_connected = false;
}

static int vector_connect(MsiRouter *router, unsigned index, uint64_t address, uint32_t data)
{
        MsiVector *vector = &router->vectors[index];
        int fd = vector_make_fd(router, vector);
        int r;

        if (fd < 0)
                return -EMFILE;
        r = vector_set_route(router, vector, address, data);
        if (r < 0) {
                vector_disconnect(router, index);
                return r;
        }
        if (vector->is_connected)
                return 0;
        r = irqfd_add(router->vm, router->first_gsi + index, fd);
        vector->is_connected = r >= 0;
        return r;
}

static int router_unmask(void *context, unsigned vector, uint64_t address, uint32_t data)
{
        const MsiGroup *group = context;
        MsiRouter *router = group->router;
        int r;

        (void)pthread_mutex_lock(&router->lock);
        r = vector_connect(router, group->first + vector, address, data);
        (void)pthread_mutex_unlock(&router->lock);
        return r;
}

static void router_mask(void *context, unsigned vector)
{
        const MsiGroup *group = context;
        MsiRouter *router = group->router;

        (void)pthread_mutex_lock(&router->lock);
        vector_disconnect(router, group->first + vector);
        (void)pthread_mutex_unlock(&router->lock);
}

static int group_fd(const MsiGroup *group, unsigned vector)
{
        return atomic_load(&group->router->vectors[group->first + vector].fd);
}

static bool router_is_pending(void *context, unsigned vector)
{
        const struct timespec at_once = {0};
        struct pollfd poll_fd = {.fd = group_fd(context, vector), .events = POLLIN};

        return poll_fd.fd >= 0 && ppoll(&poll_fd, 1, &at_once, NULL) == 1;
}

static void router_clear(void *context, unsigned vector)
{
        int fd = group_fd(context, vector);
        uint64_t count;

        if (fd >= 0)
                (void)!read(fd, &count, sizeof(count));
}

static int router_event_fd(void *context, unsigned vector)
{
        const MsiGroup *group = context;
        MsiRouter *router = group->router;
        int fd = group_fd(group, vector);

        if (fd >= 0)
                return fd;
        (void)pthread_mutex_lock(&router->lock);
        fd = vector_make_fd(router, &router->vectors[group->first + vector]);
        (void)pthread_mutex_unlock(&router->lock);
        return fd;
}

static void router_signal(void *context, unsigned vector)
{
        const uint64_t one = 1;
        int fd = router_event_fd(context, vector);

        /* Full means that it is pending already. */
        if (fd >= 0)
                (void)!write(fd, &one, sizeof(one));
}

static const MsiOps router_ops = {router_unmask, router_mask,   router_is_pending,
                                  router_clear,  router_signal, router_event_fd};

int msi_router_add(MsiRouter *router, unsigned n_vectors, MsiLine *ret)
{
        unsigned first = router->n_vectors;
        MsiGroup *group;
        int r;

        if (n_vectors > ROUTES_MAX || first + n_vectors > ROUTES_MAX - router->n_own ||
            first + n_vectors > ROUTES_MAX - router->first_gsi)
                return -ENOSPC;
        group = calloc(1, sizeof(*group));
        if (!group)
                return -ENOMEM;
        r = router_grow(router, first + n_vectors);
        if (r < 0) {
                free(group);
                return r;
        }
        *group = (MsiGroup){router, first, router->groups};
        router->groups = group;
        *ret = (MsiLine){&router_ops, group};
        return 0;
}
