/* v2_impl.h - between the parts of the Open Inference Protocol: JSON
 * (v2.c), the binary tensor extension (v2_binary.c), and what the
 * server tells of itself (v2_status.c). */
#ifndef WENGERT_SERVE_V2_IMPL_H
#define WENGERT_SERVE_V2_IMPL_H

#include "serve/http/http_impl.h"

/* What is kept from request to answer. */
struct wg__v2 {
    struct wg__json_text id; /* in the body; at: NULL without one */
    bool                 all_binary;
    const char          *bytes; /* binary tensors of the request that are not yet taken */
    size_t               n_bytes;
    int                  n_wanted; /* 0: all outputs in their order */
    struct wg__v2_output {
        int  output;
        int  binary; /* -1: as all_binary says */
        bool wanted;
    } out[]; /* [n_out] the order of the answer, then [n_in] whose `wanted` says that an input came */
};

/* Splits the body into JSON and bytes; false with the answer filled in. */
bool wg__v2_split(struct wg__request *q, struct wg__v2 *k, size_t *n_json);
/* Takes the next n bytes as an input of that shape; false with the answer filled in. */
bool wg__v2_take(struct wg__request *q, struct wg__v2 *k, int input, const wg_shape *s, int64_t n);
/* Appends an output's bytes behind the JSON of the answer. */
void wg__v2_append(struct wg__request *q, int output);
/* Counts the bytes of an output. */
size_t wg__v2_size(const struct wg__request *q, int output);
/* Counts the elements of a shape; -1: the product overflows. */
int64_t wg__v2_count(const wg_shape *s);

/* "FP32" */
extern const char *const wg__v2_dtypes[WG_DTYPES];
/* Writes a shape: "[2, 3]". */
void wg__v2_say_shape(struct wg__text *t, const wg_shape *s);

#endif
