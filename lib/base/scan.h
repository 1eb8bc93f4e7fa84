/* scan.h: looks for bytes of text, 16 at a time with SSE2, else and at short ends 8 at a time. Any
 * thread. `set` is a constant wherever it is given. */
#ifndef PM_SCAN_H
#define PM_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* For what costs more to call than to do, or is only cheap where its arguments are constants. */
#define PM_INLINE static inline __attribute__((always_inline))

typedef enum pm_scan_set {
    PM_SCAN_SPECIAL, /* what does not stand for itself in a JSON string, and all that is no ASCII */
    PM_SCAN_QUOTE,   /* quotes and backslashes */
    PM_SCAN_BRACKET, /* quotes and the brackets of JSON */
    PM_SCAN_WIDE,    /* what is no ASCII */
} pm_scan_set;

PM_INLINE bool pm_scan_has(pm_scan_set set, char c)
{
    switch (set) {
    case PM_SCAN_SPECIAL:
        return c == '"' || c == '\\' || (unsigned char)c < 0x20 || (unsigned char)c >= 0x80;
    case PM_SCAN_QUOTE:
        return c == '"' || c == '\\';
    case PM_SCAN_WIDE:
        return (unsigned char)c >= 0x80;
    default:
        return c == '"' || (c | 0x20) == '{' || (c | 0x20) == '}';
    }
}

/* Whether one of eight bytes is in the set. */
PM_INLINE bool pm_scan_has8(pm_scan_set set, const char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, at, sizeof word);
    if (set == PM_SCAN_WIDE) {
        return (word & ones * 0x80) != 0;
    }
    uint64_t quote = word ^ ones * '"';
    uint64_t found = (quote - ones) & ~quote;
    if (set == PM_SCAN_BRACKET) {
        uint64_t open = (word | ones * 0x20) ^ ones * '{';
        uint64_t close = (word | ones * 0x20) ^ ones * '}';
        found |= ((open - ones) & ~open) | ((close - ones) & ~close);
    } else {
        uint64_t slash = word ^ ones * '\\';
        found |= (slash - ones) & ~slash;
        found |= set == PM_SCAN_SPECIAL ? ((word - ones * 0x20) & ~word) | word : 0;
    }
    return (found & ones * 0x80) != 0;
}

#ifdef __SSE2__
/* A bit for each of sixteen bytes that is in the set, that of the first lowest. */
PM_INLINE unsigned pm_scan_bits16(pm_scan_set set, const char *at)
{
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)at);
    if (set == PM_SCAN_WIDE) {
        return (unsigned)_mm_movemask_epi8(block);
    }
    __m128i found = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
    if (set == PM_SCAN_BRACKET) { /* [ and { are a bit apart, ] and } too */
        block = _mm_or_si128(block, _mm_set1_epi8(0x20));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(block, _mm_set1_epi8('{')));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(block, _mm_set1_epi8('}')));
    } else {
        found = _mm_or_si128(found, _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')));
        if (set == PM_SCAN_SPECIAL) { /* as signed numbers, those from 0x80 on are below 0 */
            found = _mm_or_si128(found, _mm_cmplt_epi8(block, _mm_set1_epi8(0x20)));
        }
    }
    return (unsigned)_mm_movemask_epi8(found);
}
#endif

/* The first byte of the set at or behind `at`; `end` when there is none. The text starts at
 * `begin`, and no byte outside of it is read. */
PM_INLINE const char *pm_scan(pm_scan_set set, const char *begin, const char *at, const char *end)
{
#ifdef __SSE2__
    if (end - begin >= 16) {
        const char *last = end - 16;
        unsigned bits;
        for (; at <= last; at += 16) {
            bits = pm_scan_bits16(set, at);
            if (bits != 0) {
                return at + __builtin_ctz(bits);
            }
        }
        bits = pm_scan_bits16(set, last) >> (at - last); /* without those that were seen */
        return bits != 0 ? at + __builtin_ctz(bits) : end;
    }
#else
    (void)begin;
#endif
    while (end - at >= 8 && !pm_scan_has8(set, at)) {
        at += 8;
    }
    while (at < end && !pm_scan_has(set, *at)) {
        at++;
    }
    return at;
}

#endif
