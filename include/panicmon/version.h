/** @file version.h
 * The version of the headers at compile time and of the library at run time.
 */
#ifndef PANICMON_VERSION_H
#define PANICMON_VERSION_H

#include <panicmon/export.h>

PANICMON_BEGIN_DECLS

/** Changes when the ABI breaks, and the SONAME with it. */
#define PANICMON_VERSION_MAJOR 1
/** Changes when the ABI grows. */
#define PANICMON_VERSION_MINOR 0
/** Changes with every other release. */
#define PANICMON_VERSION_PATCH 0

/** The version as one number, 0xMMmmpp, to compare with. */
#define PANICMON_VERSION_HEX                                                                       \
    ((PANICMON_VERSION_MAJOR << 16) | (PANICMON_VERSION_MINOR << 8) | PANICMON_VERSION_PATCH)

/**
 * The version of the library that is running, as text, for example "1.0.0".
 * The text is static. Any thread.
 */
PANICMON_API const char *panicmon_version(void);

/** The version of the library that is running, as PANICMON_VERSION_HEX counts. Any thread. */
PANICMON_API uint32_t panicmon_version_hex(void);

PANICMON_END_DECLS

#endif
