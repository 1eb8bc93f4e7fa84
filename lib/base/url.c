/* url.c: see url.h. Rules: RFC 3986 as far as our schemes need it; amqp as RabbitMQ's URI spec. */
#include "base/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const struct {
    const char *name;
    uint16_t port;
    bool tls;
} schemes_known[] = {
    {"ws", 80, false},      {"wss", 443, true},     {"amqp", 5672, false}, {"amqps", 5671, true},
    {"redis", 6379, false}, {"rediss", 6379, true}, {"http", 80, false},   {"https", 443, true},
};

static bool word_in(const char *word, size_t len, const char *list)
{
    while (*list != '\0') {
        size_t n = strcspn(list, " ");
        if (n == len && strncmp(list, word, len) == 0) {
            return true;
        }
        list += n + (list[n] == ' ');
    }
    return false;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

bool pm_url_decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_digit(from[1]);
        int low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || high * 16 + low == 0) {
            return false;
        }
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

static bool parse_port(const char *text, uint16_t *out)
{
    unsigned long value = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' ||
            (value = value * 10 + (unsigned long)(*text - '0')) > 65535) {
            return false;
        }
    }
    *out = (uint16_t)value;
    return value > 0;
}

/* Of a name only what may stand in one (RFC 3986, without %-escapes); of an address in brackets its
 * digits, and a zone after % (RFC 6874). */
static bool is_host(const char *host, bool bracketed)
{
    const char *more = bracketed ? ":.%-_" : "-._~";
    for (const char *c = host; *c != '\0'; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        if (!letter && !(*c >= '0' && *c <= '9') && strchr(more, *c) == NULL) {
            return false;
        }
    }
    return true;
}

/* Takes `user:pass@host:port` apart in place. */
static const char *parse_authority(pm_url *url, char *authority)
{
    char *at = strrchr(authority, '@');
    char *host = authority;
    if (at != NULL) {
        *at = '\0';
        host = at + 1;
        url->user = authority;
        char *colon = strchr(authority, ':');
        if (colon != NULL) {
            *colon = '\0';
            url->pass = colon + 1;
        }
        if (!pm_url_decode(url->user) || (url->pass != NULL && !pm_url_decode(url->pass))) {
            return "has a bad %-escape in its user part";
        }
    }
    char *port = NULL;
    bool bracketed = *host == '[';
    if (bracketed) {
        char *end = strchr(host, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return "has a bad [address]";
        }
        port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
        host++;
    } else {
        char *colon = strchr(host, ':');
        if (colon != NULL) {
            *colon = '\0';
            port = colon + 1;
        }
    }
    if (*host == '\0') {
        return "names no host";
    }
    if (!is_host(host, bracketed)) {
        return "names a host that is neither a name (of letters, digits, '-' and '.') nor an "
               "address";
    }
    if (port != NULL && !parse_port(port, &url->port)) {
        return "has a bad port";
    }
    url->host = host;
    return NULL;
}

#define STRING(number) #number
#define TEXT_OF(limit) STRING(limit)

static const char *check_size(const pm_url *url)
{
    size_t user = url->user == NULL ? 0 : strlen(url->user);
    size_t pass = url->pass == NULL ? 0 : strlen(url->pass);
    if (strcmp(url->scheme, "ws") != 0 && strcmp(url->scheme, "wss") != 0) {
        return NULL;
    }
    if (user + 1 + pass > PM_URL_LOGIN_MAX) {
        return "has a user:password of more than " TEXT_OF(PM_URL_LOGIN_MAX) " bytes";
    }
    return strlen(url->path) > PM_URL_PATH_MAX
               ? "has a path of more than " TEXT_OF(PM_URL_PATH_MAX) " bytes"
               : NULL;
}

panicmon_err pm_url_parse(pm_url *out, const char *text, const char *schemes, panicmon_error **err)
{
    pm_url url = {0};
    const char *problem = NULL;
    const char *colon = strstr(text, "://");
    if (colon == NULL || !word_in(text, (size_t)(colon - text), schemes)) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "URL must begin with one of: %s (and ://)",
                             schemes);
    }
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f) {
            return pm_error_setf(err, PANICMON_ERR_INVAL, "URL has a blank or control byte");
        }
    }
    for (size_t i = 0; i < sizeof schemes_known / sizeof schemes_known[0]; i++) {
        if (word_in(text, (size_t)(colon - text), schemes_known[i].name)) {
            strcpy(url.scheme, schemes_known[i].name);
            url.port = schemes_known[i].port;
            url.tls = schemes_known[i].tls;
        }
    }
    const char *rest = colon + 3;
    size_t authority = strcspn(rest, "/?#");
    size_t total = strlen(rest);
    url.memory = malloc(total + 2);
    if (url.memory == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    memcpy(url.memory, rest, authority);
    url.memory[authority] = '\0';
    url.path = url.memory + authority + 1;
    memcpy(url.path, rest + authority, total - authority + 1);
    url.path[strcspn(url.path, "#")] = '\0';
    problem = parse_authority(&url, url.memory);
    problem = problem == NULL ? check_size(&url) : problem;
    if (problem != NULL) {
        pm_url_free(&url);
        return pm_error_setf(err, PANICMON_ERR_INVAL, "URL %s", problem);
    }
    *out = url;
    return PANICMON_OK;
}

void pm_url_free(pm_url *url)
{
    free(url->memory);
    *url = (pm_url){0};
}

void pm_url_add_public(pm_buf *out, const char *url)
{
    const char *host = strstr(url, "://");
    size_t scheme = host == NULL ? 0 : (size_t)(host + 3 - url);
    size_t authority = strcspn(url + scheme, "/?#");
    const char *at = memrchr(url + scheme, '@', authority);
    pm_buf text = {0};
    pm_buf_add(&text, url, scheme);
    pm_buf_text(&text, at == NULL ? url + scheme : at + 1);
    pm_buf_json_string(out, text.failed ? "" : text.data, text.failed ? 0 : text.len);
    pm_buf_free(&text);
}
