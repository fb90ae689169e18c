/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvm/irqfd.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

static int irqfd_set(const KvmVm *vm, const struct kvm_irqfd *irqfd)
{
        return ioctl(vm->fd, KVM_IRQFD, irqfd) < 0 ? -errno : 0;
}

int irqfd_add(const KvmVm *vm, unsigned gsi, int event_fd)
{
        const struct kvm_irqfd irqfd = {.fd = (uint32_t)event_fd, .gsi = gsi};

        return irqfd_set(vm, &irqfd);
}

int irqfd_add_level(const KvmVm *vm, unsigned gsi, int event_fd, int resample_fd)
{
        const struct kvm_irqfd irqfd = {
                .fd = (uint32_t)event_fd,
                .gsi = gsi,
                .flags = KVM_IRQFD_FLAG_RESAMPLE,
                .resamplefd = (uint32_t)resample_fd,
        };

        return irqfd_set(vm, &irqfd);
}

int irqfd_remove(const KvmVm *vm, unsigned gsi, int event_fd)
{
        const struct kvm_irqfd irqfd = {
                .fd = (uint32_t)event_fd,
                .gsi = gsi,
                .flags = KVM_IRQFD_FLAG_DEASSIGN,
        };

        return irqfd_set(vm, &irqfd);
}

static int ioeventfd_set(const KvmVm *vm, const IoEvent *event, int event_fd, uint32_t flags)
{
        struct kvm_ioeventfd ioeventfd = {
                .datamatch = event->value,
                .addr = event->address,
                .len = event->size,
                .fd = event_fd,
                .flags = flags,
        };

        if (event->is_port)
                ioeventfd.flags |= KVM_IOEVENTFD_FLAG_PIO;
        if (event->match)
                ioeventfd.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
        return ioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd) < 0 ? -errno : 0;
}

int ioeventfd_add(const KvmVm *vm, const IoEvent *event, int event_fd)
{
        return ioeventfd_set(vm, event, event_fd, 0);
}

int ioeventfd_remove(const KvmVm *vm, const IoEvent *event, int event_fd)
{
        return ioeventfd_set(vm, event, event_fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static int doorbell_add(void *context, uint64_t address, int event_fd)
{
        const IoEvent event = {.address = address};

        return ioeventfd_add(context, &event, event_fd);
}

static void doorbell_remove(void *context, uint64_t address, int event_fd)
{
        const IoEvent event = {.address = address};

        (void)ioeventfd_remove(context, &event, event_fd);
}

Doorbell ioeventfd_doorbell(const KvmVm *vm)
{
        return (Doorbell){doorbell_add, doorbell_remove, (void *)vm};
}
