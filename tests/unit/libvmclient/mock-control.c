/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mock-daemon-private.h"

static const char object_manager_xml[] =
        "<node><interface name='org.freedesktop.DBus.ObjectManager'>"
        "<method name='GetManagedObjects'><arg type='a{oa{sa{sv}}}' direction='out'/></method>"
        "</interface></node>";

static void call_free(gpointer data)
{
        MockCall *call = data;

        g_free(call->action);
        g_free(call->arguments);
        g_free(call);
}

/* Runs func in the mock's thread, or at once if this is it, and waits for its end. */
typedef struct Job {
        void (*func)(MockDaemon *mock, gpointer data);
        MockDaemon *mock;
        gpointer data;
        gboolean done;
} Job;

static gboolean run_job(gpointer data)
{
        Job *job = data;

        job->func(job->mock, job->data);
        g_mutex_lock(&job->mock->lock);
        job->done = TRUE;
        g_cond_broadcast(&job->mock->changed);
        g_mutex_unlock(&job->mock->lock);
        return G_SOURCE_REMOVE;
}

static void in_thread(MockDaemon *mock, void (*func)(MockDaemon *, gpointer), gpointer data)
{
        Job job = {func, mock, data, FALSE};

        if (g_thread_self() == mock->thread) {
                func(mock, data);
                return;
        }
        g_main_context_invoke(mock->context, run_job, &job);
        g_mutex_lock(&mock->lock);
        while (!job.done)
                g_cond_wait(&mock->changed, &mock->lock);
        g_mutex_unlock(&mock->lock);
}

typedef struct Change {
        const char *name, *what, *text;
        gboolean tell;
} Change;

static void set_properties(MockDaemon *mock, gpointer data)
{
        Change *change = data;
        MockMachine *machine = mock_find(mock, change->name);
        g_autoptr(GVariant) changes = g_variant_ref_sink(g_variant_new_parsed(change->text));

        mock_apply_changes(machine, changes);
        if (change->tell)
                mock_unicast(mock, machine->path, "org.freedesktop.DBus.Properties",
                             "PropertiesChanged",
                             g_variant_new("(s@a{sv}@as)", MACHINE_INTERFACE, changes,
                                           g_variant_new_strv(NULL, 0)));
}

static void send_signal(MockDaemon *mock, gpointer data)
{
        Change *change = data;

        mock_unicast(mock, mock_find(mock, change->name)->path, MACHINE_INTERFACE, change->what,
                     g_variant_new_parsed(change->text));
}

static gpointer mock_thread(gpointer data)
{
        MockDaemon *mock = data;

        g_main_context_push_thread_default(mock->context);
        g_main_loop_run(mock->loop);
        g_main_context_pop_thread_default(mock->context);
        return NULL;
}

static GDBusInterfaceInfo *load_interface(const char *name)
{
        g_autofree char *path = g_strdup_printf(DBUS_FOLDER "/%s.xml", name);
        g_autofree char *text = NULL;
        g_autoptr(GDBusNodeInfo) node = NULL;
        GError *error = NULL;

        g_file_get_contents(path, &text, NULL, &error);
        g_assert_no_error(error);
        node = g_dbus_node_info_new_for_xml(text, &error);
        g_assert_no_error(error);
        return g_dbus_interface_info_ref(node->interfaces[0]);
}

MockDaemon *mock_daemon_new(const char *bus_address)
{
        MockDaemon *mock = g_new0(MockDaemon, 1);

        g_mutex_init(&mock->lock);
        g_cond_init(&mock->changed);
        mock->address = g_strdup(bus_address);
        mock->context = g_main_context_new();
        mock->loop = g_main_loop_new(mock->context, FALSE);
        mock->manager_info = load_interface(MANAGER_INTERFACE);
        mock->machine_info = load_interface(MACHINE_INTERFACE);
        mock->object_manager = g_dbus_node_info_new_for_xml(object_manager_xml, NULL);
        mock->machines = g_ptr_array_new_with_free_func(mock_machine_free);
        mock->subscribers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        mock->hanging = g_ptr_array_new_with_free_func(g_object_unref);
        mock->calls = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, call_free);
        mock->thread = g_thread_new("mock-daemon", mock_thread, mock);
        return mock;
}

MockDaemon *mock_daemon_free(MockDaemon *mock)
{
        if (!mock)
                return NULL;
        mock_daemon_vanish(mock);
        g_main_loop_quit(mock->loop);
        g_thread_join(mock->thread);
        g_ptr_array_unref(mock->hanging);
        g_ptr_array_unref(mock->machines);
        g_hash_table_unref(mock->subscribers);
        g_hash_table_unref(mock->calls);
        g_dbus_interface_info_unref(mock->manager_info);
        g_dbus_interface_info_unref(mock->machine_info);
        g_dbus_node_info_unref(mock->object_manager);
        g_main_loop_unref(mock->loop);
        g_main_context_unref(mock->context);
        g_mutex_clear(&mock->lock);
        g_cond_clear(&mock->changed);
        g_free(mock->next_path);
        g_free(mock->address);
        g_free(mock);
        return NULL;
}

void mock_daemon_appear(MockDaemon *mock)
{
        in_thread(mock, mock_appear, NULL);
}

void mock_daemon_vanish(MockDaemon *mock)
{
        in_thread(mock, mock_vanish, NULL);
}

void mock_daemon_add(MockDaemon *mock, const char *name)
{
        in_thread(mock, mock_add_machine, (gpointer)name);
}

void mock_daemon_remove(MockDaemon *mock, const char *name)
{
        in_thread(mock, mock_remove_machine, (gpointer)name);
}

typedef struct Question {
        const char *name;
        gboolean answer;
} Question;

static void ask_whether(MockDaemon *mock, gpointer data)
{
        Question *question = data;

        question->answer = mock_find(mock, question->name) != NULL;
}

gboolean mock_daemon_has(MockDaemon *mock, const char *name)
{
        Question question = {name, FALSE};

        in_thread(mock, ask_whether, &question);
        return question.answer;
}

static void answer_next(MockDaemon *mock, gpointer name)
{
        g_free(mock->next_path);
        mock->next_path = g_strdup(mock_find(mock, name)->path);
}

void mock_daemon_answer_next(MockDaemon *mock, const char *name)
{
        in_thread(mock, answer_next, (gpointer)name);
}

void mock_daemon_set(MockDaemon *mock, const char *name, const char *changes, gboolean tell)
{
        Change change = {name, NULL, changes, tell};

        in_thread(mock, set_properties, &change);
}

void mock_daemon_signal(MockDaemon *mock, const char *name, const char *signal,
                        const char *parameters)
{
        Change change = {name, signal, parameters, TRUE};

        in_thread(mock, send_signal, &change);
}

void mock_daemon_begin_run(MockDaemon *mock, const char *name, const char *run_id)
{
        g_autofree char *starting = g_strdup_printf("('%s', 'stopped', 'starting')", run_id);
        g_autofree char *running = g_strdup_printf("('%s', 'starting', 'running')", run_id);
        g_autofree char *started = g_strdup_printf("('%s',)", run_id);
        g_autofree char *changes = g_strdup_printf(
                "{'State': <'running'>, 'RunId': <'%s'>, 'StopReason': <''>, 'StopDetail': <''>, "
                "'PayloadState': <'started'>, 'MonitorPid': <uint32 42>}",
                run_id);

        mock_daemon_signal(mock, name, "StateChanged", starting);
        mock_daemon_signal(mock, name, "StateChanged", running);
        mock_daemon_signal(mock, name, "PayloadStarted", started);
        mock_daemon_set(mock, name, changes, TRUE);
}

void mock_daemon_end_run(MockDaemon *mock, const char *name, const char *run_id, const char *reason)
{
        g_autofree char *stopping = g_strdup_printf("('%s', 'running', 'stopping')", run_id);
        g_autofree char *stopped = g_strdup_printf("('%s', 'stopping', 'stopped')", run_id);
        g_autofree char *finished = g_strdup_printf("('%s', 7)", run_id);
        g_autofree char *end = g_strdup_printf("('%s', '%s', 'It ended.')", run_id, reason);
        g_autofree char *changes = g_strdup_printf(
                "{'State': <'stopped'>, 'StopReason': <'%s'>, 'StopDetail': <'It ended.'>, "
                "'PayloadState': <'finished'>, 'PayloadExitCode': <7>, 'MonitorPid': <uint32 0>}",
                reason);

        mock_daemon_signal(mock, name, "PayloadFinished", finished);
        mock_daemon_signal(mock, name, "StateChanged", stopping);
        mock_daemon_signal(mock, name, "StateChanged", stopped);
        mock_daemon_set(mock, name, changes, TRUE);
        mock_daemon_signal(mock, name, "Stopped", end);
}

void mock_daemon_script(MockDaemon *mock, const char *method, const char *action)
{
        MockCall *call;

        g_mutex_lock(&mock->lock);
        call = mock_call_of(mock, method);
        g_free(call->action);
        call->action = g_strdup(action);
        g_mutex_unlock(&mock->lock);
}

void mock_daemon_on_call(MockDaemon *mock, void (*func)(MockDaemon *mock, const char *method))
{
        g_mutex_lock(&mock->lock);
        mock->on_call = func;
        g_mutex_unlock(&mock->lock);
}

void mock_daemon_await_calls(MockDaemon *mock, const char *method, guint count)
{
        g_mutex_lock(&mock->lock);
        while (mock_call_of(mock, method)->count < count)
                g_cond_wait(&mock->changed, &mock->lock);
        g_mutex_unlock(&mock->lock);
}

guint mock_daemon_calls(MockDaemon *mock, const char *method)
{
        guint count;

        g_mutex_lock(&mock->lock);
        count = mock_call_of(mock, method)->count;
        g_mutex_unlock(&mock->lock);
        return count;
}

char *mock_daemon_last_arguments(MockDaemon *mock, const char *method)
{
        char *arguments;

        g_mutex_lock(&mock->lock);
        arguments = g_strdup(mock_call_of(mock, method)->arguments);
        g_mutex_unlock(&mock->lock);
        return arguments;
}

int mock_daemon_last_fds(MockDaemon *mock, const char *method)
{
        int n_fds;

        g_mutex_lock(&mock->lock);
        n_fds = mock_call_of(mock, method)->n_fds;
        g_mutex_unlock(&mock->lock);
        return n_fds;
}

static void count_subscribers(MockDaemon *mock, gpointer data)
{
        *(guint *)data = g_hash_table_size(mock->subscribers);
}

guint mock_daemon_subscribers(MockDaemon *mock)
{
        guint count = 0;

        in_thread(mock, count_subscribers, &count);
        return count;
}
