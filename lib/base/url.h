/* url.h: taking a URL apart. Schemes: ws wss amqp amqps redis rediss http https. */
#ifndef PM_URL_H
#define PM_URL_H

#include <stdbool.h>
#include <stdint.h>

#include <panicmon/error.h>

#include "base/buf.h"

/* Of ws and wss, as a request for an upgrade must fit what libwebsockets writes it to (net/ws.c):
 * user, colon and password, percent-decoded; and the path. */
#define PM_URL_LOGIN_MAX 512
#define PM_URL_PATH_MAX  1024

typedef struct pm_url {
    char scheme[8];
    bool tls;      /* wss, amqps, rediss, https */
    char *user;    /* percent-decoded; NULL when absent */
    char *pass;    /* percent-decoded; NULL when absent */
    char *host;    /* without brackets; never empty */
    uint16_t port; /* the scheme's default when absent */
    char *path;    /* from its first '/' or '?', as written without a fragment; "" when absent */
    char *memory;
} pm_url;

/* ERR_INVAL with a message that never holds the password. `schemes`: allowed ones, "ws wss". */
panicmon_err pm_url_parse(pm_url *out, const char *text, const char *schemes, panicmon_error **err);
/* redis://[[user]:password@]host[:port][/database], unix:/path[?db=N] or
 * unix://[[user]:password@]/path[?db=N]: then the scheme is "unix", and the path that of the
 * socket. */
panicmon_err pm_url_parse_redis(pm_url *out, long *database, const char *text,
                                panicmon_error **err);
void pm_url_free(pm_url *url);
/* Appends a URL as a JSON string, without the user and password that may stand in it. */
void pm_url_add_public(pm_buf *out, const char *url);
/* Decodes %XX in place up to the end of the text; false on a bad escape or a zero byte. */
bool pm_url_decode(char *text);

#endif
