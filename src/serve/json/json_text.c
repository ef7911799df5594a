/* Strings: escapes (RFC 8259, section 7) and UTF-8 (RFC 3629). */
#include <string.h>

#include "serve/json/json_impl.h"

/* ---- UTF-8 ---- */

static bool tail(const char *p, int n)
{
    for (int i = 1; i < n; i++)
        if (((unsigned char)p[i] & 0xc0) != 0x80) return false;
    return true;
}

/* What a first byte says of the second: the ranges keep out what is longer than
 * need be (0xe0, 0xf0), surrogates (0xed), and what is past U+10FFFF (0xf4). */
int wg__json_utf8(const char *p, const char *end)
{
    static const struct {
        unsigned char first, last, low, high, n;
    } rows[] = {
        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    unsigned char c = (unsigned char)*p;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (c < rows[i].first || c > rows[i].last) continue;
        if (end - p < rows[i].n) return 0;
        if (rows[i].n == 1) return 1;
        unsigned char second = (unsigned char)p[1];
        return second >= rows[i].low && second <= rows[i].high && tail(p, rows[i].n) ? rows[i].n : 0;
    }
    return 0;
}

/* U+0000 to U+10FFFF; returns how many bytes it takes. */
static int encode(uint32_t u, char to[4])
{
    int n = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, u >>= 6) to[i] = (char)(0x80 | (u & 0x3f));
    static const unsigned char lead[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    to[0] = (char)(lead[n] | u);
    return n;
}

/* ---- Escapes ---- */

/* Four hexadecimal digits; -1 if they are not. */
static int32_t hex(const char *p, const char *end)
{
    int32_t u = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = (char)(p[i] | 0x20);
        int  digit = p[i] >= '0' && p[i] <= '9' ? p[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return -1;
        u = u * 16 + digit;
    }
    return u;
}

/* \u at p, with the second half of a pair; the character, or -1. */
static int32_t unicode(const char *p, const char *end, int *taken)
{
    int32_t high = hex(p + 2, end);
    *taken = 6;
    if (high < 0xd800 || high > 0xdfff) return high;
    if (high > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u') return -1;
    int32_t low = hex(p + 8, end);
    *taken = 12;
    return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00) : -1;
}

/* The character of the escape at p; -1 if it is none. */
static int32_t escape(const char *p, const char *end, int *taken)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (end - p < 2) return -1;
    if (p[1] == 'u') return unicode(p, end, taken);
    const char *name = p[1] ? strchr(names, p[1]) : NULL;
    *taken = 2;
    return name ? values[name - names] : -1;
}

/* ---- Taking a string ---- */

/* Bytes from p that are plain ASCII: no quote, backslash or control character.
 * Eight at a time: a byte is marked if it is 0x80 or more, below 0x20, or
 * becomes zero when xored with what is looked for.  (A mark may be wrong only
 * above a right one.) */
static const char *plain(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t       v;
    for (; end - p >= 8; p += 8) {
        memcpy(&v, p, 8);
        uint64_t quote = (v ^ ones * '"') - ones, slash = (v ^ ones * '\\') - ones, control = v - ones * 0x20;
        if ((v | quote | slash | control) & ones * 0x80) break;
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\') p++;
    return p;
}

static bool complain(struct wg__json *j, const char *p)
{
    unsigned char c = (unsigned char)*p;
    if (c == '\\') return wg__json_bad(j, p, "no JSON escape");
    if (c < 0x20) return wg__json_bad(j, p, "control character 0x%02x in a string", c);
    return wg__json_bad(j, p, "byte 0x%02x is no UTF-8", c);
}

bool wg__json_string(struct wg__json *j, struct wg__json_text *s)
{
    if (!wg__json_want(j, WG__JSON_STRING)) return false;
    const char *first = j->at + 1, *p = first;
    bool        escaped = false;
    for (int n = 0;; p += n) {
        p = plain(p, j->end);
        if (p == j->end) return wg__json_bad(j, NULL, "a string without an end");
        if (*p == '"') break;
        if (*p != '\\') n = (unsigned char)*p < 0x20 ? 0 : wg__json_utf8(p, j->end);
        else if (escape(p, j->end, &n) < 0) n = 0;
        if (n == 0) return complain(j, p);
        escaped |= *p == '\\';
    }
    *s = (struct wg__json_text){.at = first, .n = (size_t)(p - first), .escaped = escaped};
    j->at = p + 1;
    return true;
}

/* ---- Using it ---- */

/* The next character of a checked string, as bytes; returns how many. */
static int next(const char **p, const char *end, char to[4])
{
    int taken;
    if (**p != '\\') {
        to[0] = *(*p)++;
        return 1;
    }
    uint32_t u = (uint32_t)escape(*p, end, &taken);
    *p += taken;
    return encode(u, to);
}

size_t wg__json_run_bytes(struct wg__json_run *r, char *to, size_t n)
{
    size_t used = 0;
    while (used < n && (r->n || r->at < r->end)) {
        if (!r->n) {
            r->n = next(&r->at, r->end, r->left);
            r->i = 0;
        }
        to[used++] = r->left[r->i++];
        r->n--;
    }
    return used;
}

bool wg__json_text_copy(const struct wg__json_text *s, char *to, size_t n)
{
    char        c[4];
    size_t      used = 0;
    const char *end = s->at + s->n;
    for (const char *p = s->at; p < end;) {
        size_t bytes = (size_t)next(&p, end, c);
        if (bytes >= n - used || c[0] == 0) return false;
        memcpy(to + used, c, bytes);
        used += bytes;
    }
    if (n == 0) return false;
    to[used] = 0;
    return true;
}

bool wg__json_text_is(const struct wg__json_text *s, const char *what)
{
    char        c[4];
    const char *end = s->at + s->n;
    for (const char *p = s->at; p < end;) {
        int n = next(&p, end, c);
        if (c[0] == 0) return false;
        for (int i = 0; i < n; i++)
            if (*what++ != c[i]) return false; /* and stops at what's own zero */
    }
    return *what == 0;
}
