/* scale.h: the parts of panicmon-scale. One thread. */
#ifndef SCALE_H
#define SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <panicmon/panicmon.h>

#define MESSAGE_MAX 512

/* What to do with one command: on the command line, or a line of a batch. */
typedef struct scale_command {
    const panicmon_metadata *metadata;
    uint32_t flags; /* panicmon_value_flags */
} scale_command;

/* Runs `decode`, `encode` or `key` with its words (the first is the name of the command). On
 * success `*out` is text to free with panicmon_text_free(); on failure `message` says why in one
 * line. */
bool scale_run(const scale_command *command, char **words, size_t count, char **out,
               char message[MESSAGE_MAX]);

/* All bytes of a file, or of standard input for "-"; malloc'd and zero-terminated. */
bool scale_read(const char *path, char **data, size_t *len, char message[MESSAGE_MAX]);

/* Cuts `data` in place down to its hex text when it is a whole answer of a node,
 * {"result": "0x.."}, or that text in quotes; anything else stays as it is. */
bool scale_answer(char *data, size_t *len, char message[MESSAGE_MAX]);

/* Hex text (with or without "0x", blanks around it) to malloc'd bytes. */
bool scale_hex(const char *text, uint8_t **bytes, size_t *len, char message[MESSAGE_MAX]);

/* Writes a text as a JSON string. */
void scale_print_string(const char *text);

#endif
