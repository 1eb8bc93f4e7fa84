/* settings_doc.c: writes the reference of the settings and of the error codes from the library's
 * own tables, so that no document tells of what is not there: as Doxygen pages, or as the list of a
 * manual. */
#include <panicmon/panicmon.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* In a page an @ begins a command. */
static void write_escaped(const char *text)
{
    for (; *text != '\0'; text++) {
        printf(*text == '@' ? "\\%c" : "%c", *text);
    }
}

/* Lines of a manual are no longer than 78 characters. */
static void write_folded(const char *text)
{
    while (strlen(text) > 78) {
        size_t end = 78;
        while (end > 0 && text[end] != ' ') {
            end--;
        }
        printf("%.*s\n", (int)end, text);
        text += end + 1;
    }
    printf("%s\n", text);
}

static void write_errors(void)
{
    panicmon_err code;
    const char *name, *text;
    printf("/** @page errors Error codes\n\n| number | name | text |\n|---|---|---|\n");
    for (size_t i = 0; panicmon_err_at(i, &code, &name, &text) == PANICMON_OK; i++) {
        printf("| %d | `PANICMON_%s` | %s |\n", (int)code, name, text);
    }
    printf("*/\n");
}

static void write_page(void)
{
    const char *name, *initial, *help;
    printf("/** @page settings Settings\n\n"
           "What panicmon_settings_set() and a configuration file take. In a file the names are\n"
           "nested or have dots: `{\"log\": {\"level\": \"debug\"}}` is `{\"log.level\": "
           "\"debug\"}`.\n"
           "Text values may name environment variables: `${NAME}`.\n\n"
           "| setting | default | |\n|---|---|---|\n");
    for (size_t i = 0; panicmon_settings_at(i, &name, &initial, &help) == PANICMON_OK; i++) {
        printf("| `%s` | %s%s%s | ", name, initial[0] != '\0' ? "`" : "", initial,
               initial[0] != '\0' ? "`" : "");
        write_escaped(help);
        printf(" |\n");
    }
    printf("*/\n");
}

static void write_list(void)
{
    const char *name, *initial, *help;
    for (size_t i = 0; panicmon_settings_at(i, &name, &initial, &help) == PANICMON_OK; i++) {
        printf(".It Va %s\n", name);
        write_folded(help);
        if (initial[0] != '\0') {
            printf("Default: %s.\n", initial);
        }
    }
}

/* The names of the figures, one a line. */
static bool write_figures(void)
{
    panicmon_runtime *runtime = NULL;
    panicmon_stats *stats = NULL;
    const char *name;
    bool good = panicmon_runtime_new(&runtime, NULL, NULL, NULL) == PANICMON_OK &&
                panicmon_runtime_stats(runtime, &stats) == PANICMON_OK;
    for (size_t i = 0; good && panicmon_stats_at(stats, i, &name, NULL) == PANICMON_OK; i++) {
        puts(name);
    }
    panicmon_stats_free(stats);
    panicmon_runtime_free(runtime);
    return good;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "page") == 0) {
        write_page();
        write_errors();
    } else if (argc == 2 && strcmp(argv[1], "list") == 0) {
        write_list();
    } else if (argc == 2 && strcmp(argv[1], "figures") == 0) {
        return write_figures() ? 0 : 1;
    } else {
        fprintf(stderr, "usage: settings_doc page | list | figures\n");
        return 2;
    }
    return 0;
}
