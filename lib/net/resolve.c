/* resolve.c: see resolve.h. A few threads take names from a queue and end when it is empty. All
 * state is guarded by resolver->lock; the resolver and its lookups live until the last thread that
 * may touch them is done, so that nobody waits for a hung getaddrinfo(). */
#include "net/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"

/* Threads at once; those stuck longer than STUCK_MS count no more, up to the hard limit. */
#define THREADS_MAX  16
#define THREADS_HARD 64
#define STUCK_MS     2000
#define FREE_WAIT_MS 200

struct pm_lookup {
    pm_resolver *resolver;
    pm_lookup *next; /* in the queue */
    char *host;
    void (*ready)(void *user);
    void *user;
    pm_addresses found;
    const char *problem;
    bool queued;
    bool running;
    bool over;
    bool given_up; /* by its starter; whoever holds it last frees it */
};

typedef struct worker {
    struct worker *next;
    pm_resolver *resolver;
    pm_thread *thread;
    int64_t busy_since;
    bool over; /* its thread touches nothing of ours any more */
} worker;

struct pm_resolver {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    pm_lookup *first;
    pm_lookup *last;
    worker *workers;
    size_t refs; /* the owner, and each running thread */
    bool closing;
};

panicmon_err pm_resolver_new(pm_resolver **out)
{
    pm_resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    (void)pthread_mutex_init(&resolver->lock, NULL);
    pm_cond_init(&resolver->ended);
    resolver->refs = 1;
    *out = resolver;
    return PANICMON_OK;
}

/* Needs the lock, releases it, and frees the resolver with its last reference. */
static void unref_and_unlock(pm_resolver *resolver)
{
    bool last = --resolver->refs == 0;
    pthread_mutex_unlock(&resolver->lock);
    if (last) {
        (void)pthread_cond_destroy(&resolver->ended);
        (void)pthread_mutex_destroy(&resolver->lock);
        free(resolver);
    }
}

static void free_lookup(pm_lookup *lookup)
{
    free(lookup->host);
    free(lookup);
}

static void add_address(pm_addresses *found, const struct addrinfo *info)
{
    char text[PM_ADDRESS_SIZE];
    if (found->count == PM_ADDRESSES_MAX ||
        (info->ai_family != AF_INET && info->ai_family != AF_INET6) ||
        getnameinfo(info->ai_addr, info->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) !=
            0) {
        return;
    }
    for (size_t i = 0; i < found->count; i++) {
        if (strcmp(found->text[i], text) == 0) {
            return;
        }
    }
    memcpy(found->text[found->count++], text, sizeof text);
}

static const char *ask(const char *host, pm_addresses *found)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(host, NULL, &hints, &list);
    if (failed != 0) {
        switch (failed) {
        case EAI_NONAME:
        case EAI_NODATA:
            return "no such host";
        case EAI_AGAIN:
            return "the name server does not answer";
        default:
            return "the name could not be resolved";
        }
    }
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        add_address(found, info);
    }
    freeaddrinfo(list);
    return found->count > 0 ? NULL : "the name has no address";
}

/* With the lock held, which it gives up while it asks. */
static void run_lookup(worker *me, pm_lookup *lookup)
{
    pm_resolver *resolver = me->resolver;
    pm_addresses found = {.count = 0};
    lookup->queued = false;
    lookup->running = true;
    me->busy_since = pm_mono_ms();
    pthread_mutex_unlock(&resolver->lock);
    const char *problem = ask(lookup->host, &found);
    pthread_mutex_lock(&resolver->lock);
    me->busy_since = 0;
    lookup->running = false;
    if (lookup->given_up) {
        free_lookup(lookup);
        return;
    }
    lookup->found = found;
    lookup->problem = problem;
    lookup->over = true;
    lookup->ready(lookup->user);
}

static void worker_main(void *arg)
{
    worker *me = arg;
    pm_resolver *resolver = me->resolver;
    pthread_mutex_lock(&resolver->lock);
    while (resolver->first != NULL && !resolver->closing) {
        pm_lookup *lookup = resolver->first;
        resolver->first = lookup->next;
        if (resolver->first == NULL) {
            resolver->last = NULL;
        }
        run_lookup(me, lookup);
    }
    if (me->thread == NULL) { /* detached while it hung: nobody else frees it */
        free(me);
    } else {
        me->over = true;
    }
    (void)pthread_cond_broadcast(&resolver->ended);
    unref_and_unlock(resolver);
}

/* Takes the ended workers off the list; with the lock held. */
static worker *take_ended(pm_resolver *resolver)
{
    worker *ended = NULL;
    for (worker **link = &resolver->workers; *link != NULL;) {
        worker *at = *link;
        if (at->over) {
            *link = at->next;
            at->next = ended;
            ended = at;
        } else {
            link = &at->next;
        }
    }
    return ended;
}

static void join_all(worker *ended)
{
    while (ended != NULL) {
        worker *next = ended->next;
        pm_thread_join(ended->thread);
        free(ended);
        ended = next;
    }
}

/* With the lock held. OK also when there are threads enough. */
static panicmon_err need_worker(pm_resolver *resolver)
{
    size_t all = 0;
    size_t able = 0;
    int64_t now = pm_mono_ms();
    for (const worker *at = resolver->workers; at != NULL; at = at->next) {
        all += !at->over;
        able += !at->over && (at->busy_since == 0 || now - at->busy_since < STUCK_MS);
    }
    if (able >= THREADS_MAX || all >= THREADS_HARD) {
        return PANICMON_OK;
    }
    worker *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return able > 0 ? PANICMON_OK : PANICMON_ERR_NOMEM;
    }
    made->resolver = resolver;
    panicmon_err status =
        pm_thread_start(&made->thread, "pm:name", PM_STACK_LARGE, worker_main, made);
    if (status != PANICMON_OK) {
        free(made);
        return able > 0 ? PANICMON_OK : status;
    }
    made->next = resolver->workers;
    resolver->workers = made;
    resolver->refs++;
    return PANICMON_OK;
}

void pm_resolver_free(pm_resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    int64_t until = pm_mono_ms() + FREE_WAIT_MS;
    pthread_mutex_lock(&resolver->lock);
    resolver->closing = true;
    while (resolver->refs > 1 &&
           pm_cond_wait_until(&resolver->ended, &resolver->lock, until) == 0) {
    }
    worker *ended = take_ended(resolver);
    while (resolver->workers != NULL) { /* what is left hangs */
        worker *at = resolver->workers;
        resolver->workers = at->next;
        pm_thread_detach(at->thread);
        at->thread = NULL;
    }
    unref_and_unlock(resolver);
    join_all(ended);
}

bool pm_resolve_numeric(const char *host, pm_addresses *out)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    if (strlen(host) >= PM_ADDRESS_SIZE ||
        (inet_pton(AF_INET, host, bytes) != 1 && inet_pton(AF_INET6, host, bytes) != 1)) {
        return false;
    }
    strcpy(out->text[0], host);
    out->count = 1;
    return true;
}

/* Takes a queued lookup off the queue; with the lock held. */
static void unqueue(pm_resolver *resolver, pm_lookup *lookup)
{
    pm_lookup *before = NULL;
    for (pm_lookup *at = resolver->first; at != lookup; at = at->next) {
        before = at;
    }
    if (before == NULL) {
        resolver->first = lookup->next;
    } else {
        before->next = lookup->next;
    }
    if (resolver->last == lookup) {
        resolver->last = before;
    }
    lookup->queued = false;
}

panicmon_err pm_lookup_start(pm_lookup **out, pm_resolver *resolver, const char *host,
                             void (*ready)(void *user), void *user)
{
    pm_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    *lookup = (pm_lookup){.resolver = resolver, .host = strdup(host), .ready = ready, .user = user};
    if (lookup->host == NULL) {
        free_lookup(lookup);
        return PANICMON_ERR_NOMEM;
    }
    pthread_mutex_lock(&resolver->lock);
    if (resolver->last == NULL) {
        resolver->first = lookup;
    } else {
        resolver->last->next = lookup;
    }
    resolver->last = lookup;
    lookup->queued = true;
    worker *ended = take_ended(resolver);
    panicmon_err status = need_worker(resolver);
    if (status != PANICMON_OK) {
        unqueue(resolver, lookup);
    }
    pthread_mutex_unlock(&resolver->lock);
    join_all(ended);
    if (status != PANICMON_OK) {
        free_lookup(lookup);
        return status;
    }
    *out = lookup;
    return PANICMON_OK;
}

bool pm_lookup_result(pm_lookup *lookup, pm_addresses *out, const char **problem)
{
    pm_resolver *resolver = lookup->resolver;
    pthread_mutex_lock(&resolver->lock);
    bool over = lookup->over;
    if (over) {
        *out = lookup->found;
        *problem = lookup->problem;
    }
    pthread_mutex_unlock(&resolver->lock);
    return over;
}

void pm_lookup_free(pm_lookup *lookup)
{
    if (lookup == NULL) {
        return;
    }
    pm_resolver *resolver = lookup->resolver;
    pthread_mutex_lock(&resolver->lock);
    bool running = lookup->running;
    lookup->given_up = true;
    if (lookup->queued) {
        unqueue(resolver, lookup);
    }
    pthread_mutex_unlock(&resolver->lock);
    if (!running) {
        free_lookup(lookup);
    }
}
