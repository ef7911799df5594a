/* wengert run: values through a model. */
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct run {
    int          threads, device;
    struct texts input, output, bind;
};
static const struct option options[] = {
    {"--input", "[NAME=]FILE", "a value: .npy, or a TensorProto as .pb", TEXTS, offsetof(struct run, input), 0, 0},
    {"--output", "[NAME=]FILE", "where a result goes, .npy or .pb; without it all are printed", TEXTS,
     offsetof(struct run, output), 0, 0},
    {"--bind", "NAME=SIZE", "size of a symbolic dimension that no input has", TEXTS, offsetof(struct run, bind), 0, 0},
    {"--threads", "N", "at most so many", WHOLE, offsetof(struct run, threads), 1, 1024},
    {"--device", "NAME", "cpu, cuda or cuda:N (cpu)", DEVICE, offsetof(struct run, device), 0, 0},
    {0}};

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* Splits "NAME=FILE" at the "=" behind the longest name that the model has: names and files may have more of them.  A
 * file alone is the only input or output there is. */
static int which(const char *text, int n, const char *(*name)(const wg_onnx *, int), const struct loaded *l,
                 const char *what, const char **file)
{
    const struct command *c = &command_run;
    const char           *equals = strchr(text, '=');
    size_t                longest = 0;
    int                   found = -1;
    for (int i = 0; equals && i < n; i++) {
        size_t k = strlen(name(l->onnx, i));
        if (strncmp(name(l->onnx, i), text, k) || text[k] != '=' || (found >= 0 && k < longest)) continue;
        found = i;
        longest = k;
    }
    *file = equals ? text + longest + 1 : text;
    if (found >= 0) return found;
    if (!equals && n == 1) return 0;
    if (equals) misused(c, "the model has no %s \"%.*s\"", what, (int)(equals - text), text);
    else misused(c, "the model has %d %ss: write --%s NAME=%s", n, what, what, text);
    return -1;
}

/* f64 to f32 and the like, as wg_cast does it: what NumPy makes by default goes into any net. */
static int convert(wg_array *a, wg_dtype to)
{
    wg_graph *g = wg_graph_new();
    wg_array  b = {0};
    wg_node  *x = wg_input(g, "x", a->dtype, a->shape), *y = wg_cast(x, to);
    wg_tape  *t = wg_compile(g, 1, &y, NULL);
    bool done = t && !wg_set(t, x, a->data) && !wg_run(t) && !wg_array_new(&b, to, a->shape) && !wg_get(t, y, b.data);
    wg_graph_free(g);
    if (!done) return wg_array_free(&b), FAILED;
    wg_array_free(a);
    *a = b;
    return DONE;
}

/* Whether an array goes into a narrower whole type and comes back as the same. */
static int convert_whole(wg_array *a, wg_dtype to)
{
    wg_array was = *a, back = {0};
    bool     same = !wg_array_new(&back, a->dtype, a->shape);
    if (same) memcpy(back.data, a->data, wg_array_bytes(a));
    same = same && !convert(&back, to) && !convert(&back, was.dtype) && !memcmp(back.data, a->data, wg_array_bytes(a));
    wg_array_free(&back);
    return same ? convert(a, to) : FAILED;
}

static bool real(wg_dtype t) { return t == WG_F32 || t == WG_F64; }

static int read_input(const struct loaded *l, int i, const char *file, wg_array *a)
{
    const struct command *c = &command_run;
    wg_error              e;
    wg_dtype              want = wg_node_dtype(l->in[i]);
    int status = ends_with(file, ".pb") ? wg_onnx_tensor_read(file, a, NULL, 0, &e) : wg_npy_read(file, a, &e);
    if (status) return complain(c, "%s", e.message);
    if (a->dtype == want) return DONE;
    if (real(a->dtype) && !real(want))
        return complain(c, "%s: holds %s, input \"%s\" is %s", file, wg_dtype_name(a->dtype),
                        wg_onnx_input_name(l->onnx, i), wg_dtype_name(want));
    if ((real(want) ? convert : convert_whole)(a, want))
        return complain(c, "%s: holds values that %s, the dtype of input \"%s\", does not have", file,
                        wg_dtype_name(want), wg_onnx_input_name(l->onnx, i));
    return DONE;
}

static int read_inputs(const struct run *r, const struct loaded *l, wg_array *a, struct bindings *b)
{
    const struct command *c = &command_run;
    for (int k = 0; k < r->input.n; k++) {
        const char *file;
        int         i = which(r->input.at[k], l->n_in, wg_onnx_input_name, l, "input", &file);
        if (i < 0) return MISUSED;
        if (a[i].data) return misused(c, "input \"%s\" twice", wg_onnx_input_name(l->onnx, i));
        if (read_input(l, i, file, &a[i])) return FAILED;
    }
    for (int i = 0; i < l->n_in; i++) {
        if (!a[i].data)
            return misused(c, "input \"%s\" is missing: --input %s=FILE.npy", wg_onnx_input_name(l->onnx, i),
                           wg_onnx_input_name(l->onnx, i));
        if (bind_shape(c, l, i, &a[i].shape, b)) return FAILED;
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

static int outputs(const struct run *r, const struct loaded *l, wg_tape *t)
{
    int status = DONE;
    for (int i = 0; !status && !r->output.n && i < l->n_out; i++) status = print_result(l, t, i);
    for (int k = 0; !status && k < r->output.n; k++) {
        const char *file;
        int         i = which(r->output.at[k], l->n_out, wg_onnx_output_name, l, "output", &file);
        status = i < 0 ? MISUSED : write_result(l, t, i, file);
    }
    return status;
}

static int run_model(const struct run *r, const char *path, struct loaded *l, wg_array *in)
{
    const struct command *c = &command_run;
    struct bindings       b = {0};
    char                  name[400];
    int                   status = bind_texts(c, &r->bind, &b);
    if (!status) status = read_inputs(r, l, in, &b);
    if (status) return status;
    wg_tape *t = compile(c, l, &b, r->threads, r->device);
    if (!t) return FAILED;
    for (int i = 0; i < l->n_in; i++) {
        if (!wg_tape_shape(t, l->in[i])) continue; /* no output needs it */
        if (wg_set(t, l->in[i], in[i].data)) return complain(c, "%s: %s", path, wg_tape_message(t));
    }
    if (wg_run(t)) return complain(c, "%s: %s", path, wg_tape_message(t));
    if (r->device != WG_CPU) printf("on %s\n", device_text(r->device, name, sizeof name));
    return outputs(r, l, t);
}

static int run(int argc, char **argv)
{
    struct run    r = {0};
    struct texts  words = {0};
    struct loaded l = {0};
    int           status;
    if (!options_read(&command_run, argc, argv, &r, &words, &status)) return status;
    if (words.n != 1) return misused(&command_run, "which model? one file, not %d", words.n);
    status = load(&command_run, words.at[0], &l);
    wg_array *in = status ? NULL : calloc((size_t)l.n_in + 1, sizeof *in);
    if (!status) status = in ? run_model(&r, words.at[0], &l, in) : complain(&command_run, "out of memory");
    for (int i = 0; in && i < l.n_in; i++) wg_array_free(&in[i]);
    free(in);
    unload(&l);
    return status;
}

const struct command command_run = {"run", "MODEL.onnx --input [NAME=]FILE... [OPTIONS]",
                                    "values through a model, printed or into files", options, run};
