/* wengert run: values through a model. */
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct run {
    int          threads, device;
    struct texts input, output, bind;
};
static const struct option options[] = {
    {"--input", "[NAME=]FILE", "a value: .npy (converted to the input's dtype), or .pb", TEXTS,
     offsetof(struct run, input), 0, 0},
    {"--output", "[NAME=]FILE", "where a result goes, .npy or .pb; without it all are printed", TEXTS,
     offsetof(struct run, output), 0, 0},
    {"--bind", "NAME=SIZE", "size of a symbolic dimension", TEXTS, offsetof(struct run, bind), 0, 0},
    {"--threads", "N", "at most so many", WHOLE, offsetof(struct run, threads), 1, 1024},
    {"--device", "NAME", "cpu, cuda or cuda:N (cpu)", DEVICE, offsetof(struct run, device), 0, 0},
    {0}};

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* A list of names by number; NULL past the last. */
typedef const char *names(const wg_onnx *m, int i);

static const char *declared_name(const wg_onnx *m, int i)
{
    const char *name;
    return wg_onnx_declared(m, i, &name, NULL) ? name : NULL;
}

static int count_names(names *name, const wg_onnx *m)
{
    int n = 0;
    while (name(m, n)) n++;
    return n;
}

/* Splits "NAME=FILE" after the longest name that there is; a file alone is the only input or output there is. */
static int find_named(const char *text, names *name, const struct loaded *l, const char *what, const char **file)
{
    const struct command *c = &command_run;
    int                   n = count_names(name, l->onnx), found = -1;
    size_t                longest = 0;
    if (!strchr(text, '=')) {
        *file = text;
        if (n == 1) return 0;
        misused(c, "the model has %d %ss: write --%s NAME=%s", n, what, what, text);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        size_t k = strlen(name(l->onnx, i));
        if (strncmp(name(l->onnx, i), text, k) || text[k] != '=' || (found >= 0 && k < longest)) continue;
        found = i;
        longest = k;
    }
    *file = text + longest + 1;
    if (found < 0) misused(c, "the model has no %s \"%.*s\"", what, (int)strcspn(text, "="), text);
    return found;
}

/* Converts f64 to f32 and the like, as wg_cast does: arrays of NumPy's default dtypes go into any net. */
static int convert(wg_array *a, wg_dtype to)
{
    wg_graph *g = wg_graph_new();
    wg_array  b = {0};
    wg_node  *x = wg_input(g, "x", a->dtype, a->shape), *y = wg_cast(x, to);
    wg_tape  *t = wg_compile(g, 1, &y, NULL);
    bool done = t && !wg_set(t, x, a->data) && !wg_run(t) && !wg_array_new(&b, to, a->shape) && !wg_get(t, y, b.data);
    wg_graph_free(g);
    if (!done) {
        wg_array_free(&b);
        return FAILED;
    }
    wg_array_free(a);
    *a = b;
    return DONE;
}

static bool is_real(wg_dtype t) { return t == WG_F32 || t == WG_F64; }

/* Tells whether the other dtype holds all integers of a: a cast would keep only the low bits of the others. */
static bool integers_fit(const wg_array *a, wg_dtype to)
{
    int64_t low = to == WG_I32 ? INT32_MIN : to == WG_U8 ? 0 : INT64_MIN;
    int64_t high = to == WG_I32 ? INT32_MAX : to == WG_U8 ? UINT8_MAX : INT64_MAX;
    for (int64_t i = 0; i < wg_count(&a->shape); i++) {
        int64_t v = a->dtype == WG_I64   ? ((const int64_t *)a->data)[i]
                    : a->dtype == WG_I32 ? ((const int32_t *)a->data)[i]
                                         : ((const uint8_t *)a->data)[i];
        if (v < low || v > high) return false;
    }
    return true;
}

static int read_input(const char *name, wg_dtype want, const char *file, wg_array *a)
{
    const struct command *c = &command_run;
    wg_error              e;
    int status = ends_with(file, ".pb") ? wg_onnx_tensor_read(file, a, NULL, 0, &e) : wg_npy_read(file, a, &e);
    if (status) return complain(c, "%s", e.message);
    if (a->dtype == want || want == WG_DTYPES) return DONE;
    if (is_real(a->dtype) && !is_real(want))
        return complain(c, "%s: holds %s, input \"%s\" is %s", file, wg_dtype_name(a->dtype), name,
                        wg_dtype_name(want));
    if (!is_real(a->dtype) && !is_real(want) && want != WG_BOOL && !integers_fit(a, want))
        return complain(c, "%s: holds integers that input \"%s\", which is %s, cannot be", file, name,
                        wg_dtype_name(want));
    return convert(a, want) ? complain(c, "%s: cannot convert it to %s", file, wg_dtype_name(want)) : DONE;
}

/* Reads the inputs into in [number of inputs that the file lists], in the file's order. */
static int read_inputs(const struct run *r, const struct loaded *l, wg_onnx_given *in)
{
    const struct command *c = &command_run;
    wg_dtype              t;
    for (int k = 0; k < r->input.n; k++) {
        const char *file;
        int         i = find_named(r->input.at[k], declared_name, l, "input", &file);
        if (i < 0) return MISUSED;
        wg_onnx_declared(l->onnx, i, &in[i].name, &t);
        if (in[i].value.data) return misused(c, "input \"%s\" twice", in[i].name);
        if (read_input(in[i].name, t, file, &in[i].value)) return FAILED;
    }
    for (int i = 0; wg_onnx_declared(l->onnx, i, &in[i].name, &t);) i++;
    return DONE;
}

/* Says which input has no value that the tape needs; without a tape, whose sizes that value may have told, the first
 * that has none. */
static int check_missing(const struct loaded *l, const wg_onnx_given *in, wg_tape *t)
{
    for (int i = 0, k = 0; i < l->n_in; i++) {
        const char *name = wg_onnx_input_name(l->onnx, i);
        while (strcmp(in[k].name, name) != 0) k++;
        if (!in[k].value.data && (!t || wg_tape_shape(t, l->in[i])))
            return misused(&command_run, "input \"%s\" is missing: --input %s=FILE.npy", name, name);
    }
    return DONE;
}

static int result(wg_tape *t, wg_node *y, wg_array *a)
{
    const wg_shape *s = wg_tape_shape(t, y);
    if (!s || wg_array_new(a, wg_node_dtype(y), *s)) return complain(&command_run, "out of memory");
    return wg_get(t, y, a->data) ? complain(&command_run, "%s", wg_tape_message(t)) : DONE;
}

static int print_result(const struct loaded *l, wg_tape *t, int i)
{
    wg_array a = {0};
    char     type[256];
    int      status = result(t, l->out[i], &a);
    if (!status) {
        print("%s %s\n", wg_onnx_output_name(l->onnx, i), type_text(NULL, a.dtype, &a.shape, type, sizeof type));
        print_values(stdout, &a);
    }
    wg_array_free(&a);
    return status;
}

static int write_result(const struct loaded *l, wg_tape *t, int i, const char *file)
{
    wg_array a = {0};
    wg_error e;
    int      status = result(t, l->out[i], &a);
    if (!status && (ends_with(file, ".pb") ? wg_onnx_tensor_write(file, &a, wg_onnx_output_name(l->onnx, i), &e)
                                           : wg_npy_write(file, &a, &e)))
        status = complain(&command_run, "%s", e.message);
    wg_array_free(&a);
    return status;
}

static int write_outputs(const struct run *r, const struct loaded *l, wg_tape *t)
{
    int status = DONE;
    for (int i = 0; !status && !r->output.n && i < l->n_out; i++) status = print_result(l, t, i);
    for (int k = 0; !status && k < r->output.n; k++) {
        const char *file;
        int         i = find_named(r->output.at[k], wg_onnx_output_name, l, "output", &file);
        status = i < 0 ? MISUSED : write_result(l, t, i, file);
    }
    return status;
}

/* Imports the model and runs it. Shapes, and values that shape the graph, go to the import; other
 * values go into the tape. */
static int run_model(const struct run *r, const char *path, struct loaded *l, wg_onnx_given *in, int n,
                     const struct bindings *b)
{
    const struct command *c = &command_run;
    char                  name[400];
    int                   status = read_inputs(r, l, in), given = 0;
    wg_onnx_given        *known = status ? NULL : calloc((size_t)n + 1, sizeof *known);
    if (status) return status;
    for (int i = 0; known && i < n; i++)
        if (in[i].value.data) known[given++] = in[i];
    wg_onnx_import_options o = {.n_bind = b->n, .bind = b->at, .n_given = given, .given = known};
    status = known ? import_model(c, path, l, 1, o) : complain(c, "out of memory");
    free(known);
    if (status) return status;
    wg_tape *t =
        wg_compile(l->g, l->n_out, l->out, &(wg_options){.evaluate = 1, .threads = r->threads, .device = r->device});
    if ((status = check_missing(l, in, t))) return status;
    if (!t) return complain(c, "%s", wg_message(l->g));
    for (int i = 0, k = 0; i < l->n_in; i++) { /* in the file's order, as far as they are inputs still */
        while (strcmp(in[k].name, wg_onnx_input_name(l->onnx, i)) != 0) k++;
        if (!wg_tape_shape(t, l->in[i])) continue; /* no output needs it */
        if (wg_set(t, l->in[i], in[k].value.data)) return complain(c, "%s: %s", path, wg_tape_message(t));
    }
    if (wg_run(t)) return complain(c, "%s: %s", path, wg_tape_message(t));
    if (r->device != WG_DEVICE_CPU) printf("on %s\n", device_text(r->device, name, sizeof name));
    return write_outputs(r, l, t);
}

static int run(int argc, char **argv)
{
    struct run      r = {0};
    struct texts    words = {0};
    struct loaded   l = {0};
    struct bindings b = {0};
    int             status;
    if (!options_read(&command_run, argc, argv, &r, &words, &status)) return status;
    if (words.n != 1) return misused(&command_run, "which model? one file, not %d", words.n);
    status = bind_texts(&command_run, &r.bind, &b);
    if (!status) status = read_model(&command_run, words.at[0], &l);
    int            n = status ? 0 : count_names(declared_name, l.onnx);
    wg_onnx_given *in = status ? NULL : calloc((size_t)n + 1, sizeof *in);
    if (!status) status = in ? run_model(&r, words.at[0], &l, in, n, &b) : complain(&command_run, "out of memory");
    for (int i = 0; in && i < n; i++) wg_array_free(&in[i].value);
    free(in);
    bindings_free(&b);
    unload(&l);
    return status;
}

const struct command command_run = {"run", "MODEL.onnx --input [NAME=]FILE... [OPTIONS]",
                                    "values through a model, printed or into files", options, run};
