/* bench_metadata.c: how long a metadata file takes to decode, and how much memory it then holds:
 * bench_metadata FILE [ROUNDS]. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "substrate/metadata.h"
#include "substrate/storage_key.h"

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static bool read_file(const char *path, pm_buf *out)
{
    char chunk[65536];
    size_t got;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        pm_buf_add(out, chunk, got);
    }
    fclose(file);
    return !out->failed;
}

/* Bytes that the allocator has handed out. */
static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void bench_keys(const pm_metadata *metadata, int rounds)
{
    pm_storage item;
    pm_buf key = {0};
    static const uint8_t account[32];
    const pm_key_arg args[] = {pm_key_arg_account(account)};
    double start = now_ms();
    for (int i = 0; i < rounds * 100; i++) {
        pm_buf_clear(&key);
        if (!pm_storage_find(metadata, "System", "Account", &item) ||
            pm_storage_key_hex(&item, args, 1, &key, NULL) != PANICMON_OK) {
            break;
        }
    }
    printf("find and key: %.0f ns\n", (now_ms() - start) * 1e6 / (rounds * 100));
    pm_buf_free(&key);
}

int main(int argc, char **argv)
{
    pm_buf blob = {0};
    int rounds = argc > 2 ? atoi(argv[2]) : 100;
    if (argc < 2 || rounds < 1 || !read_file(argv[1], &blob)) {
        fprintf(stderr, "usage: bench_metadata FILE [ROUNDS]\n");
        return 1;
    }
    double best = 1e9;
    double total = 0;
    size_t held = 0;
    size_t counted = 0;
    pm_metadata *metadata = NULL;
    for (int i = 0; i < rounds; i++) {
        panicmon_error *err = NULL;
        pm_metadata_unref(metadata);
        metadata = NULL;
        size_t before = in_use();
        double start = now_ms();
        if (pm_metadata_decode(&metadata, blob.data, blob.len, &err) != PANICMON_OK) {
            fprintf(stderr, "%s\n", panicmon_error_message(err));
            return 1;
        }
        double took = now_ms() - start;
        best = took < best ? took : best;
        total += took;
        held = in_use() - before;
        counted = pm_metadata_size(metadata);
    }
    printf("file %zu bytes, decode: best %.2f ms, mean %.2f ms; holds %zu bytes (counted %zu)\n",
           blob.len, best, total / rounds, held, counted);
    bench_keys(metadata, rounds);
    pm_metadata_unref(metadata);
    pm_buf_free(&blob);
    return 0;
}
