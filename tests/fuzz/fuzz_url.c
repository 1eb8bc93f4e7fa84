/* fuzz_url.c: any text as a URL; what is taken can be shown without its password. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/url.h"

static void check_public(const char *text, const pm_url *url)
{
    pm_buf shown = {0};
    pm_json parsed;
    pm_url_add_public(&shown, text);
    fuzz_check(pm_json_parse(shown.data, shown.len, &parsed, NULL), "it is a JSON string");
    pm_buf plain = {0};
    pm_url again;
    fuzz_check(pm_json_string(parsed, &plain), "that can be read");
    if (pm_url_parse(&again, plain.data, "ws wss amqp amqps redis rediss http https", NULL) !=
        PANICMON_OK) {
        fuzz_check(plain.len > PM_URL_PATH_MAX, "it is still a URL, unless it became too long");
        pm_buf_free(&plain);
        pm_buf_free(&shown);
        return;
    }
    fuzz_check(again.user == NULL && again.pass == NULL, "nobody's name or password is in it");
    fuzz_check(strcmp(again.host, url->host) == 0 && again.port == url->port, "of the same host");
    pm_url_free(&again);
    pm_buf_free(&plain);
    pm_buf_free(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pm_url url;
    panicmon_error *err = NULL;
    char *text = malloc(size + 1);
    fuzz_check(text != NULL, "there is memory");
    memcpy(text, data, size);
    text[size] = '\0';
    if (pm_url_parse(&url, text, "ws wss amqp amqps redis rediss http https", &err) ==
        PANICMON_OK) {
        fuzz_check(url.host[0] != '\0' && url.port != 0, "a URL has a host and a port");
        fuzz_check(url.path[0] == '\0' || url.path[0] == '/' || url.path[0] == '?',
                   "a path begins as one");
        check_public(text, &url);
        pm_url_free(&url);
    } else {
        fuzz_check(err != NULL, "a failure has a message");
    }
    panicmon_error_free(err);
    free(text);
    return 0;
}
