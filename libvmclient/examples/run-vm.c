/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs a virtual machine and shows what it prints: run-vm [--system] CONFIG.json
 *
 * The machine is transient: it vanishes with its run, whatever becomes of this program. Its exit
 * status is that of the guest's payload. Build it outside of the tree with
 *     cc run-vm.c $(pkg-config --cflags --libs vmclient-1) -o run-vm
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vmclient.h>

/* Attaches one end of a pair of sockets to the console to be; returns the other. */
static int attach_console(VmClientOptions *options, GError **error)
{
        int pair[2];
        gboolean attached;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "no sockets for the console");
                return -1;
        }
        attached = vm_client_options_set_console(options, pair[1], FALSE, error);
        close(pair[1]);
        if (attached)
                return pair[0];
        close(pair[0]);
        return -1;
}

/* Until the monitor closes its end. */
static void copy_console(int console)
{
        char buffer[4096];
        ssize_t n;

        while ((n = read(console, buffer, sizeof(buffer))) > 0)
                fwrite(buffer, 1, (size_t)n, stdout);
        fflush(stdout);
}

static VmClientMachine *start(VmClientBus bus, const char *path, int *ret_console, GError **error)
{
        g_autoptr(VmClientManager) manager = NULL;
        g_autoptr(VmClientConfig) config = NULL;
        g_autoptr(VmClientOptions) options = vm_client_options_new();
        g_autofree char *name = g_strdup_printf("run-vm-%d", (int)getpid());
        VmClientMachine *machine;

        config = vm_client_config_new_from_file(path, error);
        if (!config)
                return NULL;
        manager = vm_client_manager_new_sync(bus, VM_CLIENT_MANAGER_FLAGS_NONE, NULL, error);
        if (!manager)
                return NULL;
        *ret_console = attach_console(options, error);
        if (*ret_console < 0)
                return NULL;
        machine = vm_client_manager_create_machine_sync(manager, name, config,
                                                        VM_CLIENT_CREATE_FLAGS_START |
                                                                VM_CLIENT_CREATE_FLAGS_TRANSIENT,
                                                        options, NULL, error);
        if (!machine)
                close(*ret_console);
        return machine;
}

int main(int argc, char **argv)
{
        gboolean system = argc > 1 && g_str_equal(argv[1], "--system");
        g_autoptr(VmClientMachine) machine = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *detail = NULL;
        VmClientStopReason reason;
        int console = -1, code;

        if (argc != 2 + (system != FALSE)) {
                fprintf(stderr, "usage: %s [--system] CONFIG.json\n", argv[0]);
                return 125;
        }
        machine = start(system ? VM_CLIENT_BUS_SYSTEM : VM_CLIENT_BUS_SESSION, argv[argc - 1],
                        &console, &error);
        if (!machine) {
                fprintf(stderr, "run-vm: %s\n", error->message);
                return 125;
        }
        copy_console(console);
        close(console);
        reason = vm_client_machine_wait_stopped_sync(machine, NULL, &error);
        if (reason == VM_CLIENT_STOP_REASON_NONE) {
                fprintf(stderr, "run-vm: %s\n", error->message);
                return 125;
        }
        detail = vm_client_machine_dup_stop_detail(machine);
        fprintf(stderr, "run-vm: %s: %s\n", vm_client_stop_reason_to_string(reason), detail);
        code = vm_client_machine_get_payload_exit_code(machine);
        return code >= 0 ? code : reason != VM_CLIENT_STOP_REASON_SHUTDOWN;
}
