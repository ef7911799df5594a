/* bench_json: numbers in and out of JSON.
 *
 * Bodies of 784 numbers, as clients of a predictor send them, into a tensor of
 * f32; and 784 floats into text.  Beside it the C library's way for the same:
 * strtod from comma to comma, and snprintf with nine digits.  Both take turns. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/common.h"
#include "base/number/number.h"
#include "serve/protocol/tensor_json.h"

static const char usage[] = "usage: bench_json [--seconds S] [int | mnist | float | double | write ...]\n"
                            "int     0 to 255\n"
                            "mnist   x/255, four of five zero, as Python prints doubles\n"
                            "float   in 0..1, the fewest digits that make a float\n"
                            "double  in 0..1, 17 digits\n"
                            "write   784 floats in 0..1 as text\n";

enum { N = 784, ROOM = 32 * N, CHUNK = 64, CHUNKS = 4000 };

struct work {
    char                 text[ROOM], out[ROOM];
    size_t               n; /* bytes of text */
    float                x[N], y[N];
    struct wg__json_data data;
    struct wg__text      to;
};

/* Returns number i of a sequence, 0 <= u < 1. */
static double uniform(uint64_t stream, int i) { return (double)(bench_bits(stream, (uint64_t)i) >> 11) * 0x1p-53; }

/* ---- Bodies ---- */

static int print_int(int i, char *to) { return sprintf(to, "%d", (int)(bench_bits(1, (uint64_t)i) % 256)); }
static int print_mnist(int i, char *to)
{
    uint64_t b = bench_bits(2, (uint64_t)i);
    return b % 100 < 81 ? sprintf(to, "0.0") : wg__shortest_double((double)(b >> 32 & 255) / 255, to);
}
static int print_float(int i, char *to) { return wg__shortest_float((float)uniform(3, i), to); }
static int print_double(int i, char *to) { return sprintf(to, "%.17g", uniform(4, i)); }

static void make_body(struct work *w, int (*print)(int i, char *to))
{
    char *p = w->text;
    for (int i = 0; i < N; i++) {
        *p++ = i ? ',' : '[';
        if (i) *p++ = ' ';
        p += print(i, p);
    }
    strcpy(p, "]");
    w->n = (size_t)(p + 1 - w->text);
}

/* ---- What takes turns; the sum keeps both honest ---- */

static double sum(const float x[N])
{
    double s = 0;
    for (int i = 0; i < N; i++) s += (double)x[i];
    return s;
}

static double read_ours(struct work *w)
{
    struct wg__json j;
    wg__json_open(&j, w->text, w->n);
    return wg__json_tensor(&j, WG_F32, &w->data) ? sum(w->data.data) : NAN;
}

static double read_strtod(struct work *w)
{
    char *p = w->text + 1;
    for (int i = 0; i < N; i++, p++) w->y[i] = (float)strtod(p, &p);
    return sum(w->y);
}

static double write_ours(struct work *w)
{
    w->to.n = 0;
    wg__text_flat(&w->to, WG_F32, N, w->x);
    return (double)w->to.n;
}

static double write_snprintf(struct work *w)
{
    char *p = w->out;
    for (int i = 0; i < N; i++) p += snprintf(p, 32, i ? ",%.9g" : "[%.9g", (double)w->x[i]);
    return (double)(p - w->out);
}

typedef double pass(struct work *w);

static double seconds_of(pass *f, struct work *w, double *result)
{
    double start = bench_now();
    for (int i = 0; i < CHUNK; i++) *result = f(w);
    return (bench_now() - start) / CHUNK;
}

static void alternate(struct work *w, const char *name, const char *peer, pass *ours, pass *theirs, double seconds)
{
    static double a[CHUNKS], b[CHUNKS];
    double        x, y, end = bench_now() + seconds;
    int           n = 0;
    seconds_of(ours, w, &x);
    seconds_of(theirs, w, &y);
    for (; n < CHUNKS && (n == 0 || bench_now() < end); n++) {
        a[n] = seconds_of(ours, w, &x);
        b[n] = seconds_of(theirs, w, &y);
    }
    double us = 1e6 * bench_median(n, a), peer_us = 1e6 * bench_median(n, b);
    printf("%s: %.3f us a body, %s %.3f us (%.1f times), results %.9g and %.9g\n", name, us, peer, peer_us,
           peer_us / us, x, y);
}

/* ---- Works ---- */

static const struct {
    const char *name;
    int (*print)(int i, char *to); /* NULL: writing */
} works[] = {
    {"int", print_int}, {"mnist", print_mnist}, {"float", print_float}, {"double", print_double}, {"write", NULL}};

static int run(struct work *w, const char *name, double seconds)
{
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        if (strcmp(works[i].name, name) != 0) continue;
        if (works[i].print) make_body(w, works[i].print);
        if (works[i].print) alternate(w, name, "strtod", read_ours, read_strtod, seconds);
        else alternate(w, name, "snprintf", write_ours, write_snprintf, seconds);
        return 0;
    }
    return fprintf(stderr, "there is no such work: %s\n%s", name, usage), -1;
}

int main(int argc, char **argv)
{
    static struct work   w;
    struct bench_options o;
    int                  bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    for (int i = 0; i < N; i++) w.x[i] = (float)uniform(3, i);
    for (int i = 0; i < o.words && !bad; i++) bad = run(&w, o.word[i], o.seconds);
    for (size_t i = 0; i < sizeof works / sizeof *works && !o.words; i++) bad |= run(&w, works[i].name, o.seconds);
    wg__json_data_free(&w.data);
    wg__text_free(&w.to);
    return bad != 0;
}
