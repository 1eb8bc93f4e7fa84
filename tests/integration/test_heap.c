/* test_heap.c: where the daemon's memory lies: as the kernel tells it of the process. Where malloc
 * is not glibc's own, as under the sanitizers, nothing is changed. */
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define HAS_HEAP false
#else
#define HAS_HEAP true
#endif

enum { KIB = 1024, MIB = 1024 * KIB, BLOCK = 48 * KIB };

/* Whether the piece of memory around `at` is to be in huge pages. */
static bool is_huge(const void *at)
{
    char line[512];
    bool inside = false;
    bool huge = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from;
        uintptr_t to;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
            inside = from <= (uintptr_t)at && (uintptr_t)at < to;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            huge = strstr(line, " hg") != NULL;
        }
    }
    (void)fclose(maps);
    return huge;
}

typedef struct block {
    struct block *next;
    const void *filled[BLOCK / sizeof(void *) - 1]; /* with where they lie */
} block;

enum { WORDS = sizeof(((block *)NULL)->filled) / sizeof(void *), ABOVE = 4 * MIB / BLOCK };

/* All that was taken, the last first; it goes with the process. */
static block *taken;

/* Gives a block that has so much above it that the heap's end is another huge page. */
static void *take(size_t size)
{
    for (size_t done = 0; done < size; done += sizeof(block)) {
        block *more = malloc(sizeof *more);
        ck_assert_ptr_nonnull(more);
        for (size_t i = 0; i < WORDS; i++) {
            more->filled[i] = &more->filled[i];
        }
        more->next = taken;
        taken = more;
    }
    block *below = taken;
    for (int i = 0; i < ABOVE && below->next != NULL; i++) {
        below = below->next;
    }
    return below;
}

static void *take_in_thread(void *size)
{
    return take(*(size_t *)size);
}

static void check_taken(void)
{
    for (const block *at = taken; at != NULL; at = at->next) {
        for (size_t i = 0; i < WORDS; i++) {
            if (at->filled[i] != &at->filled[i]) {
                ck_abort_msg("a block changed");
            }
        }
    }
}

START_TEST(a_large_heap_is_in_huge_pages_whatever_thread_it_is_of)
{
    pthread_t thread;
    size_t size = 16 * (size_t)MIB;
    void *of_thread = NULL;
    heap_set_up();
    const void *of_main = take(size);
    ck_assert(!is_huge(of_main));
    ck_assert_int_gt(heap_follow(), 0);
    ck_assert(is_huge(of_main));
    ck_assert_int_eq(heap_follow(), -1);
    ck_assert_int_eq(pthread_create(&thread, NULL, take_in_thread, &size), 0);
    ck_assert_int_eq(pthread_join(thread, &of_thread), 0);
    ck_assert_int_gt(heap_follow(), 0);
    ck_assert(is_huge(of_thread));
    check_taken();
}
END_TEST

START_TEST(a_small_heap_is_not)
{
    heap_set_up();
    const void *all = take(2 * (size_t)MIB);
    ck_assert_int_eq(heap_follow(), -1);
    ck_assert(!is_huge(all));
}
END_TEST

/* Else buffers of which little is used would be resident as a whole. */
START_TEST(large_blocks_stay_by_themselves)
{
    heap_set_up();
    void *large = malloc(160 * (size_t)KIB);
    ck_assert_ptr_nonnull(large);
    (void)take(16 * (size_t)MIB);
    ck_assert_int_gt(heap_follow(), 0);
    ck_assert(!is_huge(large));
    free(large);
}
END_TEST

START_TEST(another_malloc_is_left_alone)
{
    heap_set_up();
    const void *all = take(16 * (size_t)MIB);
    ck_assert_int_eq(heap_follow(), -1);
    ck_assert(!is_huge(all));
}
END_TEST

static bool has_huge_pages(void)
{
    char line[80] = "";
    FILE *from = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    bool known = from != NULL && fgets(line, sizeof line, from) != NULL;
    if (from != NULL) {
        (void)fclose(from);
    }
    return known && strstr(line, "[never]") == NULL;
}

int main(void)
{
    if (!has_huge_pages()) {
        puts("skipped: this system is set to use no huge pages");
        return 77;
    }
    Suite *suite = suite_create("heap");
    TCase *all = tcase_create("heap");
    if (HAS_HEAP) {
        tcase_add_test(all, a_large_heap_is_in_huge_pages_whatever_thread_it_is_of);
        tcase_add_test(all, a_small_heap_is_not);
        tcase_add_test(all, large_blocks_stay_by_themselves);
    } else {
        tcase_add_test(all, another_malloc_is_left_alone);
    }
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
