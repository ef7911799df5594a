/* v2_binary.c - the binary tensor extension: tensors as bytes behind the JSON,
 * in the order in which the JSON names them, little-endian and row-major.
 * Inference-Header-Content-Length says where the JSON ends. */
#include <stdlib.h>
#include <string.h>

#include "base/number/number.h"
#include "serve/protocol/v2_impl.h"

static bool bad(struct wg__request *q, const char *why)
{
    wg__http_error(q, 400, "%s", why);
    return false;
}

bool wg__v2_split(struct wg__request *q, struct wg__v2 *k, size_t *n_json)
{
    char        text[32];
    const char *length = q->header(q, "Inference-Header-Content-Length", sizeof text, text);
    *n_json = q->n_body;
    if (!length) return true;
    uint64_t n;
    if (!wg__count_read(length, strlen(length), UINT64_MAX, &n))
        return bad(q, "malformed Inference-Header-Content-Length");
    if (n > q->n_body) return bad(q, "Inference-Header-Content-Length is more than Content-Length");
    *n_json = (size_t)n;
    k->bytes = q->body + n;
    k->n_bytes = q->n_body - (size_t)n;
    return true;
}

int64_t wg__v2_count(const wg_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++)
        if (__builtin_mul_overflow(n, s->dim[i], &n)) return -1;
    return n;
}

static bool are_bools(const char *at, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if ((unsigned char)at[i] > 1) return false;
    return true;
}

bool wg__v2_take(struct wg__request *q, struct wg__v2 *k, int input, const wg_shape *s, int64_t n)
{
    const struct wg__model_tensor *x = &q->job.version->in[input];
    int64_t                        count = wg__v2_count(s), want;
    if (count < 0 || __builtin_mul_overflow(count, (int64_t)wg_dtype_size(x->dtype), &want))
        return bad(q, "shape too large");
    if (n != want) {
        wg__http_error(q, 400, "input \"%s\": binary_data_size is %lld but shape and datatype need %lld bytes", x->name,
                       (long long)n, (long long)want);
        return false;
    }
    if ((size_t)n > k->n_bytes) {
        wg__http_error(q, 400, "input \"%s\": binary_data_size is %lld but %zu bytes are left", x->name, (long long)n,
                       k->n_bytes);
        return false;
    }
    if (x->dtype == WG_BOOL && !are_bools(k->bytes, n)) return bad(q, "a BOOL is 0 or 1");
    q->given[input] = (struct wg__given){k->bytes, *s};
    k->bytes += n;
    k->n_bytes -= (size_t)n;
    return true;
}

size_t wg__v2_size(const struct wg__request *q, int output)
{
    return (size_t)wg__v2_count(&q->job.out[output].shape) * wg_dtype_size(q->job.version->out[output].dtype);
}

/* Lets tensors travel as they are in memory: all machines that the server is built for are little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors travel as little-endian bytes");

void wg__v2_append(struct wg__request *q, int output)
{
    wg__text_add(&q->text, q->job.out[output].data, wg__v2_size(q, output));
}
