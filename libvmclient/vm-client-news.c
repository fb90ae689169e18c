/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-hub.h"
#include "vm-client-object-private.h"

typedef enum NewsType {
        NEWS_ADDED,
        NEWS_REMOVED,
        NEWS_VALUES,
        NEWS_EVENT,
        NEWS_DAEMON,
} NewsType;

typedef struct News {
        NewsType type;
        ClientRecord *record; /* NULL for NEWS_DAEMON */
        ClientEvent *event;   /* NEWS_EVENT */
        guint values;         /* NEWS_VALUES, filled in when it is told; NEWS_DAEMON */
} News;

static void news_free(gpointer data)
{
        News *news = data;

        g_clear_pointer(&news->record, client_record_unref);
        g_clear_pointer(&news->event, client_event_free);
        g_free(news);
}

/* Under the lock: takes what has gathered. */
static GQueue take_news(ClientHub *hub)
{
        GQueue taken = hub->news;

        g_queue_init(&hub->news);
        hub->n_news = 0;
        g_clear_pointer(&hub->dispatch, g_source_unref);
        for (GList *at = taken.head; at; at = at->next) {
                News *news = at->data;

                if (news->type == NEWS_VALUES) {
                        news->values = news->record->pending_notify;
                        news->record->pending_notify = 0;
                }
                if (news->type == NEWS_ADDED)
                        news->record->added_pending = FALSE;
        }
        return taken;
}

static void tell_machine(VmClientManager *manager, ClientHub *hub, News *news)
{
        g_autoptr(VmClientMachine) machine = NULL;

        if (news->type == NEWS_ADDED || news->type == NEWS_REMOVED) {
                machine = client_machine_for_record(manager, hub, news->record);
                client_manager_tell_machine(manager, machine, news->type == NEWS_ADDED);
                return;
        }
        machine = g_weak_ref_get(&news->record->facade);
        if (!machine)
                return;
        if (news->type == NEWS_VALUES)
                client_machine_tell_values(machine, news->values);
        else
                client_machine_tell_event(machine, news->event);
}

static gboolean on_dispatch(gpointer data)
{
        ClientHub *hub = data;
        g_autoptr(VmClientManager) manager = g_weak_ref_get(&hub->manager);
        GQueue taken;

        client_hub_lock(hub);
        taken = take_news(hub);
        client_hub_unlock(hub);
        while (!g_queue_is_empty(&taken)) {
                News *news = g_queue_pop_head(&taken);

                if (manager && news->type == NEWS_DAEMON)
                        client_manager_tell_daemon(manager, news->values);
                else if (manager)
                        tell_machine(manager, hub, news);
                news_free(news);
        }
        return G_SOURCE_REMOVE;
}

/* FALSE, with event freed, if nobody has listened for long. Values gather, so they always fit. */
static gboolean push(ClientHub *hub, NewsType type, ClientRecord *record, ClientEvent *event)
{
        News *news;

        if (hub->n_news >= CLIENT_MAX_NEWS && type != NEWS_VALUES) {
                g_clear_pointer(&event, client_event_free);
                return FALSE;
        }
        news = g_new0(News, 1);
        news->type = type;
        news->record = record ? client_record_ref(record) : NULL;
        news->event = event;
        g_queue_push_tail(&hub->news, news);
        hub->n_news++;
        if (hub->dispatch)
                return TRUE;
        hub->dispatch = g_idle_source_new();
        g_source_set_priority(hub->dispatch, G_PRIORITY_DEFAULT);
        g_source_set_callback(hub->dispatch, on_dispatch, client_hub_ref(hub),
                              (GDestroyNotify)client_hub_unref);
        g_source_attach(hub->dispatch, hub->context);
        return TRUE;
}

/* Nobody can be told of a machine that no object stands for, nor will when MACHINE_ADDED is told.
 */
static gboolean has_audience(const ClientRecord *record)
{
        return record->n_facades > 0 || record->added_pending;
}

void client_news_added(ClientHub *hub, ClientRecord *record)
{
        record->added_pending = push(hub, NEWS_ADDED, record, NULL);
}

void client_news_removed(ClientHub *hub, ClientRecord *record)
{
        push(hub, NEWS_REMOVED, record, NULL);
}

void client_news_values(ClientHub *hub, ClientRecord *record, guint changed)
{
        gboolean waiting = record->pending_notify != 0;

        if (!changed || !has_audience(record))
                return;
        record->pending_notify |= changed;
        if (!waiting)
                push(hub, NEWS_VALUES, record, NULL);
}

void client_news_event(ClientHub *hub, ClientRecord *record, ClientEvent *event)
{
        if (has_audience(record))
                push(hub, NEWS_EVENT, record, event);
        else
                client_event_free(event);
}

/* What is found out while the manager is being made is no news. */
void client_news_daemon(ClientHub *hub, guint changed)
{
        if (changed && hub->synced_once && push(hub, NEWS_DAEMON, NULL, NULL))
                ((News *)g_queue_peek_tail(&hub->news))->values = changed;
}

void client_news_clear(ClientHub *hub)
{
        g_queue_clear_full(&hub->news, news_free);
        hub->n_news = 0;
        if (hub->dispatch) {
                g_source_destroy(hub->dispatch);
                g_clear_pointer(&hub->dispatch, g_source_unref);
        }
}
