/* main.c: panicmon-scale, what a Substrate chain's metadata says, on the command line. */
#include "scale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

static const char help[] =
    "Usage: panicmon-scale COMMAND --metadata FILE [OPTION...] ...\n"
    "\n"
    "Reads storage keys and values of Substrate chains with the chain's own metadata.\n"
    "\n"
    "Commands:\n"
    "  list [--json]                    what the chain has\n"
    "  key Pallet.Item [ARG...]         a storage key; with fewer ARGs a prefix of keys\n"
    "  decode --storage Pallet.Item [HEX]\n"
    "  decode --constant Pallet.Item\n"
    "  decode --type N HEX              a value as JSON; without HEX what the chain reads where\n"
    "                                   nothing is stored\n"
    "  encode --type N JSON             the bytes of a value as hex\n"
    "  batch                            one decode, encode or key per line of standard input, one\n"
    "                                   line of JSON for each\n"
    "\n"
    "Options:\n"
    "  --metadata FILE   metadata V14 to V16, as state_getMetadata or the runtime call\n"
    "                    Metadata_metadata_at_version answers: whole JSON, hex or binary; - is\n"
    "                    standard input\n"
    "  --form FORM       canon (default), or polkadot-js\n"
    "  --big FORM        with polkadot-js: integers over 53 bits as hex (default) or decimal\n"
    "  --help, --version\n"
    "\n"
    "ARG is a decimal number, 0x bytes, an SS58 address, or JSON. HEX may be - for standard "
    "input.\n"
    "Exit status: 0, or 1 with one line on standard error.\n";

typedef struct options {
    const char *metadata;
    bool json;
    bool polkadot_js;
    bool decimal;
    char *words[WORDS_MAX];
    size_t count;
} options;

static int failed(const char *message)
{
    fprintf(stderr, "panicmon-scale: %s\n", message);
    return 1;
}

/* The value of an option: `--name VALUE` or `--name=VALUE`; NULL: it is another word. */
static char *option_value(char **argv, int *i, const char *name)
{
    size_t len = strlen(name);
    if (strncmp(argv[*i], name, len) != 0) {
        return NULL;
    }
    if (argv[*i][len] == '=') {
        return argv[*i] + len + 1;
    }
    if (argv[*i][len] != '\0' || argv[*i + 1] == NULL) {
        return NULL;
    }
    *i += 1;
    return argv[*i];
}

static bool one_of(const char *value, const char *no, const char *yes, bool *out)
{
    *out = strcmp(value, yes) == 0;
    return *out || strcmp(value, no) == 0;
}

static const char *parse(options *out, char **argv)
{
    for (int i = 1; argv[i] != NULL; i++) {
        char *value = option_value(argv, &i, "--metadata");
        if (value != NULL) {
            out->metadata = value;
        } else if ((value = option_value(argv, &i, "--form")) != NULL) {
            if (!one_of(value, "canon", "polkadot-js", &out->polkadot_js)) {
                return "--form takes canon or polkadot-js";
            }
        } else if ((value = option_value(argv, &i, "--big")) != NULL) {
            if (!one_of(value, "hex", "decimal", &out->decimal)) {
                return "--big takes hex or decimal";
            }
        } else if (strcmp(argv[i], "--json") == 0) {
            out->json = true;
        } else if (out->count == WORDS_MAX) {
            return "too many arguments";
        } else {
            out->words[out->count++] = argv[i];
        }
    }
    if (out->count == 0) {
        return "no command; see panicmon-scale --help";
    }
    return out->metadata == NULL ? "--metadata FILE is missing" : NULL;
}

static int run_list(const panicmon_metadata *metadata, const options *options)
{
    char *text;
    panicmon_error *err = NULL;
    if (panicmon_metadata_list(metadata, options->json ? PANICMON_LIST_JSON : PANICMON_LIST_TEXT,
                               &text, NULL, &err) != PANICMON_OK) {
        int status = failed(panicmon_error_message(err));
        panicmon_error_free(err);
        return status;
    }
    fputs(text, stdout);
    if (options->json) {
        putchar('\n');
    }
    panicmon_text_free(text);
    return 0;
}

/* One line of a batch: its words are cut apart in place. */
static void run_line(const scale_command *command, char *line)
{
    char *words[WORDS_MAX];
    size_t count = 0;
    char *rest = NULL;
    char *text = NULL;
    char message[MESSAGE_MAX] = "too many words";
    char *word = strtok_r(line, " \t\r\n", &rest);
    if (word == NULL) {
        return;
    }
    for (; word != NULL && count < WORDS_MAX; word = strtok_r(NULL, " \t\r\n", &rest)) {
        words[count++] = word;
    }
    if (word != NULL || !scale_run(command, words, count, &text, message)) {
        fputs("{\"error\": ", stdout);
        scale_print_string(message);
        puts("}");
    } else if (strcmp(words[0], "decode") != 0) {
        scale_print_string(text);
        putchar('\n');
    } else {
        puts(text);
    }
    panicmon_text_free(text);
}

static int run_batch(const scale_command *command)
{
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) >= 0) {
        run_line(command, line);
        if (fflush(stdout) != 0) {
            break;
        }
    }
    free(line);
    return 0;
}

/* HEX of a decode may stand on standard input. */
static int run_one(const scale_command *command, options *options)
{
    char message[MESSAGE_MAX];
    char *input = NULL;
    size_t len;
    char *text;
    bool decode = strcmp(options->words[0], "decode") == 0;
    if (decode && options->count == 4 && strcmp(options->words[3], "-") == 0) {
        if (strcmp(options->metadata, "-") == 0) {
            return failed("FILE and HEX cannot both be standard input");
        }
        if (!scale_read("-", &input, &len, message)) {
            return failed(message);
        }
        options->words[3] = input;
    }
    bool done = scale_run(command, options->words, options->count, &text, message);
    free(input);
    if (!done) {
        return failed(message);
    }
    puts(text);
    panicmon_text_free(text);
    return 0;
}

static bool is_gzip(const char *data, size_t len)
{
    return len > 2 && data[0] == '\x1f' && (unsigned char)data[1] == 0x8b;
}

static int run(options *options)
{
    char message[MESSAGE_MAX];
    char *data;
    size_t len;
    panicmon_metadata *metadata = NULL;
    panicmon_error *err = NULL;
    const char *name = options->words[0];
    int status;
    if (strcmp(name, "batch") == 0 && strcmp(options->metadata, "-") == 0) {
        return failed("the commands of batch come from standard input, FILE cannot");
    }
    if (!scale_read(options->metadata, &data, &len, message)) {
        return failed(message);
    }
    if (is_gzip(data, len)) {
        free(data);
        snprintf(message, sizeof message, "%.400s is compressed; gunzip it first",
                 options->metadata);
        return failed(message);
    }
    if (!scale_answer(data, &len, message)) {
        free(data);
        return failed(message);
    }
    panicmon_err code = panicmon_metadata_new(&metadata, data, len, &err);
    free(data);
    if (code != PANICMON_OK) {
        status = failed(panicmon_error_message(err));
        panicmon_error_free(err);
        return status;
    }
    scale_command command = {metadata, 0};
    command.flags |= options->polkadot_js ? PANICMON_VALUE_POLKADOT_JS : 0;
    command.flags |= options->decimal ? PANICMON_VALUE_BIG_DECIMAL : 0;
    bool alone = strcmp(name, "list") == 0 || strcmp(name, "batch") == 0;
    if (alone && options->count > 1) {
        status = failed("list and batch take no arguments");
    } else if (strcmp(name, "list") == 0) {
        status = run_list(metadata, options);
    } else {
        status = alone ? run_batch(&command) : run_one(&command, options);
    }
    panicmon_metadata_free(metadata);
    return status;
}

int main(int argc, char **argv)
{
    options options = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts(panicmon_version());
            return 0;
        }
    }
    const char *wrong = parse(&options, argv);
    int status = wrong != NULL ? failed(wrong) : run(&options);
    if (fflush(stdout) != 0 && status == 0) {
        status = failed("standard output cannot be written");
    }
    return status;
}
