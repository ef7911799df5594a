/* Compiling, running and training work in a thread with a small stack: 128 KiB is what musl gives. */
#include <pthread.h>

#include "tape/tape_test.h"
#include <wengert/train.h>

/* A training step with products, fused loops, reductions along both axes and constants to fold. */
static void *train(void *result)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(64, 300)), *label = wg_input(g, "label", WG_I64, WG_SHAPE(64));
    wg_node  *h = wg_dropout(wg_dense_with(x, 130, "a", &(wg_dense_options){.activation = WG_ACT_GELU}), 0.5);
    wg_node  *loss = wg_softmax_cross_entropy(wg_dense(h, 10, "b"), label);
    wg_node  *folded = wg_shift(wg_sqrt(wg_scalar(g, WG_F64, 4)), 1), *columns = wg_sum(wg_exp(x), WG_AXES(0), 0);
    wg_node  *all = wg_sum(wg_square(wg_input(g, "big", WG_F64, WG_SHAPE(4, 200000))), WG_AXES(1), 0);
    wg_node  *step = wg_minimize(loss, &(wg_solver){.kind = WG_SOLVER_ADAM, .clip_norm = 1});
    wg_tape  *t = wg_compile(g, WG_NODES(loss, step, folded, columns, all), NULL);
    int       status = t ? WG_OK : wg_status(g);
    for (int i = 0; t && i < g->n; i++)
        if (g->node[i]->kind == WG__INPUT) wg_input_buffer(t, g->node[i]);
    for (int i = 0; i < 3 && !status; i++) status = wg_run(t);
    bool right = !status && wg_get_scalar(t, folded) == 3 && isfinite(wg_get_scalar(t, loss));
    wg_graph_free(g);
    *(bool *)result = right;
    return NULL;
}

Test(tape_stack, a_thread_of_128_kib, .timeout = 60)
{
    pthread_attr_t a;
    pthread_t      thread;
    bool           right = false;
    pthread_attr_init(&a);
    cr_assert_eq(pthread_attr_setstacksize(&a, 128 << 10), 0);
    cr_assert_eq(pthread_create(&thread, &a, train, &right), 0);
    pthread_join(thread, NULL);
    cr_expect(right);
}
