/* files.c: see files.h. Who checks a configuration is seldom the user of the daemon: so what this
 * user may not do is no fault. */
#include "files.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct report {
    panicmon_fault_fn fault;
    panicmon_fault_fn warning;
    void *user;
} report;

static void tell(const report *to, const char *setting, const char *path, int error)
{
    char line[1024];
    bool rights = error == EACCES || error == EPERM || error == EROFS;
    (void)snprintf(line, sizeof line, "%s: %.800s: %s%s", setting, path,
                   error == 0 ? "holds no PEM" : strerrordesc_np(error),
                   rights ? " for this user; that of the daemon needs it" : "");
    (rights ? to->warning : to->fault)(to->user, line);
}

static void check_pem(const report *to, const char *setting, const char *path)
{
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    FILE *file = fopen(path, "re");
    errno = file == NULL ? errno : 0;
    while (file != NULL && !found && getline(&line, &size, file) >= 0) {
        found = strstr(line, "-----BEGIN ") != NULL;
    }
    if (!found) {
        tell(to, setting, path, errno);
    }
    free(line);
    if (file != NULL) {
        (void)fclose(file);
    }
}

/* The daemon makes the directory, but not what it lies in. */
static void check_directory(const report *to, const char *setting, const char *path)
{
    struct stat is;
    char *parent = strdup(path);
    if (parent == NULL) {
        return;
    }
    bool there = stat(path, &is) == 0;
    if (!there && errno == ENOENT) {
        size_t len = strlen(parent);
        while (len > 1 && parent[len - 1] == '/') {
            len--;
        }
        while (len > 0 && parent[len - 1] != '/') {
            len--;
        }
        (void)strcpy(parent + len, len == 0 ? "." : "");
        if (access(parent, W_OK | X_OK) != 0) {
            tell(to, setting, parent, errno);
        }
    } else if (there && !S_ISDIR(is.st_mode)) {
        tell(to, setting, path, ENOTDIR);
    } else if (!there || access(path, W_OK | X_OK) != 0) {
        tell(to, setting, path, errno);
    }
    free(parent);
}

void files_check(const panicmon_settings *settings, panicmon_fault_fn fault,
                 panicmon_fault_fn warning, void *user)
{
    static const char *const pems[] = {"tls.ca_file", "tls.cert_file", "tls.key_file"};
    const report to = {.fault = fault, .warning = warning, .user = user};
    for (size_t i = 0; i < sizeof pems / sizeof pems[0]; i++) {
        const char *path = panicmon_settings_get(settings, pems[i]);
        if (path[0] != '\0') {
            check_pem(&to, pems[i], path);
        }
    }
    const char *dir = panicmon_settings_get(settings, "state_dir");
    bool spool =
        strpbrk(panicmon_settings_get(settings, "broker.spool"), "ty") != NULL; /* true, yes */
    bool used = spool || panicmon_settings_get(settings, "redis.url")[0] == '\0';
    if (dir[0] != '\0' && used) {
        check_directory(&to, "state_dir", dir);
    }
}
