/* heap.c: see heap.h. glibc's main heap is one contiguous piece that grows by sbrk(2); other
 * mallocs have none, and then there is nothing to follow. */
#include "heap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __GLIBC__ /* known once a header of it was included */
#include <malloc.h>
#endif

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* since Linux 6.1; before, the kernel gets to it in its own time */
#endif

#define MIB      ((size_t)1 << 20)
#define HUGE_LEN (2 * MIB)
/* What a daemon with few monitors never outgrows stays in small pages, for of those it pays only
 * for what it uses. */
#define SMALL_LEN (4 * MIB)
/* Blocks from this size on stay out of the heap: of the buffers of a connection, 128 KiB each,
 * little is used, and in a huge page all of it would be resident. */
#define MAPPED_LEN (64 << 10)
/* What may lie free at the end of the heap before it shrinks, so that pages need not be moved at
 * each change of configs. Larger, and those buffers would be cut from it. */
#define TRIM_LEN (1 << 20)
#define AGAIN_MS 1000

static uintptr_t small;    /* all below stays in small pages; 0: all does */
static uintptr_t followed; /* all between was moved */

static uintptr_t heap_end(void)
{
    return (uintptr_t)sbrk(0);
}

/* Whether the system allows huge pages to those who ask; moving them by force would not heed it. */
static bool is_allowed(void)
{
    char line[80] = "";
    FILE *from = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    if (from == NULL) {
        return false;
    }
    bool known = fgets(line, sizeof line, from) != NULL;
    (void)fclose(from);
    return known && strstr(line, "[never]") == NULL;
}

void heap_set_up(void)
{
#ifdef __GLIBC__
    /* NOLINTBEGIN(concurrency-mt-unsafe): there is one thread yet */
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_LEN);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_LEN);
    /* NOLINTEND(concurrency-mt-unsafe) */
#endif
    small = is_allowed() ? (heap_end() + SMALL_LEN) / HUGE_LEN * HUGE_LEN : 0;
    followed = small;
}

int heap_follow(void)
{
    uintptr_t end = heap_end() / HUGE_LEN * HUGE_LEN;
    if (small == 0 || end <= followed) {
        followed = end > small ? end : small; /* what it shrank by comes back in small pages */
        return -1;
    }
    void *from = (void *)followed;
    size_t size = end - followed;
    if (madvise(from, size, MADV_HUGEPAGE) == 0) { /* else it shrank meanwhile */
        (void)madvise(from, size, MADV_COLLAPSE);
        followed = end;
    }
    return AGAIN_MS;
}
