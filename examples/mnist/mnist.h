/* mnist.h - the parts of the example: options, digits, net, training, reports. */
#ifndef MNIST_H
#define MNIST_H

#include <stdbool.h>

#include <wengert/data.h>
#include <wengert/graph.h>
#include <wengert/train.h>

enum { CLASSES = 10, SIDE = 28, PIXELS = SIDE * SIDE };

/* ---- options.c ---- */

struct options {
    const char *data, *save, *resume, *curve;
    const char *predict; /* the net to predict with; NULL: train */
    int         epochs, batch, threads, count;
    int         solver;        /* enum wg_solver_kind */
    double      rate, dropout; /* rate 0: the solver's usual one */
    uint64_t    seed;
};
/* 0: go on; otherwise the program ends with *status. */
int options_read(struct options *o, int argc, char **argv, int *status);

/* ---- digits.c ---- */

struct digits {
    wg_array train_image, train_label, test_image, test_label;
};
/* 0, or -1 with a message printed. */
int  digits_read(struct digits *d, const char *folder, bool test_only);
void digits_free(struct digits *d);

/* ---- net.c ---- */

struct net {
    wg_graph *g;
    wg_node  *image, *label, *rate; /* inputs: [batch, 784] f32, [batch] u8, rank 0 f32 */
    wg_node  *logits, *probability, *guess, *loss, *accuracy;
};
/* 784-512-512-10 with relu; 0, or -1 with a message printed. */
int net_build(struct net *n, const struct options *o);
/* A tape for `batch` images that computes guesses and probabilities; NULL with a message printed. */
wg_tape *net_evaluation(struct net *n, int64_t batch, int threads);
/* How many of each digit (row) were taken for which (column); -1 on an error. */
int net_test(struct net *n, const struct digits *d, int threads, long confusion[CLASSES][CLASSES]);
/* Their share on the diagonal. */
double confusion_accuracy(long confusion[CLASSES][CLASSES]);

/* ---- train.c ---- */

struct epoch {
    double loss, train_accuracy, test_accuracy, images_per_second;
};
int train(struct net *n, const struct digits *d, const struct options *o);

/* ---- predict.c ---- */

int predict(struct net *n, const struct digits *d, const struct options *o);

/* ---- progress.c ---- */

struct progress {
    bool   terminal;
    int    epoch, epochs;
    double begin, shown; /* seconds */
    long   first;        /* images that were done before this process */
};
double seconds(void);
void   progress_begin(struct progress *p, int epoch, int epochs, long images_before);
/* images of this epoch and of all epochs; a bar on a terminal, nothing elsewhere. */
void progress_show(struct progress *p, long images, long of, long all_of, double loss, double accuracy);
void progress_epoch(const struct progress *p, const struct epoch *e);

/* ---- report.c ---- */

void report_confusion(long confusion[CLASSES][CLASSES]);
/* The learning curve as SVG, written beside and renamed; 0, or -1 with a message printed. */
int report_curve(const char *path, const struct epoch *e, int first, int n);

/* Prints "mnist: ..." to stderr; gives -1. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
