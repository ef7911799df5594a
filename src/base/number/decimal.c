/* Decimal to binary, always the nearest value, halves to even.
 *
 * Almost every number takes one of two exact ways: Clinger's (decimal.h), or
 * the product of its digits and 128 leading bits of the power of ten, after
 * Lemire, "Number parsing at a gigabyte per second" (2021).  That product is
 * too small by less than a known amount; where the amount matters, strtod
 * decides. */
#include <stdio.h>
#include <stdlib.h>

#include "base/number/decimal.h"

const uint64_t wg__powers[WG__POWER_MAX - WG__POWER_MIN + 1][2] = {
#include "base/number/powers.def"
};

const uint64_t wg__ten[20] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
    10000000000000000000u,
};

const double wg__ten_real[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Reads the first 19 digits from the first that is not zero.  q was set for all digits; those left out are added to
 * it. */
void wg__decimal_long(const char *p, const char *stop, struct wg__decimal *d)
{
    int n = 0;
    d->w = 0;
    for (; p < stop; p++) {
        if (*p == '.') continue;
        if (n == 19) {
            d->cut |= *p != '0';
            d->q++;
            continue;
        }
        d->w = d->w * 10 + (uint64_t)(*p - '0');
        n += d->w > 0;
    }
}

/* ---- Eisel and Lemire's way ---- */

static const uint64_t INFINITE = UINT64_C(0x7ff) << 52;

/* Finds the bits of the double nearest to w 10^q, w > 0; false if the product is too close to a midpoint to decide.
 *
 * With g from the table, 10^q = (g + x) 2^(e - 127), 0 <= x < 1, and x = 0 if exact.  w is moved up to 64 bits.
 * high:middle:low = w g has 191 or 192 bits; the true product is less than w < 2^64 above it, that is, counted in units
 * of middle, less than one above high:middle:low.  Of high, the leading 53 bits are the significand, fewer of a
 * subnormal number; the rest is compared with a half. */
static bool nearest(uint64_t w, int64_t q, uint64_t *bits)
{
    *bits = q < 0 ? 0 : INFINITE;
    if (q < WG__POWER_MIN || q > WG__POWER_MAX) return true; /* 2^64 10^-343 is less than half the least double */
    const uint64_t *g = wg__powers[q - WG__POWER_MIN];
    int             zeros = __builtin_clzll(w);
    w <<= zeros;
    wg__u128 tail = (wg__u128)w * g[1], head = (wg__u128)w * g[0] + (uint64_t)(tail >> 64);
    uint64_t high = (uint64_t)(head >> 64), middle = (uint64_t)head, low = (uint64_t)tail;
    int      top = (int)(high >> 63), shift = 10 + top;
    int64_t  e = wg__log2_power(q) + 63 + top - zeros; /* w 10^q is in 2^e .. 2^(e + 1) */
    if (e > 1023 || e < -1076) return true;
    if (e < -1022) {
        shift += (int)(-1022 - e);
        e = -1023;
    }
    if (shift > 63) return false;
    uint64_t m = high >> shift, half = UINT64_C(1) << (shift - 1), rest = high & (2 * half - 1);
    bool     exact = wg__power_exact(q);
    if (!exact && rest == half - 1 && middle == UINT64_MAX) return false;
    m += rest > half || (rest == half && (!exact || middle || low || m & 1));
    /* Bit 52 of m, or a carry into bit 53, adds to the exponent as it should. */
    *bits = (e < -1022 ? 0 : (uint64_t)(e + 1022) << 52) + m;
    return true;
}

/* ---- strtod, for what is left ---- */

enum { DIGITS = 800, TEXT = DIGITS + 32 };

/* Writes the number from p to stop without a point, which strtod reads by the locale, in DIGITS digits at most.  A
 * midpoint of two doubles has no more than 767 digits, so of the digits left out it only matters whether one is not
 * zero: then a 1 follows. */
static void write_without_point(const char *p, const char *stop, char to[TEXT])
{
    int64_t q = 0;
    int     n = 0;
    bool    point = false, more = false;
    if (*p == '-') {
        *to++ = '-';
        p++;
    }
    for (; p < stop && (*p | 0x20) != 'e'; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        bool keep = n < DIGITS;
        q += !keep - point;
        more |= !keep && *p != '0';
        if (keep && (n || *p != '0')) to[n++] = *p;
    }
    if (more) {
        to[n++] = '1';
        q--;
    }
    if (n == 0) to[n++] = '0';
    if (p < stop) wg__exponent(p + 1, stop, &q);
    q = q < -99999 ? -99999 : q > 99999 ? 99999 : q;
    snprintf(to + n, 16, "e%d", (int)q);
}

static double read_by_strtod(const char *p, const char *stop)
{
    char text[TEXT];
    write_without_point(p, stop, text);
    return strtod(text, NULL);
}

float wg__decimal_float(const char *p, const char *stop)
{
    char text[TEXT];
    write_without_point(p, stop, text);
    return strtof(text, NULL);
}

double wg__decimal_nearest(const struct wg__decimal *d, const char *p, const char *stop)
{
    uint64_t bits = 0, next;
    double   v;
    /* Of a cut number both neighbours must round to the same. */
    if (d->w && (!nearest(d->w, d->q, &bits) || (d->cut && (!nearest(d->w + 1, d->q, &next) || next != bits))))
        return read_by_strtod(p, stop);
    bits |= (uint64_t)d->minus << 63;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* ---- Whole numbers ---- */

enum wg__whole wg__decimal_whole(const struct wg__decimal *d, uint64_t *magnitude)
{
    uint64_t w = *magnitude = d->w;
    if (w == 0 || (d->q == 0 && !d->cut)) return WG__WHOLE;
    if (d->cut) return d->q > 0 ? WG__TOO_LARGE : WG__FRACTION; /* w >= 10^18, and digits are left after it */
    if (d->q < -19) return WG__FRACTION;                        /* w < 2^64 < 10^20 */
    if (d->q < 0) {
        uint64_t ten = wg__ten[-d->q];
        *magnitude = w / ten;
        return w % ten ? WG__FRACTION : WG__WHOLE;
    }
    return d->q > 19 || __builtin_mul_overflow(w, wg__ten[d->q], magnitude) ? WG__TOO_LARGE : WG__WHOLE;
}
