/* The header of .npy: a magic number, a version, a length, and a Python
 * dictionary of three entries (numpy.lib.format):
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/number/number.h"
#include "data/io_impl.h"

/* Larger headers belong to structured dtypes, which no array of ours has. */
enum { MOST = 16384, WORD = 32 };

/* With version 1.0. */
static const char magic[8] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0};

struct text {
    const struct wg__file_stream *s;
    const char                   *begin, *at, *end;
    uint64_t                      offset; /* of begin */
};

static int bad(const struct text *t, const char *at, const char *what)
{
    return wg__bad(t->s->f, WG_EFORMAT, t->offset + (uint64_t)(at - t->begin), "header: %s", what);
}

static void skip_space(struct text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\t')) t->at++;
}

static bool take(struct text *t, char c)
{
    skip_space(t);
    if (t->at == t->end || *t->at != c) return false;
    t->at++;
    return true;
}

static bool take_word(struct text *t, const char *word)
{
    size_t n = strlen(word);
    skip_space(t);
    if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0) return false;
    t->at += n;
    return true;
}

/* Takes a quoted string without escapes, shorter than WORD. */
static int take_quoted(struct text *t, char *word, const char *what)
{
    skip_space(t);
    const char *from = t->at;
    char        quote = 0;
    if (from < t->end) quote = *from;
    if (quote != '\'' && quote != '"') return bad(t, from, what);
    const char *to = memchr(from + 1, quote, (size_t)(t->end - from - 1));
    if (!to || to - from > WORD) return bad(t, from, what);
    size_t n = (size_t)(to - from - 1);
    memcpy(word, from + 1, n);
    word[n] = 0;
    t->at = to + 1;
    return WG_OK;
}

/* Takes the value of descr, as '<f4': byte order, kind, size. */
static int take_descr(struct text *t, struct wg__npy_header *h)
{
    char word[WORD] = {0};
    skip_space(t);
    const char *from = t->at;
    t->s->f->unsupported = from < t->end && *from == '['; /* a list of fields */
    int status = take_quoted(t, word, "descr is not one simple dtype (structured dtypes are not supported)");
    if (status) return status;
    size_t n = strlen(word);
    bool   shaped = n == 3 && strchr("<>|=", word[0]) && strchr("buif", word[1]) && word[2] >= '1' && word[2] <= '8';
    h->element = shaped ? wg__element_of(word[1], (unsigned)(word[2] - '0')) : NULL;
    if (h->element && word[0] == '|' && h->element->size > 1) h->element = NULL;
    if (!h->element)
        return wg__foreign(t->s->f, WG_EDTYPE, t->offset + (uint64_t)(from - t->begin), "dtype '%s' is not supported",
                           word);
    h->big = word[0] == '>' || (word[0] == '=' && WG__BIG_HOST);
    return WG_OK;
}

static int take_fortran_order(struct text *t, struct wg__npy_header *h)
{
    h->fortran = take_word(t, "True");
    return h->fortran || take_word(t, "False") ? WG_OK : bad(t, t->at, "fortran_order is neither True nor False");
}

static int take_dimension(struct text *t, int64_t *d)
{
    const char *from = t->at;
    uint64_t    v = 0;
    while (t->at < t->end && *t->at >= '0' && *t->at <= '9') t->at++;
    if (t->at > from && !wg__count_read(from, (size_t)(t->at - from), INT64_MAX, &v))
        return bad(t, from, "a dimension does not fit into 63 bits");
    *d = (int64_t)v;
    if (t->at > from && t->at < t->end && *t->at == 'L') t->at++; /* a long of Python 2 */
    return t->at > from ? WG_OK : bad(t, from, "shape: expected a dimension");
}

/* Takes the value of shape: (), (3,), (3, 4) or (3, 4,), each number with or without Python 2's L.  (3) is no tuple. */
static int take_shape(struct text *t, struct wg__npy_header *h)
{
    bool comma = true;
    if (!take(t, '(')) return bad(t, t->at, "shape is not a tuple");
    while (!take(t, ')')) {
        if (!comma) return bad(t, t->at, "shape: expected a comma");
        t->s->f->unsupported = h->shape.rank == WG_MAX_RANK;
        if (t->s->f->unsupported) return bad(t, t->at, "shape has more than 8 dimensions");
        int status = take_dimension(t, &h->shape.dim[h->shape.rank]);
        if (status) return status;
        h->shape.rank++;
        comma = take(t, ',');
    }
    return comma || h->shape.rank != 1 ? WG_OK : bad(t, t->at - 1, "shape is a number in parentheses, not a tuple");
}

static const struct entry {
    const char *key;
    int (*parse)(struct text *t, struct wg__npy_header *h);
} entries[] = {{"descr", take_descr}, {"fortran_order", take_fortran_order}, {"shape", take_shape}};
enum { ENTRIES = sizeof entries / sizeof *entries };

static int take_entry(struct text *t, struct wg__npy_header *h, unsigned *seen)
{
    char key[WORD] = {0};
    skip_space(t);
    const char *from = t->at;
    int         status = take_quoted(t, key, "expected a key in quotes");
    if (status) return status;
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (strcmp(key, entries[i].key) != 0) continue;
        if (*seen & 1u << i) return bad(t, from, "a key is there twice");
        *seen |= 1u << i;
        if (!take(t, ':')) return bad(t, t->at, "expected a colon");
        skip_space(t);
        return entries[i].parse(t, h);
    }
    return bad(t, from, "a key that .npy does not have");
}

static int take_dictionary(struct text *t, struct wg__npy_header *h)
{
    unsigned seen = 0;
    bool     comma = true;
    if (!take(t, '{')) return bad(t, t->at, "is not a dictionary");
    while (!take(t, '}')) {
        if (!comma) return bad(t, t->at, "expected a comma");
        int status = take_entry(t, h, &seen);
        if (status) return status;
        comma = take(t, ',');
    }
    if (seen != (1u << ENTRIES) - 1) return bad(t, t->at, "one of descr, fortran_order, shape is missing");
    skip_space(t);
    if (t->end - t->at != 1 || *t->at != '\n') return bad(t, t->at, "does not end with spaces and one newline");
    return WG_OK;
}

static int read_length(struct wg__file_stream *s, size_t *n)
{
    uint8_t  h[8], length[4] = {0};
    uint64_t at = wg__stream_offset(s);
    int      status = wg__stream_exact(s, h, 8, "the .npy magic number");
    if (status) return status;
    if (memcmp(h, magic, 6) != 0) return wg__bad(s->f, WG_EFORMAT, at, "does not start as a .npy file does");
    if (h[6] < 1 || h[6] > 3 || h[7])
        return wg__foreign(s->f, WG_EFORMAT, at + 6, ".npy version %d.%d is not supported", h[6], h[7]);
    if ((status = wg__stream_exact(s, length, 2, "the header's length"))) return status;
    if (h[6] > 1 && (status = wg__stream_exact(s, length + 2, 2, "the header's length"))) return status;
    *n = wg__le32(length);
    if (*n <= MOST) return WG_OK;
    return wg__foreign(s->f, WG_EFORMAT, at + 8, "a header of %zu bytes is not supported", *n);
}

int wg__npy_header_read(struct wg__file_stream *s, struct wg__npy_header *h)
{
    size_t n = 0;
    int    status = read_length(s, &n);
    if (status) return status;
    struct text t = {.s = s, .offset = wg__stream_offset(s)};
    char       *text = malloc(n + 1);
    if (!text) return wg__bad_memory(s->f);
    t.begin = t.at = text;
    t.end = text + n;
    *h = (struct wg__npy_header){0};
    status = wg__stream_exact(s, text, n, "the header");
    if (!status) status = take_dictionary(&t, h);
    free(text);
    return status;
}

size_t wg__npy_header_write(const wg_array *a, char *to)
{
    const struct wg__element *t = wg__element_of_dtype(a->dtype);
    char                     *dict = to + 10;
    size_t                    most = WG__NPY_HEADER - 10;
    char                      order = t->size == 1 ? '|' : WG__BIG_HOST ? '>' : '<';
    size_t                    n =
        (size_t)snprintf(dict, most, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (", order, t->kind, t->size);
    for (int i = 0; i < a->shape.rank; i++)
        n += (size_t)snprintf(dict + n, most - n, "%s%lld%s", i ? " " : "", (long long)a->shape.dim[i],
                              i + 1 < a->shape.rank || i == 0 ? "," : "");
    n += (size_t)snprintf(dict + n, most - n, "), }");
    size_t total = (10 + n + 1 + 63) / 64 * 64;
    memset(dict + n, ' ', total - 10 - n);
    to[total - 1] = '\n';
    memcpy(to, magic, sizeof magic);
    wg__little_put((uint8_t *)to + 8, 2, total - 10);
    return total;
}
