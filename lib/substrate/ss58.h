/* ss58.h: addresses of 32-byte accounts as text. Any thread. */
#ifndef PM_SUBSTRATE_SS58_H
#define PM_SUBSTRATE_SS58_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PM_SS58_TEXT       64    /* room for an address and its zero */
#define PM_SS58_PREFIX_MAX 16383 /* the highest network prefix */
#define PM_SS58_GENERIC    42    /* the prefix that belongs to no network */
#define PM_ACCOUNT_SIZE    32

/* The account and the prefix (may be NULL) of an address. False: not base58, not of a 32-byte
 * account, prefix out of range, or the checksum is wrong. */
bool pm_ss58_decode(const char *text, size_t len, uint8_t account[PM_ACCOUNT_SIZE],
                    uint16_t *prefix);
/* The address, zero-terminated; gives its length, 0 when the prefix is out of range. */
size_t pm_ss58_encode(const uint8_t account[PM_ACCOUNT_SIZE], uint16_t prefix,
                      char text[PM_SS58_TEXT]);
/* The same for an account that is a number (an index): as few of its bytes as hold it. */
size_t pm_ss58_encode_index(uint32_t index, uint16_t prefix, char text[PM_SS58_TEXT]);

#endif
