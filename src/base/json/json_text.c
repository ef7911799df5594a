/* Strings: escapes (RFC 8259, section 7) and UTF-8. */
#include <string.h>

#include "base/json/json_impl.h"
#include "base/text/utf8.h"

/* ---- Escapes ---- */

/* Reads four hexadecimal digits at p; -1: they are not there. */
static int32_t read_hex(const char *p, const char *end)
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

/* Reads the character of the \u at p, with the second half of a surrogate pair; -1: there is none. */
static int32_t read_unicode(const char *p, const char *end, int *taken)
{
    int32_t high = read_hex(p + 2, end);
    *taken = 6;
    if (high < 0xd800 || high > 0xdfff) return high;
    if (high > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u') return -1;
    int32_t low = read_hex(p + 8, end);
    *taken = 12;
    return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00) : -1;
}

/* Reads the character of the escape at p, which takes *taken bytes; -1: there is none. */
static int32_t read_escape(const char *p, const char *end, int *taken)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (end - p < 2) return -1;
    if (p[1] == 'u') return read_unicode(p, end, taken);
    const char *name = p[1] ? strchr(names, p[1]) : NULL;
    *taken = 2;
    return name ? values[name - names] : -1;
}

/* ---- Taking a string ---- */

/* Skips plain ASCII: no quote, backslash or control character.  Eight bytes at a time: a byte is marked if it is 0x80
 * or more, below 0x20, or becomes zero when xored with a quote or a backslash.  (A mark may be wrong only above a right
 * one.) */
static const char *skip_plain(const char *p, const char *end)
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
        p = skip_plain(p, j->end);
        if (p == j->end) return wg__json_bad(j, NULL, "a string without an end");
        if (*p == '"') break;
        if (*p != '\\')
            n = (unsigned char)*p < 0x20 ? 0 : (int)wg__utf8((const unsigned char *)p, (size_t)(j->end - p));
        else if (read_escape(p, j->end, &n) < 0) n = 0;
        if (n == 0) return complain(j, p);
        escaped |= *p == '\\';
    }
    *s = (struct wg__json_text){.at = first, .n = (size_t)(p - first), .escaped = escaped};
    j->at = p + 1;
    return true;
}

/* ---- Using a string ---- */

/* Writes the next character of a checked string as UTF-8; returns its number of bytes. */
static int put_next(const char **p, const char *end, char to[4])
{
    int taken;
    if (**p != '\\') {
        to[0] = *(*p)++;
        return 1;
    }
    uint32_t u = (uint32_t)read_escape(*p, end, &taken);
    *p += taken;
    return wg__utf8_put(u, to);
}

size_t wg__json_run_bytes(struct wg__json_run *r, char *to, size_t n)
{
    size_t used = 0;
    while (used < n && (r->n || r->at < r->end)) {
        if (!r->n) {
            r->n = put_next(&r->at, r->end, r->left);
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
        size_t bytes = (size_t)put_next(&p, end, c);
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
        int n = put_next(&p, end, c);
        if (c[0] == 0) return false;
        for (int i = 0; i < n; i++)
            if (*what++ != c[i]) return false; /* stops at the zero that ends what */
    }
    return *what == 0;
}
