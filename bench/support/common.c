#include "common.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <wengert/data.h>
#include <wengert/graph.h>

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(int64_t n, double x[])
{
    qsort(x, (size_t)n, sizeof *x, ascending);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* ---- Allocations: glibc lets a program put itself before its malloc ---- */

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED
#endif
#endif
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED
#endif

#if defined __GLIBC__ && !defined SANITIZED
static atomic_llong               calls;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);

static void count(void) { atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed); }

void *malloc(size_t size) { return count(), __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return count(), __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return count(), __libc_realloc(p, size); }
void *aligned_alloc(size_t align, size_t size) { return count(), __libc_memalign(align, size); }
int   posix_memalign(void **p, size_t align, size_t size)
{
    count();
    *p = __libc_memalign(align, size);
    return *p ? 0 : ENOMEM;
}

int64_t bench_allocations(void) { return atomic_load(&calls); }
#else
int64_t bench_allocations(void) { return -1; }
#endif

int64_t bench_peak_kib(void)
{
    char  line[256];
    long  kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return -1;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) break;
    fclose(f);
    return kib;
}

void bench_peak_restart(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return;
    fputs("5", f);
    fclose(f);
}

/* ---- Numbers ---- */

uint64_t bench_bits(uint64_t stream, uint64_t i)
{
    uint64_t z = (i + 1 + (stream << 40)) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void bench_first_weights(int layer, int64_t in, int64_t out, float *w)
{
    for (int64_t i = 0; i < in * out; i++) {
        double u = (double)(bench_bits((uint64_t)layer + 1, (uint64_t)i) >> 40) * 0x1p-24;
        w[i] = (float)((2 * u - 1) / sqrt((double)in));
    }
}

int64_t *bench_batches(int64_t count_of_images, int64_t batch)
{
    int64_t *index = malloc((size_t)(BENCH_BATCHES * batch) * sizeof *index);
    for (int64_t i = 0; index && i < BENCH_BATCHES * batch; i++)
        index[i] = (int64_t)(bench_bits(0, (uint64_t)i) % (uint64_t)count_of_images);
    return index;
}

/* ---- Digits ---- */

static int read_part(const char *folder, const char *name, wg_array *a, wg_error *e)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (wg_idx_read(path, a, e) == WG_OK) return 0;
    snprintf(path, sizeof path, "%s/%s.gz", folder, name);
    return wg_idx_read(path, a, e) == WG_OK ? 0 : -1;
}

static int read_folder(const char *folder, wg_array *image, wg_array *label, wg_error *e)
{
    if (read_part(folder, "train-images-idx3-ubyte", image, e)) return -1;
    if (read_part(folder, "train-labels-idx1-ubyte", label, e)) return -1;
    if (image->dtype == WG_U8 && label->dtype == WG_U8 && image->shape.rank == 3 && label->shape.rank == 1 &&
        image->shape.dim[0] == label->shape.dim[0] && label->shape.dim[0] >= BENCH_LOSS_IMAGES)
        return 0;
    snprintf(e->message, sizeof e->message, "%s: not the digits' training images and labels", folder);
    return -1;
}

/* Allocates n bytes on huge pages where the system has them, as NumPy does for its large arrays. */
static void *large_array(size_t n)
{
    enum { PAGE = 1 << 21 };
    size_t size = (n + PAGE - 1) / PAGE * PAGE;
    void  *p = aligned_alloc(PAGE, size);
    if (p) madvise(p, size, MADV_HUGEPAGE);
    return p;
}

/* Copies the digits as floats into RAM, as the peers keep them: no side converts while it is timed. */
static int take(const wg_array *image, const wg_array *label, struct bench_digits *d)
{
    const uint8_t *pixel = image->data;
    d->count = image->shape.dim[0];
    d->pixels = image->shape.dim[1] * image->shape.dim[2];
    d->image = large_array((size_t)(d->count * d->pixels) * sizeof *d->image);
    d->label = malloc((size_t)d->count);
    if (!d->image || !d->label) return -1;
    for (int64_t i = 0; i < d->count * d->pixels; i++) d->image[i] = (float)pixel[i] / 255.0f;
    memcpy(d->label, label->data, (size_t)d->count);
    return 0;
}

int bench_digits_read(const char *folder, struct bench_digits *d)
{
    const char *usual[] = {"examples/mnist/data", "../shared/data/mnist"};
    wg_array    image = {0}, label = {0};
    wg_error    e = {0};
    int         bad = -1;
    for (int i = 0; bad && i < (folder ? 1 : 2); i++) {
        wg_array_free(&image);
        wg_array_free(&label);
        bad = read_folder(folder ? folder : usual[i], &image, &label, &e);
    }
    *d = (struct bench_digits){0};
    if (bad) fprintf(stderr, "digits: %s\n", e.message);
    if (!bad && (bad = take(&image, &label, d))) fprintf(stderr, "digits: out of memory\n");
    wg_array_free(&image);
    wg_array_free(&label);
    return bad;
}

void bench_digits_free(struct bench_digits *d)
{
    free(d->image);
    free(d->label);
    *d = (struct bench_digits){0};
}

/* ---- Protocol ---- */

enum { MAX_WORDS = 8 };

static int split(char *line, char *word[])
{
    int n = 0;
    for (char *w = strtok(line, " \n"); w && n < MAX_WORDS; w = strtok(NULL, " \n")) word[n++] = w;
    return n;
}

static int time_steps(const struct bench_side *s, int64_t warm, int64_t steps)
{
    if (warm && s->run(s->self, warm)) return -1;
    int64_t before = bench_allocations();
    double  start = bench_now();
    if (s->run(s->self, steps)) return -1;
    double seconds = bench_now() - start;
    printf("{\"seconds\": %.9f, \"allocations\": %lld}\n", seconds, (long long)(bench_allocations() - before));
    return 0;
}

static int answer(const struct bench_side *s, int n, char *word[])
{
    char text[2048] = "";
    if (!strcmp(word[0], "open")) {
        if (s->open(s->self, n - 1, word + 1, text, sizeof text)) return -1;
        bench_peak_restart();
        printf("{%s}\n", text);
    } else if (!strcmp(word[0], "go") && n == 3) {
        return time_steps(s, atoll(word[1]), atoll(word[2]));
    } else if (!strcmp(word[0], "loss")) {
        if (s->loss(s->self, text, sizeof text)) return -1;
        printf("{\"loss\": %s}\n", text);
    } else if (!strcmp(word[0], "rss")) {
        printf("{\"kib\": %lld}\n", (long long)bench_peak_kib());
    } else {
        fprintf(stderr, "unknown command %s\n", word[0]);
        return -1;
    }
    return 0;
}

/* Prints a JSON string. */
static void print_string(const char *s)
{
    putchar('"');
    for (; *s; s++)
        if (*s == '\n') fputs("\\n", stdout);
        else if (*s == '"' || *s == '\\') printf("\\%c", *s);
        else putchar(*s);
    putchar('"');
}

int bench_serve(const struct bench_side *s)
{
    char line[512], *word[MAX_WORDS];
    printf("{\"name\": \"%s\", \"info\": ", s->name);
    print_string(wg_build_info());
    puts("}");
    for (int n; fflush(stdout), fgets(line, sizeof line, stdin);) {
        if (!(n = split(line, word))) continue;
        if (!strcmp(word[0], "quit")) return 0;
        if (answer(s, n, word)) return -1;
    }
    return 0;
}

/* Doubles the steps until they take a fiftieth of a second. */
static int64_t chunk_steps(const struct bench_side *s)
{
    for (int64_t steps = 1;; steps *= 2) {
        double start = bench_now();
        if (s->run(s->self, steps)) return -1;
        if (bench_now() - start > 0.02) return steps;
    }
}

int bench_alone(const struct bench_side *s, const char *work, double seconds)
{
    enum { CHUNKS = 1000 };
    double time[CHUNKS], end;
    char   line[512], *word[MAX_WORDS], text[2048];
    int    n = 0;
    snprintf(line, sizeof line, "%s", work);
    int words = split(line, word);
    if (s->open(s->self, words, word, text, sizeof text)) return -1;
    bench_peak_restart();
    int64_t steps = chunk_steps(s), before = bench_allocations();
    if (steps < 0) return -1;
    for (end = bench_now() + seconds; n < CHUNKS && bench_now() < end; n++) {
        double start = bench_now();
        if (s->run(s->self, steps)) return -1;
        time[n] = (bench_now() - start) / (double)steps;
    }
    int64_t allocations = bench_allocations() - before;
    printf("%s: %.3f us a step, %lld allocations in %lld steps, ", work, 1e6 * bench_median(n, time),
           (long long)allocations, (long long)(n * steps));
    if (s->loss(s->self, text, sizeof text)) return -1;
    printf("loss %s, peak RSS %lld KiB\n", text, (long long)bench_peak_kib());
    return 0;
}

/* ---- Command line ---- */

int bench_options_read(int argc, char **argv, const char *usage, struct bench_options *o)
{
    *o = (struct bench_options){.threads = 1, .seconds = 2, .word = argv};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(a, "--help")) return fputs(usage, stdout), 1;
        if (!strcmp(a, "--serve")) o->serve = 1;
        else if (!strcmp(a, "--threads") && value) o->threads = atoi(value), i++;
        else if (!strcmp(a, "--seconds") && value) o->seconds = atof(value), i++;
        else if (!strcmp(a, "--data") && value) o->data = value, i++;
        else if (*a != '-') o->word[o->words++] = argv[i];
        else return fprintf(stderr, "unknown option %s\n%s", a, usage), -1;
    }
    if (o->threads >= 1) return 0;
    return fprintf(stderr, "--threads wants a positive number\n"), -1;
}

int bench_no_work(const char *usage, int n, char *const word[])
{
    fputs("there is no such work:", stderr);
    for (int i = 0; i < n; i++) fprintf(stderr, " %s", word[i]);
    fprintf(stderr, "\n%s", usage);
    return -1;
}

int bench_side_run(const struct bench_side *s, const struct bench_options *o, int usual, const char *const work[])
{
    if (o->serve) return bench_serve(s) != 0;
    if (!o->words && !usual) return fprintf(stderr, "there is no work; --help lists what there is\n"), 2;
    for (int i = 0; i < (o->words ? o->words : usual); i++)
        if (bench_alone(s, o->words ? o->word[i] : work[i], o->seconds)) return 1;
    return 0;
}
