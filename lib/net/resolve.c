/* resolve.c: see resolve.h. A few threads take names from a queue and end when it is empty. All
 * state is guarded by resolver->lock; the resolver and its jobs live until the last thread that
 * may touch them is done, so that nobody waits for a hung getaddrinfo(). A name that hangs holds
 * one thread, however many want it. */
#include "net/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/thread.h"

/* Threads at once; those stuck longer than STUCK_MS count no more, up to the hard limit. */
#define THREADS_MAX  16
#define THREADS_HARD 64
#define STUCK_MS     2000
#define FREE_WAIT_MS 200

/* One name being looked up, for all who want it. In the queue until a worker takes it. */
typedef struct job {
    struct job *prev; /* in the queue */
    struct job *next;
    pm_lookup *lookups;
    char *host;
    bool running;
} job;

struct pm_lookup {
    pm_resolver *resolver;
    job *job;        /* NULL: it is over */
    pm_lookup *prev; /* of its job */
    pm_lookup *next;
    void (*ready)(void *user);
    void *user;
    pm_addresses found;
    const char *problem;
};

typedef struct worker {
    struct worker *next;
    pm_resolver *resolver;
    pm_thread *thread;
    int64_t busy_since; /* 0: it is not */
    bool over;          /* its thread touches nothing of ours any more */
} worker;

struct pm_resolver {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a worker ended, or all shall */
    pm_map jobs;            /* host -> job, queued or running */
    job *first;             /* the queue */
    job *last;
    worker *workers;
    size_t refs; /* the owner, and each running thread */
    bool spare;  /* a worker waits for others to be stuck */
    bool closing;
};

panicmon_err pm_resolver_new(pm_resolver **out)
{
    pm_resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    (void)pthread_mutex_init(&resolver->lock, NULL);
    pm_cond_init(&resolver->changed);
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
        pm_map_free(&resolver->jobs);
        (void)pthread_cond_destroy(&resolver->changed);
        (void)pthread_mutex_destroy(&resolver->lock);
        free(resolver);
    }
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

/* ---- jobs, with the lock held ---- */

static void enqueue(pm_resolver *resolver, job *at)
{
    at->prev = resolver->last;
    at->next = NULL;
    *(at->prev == NULL ? &resolver->first : &at->prev->next) = at;
    resolver->last = at;
}

static void unqueue(pm_resolver *resolver, job *at)
{
    *(at->prev == NULL ? &resolver->first : &at->prev->next) = at->next;
    *(at->next == NULL ? &resolver->last : &at->next->prev) = at->prev;
}

static void free_job(pm_resolver *resolver, job *at)
{
    (void)pm_map_remove(&resolver->jobs, at->host);
    free(at->host);
    free(at);
}

/* The job of a host, queued when new; NULL without memory. */
static job *job_of(pm_resolver *resolver, const char *host)
{
    job *at = pm_map_get(&resolver->jobs, host);
    if (at != NULL) {
        return at;
    }
    at = calloc(1, sizeof *at);
    if (at == NULL) {
        return NULL;
    }
    at->host = strdup(host);
    if (at->host == NULL || !pm_map_set(&resolver->jobs, host, at)) {
        free(at->host);
        free(at);
        return NULL;
    }
    enqueue(resolver, at);
    return at;
}

static void join_job(pm_lookup *lookup, job *at)
{
    lookup->job = at;
    lookup->next = at->lookups;
    if (at->lookups != NULL) {
        at->lookups->prev = lookup;
    }
    at->lookups = lookup;
}

/* A queued job that nobody wants any more goes too; one that runs is freed by its worker. */
static void leave_job(pm_lookup *lookup)
{
    job *at = lookup->job;
    *(lookup->prev == NULL ? &at->lookups : &lookup->prev->next) = lookup->next;
    if (lookup->next != NULL) {
        lookup->next->prev = lookup->prev;
    }
    if (at->lookups == NULL && !at->running) {
        unqueue(lookup->resolver, at);
        free_job(lookup->resolver, at);
    }
}

/* ---- workers ---- */

/* With the lock held, which it gives up while it asks. */
static void run_job(worker *me, job *at)
{
    pm_resolver *resolver = me->resolver;
    pm_addresses found = {.count = 0};
    at->running = true;
    me->busy_since = pm_mono_ms();
    pthread_mutex_unlock(&resolver->lock);
    const char *problem = ask(at->host, &found);
    pthread_mutex_lock(&resolver->lock);
    me->busy_since = 0;
    for (pm_lookup *lookup = at->lookups; lookup != NULL;) {
        pm_lookup *next = lookup->next;
        lookup->found = found;
        lookup->problem = problem;
        lookup->job = NULL;
        lookup->ready(lookup->user);
        lookup = next;
    }
    free_job(resolver, at);
}

typedef struct census {
    size_t all;
    size_t able;     /* are not stuck */
    size_t busy;     /* of those, at work */
    int64_t next_ms; /* when another may be stuck */
} census;

/* With the lock held. */
static census count_workers(const pm_resolver *resolver)
{
    int64_t now = pm_mono_ms();
    census seen = {.next_ms = now + STUCK_MS}; /* one that is about to begin */
    for (const worker *at = resolver->workers; at != NULL; at = at->next) {
        bool busy = at->busy_since != 0;
        bool able = !at->over && (!busy || now - at->busy_since < STUCK_MS);
        seen.all += !at->over;
        seen.able += able;
        if (able && busy) {
            seen.busy++;
            seen.next_ms = pm_earlier(seen.next_ms, at->busy_since + STUCK_MS);
        }
    }
    return seen;
}

static panicmon_err need_worker(pm_resolver *resolver);

static bool has_work(const pm_resolver *resolver)
{
    return resolver->first != NULL && !resolver->closing;
}

/* With the lock held: whether the queue is this worker's to go on with. One more than may be busy
 * waits, as the spare, until another is stuck or the queue is empty. */
static bool may_go_on(pm_resolver *resolver)
{
    if (!has_work(resolver)) {
        return false;
    }
    census seen = count_workers(resolver);
    if (seen.busy < THREADS_MAX || resolver->spare) {
        return seen.busy < THREADS_MAX;
    }
    resolver->spare = true;
    do {
        (void)pm_cond_wait_until(&resolver->changed, &resolver->lock, seen.next_ms);
        seen = count_workers(resolver);
    } while (has_work(resolver) && seen.busy >= THREADS_MAX);
    resolver->spare = false;
    return has_work(resolver);
}

static void worker_main(void *arg)
{
    worker *me = arg;
    pm_resolver *resolver = me->resolver;
    pthread_mutex_lock(&resolver->lock);
    while (may_go_on(resolver)) {
        job *at = resolver->first;
        unqueue(resolver, at);
        if (resolver->first != NULL) {
            (void)need_worker(resolver); /* without one, this goes on when it is through */
        }
        run_job(me, at);
    }
    if (me->thread == NULL) { /* detached while it hung: nobody else frees it */
        free(me);
    } else {
        me->over = true;
    }
    (void)pthread_cond_broadcast(&resolver->changed);
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

/* With the lock held. OK also when there are threads enough: as many as may be busy, and a spare.
 */
static panicmon_err need_worker(pm_resolver *resolver)
{
    census seen = count_workers(resolver);
    if (seen.able > THREADS_MAX || seen.all >= THREADS_HARD) {
        return PANICMON_OK;
    }
    worker *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return seen.able > 0 ? PANICMON_OK : PANICMON_ERR_NOMEM;
    }
    made->resolver = resolver;
    panicmon_err status =
        pm_thread_start(&made->thread, "pm:name", PM_STACK_LARGE, worker_main, made);
    if (status != PANICMON_OK) {
        free(made);
        return seen.able > 0 ? PANICMON_OK : status;
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
    (void)pthread_cond_broadcast(&resolver->changed); /* to the spare */
    while (resolver->refs > 1 &&
           pm_cond_wait_until(&resolver->changed, &resolver->lock, until) == 0) {
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

panicmon_err pm_lookup_start(pm_lookup **out, pm_resolver *resolver, const char *host,
                             void (*ready)(void *user), void *user)
{
    pm_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    *lookup = (pm_lookup){.resolver = resolver, .ready = ready, .user = user};
    panicmon_err status = PANICMON_OK;
    pthread_mutex_lock(&resolver->lock);
    worker *ended = take_ended(resolver);
    job *at = job_of(resolver, host);
    if (at == NULL) {
        status = PANICMON_ERR_NOMEM;
    } else {
        join_job(lookup, at);
        status = at->running ? PANICMON_OK : need_worker(resolver);
        if (status != PANICMON_OK) {
            leave_job(lookup);
        }
    }
    pthread_mutex_unlock(&resolver->lock);
    join_all(ended);
    if (status != PANICMON_OK) {
        free(lookup);
        return status;
    }
    *out = lookup;
    return PANICMON_OK;
}

bool pm_lookup_result(pm_lookup *lookup, pm_addresses *out, const char **problem)
{
    pm_resolver *resolver = lookup->resolver;
    pthread_mutex_lock(&resolver->lock);
    bool over = lookup->job == NULL;
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
    pthread_mutex_lock(&lookup->resolver->lock);
    if (lookup->job != NULL) {
        leave_job(lookup);
    }
    pthread_mutex_unlock(&lookup->resolver->lock);
    free(lookup);
}
