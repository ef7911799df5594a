/* adbench.h - problems of ADBench (Srajer, Kukelova and Fitzgibbon, "A benchmark of selected algorithmic
 * differentiation tools on some problems in computer vision and machine learning", 2018), built as graphs of f64. */
#ifndef BENCH_ADBENCH_H
#define BENCH_ADBENCH_H

#include <wengert/graph.h>

/* The numbers of a data file, in its order. */
struct adbench_numbers {
    double *at;
    int64_t n, used;
};
/* Reads all numbers of a file; 0, or -1 with a word on stderr. */
int adbench_read(const char *path, struct adbench_numbers *f);
/* Takes the next n numbers, borrowed; NULL after a word on stderr if there are fewer. */
double *adbench_take(struct adbench_numbers *f, int64_t n);
/* Takes one number that is a count, 1 to 10^9; 0 after a word on stderr if it is none. */
int64_t adbench_count(struct adbench_numbers *f);

enum { ADBENCH_NODES = 8 };
/* A problem as a graph: the value, and the derivatives that are asked for. */
struct adbench_problem {
    wg_node *value;
    wg_node *d[ADBENCH_NODES]; /* [n] */
    int      n;
};

/* Builds a problem from its file.  On failure g has the error, or a word was said on stderr: -1. */
int adbench_gmm(wg_graph *g, struct adbench_numbers *f, struct adbench_problem *p);
int adbench_lstm(wg_graph *g, struct adbench_numbers *f, struct adbench_problem *p);
int adbench_ba(wg_graph *g, struct adbench_numbers *f, struct adbench_problem *p);

/* Makes a parameter with these values; NULL on failure. */
wg_node *adbench_param(wg_graph *g, const char *name, wg_shape s, const double *values);

#endif
