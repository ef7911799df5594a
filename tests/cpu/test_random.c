/* The generators: known answers, independence of how a draw is split, shape. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number/philox.h"
#include "cpu/level_test.h"

enum { DRAWS = 1 << 16 };

/* Known answers published with Random123 for philox4x32, 10 rounds. */
Test(cpu_random, philox_gives_the_published_words)
{
    static const struct {
        struct philox in;
        uint32_t      out[4];
    } known[] = {
        {{0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct philox p = philox(known[i].in);
        cr_expect(p.a == known[i].out[0] && p.b == known[i].out[1] && p.c == known[i].out[2] && p.d == known[i].out[3],
                  "vector %zu", i);
    }
}

Test(cpu_random, elements_are_the_words_in_order)
{
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        float                     y[40], m[40];
        if (!k) continue;
        k->uniform[0](0x123456789abcdef0, 7, 3, 400, 40, 0, 1, y),
            k->mask[0](0x123456789abcdef0, 7, 3, 400, 40, 0.25, m);
        for (int i = 0; i < 40; i++) {
            struct philox  p = philox(philox_at(0x123456789abcdef0, 7, 3, (uint64_t)(100 + i / 4)));
            const uint32_t word[4] = {p.a, p.b, p.c, p.d};
            cr_expect_eq(y[i], (float)(word[i % 4] >> 8) * 0x1p-24f);
            cr_expect_eq(m[i], word[i % 4] < 0x40000000 ? 0 : 1 / 0.75f);
        }
    }
}

/* ---- A draw by kind: 0 uniform, 1 normal, 2 mask ---- */

enum { KINDS = 3 };

static void draw(const struct wg__kernels *k, int kind, int t, uint64_t stream, uint64_t run, int64_t first, int64_t n,
                 void *y)
{
    if (kind == 0) k->uniform[t](42, stream, run, first, n, 0, 1, y);
    else if (kind == 1) k->normal[t](42, stream, run, first, n, 0, 1, y);
    else k->mask[t](42, stream, run, first, n, 0.3, y);
}

Test(cpu_random, any_split_gives_the_same_numbers)
{
    static const int cuts[] = {0, 1, 2, 3, 5, 127, 128, 129, 255, 256, 257, 300, 511, 513, 700};
    enum { N = 700, CUTS = sizeof cuts / sizeof *cuts };
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        for (int kind = 0; k && kind < KINDS; kind++)
            for (int t = 0; t < 2; t++) {
                char   all[N * 8], pieces[N * 8], one[8];
                size_t size = t ? 8 : 4;
                draw(k, kind, t, 1, 2, 1000, N, all);
                for (int c = 0; c + 1 < CUTS; c++)
                    draw(k, kind, t, 1, 2, 1000 + cuts[c], cuts[c + 1] - cuts[c], pieces + size * (size_t)cuts[c]);
                cr_expect_eq(memcmp(all, pieces, N * size), 0, "kind %d, type %d at %s", kind, t, k->level);
                for (int i = 0; i < N; i += 37) {
                    draw(k, kind, t, 1, 2, 1000 + i, 1, one);
                    cr_expect_eq(memcmp(all + size * (size_t)i, one, size), 0);
                }
            }
    }
}

Test(cpu_random, every_level_gives_the_same_numbers)
{
    enum { N = 5000 };
    static double x[N], y[N];
    for (int l = 1; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]), *plain = wg__kernels_of("baseline");
        for (int kind = 0; k && kind < KINDS; kind++)
            for (int t = 0; t < 2; t++) {
                draw(k, kind, t, 3, 4, 0, N, x), draw(plain, kind, t, 3, 4, 0, N, y);
                cr_expect_eq(memcmp(x, y, N * (t ? 8 : 4)), 0, "kind %d, type %d at %s", kind, t, k->level);
            }
    }
}

Test(cpu_random, stream_run_and_seed_make_other_numbers)
{
    static const uint64_t other[][3] = {
        {42, 0, 0}, {43, 0, 0}, {42 + (UINT64_C(1) << 32), 0, 0}, {42, UINT64_C(3) << 40, 0},
        {42, 1, 0}, {42, 0, 1}, {42, 0, UINT64_C(1) << 32}};
    enum { OTHERS = sizeof other / sizeof *other };
    double                    y[OTHERS][8], far[8];
    const struct wg__kernels *k = wg__kernels();
    for (int i = 0; i < OTHERS; i++) k->uniform[1](other[i][0], other[i][1], other[i][2], 0, 8, 0, 1, y[i]);
    k->uniform[1](42, 0, 0, INT64_C(1) << 33, 8, 0, 1, far);
    for (int i = 0; i < OTHERS; i++) {
        cr_expect_neq(memcmp(y[i], far, sizeof far), 0);
        for (int j = 0; j < i; j++) cr_expect_neq(memcmp(y[i], y[j], sizeof far), 0, "%d and %d", i, j);
    }
}

/* Numbers known beforehand, so that a later version, compiler or machine draws the same. */
Test(cpu_random, numbers_of_a_seed_stay)
{
    float  n32[4];
    double n64[2];
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        if (!k) continue;
        k->normal[0](42, UINT64_C(1) << 40, 1, 0, 4, 0, 1, n32);
        k->normal[1](42, UINT64_C(1) << 40, 1, 0, 2, 0, 1, n64);
        cr_expect(n32[0] == 0x1.4a6296p-4f && n32[3] == -0x1.042ef6p-2f, "%a %a at %s", (double)n32[0], (double)n32[3],
                  k->level);
        cr_expect(n64[0] == -0x1.64569bcc648ap-1 && n64[1] == -0x1.fccd451e99949p-3, "%a %a at %s", n64[0], n64[1],
                  k->level);
    }
}

Test(cpu_random, a_range_wider_than_the_dtype_is_spread_over)
{
    enum { N = 1000 };
    static double x[N];
    static float  f[N];
    int           below[2] = {0}, outer[2] = {0};
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        if (!k) continue;
        k->uniform[0](1, 2, 3, 0, N, -3e38, 3e38, f);
        k->uniform[1](1, 2, 3, 0, N, -1.5e308, 1.6e308, x);
        memset(below, 0, sizeof below), memset(outer, 0, sizeof outer);
        for (int i = 0; i < N; i++) {
            cr_assert(f[i] >= -3e38f && f[i] < 3e38f && x[i] >= -1.5e308 && x[i] < 1.6e308);
            below[0] += f[i] < 0, below[1] += x[i] < 0;
            outer[0] += fabsf(f[i]) > 1.5e38f, outer[1] += fabs(x[i]) > 0.75e308;
        }
        for (int t = 0; t < 2; t++) cr_expect(below[t] > 400 && below[t] < 600 && outer[t] > 400 && outer[t] < 620);
    }
}

/* ---- Shape ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Largest distance between the empirical distribution and the true one, times sqrt(n):
 * above 1.95 once in a thousand draws (Kolmogorov), and the draw is fixed. */
static double kolmogorov(double *x, int n, int normal)
{
    double most = 0;
    qsort(x, (size_t)n, sizeof *x, ascending);
    for (int i = 0; i < n; i++) {
        double p = normal ? 0.5 * erfc(-x[i] / sqrt(2)) : x[i];
        most = fmax(most, fmax(fabs(p - (double)i / n), fabs(p - (double)(i + 1) / n)));
    }
    return most * sqrt(n);
}

static double correlation(const double *x, int n, int lag)
{
    double sxy = 0, sxx = 0, mean = 0;
    for (int i = 0; i < n; i++) mean += x[i] / n;
    for (int i = 0; i + lag < n; i++) sxy += (x[i] - mean) * (x[i + lag] - mean);
    for (int i = 0; i < n; i++) sxx += (x[i] - mean) * (x[i] - mean);
    return sxy / sxx;
}

Test(cpu_random, numbers_have_the_distribution_they_claim)
{
    static double             x[DRAWS];
    static float              f[DRAWS];
    const struct wg__kernels *k = wg__kernels();
    for (int kind = 0; kind < 2; kind++)
        for (int t = 0; t < 2; t++) {
            double m[5] = {0};
            draw(k, kind, t, 9, 9, 0, DRAWS, t ? (void *)x : (void *)f);
            for (int i = 0; i < DRAWS; i++) {
                if (!t) x[i] = f[i];
                for (int j = 1; j < 5; j++) m[j] += pow(x[i] - (kind ? 0 : 0.5), j) / DRAWS;
            }
            for (int lag = 1; lag < 5; lag++) cr_expect_lt(fabs(correlation(x, DRAWS, lag)), 0.02, "lag %d", lag);
            cr_expect_lt(fabs(m[1]), 0.02);
            cr_expect_lt(fabs(m[2] - (kind ? 1 : 1.0 / 12)), 0.02);
            cr_expect_lt(fabs(m[3]), 0.05);
            cr_expect_lt(fabs(m[4] - (kind ? 3 : 1.0 / 80)), 0.12);
            cr_expect_lt(kolmogorov(x, DRAWS, kind), 1.95, "kind %d, type %d", kind, t);
        }
}

Test(cpu_random, uniform_numbers_stay_in_their_range)
{
    static float              f[DRAWS];
    static double             d[DRAWS];
    const struct wg__kernels *k = wg__kernels();
    k->uniform[0](1, 1, 1, 0, DRAWS, -1, 1 + 0x1p-20, f), k->uniform[1](1, 1, 1, 0, DRAWS, 3, 3 + 0x1p-50, d);
    for (int i = 0; i < DRAWS; i++) {
        cr_assert(f[i] >= -1 && f[i] < 1 + 0x1p-20f, "%a", (double)f[i]);
        cr_assert(d[i] >= 3 && d[i] < 3 + 0x1p-50, "%a", d[i]);
    }
    k->uniform[0](1, 1, 1, 0, 8, 2, 2, f);
    for (int i = 0; i < 8; i++) cr_expect_eq(f[i], 2);
}

Test(cpu_random, a_mask_drops_the_share_it_was_told)
{
    static const double p[] = {0, 0.1, 0.5, 0.9};
    static float        f[DRAWS];
    for (size_t j = 0; j < sizeof p / sizeof *p; j++) {
        int dropped = 0;
        wg__kernels()->mask[0](5, 6, 7, 0, DRAWS, p[j], f);
        for (int i = 0; i < DRAWS; i++) {
            cr_assert(f[i] == 0 || f[i] == (float)(1 / (1 - p[j])));
            dropped += f[i] == 0;
        }
        cr_expect_lt(fabs((double)dropped / DRAWS - p[j]), 0.01);
    }
}
