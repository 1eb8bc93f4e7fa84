/* wsproto.c: see wsproto.h. */
#include "wsproto.h"

#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

static void unmask(char *bytes, size_t len, const char mask[4])
{
    uint64_t wide;
    char twice[8];
    memcpy(twice, mask, 4);
    memcpy(twice + 4, mask, 4);
    memcpy(&wide, twice, sizeof wide);
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t eight;
        memcpy(&eight, bytes + i, sizeof eight);
        eight ^= wide;
        memcpy(bytes + i, &eight, sizeof eight);
    }
    for (; i < len; i++) {
        bytes[i] = (char)(bytes[i] ^ mask[i & 3]);
    }
}

long sim_frame_read(char *bytes, size_t len, uint64_t limit, sim_frame *frame)
{
    if (len < 2) {
        return 0;
    }
    uint8_t first = (uint8_t)bytes[0];
    uint8_t second = (uint8_t)bytes[1];
    uint64_t size = second & 0x7f;
    size_t at = 2;
    bool control = (first & 8) != 0;
    frame->opcode = first & 0x0f;
    frame->fin = (first & 0x80) != 0;
    if ((first & 0x70) != 0 || (second & 0x80) == 0 || (control && (!frame->fin || size > 125)) ||
        (frame->opcode > WS_BINARY && !control) || frame->opcode > WS_PONG) {
        return -1;
    }
    if (size > 125) {
        size_t wide = size == 126 ? 2 : 8;
        if (len < at + wide) {
            return 0;
        }
        size = 0;
        for (size_t i = 0; i < wide; i++) {
            size = size << 8 | (uint8_t)bytes[at + i];
        }
        at += wide;
    }
    if (size > limit) {
        return -2;
    }
    if (len < at + 4 || len - at - 4 < size) {
        return 0;
    }
    frame->payload = bytes + at + 4;
    frame->len = size;
    unmask(frame->payload, (size_t)size, bytes + at);
    return (long)(at + 4 + size);
}

size_t sim_frame_header(char *end, uint8_t opcode, uint64_t len)
{
    size_t wide = len < 126 ? 0 : len < 65536 ? 2 : 8;
    char *at = end - 2 - wide;
    at[0] = (char)(0x80 | opcode);
    at[1] = (char)(wide == 0 ? len : wide == 2 ? 126 : 127);
    for (size_t i = 0; i < wide; i++) {
        at[2 + i] = (char)(len >> (8 * (wide - 1 - i)));
    }
    return 2 + wide;
}

/* Whether `line` is a header of that name; its value, trimmed, goes to `value`. */
static bool header_is(const char *line, size_t len, const char *name, char *value, size_t size)
{
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0) {
        return false;
    }
    line += n + 1;
    len -= n + 1;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t')) {
        len--;
    }
    size_t kept = len < size - 1 ? len : size - 1;
    memcpy(value, line, kept);
    value[kept] = '\0';
    return true;
}

static bool read_request_line(const char *line, size_t len, char path[256])
{
    const char *target = memchr(line, ' ', len);
    const char *after =
        target == NULL ? NULL : memchr(target + 1, ' ', len - (size_t)(target + 1 - line));
    if (after == NULL || after - target > 256 || strncmp(after + 1, "HTTP/1.", 7) != 0) {
        return false;
    }
    memcpy(path, target + 1, (size_t)(after - target - 1));
    path[after - target - 1] = '\0';
    return true;
}

long sim_handshake_read(const char *bytes, size_t len, char path[256], char key[64])
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (end == NULL) {
        return len > 16384 ? -1 : 0;
    }
    char upgrade[32] = "";
    char version[8] = "";
    char text[64];
    bool get = len > 4 && memcmp(bytes, "GET ", 4) == 0;
    key[0] = '\0';
    for (const char *line = bytes; line < end;) {
        const char *stop = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        size_t size = (size_t)(stop - line);
        if (line == bytes) {
            if (!read_request_line(line, size, path)) {
                return -1;
            }
        } else if (header_is(line, size, "Upgrade", text, sizeof upgrade)) {
            memcpy(upgrade, text, sizeof upgrade);
        } else if (header_is(line, size, "Sec-WebSocket-Version", text, sizeof version)) {
            memcpy(version, text, sizeof version);
        } else if (header_is(line, size, "Sec-WebSocket-Key", text, sizeof text)) {
            memcpy(key, text, sizeof text);
        }
        line = stop + 2;
    }
    if (!get || strcasecmp(upgrade, "websocket") != 0 || strcmp(version, "13") != 0) {
        key[0] = '\0';
    }
    return (long)(end + 4 - bytes);
}

void sim_handshake_accept(pm_buf *out, const char *key)
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[128];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char base64[EVP_MAX_MD_SIZE * 2];
    unsigned size = 0;
    size_t len = strlen(key);
    memcpy(text, key, len);
    memcpy(text + len, magic, sizeof magic - 1);
    if (EVP_Digest(text, len + sizeof magic - 1, digest, &size, EVP_sha1(), NULL) != 1) {
        out->failed = true;
        return;
    }
    (void)EVP_EncodeBlock(base64, digest, (int)size);
    pm_buf_format(out,
                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                  (const char *)base64);
}

void sim_http_answer(pm_buf *out, int status, const char *text)
{
    pm_buf_format(out,
                  "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                  "Connection: close\r\n\r\n%s\n",
                  status, text, strlen(text) + 1, text);
}
