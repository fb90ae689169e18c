/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/authorize.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/string-util.h"

#define POLKIT_NAME          "org.freedesktop.PolicyKit1"
#define POLKIT_PATH          "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE     "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_INTERACTIVE   1U
#define PENDING_PER_UID      16U
#define PERSON_DEADLINE_USEC (300ULL * 1000000ULL) /* for somebody to type a password */

typedef struct Pending Pending;
struct Pending {
        Pending *next;
        Authorizer *authorizer;
        sd_bus_message *message;
        sd_bus_slot *slot;
        uid_t uid;
        unsigned actions; /* still to be asked for */
        AuthAction asked;
        Completion done;
        void (*dropped)(void *userdata);
};

struct Authorizer {
        sd_bus *bus;
        Peers *peers;
        bool session;
        Pending *pending;
};

const char *auth_action_to_string(AuthAction action)
{
        switch (action) {
        case AUTH_CREATE:
                return "org.vmservice1.create";
        case AUTH_CUSTOM:
                return "org.vmservice1.custom";
        case AUTH_MANAGE:
                return "org.vmservice1.manage";
        case AUTH_CONSOLE:
                return "org.vmservice1.console";
        }
        return NULL;
}

int authorizer_new(sd_bus *bus, Peers *peers, bool session, Authorizer **ret)
{
        Authorizer *authorizer = calloc(1, sizeof(*authorizer));

        if (!authorizer)
                return -ENOMEM;
        *authorizer = (Authorizer){.bus = bus, .peers = peers, .session = session};
        *ret = authorizer;
        return 0;
}

static void pending_free(Pending *pending)
{
        Pending **slot = &pending->authorizer->pending;

        while (*slot && *slot != pending)
                slot = &(*slot)->next;
        if (*slot)
                *slot = pending->next;
        sd_bus_slot_unref(pending->slot);
        sd_bus_message_unref(pending->message);
        free(pending);
}

Authorizer *authorizer_free(Authorizer *authorizer)
{
        if (!authorizer)
                return NULL;
        while (authorizer->pending)
                pending_free(authorizer->pending);
        free(authorizer);
        return NULL;
}

static int pending_ask(Pending *pending);

static void pending_conclude(Pending *pending, int error, const Problem *problem)
{
        Completion done = pending->done;
        const char *sender = sd_bus_message_get_sender(pending->message);
        void (*dropped)(void *userdata) = pending->dropped;
        /* Who is gone is denied, whatever polkit said (CVE-2021-3560). */
        bool present = sender && peers_find(pending->authorizer->peers, sender);

        pending_free(pending);
        if (present)
                completion_done(&done, error, problem);
        else
                dropped(done.userdata);
}

static void refuse(Problem *problem, AuthAction action, const char *why)
{
        (void)problem_set(problem, -EACCES,
                          "you are not authorized to do this (polkit action %s%s%s)",
                          auth_action_to_string(action), *why ? ": " : "", why);
}

/* CheckAuthorization answers (is_authorized, is_challenge, details). */
static int on_polkit_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        Pending *pending = userdata;
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        int authorized = 0, challenge = 0, r;
        Problem problem = {""};

        (void)error;
        pending->slot = sd_bus_slot_unref(pending->slot);
        if (failure) {
                bool absent = sd_bus_error_has_name(failure, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                              sd_bus_error_has_name(failure, SD_BUS_ERROR_NAME_HAS_NO_OWNER);

                refuse(&problem, pending->asked,
                       absent ? "polkit is not running, and without it only root may"
                              : "polkit could not be asked");
        } else if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
                   sd_bus_message_read(reply, "bb", &authorized, &challenge) < 0) {
                authorized = 0;
                refuse(&problem, pending->asked, "polkit's answer is not one");
        } else if (!authorized) {
                refuse(&problem, pending->asked,
                       challenge ? "authentication is needed: allow interaction, or have an "
                                   "administrator add you to group vmservice"
                                 : "");
        }
        if (!authorized) {
                pending_conclude(pending, -EACCES, &problem);
                return 0;
        }
        pending->actions &= ~(unsigned)pending->asked;
        r = pending->actions ? pending_ask(pending) : 1;
        if (r == 0)
                return 0;
        if (r < 0)
                refuse(&problem, pending->asked, "polkit could not be asked");
        pending_conclude(pending, r < 0 ? -EACCES : 0, &problem);
        return 0;
}

static int pending_ask(Pending *pending)
{
        sd_bus_message *call = NULL;
        bool person = sd_bus_message_get_allow_interactive_authorization(pending->message) > 0;
        int r;

        pending->asked = (AuthAction)(pending->actions & -pending->actions); /* the lowest bit */
        r = sd_bus_message_new_method_call(pending->authorizer->bus, &call, POLKIT_NAME,
                                           POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(call, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name",
                                          "s", sd_bus_message_get_sender(pending->message),
                                          auth_action_to_string(pending->asked), 0,
                                          person ? POLKIT_INTERACTIVE : 0U, "");
        if (r >= 0)
                r = sd_bus_call_async(pending->authorizer->bus, &pending->slot, call,
                                      on_polkit_reply, pending, person ? PERSON_DEADLINE_USEC : 0);
        sd_bus_message_unref(call);
        return r < 0 ? r : 0;
}

static unsigned count_pending(const Authorizer *authorizer, uid_t uid)
{
        unsigned n = 0;

        for (const Pending *pending = authorizer->pending; pending; pending = pending->next)
                n += pending->uid == uid;
        return n;
}

int authorizer_check(Authorizer *authorizer, sd_bus_message *message, const Peer *peer,
                     unsigned actions, Completion done, void (*dropped)(void *userdata),
                     Problem *problem)
{
        Pending *pending;
        int r;

        if (actions == 0 || peer->uid == 0)
                return 1;
        if (authorizer->session)
                return peer->uid == geteuid()
                               ? 1
                               : problem_set(problem, -EACCES,
                                             "this is the session of uid %u: use the system "
                                             "service",
                                             (unsigned)geteuid());
        if (count_pending(authorizer, peer->uid) >= PENDING_PER_UID)
                return problem_set(
                        problem, -EDQUOT,
                        "uid %u has %u requests that wait for polkit: answer or end some",
                        (unsigned)peer->uid, PENDING_PER_UID);
        pending = calloc(1, sizeof(*pending));
        if (!pending)
                return problem_set(problem, -ENOMEM, "out of memory");
        *pending = (Pending){.next = authorizer->pending,
                             .authorizer = authorizer,
                             .message = sd_bus_message_ref(message),
                             .uid = peer->uid,
                             .actions = actions,
                             .done = done,
                             .dropped = dropped};
        authorizer->pending = pending;
        r = pending_ask(pending);
        if (r < 0) {
                pending_free(pending);
                return problem_set(problem, -EACCES, "polkit could not be asked: %s", strerror(-r));
        }
        return 0;
}
