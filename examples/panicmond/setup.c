/* setup.c: see setup.h. */
#include "setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "files.h"
#include "listen.h"

/* Faults found so far, and where they go. */
typedef struct report {
    panicmon_fault_fn fault;
    panicmon_fault_fn warning; /* NULL: nobody wants to hear */
    void *user;
    const char *where;
    size_t count;
} report;

static void tell(void *user, const char *message)
{
    static const char mark[] = "warning: "; /* of what is no fault */
    report *to = user;
    char line[2048];
    bool fault = strncmp(message, mark, sizeof mark - 1) != 0;
    (void)snprintf(line, sizeof line, "%s: %s", to->where, message + (fault ? 0 : sizeof mark - 1));
    if (fault) {
        to->count++;
        to->fault(to->user, line);
    } else if (to->warning != NULL) {
        to->warning(to->user, line);
    }
}

/* Names its place itself. */
static void tell_of_file(void *user, const char *message)
{
    report *to = user;
    to->count++;
    to->fault(to->user, message);
}

static void warn_of_file(void *user, const char *message)
{
    const report *to = user;
    to->warning(to->user, message);
}

static void ignore(void *user, const char *message)
{
    (void)user;
    (void)message;
}

static void tell_failure(report *to, panicmon_err status, const panicmon_error *err)
{
    tell(to, err != NULL ? panicmon_error_message(err) : panicmon_strerror(status));
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    if (file != NULL) {
        size_t size = 0;
        ssize_t got = getdelim(&text, &size, '\0', file); /* JSON holds no zero byte */
        *len = got < 0 ? 0 : (size_t)got;
        (void)fclose(file);
    }
    return text;
}

/* What is good of a configuration with faults. */
typedef struct salvage {
    panicmon_settings *settings;
    panicmon_registry *registry; /* NULL: config sets are not checked */
    report *to;
} salvage;

static void check_part(const salvage *at, const char *part)
{
    panicmon_settings *alone = NULL;
    if (at->registry != NULL && panicmon_settings_new(&alone) == PANICMON_OK &&
        panicmon_settings_load(alone, part, strlen(part), ignore, NULL, NULL) == PANICMON_OK) {
        const char *configs = panicmon_settings_configs(alone, NULL);
        (void)panicmon_registry_check_all(at->registry, configs, strlen(configs), tell, at->to,
                                          NULL);
    }
    panicmon_settings_free(alone);
}

static void take_part(void *user, const char *part, bool configs)
{
    const salvage *at = user;
    if (configs) {
        check_part(at, part);
    } else { /* what is wrong with it was told */
        (void)panicmon_settings_load(at->settings, part, strlen(part), ignore, NULL, NULL);
    }
}

/* A fault in one place hides none in another: what is good is taken, and checked like the rest. */
static void load_good_parts(salvage *at, const char *path)
{
    size_t len = 0;
    char *text = read_file(path, &len);
    if (text != NULL) {
        document_parts(text, len, take_part, at);
    }
    free(text);
}

static void load_file(panicmon_settings *settings, panicmon_registry *registry, const char *path,
                      report *to)
{
    panicmon_error *err = NULL;
    to->where = path;
    panicmon_err status = panicmon_settings_load_file(settings, path, tell, to, &err);
    if (status == PANICMON_ERR_PARSE) {
        salvage at = {.settings = settings, .registry = registry, .to = to};
        load_good_parts(&at, path);
    } else if (status != PANICMON_OK) {
        to->where = "configuration";
        tell_failure(to, status, err);
    }
    panicmon_error_free(err);
}

static void set_flag(panicmon_settings *settings, const char *flag, const char *name,
                     const char *value, report *to)
{
    panicmon_error *err = NULL;
    if (value != NULL) {
        panicmon_err status = panicmon_settings_set(settings, name, value, &err);
        if (status != PANICMON_OK) {
            to->where = flag;
            tell_failure(to, status, err);
        }
    }
    panicmon_error_free(err);
}

static void check_listen(const panicmon_settings *settings, report *to)
{
    listen_address address;
    char line[512];
    const char *text = panicmon_settings_get(settings, "listen");
    if (text != NULL && text[0] != '\0' && !listen_parse(text, &address)) {
        to->where = "listen";
        (void)snprintf(line, sizeof line,
                       "'%s' is no address to serve at: HOST:PORT, [IPV6]:PORT or PORT", text);
        tell(to, line);
    }
}

static void check_tls(const panicmon_settings *settings, report *to)
{
    const char *cert = panicmon_settings_get(settings, "tls.cert_file");
    const char *key = panicmon_settings_get(settings, "tls.key_file");
    if ((cert[0] == '\0') != (key[0] == '\0')) {
        to->where = "tls.cert_file and tls.key_file";
        tell(to, "need each other");
    }
}

/* Checks the nodes of the command line alone, so that their faults name the flag. */
static void check_nodes(panicmon_registry *registry, const options *from, report *to)
{
    to->where = "--node";
    for (size_t i = 0; i < from->node_count; i++) {
        char *configs = document_add_nodes("{}", &from->nodes[i], 1);
        if (configs == NULL) {
            tell(to, "not text in UTF-8, or out of memory");
        } else {
            (void)panicmon_registry_check_all(registry, configs, strlen(configs), tell, to, NULL);
        }
        free(configs);
    }
}

static panicmon_err load(setup *out, const options *from, bool strict, report to)
{
    setup made = {0};
    panicmon_registry *registry = NULL;
    panicmon_err status = panicmon_settings_new(&made.settings);
    if (status == PANICMON_OK) {
        status = panicmon_registry_new(&registry);
    }
    if (status == PANICMON_OK) {
        status = panicmon_registry_add_builtin(registry, NULL);
    }
    if (status != PANICMON_OK) {
        tell_failure(&to, status, NULL);
        goto out;
    }
    if (from->file != NULL) {
        load_file(made.settings, strict ? registry : NULL, from->file, &to);
    }
    set_flag(made.settings, "--period", "period", from->period, &to);
    set_flag(made.settings, "--executor", "executor", from->executor, &to);
    set_flag(made.settings, "--log-level", "log.level", from->log_level, &to);
    set_flag(made.settings, "--listen", "listen", from->listen, &to);
    set_flag(made.settings, "--once", "rounds", from->once ? "1" : NULL, &to);
    check_listen(made.settings, &to);
    check_tls(made.settings, &to);
    check_nodes(registry, from, &to);
    const char *configs = panicmon_settings_configs(made.settings, NULL);
    to.where = from->file != NULL ? from->file : "configs";
    if (strict) {
        (void)panicmon_registry_check_all(registry, configs, strlen(configs), tell, &to, NULL);
    }
    if (to.warning != NULL) {
        files_check(made.settings, tell_of_file, warn_of_file, &to);
    }
    made.configs = document_add_nodes(configs, from->nodes, from->node_count);
    if (to.count > 0) {
        status = PANICMON_ERR_PARSE;
    } else if (made.configs == NULL) {
        status = PANICMON_ERR_NOMEM;
        tell_failure(&to, status, NULL);
    } else {
        (void)panicmon_registry_check_all(registry, made.configs, strlen(made.configs), ignore,
                                          NULL, &made.monitorables);
    }

out:
    panicmon_registry_free(registry);
    if (status != PANICMON_OK) {
        setup_free(&made);
    }
    *out = made;
    return status;
}

panicmon_err setup_load(setup *out, const options *from, bool strict, panicmon_fault_fn fault,
                        void *user)
{
    report to = {.fault = fault, .user = user, .where = "configuration"};
    return load(out, from, strict, to);
}

panicmon_err setup_check(setup *out, const options *from, panicmon_fault_fn fault,
                         panicmon_fault_fn warning, void *user)
{
    report to = {.fault = fault, .warning = warning, .user = user, .where = "configuration"};
    return load(out, from, true, to);
}

void setup_free(setup *setup)
{
    panicmon_settings_free(setup->settings);
    free(setup->configs);
    setup->settings = NULL;
    setup->configs = NULL;
}

const char *setup_get(const setup *setup, const char *name)
{
    const char *value = panicmon_settings_get(setup->settings, name);
    return value == NULL ? "" : value;
}
