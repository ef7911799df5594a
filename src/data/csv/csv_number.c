/* Numbers as text, correctly rounded.
 *
 * A number is w * 10^e with w below 2^64.  Where 5^|e| fits into 64 bits, w * 5^e
 * or w / 5^-e is computed exactly, with its remainder, in 128 bits, and rounded
 * once; where both factors are doubles, the processor's own product or quotient
 * is that already (Clinger 1990, "How to read floating point numbers
 * accurately").  Everything else is strtod's. */
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/csv/csv_impl.h"

struct decimal {
    uint64_t w;
    int64_t  e;
    bool     minus, whole; /* whole: w has all digits that are not 0 */
};

enum { MOST_DIGITS = 19 }; /* 10^19 < 2^64 */

/* Reads up to eight digits at once; returns how many.  All bytes are tested together; those before the first that is no
 * digit move up, which puts zeros before them, and pairs, fours and the whole are each one product. */
static int read_eight(const char *p, uint64_t *value)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    if (WG__BIG_HOST) x = __builtin_bswap64(x);
    x ^= 0x3030303030303030; /* digits are 0 to 9 */
    uint64_t other = (x | (x + 0x7676767676767676)) & 0x8080808080808080;
    int      n = other ? __builtin_ctzll(other) / 8 : 8;
    if (n == 0) return 0;
    x <<= 8 * (8 - n);
    x = x * 10 + (x >> 8); /* every second byte is a pair */
    uint64_t first = (x & 0x000000ff000000ff) * (100 + (1000000ull << 32));
    uint64_t second = (x >> 16 & 0x000000ff000000ff) * (1 + (10000ull << 32));
    *value = (first + second) >> 32;
    return n;
}

static const char *read_digits(const char *p, const char *end, struct decimal *d, int *n, bool fraction)
{
    static const uint32_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    uint64_t              value;
    for (int k = 8; k == 8 && *n <= MOST_DIGITS - 8; p += k) {
        if (!(k = read_eight(p, &value))) return p;
        d->w = d->w * power[k] + value;
        d->e -= fraction ? k : 0;
        *n += d->w ? k : 0;
    }
    for (; p < end && (unsigned char)(*p - '0') < 10; p++) {
        unsigned digit = (unsigned char)(*p - '0');
        if (*n < MOST_DIGITS) {
            d->w = d->w * 10 + digit;
            d->e -= fraction;
            *n += d->w != 0;
        } else {
            d->whole &= digit == 0;
            d->e += !fraction;
        }
    }
    return p;
}

/* [eE] [+-] digits; NULL without a digit. */
static const char *read_exponent(const char *p, const char *end, struct decimal *d)
{
    enum { MOST = 100000 };
    bool        minus = p < end && *p == '-';
    int         e = 0;
    const char *first = p += p < end && (*p == '-' || *p == '+');
    for (; p < end && (unsigned char)(*p - '0') < 10; p++) e = e < MOST ? e * 10 + (*p - '0') : e;
    d->e += minus ? -e : e;
    return p > first ? p : NULL;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before the exponent; NULL for anything else. */
static const char *read_decimal(const char *p, const char *end, struct decimal *d)
{
    int n = 0;
    *d = (struct decimal){.minus = p < end && *p == '-', .whole = true};
    p += p < end && (*p == '-' || *p == '+');
    const char *first = p, *point = p = read_digits(p, end, d, &n, false);
    if (p < end && *p == '.') p = read_digits(p + 1, end, d, &n, true);
    if (point == first && p <= point + 1) return NULL;
    if (p < end && (*p == 'e' || *p == 'E')) return read_exponent(p + 1, end, d);
    return p;
}

/* ---- From decimal to binary ---- */

enum { MOST_EXACT = 27 }; /* 5^27 < 2^63 */

/* 5^k, and the reciprocal: 2^127 over 5^k shifted up to 64 bits, rounded down. */
static const struct {
    uint64_t power, reciprocal;
} fives[MOST_EXACT + 1] = {{1ull, 0xffffffffffffffffull},
                           {5ull, 0xccccccccccccccccull},
                           {25ull, 0xa3d70a3d70a3d70aull},
                           {125ull, 0x83126e978d4fdf3bull},
                           {625ull, 0xd1b71758e219652bull},
                           {3125ull, 0xa7c5ac471b478423ull},
                           {15625ull, 0x8637bd05af6c69b5ull},
                           {78125ull, 0xd6bf94d5e57a42bcull},
                           {390625ull, 0xabcc77118461cefcull},
                           {1953125ull, 0x89705f4136b4a597ull},
                           {9765625ull, 0xdbe6fecebdedd5beull},
                           {48828125ull, 0xafebff0bcb24aafeull},
                           {244140625ull, 0x8cbccc096f5088cbull},
                           {1220703125ull, 0xe12e13424bb40e13ull},
                           {6103515625ull, 0xb424dc35095cd80full},
                           {30517578125ull, 0x901d7cf73ab0acd9ull},
                           {152587890625ull, 0xe69594bec44de15bull},
                           {762939453125ull, 0xb877aa3236a4b449ull},
                           {3814697265625ull, 0x9392ee8e921d5d07ull},
                           {19073486328125ull, 0xec1e4a7db69561a5ull},
                           {95367431640625ull, 0xbce5086492111aeaull},
                           {476837158203125ull, 0x971da05074da7beeull},
                           {2384185791015625ull, 0xf1c90080baf72cb1ull},
                           {11920928955078125ull, 0xc16d9a0095928a27ull},
                           {59604644775390625ull, 0x9abe14cd44753b52ull},
                           {298023223876953125ull, 0xf79687aed3eec551ull},
                           {1490116119384765625ull, 0xc612062576589ddaull},
                           {7450580596923828125ull, 0x9e74d1b791e07e48ull}};

/* v * 2^e, where both and the result are normal numbers. */
static double scale(double v, int e)
{
    uint64_t bits = (uint64_t)(1023 + e) << 52;
    double   power;
    memcpy(&power, &bits, sizeof power);
    return v * power;
}

/* The integer nearest to q / 2^drop, and a little more if `more`; ties to even. */
static uint64_t round_off(uint64_t q, bool more, int drop)
{
    uint64_t half = 1ull << (drop - 1), low = q & (2 * half - 1), r = q >> drop;
    return r + (low > half || (low == half && (more || (r & 1))));
}

/* q * 2^e, and a little more if `more`, rounded to so many bits. */
static double round_bits(uint64_t q, bool more, int e, int bits)
{
    int drop = 64 - __builtin_clzll(q) - bits;
    if (drop <= 0) return scale((double)q, e); /* then nothing more is there */
    return scale((double)(int64_t)round_off(q, more, drop), e + drop);
}

__extension__ typedef unsigned __int128 uint128;

static double multiply(uint64_t w, int e, int bits)
{
    uint128  product = (uint128)w * fives[e].power;
    uint64_t high = (uint64_t)(product >> 64);
    if (!high) return round_bits((uint64_t)product, false, e, bits);
    int      shift = 64 - __builtin_clzll(high);
    uint64_t q = (uint64_t)(product >> shift);
    return round_bits(q, ((uint128)q << shift) != product, e + shift, bits);
}

/* The quotient is first taken from the reciprocal.  2^64 * x / d lies less than 3 above the product's upper half, so
 * where that and the number 3 above round to the same there is no need to divide. */
static double divide(uint64_t w, int e, int bits)
{
    enum { SLACK = 3 };
    uint64_t d = fives[e].power;
    int      up = __builtin_clzll(w), down = __builtin_clzll(d);
    uint64_t near = (uint64_t)(((uint128)(w << up) * fives[e].reciprocal) >> 64);
    int      drop = 64 - __builtin_clzll(near) - bits;
    if (near < UINT64_MAX - SLACK && (near ^ (near + SLACK)) >> 62 == 0) {
        uint64_t r = round_off(near, false, drop);
        if (r == round_off(near + SLACK, false, drop)) return scale((double)(int64_t)r, down - up - 63 - e + drop);
    }
    uint128  x = (uint128)(w << up) << 63;
    uint64_t q = (uint64_t)(x / (d << down)); /* at least 2^62 */
    return round_bits(q, (uint128)q * (d << down) != x, down - up - 63 - e, bits);
}

/* The double nearest to w * 10^e, where the processor finds it at once. */
static bool by_hardware(const struct decimal *d, double *value)
{
    static const double table[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    enum { MOST = sizeof table / sizeof *table - 1 };
    if (d->w > 1ull << 53 || d->e > MOST || d->e < -MOST) return false;
    *value = d->e < 0 ? (double)d->w / table[-d->e] : (double)d->w * table[d->e];
    return true;
}

/* A double in the middle of two floats may have come there by its own rounding. */
static bool between_floats(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return (bits & 0x1fffffff) == 0x10000000;
}

static bool convert(const struct decimal *d, wg_dtype t, double *value)
{
    bool fast = by_hardware(d, value);
    if (fast && t == WG_F64) return true;
    if (fast && !between_floats(*value)) return *value = (double)(float)*value, true;
    if (d->e > MOST_EXACT || d->e < -MOST_EXACT) return false;
    int bits = t == WG_F32 ? 24 : 53;
    *value = d->e < 0 ? divide(d->w, (int)-d->e, bits) : multiply(d->w, (int)d->e, bits);
    if (t == WG_F32 && *value >= 0x1p128) *value = INFINITY;
    return true;
}

static const char *by_library(const char *p, wg_dtype t, double *value)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* static in glibc and musl: nothing is allocated */
    if (!c) return "no C locale to read a number in";
    *value = t == WG_F32 ? (double)strtof_l(p, NULL, c) : strtod_l(p, NULL, c);
    freelocale(c);
    return NULL;
}

/* ---- Words ---- */

static bool read_word(const char *p, const char *end, double *value)
{
    static const struct {
        const char *text;
        double      value;
    } words[] = {{"nan", NAN}, {"inf", INFINITY}, {"infinity", INFINITY}, {"true", 1}, {"false", 0}};
    enum { SIGNED = 3 };
    bool sign = p < end && (*p == '+' || *p == '-'), minus = sign && *p == '-';
    p += sign;
    for (size_t i = 0; i < (sign ? SIGNED : sizeof words / sizeof *words); i++) {
        size_t n = strlen(words[i].text);
        if ((size_t)(end - p) != n || strncasecmp(p, words[i].text, n) != 0) continue;
        *value = minus ? -words[i].value : words[i].value;
        return true;
    }
    return false;
}

const char *wg__csv_number(const char *text, size_t n, wg_dtype t, double *value)
{
    const char    *p = text, *end = text + n;
    struct decimal d;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) end--;
    if (read_decimal(p, end, &d) != end) {
        if (p == end) return "a number is missing";
        if (memchr(text, 0, n)) return "a zero byte in a number";
        return read_word(p, end, value) ? NULL : "is not a number";
    }
    if (d.w == 0 && d.whole) return *value = d.minus ? -0.0 : 0.0, NULL;
    if (!d.whole || !convert(&d, t, value)) {
        const char *why = by_library(p, t, value);
        if (why) return why;
    } else if (d.minus) *value = -*value;
    return isinf(*value) ? "is too large for its dtype" : NULL;
}
