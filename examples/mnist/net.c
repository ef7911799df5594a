/* The net, and how well it does. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mnist.h"

static wg_node *hidden_layer(wg_node *x, const char *name, double dropout)
{
    wg_dense_options o = {.activation = WG_ACT_RELU, .weight = {.kind = WG_INIT_HE_UNIFORM}};
    return wg_dropout(wg_dense_with(x, 512, name, &o), dropout);
}

int net_build(struct net *n, const struct options *o)
{
    memset(n, 0, sizeof *n);
    wg_graph *g = n->g = wg_graph_new();
    if (!g) return complain("out of memory");
    wg_set_seed(g, o->seed);
    int64_t batch = wg_dim(g, "batch");
    n->image = wg_input(g, "image", WG_F32, WG_SHAPE(batch, PIXELS));
    n->label = wg_input(g, "label", WG_U8, WG_SHAPE(batch));
    n->rate = wg_input(g, "rate", WG_F32, WG_SCALAR);

    wg_node *h = hidden_layer(n->image, "fc1", o->dropout);
    h = hidden_layer(h, "fc2", o->dropout);
    n->logits = wg_named(wg_dense(h, CLASSES, "fc3"), "logits");
    n->probability = wg_named(wg_softmax(n->logits, 1), "probability");
    n->guess = wg_named(wg_cast(wg_argmax(n->logits, 1, 0), WG_U8), "guess");
    n->loss = wg_named(wg_softmax_cross_entropy(n->logits, n->label), "loss");
    wg_node *right = wg_cast(wg_equal(n->guess, n->label), WG_F32);
    n->accuracy = wg_named(wg_mean(right, WG_ALL_AXES, 0), "accuracy");
    return wg_status(g) ? complain("%s", wg_message(g)) : 0;
}

wg_tape *net_evaluation(struct net *n, int64_t batch, const struct options *o)
{
    wg_options e = {.bind = {{"batch", batch}}, .evaluate = 1, .threads = o->threads, .device = o->device};
    int        i = n->evaluation[0].tape && n->evaluation[0].batch != batch;
    if (n->evaluation[i].tape && n->evaluation[i].batch == batch) return n->evaluation[i].tape;
    wg_tape *t = wg_compile(n->g, WG_NODES(n->guess, n->probability), &e);
    if (!t) complain("%s", wg_message(n->g));
    wg_tape_free(n->evaluation[i].tape);
    n->evaluation[i].batch = batch;
    return n->evaluation[i].tape = t;
}

static wg_batches *test_batches(struct net *n, const struct digits *d)
{
    wg_error    e;
    wg_column   c[] = {{.array = &d->test_image, .input = n->image, .scale = 1.0 / 255},
                       {.array = &d->test_label, .input = n->label}};
    wg_batches *b = wg_batches_new(&(wg_batch_options){.n = 1, .column = c, .size = 500, .last = WG_LAST_SHORT}, &e);
    if (!b) complain("%s", e.message);
    return b;
}

static int count(struct net *n, wg_tape *t, const uint8_t *label, int size, long confusion[CLASSES][CLASSES])
{
    const uint8_t *guess = wg_view(t, n->guess);
    const float   *probability = wg_view(t, n->probability);
    for (int i = 0; i < size; i++) {
        if (!isfinite(probability[i * CLASSES + guess[i]]))
            return complain("the net has diverged, its outputs are no numbers: try a smaller --rate");
        confusion[label[i]][guess[i]]++;
    }
    return 0;
}

int net_test(struct net *n, const struct digits *d, const struct options *o, long confusion[CLASSES][CLASSES])
{
    memset(confusion, 0, sizeof(long[CLASSES][CLASSES]));
    const uint8_t *label = d->test_label.data;
    wg_batches    *b = test_batches(n, d);
    int            size, status = b ? 0 : -1;
    while (!status && (size = wg_batch_peek(b)) > 0) {
        wg_tape *t = net_evaluation(n, size, o);
        if (!t) status = -1;
        else if (wg_batch_next(b, t) < 0) status = complain("%s", wg_batches_message(b));
        else if (wg_run(t)) status = complain("%s", wg_tape_message(t));
        if (!status) status = count(n, t, label, size, confusion);
        label += size;
    }
    wg_batches_free(b);
    return status;
}

double confusion_accuracy(long confusion[CLASSES][CLASSES])
{
    long right = 0, all = 0;
    for (int i = 0; i < CLASSES; i++)
        for (int j = 0; j < CLASSES; j++) {
            all += confusion[i][j];
            right += i == j ? confusion[i][j] : 0;
        }
    return all ? (double)right / (double)all : 0;
}
