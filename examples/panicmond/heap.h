/* heap.h: where the daemon's memory lies. Main thread.
 *
 * Ten thousand monitors keep some ninety megabytes, of which each round touches a few kilobytes
 * that nothing touched for a whole period. In pages of 4 KiB the processor then looks up where a
 * page lies about as often as it looks into one; in huge pages (2 MiB) it need not. What malloc is
 * to do belongs to the program, not to a library, so it is here. A host that holds thousands of
 * monitors may do the same, or be started with
 * GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1. */
#ifndef PANICMOND_HEAP_H
#define PANICMOND_HEAP_H

/* Makes all threads share one heap, and remembers where it begins. To be called before the first
 * thread starts. */
void heap_set_up(void);

/* Moves what the heap grew by since the last call into huge pages, but for its first few megabytes;
 * nothing where the system is set to use none. Gives the milliseconds after which it is to be
 * called again, -1: any time. Costs nothing when the heap did not grow. */
int heap_follow(void);

#endif
