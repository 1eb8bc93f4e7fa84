/* fuzz_spool.c: any bytes as a segment of the spool; what is read is written and read again. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "net/spool_impl.h"

static void write_and_read(const pm_record *record)
{
    pm_buf bytes = {0};
    pm_record again;
    size_t at = 0;
    if (record->kind == PM_RECORD_MESSAGE) {
        pm_record_message(&bytes, record->seq, record->lane, &record->message);
    } else {
        pm_record_settled(&bytes, record->seq);
    }
    fuzz_check(pm_record_read(bytes.data, bytes.len, &at, &again), "what we write we read");
    fuzz_check(at == bytes.len && again.kind == record->kind && again.seq == record->seq,
               "and it is the same");
    if (record->kind == PM_RECORD_MESSAGE) {
        fuzz_check(again.message.len == record->message.len &&
                       memcmp(again.message.body, record->message.body, again.message.len) == 0 &&
                       strcmp(again.message.routing_key, record->message.routing_key) == 0,
                   "and so is its message");
    }
    pm_buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;
    pm_record record;
    while (pm_record_read((const char *)data, size, &at, &record)) {
        write_and_read(&record);
    }
    fuzz_check(at <= size, "reading stays inside");
    return 0;
}
