/* Any bytes as JSON: what one way of reading says, the others must say too. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "serve/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void demand(bool law)
{
    if (!law) abort();
}

/* How many bytes a value at the start takes; -1 if there is none. */
static int64_t length(const char *text, size_t n)
{
    struct wg__json j;
    wg__json_open(&j, text, n);
    bool ok = wg__json_skip(&j);
    demand(ok == !j.status && j.at >= text && j.at <= j.end);
    demand(ok || (j.why[0] && j.offset >= 0 && j.offset <= (int64_t)n));
    demand(!ok || j.depth == 0);
    return ok ? j.at - text : -1;
}

/* A number is what strtod makes of the same bytes. */
static void as_number(const char *text, size_t n)
{
    char        copy[1024];
    double      v, want;
    const char *stop = wg__json_number(text, text + n, &v);
    if (!stop || (size_t)(stop - text) >= sizeof copy) return;
    demand(stop > text && stop <= text + n);
    memcpy(copy, text, (size_t)(stop - text));
    copy[stop - text] = 0;
    char *end;
    want = strtod(copy, &end);
    demand(*end == 0);
    demand(isnan(want) ? isnan(v) : !memcmp(&v, &want, sizeof v));
}

/* A tensor is a value that skip passes over; written, it reads as the same bits. */
static void as_tensor(const char *text, size_t n, wg_dtype t, struct wg__json_data *a, struct wg__json_data *b)
{
    struct wg__json j;
    struct wg__text out = {0};
    wg__json_open(&j, text, n);
    if (!wg__json_tensor(&j, t, a)) {
        demand(j.status && j.why[0] && j.offset >= 0 && j.offset <= (int64_t)n);
        return;
    }
    int64_t count = wg_count(&a->shape);
    size_t  bytes = (size_t)count * wg_dtype_size(t);
    demand(count >= 0 && bytes <= a->size && a->size <= 4096 + 8 * n + 64);
    demand(j.at - text == length(text, n));
    wg__text_tensor(&out, t, &a->shape, a->data);
    demand(!out.failed);
    wg__json_open(&j, out.at, out.n);
    demand(wg__json_tensor(&j, t, b) && wg__json_finish(&j));
    demand(!memcmp(&a->shape, &b->shape, sizeof a->shape) && !memcmp(a->data, b->data, bytes));
    wg__text_free(&out);
}

/* A string, unescaped and written again, reads as the same string. */
static void as_string(const char *text, size_t n)
{
    struct wg__json      j;
    struct wg__json_text s;
    struct wg__text      out = {0};
    char                 copy[512];
    wg__json_open(&j, text, n);
    if (!wg__json_string(&j, &s) || !wg__json_text_copy(&s, copy, sizeof copy)) return;
    demand(wg__json_text_is(&s, copy));
    wg__text_string(&out, copy);
    wg__json_open(&j, out.at, out.n);
    demand(wg__json_string(&j, &s) && wg__json_finish(&j) && wg__json_text_is(&s, copy));
    wg__text_free(&out);
}

/* The simple values agree with their kind. */
static void as_simple(const char *text, size_t n)
{
    struct wg__json j;
    double          real;
    int64_t         whole;
    bool            truth;
    wg__json_open(&j, text, n);
    enum wg__json_kind k = wg__json_peek(&j);
    demand(wg__json_kind_name(k) != NULL);
    wg__json_open(&j, text, n);
    if (wg__json_int64(&j, &whole)) demand(k == WG__JSON_NUMBER);
    wg__json_open(&j, text, n);
    if (wg__json_double(&j, &real)) demand(k == WG__JSON_NUMBER);
    wg__json_open(&j, text, n);
    if (wg__json_bool(&j, &truth)) demand(k == (truth ? WG__JSON_TRUE : WG__JSON_FALSE));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct wg__json_data a = {0}, b = {0};
    char                *text = malloc(n ? n : 1); /* of its own, so that the sanitizer sees its end */
    if (!text) return 0;
    if (n) memcpy(text, bytes, n);
    length(text, n);
    as_number(text, n);
    as_string(text, n);
    as_simple(text, n);
    for (int t = 0; t < WG_DTYPES; t++) as_tensor(text, n, (wg_dtype)t, &a, &b);
    wg__json_data_free(&a);
    wg__json_data_free(&b);
    free(text);
    return 0;
}
