/* tapes: what tapes on a CUDA device do in a second, for tools/gpu-check.
 *
 * Everything is on the device before the clock starts, unless a way ends in -fed:
 * then each step copies a batch from host memory.  The time of a run is that of
 * 3 n runs less that of n, by 2 n, each with one value read back at its end. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wengert/train.h>

static const char usage[] =
    "usage: tapes [--quick] [--seconds S] [\"WORK\" ...]      or works on stdin, one a line\n"
    "  train WAY BATCH     784-512-512-10 with Adam: images/s, first and last loss; fp32, tf32, each also with\n"
    "                      -fed, -plain or -loops (what cuBLASLt does on the way: bias and relu; nothing)\n"
    "  bytes KIND          bytes/s read and written: elementwise, softmax, sum_rows, sum_columns, adam\n"
    "  product PREC N      seconds of one [N,N] x [N,N], 16 in a tape: fp32, tf32\n"
    "  latency KIND        seconds of a run: step, checked (labels are), host (until wg_run returns), adam_small\n"
    "--quick: sizes for a test that measures nothing.\n";

enum { CLASSES = 10, BATCHES = 8, PRODUCTS = 16, MOST_WORKS = 40, BURST = 64 };

struct work {
    char      name[64];
    wg_graph *g;
    wg_tape  *t;
    wg_node  *end;    /* one element: read back, everything before it is done */
    double    amount; /* of a run: images, bytes, products */
    bool      inverse, host;
    wg_node  *x, *label; /* fed */
    float    *image;     /* [BATCHES, count of x] */
    uint8_t  *digit;
    int64_t   images, pixels;
    double    first, last; /* losses */
};

struct bench {
    bool        quick;
    double      seconds;
    int         n;
    struct work work[MOST_WORKS];
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- Works ---- */

/* Sets an input of 64 bytes at most to zeros, if the tape has it. */
static void clear_input(wg_tape *t, const wg_node *x)
{
    static const double zeros[8];
    if (t && x && wg_tape_shape(t, x)) wg_set(t, x, zeros);
}

static void finish(struct work *w, wg_node *out, int precision)
{
    wg_node *one = NULL;
    if (!w->end) { /* something small behind all else */
        one = wg_input(w->g, "one", WG_F32, WG_SCALAR);
        w->end = wg_neg(one);
    }
    w->t = wg_compile(w->g, WG_NODES(out, w->end), &(wg_options){.device = WG_DEVICE_CUDA(0), .precision = precision});
    clear_input(w->t, one);
}

static wg_node *filled(struct work *w, const char *name, wg_shape s, double range)
{
    wg_node *p = wg_param(w->g, name, WG_F32, s);
    wg_init(p, &(wg_initializer){.kind = WG_INIT_UNIFORM, .a = -range, .b = range});
    return p;
}

static void make_batches(struct work *w)
{
    uint64_t s = 1;
    w->image = malloc((size_t)(BATCHES * w->images * w->pixels) * sizeof *w->image);
    w->digit = malloc((size_t)(BATCHES * w->images));
    for (int64_t i = 0; w->image && i < BATCHES * w->images * w->pixels; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        w->image[i] = (float)(s >> 40) * 0x1p-24f;
    }
    for (int64_t i = 0; w->digit && i < BATCHES * w->images; i++) w->digit[i] = (uint8_t)(i * 7 % CLASSES);
}

static int set_batch(struct work *w, int64_t i)
{
    const float   *image = w->image + i % BATCHES * w->images * w->pixels;
    const uint8_t *digit = w->digit + i % BATCHES * w->images;
    int            status = wg_set(w->t, w->x, image);
    return status ? status : wg_set(w->t, w->label, digit);
}

/* Sets which epilogues the next tape is compiled with. */
static void choose_epilogues(const char *way)
{
    const char *which = strstr(way, "-plain") ? "plain" : strstr(way, "-loops") ? "none" : "all";
    setenv("WG_CUDA_EPILOGUES", which, 1);
}

static bool open_train(const struct bench *b, struct work *w, char *word[])
{
    int64_t hidden = b->quick ? 8 : 512;
    bool    tf32 = !strncmp(word[1], "tf32", 4), fed = strstr(word[1], "-fed") != NULL;
    if (!tf32 && strncmp(word[1], "fp32", 4)) return false;
    w->images = b->quick ? 4 : atoll(word[2]);
    w->pixels = b->quick ? 12 : 784;
    w->amount = (double)w->images;
    w->x = wg_input(w->g, "x", WG_F32, WG_SHAPE(w->images, w->pixels));
    w->label = wg_input(w->g, "label", WG_U8, WG_SHAPE(w->images));
    wg_node *h = wg_relu(wg_dense(w->x, hidden, "fc1"));
    wg_node *y = wg_dense(wg_relu(wg_dense(h, hidden, "fc2")), CLASSES, "fc3");
    w->end = wg_softmax_cross_entropy(y, w->label);
    choose_epilogues(word[1]);
    finish(w, wg_minimize(w->end, &(wg_solver){.kind = WG_SOLVER_ADAM, .rate = 1e-3}),
           tf32 ? WG_PRECISION_TF32 : WG_PRECISION_EXACT);
    make_batches(w);
    if (!w->image || !w->digit || !w->t || set_batch(w, 0) || wg_run(w->t)) return false;
    w->first = wg_get_scalar(w->t, w->end);
    if (!fed) free(w->image), w->image = NULL;
    return true;
}

/* Makes an Adam step over n parameters of a shape, whose gradients lie in memory. */
static wg_node *adam_over(struct work *w, int n, wg_shape s)
{
    wg_node **p = calloc((size_t)n, sizeof *p), *loss = NULL;
    char      name[32];
    for (int i = 0; p && i < n; i++) {
        snprintf(name, sizeof name, "p%d", i);
        p[i] = filled(w, name, s, 1);
        snprintf(name, sizeof name, "g%d", i);
        wg_node *term = wg_sum(wg_mul(p[i], filled(w, name, s, 1)), WG_ALL_AXES, 0);
        loss = loss ? wg_add(loss, term) : term;
    }
    wg_node *step = p ? wg_minimize_over(loss, n, p, &(wg_solver){.kind = WG_SOLVER_ADAM, .rate = 1e-3}) : NULL;
    free(p);
    return step;
}

static bool open_bytes(const struct bench *b, struct work *w, char *word[])
{
    int64_t  columns = b->quick ? 32 : 1024, rows = b->quick ? 16 : 1 << 16;
    double   bytes = 4.0 * (double)(rows * columns);
    wg_node *x = filled(w, "x", WG_SHAPE(rows, columns), 1), *y = NULL;
    if (!strcmp(word[1], "elementwise")) {
        wg_node *z = filled(w, "z", WG_SHAPE(rows, columns), 1);
        y = wg_add(wg_mul(x, z), x);
        w->amount = 3 * bytes;
    } else if (!strcmp(word[1], "softmax")) {
        y = wg_softmax(x, -1);
        w->amount = 2 * bytes;
    } else if (!strncmp(word[1], "sum_", 4)) {
        y = wg_sum(x, WG_AXES(strcmp(word[1], "sum_rows") ? 0 : 1), 0);
        w->amount = bytes;
    } else if (!strcmp(word[1], "adam")) { /* reads p, m, s and the gradient, writes p, m and s */
        int64_t n = b->quick ? 4 : 100, m = b->quick ? 8 : 400, k = b->quick ? 9 : 800;
        y = adam_over(w, (int)n, WG_SHAPE(m, k));
        w->amount = 28.0 * (double)(n * m * k);
    }
    finish(w, y, WG_PRECISION_EXACT);
    return w->t;
}

static bool open_product(const struct bench *b, struct work *w, char *word[])
{
    int64_t  n = b->quick ? 8 : atoll(word[2]);
    wg_node *h = filled(w, "x", WG_SHAPE(n, n), 1), *y = filled(w, "y", WG_SHAPE(n, n), sqrt(3 / (double)n));
    for (int i = 0; i < PRODUCTS; i++) h = wg_matmul(h, y);
    w->amount = PRODUCTS;
    w->inverse = true;
    finish(w, h, strcmp(word[1], "tf32") ? WG_PRECISION_EXACT : WG_PRECISION_TF32);
    return w->t;
}

static bool open_latency(const struct bench *b, struct work *w, char *word[])
{
    wg_node *x = wg_input(w->g, "x", WG_F32, WG_SHAPE(2, 4));
    wg_node *y = wg_dense(wg_relu(wg_dense(x, 8, "fc1")), 3, "fc2"), *step;
    wg_node *label = wg_input(w->g, "label", WG_U8, WG_SHAPE(2));
    bool     checked = !strcmp(word[1], "checked");
    if (!strcmp(word[1], "adam_small")) {
        step = adam_over(w, b->quick ? 4 : 400, WG_SHAPE(32, 32));
    } else {
        w->end = checked ? wg_softmax_cross_entropy(y, label) : wg_mse(y, wg_fill(w->g, WG_F32, WG_SHAPE(2, 3), 1));
        step = wg_minimize(w->end, &(wg_solver){.kind = WG_SOLVER_SGD, .rate = 1e-3});
    }
    w->amount = 1;
    w->inverse = true;
    w->host = !strcmp(word[1], "host");
    finish(w, step, WG_PRECISION_EXACT);
    clear_input(w->t, x), clear_input(w->t, label);
    return w->t;
}

static const struct kind {
    const char *name;
    int         words;
    bool (*open)(const struct bench *b, struct work *w, char *word[]);
} kinds[] = {
    {"train", 3, open_train}, {"bytes", 2, open_bytes}, {"product", 3, open_product}, {"latency", 2, open_latency}};

static const struct kind *kind_of(int n, char *word[])
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n == kinds[i].words && !strcmp(word[0], kinds[i].name)) return &kinds[i];
    return NULL;
}

static void close_work(struct work *w)
{
    wg_graph_free(w->g);
    free(w->image);
    free(w->digit);
    *w = (struct work){0};
}

/* Opens the work of a line, or finds it: a work stays open, because its turn comes again. A work that
 * fills the memory does not stay. */
static struct work *open_work(struct bench *b, const char *line)
{
    char copy[64], *word[4];
    int  n = 0;
    bool large = !strncmp(line, "bytes", 5);
    for (int i = 0; i < b->n; i++)
        if (!strcmp(b->work[i].name, line)) return &b->work[i];
    snprintf(copy, sizeof copy, "%s", line);
    for (char *s = strtok(copy, " "); s && n < 4; s = strtok(NULL, " ")) word[n++] = s;
    const struct kind *k = kind_of(n, word);
    if (!k || b->n == MOST_WORKS) return printf("%s absent: %s\n", line, k ? "too many works" : "no such work"), NULL;
    struct work *w = &b->work[b->n];
    *w = (struct work){.g = wg_graph_new()};
    snprintf(w->name, sizeof w->name, "%s", line);
    if (k->open(b, w, word)) return b->n += !large, w;
    const char *why = w->t ? wg_tape_message(w->t) : wg_message(w->g);
    printf("%s absent: %s\n", line, wg_status(w->g) || w->t ? why : "no such way");
    return close_work(w), NULL;
}

/* ---- Measuring ---- */

/* Times n runs: seconds, or a negative number on an error. */
static double time_of(struct work *w, int64_t n)
{
    double start = now();
    for (int64_t i = 0; i < n; i++)
        if ((w->image && set_batch(w, i)) || wg_run(w->t)) return -1;
    w->last = wg_get_scalar(w->t, w->end);
    return isnan(w->last) ? -1 : now() - start;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Times what the host needs for a run while the device is behind: the median. */
static double time_on_host(struct work *w)
{
    double t[BURST];
    for (int i = 0; i < BURST; i++) {
        double start = now();
        if (wg_run(w->t)) return -1;
        t[i] = now() - start;
    }
    wg_get_scalar(w->t, w->end);
    qsort(t, BURST, sizeof *t, ascending);
    return t[BURST / 2];
}

static double time_of_run(const struct bench *b, struct work *w)
{
    int64_t n = 1;
    double  once = time_of(w, 2);
    while (once >= 0 && once < b->seconds / 4 && !b->quick) once = time_of(w, n *= 2);
    if (once < 0) return -1;
    if (w->host) return time_on_host(w);
    double short_one = time_of(w, n), long_one = time_of(w, 3 * n), t = (long_one - short_one) / (2 * (double)n);
    if (short_one < 0 || long_one < 0) return -1;
    return t > 0 ? t : long_one / (3 * (double)n);
}

static int answer(struct bench *b, const char *line)
{
    struct work *w = open_work(b, line);
    if (!w) return fflush(stdout), -1;
    double t = time_of_run(b, w);
    if (t < 0) printf("%s absent: %s\n", line, wg_tape_message(w->t));
    else printf("%s %.9g", line, w->inverse ? t / w->amount : w->amount / t);
    if (t >= 0) printf(w->label ? " %.6g %.6g\n" : "\n", w->first, w->last);
    fflush(stdout);
    if (w == &b->work[b->n]) close_work(w);
    return t < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
    static struct bench b = {.seconds = 0.4};
    char                line[64];
    int                 i = 1, bad = 0;
    for (; i < argc && argv[i][0] == '-'; i++)
        if (!strcmp(argv[i], "--quick")) b.quick = true;
        else if (!strcmp(argv[i], "--seconds") && i + 1 < argc) b.seconds = atof(argv[++i]);
        else return fputs(usage, strcmp(argv[i], "--help") ? stderr : stdout), strcmp(argv[i], "--help") != 0;
    bool by_line = i == argc;
    for (; i < argc; i++) bad |= answer(&b, argv[i]);
    while (by_line && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        bad |= answer(&b, line);
    }
    while (b.n) close_work(&b.work[--b.n]);
    return bad != 0;
}
