/* The JSON header of a safetensors file.
 *
 * Only what the format allows is read: one object of tensors and at most one
 * "__metadata__" of texts, so the depth is fixed and nothing recurses.  Every
 * complaint names the byte in the file. */
#include <stdlib.h>
#include <string.h>

#include "base/json/json_impl.h"
#include "base/list.h"
#include "train/safetensors/safetensors_impl.h"

struct scan {
    struct wg_safetensors *f;
    struct wg__json        j;    /* the header */
    char                  *text; /* where the next decoded string goes */
    wg_error              *e;
    int                    status; /* of the first error that was told */
};

/* Complains at a place in the header; false, so that readers can return it. */
static bool refuse(struct scan *s, size_t at, const char *why, const char *what)
{
    s->status = wg__say(s->e, s->f->name, WG_EFORMAT, (int64_t)at + 8, "%s%s%.100s", why, *what ? " " : "", what);
    return false;
}
static bool no_memory(struct scan *s)
{
    s->status = wg__say(s->e, s->f->name, WG_ENOMEM, -1, "out of memory");
    return false;
}

/* ---- Values ---- */

/* Finds where the next value, or what stands in its place, begins. */
static size_t place_of_next(struct scan *s) { return (size_t)(wg__json_blanks(s->j.at, s->j.end) - s->j.text); }

/* Decodes a string into f->text. */
static bool decode(struct scan *s, const struct wg__json_text *from, const char **out)
{
    struct wg__json_run run = {.at = from->at, .end = from->at + from->n};
    char               *to = s->text;
    for (const char *at = run.at; wg__json_run_bytes(&run, to, 1); at = run.at, to++)
        if (!*to) return refuse(s, (size_t)(at - s->j.text), "a text with a zero byte", "");
    *to = 0;
    *out = s->text;
    s->text = to + 1;
    return true;
}

static bool read_string(struct scan *s, const char **out)
{
    struct wg__json_text text;
    return wg__json_string(&s->j, &text) && decode(s, &text, out);
}

/* Reads a count: digits alone, though JSON has more ways to write a whole number. */
static bool read_count(struct scan *s, int64_t *out)
{
    size_t at = place_of_next(s);
    if (!wg__json_int64(&s->j, out)) return false;
    for (const char *p = s->j.text + at; p < s->j.at; p++)
        if (!wg__digit(*p)) return refuse(s, at, "not a whole number in digits alone", "");
    return true;
}

/* Reads numbers, the first `room` of them into x; *n counts them all. */
static bool read_counts(struct scan *s, int room, int64_t *x, int *n)
{
    *n = 0;
    if (!wg__json_array(&s->j)) return false;
    while (wg__json_more(&s->j)) {
        int64_t beyond;
        if (!read_count(s, *n < room ? &x[*n] : &beyond)) return false;
        ++*n;
    }
    return !s->j.status;
}

/* Takes the value of a member, whose key was read at offset `at`. */
typedef bool member_of(struct scan *s, const char *key, size_t at, void *context);

static bool read_object(struct scan *s, member_of *one, void *context)
{
    struct wg__json_text text;
    const char          *key = "";
    if (!wg__json_object(&s->j)) return false;
    while (wg__json_key(&s->j, &text)) {
        size_t at = (size_t)(text.at - 1 - s->j.text);
        if (!decode(s, &text, &key) || !one(s, key, at, context)) return false;
    }
    return !s->j.status;
}

/* ---- One tensor ---- */

enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4, WHOLE = 7 };

struct pending {
    wg_safetensor          t;
    struct wg__tensor_span place;
    const char            *dtype; /* as the file spells it */
    int                    rank;  /* as the file has it, maybe more than a shape holds */
    int64_t                offsets[2];
    unsigned               seen;
};

static unsigned bit_of(const char *key)
{
    if (strcmp(key, "dtype") == 0) return DTYPE;
    if (strcmp(key, "shape") == 0) return SHAPE;
    return strcmp(key, "data_offsets") == 0 ? OFFSETS : 0;
}

static bool take_field(struct scan *s, const char *key, size_t at, void *context)
{
    struct pending *p = context;
    int             n;
    unsigned        bit = bit_of(key);
    if (!bit || (p->seen & bit)) return refuse(s, at, bit ? "a key twice:" : "a tensor has no key", key);
    p->seen |= bit;
    if (bit == DTYPE) return read_string(s, &p->dtype);
    if (bit == SHAPE) return read_counts(s, WG_MAX_RANK, p->t.shape.dim, &p->rank);
    return read_counts(s, 2, p->offsets, &n) && (n == 2 || refuse(s, at, "data_offsets are two numbers", ""));
}

/* Checks that data_offsets fit shape and dtype, which this library has: rank and dtype were checked before. */
static bool check_size(struct scan *s, const struct pending *p, size_t at)
{
    uint64_t bytes = wg_count(&p->t.shape) ? p->place.element->size : 0;
    bool     fits = true;
    for (int i = 0; i < p->rank && bytes && fits; i++)
        fits = !__builtin_mul_overflow(bytes, (uint64_t)p->t.shape.dim[i], &bytes);
    return (fits && bytes == p->place.end - p->place.begin) ||
           refuse(s, at, "data_offsets do not fit shape and dtype: tensor", p->t.name);
}

static bool keep_tensor(struct wg_safetensors *f, const wg_safetensor *t, const struct wg__tensor_span *w)
{
    if (f->n == f->cap) {
        int   cap = f->cap;
        void *p = wg__list_grow(f->tensor, &cap, f->n + 1, sizeof *f->tensor);
        if (!p) return false;
        f->tensor = p;
        cap = f->cap;
        if (!(p = wg__list_grow(f->place, &cap, f->n + 1, sizeof *f->place))) return false;
        f->place = p;
        f->cap = cap;
    }
    f->tensor[f->n] = *t;
    f->place[f->n++] = *w;
    return true;
}

bool wg__st_leave_out(struct wg_safetensors *f, int i, const char *format, ...)
{
    enum { MOST = 200 };
    va_list ap;
    int     k;
    char   *text = malloc(MOST);
    if (!text) return false;
    k = snprintf(text, MOST, "tensor '%.60s': ", f->tensor[i].name);
    va_start(ap, format);
    vsnprintf(text + k, (size_t)(MOST - k), format, ap);
    va_end(ap);
    f->tensor[i] = (wg_safetensor){.name = f->tensor[i].name};
    f->place[i].reason = text;
    return true;
}

/* Takes the tensor, or leaves the reason why this library cannot. */
static bool take_tensor(struct scan *s, struct pending *p)
{
    struct wg_safetensors *f = s->f;
    if (!keep_tensor(f, &p->t, &p->place)) return no_memory(s);
    if (!p->place.element)
        return wg__st_leave_out(f, f->n - 1, "%.40s is no dtype of this library", p->dtype) || no_memory(s);
    if (p->rank > WG_MAX_RANK)
        return wg__st_leave_out(f, f->n - 1, "%d dimensions, and at most %d are supported", p->rank, WG_MAX_RANK) ||
               no_memory(s);
    return true;
}

static bool read_tensor(struct scan *s, const char *name, size_t at)
{
    struct pending p = {.t.name = name};
    if (!read_object(s, take_field, &p)) return false;
    if (p.seen != WHOLE) return refuse(s, at, "dtype, shape or data_offsets missing: tensor", name);
    p.place = (struct wg__tensor_span){.begin = (size_t)p.offsets[0], .end = (size_t)p.offsets[1], .at = at + 8};
    p.place.element = wg__element_of_safetensors(p.dtype);
    if (p.place.begin > p.place.end || p.place.end > s->f->size - 8 - s->f->header)
        return refuse(s, at, "data_offsets outside of the file: tensor", name);
    p.t.shape.rank = p.rank < WG_MAX_RANK ? p.rank : WG_MAX_RANK;
    if (p.place.element && p.rank <= WG_MAX_RANK) {
        if (!check_size(s, &p, at)) return false;
        p.t.dtype = p.place.element->dtype;
        p.t.data = s->f->file + 8 + s->f->header + p.place.begin;
    }
    return take_tensor(s, &p);
}

/* ---- The whole ---- */

static bool take_metadatum(struct scan *s, const char *key, size_t at, void *context)
{
    struct wg_safetensors *f = s->f;
    struct wg__tensor_note m = {.key = key, .at = at + 8};
    (void)context;
    if (!read_string(s, &m.text)) return false;
    void *p = wg__list_grow(f->meta, &f->cap_meta, f->n_meta + 1, sizeof *f->meta);
    if (!p) return no_memory(s);
    f->meta = p;
    f->meta[f->n_meta++] = m;
    return true;
}

static bool take_member(struct scan *s, const char *name, size_t at, void *context)
{
    bool *seen_metadata = context;
    if (strcmp(name, "__metadata__") != 0) return read_tensor(s, name, at);
    if (*seen_metadata) return refuse(s, at, "a key twice:", name);
    *seen_metadata = true;
    return read_object(s, take_metadatum, NULL);
}

int wg__st_header(struct wg_safetensors *f, wg_error *e)
{
    struct scan s = {.f = f, .text = f->text, .e = e};
    bool        seen_metadata = false;
    wg__json_open(&s.j, (const char *)f->file + 8, f->header);
    if (!f->header || f->file[8] != '{') return refuse(&s, 0, "the header does not begin with '{'", ""), s.status;
    if (read_object(&s, take_member, &seen_metadata)) wg__json_finish(&s.j);
    if (s.j.status && !s.status) refuse(&s, (size_t)s.j.offset, s.j.why, "");
    return s.status;
}
