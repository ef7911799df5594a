/* tape_test.h - the parts of the program that tests tapes on a device, through the shim. */
#ifndef WENGERT_TESTS_CUDA_TAPE_H
#define WENGERT_TESTS_CUDA_TAPE_H

#include <stdbool.h>

#include <wengert/graph.h>
#include <wengert/train.h>

/* TAP: a test with its name; a remark. */
bool tap(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The shim inside of the library that WG_CUDA_LIBRARY names. */
struct shim {
    void (*fail_call)(long n);
    long (*calls)(void);
    int (*complaints)(void);
    const char *(*complaint)(int i);
    void (*forgive)(void);
    int (*leaks)(bool say);
    void (*reset)(void);
};
extern struct shim shim;
/* Nothing was done wrong and nothing is left; what was, as remarks.  Forgets it. */
bool clean(void);

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
void test_errors(void);

#endif
