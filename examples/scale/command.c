/* command.c: the commands `decode`, `encode` and `key`. */
#include "scale.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct target {
    char *pallet; /* malloc'd; `item` is a part of it */
    char *item;
} target;

static bool parse_target(const char *text, target *out, char message[MESSAGE_MAX])
{
    const char *dot = strchr(text, '.');
    if (dot == NULL || dot == text || dot[1] == '\0') {
        snprintf(message, MESSAGE_MAX, "'%.80s' is not of the form Pallet.Item", text);
        return false;
    }
    out->pallet = strdup(text);
    if (out->pallet == NULL) {
        snprintf(message, MESSAGE_MAX, "out of memory");
        return false;
    }
    out->item = out->pallet + (dot - text) + 1;
    out->pallet[dot - text] = '\0';
    return true;
}

static bool parse_type(const char *text, uint32_t *out, char message[MESSAGE_MAX])
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value > UINT32_MAX) {
        snprintf(message, MESSAGE_MAX, "'%.80s' is not a type number", text);
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

/* Takes the message of a failed call, in one line. */
static bool finish(panicmon_err code, panicmon_error *err, char message[MESSAGE_MAX])
{
    if (code != PANICMON_OK) {
        snprintf(message, MESSAGE_MAX, "%s",
                 err != NULL ? panicmon_error_message(err) : panicmon_strerror(code));
    }
    for (char *c = message; code != PANICMON_OK && *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20) {
            *c = ' ';
        }
    }
    panicmon_error_free(err);
    return code == PANICMON_OK;
}

static bool decode_bytes(const scale_command *command, const char *kind, const char *name,
                         const uint8_t *bytes, size_t len, char **out, char message[MESSAGE_MAX])
{
    const panicmon_metadata *metadata = command->metadata;
    panicmon_error *err = NULL;
    panicmon_err code;
    target item = {NULL, NULL};
    uint32_t type;
    if (strcmp(kind, "--type") == 0) {
        if (!parse_type(name, &type, message)) {
            return false;
        }
        code = panicmon_metadata_decode_type(metadata, type, bytes, len, command->flags, out, NULL,
                                             &err);
    } else if (!parse_target(name, &item, message)) {
        return false;
    } else if (strcmp(kind, "--storage") == 0) {
        code = panicmon_metadata_decode_storage(metadata, item.pallet, item.item, bytes, len,
                                                command->flags, out, NULL, &err);
    } else {
        code = panicmon_metadata_decode_constant(metadata, item.pallet, item.item, command->flags,
                                                 out, NULL, &err);
    }
    free(item.pallet);
    return finish(code, err, message);
}

static bool run_decode(const scale_command *command, char **words, size_t count, char **out,
                       char message[MESSAGE_MAX])
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    const char *kind = count >= 3 ? words[1] : "";
    bool constant = strcmp(kind, "--constant") == 0;
    bool type = strcmp(kind, "--type") == 0;
    if (!constant && !type && strcmp(kind, "--storage") != 0) {
        snprintf(message, MESSAGE_MAX,
                 "decode takes --storage Pallet.Item, --constant Pallet.Item or --type N");
        return false;
    }
    if (count > (constant ? 3 : 4) || (type && count < 4)) {
        snprintf(message, MESSAGE_MAX, "decode %s takes %s", kind, constant ? "no HEX" : "one HEX");
        return false;
    }
    if (count == 4 && !scale_hex(words[3], &bytes, &len, message)) {
        return false;
    }
    bool done = decode_bytes(command, kind, words[2], bytes, len, out, message);
    free(bytes);
    return done;
}

static bool run_encode(const scale_command *command, char **words, size_t count, char **out,
                       char message[MESSAGE_MAX])
{
    panicmon_error *err = NULL;
    uint32_t type;
    if (count != 4 || strcmp(words[1], "--type") != 0) {
        snprintf(message, MESSAGE_MAX, "encode takes --type N and a JSON value");
        return false;
    }
    if (!parse_type(words[2], &type, message)) {
        return false;
    }
    panicmon_err code = panicmon_metadata_encode_type(command->metadata, type, words[3],
                                                      strlen(words[3]), out, NULL, &err);
    return finish(code, err, message);
}

static bool run_key(const scale_command *command, char **words, size_t count, char **out,
                    char message[MESSAGE_MAX])
{
    panicmon_error *err = NULL;
    target item;
    if (count < 2) {
        snprintf(message, MESSAGE_MAX, "key takes Pallet.Item and its arguments");
        return false;
    }
    if (!parse_target(words[1], &item, message)) {
        return false;
    }
    panicmon_err code =
        panicmon_metadata_storage_key(command->metadata, item.pallet, item.item,
                                      (const char *const *)words + 2, count - 2, out, NULL, &err);
    free(item.pallet);
    return finish(code, err, message);
}

bool scale_run(const scale_command *command, char **words, size_t count, char **out,
               char message[MESSAGE_MAX])
{
    if (count > 0 && strcmp(words[0], "decode") == 0) {
        return run_decode(command, words, count, out, message);
    }
    if (count > 0 && strcmp(words[0], "key") == 0) {
        return run_key(command, words, count, out, message);
    }
    if (count > 0 && strcmp(words[0], "encode") == 0) {
        return run_encode(command, words, count, out, message);
    }
    snprintf(message, MESSAGE_MAX, "'%.80s' is no command; decode, encode and key are",
             count > 0 ? words[0] : "");
    return false;
}
