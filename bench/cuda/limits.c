/* limits: what the device can do without Wengert, for tools/gpu-check: copies by
 * the runtime, products by cuBLASLt with the best of its proposals. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cublasLt.h>
#include <cuda_runtime.h>

static const char usage[] = "usage: limits [--quick] [\"WORK\" ...]\n"
                            "  device              its name, generation, memory, driver and runtime\n"
                            "  copy                bytes/s read and written by a copy on the device\n"
                            "  product PREC N      seconds of one [N,N] x [N,N]: fp32, tf32\n";

enum { ROUNDS = 5 };

static bool quick;

static bool check(cudaError_t e, const char *what)
{
    if (e) fprintf(stderr, "limits: %s: %s\n", what, cudaGetErrorString(e));
    return !e;
}
#define TRY(call) check((call), #call)

/* ---- Timing ---- */

struct job {
    cudaStream_t stream;
    bool (*ask)(const struct job *j);
    void                  *a, *b, *c, *workspace;
    size_t                 bytes, workspace_bytes;
    cublasLtHandle_t       blas;
    cublasLtMatmulDesc_t   desc;
    cublasLtMatrixLayout_t square;
    cublasLtMatmulAlgo_t   algo;
};

/* Times n calls: milliseconds, or a negative number on an error. */
static float time_of(const struct job *j, int n)
{
    cudaEvent_t from = NULL, to = NULL;
    float       ms = -1;
    bool        ok = TRY(cudaEventCreate(&from)) && TRY(cudaEventCreate(&to)) && TRY(cudaEventRecord(from, j->stream));
    for (int i = 0; i < n && ok; i++) ok = j->ask(j);
    ok = ok && TRY(cudaEventRecord(to, j->stream)) && TRY(cudaEventSynchronize(to));
    if (!ok || !TRY(cudaEventElapsedTime(&ms, from, to))) ms = -1;
    if (from) cudaEventDestroy(from);
    if (to) cudaEventDestroy(to);
    return ms;
}

/* Times one call: seconds, the best of some rounds of a tenth of a second. */
static double best_of(const struct job *j)
{
    int    n = 1;
    double best = -1;
    while (time_of(j, n) < 100 && !quick && n < 1 << 20) n *= 2;
    for (int i = 0; i < ROUNDS; i++) {
        double ms = time_of(j, n);
        if (ms >= 0 && (best < 0 || ms < best)) best = ms;
    }
    return best < 0 ? -1 : best * 1e-3 / n;
}

/* ---- The works ---- */

static bool ask_copy(const struct job *j)
{
    return TRY(cudaMemcpyAsync(j->b, j->a, j->bytes, cudaMemcpyDeviceToDevice, j->stream));
}

static double copy(struct job *j)
{
    j->ask = ask_copy;
    j->bytes = quick ? 4096 : (size_t)256 << 20;
    if (!TRY(cudaMalloc(&j->a, j->bytes)) || !TRY(cudaMalloc(&j->b, j->bytes))) return -1;
    if (!TRY(cudaMemset(j->a, 1, j->bytes))) return -1;
    double t = best_of(j);
    return t > 0 ? 2 * (double)j->bytes / t : quick && t == 0 ? 1 : -1;
}

static bool succeeded(cublasStatus_t s, const char *what)
{
    if (s) fprintf(stderr, "limits: %s: %s\n", what, cublasLtGetStatusString(s));
    return !s;
}
#define DO(call) succeeded((call), #call)

static bool ask_product(const struct job *j)
{
    float one = 1, zero = 0;
    return DO(cublasLtMatmul(j->blas, j->desc, &one, j->a, j->square, j->b, j->square, &zero, j->c, j->square, j->c,
                             j->square, &j->algo, j->workspace, j->workspace_bytes, j->stream));
}

/* Fills an operand with numbers, since zeros cost less power and so less time. */
static bool fill(void *to, int64_t n)
{
    float   *x = malloc((size_t)n * sizeof *x);
    uint64_t s = 1;
    for (int64_t i = 0; x && i < n; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(s >> 40) * 0x1p-24f - 0.5f;
    }
    bool ok = x && TRY(cudaMemcpy(to, x, (size_t)n * sizeof *x, cudaMemcpyHostToDevice));
    free(x);
    return ok;
}

static bool make_product(struct job *j, bool tf32, int64_t n)
{
    size_t bytes = (size_t)(n * n) * sizeof(float);
    j->ask = ask_product;
    j->workspace_bytes = (size_t)32 << 20;
    bool ok = TRY(cudaMalloc(&j->a, bytes)) && TRY(cudaMalloc(&j->b, bytes)) && TRY(cudaMalloc(&j->c, bytes));
    ok = ok && TRY(cudaMalloc(&j->workspace, j->workspace_bytes)) && fill(j->a, n * n) && fill(j->b, n * n);
    ok = ok && DO(cublasLtCreate(&j->blas));
    ok = ok &&
         DO(cublasLtMatmulDescCreate(&j->desc, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
    return ok && DO(cublasLtMatrixLayoutCreate(&j->square, CUDA_R_32F, (uint64_t)n, (uint64_t)n, n));
}

static double product(struct job *j, bool tf32, int64_t n)
{
    enum { PROPOSALS = 4 };
    cublasLtMatmulPreference_t      p = NULL;
    cublasLtMatmulHeuristicResult_t r[PROPOSALS];
    int                             found = 0;
    double                          best = -1;
    if (!make_product(j, tf32, n)) return -1;
    bool ok = DO(cublasLtMatmulPreferenceCreate(&p)) &&
              DO(cublasLtMatmulPreferenceSetAttribute(p, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &j->workspace_bytes,
                                                      sizeof j->workspace_bytes)) &&
              DO(cublasLtMatmulAlgoGetHeuristic(j->blas, j->desc, j->square, j->square, j->square, j->square, p,
                                                PROPOSALS, r, &found));
    for (int i = 0; i < found && ok; i++) {
        if (r[i].state != CUBLAS_STATUS_SUCCESS) continue;
        j->algo = r[i].algo;
        double t = best_of(j);
        if (t >= 0 && (best < 0 || t < best)) best = t;
    }
    if (p) cublasLtMatmulPreferenceDestroy(p);
    return best;
}

static void release(struct job *j)
{
    if (j->square) cublasLtMatrixLayoutDestroy(j->square);
    if (j->desc) cublasLtMatmulDescDestroy(j->desc);
    if (j->blas) cublasLtDestroy(j->blas);
    if (j->a) cudaFree(j->a);
    if (j->b) cudaFree(j->b);
    if (j->c) cudaFree(j->c);
    if (j->workspace) cudaFree(j->workspace);
    if (j->stream) cudaStreamDestroy(j->stream);
}

static int tell_device(void)
{
    struct cudaDeviceProp p;
    int                   driver = 0, runtime = 0;
    if (!TRY(cudaGetDeviceProperties(&p, 0)) || !TRY(cudaDriverGetVersion(&driver))) return 1;
    if (!TRY(cudaRuntimeGetVersion(&runtime))) return 1;
    printf("device %s, sm_%d%d, %zu MiB, CUDA driver %d.%d, runtime %d.%d\n", p.name, p.major, p.minor,
           p.totalGlobalMem >> 20, driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    return 0;
}

static int answer(const char *line)
{
    struct job j = {0};
    char       precision[8] = "";
    long long  n = 0;
    double     t = -1;
    if (!strcmp(line, "device")) return tell_device();
    bool is_product = sscanf(line, "product %7s %lld", precision, &n) == 2 && n > 0;
    if (!is_product && strcmp(line, "copy")) return fputs(usage, stderr), 1;
    if (!TRY(cudaStreamCreateWithFlags(&j.stream, cudaStreamNonBlocking))) return 1;
    t = is_product ? product(&j, !strcmp(precision, "tf32"), quick ? 8 : n) : copy(&j);
    if (t >= 0) printf("limit %s %.9g\n", line, t);
    fflush(stdout);
    release(&j);
    return t < 0;
}

int main(int argc, char **argv)
{
    int bad = 0;
    if (argc > 1 && !strcmp(argv[1], "--help")) return fputs(usage, stdout), 0;
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--quick")) quick = true;
        else bad |= answer(argv[i]);
    return bad;
}
