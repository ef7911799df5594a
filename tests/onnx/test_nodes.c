/* ONNX's own tests of operators, as Debian's libonnx-testdata has them: a
 * model, inputs and outputs each.  A test passes, or the importer says what it
 * does not support; a wrong value, a crash or any other error is a failure.
 *
 * These models take shapes, axes and the like as inputs, which the importer
 * wants to know: where it says so, they are made initialisers of the model, as
 * exporters write them, and the test is tried again.
 *
 * With WG_ONNX_TABLE=file the result goes there by operator, as Markdown. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "onnx/onnx_impl.h"

TestSuite(onnx_nodes, .timeout = 600);

static const char        root[] = "/usr/share/libonnx-testdata/data";
static const char *const sets[] = {"node", "simple", "pytorch-converted", "pytorch-operator"};
enum { SETS = sizeof sets / sizeof *sets };

/* What these draw differs from one implementation to the next. */
static bool is_random(const char *test)
{
    static const char *const whole[] = {"test_training_dropout", "test_training_dropout_mask",
                                        "test_training_dropout_default", "test_training_dropout_default_mask"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(test, whole[i]) == 0) return true;
    return strncmp(test, "test_bernoulli", 14) == 0;
}

/* Operators of which no test may be unsupported whose tensors all are of our dtypes. */
static const char *const required[] = {"Add",
                                       "Sub",
                                       "Mul",
                                       "Div",
                                       "Pow",
                                       "Neg",
                                       "Abs",
                                       "Sqrt",
                                       "Exp",
                                       "Log",
                                       "Sin",
                                       "Cos",
                                       "Tan",
                                       "Tanh",
                                       "Sigmoid",
                                       "Relu",
                                       "LeakyRelu",
                                       "Elu",
                                       "Selu",
                                       "Celu",
                                       "PRelu",
                                       "HardSigmoid",
                                       "HardSwish",
                                       "Softplus",
                                       "Softsign",
                                       "Erf",
                                       "Floor",
                                       "Ceil",
                                       "Round",
                                       "Sign",
                                       "Clip",
                                       "Min",
                                       "Max",
                                       "Sum",
                                       "Mean",
                                       "Mod",
                                       "Sinh",
                                       "Cosh",
                                       "Asinh",
                                       "Acosh",
                                       "Atanh",
                                       "Asin",
                                       "Acos",
                                       "Atan",
                                       "Reciprocal",
                                       "Shrink",
                                       "Equal",
                                       "Less",
                                       "Greater",
                                       "LessOrEqual",
                                       "GreaterOrEqual",
                                       "And",
                                       "Or",
                                       "Xor",
                                       "Not",
                                       "Where",
                                       "IsNaN",
                                       "IsInf",
                                       "ReduceSum",
                                       "ReduceMean",
                                       "ReduceMax",
                                       "ReduceMin",
                                       "ReduceProd",
                                       "ReduceL1",
                                       "ReduceL2",
                                       "ReduceLogSum",
                                       "ReduceLogSumExp",
                                       "ReduceSumSquare",
                                       "Gemm",
                                       "MatMul",
                                       "Softmax",
                                       "LogSoftmax",
                                       "SoftmaxCrossEntropyLoss",
                                       "NegativeLogLikelihoodLoss",
                                       "Reshape",
                                       "Flatten",
                                       "Squeeze",
                                       "Unsqueeze",
                                       "Transpose",
                                       "Expand",
                                       "Slice",
                                       "Concat",
                                       "Split",
                                       "Gather",
                                       "Pad",
                                       "Shape",
                                       "Cast",
                                       "CastLike",
                                       "Constant",
                                       "ConstantOfShape",
                                       "Identity",
                                       "Dropout",
                                       "OneHot",
                                       "ArgMax",
                                       "ThresholdedRelu"};
static bool              is_required(const char *op)
{
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (strcmp(required[i], op) == 0) return true;
    return false;
}

/* ---- One test ---- */

enum outcome { PASSED, UNSUPPORTED, FAILED };
enum { MOST = 64, PATH = 512, WHY = 400 };

struct result {
    enum outcome outcome;
    bool         ours;  /* every tensor of its data is of one of our dtypes */
    bool         fixed; /* inputs had to be made initialisers */
    char         op[64], why[WHY];
};

struct data {
    wg_array in[MOST], out[MOST];
    int      n_in, n_out;
    int      fed[MOST], n_fed; /* those of in that are inputs of the model */
};

/* input_0.pb, input_1.pb .. of a folder; false if one cannot be read. */
static bool read_all(const char *folder, const char *kind, wg_array *to, int *n, struct result *r)
{
    char path[PATH + 64];
    for (*n = 0; *n < MOST; ++*n) {
        wg_error e;
        snprintf(path, sizeof path, "%s/%s_%d.pb", folder, kind, *n);
        if (access(path, R_OK)) return true;
        if (wg_onnx_tensor_read(path, &to[*n], NULL, 0, &e))
            return snprintf(r->why, WHY, "%s", strrchr(e.message, ':') ? strrchr(e.message, ':') + 2 : e.message),
                   false;
    }
    return true;
}

static void free_data(struct data *d)
{
    for (int i = 0; i < MOST; i++) wg_array_free(&d->in[i]);
    for (int i = 0; i < MOST; i++) wg_array_free(&d->out[i]);
}

static int fail(struct result *r, const char *what, const char *why)
{
    r->outcome = FAILED;
    snprintf(r->why, WHY, "%s: %s", what, why);
    return 1;
}

/* Sizes of symbolic dimensions are those of the data. */
static void bind(const wg_onnx *m, const struct data *d, wg_options *o)
{
    static char name[WG_MAX_BINDINGS][64];
    int         n = 0;
    for (int i = 0; i < d->n_fed && i < wg_onnx_input_count(m); i++) {
        const wg_node  *x = wg_onnx_input(m, i);
        const wg_shape *s = wg_node_shape(x), *have = &d->in[d->fed[i]].shape;
        for (int k = 0; k < s->rank && n < WG_MAX_BINDINGS; k++) {
            if (s->dim[k] >= 0 || k >= have->rank) continue;
            o->bind[n].name = wg_dim_name(wg_node_graph(x), s->dim[k], name[n], sizeof *name);
            o->bind[n++].size = have->dim[k];
        }
    }
}

static bool same_shape(const wg_shape *a, const wg_shape *b)
{
    return a && a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

static double value_at(const wg_array *a, const void *data, int64_t i)
{
    switch (a->dtype) {
    case WG_F32: return ((const float *)data)[i];
    case WG_F64: return ((const double *)data)[i];
    case WG_I32: return ((const int32_t *)data)[i];
    case WG_I64: return (double)((const int64_t *)data)[i];
    default: return ((const uint8_t *)data)[i];
    }
}

/* The runner of ONNX allows |have - want| <= 1e-7 + 1e-3 |want|. */
static bool near(double have, double want)
{
    if (isnan(want) || isnan(have)) return isnan(want) && isnan(have);
    return have == want || fabs(have - want) <= 1e-7 + 1e-3 * fabs(want);
}

static int compare(wg_tape *t, const wg_node *y, const wg_array *want, const char *name, struct result *r)
{
    char        why[160];
    const void *have = wg_view(t, y);
    if (!have) return fail(r, name, wg_tape_message(t));
    if (wg_node_dtype(y) != want->dtype) return fail(r, name, "has another dtype");
    if (!same_shape(wg_tape_shape(t, y), &want->shape)) return fail(r, name, "has another shape");
    for (int64_t i = 0, n = wg_count(&want->shape); i < n; i++) {
        double x = value_at(want, have, i), z = value_at(want, want->data, i);
        if (near(x, z)) continue;
        snprintf(why, sizeof why, "element %lld is %.9g, not %.9g", (long long)i, x, z);
        return fail(r, name, why);
    }
    return 0;
}

static int feed(const wg_onnx *m, wg_tape *t, const struct data *d, struct result *r)
{
    if (d->n_fed != wg_onnx_input_count(m)) return fail(r, "inputs", "another number than the data have");
    for (int i = 0; i < d->n_fed; i++) {
        const wg_node  *x = wg_onnx_input(m, i);
        const wg_array *have = &d->in[d->fed[i]];
        if (!wg_tape_shape(t, x)) continue; /* not needed */
        if (wg_node_dtype(x) != have->dtype || !same_shape(wg_tape_shape(t, x), &have->shape))
            return fail(r, wg_onnx_input_name(m, i), "the data have another dtype or shape");
        if (wg_set(t, x, have->data)) return fail(r, wg_onnx_input_name(m, i), wg_tape_message(t));
    }
    return 0;
}

static void run_on(const wg_onnx *m, wg_graph *g, const struct data *d, struct result *r)
{
    wg_options o = {.threads = 1};
    wg_node   *y[MOST];
    int        n = wg_onnx_output_count(m);
    if (n != d->n_out) {
        fail(r, "outputs", "another number than the data have");
        return;
    }
    for (int i = 0; i < n; i++) y[i] = wg_onnx_output(m, i);
    bind(m, d, &o);
    wg_tape *t = wg_compile(g, n, y, &o);
    if (!t) fail(r, "compile", wg_message(g));
    else if (!feed(m, t, d, r)) {
        if (wg_run(t)) fail(r, "run", wg_tape_message(t));
        for (int i = 0; i < n && r->outcome == PASSED; i++) compare(t, y[i], &d->out[i], wg_onnx_output_name(m, i), r);
    }
    wg_tape_free(t);
}

/* The operator of its only node, constants aside; models of several nodes are
 * a group of their own, and functions that ONNX writes out as such another. */
static void name_op(const wg_onnx *m, const char *test, char *to, size_t n)
{
    const char *op, *name, *only = "Constant", *suffix = strstr(test, "_expanded");
    int         nodes = 0;
    for (int i = 0; wg_onnx_node_at(m, i, &op, &name); i++)
        if (strcmp(op, "Constant") != 0 && ++nodes) only = op;
    if (nodes > 1) only = suffix && !suffix[9] ? "(expanded functions)" : "(several operators)";
    snprintf(to, n, "%s", only);
}

/* Makes the inputs from `first` on that are short vectors or numbers initialisers; how many. */
static int fix_inputs(wg_onnx *m, int first, struct data *d)
{
    struct wg__onnx_model  *model = &m->model;
    struct wg__onnx_tensor *init = wg__arena_alloc(&m->file.arena, MOST * sizeof *init);
    int                     fixed = 0;
    if (!init || model->n_init || model->n_input != d->n_in) return 0;
    d->n_fed = 0;
    for (int i = 0; i < d->n_in; i++) {
        const wg_array *a = &d->in[i];
        if (i >= first && a->shape.rank <= 1 && wg_count(&a->shape) <= WG__MAX_INTS)
            init[fixed++] = (struct wg__onnx_tensor){.name = model->input[i].name,
                                                     .dtype = wg__onnx_dtype_out(a->dtype),
                                                     .rank = a->shape.rank,
                                                     .dim = a->shape.dim,
                                                     .raw = {a->data, wg_array_bytes(a)}};
        else d->fed[d->n_fed++] = i;
    }
    model->init = init;
    model->n_init = fixed;
    return fixed;
}

/* The complaint without the node that it is of. */
static const char *reason(const char *message)
{
    const char *open = strchr(message, '\''), *close = open ? strchr(open + 1, '\'') : NULL;
    const char *at = close ? strstr(close, ": ") : NULL;
    return at ? at + 2 : message;
}

static void import_and_run(wg_onnx *m, const struct data *d, struct result *r)
{
    wg_graph *g = wg_graph_new();
    int       status = wg_onnx_import(m, g, NULL);
    if (status == WG_EARG || status == WG_EDTYPE) {
        r->outcome = UNSUPPORTED;
        snprintf(r->why, WHY, "%.*s", (int)strcspn(reason(wg_onnx_message(m)), "\n"), reason(wg_onnx_message(m)));
    } else if (status) fail(r, "import", wg_onnx_message(m));
    else if (r->ours) run_on(m, g, d, r);
    else fail(r, "data", "are of other dtypes, but the model was imported");
    wg_graph_free(g);
}

/* With the inputs from `first` on made initialisers where they are small; false if there are none. */
static bool try_test(const char *path, const char *test, int first, struct data *d, struct result *r)
{
    wg_onnx *m = wg_onnx_read(path);
    cr_assert_not_null(m);
    for (d->n_fed = 0; d->n_fed < d->n_in; d->n_fed++) d->fed[d->n_fed] = d->n_fed;
    bool fixed = first < MOST && !wg_onnx_status(m) && fix_inputs(m, first, d) > 0;
    if (wg_onnx_status(m)) fail(r, "read", wg_onnx_message(m));
    else if (first == MOST || fixed) {
        r->outcome = PASSED;
        name_op(m, test, r->op, sizeof r->op);
        import_and_run(m, d, r);
    }
    wg_onnx_free(m);
    return fixed;
}

static void run_test(const char *folder, const char *test, struct result *r)
{
    static const int first[] = {MOST, 1, 0}; /* none, all but the first, all */
    char             path[PATH + 64];
    struct data      d = {0};
    *r = (struct result){.op = "?"};
    snprintf(path, sizeof path, "%s/test_data_set_0", folder);
    r->ours = read_all(path, "input", d.in, &d.n_in, r) && read_all(path, "output", d.out, &d.n_out, r);
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    for (int i = 0; i < 3; i++) {
        r->fixed = try_test(path, test, first[i], &d, r);
        if (r->outcome != UNSUPPORTED || !r->ours || !strstr(r->why, "has to be known")) break;
    }
    free_data(&d);
}

/* ---- All of them ---- */

struct row {
    char op[64], why[2 * WHY];
    int  count[3];
};
struct report {
    struct row row[400];
    int        n, count[3], fixed, random, broken_promises;
};

static int by_op(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->op, ((const struct row *)b)->op);
}

static struct row *row_of(struct report *all, const char *op)
{
    int i = 0;
    while (i < all->n && strcmp(all->row[i].op, op) != 0) i++;
    if (i == all->n) {
        cr_assert_lt(all->n, 400);
        snprintf(all->row[all->n++].op, sizeof all->row[0].op, "%s", op);
    }
    return &all->row[i];
}

/* Reasons, each once, as far as there is room. */
static void note(struct row *row, const char *why)
{
    size_t n = strlen(row->why);
    if (strstr(row->why, why) || n + strlen(why) + 3 > 200) return;
    snprintf(row->why + n, sizeof row->why - n, "%s%s", n ? "; " : "", why);
}

static void take(struct report *all, const char *test, const struct result *r)
{
    struct row *row = row_of(all, r->op);
    row->count[r->outcome]++;
    all->count[r->outcome]++;
    all->fixed += r->outcome == PASSED && r->fixed;
    if (r->outcome == UNSUPPORTED) note(row, r->why);
    if (r->outcome == FAILED) printf("# FAILED %s: %s\n", test, r->why);
    bool promised = r->outcome == UNSUPPORTED && r->ours && is_required(r->op);
    if (promised) printf("# unsupported, though %s should be whole: %s: %s\n", r->op, test, r->why);
    all->broken_promises += promised;
}

static int is_test(const struct dirent *e) { return strncmp(e->d_name, "test_", 5) == 0; }

static int run_set(struct report *all, const char *set)
{
    char            folder[PATH];
    struct dirent **entry;
    struct result   r;
    snprintf(folder, sizeof folder, "%s/%s", root, set);
    int n = scandir(folder, &entry, is_test, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(folder, sizeof folder, "%s/%s/%s", root, set, entry[i]->d_name);
        if (is_random(entry[i]->d_name)) all->random++;
        else {
            run_test(folder, entry[i]->d_name, &r);
            take(all, entry[i]->d_name, &r);
        }
        free(entry[i]);
    }
    if (n >= 0) free(entry);
    return n;
}

static void cell(FILE *f, const char *text)
{
    for (; *text; text++) fprintf(f, *text == '|' ? "\\%c" : "%c", *text);
}

static void write_table(struct report *all, const char *path)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f, "%s", path);
    qsort(all->row, (size_t)all->n, sizeof *all->row, by_op);
    fprintf(f, "Tests of models with several operators, constants aside, stand in groups of their own; \"expanded\n"
               "functions\" are operators that ONNX writes out in other ones.\n\n"
               "| operator | passed | unsupported | why |\n|---|---|---|---|\n");
    for (int i = 0; i < all->n; i++) {
        fprintf(f, "| %s | %d | %d | ", all->row[i].op, all->row[i].count[PASSED], all->row[i].count[UNSUPPORTED]);
        cell(f, all->row[i].why);
        fprintf(f, " |\n");
    }
    cr_assert_eq(fclose(f), 0);
}

/* What passed when this was written, of Debian 12's data (libonnx-testdata 1.12). */
enum { FLOOR = 734 };

Test(onnx_nodes, all_pass_or_are_refused)
{
    static struct report all;
    int                  found = 0;
    for (int i = 0; i < SETS; i++) found += run_set(&all, sets[i]) > 0;
    if (!found) cr_skip_test("no data in %s: apt-get install libonnx-testdata", root);
    printf("# onnx node tests: %d passed, %d unsupported, %d failed\n", all.count[PASSED], all.count[UNSUPPORTED],
           all.count[FAILED]);
    printf("# (%d passed with inputs as initialisers; %d random ones were left out)\n", all.fixed, all.random);
    fflush(stdout);
    const char *table = getenv("WG_ONNX_TABLE");
    if (table && *table) write_table(&all, table);
    cr_expect_eq(all.count[FAILED], 0);
    cr_expect_eq(all.broken_promises, 0);
    if (found == SETS) cr_expect_geq(all.count[PASSED], FLOOR);
}
