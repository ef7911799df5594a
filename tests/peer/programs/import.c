/* Reads a model with one input and one output, for tests/peer/run to hold
 * against the runtime that wrote it.
 *
 *   import grad MODEL X.npy DIR               DIR/y.npy, and the gradient of mean(y^2) for
 *                                             each parameter as DIR/NAME.npy; prints the names
 *   import train MODEL X.npy LABEL.npy        prints the softmax cross entropy before and
 *                                             after 50 steps of Adam */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/onnx.h>
#include <wengert/train.h>

enum { MOST = 64, STEPS = 50 };

static int say(const char *what, const char *why) { return fprintf(stderr, "%s: %s\n", what, why), 1; }

struct model {
    wg_graph  *g;
    wg_node   *x, *y;
    wg_options options; /* every symbol is the number of rows of x */
    wg_array   rows;
};

static int load(struct model *m, const char *path, const char *x)
{
    static char name[64];
    wg_error    e;
    wg_onnx    *file = wg_onnx_read(path);
    m->g = wg_graph_new();
    if (wg_onnx_import(file, m->g, NULL)) return say(path, wg_onnx_message(file));
    m->x = wg_onnx_input(file, 0);
    m->y = wg_onnx_output(file, 0);
    wg_onnx_free(file);
    if (wg_npy_read(x, &m->rows, &e)) return say(x, e.message);
    if (wg_node_shape(m->x)->dim[0] < 0) {
        m->options.bind[0].name = wg_dim_name(m->g, wg_node_shape(m->x)->dim[0], name, sizeof name);
        m->options.bind[0].size = m->rows.shape.dim[0];
    }
    return 0;
}

static int write_view(const char *dir, const char *name, wg_tape *t, wg_node *x)
{
    char     path[600];
    wg_error e;
    wg_array a = {wg_node_dtype(x), *wg_tape_shape(t, x), (void *)(uintptr_t)wg_view(t, x)};
    snprintf(path, sizeof path, "%s/%s.npy", dir, name);
    return wg_npy_write(path, &a, &e) ? say(path, e.message) : 0;
}

static int gradients(struct model *m, const char *dir)
{
    wg_node *loss = wg_mean(wg_square(m->y), WG_ALL_AXES, 0), *p[MOST], *out[MOST + 1] = {m->y};
    int      n = wg_param_count(m->g) < MOST ? wg_param_count(m->g) : MOST, failed;
    for (int i = 0; i < n; i++) p[i] = wg_param_at(m->g, i);
    if (wg_grad(loss, n, p, out + 1)) return say("grad", wg_message(m->g));
    wg_tape *t = wg_compile(m->g, n + 1, out, &m->options);
    if (!t) return say("compile", wg_message(m->g));
    if (wg_set(t, m->x, m->rows.data) || wg_run(t)) return say("run", wg_tape_message(t));
    failed = write_view(dir, "y", t, m->y);
    for (int i = 0; i < n; i++) {
        failed |= write_view(dir, wg_node_name(p[i]), t, out[i + 1]);
        printf("%s\n", wg_node_name(p[i]));
    }
    return failed;
}

static int train(struct model *m, const char *labels)
{
    wg_error e;
    wg_array label;
    if (wg_npy_read(labels, &label, &e)) return say(labels, e.message);
    wg_shape s = *wg_node_shape(m->x);
    s.rank = 1;
    wg_node *y = wg_input(m->g, "label", label.dtype, s), *loss = wg_softmax_cross_entropy(m->y, y);
    wg_node *step = wg_minimize(loss, &(wg_solver){.kind = WG_SOLVER_ADAM, .rate = 0.01});
    wg_tape *t = wg_compile(m->g, WG_NODES(loss, step), &m->options);
    if (!t) return say("compile", wg_message(m->g));
    wg_set(t, m->x, m->rows.data);
    wg_set(t, y, label.data);
    for (int i = 0; i < STEPS; i++) {
        if (wg_run(t)) return say("run", wg_tape_message(t));
        if (i == 0 || i == STEPS - 1) printf("%.9g\n", wg_get_scalar(t, loss));
    }
    wg_array_free(&label);
    return 0;
}

int main(int argc, char **argv)
{
    struct model m = {0};
    if (argc != 5) return say("usage", "import grad|train MODEL X.npy DIR|LABEL.npy");
    int failed = load(&m, argv[2], argv[3]);
    if (!failed) failed = strcmp(argv[1], "train") == 0 ? train(&m, argv[4]) : gradients(&m, argv[4]);
    wg_array_free(&m.rows);
    wg_graph_free(m.g);
    return failed;
}
