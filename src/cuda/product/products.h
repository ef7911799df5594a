/* products.h - matrix products as cuBLAS is asked for them: what product.c, epilogue.c, pairs.c and
 * probe.c share. */
#ifndef WENGERT_CUDA_PRODUCTS_H
#define WENGERT_CUDA_PRODUCTS_H

#include "cuda/program.h"

/* What cuBLAS does to a product [m,n] on the way to memory. */
struct wg__cuda_epilogue {
    cublasLtEpilogue_t kind;
    void              *to;     /* where the result goes */
    void              *bias;   /* [n] that is added; where a bias gradient goes: [n], of BGRADB [m] */
    void              *aux;    /* relu's mask, gelu's argument: written, or read by gradients */
    int64_t            aux_ld; /* bits of the mask, elements of the argument, from one row to the next */
};

/* Everything about a product that can be known before it runs. All zero: nothing to do. */
struct wg__cuda_product_plan {
    struct wg__gemm        g; /* the first one; c: where it goes */
    cublasLtMatmulDesc_t   desc;
    cublasLtMatrixLayout_t a, b, c; /* first and second operand as cuBLAS sees them: b, a */
    cublasLtMatmulAlgo_t   algo;
    size_t                 clear; /* k = 0: bytes of zeros instead */
    /* Leading axes beyond cuBLAS's batch: one call for each, and so many bytes from one to the next. */
    int     rank;
    int64_t calls, dim[WG_MAX_RANK], a_step[WG_MAX_RANK], b_step[WG_MAX_RANK], c_step;
};
/* Plans c = op(a) op(b), row-major; e may be NULL. The plan is run once, which overwrites c and what e
 * writes. WG_EARG without a message: cuBLAS refuses this epilogue here. */
int wg__cuda_product_plan_gemm(const struct wg__cuda_place *at, const struct wg__gemm *g,
                               const struct wg__cuda_epilogue *e, struct wg__cuda_product_plan *p, struct wg__why *w);
/* Plans the operator's product; its leading axes broadcast. */
int wg__cuda_product_plan_call(const struct wg__cuda_place *at, const wg_call *c, struct wg__cuda_product_plan *p,
                               struct wg__why *w);
/* Gives the operator's operands as one product. False if there are leading axes. */
bool wg__cuda_as_gemm(const wg_call *c, struct wg__gemm *g);
int  wg__cuda_product_plan_run(const struct wg__cuda_place *at, const struct wg__cuda_product_plan *p,
                               struct wg__why *w);
void wg__cuda_product_plan_free(struct wg__cuda_product_plan *p);

/* What is due at an instruction. */
struct wg__cuda_todo {
    struct wg__cuda_product_plan *plan;  /* or NULL */
    bool                          rest;  /* its loop or operator is still to run */
    bool                          signs; /* a relu whose slope a later product wants */
    void                         *mask;  /* the signs, once a relu leaves them */
};
/* Which epilogues cuBLAS is asked for: WG_CUDA_EPILOGUES. */
enum wg__cuda_asked {
    WG__CUDA_NO_EPILOGUES,
    WG__CUDA_PLAIN_EPILOGUES,  /* bias and relu, the latter if it means what ours does */
    WG__CUDA_KNOWN_EPILOGUES,  /* all that mean what ours do; the default */
    WG__CUDA_FORCED_EPILOGUES, /* all */
};
struct wg__cuda_products {
    enum wg__cuda_asked  asked;
    bool                 probed;  /* the device's answers had a say */
    int                  refused; /* epilogues that cuBLAS would not do */
    int                  exact;   /* products of a lower precision that it would do in f32 alone */
    char                 note[400];
    int                  n;
    struct wg__cuda_todo of[]; /* [n] by instruction */
};

/* ---- What epilogues mean (probe.c) ---- */

/* Asks the device of at, unless it has answered for this tape's precision: then d->meaning[precision] is known. */
int wg__cuda_probe(const struct wg__cuda_place *at, struct wg__why *w);
/* Tells whether an epilogue means what the operators on the CPU do, by the device's answers so far. At
 * WG_PRECISION_EXACT an epilogue that rounds more than f32 does not. */
bool wg__cuda_means_ours(const struct wg__cuda_meaning *m, int precision, cublasLtEpilogue_t kind);
/* Tells whether the documentation leaves the meaning of an epilogue open. */
bool wg__cuda_is_open(cublasLtEpilogue_t kind);
/* Writes the answers in words, for the print of a tape: "relu keeps NaN, ..". */
void wg__cuda_say_meaning(const struct wg__cuda_meaning *m, int precision, char *text, size_t n);

/* ---- Sums that a product can take along (pairs.c) ---- */

/* Finds a sum near instruction i of the rows of i's result (a loop after a product) that no other
 * product takes. -1: there is none. */
int wg__cuda_sum_of_result(const struct wg__cuda_place *at, int i);
/* Finds a sum of an operand over its inner axis, for product g of instruction i. The two are computed
 * where the first of them stands. kind: CUBLASLT_EPILOGUE_BGRADA or BGRADB. -1: there is none. */
int wg__cuda_sum_of_operand(const struct wg__cuda_place *at, int i, const struct wg__gemm *g, cublasLtEpilogue_t *kind);

#endif
