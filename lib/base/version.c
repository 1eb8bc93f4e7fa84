/* version.c: the version the library was built as. */
#include <panicmon/version.h>

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

const char *panicmon_version(void)
{
    return TEXT(PANICMON_VERSION_MAJOR) "." TEXT(PANICMON_VERSION_MINOR) "." TEXT(
        PANICMON_VERSION_PATCH);
}

uint32_t panicmon_version_hex(void)
{
    return PANICMON_VERSION_HEX;
}
