/* error.c: error codes and error objects. An object is one allocation; without memory a static
 * one stands in, so that the error path never fails. */
#include "base/error.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct panicmon_error {
    panicmon_err code;
    char message[];
};

static const struct {
    panicmon_err code;
    const char *name;
    const char *text;
} codes[] = {
#define PANICMON_X(name, number, text) {PANICMON_##name, #name, text},
    PANICMON_ERROR_MAP(PANICMON_X)
#undef PANICMON_X
};

static panicmon_error no_memory = {.code = PANICMON_ERR_NOMEM};

const char *panicmon_strerror(panicmon_err code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == code) {
            return codes[i].text;
        }
    }
    return "unknown error";
}

const char *panicmon_err_name(panicmon_err code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == code) {
            return codes[i].name;
        }
    }
    return "ERR_UNKNOWN";
}

size_t panicmon_err_count(void)
{
    return sizeof codes / sizeof codes[0];
}

panicmon_err panicmon_err_at(size_t i, panicmon_err *code, const char **name, const char **text)
{
    if (i >= sizeof codes / sizeof codes[0]) {
        return PANICMON_ERR_INVAL;
    }
    if (code != NULL) {
        *code = codes[i].code;
    }
    if (name != NULL) {
        *name = codes[i].name;
    }
    if (text != NULL) {
        *text = codes[i].text;
    }
    return PANICMON_OK;
}

panicmon_err panicmon_error_set(panicmon_error **err, panicmon_err code, const char *message)
{
    if (err == NULL) {
        return code;
    }
    size_t size = strlen(message) + 1;
    panicmon_error *made = malloc(sizeof *made + size);
    if (made == NULL) {
        made = &no_memory;
    } else {
        made->code = code;
        memcpy(made->message, message, size);
    }
    panicmon_error_free(*err);
    *err = made;
    return code;
}

panicmon_err pm_error_setf(panicmon_error **err, panicmon_err code, const char *format, ...)
{
    if (err == NULL) {
        return code;
    }
    pm_buf text = {0};
    va_list args;
    va_start(args, format);
    pm_buf_format_list(&text, format, args);
    va_end(args);
    panicmon_error_set(err, code, text.failed ? panicmon_strerror(code) : text.data);
    pm_buf_free(&text);
    return code;
}

void pm_error_move(panicmon_error **to, panicmon_error **from)
{
    if (to == NULL) {
        panicmon_error_free(*from);
    } else if (*from != NULL) {
        panicmon_error_free(*to);
        *to = *from;
    }
    *from = NULL;
}

void panicmon_error_free(panicmon_error *err)
{
    if (err != &no_memory) {
        free(err);
    }
}

panicmon_err panicmon_error_code(const panicmon_error *err)
{
    return err == NULL ? PANICMON_OK : err->code;
}

const char *panicmon_error_message(const panicmon_error *err)
{
    if (err == NULL) {
        return "";
    }
    return err == &no_memory ? panicmon_strerror(PANICMON_ERR_NOMEM) : err->message;
}
