/* url_redis.c: where Redis is: a host, or a socket of this machine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/url.h"

/* "" is the first one. */
static bool read_database(const char *text, long *out)
{
    char *end;
    *out = 0;
    if (*text == '\0') {
        return true;
    }
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && *out >= 0 && *text >= '0' && *text <= '9';
}

/* What stands between "unix:" and the path is what a URL of Redis has before its path, but for the
 * host. */
static panicmon_err parse_socket(pm_url *out, const char *rest, panicmon_error **err)
{
    bool full = strncmp(rest, "//", 2) == 0;
    size_t authority = full ? strcspn(rest + 2, "/?#") : 0;
    const char *path = rest + (full ? 2 + authority : 0);
    if (path[0] != '/' || (authority > 0 && path[-1] != '@')) {
        return pm_error_setf(err, PANICMON_ERR_INVAL,
                             "unix: needs an absolute path, or //user:password@ and that");
    }
    pm_buf text = {0};
    pm_buf_text(&text, "redis://");
    pm_buf_add(&text, rest + 2, authority);
    pm_buf_format(&text, "localhost%s", path);
    panicmon_err status = text.failed ? pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory")
                                      : pm_url_parse(out, text.data, "redis", err);
    pm_buf_free(&text);
    if (status == PANICMON_OK) {
        strcpy(out->scheme, "unix");
    }
    return status;
}

panicmon_err pm_url_parse_redis(pm_url *out, long *database, const char *text, panicmon_error **err)
{
    char *number;
    panicmon_err status;
    if (strncmp(text, "rediss:", 7) == 0) {
        return pm_error_setf(err, PANICMON_ERR_INVAL,
                             "this build has no TLS towards Redis; let stunnel carry it and name "
                             "its local end as redis://127.0.0.1:PORT");
    }
    if (strncmp(text, "unix:", 5) == 0) {
        status = parse_socket(out, text + 5, err);
        number = status == PANICMON_OK ? strstr(out->path, "?db=") : NULL;
        if (number != NULL) {
            *number = '\0';
            number += 4;
        }
    } else if (strncmp(text, "redis://", 8) != 0) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "URL must begin with redis:// or unix://");
    } else {
        status = pm_url_parse(out, text, "redis", err);
        number = status == PANICMON_OK && out->path[0] == '/' ? out->path + 1 : NULL;
    }
    if (status == PANICMON_OK && !read_database(number == NULL ? "" : number, database)) {
        /* Not quoted: what follows a bare slash in a password would be. */
        status = pm_error_setf(err, PANICMON_ERR_INVAL, "the database is not a number");
        pm_url_free(out);
    }
    return status;
}
