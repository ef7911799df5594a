/* common.h - what the benchmark programs share: time, digits, the numbers that
 * every side starts from, and the line protocol through which bench/run
 * alternates between this library and its peers (bench/peers/peer_common.py). */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stddef.h>
#include <stdint.h>

/* Returns the seconds of a clock that only goes forward. */
double bench_now(void);
/* Sorts x. */
double bench_median(int64_t n, double x[]);
/* Calls of malloc and its family by this process so far; -1 if they are not counted. */
int64_t bench_allocations(void);
/* Returns the largest resident set so far; the other restarts it from the present size. */
int64_t bench_peak_kib(void);
void    bench_peak_restart(void);

/* Returns number i of a SplitMix64 sequence (Steele, Lea and Flood 2014). */
uint64_t bench_bits(uint64_t stream, uint64_t i);

enum { BENCH_BATCHES = 512, BENCH_LAYERS = 8, BENCH_LOSS_IMAGES = 5000 };

/* Fills w [in, out], uniform in +-1/sqrt(in); layer counts from 0. */
void bench_first_weights(int layer, int64_t in, int64_t out, float *w);
/* Returns [BENCH_BATCHES, batch] indices below count, for free(); NULL if memory is short. */
int64_t *bench_batches(int64_t count, int64_t batch);

struct bench_digits {
    int64_t  count, pixels;
    float   *image; /* [count, pixels] in 0..1 */
    uint8_t *label; /* [count] */
};

/* Reads the training digits from a folder of IDX files, or from the usual places if folder is NULL. On
 * failure says why on stderr and returns nonzero. */
int  bench_digits_read(const char *folder, struct bench_digits *d);
void bench_digits_free(struct bench_digits *d);

/* One side of a comparison.  Functions return 0, or -1 after a word on stderr. */
struct bench_side {
    const char *name;
    void       *self;
    /* Prepares the work that the words describe; members: JSON members for the answer. */
    int (*open)(void *self, int n, char *word[], char *members, size_t size);
    int (*run)(void *self, int64_t steps);
    /* A JSON value that shows that all sides compute the same. */
    int (*loss)(void *self, char *json, size_t size);
};

/* Answers commands until quit. */
int bench_serve(const struct bench_side *s);
/* Opens a work given as one string, runs it in chunks for about so many seconds, and prints
 * the median time of a step. */
int bench_alone(const struct bench_side *s, const char *work, double seconds);

/* Command line: --serve, --threads N, --data FOLDER, --seconds S, --help, and words. */
struct bench_options {
    int         serve, threads;
    double      seconds;
    const char *data;
    int         words;
    char      **word;
};
/* Reads the command line. Returns 0; 1 after --help was answered; -1 after a complaint. */
int bench_options_read(int argc, char **argv, const char *usage, struct bench_options *o);

/* Says on stderr that these words are no work, and what the works are; returns -1. */
int bench_no_work(const char *usage, int n, char *const word[]);

/* Does what the options ask of one side: serves, or runs each of the words alone, or the usual works where there are no
 * words. Returns the exit status of main. */
int bench_side_run(const struct bench_side *s, const struct bench_options *o, int usual, const char *const work[]);

#endif
