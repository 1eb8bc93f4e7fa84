/* amqp_target.c: where and how to connect to the broker, read from settings and URL. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/settings.h"
#include "net/amqp_conn.h"

#define MESSAGE_LIMIT ((size_t)4 << 20)

void pm_amqp_options_read(pm_amqp_options *out, const panicmon_settings *settings)
{
    *out = (pm_amqp_options){
        .url = pm_settings_text(settings, "broker.url"),
        .tls_ca_file = pm_settings_text(settings, "tls.ca_file"),
        .tls_cert_file = pm_settings_text(settings, "tls.cert_file"),
        .tls_key_file = pm_settings_text(settings, "tls.key_file"),
        .heartbeat_s = pm_settings_int(settings, "broker.heartbeat"),
        .confirm_timeout_ms = pm_settings_ms(settings, "broker.confirm_timeout"),
    };
}

/* The path of the URL is the vhost, percent-encoded; none is the vhost "/". */
static panicmon_err read_vhost(pm_target *target, panicmon_error **err)
{
    const char *path = target->url.path[0] == '/' ? target->url.path + 1 : target->url.path;
    if (strpbrk(path, "/?") != NULL) {
        return pm_error_setf(
            err, PANICMON_ERR_INVAL,
            "broker.url: only a vhost may follow the host (a slash in it is %%2F)");
    }
    target->vhost = strdup(path[0] == '\0' ? "/" : path);
    if (target->vhost == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    return pm_url_decode(target->vhost)
               ? PANICMON_OK
               : pm_error_setf(err, PANICMON_ERR_INVAL, "broker.url: the vhost cannot be decoded");
}

static bool copy_text(char **out, const char *text)
{
    *out = text == NULL ? NULL : strdup(text);
    return text == NULL || *out != NULL;
}

panicmon_err pm_target_init(pm_target *target, const pm_amqp_options *options, panicmon_error **err)
{
    *target = (pm_target){.confirm_timeout_ms = options->confirm_timeout_ms,
                          .message_limit =
                              options->message_limit == 0 ? MESSAGE_LIMIT : options->message_limit};
    target->heartbeat_s = options->heartbeat_s < 1      ? 1
                          : options->heartbeat_s > 3600 ? 3600
                                                        : (int)options->heartbeat_s;
    if (options->url == NULL) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "broker.url is not set");
    }
    if ((options->tls_cert_file == NULL) != (options->tls_key_file == NULL)) {
        return pm_error_setf(err, PANICMON_ERR_INVAL,
                             "tls.cert_file and tls.key_file need each other");
    }
    panicmon_err status = pm_url_parse(&target->url, options->url, "amqp amqps", err);
    if (status == PANICMON_OK) {
        status = read_vhost(target, err);
    }
    if (status == PANICMON_OK && (!copy_text(&target->ca_file, options->tls_ca_file) ||
                                  !copy_text(&target->cert_file, options->tls_cert_file) ||
                                  !copy_text(&target->key_file, options->tls_key_file))) {
        status = pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    if (status == PANICMON_OK) {
        status = pm_resolver_new(&target->resolver);
        if (status != PANICMON_OK) {
            (void)pm_error_setf(err, status, "no name resolver: %s", panicmon_strerror(status));
        }
    }
    if (status != PANICMON_OK) {
        pm_target_clear(target);
    }
    return status;
}

void pm_target_clear(pm_target *target)
{
    pm_resolver_free(target->resolver);
    pm_url_free(&target->url);
    free(target->vhost);
    free(target->ca_file);
    free(target->cert_file);
    free(target->key_file);
    *target = (pm_target){0};
}
