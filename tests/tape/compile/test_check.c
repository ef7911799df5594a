/* The checker finds a damaged plan. */
#include "tape/random_graph.h"

TestSuite(tape_check, .timeout = 60);

static wg_graph *g;
static wg_node  *x, *y, *early;
static wg_tape  *t;

/* early is kept; %a and %b live at once. */
static void start(void)
{
    g = wg_graph_new();
    x = wg_input(g, "x", WG_F64, WG_SHAPE(8, 8));
    early = wg_softmax(x, 1);
    wg_node *a = wg_softmax(early, 0), *b = wg_softmax(a, 1);
    y = wg_matmul(wg_matmul(a, b), early);
    t = compile(g, WG_NODES(y, early), NULL);
}
static void stop(void) { wg_graph_free(g); }

static struct wg__value *value(const wg_node *v) { return &t->value[wg__lookup(t, v)->id]; }

static void expect_found(const char *what)
{
    wg_clear_error(g);
    cr_expect_eq(wg__check(t), WG_EINTERNAL, "%s", what);
    cr_expect_eq(wg_status(g), WG_EINTERNAL);
    cr_expect_not_null(strstr(wg_message(g), "memory holds another value"), "%s", wg_message(g));
}

Test(tape_check, a_sound_plan_passes, .init = start, .fini = stop)
{
    cr_expect_eq(wg__check(t), WG_OK, "%s", wg_message(g));
    cr_expect_eq(wg__check(t), WG_OK, "and again");
}

Test(tape_check, overlapping_values, .init = start, .fini = stop)
{
    int64_t at = value(early)->offset;
    value(y)->offset = at;
    expect_found("an output over a kept value");
    value(y)->offset = at + 8;
    expect_found("an output that overlaps in part");
}

Test(tape_check, an_overwritten_input, .init = start, .fini = stop)
{
    value(early)->offset = value(x)->offset;
    cr_expect_eq(wg__check(t), WG_OK, "nothing reads x any more");
    t->instr[1].in[0] = wg__lookup(t, x)->id;
    expect_found("x is read after its memory was taken");
}

Test(tape_check, a_value_read_before_it_is_made, .init = start, .fini = stop)
{
    struct wg__instr first = t->instr[0];
    t->instr[0] = t->instr[1];
    t->instr[1] = first;
    expect_found("instructions in the wrong order");
}

Test(tape_check, a_value_outside_of_the_buffer, .init = start, .fini = stop)
{
    value(early)->offset = (int64_t)t->buffer_bytes - 64;
    expect_found("an end beyond the buffer");
}

Test(tape_check, a_value_without_a_place, .init = start, .fini = stop)
{
    value(early)->place = WG__UNPLACED;
    expect_found("no place");
}

/* Whatever live value is moved onto another live one, it is found. */
Test(tape_check, damage_of_random_tapes)
{
    int damaged = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct random_graph r = random_graph(seed);
        wg_tape            *s = compile(r.g, r.n_out, r.out, NULL);
        cr_expect_eq(wg__check(s), WG_OK);
        const wg_node *kept[2] = {NULL, NULL};
        for (int i = 0, n = 0; i < s->n_order && n < 2; i++) {
            const struct wg__value *v = &s->value[s->order[i]->id];
            if (v->keep && v->place == WG__BUFFER && v->root == s->order[i]->id && v->bytes &&
                s->order[i]->kind == WG__OP)
                kept[n++] = s->order[i];
        }
        if (kept[1]) {
            damaged++;
            s->value[kept[0]->id].offset = s->value[kept[1]->id].offset;
            cr_expect_eq(wg__check(s), WG_EINTERNAL, "graph %llu", (unsigned long long)seed);
        }
        wg_graph_free(r.g);
    }
    cr_expect_gt(damaged, 10);
}
