/* Nodes, names, parameters and the order of a graph. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph_impl.h"
#include "ops/ops_impl.h"

static wg_graph *g;
static void      begin(void) { g = wg_graph_new(); }
static void      end(void) { wg_graph_free(g); }
TestSuite(graph, .init = begin, .fini = end);

Test(graph, dtypes)
{
    cr_expect_eq(wg_dtype_size(WG_F32), 4);
    cr_expect_eq(wg_dtype_size(WG_F64), 8);
    cr_expect_eq(wg_dtype_size(WG_BOOL), 1);
    cr_expect_eq(wg_dtype_size(WG_DTYPES), 0);
    cr_expect_eq(wg_dtype_size((wg_dtype)-1), 0);
    cr_expect_str_eq(wg_dtype_name(WG_I32), "i32");
    cr_expect_str_eq(wg_dtype_name((wg_dtype)99), "?");
}

static int64_t count(wg_shape s) { return wg_count(&s); }
Test(graph, count)
{
    cr_expect_eq(count(WG_SCALAR), 1);
    cr_expect_eq(count(WG_SHAPE(2, 3, 4)), 24);
    cr_expect_eq(count(WG_SHAPE(0, INT64_MAX, INT64_MAX)), 0);
    cr_expect_eq(count(WG_SHAPE(INT64_MAX, INT64_MAX, 0)), 0);
    cr_expect_eq(count(WG_SHAPE(INT64_MAX, 2)), INT64_MAX);
    cr_expect_lt(count(WG_SHAPE(2, wg_dim(g, "b"))), 0);
}

Test(graph, asking_a_node)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(2)), *p = wg_param(g, "p", WG_F64, WG_SHAPE(2));
    wg_node *y = wg_mul(x, p), *a = wg_assign(p, y);
    cr_expect_str_eq(wg_node_kind(x), "input");
    cr_expect_str_eq(wg_node_kind(p), "param");
    cr_expect_str_eq(wg_node_kind(wg_scalar(g, WG_F32, 1)), "const");
    cr_expect_str_eq(wg_node_kind(y), "mul");
    cr_expect_str_eq(wg_node_kind(a), "assign");
    cr_expect_str_eq(wg_node_kind(wg_group(1, &a)), "group");
    cr_expect_str_eq(wg_node_kind(NULL), "");
    cr_expect_eq(wg_node_graph(x), g);
    cr_expect_eq(wg_node_dtype(y), WG_F64);
    cr_expect_eq(wg_node_dtype(NULL), WG_DTYPES);
    cr_expect_eq(wg_node_arity(y), 2);
    cr_expect_eq(wg_node_operand(y, 1), p);
    cr_expect_null(wg_node_operand(y, 2));
    cr_expect_eq(wg_node_op(y), &wg_op_mul);
    cr_expect_null(wg_node_op(x));
}

Test(graph, names)
{
    wg_node *x = wg_input(g, NULL, WG_F32, WG_SCALAR);
    cr_expect_str_eq(wg_node_name(x), "");
    char name[] = "first";
    cr_expect_eq(wg_named(x, name), x);
    name[0] = 'w';
    cr_expect_str_eq(wg_node_name(x), "first", "the name was copied");
    cr_expect_str_eq(wg_node_name(wg_named(x, "second")), "second");
    cr_expect_str_eq(wg_node_name(NULL), "");
}

Test(graph, parameters)
{
    float    in[6] = {1, 2, 3, 4, 5, 6}, out[6];
    wg_node *p = wg_param(g, "p", WG_F32, WG_SHAPE(2, 3)), *q = wg_param(g, "q", WG_F64, WG_SHAPE(0));
    cr_expect_eq(wg_param_count(g), 2);
    cr_expect_eq(wg_param_at(g, 0), p);
    cr_expect_eq(wg_param_at(g, 1), q);
    cr_expect_null(wg_param_at(g, 2));
    cr_expect_null(wg_param_at(g, -1));
    cr_expect_eq(wg_param_find(g, "q"), q);
    cr_expect_null(wg_param_find(g, "r"));
    for (int i = 0; i < 6; i++) cr_expect_eq(((const float *)wg_param_view(p))[i], 0, "starts at zero");
    cr_expect_eq(wg_param_set(p, in), WG_OK);
    cr_expect_eq(wg_param_get(p, out), WG_OK);
    cr_expect_arr_eq(in, out, sizeof in);
    cr_expect_eq(wg_param_set(wg_exp(p), in), WG_EARG);
    cr_expect_eq(wg_param_get(p, NULL), WG_EARG);
}

Test(graph, attributes_are_printed_and_compared)
{
    char     text[200];
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "b"), 3));
    wg_node *s = wg_sum(x, WG_AXES(-1), 1), *r = wg_reshape(x, WG_SHAPE(3, WG_DIM_AUTO)), *l = wg_leaky_relu(x, 0.25);
    cr_expect_str_eq(wg__attr_str(g, s->op, s->attr, text, sizeof text), "axes=(1), keep");
    cr_expect_str_eq(wg__attr_str(g, r->op, r->attr, text, sizeof text), "to=[3,b]");
    cr_expect_str_eq(wg__attr_str(g, l->op, l->attr, text, sizeof text), "alpha=0.25");
    wg_node *p = wg_pad(x, (int64_t[]){0, 1}, (int64_t[]){0, 2}, -1);
    cr_expect_str_eq(wg__attr_str(g, p->op, p->attr, text, sizeof text),
                     "before=[0,1], stride=(1,1), to=[b,6], value=-1");
    cr_expect_str_eq(wg__attr_str(g, wg_op_exp.infer ? &wg_op_exp : NULL, NULL, text, sizeof text), "");
    cr_expect(wg__attr_equal(s->op, s->attr, wg_sum(x, WG_AXES(1), 1)->attr), "axes are kept resolved");
    cr_expect_not(wg__attr_equal(s->op, s->attr, wg_sum(x, WG_AXES(1), 0)->attr));
    cr_expect_not(wg__attr_equal(l->op, l->attr, wg_leaky_relu(x, 0.5)->attr));
}

/* ---- Order ---- */

/* exp(x) * (x + y), with the factors built in either order */
static void order_of(bool swapped, char *text)
{
    wg_graph *h = wg_graph_new();
    wg_node  *x = wg_input(h, "x", WG_F32, WG_SCALAR), *y = wg_input(h, "y", WG_F32, WG_SCALAR), *e, *s, **order;
    if (swapped) s = wg_add(x, y), e = wg_exp(x);
    else e = wg_exp(x), s = wg_add(x, y);
    wg_node *z = wg_mul(e, s);
    int      n = wg__postorder(h, 1, &z, &order);
    *text = 0;
    for (int i = 0; i < n; i++)
        strcat(strcat(text, *wg_node_name(order[i]) ? wg_node_name(order[i]) : wg_node_kind(order[i])), " ");
    free(order);
    wg_graph_free(h);
}

Test(graph, order_follows_the_expression_not_its_construction)
{
    char p[100], q[100];
    order_of(false, p);
    order_of(true, q);
    cr_expect_str_eq(p, "x exp y add mul ");
    cr_expect_str_eq(q, p);
}

Test(graph, order_has_operands_first_and_each_node_once)
{
    enum { N = 200 };
    wg_node *v[N] = {wg_input(g, NULL, WG_F32, WG_SCALAR)}, **order;
    for (int i = 1; i < N; i++) v[i] = wg_add(v[(i * 7) % i], v[(i * 13 + 5) % i]);
    int   n = wg__postorder(g, 2, (wg_node *[]){v[N - 1], v[N / 2]}, &order);
    char *seen = calloc((size_t)g->n, 1);
    for (int i = 0; i < n; i++) {
        cr_assert_not(seen[order[i]->id]);
        for (int k = 0; k < order[i]->n; k++) cr_assert(seen[order[i]->x[k]->id]);
        seen[order[i]->id] = 1;
    }
    cr_assert(seen[v[N - 1]->id] && seen[v[N / 2]->id]);
    free(seen);
    free(order);
}

Test(graph, a_chain_of_a_million_nodes)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SCALAR), *y = x, **order;
    for (int i = 0; i < 1000000; i++) y = wg_neg(y);
    cr_assert_not_null(y);
    cr_assert_eq(wg__postorder(g, 1, &y, &order), 1000001);
    cr_assert_eq(order[0], x);
    cr_assert_eq(order[1000000], y);
    free(order);
}

static uint64_t place_of(const wg_node *x)
{
    uint64_t place = 0;
    cr_assert(wg__place(x, &place));
    return place;
}

Test(graph, seeds_and_streams)
{
    cr_expect_eq(wg_seed(g), 0);
    wg_set_seed(g, 7);
    cr_expect_eq(wg_seed(g), 7);
    wg_node *a = wg_normal(g, WG_F32, WG_SHAPE(3), 0, 1), *b = wg_normal(g, WG_F32, WG_SHAPE(3), 0, 1);
    cr_expect_eq(place_of(a), place_of(b), "equal expressions have equal places: a tape tells them apart");
    cr_expect_neq(place_of(a), place_of(wg_normal(g, WG_F32, WG_SHAPE(3), 0, 2)));
    cr_expect_neq(place_of(wg_exp(a)), place_of(wg_exp(wg_exp(a))));
}

Test(graph, names_of_parameters_stay_unique)
{
    wg_node *w = wg_param(g, "fc.weight", WG_F32, WG_SHAPE(2)), *b = wg_param(g, "fc.bias", WG_F32, WG_SHAPE(2));
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(2));
    cr_expect_null(wg_named(b, "fc.weight"));
    cr_expect_str_eq(wg_message(g), "named: fc.bias: there is a parameter fc.weight already");
    wg_clear_error(g);
    cr_expect_null(wg_named(b, ""));
    cr_expect_str_eq(wg_message(g), "named: fc.bias: a parameter needs a name");
    wg_clear_error(g);
    cr_expect(wg_param_find(g, "fc.bias") == b && wg_param_find(g, "fc.weight") == w);
    cr_expect_eq(wg_named(b, "fc.bias"), b, "its own name");
    cr_expect_eq(wg_named(b, "offset"), b);
    cr_expect_eq(wg_param_find(g, "offset"), b);
    cr_expect_eq(wg_named(x, "fc.weight"), x, "inputs have names of their own");
    cr_expect_eq(wg_named(x, ""), x);
}
