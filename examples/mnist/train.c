/* Training: one tape does forward, backward and update. */
#include <stdio.h>
#include <stdlib.h>

#include "mnist.h"

struct training {
    struct net           *net;
    const struct digits  *digits;
    const struct options *o;
    wg_tape              *tape;
    wg_batches           *batches;
    wg_schedule           schedule;
    struct progress       progress;
    struct epoch         *epoch; /* [o->epochs] */
    int                   first; /* epoch of this process */
};

static int make_tape(struct training *t)
{
    struct net  *n = t->net;
    wg_solver    solver = {.kind = (enum wg_solver_kind)t->o->solver, .rate_node = n->rate};
    wg_node     *step = wg_minimize(n->loss, &solver);
    wg_options   o = {.bind = {{"batch", t->o->batch}}, .threads = t->o->threads};
    wg_load_info info = {0};
    wg_error     e;
    if (t->o->resume && wg_checkpoint_load(n->g, NULL, t->o->resume, NULL, &info, &e)) return complain("%s", e.message);
    t->tape = wg_compile(n->g, WG_NODES(n->loss, n->accuracy, step), &o);
    if (!t->tape) return complain("%s", wg_message(n->g));
    wg_set_run_number(t->tape, info.run);
    return 0;
}

static int make_batches(struct training *t)
{
    wg_error         e;
    wg_column        c[] = {{.array = &t->digits->train_image, .input = t->net->image, .scale = 1.0 / 255},
                            {.array = &t->digits->train_label, .input = t->net->label}};
    wg_batch_options o = {.n = 2,
                          .column = c,
                          .size = t->o->batch,
                          .seed = wg_seed(t->net->g),
                          .shuffle = 1,
                          .last = WG_LAST_WRAP,
                          .prefetch = 2};
    t->batches = wg_batches_new(&o, &e);
    return t->batches ? 0 : complain("%s", e.message);
}

/* The epoch and rate to go on with. */
static int set_start(struct training *t)
{
    static const double usual[WG_SOLVERS] = {
        [WG_SGD] = 0.1,      [WG_MOMENTUM] = 0.05, [WG_NESTEROV] = 0.05, [WG_ADAGRAD] = 0.01,
        [WG_RMSPROP] = 1e-3, [WG_ADADELTA] = 1,    [WG_ADAM] = 1e-3,     [WG_ADAMW] = 1e-3};
    int64_t steps = wg_batches_count(t->batches);
    t->schedule = (wg_schedule){.kind = WG_RATE_COSINE,
                                .rate = t->o->rate > 0 ? t->o->rate : usual[t->o->solver],
                                .steps = steps * t->o->epochs};
    if (!t->o->resume) return 0;
    t->first = (int)(wg_run_number(t->tape) / (uint64_t)steps);
    if (wg_run_number(t->tape) % (uint64_t)steps)
        return complain("%s was saved with another --batch or --data", t->o->resume);
    if (t->first >= t->o->epochs)
        return complain("%s has %d epochs already: --epochs %d or more goes on", t->o->resume, t->first, t->first + 1);
    wg_batches_seek(t->batches, (uint64_t)t->first, 0);
    return 0;
}

static int save(struct training *t, double accuracy)
{
    wg_error e;
    char     text[32];
    snprintf(text, sizeof text, "%.4f", accuracy);
    const char *const meta[][2] = {{"model", "mlp 784-512-512-10"}, {"test_accuracy", text}};
    wg_save_options   o = {.n_meta = 2, .meta = meta};
    return wg_checkpoint_save(t->net->g, t->tape, t->o->save, &o, &e) ? complain("%s", e.message) : 0;
}

/* One time through the digits. */
static int run_epoch(struct training *t, struct epoch *e)
{
    struct net *n = t->net;
    long        images = 0, of = (long)t->digits->train_image.shape.dim[0];
    double      begin = seconds(), loss = 0, right = 0;
    int         size;
    while ((size = wg_batch_next(t->batches, t->tape)) > 0) {
        wg_set_scalar(t->tape, n->rate, wg_schedule_at(&t->schedule, (int64_t)wg_run_number(t->tape)));
        if (wg_run(t->tape)) return complain("%s", wg_tape_message(t->tape));
        loss += size * wg_get_scalar(t->tape, n->loss);
        right += size * wg_get_scalar(t->tape, n->accuracy);
        images += size;
        progress_show(&t->progress, images < of ? images : of, of, of * t->o->epochs, loss / (double)images,
                      right / (double)images);
    }
    if (size < 0) return complain("%s", wg_batches_message(t->batches));
    *e = (struct epoch){.loss = loss / (double)images,
                        .train_accuracy = right / (double)images,
                        .images_per_second = (double)images / (seconds() - begin)};
    return 0;
}

static int run_all(struct training *t, long confusion[CLASSES][CLASSES])
{
    long of = (long)t->digits->train_image.shape.dim[0];
    for (int i = t->first; i < t->o->epochs; i++) {
        progress_begin(&t->progress, i, t->o->epochs, of * t->first);
        if (run_epoch(t, &t->epoch[i]) || net_test(t->net, t->digits, t->o->threads, confusion)) return -1;
        t->epoch[i].test_accuracy = confusion_accuracy(confusion);
        progress_epoch(&t->progress, &t->epoch[i]);
        if (save(t, t->epoch[i].test_accuracy)) return -1;
    }
    return 0;
}

int train(struct net *n, const struct digits *d, const struct options *o)
{
    long            confusion[CLASSES][CLASSES];
    struct training t = {.net = n, .digits = d, .o = o, .epoch = calloc((size_t)o->epochs, sizeof *t.epoch)};
    int             status = t.epoch ? 0 : complain("out of memory");
    if (!status) status = make_tape(&t);
    if (!status) status = make_batches(&t);
    if (!status) status = set_start(&t);
    if (!status) status = run_all(&t, confusion);
    if (!status) {
        report_confusion(confusion);
        printf("\ntest accuracy %.2f %% of %lld digits\nnet saved as %s (show what it sees: mnist predict %s)\n",
               100 * confusion_accuracy(confusion), (long long)d->test_image.shape.dim[0], o->save, o->save);
        status = report_curve(o->curve, t.epoch, t.first, o->epochs);
    }
    wg_batches_free(t.batches);
    free(t.epoch);
    return status;
}
