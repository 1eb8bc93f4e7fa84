/* scale.h: writing SCALE bytes, storage keys and SS58 addresses for the simulator. All functions
 * append to a pm_buf; nothing is kept. */
#ifndef SIM_SCALE_H
#define SIM_SCALE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

void sim_put_u8(pm_buf *out, uint8_t value);
void sim_put_u16(pm_buf *out, uint16_t value);
void sim_put_u32(pm_buf *out, uint32_t value);
void sim_put_u64(pm_buf *out, uint64_t value);
void sim_put_u128(pm_buf *out, uint64_t value); /* 16 bytes, the upper half zero */
void sim_put_compact(pm_buf *out, uint64_t value);
void sim_put_text(pm_buf *out, const char *text); /* compact length, bytes */

/* twox128(pallet) ‖ twox128(item): the prefix of a storage item, or the key of a plain one. */
void sim_key_item(pm_buf *out, const char *pallet, const char *item);
void sim_key_twox64(pm_buf *out, const void *bytes, size_t len); /* twox64_concat */
void sim_key_blake2(pm_buf *out, const void *bytes, size_t len); /* blake2_128_concat */

/* BLAKE2b of `size` (1 to 64) bytes. */
void sim_blake2(void *out, size_t size, const void *bytes, size_t len);
/* Lower-case hex, two digits a byte, not terminated. */
void sim_hex(char *out, const void *bytes, size_t len);
/* Appends 0x and hex. */
void sim_put_hex(pm_buf *out, const void *bytes, size_t len);
/* Reads `size` bytes of hex digits; 0, or -1. */
int sim_unhex(void *out, size_t size, const char *digits, size_t len);
/* The SS58 address of a 32-byte account; `prefix` below 64. */
void sim_put_ss58(pm_buf *out, uint8_t prefix, const uint8_t account[32]);

#endif
