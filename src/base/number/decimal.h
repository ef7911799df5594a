/* decimal.h - decimal numbers on their way in and out, whatever the locale: the
 * table of powers of ten that both ways share, and the reader's inner loop,
 * which belongs inline where numbers come in long lists. */
#ifndef WENGERT_BASE_DECIMAL_H
#define WENGERT_BASE_DECIMAL_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

__extension__ typedef unsigned __int128 wg__u128;

enum { WG__POWER_MIN = -342, WG__POWER_MAX = 324 };
/* [k - WG__POWER_MIN] = floor(10^k 2^(127 - e)) with e = floor(log2 10^k), the
 * high half first.  Exact for 0 <= k <= 55, where 5^k has at most 128 bits. */
extern const uint64_t wg__powers[WG__POWER_MAX - WG__POWER_MIN + 1][2];

static inline bool wg__power_exact(int64_t k) { return k >= 0 && k <= 55; }

/* Computes floor(log2 10^k); right for |k| <= 1233.  (>> of a negative number rounds down in gcc and clang.) */
static inline int64_t wg__log2_power(int64_t k) { return (k * 1741647) >> 19; }

/* 10^k for 0 <= k <= 19, and 0 <= k <= 22. */
extern const uint64_t wg__ten[20];
extern const double   wg__ten_real[23];

/* The number +-(w + d) 10^q, 0 <= d < 1, and d > 0 only if cut: w keeps the
 * first 19 digits that count. */
struct wg__decimal {
    uint64_t w;
    int64_t  q;
    bool     minus, cut;
};

/* Looks again at the digits from p to stop: more than 19 and perhaps a point. */
void wg__decimal_long(const char *p, const char *stop, struct wg__decimal *d);

static inline bool wg__digit(char c) { return (unsigned char)(c - '0') < 10; }

/* Reads up to eight digits at p: w becomes w 10^n + digits; returns n.  Digits are added in pairs, pairs of pairs, and
 * pairs of those: three multiplications. */
static inline int wg__eight(const char *p, uint64_t *w)
{
    uint64_t v;
    memcpy(&v, p, 8);
    v ^= 0x3030303030303030; /* a digit is now 0 to 9; any other byte is more */
    uint64_t other = ((v + 0x7676767676767676) | v) & 0x8080808080808080;
    int      n = other ? __builtin_ctzll(other) / 8 : 8;
    if (n == 0) return 0;
    v <<= 64 - 8 * n; /* zeros in front */
    v = v * 10 + (v >> 8);
    v = ((v & 0x000000ff000000ff) * 0x000f424000000064 + ((v >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >> 32;
    *w = *w * wg__ten[n] + v;
    return n;
}

/* Reads digits from p on into w; returns their end.  The bytes before `room`, at `end` or behind it, may be read.
 * Where `room` is behind `end`, the byte at `end` is no digit. */
static inline const char *wg__digits(const char *p, const char *end, const char *room, uint64_t *w)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (int n = 8; n == 8 && room - p >= 8; p += n) n = wg__eight(p, w);
#endif
    for (; p < end && wg__digit(*p); p++) *w = *w * 10 + (uint64_t)(*p - '0');
    return p;
}

/* Adds the exponent at p, which follows "e", to q; returns its end, or NULL if there is none.  An exponent past 10^15
 * is cut: no text has enough digits to make up for it. */
static inline const char *wg__exponent(const char *p, const char *end, int64_t *q)
{
    int64_t e = 0;
    bool    minus = p < end && *p == '-';
    if (minus || (p < end && *p == '+')) p++;
    if (p == end || !wg__digit(*p)) return NULL;
    for (; p < end && wg__digit(*p); p++)
        if (e < 1000000000000000) e = e * 10 + (*p - '0');
    *q += minus ? -e : e;
    return p;
}

/* Reads the number at p, as RFC 8259 writes numbers; returns its end, or NULL if there is none.  A call of its own,
 * with d in memory, would cost a list of numbers a tenth of its time. */
static inline __attribute__((always_inline)) const char *wg__decimal_read(const char *p, const char *end,
                                                                          struct wg__decimal *d)
{
    *d = (struct wg__decimal){.minus = p < end && *p == '-'};
    if (d->minus) p++;
    const char *first = p;
    bool        zero = p < end && *p == '0';
    p = zero ? p + 1 : wg__digits(p, end, end, &d->w);
    int64_t n = p - first;
    if (n == 0 || (zero && p < end && wg__digit(*p))) return NULL;
    if (p < end && *p == '.') {
        const char *point = ++p;
        p = wg__digits(p, end, end, &d->w);
        if (p == point) return NULL;
        d->q = point - p;
        n -= d->q;
    }
    if (n > 19) wg__decimal_long(first, p, d);
    return p < end && (*p | 0x20) == 'e' ? wg__exponent(p + 1, end, &d->q) : p;
}

/* Returns the double nearest to d, which was read from p to stop; infinite where strtod is. */
double wg__decimal_nearest(const struct wg__decimal *d, const char *p, const char *stop);
/* Reads the number from p to stop by strtof. */
float wg__decimal_float(const char *p, const char *stop);

/* Returns the nearest double: of small numbers as two exact doubles and one rounding.  (Clinger, "How to read floating
 * point numbers accurately", 1990) */
static inline double wg__decimal_double(const struct wg__decimal *d, const char *p, const char *stop)
{
    if (d->w > (UINT64_C(1) << 53) || d->cut || d->q < -22 || d->q > 22) return wg__decimal_nearest(d, p, stop);
    double v = (double)(int64_t)d->w;
    v = d->q < 0 ? v / wg__ten_real[-d->q] : v * wg__ten_real[d->q];
    return d->minus ? -v : v;
}

/* Tells whether v is the midpoint of two floats: only there can rounding to double and then to float go wrong.
 * (Subnormal floats are multiples of 2^-149.) */
static inline bool wg__between_floats(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    if (fabs(v) >= (double)FLT_MIN || v == 0) return (bits & 0x1fffffff) == 0x10000000;
    double halves = fabs(v) * 0x1p150;
    return halves == floor(halves) && fmod(halves, 2) == 1;
}

/* Returns the float nearest to the number from p to stop, whose nearest double is v. */
static inline float wg__decimal_narrow(double v, const char *p, const char *stop)
{
    return wg__between_floats(v) ? wg__decimal_float(p, stop) : (float)v;
}

enum wg__whole { WG__WHOLE, WG__FRACTION, WG__TOO_LARGE };
/* Finds |d| as a whole number in any spelling: 5, 5.0, 0.5e1. */
enum wg__whole wg__decimal_whole(const struct wg__decimal *d, uint64_t *magnitude);

#endif
