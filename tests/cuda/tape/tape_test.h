/* tape_test.h - the parts of the program that tests tapes on a device: a GPU, or the shim's. */
#ifndef WENGERT_TESTS_CUDA_TAPE_H
#define WENGERT_TESTS_CUDA_TAPE_H

#include <stdbool.h>

#include <wengert/graph_op.h>
#include <wengert/train.h>

#include "cuda/tap.h"
#include "cuda_host/shim.h"

/* The hooks of the shim inside of the library that WG_CUDA_LIBRARY names; on a GPU they do nothing. */
struct shim {
    bool there;
    void (*fail_call)(long n);
    long (*calls)(void);
    long (*launches)(void); /* of kernels that have run */
    int (*complaints)(void);
    const char *(*complaint)(int i);
    void (*forgive)(void);
    int (*leaks)(bool say);
    void (*reset)(void);
    void (*capture)(bool begin);        /* as another thread */
    long (*epilogues)(int kind);        /* products captured with it since the last question */
    void (*refuse_epilogues)(int bits); /* those with any of these are not supported; 0: all are */
    void (*answers)(int bits);          /* what is left open, answered the other way */
    void (*refuse)(const struct wg_shim_refusal *r);
    long (*cublas_left)(void);               /* objects that were not destroyed */
    int (*user_cuda)(const wg_cuda_call *c); /* a kernel for an operator of a program's own (cuda_host/user.cc) */
};
extern struct shim shim;
/* Nothing was done wrong and nothing is left, as far as the shim knows; what was, as remarks.  Forgets it. */
bool clean(void);
/* For a test that needs the hooks: reports it as skipped where there are none. */
bool without_shim(const char *test);

/* A net of two layers with its training step, on a device or the CPU. */
struct net {
    wg_graph *g;
    wg_node  *x, *label, *logits, *loss, *step;
    wg_tape  *tape; /* NULL: the reason is on the graph */
};
struct net net_new(int device, wg_dtype t, unsigned skip);
/* Sets batch i. */
int net_set(const struct net *n, wg_tape *t, int i);
int net_step(const struct net *n, int i);
/* The largest difference between the parameters of two nets, relative to 1 + |value|. */
double net_difference(const struct net *a, const struct net *b);

void test_training(void);
void test_values(void);
void test_parameters(void);
void test_products(void);
void test_epilogues(void);
void test_follow(void);
void test_errors(void);
void test_ops(void);
void test_random(void);
void test_loops(void);
void test_probe(void);
void test_user(void);
void test_threads(void);

#endif
