/* heapwatch.c (libheapwatch.so): preloaded into a daemon, appends every few seconds to the file
 * that HEAPWATCH names how many bytes of the C library's heap are in use. Unlike resident memory
 * that does not grow because the heap is in pieces. HEAPWATCH_LEAK ("BYTES COUNT") has it lose so
 * many blocks of so many bytes a second, to show that this is seen. A thread of its own, which ends
 * with the process. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVERY_S 2

/* The size of the last element that begins with `tag`: those of the whole process come last. */
static long long last_size(const char *text, const char *tag)
{
    const char *last = NULL;
    for (const char *at = text; (at = strstr(at, tag)) != NULL; at++) {
        last = at;
    }
    const char *size = last == NULL ? NULL : strstr(last, "size=\"");
    return size == NULL ? 0 : atoll(size + strlen("size=\""));
}

static void note(const char *path)
{
    char *text = NULL;
    size_t len = 0;
    FILE *info = open_memstream(&text, &len);
    if (info == NULL) {
        return;
    }
    int failed = malloc_info(0, info);
    if (fclose(info) == 0 && failed == 0) {
        long long used =
            last_size(text, "<system type=\"current\"") + last_size(text, "<total type=\"mmap\"") -
            last_size(text, "<total type=\"fast\"") - last_size(text, "<total type=\"rest\"");
        FILE *to = fopen(path, "ae");
        if (to != NULL) {
            fprintf(to, "%lld\n", used);
            fclose(to);
        }
    }
    free(text);
}

static void leak(unsigned bytes, unsigned count)
{
    for (unsigned i = 0; bytes > 0 && i < count; i++) {
        void *volatile lost = malloc(bytes); /* volatile: or there would be no call */
        (void)lost;
    }
}

static void *watch(void *path)
{
    unsigned bytes = 0;
    unsigned count = 0;
    const char *wanted = getenv("HEAPWATCH_LEAK");
    if (wanted != NULL && sscanf(wanted, "%u %u", &bytes, &count) != 2) {
        bytes = 0;
    }
    for (;;) {
        sleep(EVERY_S);
        leak(bytes, count * EVERY_S);
        note(path);
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void)
{
    pthread_t thread;
    sigset_t all;
    sigset_t old;
    char *path = getenv("HEAPWATCH");
    if (path == NULL) {
        return;
    }
    unsetenv("LD_PRELOAD");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&thread, NULL, watch, path) == 0) {
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}
