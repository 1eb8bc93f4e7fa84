/* fuzz_settings.c: any bytes as a configuration of the daemon. */
#include "fuzz.h"

#include <string.h>

#include <panicmon/settings.h>

static void told(void *user, const char *message)
{
    fuzz_check(message[0] != '\0', "a fault has a message");
    ++*(int *)user;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    panicmon_settings *settings = NULL;
    panicmon_error *err = NULL;
    int faults = 0;
    size_t len = 0;
    if (memmem(data, size, "_file", 5) !=
        NULL) { /* files of this machine are none of its business */
        return 0;
    }
    fuzz_check(panicmon_settings_new(&settings) == PANICMON_OK, "there is memory");
    panicmon_err status =
        panicmon_settings_load(settings, (const char *)data, size, told, &faults, &err);
    if (status == PANICMON_OK) {
        fuzz_check(faults == 0 && err == NULL, "no fault was told");
        fuzz_check(strlen(panicmon_settings_configs(settings, &len)) == len, "configs are text");
        for (size_t i = 0; i < panicmon_settings_count(); i++) {
            const char *name = NULL;
            const char *value;
            (void)panicmon_settings_at(i, &name, NULL, NULL);
            value = panicmon_settings_get(settings, name);
            fuzz_check(value != NULL, "each setting has a value");
            fuzz_check(strstr(name, "_file") != NULL ||
                           panicmon_settings_set(settings, name, value, NULL) == PANICMON_OK ||
                           value[0] == '\0',
                       "what was taken is taken again");
        }
    } else {
        fuzz_check(faults > 0 && err != NULL, "a failure is told");
    }
    panicmon_error_free(err);
    panicmon_settings_free(settings);
    return 0;
}
