/* What cuBLAS's epilogues mean, asked of the device itself.
 *
 * The documentation leaves open whether relu keeps NaN, which way the sign of
 * an exact 0 goes, and how exact the tanh of gelu is.  So before a tape takes
 * such an epilogue, one small product goes through each of them.  Its operands
 * and products are short enough to be exact in every precision.
 *
 *   RELU, RELU_AUX   NaN must stay, all else be max(x, 0)
 *   DRELU            of ones, by what RELU_AUX left: 1 above 0, else 0
 *   GELU, GELU_AUX   NaN must stay; how far they are from gelu_tanh
 *   DGELU            of ones: how far it is from gelu_tanh's slope
 *
 * The forms with a bias, and those of other sizes, are taken to mean the same.
 * An epilogue that is refused here is one that means something else. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cuda/product/products.h"

enum { ROWS = 8, INNER = 8, COLS = 128 };
enum answer { RELU, RELU_SIGNS, RELU_SLOPE, GELU, GELU_KEPT, GELU_SLOPE, ANSWERS };

static const double EXACT_GELU = 1e-6;   /* what f32 leaves of a tanh, and of the polynomial in it */
static const double ROUGH_GELU = 0x1p-8; /* that of a tanh of 11 bits, which goes with operands that are rounded */

/* One piece of the device's memory, and the host's copy of it. */
struct sheet {
    float   a[ROWS][INNER], b[INNER][COLS]; /* of which the product is x */
    float   one_a[ROWS][INNER], one_b[INNER][COLS];
    float   y[ANSWERS][ROWS][COLS], kept[ROWS][COLS];
    uint8_t signs[ROWS * COLS / 8];
};

static const float row[ROWS] = {NAN, 0, 1, -1, 0.5f, -0.5f, 0.25f, -0.25f};
static float       col(int j) { return (float)(j - COLS / 2) / 8; } /* -8 .. 8 */
static float       product(int i, int j) { return row[i] * col(j); }

static void fill(struct sheet *s)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < ROWS; i++) {
        s->a[i][0] = row[i];
        s->one_a[i][0] = 1;
    }
    for (int j = 0; j < COLS; j++) {
        s->b[0][j] = col(j);
        s->one_b[0][j] = 1;
    }
}

/* ---- Asking ---- */

static const struct {
    cublasLtEpilogue_t kind;
    bool               of_ones;
} questions[ANSWERS] = {
    [RELU] = {CUBLASLT_EPILOGUE_RELU, false},          [RELU_SIGNS] = {CUBLASLT_EPILOGUE_RELU_AUX, false},
    [RELU_SLOPE] = {CUBLASLT_EPILOGUE_DRELU, true},    [GELU] = {CUBLASLT_EPILOGUE_GELU, false},
    [GELU_KEPT] = {CUBLASLT_EPILOGUE_GELU_AUX, false}, [GELU_SLOPE] = {CUBLASLT_EPILOGUE_DGELU, true}};

/* Computes answer k into the device's sheet; *said: cuBLAS gave it. A refusal by cuBLAS is no error. */
static int ask_answer(const struct wg__cuda_place *at, struct sheet *s, enum answer k, bool *said, struct wg__why *w)
{
    bool                         ones = questions[k].of_ones, signs = k <= RELU_SLOPE;
    struct wg__cuda_product_plan p;
    struct wg__gemm              g = {.dtype = WG_F32, .m = ROWS, .n = COLS, .k = INNER};
    struct wg__cuda_epilogue     e = {.kind = questions[k].kind, .to = s->y[k]};
    g.a = ones ? s->one_a : s->a;
    g.b = ones ? s->one_b : s->b;
    g.c = s->y[k];
    if (k != RELU && k != GELU) {
        e.aux = signs ? (void *)s->signs : s->kept;
        e.aux_ld = COLS;
    }
    int status = wg__cuda_product_plan_gemm(at, &g, &e, &p, w);
    *said = status == WG_OK;
    if (status) return status == WG_EARG ? WG_OK : status;
    status = wg__cuda_product_plan_run(at, &p, w);
    wg__cuda_product_plan_free(&p);
    return status;
}

static int ask_all(const struct wg__cuda_place *at, struct sheet *on_device, struct sheet *here, bool said[ANSWERS],
                   struct wg__why *w)
{
    cudaStream_t stream = at->launch.stream;
    int          status = WG_OK;
    fill(here);
    WG__TRY(at->d, w, cudaMemcpyAsync(on_device, here, sizeof *here, cudaMemcpyHostToDevice, stream));
    for (int k = 0; k < ANSWERS && !status; k++) status = ask_answer(at, on_device, (enum answer)k, &said[k], w);
    if (status) return status;
    WG__TRY(at->d, w, cudaMemcpyAsync(here, on_device, sizeof *here, cudaMemcpyDeviceToHost, stream));
    WG__TRY(at->d, w, cudaStreamSynchronize(stream));
    return WG_OK;
}

/* ---- Reading the answers ---- */

static double gelu(double x) { return x / 2 * (1 + tanh(0.79788456080286541 * (x + 0.044715 * x * x * x))); }
static double gelu_slope(double x)
{
    double t = tanh(0.79788456080286541 * (x + 0.044715 * x * x * x));
    return (1 + t) / 2 + x / 2 * (1 - t * t) * 0.79788456080286541 * (1 + 3 * 0.044715 * x * x);
}
static double relu(double x) { return x < 0 ? 0 : x; }
static double relu_slope(double x) { return x > 0; }
static double itself(double x) { return x; }

/* Returns the largest difference of y from f(x) relative to 1 + |f(x)|, where x is a number; infinity
 * if a number is NaN. */
static double distance(const float y[ROWS][COLS], double f(double x))
{
    double worst = 0;
    for (int i = 1; i < ROWS; i++)
        for (int j = 0; j < COLS; j++) {
            double want = f(product(i, j)), d = fabs(y[i][j] - want) / (1 + fabs(want));
            if (!(d <= worst)) worst = d == d ? d : INFINITY;
        }
    return worst;
}

static bool keeps_nan(const float y[ROWS][COLS])
{
    for (int j = 0; j < COLS; j++)
        if (!isnan(y[0][j])) return false;
    return true;
}

static struct wg__cuda_meaning read_answers(const struct sheet *s, const bool said[ANSWERS])
{
    struct wg__cuda_meaning m = {.known = true};
    double                  error = fmax(distance(s->y[GELU], gelu), distance(s->y[GELU_KEPT], gelu));
    bool                    kept = distance(s->kept, itself) == 0 && keeps_nan(s->kept);
    error = fmax(error, distance(s->y[GELU_SLOPE], gelu_slope));
    m.relu = said[RELU] && said[RELU_SIGNS] && keeps_nan(s->y[RELU]) && keeps_nan(s->y[RELU_SIGNS]) &&
             distance(s->y[RELU], relu) == 0 && distance(s->y[RELU_SIGNS], relu) == 0;
    m.slope = said[RELU_SIGNS] && said[RELU_SLOPE] && distance(s->y[RELU_SLOPE], relu_slope) == 0;
    m.gelu = said[GELU] && said[GELU_KEPT] && said[GELU_SLOPE] && kept && keeps_nan(s->y[GELU]) &&
             keeps_nan(s->y[GELU_KEPT]) && keeps_nan(s->y[GELU_SLOPE]) && error < ROUGH_GELU;
    m.error = (float)error;
    return m;
}

int wg__cuda_probe(const struct wg__cuda_place *at, struct wg__why *w)
{
    struct wg__cuda_meaning *m = &at->d->meaning[at->t->options.precision];
    struct sheet             here;
    void                    *on_device = NULL;
    bool                     said[ANSWERS] = {false};
    if (m->known) return WG_OK;
    int status = wg__cuda_alloc(at->d, sizeof here, "what epilogues are asked with", &on_device, w);
    if (status) return status;
    status = ask_all(at, on_device, &here, said, w);
    if (!status) *m = read_answers(&here, said);
    else {
        cudaStreamSynchronize(at->launch.stream);
        cudaGetLastError();
    }
    wg__cuda_release(at->d, on_device);
    return status;
}

/* ---- What follows from them ---- */

enum {
    RELU_BIT = CUBLASLT_EPILOGUE_RELU,
    GELU_BITS = CUBLASLT_EPILOGUE_GELU | (CUBLASLT_EPILOGUE_DGELU & ~CUBLASLT_EPILOGUE_GELU_AUX),
    SLOPE_BIT = CUBLASLT_EPILOGUE_DRELU & ~CUBLASLT_EPILOGUE_RELU_AUX,
    AUX_BIT = CUBLASLT_EPILOGUE_RELU_AUX & ~CUBLASLT_EPILOGUE_RELU
};

bool wg__cuda_is_open(cublasLtEpilogue_t kind) { return kind & (RELU_BIT | SLOPE_BIT | GELU_BITS); }

static bool gelu_is_ours(const struct wg__cuda_meaning *m, int precision)
{
    return m->gelu && m->error < (precision == WG_PRECISION_EXACT ? EXACT_GELU : ROUGH_GELU);
}

bool wg__cuda_means_ours(const struct wg__cuda_meaning *m, int precision, cublasLtEpilogue_t kind)
{
    bool signs = kind & SLOPE_BIT || (kind & RELU_BIT && kind & AUX_BIT);
    if (kind & GELU_BITS) return gelu_is_ours(m, precision);
    return (m->relu || !(kind & RELU_BIT)) && (m->slope || !signs);
}

void wg__cuda_say_meaning(const struct wg__cuda_meaning *m, int precision, char *text, size_t n)
{
    char error[48] = "";
    if (isfinite(m->error)) snprintf(error, sizeof error, " (off by %.1g)", (double)m->error);
    snprintf(text, n, "relu %s, its slope at 0 %s, gelu%s %s", m->relu ? "keeps NaN" : "loses NaN and is a kernel",
             m->slope ? "is 0" : "is not and is a kernel", error,
             gelu_is_ours(m, precision) ? "is taken" : "is a kernel");
}
