/* server.c: see server.h. Owner of libmicrohttpd. Its thread serves all connections; the main
 * thread ends those that are late, so a lock guards the list of them. */
#include "server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"

#define CONNECTIONS 100
/* What all headers of a request may come to, with what the library needs to answer. */
#define MEMORY 32768
/* From the begin of a connection, or the answer before, to a whole request. */
#define REQUEST_MS 15000
/* The same when most connections are taken: others want to be answered. */
#define HURRY_MS 2000
/* From a request to the end of its answer. */
#define ANSWER_MS 60000

struct server_request {
    struct MHD_Connection *connection;
    const char *path;
    bool post;
};

typedef struct client {
    struct client *next;
    int fd;
    bool answering;
    int64_t since_ms;
} client;

struct server {
    struct MHD_Daemon *daemon;
    answer_fn answer;
    void *user;
    pthread_mutex_t lock; /* guards the clients */
    client *clients;
    size_t count;
};

const char *server_path(const server_request *request)
{
    return request->path;
}

bool server_is_post(const server_request *request)
{
    return request->post;
}

const char *server_query(const server_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *server_header(const server_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---- connections ---- */

static void add_client(server *server, struct MHD_Connection *connection, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    client *made = info == NULL ? NULL : malloc(sizeof *made);
    *context = made; /* without memory the idle time of the library alone bounds it */
    if (made != NULL) {
        *made = (client){.fd = info->connect_fd, .since_ms = clock_mono_ms()};
        pthread_mutex_lock(&server->lock);
        made->next = server->clients;
        server->clients = made;
        server->count++;
        pthread_mutex_unlock(&server->lock);
    }
}

static void remove_client(server *server, client *gone)
{
    pthread_mutex_lock(&server->lock);
    client **at = &server->clients;
    while (*at != NULL && *at != gone) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = gone->next;
        server->count--;
    }
    pthread_mutex_unlock(&server->lock);
    free(gone);
}

/* The library closes the socket after this returned. */
static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        add_client(user, connection, context);
    } else if (*context != NULL) {
        remove_client(user, *context);
        *context = NULL;
    }
}

static void mark(server *server, struct MHD_Connection *connection, bool answering)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    client *client = info == NULL ? NULL : info->socket_context;
    if (client != NULL) {
        pthread_mutex_lock(&server->lock);
        client->answering = answering;
        client->since_ms = clock_mono_ms();
        pthread_mutex_unlock(&server->lock);
    }
}

void server_tick(server *server)
{
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&server->lock);
    int64_t patience = server->count > CONNECTIONS / 4 * 3 ? HURRY_MS : REQUEST_MS;
    for (const client *at = server->clients; at != NULL; at = at->next) {
        if (now - at->since_ms > (at->answering ? ANSWER_MS : patience)) {
            (void)shutdown(at->fd, SHUT_RDWR); /* the library sees the end and closes */
        }
    }
    pthread_mutex_unlock(&server->lock);
}

/* ---- answers ---- */

/* Everything comes from here and nothing else may be loaded, framed or guessed. */
static const char *const always[][2] = {
    {MHD_HTTP_HEADER_CONTENT_SECURITY_POLICY,
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
};

/* What stays the same until another build is asked for again each time, and mostly not sent. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, const answer *answer)
{
    bool kept = answer->etag != NULL;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->len, (void *)(uintptr_t)answer->text,
        answer->owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        if (answer->owned) {
            free((void *)(uintptr_t)answer->text);
        }
        return MHD_NO;
    }
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        (void)MHD_add_response_header(response, always[i][0], always[i][1]);
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                                  kept ? "no-cache" : "no-store");
    if (kept) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, answer->etag);
    }
    if (answer->type != NULL) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    }
    if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
                                      answer->allow != NULL ? answer->allow : "GET, HEAD");
    }
    enum MHD_Result result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text)
{
    const answer answer = {
        .status = status, .type = "text/plain; charset=utf-8", .text = text, .len = strlen(text)};
    return send_answer(connection, &answer);
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL ||
           (length != NULL && strcmp(length, "0") != 0);
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_len, void **context)
{
    static char seen; /* its address says that the headers were looked at */
    server *server = user;
    bool post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    (void)version;
    (void)body;
    if (*context == NULL) {
        *context = &seen;
        if (!post && strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
            strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
            return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        return has_body(connection)
                   ? refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, "no request has a body here\n")
                   : MHD_YES;
    }
    if (*body_len > 0) {
        return MHD_NO;
    }
    const server_request request = {.connection = connection, .path = path, .post = post};
    answer answer = {.status = MHD_HTTP_NOT_FOUND};
    mark(server, connection, true);
    server->answer(server->user, &request, &answer);
    return send_answer(connection, &answer);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)code;
    mark(user, connection, false);
}

/* ---- life ---- */

/* Undoes the escapes of a path or a parameter. One that holds a zero byte must not pass for what
 * stands before it. */
static size_t unescape(void *user, struct MHD_Connection *connection, char *text)
{
    (void)user;
    (void)connection;
    size_t len = MHD_http_unescape(text);
    for (size_t i = strlen(text); i < len; i += strlen(text + i)) {
        text[i] = '\x01';
    }
    return len;
}

/* Signals are for the main thread: the server's thread is born with all of them blocked. */
static struct MHD_Daemon *start(server *server, int socket)
{
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET,
        socket, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(REQUEST_MS / 1000), MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_UNESCAPE_CALLBACK, unescape,
        NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return daemon;
}

server *server_new(int socket, answer_fn answer, void *user)
{
    server *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->answer = answer;
        made->user = user;
        (void)pthread_mutex_init(&made->lock, NULL);
        made->daemon = start(made, socket);
        if (made->daemon != NULL) {
            return made;
        }
        (void)pthread_mutex_destroy(&made->lock);
        free(made);
    }
    return NULL; /* whether the library closed the socket depends on how far it came */
}

void server_free(server *server)
{
    if (server != NULL) {
        MHD_stop_daemon(server->daemon);
        (void)pthread_mutex_destroy(&server->lock);
        free(server);
    }
}
