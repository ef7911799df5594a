/* loops_common.h - numbers, comparisons, TAP and copies for the tests of loops. */
#ifndef WENGERT_TEST_LOOPS_COMMON_H
#define WENGERT_TEST_LOOPS_COMMON_H

/* ---- Numbers ---- */

static uint64_t state;
static uint64_t number()
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static int below(int n) { return (int)(number() % (uint64_t)n); }

/* A number of each dtype that finds edges: zeros, infinities, NaN and extremes are among them. */
static double real(bool tame)
{
    static const double edge[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1.0, -1.0, 0.5, 1e-30, 3e9, -3e9, 1e19, -1e19};
    if (!tame && below(12) == 0) return edge[below(13)];
    return (double)(int64_t)number() * 0x1p-62;
}
static int64_t whole(bool tame)
{
    static const int64_t edge[] = {0, -1, 1, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX, 255, 256};
    if (!tame && below(6) == 0) return edge[below(9)];
    return below(41) - 20;
}
static void fill(bytes &b, int dtype, bool tame)
{
    for (size_t i = 0, n = b.size() / wg_dtype_size((wg_dtype)dtype); i < n; i++) switch (dtype) {
        case WG_F32: ((float *)b.data())[i] = (float)real(tame); break;
        case WG_F64: ((double *)b.data())[i] = real(tame); break;
        case WG_I32: ((int32_t *)b.data())[i] = (int32_t)whole(tame); break;
        case WG_I64: ((int64_t *)b.data())[i] = whole(tame); break;
        case WG_U8: b[i] = (unsigned char)number(); break;
        default: b[i] = number() & 1;
        }
}

/* ---- Comparing ---- */

static double get(const bytes &b, int dtype, size_t i)
{
    return dtype == WG_F32 ? (double)((const float *)b.data())[i] : ((const double *)b.data())[i];
}
static bool is_real(int dtype) { return dtype == WG_F32 || dtype == WG_F64; }

/* Whether equal up to so many ulp; NaN equals NaN. */
static bool near(const bytes &a, const bytes &b, int dtype, double ulps, double slack)
{
    if (!is_real(dtype)) return a == b;
    double eps = dtype == WG_F32 ? 0x1p-23 : 0x1p-52, tiny = dtype == WG_F32 ? 0x1p-149 : 0x1p-1074;
    for (size_t i = 0, n = a.size() / wg_dtype_size((wg_dtype)dtype); i < n; i++) {
        double x = get(a, dtype, i), y = get(b, dtype, i);
        if (x != x && y != y) continue;
        if (x == y && (ulps > 0 || signbit(x) == signbit(y))) continue;
        if (ulps > 0 && fabs(x - y) <= ulps * (eps * fmax(fabs(x), fabs(y)) + tiny) + slack) continue;
        printf("# element %zu: %.17g, not %.17g\n", i, x, y);
        return false;
    }
    return true;
}
static bool same(const bytes &a, const bytes &b, int dtype) { return near(a, b, dtype, 0, 0); }

/* ---- TAP ---- */

static int  tests, failures;
static void say(bool good, const char *what)
{
    tests++;
    failures += !good;
    printf("%s %d - %s\n", good ? "ok" : "not ok", tests, what);
    fflush(stdout);
}

/* ---- Device ---- */

static void *to_device(const bytes &b)
{
    void *p = NULL;
    if (b.empty()) return NULL;
    cudaMalloc(&p, b.size());
    cudaMemcpy(p, b.data(), b.size(), cudaMemcpyHostToDevice);
    return p;
}
static void from_device(bytes &b, void *p)
{
    if (b.empty()) return;
    cudaMemcpy(b.data(), p, b.size(), cudaMemcpyDeviceToHost);
    cudaFree(p);
}

#endif
