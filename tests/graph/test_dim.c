/* Symbolic dimensions: equal sizes are equal numbers. */
#include <criterion/criterion.h>

#include "graph/graph_impl.h"

static wg_graph *g;
static wg_infer  c;
static int64_t   a, b;

static void begin(void)
{
    g = wg_graph_new();
    c = (wg_infer){.g = g};
    a = wg_dim(g, "a");
    b = wg_dim(g, "b");
}
static void end(void) { wg_graph_free(g); }
TestSuite(graph_dim, .init = begin, .fini = end);

static int64_t add(int64_t p, int64_t q)
{
    int64_t y;
    cr_assert_eq(wg_dim_add(&c, p, q, &y), WG_OK, "%s", c.why);
    return y;
}
static int64_t mul(int64_t p, int64_t q)
{
    int64_t y;
    cr_assert_eq(wg_dim_mul(&c, p, q, &y), WG_OK, "%s", c.why);
    return y;
}
static int64_t divide(int64_t p, int64_t q)
{
    int64_t y;
    cr_assert_eq(wg_dim_div(&c, p, q, &y), WG_OK, "%s", c.why);
    return y;
}
static int64_t at(int64_t d, int64_t size_a, int64_t size_b)
{
    wg_options  o = {.bind = {{"a", size_a}, {"b", size_b}}};
    const char *unbound = NULL;
    return wg__dim_bind(g, d, &o, &unbound);
}

Test(graph_dim, one_name_one_symbol)
{
    cr_expect_eq(wg_dim(g, "a"), a);
    cr_expect_neq(a, b);
    cr_expect(a < 0 && b < 0 && a != WG_DIM_AUTO && b != WG_DIM_AUTO);
    cr_expect_eq(wg_dim(g, ""), INT64_MIN);
    cr_expect_eq(wg_status(g), WG_EARG);
    cr_expect_eq(wg_dim(NULL, "a"), INT64_MIN);
}

Test(graph_dim, laws)
{
    cr_expect_eq(add(a, b), add(b, a));
    cr_expect_eq(mul(a, b), mul(b, a));
    cr_expect_eq(mul(mul(a, b), 3), mul(a, mul(3, b)));
    cr_expect_eq(add(a, a), mul(2, a));
    cr_expect_eq(add(a, 0), a);
    cr_expect_eq(mul(a, 1), a);
    cr_expect_eq(mul(a, 0), 0);
    cr_expect_eq(divide(mul(a, b), b), a);
    cr_expect_eq(divide(mul(6, a), mul(2, a)), 3);
    cr_expect_eq(divide(mul(6, a), 3), mul(2, a));
    cr_expect_eq(divide(a, a), 1);
}

Test(graph_dim, binding_is_a_homomorphism)
{
    int64_t s = add(mul(3, mul(a, b)), b);
    for (int64_t p = 0; p < 4; p++)
        for (int64_t q = 0; q < 4; q++) {
            cr_expect_eq(at(s, p, q), 3 * p * q + q);
            cr_expect_eq(at(mul(s, a), p, q), (3 * p * q + q) * p);
        }
    const char *unbound = NULL;
    cr_expect_lt(wg__dim_bind(g, s, &(wg_options){.bind = {{"b", 2}}}, &unbound), 0);
    cr_expect_str_eq(unbound, "a");
}

/* Differences, quotients, ranges and what broadcasts have the size that integers have; where there is none, none is
 * given. */
Test(graph_dim, binding_of_what_hangs_on_sizes)
{
    int64_t less, half, odd, inner, met, more;
    cr_assert(!wg__dim_sub(&c, a, b, &less) && !wg__dim_floor(&c, a, 2, &half));
    cr_assert(!wg__dim_range(&c, a, 1, WG_SLICE_END, 2, &odd) && !wg__dim_range(&c, a, 1, -1, 1, &inner));
    g->open = true;
    cr_assert(!wg__dim_meet(&c, a, b, &met) && !wg_dim_div(&c, a, 2, &more));
    for (int64_t p = 0; p < 7; p++)
        for (int64_t q = 0; q < 7; q++) {
            cr_expect_eq(at(less, p, q), p < q ? -1 : p - q);
            cr_expect_eq(at(add(less, mul(2, b)), p, q), p + q, "below 0 on the way is no matter");
            cr_expect_eq(at(half, p, q), p / 2);
            cr_expect_eq(at(odd, p, q), p / 2);
            cr_expect_eq(at(inner, p, q), p > 2 ? p - 2 : 0);
            cr_expect_eq(at(met, p, q), p == q || q == 1 ? p : p == 1 ? q : -1);
            cr_expect_eq(at(more, p, q), p % 2 ? -1 : p / 2);
        }
}

/* Each has one form, whichever way it came about. */
Test(graph_dim, laws_of_differences_and_ranges)
{
    int64_t y, z;
    cr_assert(!wg__dim_sub(&c, add(a, 3), 1, &y));
    cr_expect_eq(y, add(a, 2));
    cr_assert(!wg__dim_sub(&c, add(a, b), a, &y));
    cr_expect_eq(y, b);
    cr_assert(!wg__dim_sub(&c, a, 1, &y));
    cr_expect_eq(add(y, 1), a);
    cr_expect_eq(add(add(y, b), 1), add(b, a));
    cr_assert(!wg__dim_sub(&c, a, add(a, 4), &y));
    cr_expect_eq(y, -4);
    cr_expect_eq(add(add(a, b), mul(2, a)), add(b, mul(3, a)));
    cr_assert(!wg__dim_range(&c, add(a, 2), 1, -1, 1, &y));
    cr_expect_eq(y, a, "a + 2 without the first and the last");
    cr_assert(!wg__dim_range(&c, mul(3, a), 0, WG_SLICE_END, 3, &y));
    cr_expect_eq(y, a);
    cr_expect_eq(wg__dim_meet(&c, a, b, &y), WG_ESHAPE, "unlike symbols are unlike");
    cr_expect(!wg__dim_meet(&c, a, 1, &y) && y == a);
    g->open = true;
    cr_assert(!wg__dim_meet(&c, a, b, &y) && !wg__dim_meet(&c, b, a, &z));
    cr_expect_eq(y, z);
    cr_expect(!wg__dim_meet(&c, y, a, &z) && z == y);
    cr_expect(!wg__dim_meet(&c, a, 7, &z) && z == 7);
    g->open = false;
    cr_expect(!wg__dim_meet(&c, b, y, &z) && z == y, "what was met already");
}

Test(graph_dim, what_cannot_be_said_is_rejected)
{
    int64_t y;
    cr_expect_eq(wg_dim_div(&c, a, 2, &y), WG_ESHAPE);
    cr_expect_str_eq(c.why, "a is no multiple of 2");
    cr_expect_eq(wg_dim_div(&c, 6, a, &y), WG_ESHAPE);
    cr_expect_eq(wg_dim_div(&c, 6, 0, &y), WG_ESHAPE);
    cr_expect_eq(wg_dim_div(&c, 0, 0, &y), WG_ESHAPE);
    cr_expect_eq(wg_dim_mul(&c, INT64_MAX, 2, &y), WG_ESHAPE);
    cr_expect_eq(wg_dim_add(&c, INT64_MAX, 1, &y), WG_ESHAPE);
    cr_expect_eq(wg_dim_mul(&c, mul(INT64_MAX / 2, a), 3, &y), WG_ESHAPE);
}

/* Written out, each level is twice as long as the one before. */
Test(graph_dim, a_size_does_not_grow_without_bounds)
{
    int64_t d = add(a, b), p, q;
    int     level = 0, status = WG_OK;
    for (; level < 40 && !status; level++) {
        status = wg_dim_mul(&c, d, a, &p);
        if (!status) status = wg_dim_mul(&c, d, b, &q);
        if (!status) status = wg_dim_add(&c, p, q, &d);
    }
    cr_expect_eq(status, WG_ESHAPE);
    cr_expect_str_eq(c.why, "a size of more than 1024 symbols");
    cr_expect_lt(level, 12);
}

Test(graph_dim, names)
{
    char text[64], small[4];
    cr_expect_str_eq(wg_dim_name(g, 12, text, sizeof text), "12");
    cr_expect_str_eq(wg_dim_name(g, a, text, sizeof text), "a");
    cr_expect_str_eq(wg_dim_name(g, mul(2, mul(a, b)), text, sizeof text), "2*a*b");
    cr_expect_str_eq(wg_dim_name(g, add(mul(2, a), 3), text, sizeof text), "(3+2*a)");
    int64_t y;
    cr_assert(!wg__dim_sub(&c, mul(2, a), add(b, 3), &y));
    cr_expect_str_eq(wg_dim_name(g, y, text, sizeof text), "(2*a-b-3)");
    cr_assert(!wg__dim_floor(&c, a, 2, &y));
    cr_expect_str_eq(wg_dim_name(g, y, text, sizeof text), "(a//2)");
    cr_assert(!wg__dim_range(&c, b, 1, -1, 2, &y));
    cr_expect_str_eq(wg_dim_name(g, y, text, sizeof text), "b[1:-1:2]");
    cr_expect_str_eq(wg_dim_name(g, -5, text, sizeof text), "");
    cr_expect_str_eq(wg_dim_name(g, mul(2, mul(a, b)), small, sizeof small), "2*a");
}

Test(graph_dim, shapes_with_symbols)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(a, 3)), *y = wg_input(g, "y", WG_F32, WG_SHAPE(b, 3));
    cr_expect_eq(wg_node_shape(wg_add(x, wg_input(g, NULL, WG_F32, WG_SHAPE(3))))->dim[0], a);
    cr_expect_null(wg_add(x, y));
    cr_expect_str_eq(wg_message(g), "add(x[a,3], y[b,3]): cannot broadcast a with b");
    wg_clear_error(g);
    cr_expect_eq(wg_node_shape(wg_reshape(x, WG_SHAPE(WG_DIM_AUTO)))->dim[0], mul(3, a));
    cr_expect_eq(wg_node_shape(wg_concat(2, (wg_node *[]){x, y}, 0))->dim[0], add(a, b));
    cr_expect_eq(wg_node_shape(wg_concat(2, (wg_node *[]){x, x}, 0))->dim[0], mul(2, a));
    cr_expect_eq(wg_node_shape(wg_matmul(x, wg_transpose(y, WG_ALL_AXES)))->dim[1], b);
    cr_expect_eq(wg_slice(x, 0, 0, WG_SLICE_END, 1), x);
    cr_expect_eq(wg_node_shape(wg_slice(x, 0, WG_SLICE_END, INT64_MIN, -1))->dim[0], a);
    cr_expect_eq(wg_node_shape(wg_slice(x, 0, -1, WG_SLICE_END, 1))->dim[0], 1);
    cr_expect_null(wg_slice(x, 0, -1, 2, 1));
    cr_expect_str_eq(wg_message(g), "slice(x[a,3]): axis 0 is symbolic: its range may not go from a place counted from "
                                    "the end to one counted from the front");
    cr_expect_lt(wg_count(wg_node_shape(x)), 0);
}

/* A name reads as the expression it is: parts that a sign would tear apart stand between parentheses. */
Test(graph_dim, names_keep_their_parts_together)
{
    char    name[80];
    int64_t y, most = mul(4, a);
    cr_assert_eq(wg__dim_range(&c, most, 1, WG_SLICE_END, 2, &y), WG_OK);
    cr_expect_str_eq(wg_dim_name(g, y, name, sizeof name), "(4*a)[1::2]");
    cr_assert_eq(wg__dim_range(&c, a, 1, WG_SLICE_END, 2, &y), WG_OK);
    cr_expect_str_eq(wg_dim_name(g, y, name, sizeof name), "a[1::2]");
    cr_assert_eq(wg__dim_floor(&c, b, most, &y), WG_OK);
    cr_expect_str_eq(wg_dim_name(g, y, name, sizeof name), "(b//(4*a))");
    g->open = true;
    cr_assert_eq(wg__dim_meet(&c, a, b, &y), WG_OK);
    cr_expect_str_eq(wg_dim_name(g, y, name, sizeof name), "a~b");
    cr_expect_str_eq(wg_dim_name(g, mul(3, y), name, sizeof name), "3*(a~b)");
    cr_expect_str_eq(wg_dim_name(g, add(3, y), name, sizeof name), "(3+(a~b))");
}
