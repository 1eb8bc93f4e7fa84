/* settings.c: the table of settings, and a set of their values. A set is used by one thread at a
 * time and owns its texts. */
#include "base/settings.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/settings_impl.h"

#define MS(seconds) ((int64_t)(seconds)*1000)
#define KIB         INT64_C(1024)
#define GIB         (KIB * KIB * KIB)
#define WEEK        604800

/* A file that holds one secret is no longer than this. */
#define SECRET_MAX 8192
/* Names longer than this are cut before they are compared. */
#define NAME_MAX_LEN 64

/* The executors of this build; a test holds them against exec.c. */
#define EXECUTORS "threads rounds queue events"

static const pm_setting settings_known[] = {
    {"executor", "events", EXECUTORS, 0, 0, PM_SETTING_ENUM,
     "How monitors share threads and connections: events, threads, rounds or queue."},
    {"executor.loops", "1", NULL, 1, 64, PM_SETTING_INTEGER, "Loops of the executor events."},
    {"executor.workers", "256", NULL, 1, 16384, PM_SETTING_INTEGER,
     "Most rounds that the executors rounds and queue have under way at once."},
    {"period.node", "10", NULL, 1, MS(WEEK), PM_SETTING_SECONDS,
     "Seconds from the begin of one round of a node's monitor to the next."},
    {"period.network", "60", NULL, 1, MS(WEEK), PM_SETTING_SECONDS,
     "As period.node, for the network of a chain."},
    {"period.system", "60", NULL, 1, MS(WEEK), PM_SETTING_SECONDS,
     "As period.node, for the system a node runs on."},
    {"period.repo", "3600", NULL, 1, MS(WEEK), PM_SETTING_SECONDS,
     "As period.node, for a repository."},
    {"round.deadline", "30", NULL, 1, MS(3600), PM_SETTING_SECONDS,
     "Seconds a round may take; never longer than its period."},
    {"rounds", "0", NULL, 0, INT64_C(1000000000000), PM_SETTING_INTEGER,
     "Rounds after which a monitor ends; 0: no end."},
    {"rpc.limit", "64 MiB", NULL, 1, 4 * GIB, PM_SETTING_BYTES,
     "The longest answer that is taken from a node."},
    {"rpc.connect_timeout", "10", NULL, 1, MS(3600), PM_SETTING_SECONDS,
     "Seconds in which a connection to a node must stand."},
    {"rpc.connects", "64", NULL, 1, 65536, PM_SETTING_INTEGER,
     "Most connections to nodes that are being opened at once."},
    {"rpc.cache", "16 MiB", NULL, 0, 1024 * GIB, PM_SETTING_BYTES,
     "Answers that cannot change, kept by each thread that shares connections; 0: none."},
    {"queue.limit", "16 MiB", NULL, 1, 1024 * GIB, PM_SETTING_BYTES,
     "Messages kept for a host that reads them itself; the oldest go first."},
    {"broker.url", "", "amqp amqps", 0, 0, PM_SETTING_URL,
     "The message broker, amqp://user:password@host:port/vhost; empty: none."},
    {"broker.url_file", "", "broker.url", 0, 0, PM_SETTING_SECRET,
     "A file that holds broker.url, so that its password stands nowhere else."},
    {"broker.heartbeat", "30", NULL, 1, MS(3600), PM_SETTING_SECONDS,
     "Seconds between heartbeats of a connection to the broker."},
    {"broker.buffer", "64 MiB", NULL, 1, 1024 * GIB, PM_SETTING_BYTES,
     "Messages kept while the broker is away; the oldest are dropped beyond it."},
    {"broker.publisher", "own", "own shared", 0, 0, PM_SETTING_ENUM,
     "own: each thread of monitors has its own connection to the broker; shared: all share one."},
    {"broker.spool", "false", NULL, 0, 0, PM_SETTING_FLAG,
     "Whether messages that the broker has not confirmed are kept over a restart."},
    {"broker.confirm_timeout", "30", NULL, 1, MS(3600), PM_SETTING_SECONDS,
     "Seconds in which the broker must confirm a message before the connection is made anew."},
    {"broker.managers", "node, network", "node network system github dockerhub contracts", 0, 0,
     PM_SETTING_LIST,
     "PANIC's managers to stand in for: node, network, system, github, dockerhub, contracts."},
    {"broker.dead_letter", "", NULL, 0, 0, PM_SETTING_TEXT,
     "An exchange that gets config messages which could not be taken; empty: none."},
    {"redis.url", "", "redis", 0, 0, PM_SETTING_URL,
     "Redis for the state: redis://[[user]:password@]host[:port][/database], or "
     "unix://[[user]:password@]/path[?db=N]."},
    {"redis.url_file", "", "redis.url", 0, 0, PM_SETTING_SECRET,
     "A file that holds redis.url, so that its password stands nowhere else."},
    {"state_dir", "", NULL, 0, 0, PM_SETTING_TEXT,
     "A directory for the state when there is no Redis; empty: the state is kept in memory."},
    {"tls.ca_file", "", NULL, 0, 0, PM_SETTING_TEXT,
     "Certificates (PEM) to trust instead of those of the operating system."},
    {"tls.cert_file", "", NULL, 0, 0, PM_SETTING_TEXT,
     "The certificate (PEM) to show to peers that ask for one."},
    {"tls.key_file", "", NULL, 0, 0, PM_SETTING_TEXT, "The key (PEM) of tls.cert_file."},
    {"log.level", "info", "error warning info debug", 0, 0, PM_SETTING_ENUM,
     "The least grave records that are logged: error, warning, info or debug."},
    {"log.format", "text", "text json", 0, 0, PM_SETTING_ENUM,
     "How a record is written: text or json."},
    {"listen", "", NULL, 0, 0, PM_SETTING_ADDRESS,
     "Where panicmond serves its status page and metrics: host:port, or a port of this machine."},
    {"metrics.targets", "auto", "auto always never", 0, 0, PM_SETTING_ENUM,
     "Whether panicmond's metrics hold figures of each monitorable: always, never, or auto: of up "
     "to 5,000."},
    {"metrics.compat", "", "parity w3f", 0, 0, PM_SETTING_LIST,
     "Other programs under whose names panicmond tells some figures too: parity, w3f."},
};
_Static_assert(sizeof settings_known / sizeof settings_known[0] == PM_SETTINGS,
               "PM_SETTINGS counts the table");

/* ---- names ---- */

const pm_setting *pm_setting_at(size_t i)
{
    return &settings_known[i];
}

size_t pm_setting_find(const char *name)
{
    size_t i = 0;
    while (i < PM_SETTINGS && strcmp(settings_known[i].name, name) != 0) {
        i++;
    }
    return i;
}

bool pm_setting_is_group(const char *group)
{
    size_t len = strlen(group);
    for (size_t i = 0; i < PM_SETTINGS; i++) {
        const char *name = settings_known[i].name;
        if (strncmp(name, group, len) == 0 && name[len] == '.') {
            return true;
        }
    }
    return false;
}

/* How many letters must be put in, left out or changed to make `b` of `a`; case does not count. */
static size_t distance(const char *a, const char *b, size_t b_len)
{
    size_t row[NAME_MAX_LEN + 1];
    size_t a_len = strnlen(a, NAME_MAX_LEN);
    for (size_t i = 0; i <= a_len; i++) {
        row[i] = i;
    }
    for (size_t j = 1; j <= b_len; j++) {
        size_t corner = row[0];
        row[0] = j;
        for (size_t i = 1; i <= a_len; i++) {
            size_t changed = corner + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
            size_t edge = row[i] < row[i - 1] ? row[i] + 1 : row[i - 1] + 1;
            corner = row[i];
            row[i] = changed < edge ? changed : edge;
        }
    }
    return row[a_len];
}

const char *pm_setting_nearest(const char *name)
{
    static const char *const others[] = {"configs", "period", "broker", "redis",
                                         "log",     "tls",    "rpc",    "round"};
    const char *nearest = others[0];
    size_t least = distance(name, nearest, strlen(nearest));
    for (size_t i = 1; i < sizeof others / sizeof others[0]; i++) {
        size_t d = distance(name, others[i], strlen(others[i]));
        if (d < least) {
            least = d;
            nearest = others[i];
        }
    }
    for (size_t i = 0; i < PM_SETTINGS; i++) {
        const char *known = settings_known[i].name;
        const char *dot = strchr(known, '.');
        size_t d = distance(name, known, strlen(known));
        /* Also the last word alone: `url` means broker.url. */
        size_t word = dot == NULL ? d : distance(name, dot + 1, strlen(dot + 1)) + 1;
        d = word < d ? word : d;
        if (d < least) {
            least = d;
            nearest = known;
        }
    }
    return nearest;
}

size_t panicmon_settings_count(void)
{
    return PM_SETTINGS;
}

panicmon_err panicmon_settings_at(size_t i, const char **name, const char **default_value,
                                  const char **help)
{
    if (i >= PM_SETTINGS) {
        return PANICMON_ERR_INVAL;
    }
    if (name != NULL) {
        *name = settings_known[i].name;
    }
    if (default_value != NULL) {
        *default_value = settings_known[i].initial;
    }
    if (help != NULL) {
        *help = settings_known[i].help;
    }
    return PANICMON_OK;
}

/* ---- a set ---- */

panicmon_err panicmon_settings_new(panicmon_settings **out)
{
    if (out == NULL) {
        return PANICMON_ERR_INVAL;
    }
    panicmon_settings *settings = calloc(1, sizeof *settings);
    if (settings == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    *out = settings;
    return PANICMON_OK;
}

void panicmon_settings_free(panicmon_settings *settings)
{
    if (settings == NULL) {
        return;
    }
    for (size_t i = 0; i < PM_SETTINGS; i++) {
        free(settings->values[i]);
    }
    free(settings->configs);
    free(settings);
}

panicmon_err pm_settings_copy(panicmon_settings **out, const panicmon_settings *from)
{
    panicmon_settings *copy = NULL;
    panicmon_err status = panicmon_settings_new(&copy);
    for (size_t i = 0; status == PANICMON_OK && i < PM_SETTINGS; i++) {
        if (from->values[i] != NULL && (copy->values[i] = strdup(from->values[i])) == NULL) {
            status = PANICMON_ERR_NOMEM;
        }
    }
    if (status == PANICMON_OK && from->configs != NULL) {
        copy->configs = strdup(from->configs);
        copy->configs_len = from->configs_len;
        status = copy->configs == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
    }
    if (status != PANICMON_OK) {
        panicmon_settings_free(copy);
        return status;
    }
    *out = copy;
    return PANICMON_OK;
}

static panicmon_err set_value(panicmon_settings *settings, size_t i, const char *value,
                              panicmon_error **err)
{
    panicmon_err status = pm_setting_check(&settings_known[i], value, err);
    if (status != PANICMON_OK) {
        return status;
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "%s: out of memory", settings_known[i].name);
    }
    free(settings->values[i]);
    settings->values[i] = copy;
    return PANICMON_OK;
}

/* Sets the setting whose value the file at `path` holds, then notes the path. */
static panicmon_err set_secret(panicmon_settings *settings, size_t i, const char *path,
                               panicmon_error **err)
{
    const pm_setting *setting = &settings_known[i];
    panicmon_error *why = NULL;
    pm_buf content = {0};
    panicmon_err status = pm_settings_read_file(path, SECRET_MAX, &content, &why);
    if (status == PANICMON_OK) {
        while (content.len > 0 && strchr(" \t\r\n", content.data[content.len - 1]) != NULL) {
            content.len--;
        }
        bool whole = content.len > 0 && memchr(content.data, '\0', content.len) == NULL;
        if (content.len > 0) {
            content.data[content.len] = '\0';
        }
        status = whole ? set_value(settings, pm_setting_find(setting->detail), content.data, &why)
                       : pm_error_setf(&why, PANICMON_ERR_INVAL, "%s: holds no URL", path);
    }
    if (status == PANICMON_OK) {
        status = set_value(settings, i, path, &why);
    }
    if (status != PANICMON_OK) {
        status = status == PANICMON_ERR_NOMEM ? status : PANICMON_ERR_INVAL;
        (void)pm_error_setf(err, status, "%s: %s", setting->name, panicmon_error_message(why));
    }
    panicmon_error_free(why);
    if (content.data != NULL) {
        explicit_bzero(content.data, content.cap);
    }
    pm_buf_free(&content);
    return status;
}

/* `period` alone stands for every kind. */
static panicmon_err set_periods(panicmon_settings *settings, const char *value,
                                panicmon_error **err)
{
    pm_setting period = settings_known[pm_setting_find("period.node")];
    period.name = "period";
    panicmon_err status = pm_setting_check(&period, value, err);
    for (size_t i = 0; status == PANICMON_OK && i < PM_SETTINGS; i++) {
        if (strncmp(settings_known[i].name, "period.", 7) == 0) {
            status = set_value(settings, i, value, err);
        }
    }
    return status;
}

panicmon_err panicmon_settings_set(panicmon_settings *settings, const char *name, const char *value,
                                   panicmon_error **err)
{
    if (settings == NULL || name == NULL || value == NULL) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "settings, name and value must be given");
    }
    if (strcmp(name, "period") == 0) {
        return set_periods(settings, value, err);
    }
    size_t i = pm_setting_find(name);
    if (i == PM_SETTINGS) {
        return pm_error_setf(err, PANICMON_ERR_NOENT, "unknown setting '%.*s'; the nearest is '%s'",
                             NAME_MAX_LEN, name, pm_setting_nearest(name));
    }
    if (settings_known[i].type == PM_SETTING_SECRET && value[0] != '\0') {
        return set_secret(settings, i, value, err);
    }
    return set_value(settings, i, value, err);
}

const char *panicmon_settings_get(const panicmon_settings *settings, const char *name)
{
    size_t i = settings == NULL || name == NULL ? PM_SETTINGS : pm_setting_find(name);
    if (i == PM_SETTINGS) {
        return NULL;
    }
    return settings->values[i] != NULL ? settings->values[i] : settings_known[i].initial;
}

const char *panicmon_settings_configs(const panicmon_settings *settings, size_t *len)
{
    bool have = settings != NULL && settings->configs != NULL;
    if (len != NULL) {
        *len = have ? settings->configs_len : 2;
    }
    return have ? settings->configs : "{}";
}

/* ---- typed reads ---- */

const char *pm_settings_text(const panicmon_settings *settings, const char *name)
{
    const char *value = panicmon_settings_get(settings, name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* The number of a setting in its own unit; 0 when it is none. */
static int64_t number_of(const panicmon_settings *settings, const char *name, pm_setting_type *type)
{
    int64_t number = 0;
    size_t i = pm_setting_find(name);
    *type = PM_SETTING_INTEGER;
    if (i == PM_SETTINGS) {
        return 0;
    }
    *type = settings_known[i].type;
    bool good = pm_setting_number(*type, panicmon_settings_get(settings, name), &number);
    return good ? number : 0;
}

int64_t pm_settings_int(const panicmon_settings *settings, const char *name)
{
    pm_setting_type type;
    int64_t number = number_of(settings, name, &type);
    return type == PM_SETTING_SECONDS ? number / 1000 : number;
}

int64_t pm_settings_ms(const panicmon_settings *settings, const char *name)
{
    pm_setting_type type;
    int64_t number = number_of(settings, name, &type);
    return type == PM_SETTING_SECONDS ? number : number * 1000;
}
