/* fuzz_ss58.c: any text as an address; what is read is written again. */
#include "fuzz.h"

#include <string.h>

#include "substrate/ss58.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t account[PM_ACCOUNT_SIZE];
    uint8_t again[PM_ACCOUNT_SIZE];
    char text[PM_SS58_TEXT];
    uint16_t prefix;
    if (pm_ss58_decode((const char *)data, size, account, &prefix)) {
        size_t len = pm_ss58_encode(account, prefix, text);
        fuzz_check(len == size && memcmp(text, data, size) == 0, "an address has one spelling");
    }
    if (size >= PM_ACCOUNT_SIZE + 2) { /* the other way round */
        prefix = (uint16_t)((data[0] | data[1] << 8) & PM_SS58_PREFIX_MAX);
        size_t len = pm_ss58_encode(data + 2, prefix, text);
        uint16_t its = 0;
        fuzz_check(pm_ss58_decode(text, len, again, &its) && its == prefix &&
                       memcmp(again, data + 2, PM_ACCOUNT_SIZE) == 0,
                   "what is written is read");
    }
    return 0;
}
