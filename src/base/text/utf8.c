#include "base/text/utf8.h"

#include <string.h>

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

int wg__utf8_put(uint32_t character, char to[4])
{
    static const unsigned char lead[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    int                        n = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, character >>= 6) to[i] = (char)(0x80 | (character & 0x3f));
    to[0] = (char)(lead[n] | character);
    return n;
}

bool wg__text_valid(const char *text)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);
    for (size_t n; p < end; p += n)
        if (!(n = wg__utf8(p, (size_t)(end - p)))) return false;
    return true;
}

size_t wg__shown(const unsigned char *p, size_t n)
{
    bool control = p[0] < 0x20 || p[0] == 0x7F || (p[0] == 0xC2 && n > 1 && p[1] < 0xA0);
    return control ? 0 : wg__utf8(p, n);
}

void wg__printable(char *text, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0, n = strlen(text), k; text[i]; i += k) {
        unsigned char c = (unsigned char)text[i];
        size_t        rest = n - i; /* with the zero at the end */
        if ((k = wg__shown((const unsigned char *)text + i, rest))) continue;
        bool room = i + 4 + rest <= size;
        k = room ? 4 : 1;
        if (room) {
            memmove(text + i + 4, text + i + 1, rest);
            memcpy(text + i, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
            n += 3;
        } else text[i] = '?';
    }
}
