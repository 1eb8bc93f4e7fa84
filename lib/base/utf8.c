/* utf8.c: see utf8.h. */
#include "base/utf8.h"

#include <stdint.h>

size_t pm_utf8_width(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        return 1;
    }
    size_t width = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || width > len) {
        return 0;
    }
    uint32_t code = s[0] & (0x7fu >> width);
    for (size_t i = 1; i < width; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (s[i] & 0x3fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[width] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    return width;
}

bool pm_utf8_valid(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t width = pm_utf8_width(text + i, len - i);
        if (width == 0) {
            return false;
        }
        i += width;
    }
    return true;
}
