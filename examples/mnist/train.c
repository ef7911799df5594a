/* Training: one tape does forward, backward and update. */
#include <math.h>
#include <signal.h>
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
    struct epoch         *epoch;             /* [o->epochs] */
    int                   first, last, done; /* epochs: of this process, to stop before, saved */
};

/* ---- Being interrupted: between two steps, so that no file is left half written ---- */

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number) { interrupted = signal_number; }

static void catch_signals(void)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction catch = {.sa_handler = interrupt, .sa_flags = SA_RESTART}, was;
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        sigaction(caught[i], NULL, &was);
        if (was.sa_handler != SIG_IGN) sigaction(caught[i], &catch, NULL); /* nohup stays nohup */
    }
}

/* Prints the rest of a command on a saved net: its file, and the folder of digits where the user gave one. */
static void print_words(FILE *f, const char *save, const char *data)
{
    print_word(f, save);
    if (!data) return;
    fputs(" --data ", f);
    print_word(f, data);
}

static void say_how_to_go_on(const struct training *t)
{
    const char *data = t->o->data;
    if (t->done == 0) fprintf(stderr, "nothing was saved\n");
    else {
        fputs("to go on: mnist --resume ", stderr);
        print_words(stderr, t->o->save, data);
        fputc('\n', stderr);
    }
}

/* ---- Setting up ---- */

static int set_range(struct training *t, const wg_safetensors *from)
{
    const struct options *o = t->o;
    t->last = o->stop_after && o->stop_after < o->epochs ? o->stop_after : o->epochs;
    if (!from) return 0;
    t->first = t->done = saved_epochs(from, o, t->digits, t->epoch, o->epochs);
    if (t->first < 0) return -1;
    return t->first < t->last
               ? 0
               : complain("%s has %d epochs already: to go on, say --epochs with more", o->resume, t->first);
}

static int make_tape(struct training *t)
{
    struct net  *n = t->net;
    wg_solver    solver = {.kind = (enum wg_solver_kind)t->o->solver, .rate_node = n->rate};
    wg_node     *step = wg_minimize(n->loss, &solver);
    wg_options   o = {.bind = {{"batch", t->o->batch}}, .threads = t->o->threads, .device = t->o->device};
    wg_load_info info = {0};
    wg_error     e;
    if (t->o->resume && wg_checkpoint_load(n->g, NULL, t->o->resume, NULL, &info, &e)) return complain("%s", e.message);
    t->tape = wg_compile(n->g, WG_NODES(n->loss, n->accuracy, step), &o);
    if (!t->tape) return complain("%s", wg_message(n->g));
    wg_set_run_number(t->tape, info.run);
    if (wg_follow(t->tape, n->loss, 1) || wg_follow(t->tape, n->accuracy, 1))
        return complain("%s", wg_tape_message(t->tape));
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
    int64_t          images = t->digits->train_image.shape.dim[0];
    if (t->o->batch > images)
        return complain("--batch %d is more than the %lld training images", t->o->batch, (long long)images);
    t->batches = wg_batches_new(&o, &e);
    return t->batches ? 0 : complain("%s", e.message);
}

/* Finds where in the digits and on the cosine to go on. */
static int set_start(struct training *t)
{
    int64_t steps = wg_batches_count(t->batches);
    t->schedule = (wg_schedule){.kind = WG_RATE_COSINE, .rate = t->o->rate, .steps = steps * t->o->epochs};
    if (wg_run_number(t->tape) != (uint64_t)(steps * t->first))
        return complain("%s: its epochs and its steps do not agree", t->o->resume);
    return wg_batches_seek(t->batches, (uint64_t)t->first, 0) ? complain("%s", wg_batches_message(t->batches)) : 0;
}

/* ---- Running ---- */

/* What an epoch has come to: sums over batches. */
struct sums {
    double loss, right;
    long   losses, rights; /* how many of each have come */
};

/* Adds what has come from the device; a step does not wait for its own. */
static int add_up(struct training *t, struct sums *s)
{
    double v;
    int    loss, right;
    while ((loss = wg_followed(t->tape, t->net->loss, NULL, &v)) > 0) {
        s->loss += v;
        s->losses++;
    }
    while ((right = wg_followed(t->tape, t->net->accuracy, NULL, &v)) > 0) {
        s->right += v;
        s->rights++;
    }
    return loss < 0 || right < 0 ? complain("%s", wg_tape_message(t->tape)) : 0;
}

static int check(struct training *t, const struct sums *s, int number)
{
    if (isfinite(s->loss)) return 0;
    progress_clear(&t->progress);
    return complain("the loss is no number any more in epoch %d: try a --rate below %g", number, t->o->rate);
}

/* Waits for the last runs and adds up their losses. */
static int finish_epoch(struct training *t, struct sums *s, int number)
{
    if (wg_wait(t->tape)) return complain("%s", wg_tape_message(t->tape));
    return add_up(t, s) || check(t, s, number);
}

/* Trains on all images once. */
static int run_epoch(struct training *t, int number, struct epoch *e)
{
    struct sums s = {0};
    double      begin = seconds(), images = 0;
    int         size;
    while ((size = wg_batch_next(t->batches, t->tape)) > 0) {
        wg_set_scalar(t->tape, t->net->rate, wg_schedule_at(&t->schedule, (int64_t)wg_run_number(t->tape)));
        if (wg_run(t->tape)) return complain("%s", wg_tape_message(t->tape));
        images += size;
        if (add_up(t, &s) || check(t, &s, number)) return -1;
        if (s.losses && s.rights)
            progress_show(&t->progress, (long)images, s.loss / (double)s.losses, s.right / (double)s.rights);
        if (interrupted) return interrupted;
    }
    if (size < 0) return complain("%s", wg_batches_message(t->batches));
    if (finish_epoch(t, &s, number)) return -1;
    *e = (struct epoch){.loss = s.loss / (double)s.losses,
                        .train_accuracy = s.right / (double)s.rights,
                        .images_per_second = images / (seconds() - begin)};
    return 0;
}

static int run_all(struct training *t, long confusion[CLASSES][CLASSES])
{
    long of = (long)t->digits->train_image.shape.dim[0];
    progress_begin(&t->progress, t->o->epochs, of, of * t->first, of * t->last);
    for (int i = t->first; i < t->last; i++) {
        struct epoch *e = &t->epoch[i];
        int           status;
        t->progress.epoch = i;
        if ((status = run_epoch(t, i + 1, e))) return status;
        if (net_test(t->net, t->digits, t->o, confusion)) return -1;
        e->test_accuracy = confusion_accuracy(confusion);
        progress_epoch(&t->progress, e);
        if (saved_write(t->net, t->tape, t->o, t->digits, t->epoch, t->done = i + 1)) return -1;
        if (interrupted && i + 1 < t->last) return interrupted;
    }
    return 0;
}

static int report(const struct training *t, long confusion[CLASSES][CLASSES])
{
    const char *data = t->o->data, *save = t->o->save;
    report_confusion(confusion);
    printf("\ntest accuracy %.2f %% of %lld images\n", 100 * confusion_accuracy(confusion),
           (long long)t->digits->test_image.shape.dim[0]);
    fputs("net saved as ", stdout);
    print_word(stdout, save);
    fputs(" (see it at work: mnist predict ", stdout);
    print_words(stdout, save, data);
    puts(")");
    if (exported_write(t->net, t->tape, t->o, confusion_accuracy(confusion))) return -1;
    fputs("exported as ", stdout);
    print_word(stdout, t->o->onnx);
    fputs(" (for other programs, and: wengert serve --model mnist=", stdout);
    print_word(stdout, t->o->onnx);
    puts(")");
    return report_curve(t->o->curve, t->epoch, t->last);
}

int train(struct net *n, const struct digits *d, const struct options *o, const wg_safetensors *from)
{
    long            confusion[CLASSES][CLASSES];
    struct training t = {.net = n, .digits = d, .o = o, .epoch = calloc((size_t)o->epochs, sizeof *t.epoch)};
    int             status = t.epoch ? 0 : complain("out of memory");
    catch_signals();
    if (!status) status = set_range(&t, from);
    if (!status) status = make_tape(&t);
    if (!status) status = make_batches(&t);
    if (!status) status = set_start(&t);
    if (!status) status = run_all(&t, confusion);
    progress_clear(&t.progress);
    if (status > 0) {
        fprintf(stderr, "mnist: interrupted in epoch %d; ", t.progress.epoch + 1);
        say_how_to_go_on(&t);
    }
    if (!status) status = report(&t, confusion);
    wg_batches_free(t.batches);
    free(t.epoch);
    return status;
}
