/* server.h: answers HTTP requests in a thread of its own. It takes GET, HEAD and POST without a
 * body, small requests of a bounded number of connections, each in bounded time, and nothing else.
 */
#ifndef PANICMOND_SERVER_H
#define PANICMOND_SERVER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct server server;
typedef struct server_request server_request;

typedef struct answer {
    unsigned status;
    const char *type; /* of the content; static */
    const char *text;
    size_t len;
    bool owned;        /* the text is malloc'd, and the server's to free */
    const char *allow; /* of status 405: the methods that there are; static */
    const char *etag;  /* NULL: never to be kept by who gets it; else static, with its quotes */
} answer;

/* Answers a request. In the server's thread. */
typedef void (*answer_fn)(void *user, const server_request *request, answer *out);

/* Serves at a listening socket, which is the server's from now on. NULL on failure; the process is
 * then expected to end. */
server *server_new(int socket, answer_fn answer, void *user);

/* Ends what takes too long. To be called every second. Main thread. */
void server_tick(server *server);

/* Stops; no request is answered any more when it returns. NULL is allowed. */
void server_free(server *server);

/* The path with its escapes undone. */
const char *server_path(const server_request *request);
/* Whether it is a POST, which may change something, and not a GET or HEAD. */
bool server_is_post(const server_request *request);
/* The parameter `name` of the query, or the header; NULL when there is none. */
const char *server_query(const server_request *request, const char *name);
const char *server_header(const server_request *request, const char *name);

#endif
