/* settings_value.c: what the types of settings take. No locale, no state. Any thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/settings_impl.h"
#include "base/url.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits into `*out`, at least one; gives where they end, NULL for none or too many. */
static const char *read_digits(const char *text, int64_t *out)
{
    int64_t value = 0;
    if (!is_digit(*text)) {
        return NULL;
    }
    for (; is_digit(*text); text++) {
        if (value > (INT64_MAX - 9) / 10) {
            return NULL;
        }
        value = value * 10 + (*text - '0');
    }
    *out = value;
    return text;
}

static bool read_integer(const char *text, int64_t *out)
{
    const char *end = read_digits(text, out);
    return end != NULL && *end == '\0';
}

/* Seconds with up to nine places after the point, rounded to milliseconds. */
static bool read_seconds(const char *text, int64_t *out)
{
    int64_t seconds;
    int64_t nanos = 0;
    const char *end = read_digits(text, &seconds);
    if (end == NULL || seconds > INT64_MAX / 2000) {
        return false;
    }
    if (*end == '.') {
        int64_t scale = 100000000;
        for (end++; is_digit(*end) && scale > 0; end++) {
            nanos += (*end - '0') * scale;
            scale /= 10;
        }
        if (end[-1] == '.') {
            return false;
        }
    }
    *out = seconds * 1000 + (nanos + 500000) / 1000000;
    return *end == '\0';
}

/* A count, also with a blank and a unit: 64 MiB. */
static bool read_bytes(const char *text, int64_t *out)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    const char *end = read_digits(text, out);
    if (end == NULL) {
        return false;
    }
    end += *end == ' ';
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0 && *out <= INT64_MAX >> units[i].shift) {
            *out <<= units[i].shift;
            return end[0] != '\0' || end[-1] != ' ';
        }
    }
    return false;
}

static bool read_flag(const char *text, int64_t *out)
{
    *out = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;
    return *out != 0 || strcmp(text, "false") == 0 || strcmp(text, "no") == 0;
}

bool pm_setting_number(pm_setting_type type, const char *text, int64_t *out)
{
    switch (type) {
    case PM_SETTING_INTEGER:
        return read_integer(text, out);
    case PM_SETTING_SECONDS:
        return read_seconds(text, out);
    case PM_SETTING_BYTES:
        return read_bytes(text, out);
    case PM_SETTING_FLAG:
        return read_flag(text, out);
    default:
        return false;
    }
}

static bool word_in(const char *word, const char *list)
{
    size_t len = strlen(word);
    while (*list != '\0') {
        size_t n = strcspn(list, " ");
        if (n == len && memcmp(list, word, len) == 0) {
            return true;
        }
        list += n + (list[n] == ' ');
    }
    return false;
}

static panicmon_err check_url(const pm_setting *setting, const char *value, panicmon_error **err)
{
    pm_url url;
    panicmon_error *why = NULL;
    long database = 0;
    if (value[0] == '\0') {
        return PANICMON_OK;
    }
    panicmon_err status = word_in("redis", setting->detail)
                              ? pm_url_parse_redis(&url, &database, value, &why)
                              : pm_url_parse(&url, value, setting->detail, &why);
    if (status == PANICMON_OK) {
        pm_url_free(&url);
        return PANICMON_OK;
    }
    (void)pm_error_setf(err, status, "%s: %s", setting->name, panicmon_error_message(why));
    panicmon_error_free(why);
    return status;
}

static panicmon_err check_number(const pm_setting *setting, const char *value, panicmon_error **err)
{
    int64_t number = 0;
    bool good = pm_setting_number(setting->type, value, &number);
    if (good && number >= setting->low && number <= setting->high) {
        return PANICMON_OK;
    }
    const char *unit = "";
    double scale = 1;
    if (setting->type == PM_SETTING_SECONDS) {
        unit = "of seconds ";
        scale = 1000;
    } else if (setting->type == PM_SETTING_BYTES) {
        unit = "of bytes (or with KiB, MiB, GiB) ";
    }
    return pm_error_setf(err, PANICMON_ERR_INVAL,
                         "%s: '%.40s' is not a number %sfrom %.15g to %.15g", setting->name, value,
                         unit, (double)setting->low / scale, (double)setting->high / scale);
}

static panicmon_err check_list(const pm_setting *setting, const char *value, panicmon_error **err)
{
    static const char between[] = ", ";
    for (value += strspn(value, between); *value != '\0'; value += strspn(value, between)) {
        char word[32];
        size_t len = strcspn(value, between);
        (void)snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1),
                       value);
        if (len >= sizeof word || !word_in(word, setting->detail)) {
            return pm_error_setf(err, PANICMON_ERR_INVAL, "%s: '%s' is none of: %s", setting->name,
                                 word, setting->detail);
        }
        value += len;
    }
    return PANICMON_OK;
}

panicmon_err pm_setting_check(const pm_setting *setting, const char *value, panicmon_error **err)
{
    int64_t flag;
    switch (setting->type) {
    case PM_SETTING_URL:
        return check_url(setting, value, err);
    case PM_SETTING_ENUM:
        return word_in(value, setting->detail)
                   ? PANICMON_OK
                   : pm_error_setf(err, PANICMON_ERR_INVAL, "%s: '%.40s' is none of: %s",
                                   setting->name, value, setting->detail);
    case PM_SETTING_LIST:
        return check_list(setting, value, err);
    case PM_SETTING_FLAG:
        return read_flag(value, &flag)
                   ? PANICMON_OK
                   : pm_error_setf(err, PANICMON_ERR_INVAL, "%s: '%.40s' is not true or false",
                                   setting->name, value);
    case PM_SETTING_INTEGER:
    case PM_SETTING_SECONDS:
    case PM_SETTING_BYTES:
        return check_number(setting, value, err);
    default:
        return PANICMON_OK;
    }
}

panicmon_err pm_settings_read_file(const char *path, size_t limit, pm_buf *out,
                                   panicmon_error **err)
{
    panicmon_err status = PANICMON_ERR_SYSTEM;
    char reason[128];
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (fd >= 0 && out->len <= limit && pm_buf_reserve(out, 4096)) {
        got = read(fd, out->data + out->len, 4096);
        if (got > 0) {
            out->len += (size_t)got;
            out->data[out->len] = '\0';
        } else if (got == 0 || errno != EINTR) {
            break;
        }
    }
    if (out->failed) {
        status = pm_error_setf(err, PANICMON_ERR_NOMEM, "%s: out of memory", path);
    } else if (fd < 0 || got < 0) {
        (void)pm_error_setf(err, status, "%s: %s", path, strerror_r(errno, reason, sizeof reason));
    } else if (out->len > limit) {
        status = pm_error_setf(err, PANICMON_ERR_LIMIT, "%s: longer than %zu bytes", path, limit);
    } else {
        status = PANICMON_OK;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return status;
}
