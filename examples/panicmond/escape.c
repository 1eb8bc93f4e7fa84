/* escape.c: see escape.h. */
#include "escape.h"

void escape_json(FILE *to, const char *text)
{
    (void)fputc('"', to);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            (void)fputc('\\', to);
            (void)fputc(c, to);
        } else if (c < ' ' || c == '<' || c == '>' || c == '&' || c == 0x7f) {
            (void)fprintf(to, "\\u%04x", c);
        } else {
            (void)fputc(c, to);
        }
    }
    (void)fputc('"', to);
}

void escape_label(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            (void)fputs("\\n", to);
        } else {
            if (*text == '"' || *text == '\\') {
                (void)fputc('\\', to);
            }
            (void)fputc(*text, to);
        }
    }
}
