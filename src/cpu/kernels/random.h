/* random.h - for one real dtype; included twice by kernel_random.c with DTYPE,
 * T, M, EACH, ROUNDER and the functions unit, above_zero, turned and below. */
/* The parameters of a distribution. */
struct NAME(range) {
    T        a, b, last; /* low, width, largest below high; or mean, deviation */
    T        times;      /* 2 where the width would overflow, and then a and b are half of low and width */
    uint32_t least;      /* of a word that a mask keeps */
};
/* Makes n numbers, n even, of words. */
typedef void NAME(shape_fn)(int n, const uint32_t word[WORDS], struct NAME(range) q, T y[WORDS]);

static void NAME(as_uniform)(int n, const uint32_t word[WORDS], struct NAME(range) q, T y[WORDS])
{
    for (int64_t i = 0; i < n; i++) {
        T v = (NAME(unit)(word, i) * q.b + q.a) * q.times;
        y[i] = v > q.last ? q.last : v;
    }
}
static void NAME(as_normal)(int n, const uint32_t word[WORDS], struct NAME(range) q, T y[WORDS])
{
    for (int64_t i = 0; i < n; i += 2) {
        T u = NAME(above_zero)(word, i), v = 4 * NAME(unit)(word, i + 1);
        T sum = v + ROUNDER, angle = (v - (sum - ROUNDER)) * (T)1.5707963267948966; /* |angle| <= pi/4 */
        T radius = M(sqrt)(-2 * M(log)(u));
        T c = NAME(turned)(angle, M(bits)(sum) + 1), s = NAME(turned)(angle, M(bits)(sum));
        y[i] = radius * c * q.b + q.a;
        y[i + 1] = radius * s * q.b + q.a;
    }
}
static void NAME(as_mask)(int n, const uint32_t word[WORDS], struct NAME(range) q, T y[WORDS])
{
    for (int64_t i = 0; i < n; i++) y[i] = word[i] >= q.least ? q.a : 0;
}

/* Draws numbers first..first+n-1 of a distribution that makes `each` numbers of a block. */
static void NAME(pieces)(struct sequence s, int64_t first, int64_t n, int each, NAME(shape_fn) * shape,
                         struct NAME(range) q, T *y)
{
    uint32_t word[WORDS];
    T        piece[WORDS];
    for (int64_t i = 0, k; i < n; i += k) {
        int64_t skip = (first + i) % each, want = skip + n - i;
        int     blocks = want < BLOCKS * each ? (int)((want + each - 1) / each) : BLOCKS;
        draw(s, (first + i) / each, blocks, word);
        shape(blocks * each, word, q, piece);
        k = (want < blocks * each ? want : blocks * each) - skip;
        memcpy(y + i, piece + skip, (size_t)k * sizeof *y);
    }
}

/* ---- The three distributions ---- */

#define FUNCTION(name) LEVEL(NAME(wg__##name))

void FUNCTION(uniform)(RANDOM_ARGUMENTS, double lo, double hi, void *y);
void FUNCTION(uniform)(RANDOM_ARGUMENTS, double lo, double hi, void *y)
{
    struct NAME(range) q = {.a = (T)lo, .b = (T)hi - (T)lo, .times = 1};
    if (!(q.b < INFINITY)) {
        q.a = (T)lo / 2;
        q.b = (T)hi / 2 - (T)lo / 2;
        q.times = 2;
    }
    q.last = (T)hi > (T)lo ? NAME(below)((T)hi) : (T)lo;
    NAME(pieces)((struct sequence){seed, stream, run}, first, n, 4 / EACH, NAME(as_uniform), q, y);
}
void FUNCTION(normal)(RANDOM_ARGUMENTS, double mean, double sd, void *y);
void FUNCTION(normal)(RANDOM_ARGUMENTS, double mean, double sd, void *y)
{
    struct NAME(range) q = {.a = (T)mean, .b = (T)sd};
    NAME(pieces)((struct sequence){seed, stream, run}, first, n, 4 / EACH, NAME(as_normal), q, y);
}
void FUNCTION(mask)(RANDOM_ARGUMENTS, double p, void *y);
void FUNCTION(mask)(RANDOM_ARGUMENTS, double p, void *y)
{
    struct NAME(range) q = {.a = (T)(1 / (1 - p)), .least = (uint32_t)(p * 0x1p32)};
    NAME(pieces)((struct sequence){seed, stream, run}, first, n, 4, NAME(as_mask), q, y);
}

#undef FUNCTION
#undef DTYPE
#undef T
#undef M
#undef EACH
#undef ROUNDER
