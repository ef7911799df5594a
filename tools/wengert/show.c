/* wengert show: what is in a model, and what running it takes. */
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct show {
    bool         tape, dot;
    int          batch;
    struct texts bind;
};
static const struct option options[] = {
    {"--batch", "N", "size of the inputs' first axis where it is a symbol (1)", WHOLE, offsetof(struct show, batch), 1,
     1e6},
    {"--bind", "NAME=SIZE", "size of a symbolic dimension", TEXTS, offsetof(struct show, bind), 0, 0},
    {"--tape", NULL, "the compiled instructions instead", FLAG, offsetof(struct show, tape), 0, 0},
    {"--dot", NULL, "the graph for Graphviz instead", FLAG, offsetof(struct show, dot), 0, 0},
    {0}};
struct tally {
    const char *op;
    int         n;
};
static int by_count(const void *a, const void *b)
{
    const struct tally *p = a, *q = b;
    return p->n != q->n ? q->n - p->n : strcmp(p->op, q->op);
}

static int print_operators(const struct command *c, const wg_onnx *m)
{
    int           n = 0, count = wg_onnx_about(m).nodes;
    struct tally *t = calloc((size_t)count + 1, sizeof *t);
    const char   *op, *name;
    if (!t) return complain(c, "out of memory");
    for (int i = 0; wg_onnx_node_at(m, i, &op, &name); i++) {
        int k = 0;
        while (k < n && strcmp(t[k].op, op)) k++;
        if (k == n) t[n++].op = op;
        t[k].n++;
    }
    qsort(t, (size_t)n, sizeof *t, by_count);
    print("operators   ");
    for (int i = 0; i < n; i++) print("%s%s %d", i ? ", " : "", t[i].op, t[i].n);
    print("%s\n", n ? "" : "none");
    free(t);
    return DONE;
}

static void print_file(const char *path, const wg_onnx *m)
{
    wg_onnx_info i = wg_onnx_about(m);
    const char  *key, *text;
    print("%s: IR %lld, opset %lld", path, (long long)i.ir_version, (long long)i.opset);
    if (*i.producer) print(", by %s %s", i.producer, i.producer_version);
    if (*i.graph_name) print(", graph \"%s\"", i.graph_name);
    print("\n");
    if (*i.doc) print("about       %s\n", i.doc);
    for (int k = 0; wg_onnx_meta_at(m, k, &key, &text); k++) print("metadata    %s = %s\n", key, text);
}

static void print_ends(const struct loaded *l)
{
    char type[256];
    for (int i = 0; i < l->n_in; i++)
        print("input       %s %s\n", wg_onnx_input_name(l->onnx, i),
              type_text(l->g, wg_node_dtype(l->in[i]), wg_node_shape(l->in[i]), type, sizeof type));
    for (int i = 0; i < l->n_out; i++)
        print("output      %s %s\n", wg_onnx_output_name(l->onnx, i),
              type_text(l->g, wg_node_dtype(l->out[i]), wg_node_shape(l->out[i]), type, sizeof type));
}

static void print_parameters(const struct loaded *l)
{
    char   size[32];
    int    n = wg_param_count(l->g);
    double count = 0, bytes = 0;
    for (int i = 0; i < n; i++) {
        const wg_node *p = wg_param_at(l->g, i);
        double         k = (double)wg_count(wg_node_shape(p));
        count += k;
        bytes += k * (double)wg_dtype_size(wg_node_dtype(p));
    }
    print("parameters  %.0f in %d tensors, %s\n", count, n, bytes_text(bytes, size, sizeof size));
}

static void print_run(const struct bindings *b, const wg_tape *t)
{
    char          peak[32];
    wg_tape_stats s = wg_stats(t);
    print("one run     %.6g MFLOP, %lld instructions, %s for intermediate values", s.flops / 1e6,
          (long long)s.instructions, bytes_text((double)s.peak_bytes, peak, sizeof peak));
    for (int i = 0; i < b->n; i++) print("%s%s = %lld", i ? ", " : "  (", b->at[i].name, (long long)b->at[i].size);
    print("%s\n", b->n ? ")" : "");
}

/* Prints the text that the library wrote into a stream in memory, and frees it. */
static int put_stream(FILE *f, int status, char **text)
{
    bool bad = !f || fclose(f) || status;
    if (!bad) put_text(stdout, *text);
    free(*text);
    return bad ? complain(&command_show, "cannot write") : DONE;
}

static int print_graph(const struct loaded *l)
{
    char  *text = NULL;
    size_t n;
    FILE  *f = open_memstream(&text, &n);
    return put_stream(f, f ? wg_dot(l->g, l->n_out, l->out, f) : 0, &text);
}

static int print_tape(const wg_tape *t)
{
    char  *text = NULL;
    size_t n;
    FILE  *f = open_memstream(&text, &n);
    return put_stream(f, f ? wg_tape_print(t, f) : 0, &text);
}

/* Shows the model with its weights as parameters, to show what it is made of; to run it, the weights
 * are constants. */
static int show_model(const struct show *s, const char *path, const struct bindings *b, struct loaded *l)
{
    const struct command  *c = &command_show;
    wg_onnx_import_options o = {.n_bind = b->n, .bind = b->at};
    int                    status = read_model(c, path, l);
    if (!status) status = import_model(c, path, l, 0, o);
    if (status) return status;
    if (s->dot) return print_graph(l);
    print_file(path, l->onnx);
    print_ends(l);
    status = print_operators(c, l->onnx);
    print_parameters(l);
    return status;
}

static int show_tape(const struct show *s, const char *path, struct bindings *b, struct loaded *l)
{
    const struct command *c = &command_show;
    int                   status = load(c, path, b, l);
    if (status) return status;
    if (bind_batch(c, l, s->batch, b) || bind_rest(c, l, 1, b)) return FAILED;
    wg_tape *t = compile(c, l, b, 0, WG_DEVICE_CPU);
    if (!t) return FAILED;
    if (s->tape) return print_tape(t);
    print_run(b, t);
    return DONE;
}

static int run(int argc, char **argv)
{
    struct show     s = {.batch = 1};
    struct texts    words = {0};
    struct loaded   l = {0};
    struct bindings b = {0};
    int             status;
    if (!options_read(&command_show, argc, argv, &s, &words, &status)) return status;
    if (words.n != 1) return misused(&command_show, "which model? one file, not %d", words.n);
    if (s.dot && s.bind.n) return misused(&command_show, "--dot shows dimensions by their names: leave --bind out");
    if (s.tape && s.dot) return misused(&command_show, "--tape or --dot, not both");
    status = bind_texts(&command_show, &s.bind, &b);
    if (!status && !s.tape) status = show_model(&s, words.at[0], &b, &l);
    if (!status && !s.dot) {
        unload(&l);
        l = (struct loaded){0};
        status = show_tape(&s, words.at[0], &b, &l);
    }
    bindings_free(&b);
    unload(&l);
    return status;
}

const struct command command_show = {"show", "MODEL.onnx [OPTIONS]",
                                     "what is in a model: inputs, outputs, operators, parameters, FLOPs, memory",
                                     options, run};
