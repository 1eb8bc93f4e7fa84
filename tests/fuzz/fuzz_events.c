/* fuzz_events.c: any bytes as the value of System.Events. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pm_storage item;
    pm_value events;
    pm_event event;
    pm_value_iter at = {0};
    fuzz_check(pm_storage_find(fuzz_metadata(), "System", "Events", &item), "there are events");
    if (pm_value_of_storage(&item, data, size, &events, NULL) == PANICMON_OK) {
        size_t count = 0;
        while (pm_event_next(events, &at, &event)) {
            (void)pm_value_field(event.fields, "amount");
            count++;
        }
        fuzz_check(count == pm_value_count(events), "every event is seen");
        fuzz_read(events);
    }
    return 0;
}
