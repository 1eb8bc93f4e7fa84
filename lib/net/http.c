/* http.c: see http.h. libcurl's multi interface moves the bytes; names are looked up by the
 * resolver all loops share and redirects are followed here, so that no call ever blocks and no
 * answer leads anywhere but to an http or https URL. Everything belongs to the thread of the loop;
 * a lookup's helper thread only writes to `wake`. */
#include "net/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <curl/curl.h>

#include <panicmon/monitor.h>
#include <panicmon/version.h>

#include "base/clock.h"
#include "base/url.h"
#include "net/ws_impl.h"

#define REDIRECTS_MAX 5
/* Descriptors looked at at once. */
#define EVENTS 16
/* How much longer than the deadline libcurl itself waits. */
#define BACKSTOP_MS 60000
/* Idle connections kept for the next round, all hosts together. */
#define IDLE_MAX 32L

typedef struct transfer {
    struct transfer *next;
    pm_http *http;
    pm_request *request;
    pm_url url;
    pm_lookup *lookup; /* while the name is looked up; `easy` is NULL then */
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *addresses;
    bool own_headers; /* the request's headers are for this host */
    bool over_limit;
    int redirects;
    int64_t began;
    char why[CURL_ERROR_SIZE];
} transfer;

struct pm_http {
    pm_loop *loop;
    CURLM *multi; /* NULL until the first request, like the descriptors: -1 */
    int set;      /* epoll: what libcurl waits for, and the two below */
    int timer;    /* timerfd */
    int wake;     /* eventfd: a lookup is over */
    pm_watch *watch;
    int64_t curl_due; /* when libcurl wants to be called; PM_NEVER */
    transfer *first;
};

static void work(void *user);

/* ---- setting up ---- */

static bool global_good;

static void init_global(void)
{
    global_good = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* libcurl's own global state is made once and left for good: others in the process may use it. */
static bool have_curl(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    return pthread_once(&once, init_global) == 0 && global_good;
}

panicmon_err pm_http_new(pm_http **out, pm_loop *loop)
{
    pm_http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    http->loop = loop;
    http->set = http->timer = http->wake = -1;
    http->curl_due = PM_NEVER;
    *out = http;
    return PANICMON_OK;
}

static bool add_to_set(const pm_http *http, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(http->set, EPOLL_CTL_ADD, fd, &event) == 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    pm_http *http = user;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    event.events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0u) |
                   ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0u);
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(http->set, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    (void)curl_multi_assign(http->multi, fd, http);
    int how = known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    return epoll_ctl(http->set, how, fd, &event) == 0 ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
    pm_http *http = user;
    (void)multi;
    http->curl_due = timeout_ms < 0 ? PM_NEVER : pm_mono_ms() + timeout_ms;
    return 0;
}

static panicmon_err open_multi(pm_http *http)
{
    if (http->multi != NULL) {
        return PANICMON_OK;
    }
    if (!have_curl() || (http->multi = curl_multi_init()) == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, IDLE_MAX);
    http->set = epoll_create1(EPOLL_CLOEXEC);
    http->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    http->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (http->set < 0 || http->timer < 0 || http->wake < 0 || !add_to_set(http, http->timer) ||
        !add_to_set(http, http->wake)) {
        return PANICMON_ERR_SYSTEM;
    }
    return pm_watch_new(&http->watch, http->loop, http->set, work, http);
}

static void close_multi(pm_http *http)
{
    const int fds[] = {http->timer, http->wake, http->set};
    if (http->multi != NULL) {
        (void)curl_multi_cleanup(http->multi); /* may still call on_socket() */
        http->multi = NULL;
    }
    pm_watch_free(http->watch);
    http->watch = NULL;
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    http->set = http->timer = http->wake = -1;
}

/* ---- one transfer ---- */

/* Lets go of what belongs to one attempt. */
static void drop_attempt(transfer *at)
{
    pm_lookup_free(at->lookup);
    at->lookup = NULL;
    if (at->easy != NULL) {
        (void)curl_multi_remove_handle(at->http->multi, at->easy);
        curl_easy_cleanup(at->easy);
        at->easy = NULL;
    }
    curl_slist_free_all(at->headers);
    curl_slist_free_all(at->addresses);
    at->headers = at->addresses = NULL;
}

/* For one that is in no list any more: its owner is told, who may submit the next one. */
static void conclude(transfer *at, panicmon_err status, int64_t code, const char *message)
{
    drop_attempt(at);
    pm_request *request = at->request;
    char why[CURL_ERROR_SIZE];
    (void)snprintf(why, sizeof why, "%s", message == NULL ? "" : message);
    pm_url_free(&at->url);
    free(at);
    if (status != PANICMON_OK) {
        pm_buf_clear(&request->out);
    }
    pm_request_finish(request, status, code, status == PANICMON_OK ? NULL : why);
}

static void finish(transfer *at, panicmon_err status, int64_t code, const char *message)
{
    transfer **link = &at->http->first;
    while (*link != at) {
        link = &(*link)->next;
    }
    *link = at->next;
    conclude(at, status, code, message);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    transfer *at = user;
    size_t len = size * count;
    if (len > at->http->loop->net->message_limit - at->request->out.len) {
        at->over_limit = true;
        return 0;
    }
    pm_buf_add(&at->request->out, bytes, len);
    return at->request->out.failed ? 0 : len;
}

/* Trusts whom the loops trust, without reading the certificates again. */
static CURLcode on_context(CURL *easy, void *context, void *user)
{
    (void)easy;
    return pm_tls_lend_store(user, context) ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static bool append(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (longer == NULL) {
        return false;
    }
    *list = longer;
    return true;
}

static bool add_headers(transfer *at)
{
    pm_buf line = {0};
    const char *from = at->own_headers ? at->request->headers : NULL;
    bool good = append(&at->headers, "Expect:"); /* no pause before a body */
    while (good && from != NULL && *from != '\0') {
        size_t len = strcspn(from, "\n");
        pm_buf_clear(&line);
        pm_buf_add(&line, from, len);
        good = !line.failed && (len == 0 || append(&at->headers, line.data));
        from += len + (from[len] == '\n');
    }
    pm_buf_free(&line);
    return good;
}

/* Tells libcurl the addresses, so that it looks up nothing itself. */
static bool add_addresses(transfer *at, const pm_addresses *addresses)
{
    pm_buf text = {0};
    pm_buf_format(&text, "%s:%u:", at->url.host, (unsigned)at->url.port);
    for (size_t i = 0; i < addresses->count; i++) {
        bool six = strchr(addresses->text[i], ':') != NULL;
        pm_buf_format(&text, six ? "%s[%s]" : "%s%s", i == 0 ? "" : ",", addresses->text[i]);
    }
    bool good = !text.failed && append(&at->addresses, text.data);
    pm_buf_free(&text);
    return good;
}

static bool set_method(const transfer *at)
{
    const pm_request *request = at->request;
    CURLcode rc = CURLE_OK;
    if (strcmp(request->name, "HEAD") == 0) {
        rc = curl_easy_setopt(at->easy, CURLOPT_NOBODY, 1L);
    } else if (request->in.len > 0 || strcmp(request->name, "POST") == 0) {
        rc = curl_easy_setopt(at->easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(at->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->in.len);
        (void)curl_easy_setopt(at->easy, CURLOPT_POSTFIELDS,
                               request->in.data == NULL ? "" : request->in.data);
    }
    if (rc == CURLE_OK && strcmp(request->name, "HEAD") != 0) {
        rc = curl_easy_setopt(at->easy, CURLOPT_CUSTOMREQUEST, request->name);
    }
    return rc == CURLE_OK;
}

static bool set_url(const transfer *at)
{
    bool six = strchr(at->url.host, ':') != NULL;
    pm_buf url = {0};
    pm_buf_format(&url, six ? "%s://[%s]:%u" : "%s://%s:%u", at->url.scheme, at->url.host,
                  (unsigned)at->url.port);
    pm_buf_text(&url, at->url.path[0] == '\0' ? "/" : at->url.path);
    bool good = !url.failed && curl_easy_setopt(at->easy, CURLOPT_URL, url.data) == CURLE_OK;
    pm_buf_free(&url);
    if (good && at->url.user != NULL) {
        good = curl_easy_setopt(at->easy, CURLOPT_USERNAME, at->url.user) == CURLE_OK &&
               (at->url.pass == NULL ||
                curl_easy_setopt(at->easy, CURLOPT_PASSWORD, at->url.pass) == CURLE_OK);
    }
    return good;
}

static bool set_options(transfer *at)
{
    CURL *easy = at->easy;
    const pm_net *net = at->http->loop->net;
    int64_t left = at->request->deadline - pm_mono_ms();
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, at);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, at->why);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(left < 0 ? 0 : left) + BACKSTOP_MS);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)net->connect_timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, at);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, at->headers);
    (void)curl_easy_setopt(easy, CURLOPT_RESOLVE, at->addresses);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, net->tls);
    /* What keeps it safe must have been taken. The environment names no proxy for us. */
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "panicmon") == CURLE_OK && set_url(at) &&
           set_method(at);
}

/* Hands it to libcurl; `addresses` NULL: the host is numeric. False without memory. */
static bool start(transfer *at, const pm_addresses *addresses)
{
    pm_buf_clear(&at->request->out);
    at->why[0] = '\0';
    at->easy = curl_easy_init();
    if (at->easy == NULL || !add_headers(at) ||
        (addresses != NULL && !add_addresses(at, addresses)) || !set_options(at)) {
        curl_easy_cleanup(at->easy);
        at->easy = NULL;
        return false;
    }
    if (curl_multi_add_handle(at->http->multi, at->easy) != CURLM_OK) {
        curl_easy_cleanup(at->easy);
        at->easy = NULL;
        return false;
    }
    return true;
}

static void lookup_ready(void *user)
{
    const pm_http *http = user;
    const uint64_t one = 1;
    ssize_t wrote = write(http->wake, &one, sizeof one);
    (void)wrote; /* full means that it is readable already */
}

/* Begins an attempt at at->url. */
static void begin(transfer *at)
{
    pm_addresses addresses;
    bool good = pm_resolve_numeric(at->url.host, &addresses)
                    ? start(at, NULL)
                    : pm_lookup_start(&at->lookup, at->http->loop->net->resolver, at->url.host,
                                      lookup_ready, at->http) == PANICMON_OK;
    if (!good) {
        finish(at, PANICMON_ERR_NOMEM, 0, "out of memory");
    }
}

/* ---- what came of it ---- */

static bool same_origin(const pm_url *a, const pm_url *b)
{
    return a->tls == b->tls && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

/* Whether the answer was a redirect that is being followed. Only of requests that change nothing,
 * never from https to http; the request's own headers go to its own host alone. */
static bool follow(transfer *at, long code)
{
    const pm_request *request = at->request;
    char *where = NULL;
    pm_url next;
    bool safe = strcmp(request->name, "GET") == 0 || strcmp(request->name, "HEAD") == 0;
    if ((request->flags & PANICMON_HTTP_FOLLOW) == 0 || code < 300 || code > 399 || !safe ||
        curl_easy_getinfo(at->easy, CURLINFO_REDIRECT_URL, &where) != CURLE_OK || where == NULL) {
        return false;
    }
    if (at->redirects++ == REDIRECTS_MAX) {
        finish(at, PANICMON_ERR_LIMIT, code, "too many redirects");
        return true;
    }
    if (pm_url_parse(&next, where, at->url.tls ? "https" : "http https", NULL) != PANICMON_OK) {
        finish(at, PANICMON_ERR_PROTOCOL, code, "redirected to where it may not go");
        return true;
    }
    at->own_headers = at->own_headers && same_origin(&at->url, &next);
    drop_attempt(at);
    pm_url_free(&at->url);
    at->url = next;
    begin(at);
    return true;
}

static panicmon_err judge(const transfer *at, CURLcode rc)
{
    switch (rc) {
    case CURLE_OK:
        return PANICMON_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return PANICMON_ERR_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return PANICMON_ERR_NOMEM;
    case CURLE_WRITE_ERROR:
        return at->over_limit ? PANICMON_ERR_LIMIT : PANICMON_ERR_NOMEM;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
        return PANICMON_ERR_PROTOCOL;
    default:
        return PANICMON_ERR_HTTP;
    }
}

static void complete(transfer *at, CURLcode rc)
{
    long code = 0;
    (void)curl_easy_getinfo(at->easy, CURLINFO_RESPONSE_CODE, &code);
    panicmon_err status = judge(at, rc);
    if (status == PANICMON_OK && follow(at, code)) {
        return;
    }
    char why[CURL_ERROR_SIZE];
    if (at->over_limit) {
        (void)snprintf(why, sizeof why, "the answer is over %zu bytes",
                       at->http->loop->net->message_limit);
    } else {
        (void)snprintf(why, sizeof why, "%s",
                       at->why[0] != '\0' ? at->why : curl_easy_strerror(rc));
    }
    finish(at, status, code, why);
}

static void collect(pm_http *http)
{
    int left;
    const CURLMsg *message;
    while (http->multi != NULL && (message = curl_multi_info_read(http->multi, &left)) != NULL) {
        void *at = NULL;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &at) == CURLE_OK) {
            complete(at, message->data.result);
        }
    }
}

static void finish_late(transfer *at)
{
    char why[CURL_ERROR_SIZE];
    (void)snprintf(why, sizeof why,
                   at->lookup != NULL ? "the name of %s was not found within %lld ms"
                                      : "no whole answer from %s within %lld ms",
                   at->url.host, (long long)(at->request->deadline - at->began));
    finish(at, PANICMON_ERR_TIMEOUT, 0, why);
}

/* Goes on with one transfer whose name was found, or that is late; false: there was none. */
static bool take_next(pm_http *http)
{
    int64_t now = pm_mono_ms();
    for (transfer *at = http->first; at != NULL; at = at->next) {
        pm_addresses addresses = {0};
        const char *problem = NULL;
        if (at->lookup != NULL && pm_lookup_result(at->lookup, &addresses, &problem)) {
            pm_lookup_free(at->lookup);
            at->lookup = NULL;
            if (addresses.count == 0) {
                char why[CURL_ERROR_SIZE];
                (void)snprintf(why, sizeof why, "cannot resolve %s: %s", at->url.host, problem);
                finish(at, PANICMON_ERR_HTTP, 0, why);
            } else if (!start(at, &addresses)) {
                finish(at, PANICMON_ERR_NOMEM, 0, "out of memory");
            }
            return true;
        }
        if (now >= at->request->deadline) {
            finish_late(at);
            return true;
        }
    }
    return false;
}

static void set_timer(const pm_http *http)
{
    int64_t due = http->curl_due;
    for (const transfer *at = http->first; at != NULL; at = at->next) {
        due = pm_earlier(due, at->request->deadline);
    }
    int64_t wait = due == PM_NEVER ? 0 : due - pm_mono_ms(); /* 0 takes the timer off */
    wait = due != PM_NEVER && wait < 1 ? 1 : wait;
    const struct itimerspec when = {
        .it_value = {.tv_sec = wait / 1000, .tv_nsec = (long)(wait % 1000) * 1000000}};
    (void)timerfd_settime(http->timer, 0, &when, NULL);
}

static void drain(int fd)
{
    uint64_t count;
    ssize_t got = read(fd, &count, sizeof count);
    (void)got; /* nothing to read is fine too */
}

/* Gives how many descriptors were ready, of EVENTS at most. */
static int move_bytes(pm_http *http)
{
    struct epoll_event events[EVENTS];
    int running;
    int count = epoll_wait(http->set, events, EVENTS, 0);
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;
        if (fd == http->timer || fd == http->wake) {
            drain(fd);
            continue;
        }
        int what = ((events[i].events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                   ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                   ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
        (void)curl_multi_socket_action(http->multi, fd, what, &running);
    }
    return count;
}

/* Something is ready in the set. Who is late is told after all that came was read, as something may
 * have held up the loop's thread; hence libcurl, which looks at the time first, has more of it. */
static void work(void *user)
{
    pm_http *http = user;
    int running;
    while (move_bytes(http) == EVENTS) {
    }
    if (pm_mono_ms() >= http->curl_due) {
        http->curl_due = PM_NEVER;
        (void)curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect(http);
    while (take_next(http)) {
    }
    set_timer(http);
}

/* ---- for executors ---- */

void pm_http_submit(pm_http *http, pm_request *request)
{
    panicmon_error *err = NULL;
    transfer *at = calloc(1, sizeof *at);
    panicmon_err status = at == NULL ? PANICMON_ERR_NOMEM : open_multi(http);
    if (status == PANICMON_OK) {
        status = pm_url_parse(&at->url, request->target, "http https", &err);
    }
    if (status != PANICMON_OK) {
        pm_request_finish(request, status, 0,
                          err != NULL ? panicmon_error_message(err) : panicmon_strerror(status));
        panicmon_error_free(err);
        free(at);
        if (http->watch == NULL) {
            close_multi(http); /* half open */
        }
        return;
    }
    at->http = http;
    at->request = request;
    at->own_headers = true;
    at->began = pm_mono_ms();
    at->next = http->first;
    http->first = at;
    begin(at);
    set_timer(http);
}

void pm_http_cancel(pm_http *http)
{
    while (http != NULL && http->first != NULL) {
        transfer *at = http->first;
        http->first = at->next;
        conclude(at, PANICMON_ERR_CANCELED, 0, "canceled");
    }
}

void pm_http_free(pm_http *http)
{
    if (http != NULL) {
        pm_http_cancel(http);
        close_multi(http);
        free(http);
    }
}
