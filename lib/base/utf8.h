/* utf8.h: what is valid UTF-8 (RFC 3629). */
#ifndef PM_UTF8_H
#define PM_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* How many bytes the character at `text` takes; 0 when it is not valid UTF-8. `len` > 0. */
size_t pm_utf8_width(const char *text, size_t len);
bool pm_utf8_valid(const char *text, size_t len);

#endif
