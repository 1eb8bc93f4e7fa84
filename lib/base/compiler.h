/* compiler.h: what compilers offer beyond C11, with something in its place for others. */
#ifndef PM_COMPILER_H
#define PM_COMPILER_H

#include <stddef.h>

#define PM_CACHE_LINE 64

/* Says that the memory at `at` is soon wanted; NULL and what is no memory any more are allowed. */
static inline void pm_prefetch(const void *at)
{
#if defined(__GNUC__)
    __builtin_prefetch(at);
    __asm__ volatile("" : : "r"(at)); /* else a function that does nothing else is left out */
#else
    (void)at;
#endif
}

/* The same for all of `size` bytes. */
static inline void pm_prefetch_all(const void *at, size_t size)
{
    for (size_t i = 0; at != NULL && i < size; i += PM_CACHE_LINE) {
        pm_prefetch((const char *)at + i);
    }
}

#endif
