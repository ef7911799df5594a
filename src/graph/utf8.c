/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF. */
#include <string.h>

#include "graph/graph_impl.h"

size_t wg__utf8(const unsigned char *p, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (p[0] < 0x80) return 1;
    size_t size = p[0] < 0xC0 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF8 ? 4 : 0;
    if (!size || size > n) return 0;
    uint32_t c = p[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    return c < least[size] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? 0 : size;
}

bool wg__text_valid(const char *text)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);
    for (size_t n; p < end; p += n)
        if (!(n = wg__utf8(p, (size_t)(end - p)))) return false;
    return true;
}

void wg__printable(char *text, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0, n = strlen(text); text[i]; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 32 && c != 127) continue;
        size_t rest = n - i; /* with the zero at the end */
        if (i + 4 + rest > size) {
            text[i] = '?';
            continue;
        }
        memmove(text + i + 4, text + i + 1, rest);
        memcpy(text + i, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
        i += 3;
        n += 3;
    }
}
