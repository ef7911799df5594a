/* Binary to decimal: the fewest digits that read back as the same value, and of
 * those the nearest to it.
 *
 * v = c 2^q is what everything between its neighbours' midpoints reads as.
 * That interval is 1 to 10 units of 10^k wide for the k below: some multiple of
 * 10^k lies in it, and at most one of 10^(k+1); so two of each, next to v, need
 * to be looked at.
 * (Giulietti, "The Schubfach way to render doubles", 2021.)  A float is the
 * same with other midpoints. */
#include <string.h>

#include "base/number/decimal.h"
#include "base/number/number.h"

/* Computes floor(log10 2^q); floor(log10 (3/4 2^q)) where closer. */
static int log10_of(int q, bool closer) { return (int)(((int64_t)q * 1262611 - (closer ? 524031 : 0)) >> 22); }

/* Computes four times a bound in units of 10^k: c 10^-k 2^h, rounded to odd, which keeps comparisons right.  g exceeds
 * the power by less than one unit, so that a product which is whole leaves 0 or 1 below the point. */
static uint64_t scale_bound(const uint64_t g[2], uint64_t c)
{
    wg__u128 low = (wg__u128)g[1] * c, high = (wg__u128)g[0] * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

struct digits {
    uint64_t d;
    int      k; /* d 10^k */
};

/* Tells whether just one of s and s + 1 units (of a quarter of `unit`) lies inside the bounds; *d is that one. */
static bool only_one(uint64_t s, uint64_t unit, uint64_t lower, uint64_t upper, uint64_t *d)
{
    bool below = lower <= unit * s, above = unit * (s + 1) <= upper;
    *d = s + above;
    return below != above;
}

/* Finds the shortest digits of c 2^q, c > 0.  closer: the neighbour below is half as far as the one above. */
static struct digits shortest(uint64_t c, int q, bool closer)
{
    int      k = log10_of(q, closer), h = q + (int)wg__log2_power(-k) + 1;
    uint64_t g[2] = {wg__powers[-k - WG__POWER_MIN][0], wg__powers[-k - WG__POWER_MIN][1]}, d;
    if (!wg__power_exact(-k)) g[0] += ++g[1] == 0;
    uint64_t odd = c & 1; /* a midpoint reads as its even neighbour */
    uint64_t lower = scale_bound(g, (4 * c - 2 + closer) << h) + odd, upper = scale_bound(g, (4 * c + 2) << h) - odd;
    uint64_t v = scale_bound(g, (4 * c) << h), s = v / 4;
    if (s >= 10 && only_one(s / 10, 40, lower, upper, &d)) return (struct digits){d, k + 1};
    if (only_one(s, 4, lower, upper, &d)) return (struct digits){d, k};
    uint64_t middle = 4 * s + 2;
    return (struct digits){s + (v > middle || (v == middle && s & 1)), k};
}

/* ---- As text ---- */

static int put_digits(uint64_t d, char *to)
{
    char text[20];
    int  n = 0;
    do text[19 - n++] = (char)('0' + d % 10);
    while (d /= 10);
    memcpy(to, text + 20 - n, (size_t)n);
    return n;
}

static int put_zeros(int n, char *to)
{
    memset(to, '0', (size_t)n);
    return n;
}

/* Writes a real number as JavaScript and Python do: without an exponent where that takes few zeros, but always with a
 * point or an exponent, so that a reader sees that the number is real.  Returns the number of bytes. */
static int put_decimal(struct digits v, char *to)
{
    while (v.d % 10 == 0) {
        v.d /= 10;
        v.k++;
    }
    char digit[20], *p = to;
    int  n = put_digits(v.d, digit), e = n + v.k - 1; /* d.ddd 10^e */
    bool plain = e >= -4 && e < 16;
    int  whole = !plain ? 1 : e < 0 ? 0 : e + 1 < n ? e + 1 : n; /* digits before the point */
    if (whole == 0) *p++ = '0';
    memcpy(p, digit, (size_t)whole);
    p += whole;
    if (plain && e >= n) p += put_zeros(e + 1 - n, p);
    if (plain || n > 1) *p++ = '.';
    if (plain && e < 0) p += put_zeros(-e - 1, p);
    memcpy(p, digit + whole, (size_t)(n - whole));
    p += n - whole;
    if (plain && whole == n) *p++ = '0';
    if (plain) return (int)(p - to);
    *p++ = 'e';
    if (e < 0) *p++ = '-';
    p += put_digits((uint64_t)(e < 0 ? -e : e), p);
    return (int)(p - to);
}

/* Writes the value with this sign, biased exponent and fraction of `bits` bits; returns the number of bytes. */
static int put_real(bool minus, int exponent, uint64_t fraction, int bits, int bias, char *to)
{
    int n = minus;
    if (minus) *to++ = '-';
    if (exponent == 0 && fraction == 0) {
        memcpy(to, "0.0", 3);
        return n + 3;
    }
    uint64_t hidden = exponent ? UINT64_C(1) << bits : 0;
    int      q = (exponent ? exponent : 1) - bias - bits;
    return n + put_decimal(shortest(hidden | fraction, q, fraction == 0 && exponent > 1), to);
}

int wg__shortest_float(float v, char to[static 32])
{
    uint32_t b;
    memcpy(&b, &v, sizeof b);
    return put_real(b >> 31, (int)(b >> 23 & 0xff), b & 0x7fffff, 23, 127, to);
}

int wg__shortest_double(double v, char to[static 32])
{
    uint64_t b;
    memcpy(&b, &v, sizeof b);
    return put_real(b >> 63, (int)(b >> 52 & 0x7ff), b & ((UINT64_C(1) << 52) - 1), 52, 1023, to);
}
