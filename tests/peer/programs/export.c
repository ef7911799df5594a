/* Writes nets as ONNX at every opset, with inputs and the outputs that they
 * have here, for tests/peer/run to hold against another runtime.
 *
 *   export DIR
 *
 * DIR/NAME.OPSET.onnx, DIR/NAME.in0.npy, .. and DIR/NAME.out.npy; on stdout a
 * line for each net: its name and the names of its inputs.  A net that an opset
 * cannot say has DIR/NAME.OPSET.txt with the reason. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/onnx.h>
#include <wengert/train.h>

#include "ops/cases.h"

enum { MOST = 3 };

static double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

static double draw_from(enum wg_domain d, uint64_t *state)
{
    double u = draw(state), sign = draw(state) < 0.5 ? -1 : 1;
    if (d == WG_DOMAIN_ANY) return 4 * u - 2;
    if (d == WG_DOMAIN_POSITIVE) return 0.5 + 1.5 * u;
    if (d == WG_DOMAIN_NONZERO) return sign * (0.5 + 1.5 * u);
    return 0.5 * floor(8 * u) - 2 + 0.15 + 0.2 * draw(state);
}

/* ---- A net with inputs ---- */

struct net {
    const char *dir, *name;
    wg_graph   *g;
    wg_node    *x[MOST], *y;
    int         n;
    wg_shape    shape[MOST]; /* of the values, where an input has symbols */
    void       *data[MOST];
    wg_options  options;
};

static int say(const char *what, const char *why) { return fprintf(stderr, "%s: %s\n", what, why), 1; }

/* An input with values of a domain; whole numbers below `below` where that is not 0. */
static wg_node *input(struct net *n, wg_dtype t, wg_shape s, wg_shape values, enum wg_domain d, int below,
                      uint64_t *state)
{
    int     i = n->n++;
    char    name[8];
    int64_t count = wg_count(&values);
    snprintf(name, sizeof name, "in%d", i);
    n->shape[i] = values;
    n->data[i] = calloc((size_t)count + 1, 8);
    for (int64_t k = 0; k < count; k++)
        wg__store(t, n->data[i], k, below ? floor(below * draw(state)) : draw_from(d, state));
    return n->x[i] = wg_input(n->g, name, t, s);
}

static int write_array(const struct net *n, const char *what, wg_dtype t, wg_shape s, const void *data)
{
    char     path[600];
    wg_error e;
    snprintf(path, sizeof path, "%s/%s.%s.npy", n->dir, n->name, what);
    return wg_npy_write(path, &(wg_array){t, s, (void *)(uintptr_t)data}, &e) ? say(path, e.message) : 0;
}

static int write_values(struct net *n)
{
    n->options.evaluate = 1;
    wg_tape *t = wg_compile(n->g, 1, &n->y, &n->options);
    int      failed = 0;
    if (!t) return say(n->name, wg_message(n->g));
    for (int i = 0; i < n->n; i++) {
        if (wg_tape_shape(t, n->x[i])) wg_set(t, n->x[i], n->data[i]);
        failed |= write_array(n, wg_node_name(n->x[i]), wg_node_dtype(n->x[i]), n->shape[i], n->data[i]);
    }
    if (wg_run(t)) return say(n->name, wg_tape_message(t));
    return failed | write_array(n, "out", wg_node_dtype(n->y), *wg_tape_shape(t, n->y), wg_view(t, n->y));
}

static void write_models(struct net *n)
{
    char path[600];
    for (int opset = WG_ONNX_MIN_OPSET; opset <= WG_ONNX_MAX_OPSET; opset++) {
        snprintf(path, sizeof path, "%s/%s.%d.onnx", n->dir, n->name, opset);
        if (!wg_onnx_export(n->g, 1, &n->y, path, &(wg_onnx_export_options){.opset = opset})) continue;
        snprintf(path, sizeof path, "%s/%s.%d.txt", n->dir, n->name, opset);
        FILE *f = fopen(path, "w");
        if (f) fprintf(f, "%s\n", wg_message(n->g)), fclose(f);
        wg_clear_error(n->g);
    }
}

static struct net begin(const char *dir, const char *name)
{
    return (struct net){.dir = dir, .name = name, .g = wg_graph_new()};
}

static int end(struct net *n)
{
    int failed = n->y ? write_values(n) : say(n->name, wg_message(n->g));
    if (!failed) write_models(n);
    printf("%s", n->name);
    for (int i = 0; i < n->n; i++) printf(" %s", wg_node_name(n->x[i]));
    printf("\n");
    for (int i = 0; i < n->n; i++) free(n->data[i]);
    wg_graph_free(n->g);
    return failed;
}

/* ---- Every operator ---- */

static const double parameter = 0.75;

static int elementwise(const char *dir, const wg_op *op, wg_dtype t)
{
    char     name[64];
    uint64_t state = 7;
    wg_shape shape[2] = {{2, {3, 4}}, {1, {4}}};
    bool     whole = !(WG_DTYPE_BIT(t) & WG_DTYPE_REALS);
    if (op->attr_size > sizeof parameter || (op->fields && op->fields[0].type != WG_FIELD_REAL)) return 0;
    if (op->arity > 2 || (op->dtypes && !(op->dtypes & WG_DTYPE_BIT(t)))) return 0;
    snprintf(name, sizeof name, "%s_%s", op->name, wg_dtype_name(t));
    struct net n = begin(dir, name);
    for (int i = 0; i < op->arity; i++)
        input(&n, t, shape[i], shape[i], op->domain, whole ? t == WG_BOOL ? 2 : 5 : 0, &state);
    n.y = wg_apply(op, op->arity, n.x, op->attr_size ? &parameter : NULL);
    return end(&n);
}

static int one_case(const char *dir, int k, wg_dtype t)
{
    const struct op_case *c = &op_cases[k];
    char                  name[64];
    uint64_t              state = 11;
    snprintf(name, sizeof name, "%s_%d_%s", *c->op == '(' ? "composed" : c->op, k, wg_dtype_name(t));
    struct net n = begin(dir, name);
    for (int i = 0; i < c->n; i++) {
        wg_dtype u = c->kind[i] == 'r' ? t : c->kind[i] == 'i' ? WG_I64 : c->kind[i] == 'u' ? WG_U8 : WG_BOOL;
        input(&n, u, c->shape[i], c->shape[i], WG_DOMAIN_ANY,
              c->kind[i] == 'r'   ? 0
              : c->kind[i] == 'b' ? 2
                                  : c->below,
              &state);
    }
    n.y = c->build(n.g, t, n.x);
    return end(&n);
}

/* ---- Nets ---- */

static wg_node *mlp(wg_node *x)
{
    wg_node *h = wg_dropout(wg_relu(wg_dense(x, 16, "fc1")), 0.5);
    return wg_dense(wg_gelu(wg_dense(h, 8, "fc2")), 3, "fc3");
}
static wg_node *classes(wg_node *x) { return wg_softmax(mlp(x), 1); }
static wg_node *standard(wg_node *x)
{
    wg_node *centred = wg_sub(x, wg_mean(x, WG_AXES(1), 1));
    wg_node *variance = wg_mean(wg_square(centred), WG_AXES(1), 1);
    return wg_clip(wg_mul(centred, wg_rsqrt(wg_shift(variance, 1e-5))), -1, 1);
}
static wg_node *moved(wg_node *x)
{
    wg_node *pairs = wg_reshape(x, WG_SHAPE(wg_node_shape(x)->dim[0], 3, 2));
    wg_node *both = wg_concat(2, (wg_node *[]){pairs, wg_slice(pairs, 0, WG_SLICE_END, INT64_MIN, -1)}, 0);
    wg_node *wide = wg_expand(wg_unsqueeze(both, 0), WG_SHAPE(2, wg_node_shape(both)->dim[0], 3, 2));
    return wg_reshape(wg_transpose(wide, WG_AXES(1, 0, 2, 3)), WG_SHAPE(WG_DIM_AUTO, 12));
}
static wg_node *slopes(wg_node *x)
{
    wg_node *d = NULL, *loss = wg_mean(wg_square(mlp(x)), WG_ALL_AXES, 0);
    wg_grad(loss, 1, &x, &d);
    return d;
}
static wg_node *products(wg_node *x)
{
    wg_node *w = wg_param(wg_node_graph(x), "w", WG_F32, WG_SHAPE(2, 5)),
            *b = wg_param(wg_node_graph(x), "b", WG_F32, WG_SHAPE(5));
    wg_init(w, &(wg_initializer){.kind = WG_INIT_NORMAL, .a = 0, .b = 1});
    return wg_add(wg_matmul(wg_reshape(x, WG_SHAPE(wg_node_shape(x)->dim[0], 3, 2)), w), b);
}

static const struct {
    const char *name;
    wg_node *(*make)(wg_node *x);
} nets[] = {{"mlp", mlp},     {"classes", classes}, {"standard", standard},
            {"moved", moved}, {"slopes", slopes},   {"products", products}};

static int one_net(const char *dir, int k, int batch)
{
    char     name[64];
    uint64_t state = 3;
    snprintf(name, sizeof name, "net_%s_%s%d", nets[k].name, batch < 0 ? "any" : "", abs(batch));
    struct net n = begin(dir, name);
    wg_shape   values = {2, {abs(batch), 6}}, s = values;
    if (batch < 0) {
        s.dim[0] = wg_dim(n.g, "batch");
        n.options.bind[0].name = "batch";
        n.options.bind[0].size = -batch;
    }
    n.y = nets[k].make(input(&n, WG_F32, s, values, WG_DOMAIN_ANY, 0, &state));
    return end(&n);
}

int main(int argc, char **argv)
{
    static const int batches[] = {5, -1, -7};
    int              failed = 0;
    if (argc != 2) return say("usage", "export DIR");
    for (const wg_op *const *op = wg_ops; *op; op++)
        for (int t = 0; (*op)->block && t < WG_DTYPES; t++) failed |= elementwise(argv[1], *op, (wg_dtype)t);
    for (int k = 0; k < (int)(sizeof op_cases / sizeof *op_cases); k++)
        for (int t = WG_F32; t <= WG_F64; t++) failed |= one_case(argv[1], k, (wg_dtype)t);
    for (int k = 0; k < (int)(sizeof nets / sizeof *nets); k++)
        for (int i = 0; i < 3; i++) failed |= one_net(argv[1], k, batches[i]);
    return failed;
}
