/* mnist.h - the parts of the example: options, digits, net, training, reports. */
#ifndef MNIST_H
#define MNIST_H

#include <stdbool.h>
#include <stdio.h>

#include <wengert/data.h>
#include <wengert/graph.h>
#include <wengert/train.h>

enum { CLASSES = 10, SIDE = 28, PIXELS = SIDE * SIDE };

/* ---- options.c ---- */

struct options {
    const char *data; /* NULL: the digits that come with the example */
    const char *save, *resume, *curve, *onnx;
    const char *predict; /* the net to predict with; NULL: train */
    int         epochs, stop_after, batch, threads, count;
    int         device; /* WG_DEVICE_CPU or WG_DEVICE_CUDA(i) */
    int         solver; /* enum wg_solver_kind */
    double      rate, dropout;
    uint64_t    seed;
    unsigned    given; /* bit i: row i of the table was on the command line */
};
/* Reads the command line. Returns 0 to go on; else the program ends with *status. */
int options_read(struct options *o, int argc, char **argv, int *status);
/* Prints the options that a resumed run must share, as a command line: "--epochs 10 --batch 128 ...". */
void options_print(const struct options *o, FILE *f);
/* Takes from such a text, found in `file`, what was not given; 0, or -1 with a message printed. */
int options_merge(struct options *o, const char *text, const char *file);

/* ---- digits.c ---- */

struct digits {
    char     folder[4096];
    wg_array train_image, train_label, test_image, test_label;
};
/* Reads the digits; folder NULL: looks for the example's own. Returns 0, or -1 with a message printed. */
int  digits_read(struct digits *d, const char *folder, bool test_only);
void digits_free(struct digits *d);

/* ---- net.c ---- */

struct net {
    wg_graph *g;
    wg_node  *image, *label, *rate; /* inputs: [batch, 784] f32, [batch] u8, rank 0 f32 */
    wg_node  *logits, *probability, *guess, *loss, *accuracy;
    struct {
        int64_t  batch;
        wg_tape *tape;
    } evaluation[2]; /* of a full batch, and of the last, which may be smaller */
};
/* Builds 784-512-512-10 with relu. Returns 0, or -1 with a message printed. */
int net_build(struct net *n, const struct options *o);
/* Returns a tape for `batch` images that computes guesses and probabilities, compiled once for each of
 * two sizes; NULL with a message printed. */
wg_tape *net_evaluation(struct net *n, int64_t batch, const struct options *o);
/* Counts into confusion[digit][guess] how many of each digit were taken for which; -1 on an error. */
int net_test(struct net *n, const struct digits *d, const struct options *o, long confusion[CLASSES][CLASSES]);
/* Returns the share of the counts that lie on the diagonal. */
double confusion_accuracy(long confusion[CLASSES][CLASSES]);

/* ---- train.c ---- */

struct epoch {
    double loss, train_accuracy, test_accuracy, images_per_second;
};
/* Trains. from: what o->resume holds, or NULL. Returns 0, -1 with a message printed, or the signal
 * that interrupted it. */
int train(struct net *n, const struct digits *d, const struct options *o, const wg_safetensors *from);

/* ---- saved.c ---- */

/* Opens o->resume and completes the options; NULL with a message printed. */
wg_safetensors *saved_open(struct options *o);
/* Reads the first epochs that f had, at most max, into e. Returns their number, or -1 with a message
 * printed. */
int saved_epochs(const wg_safetensors *f, const struct options *o, const struct digits *d, struct epoch *e, int max);
/* Saves net, solver, options and epochs. Returns 0, or -1 with a message printed. */
int saved_write(const struct net *n, const wg_tape *t, const struct options *o, const struct digits *d,
                const struct epoch *e, int epochs);

/* ---- exported.c ---- */

/* Writes the net as ONNX, image [batch, 784] to probability [batch, 10], with what is known of the
 * training. Returns 0, or -1 with a message printed. */
int exported_write(const struct net *n, const wg_tape *t, const struct options *o, double accuracy);

/* ---- predict.c ---- */

int predict(struct net *n, const struct digits *d, const struct options *o);

/* ---- progress.c ---- */

struct progress {
    bool   terminal, drawn;
    int    epoch, epochs;  /* the current one from 0, and how many there are */
    double begin, shown;   /* seconds */
    long   of, first, all; /* images: in an epoch, done before this process, done when it ends */
};
double seconds(void);
/* Returns the width of the terminal that stdout is, else COLUMNS, else 80. */
int  columns(void);
void progress_begin(struct progress *p, int epochs, long of, long first, long all);
/* Shows how far the epoch is, after so many images: a bar on a terminal, nothing elsewhere. */
void progress_show(struct progress *p, long images, double loss, double accuracy);
void progress_epoch(struct progress *p, const struct epoch *e);
/* Takes the bar away, so that a message can be printed. */
void progress_clear(struct progress *p);

/* ---- report.c ---- */

void report_confusion(long confusion[CLASSES][CLASSES]);
/* Writes the learning curve as SVG beside its place and renames it. Returns 0, or -1 with a message printed. */
int report_curve(const char *path, const struct epoch *e, int n);

/* ---- print.c ---- */

/* Prints "mnist: ..." to stderr, without what would steer a terminal; gives -1. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints a text so that a shell takes it for one word. */
void print_word(FILE *f, const char *text);

#endif
