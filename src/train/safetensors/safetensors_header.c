/* The JSON header of a safetensors file.
 *
 * Only what the format allows is read: one object of tensors and at most one
 * "__metadata__" of texts, so the depth is fixed and nothing recurses.  Every
 * complaint names the byte in the file. */
#include <stdlib.h>
#include <string.h>

#include "train/safetensors/safetensors_impl.h"

struct scan {
    struct wg_safetensors *f;
    const unsigned char   *p; /* [n] the header */
    size_t                 n, at;
    char                  *text; /* where the next decoded string goes */
    wg_error              *e;
    int                    status;
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

/* ---- Tokens ---- */

static void skip_space(struct scan *s)
{
    while (s->at < s->n && (s->p[s->at] == ' ' || s->p[s->at] == '\n' || s->p[s->at] == '\r' || s->p[s->at] == '\t'))
        s->at++;
}

static bool next_is(struct scan *s, char c)
{
    skip_space(s);
    return s->at < s->n && s->p[s->at] == (unsigned char)c;
}

static bool expect(struct scan *s, char c)
{
    const char want[] = {'\'', c, '\'', 0};
    if (!next_is(s, c)) return refuse(s, s->at, s->at < s->n ? "expected" : "the header ends before", want);
    s->at++;
    return true;
}

static void put_utf8(char **to, uint32_t c)
{
    static const unsigned char head[] = {0, 0, 0xC0, 0xE0, 0xF0};
    int                        size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = size - 1; i > 0; i--, c >>= 6) (*to)[i] = (char)(0x80 | (c & 0x3F));
    (*to)[0] = (char)(head[size] | c);
    *to += size;
}

/* Four hexadecimal digits at s->at; -1 if they are not there. */
static int32_t hex4(struct scan *s)
{
    int32_t c = 0;
    if (s->n - s->at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        unsigned char d = s->p[s->at + (size_t)i];
        int           letter = (d | 0x20) - 'a';
        if (!(d >= '0' && d <= '9') && !(letter >= 0 && letter < 6)) return -1;
        c = c << 4 | (d <= '9' ? d - '0' : letter + 10);
    }
    s->at += 4;
    return c;
}

/* After "\u": one character, or a surrogate pair.  No more bytes come out than went in. */
static bool unicode_escape(struct scan *s, char **to)
{
    size_t  at = s->at - 2;
    int32_t c = hex4(s), low;
    if (c >= 0xD800 && c < 0xDC00) {
        bool second = s->n - s->at >= 2 && s->p[s->at] == '\\' && s->p[s->at + 1] == 'u';
        s->at += second ? 2 : 0;
        low = second ? hex4(s) : -1;
        if (low < 0xDC00 || low > 0xDFFF) return refuse(s, at, "half of a surrogate pair", "");
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    } else if (c <= 0 || (c >= 0xDC00 && c < 0xE000))
        return refuse(s, at, c == 0 ? "a text with a zero byte" : "\\u without its character", "");
    put_utf8(to, (uint32_t)c);
    return true;
}

static bool escape(struct scan *s, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    unsigned char     c = s->at < s->n ? s->p[s->at++] : 0;
    const char       *found = c ? strchr(from, c) : NULL;
    if (c == 'u') return unicode_escape(s, to);
    if (!found) return refuse(s, s->at - 1, "an escape that JSON has not got", "");
    *(*to)++ = into[found - from];
    return true;
}

/* A string, decoded into f->text. */
static bool string(struct scan *s, const char **out)
{
    char *to = s->text;
    if (!expect(s, '"')) return false;
    while (s->at < s->n && s->p[s->at] != '"') {
        size_t size = wg__utf8(s->p + s->at, s->n - s->at);
        if (!size) return refuse(s, s->at, "not UTF-8", "");
        if (s->p[s->at] < 0x20) return refuse(s, s->at, "a control character in a text", "");
        if (s->p[s->at] == '\\') {
            s->at++;
            if (!escape(s, &to)) return false;
            continue;
        }
        memcpy(to, s->p + s->at, size);
        to += size;
        s->at += size;
    }
    if (s->at == s->n) return refuse(s, s->at, "the header ends within a text", "");
    s->at++;
    *to = 0;
    *out = s->text;
    s->text = to + 1;
    return true;
}

static bool number(struct scan *s, int64_t *out)
{
    skip_space(s);
    size_t  at = s->at;
    int64_t v = 0;
    while (s->at < s->n && s->p[s->at] >= '0' && s->p[s->at] <= '9') {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s->p[s->at] - '0', &v))
            return refuse(s, at, "a number above 2^63-1", "");
        s->at++;
    }
    if (s->at == at) return refuse(s, at, "expected a whole number", "");
    if (s->p[at] == '0' && s->at - at > 1) return refuse(s, at, "a number that begins with 0", "");
    if (s->at < s->n && strchr(".eE", s->p[s->at]) && s->p[s->at]) return refuse(s, at, "not a whole number", "");
    *out = v;
    return true;
}

static bool comma(struct scan *s)
{
    if (!next_is(s, ',')) return false;
    s->at++;
    return true;
}

/* Numbers, the first `room` of them into x; *n counts them all. */
static bool numbers(struct scan *s, int room, int64_t *x, int *n)
{
    *n = 0;
    if (!expect(s, '[')) return false;
    if (next_is(s, ']')) return expect(s, ']');
    do {
        int64_t beyond;
        if (!number(s, *n < room ? &x[*n] : &beyond)) return false;
        ++*n;
    } while (comma(s));
    return expect(s, ']');
}

static bool object(struct scan *s, bool (*one)(struct scan *s, void *context), void *context)
{
    if (!expect(s, '{')) return false;
    if (next_is(s, '}')) return expect(s, '}');
    do {
        if (!one(s, context)) return false;
    } while (comma(s));
    return expect(s, '}');
}

/* ---- One tensor ---- */

static const char *const dtype_names[WG_DTYPES] = {
    [WG_F32] = "F32", [WG_F64] = "F64", [WG_I32] = "I32", [WG_I64] = "I64", [WG_U8] = "U8", [WG_BOOL] = "BOOL",
};
const char *wg__st_dtype_name(wg_dtype t) { return (unsigned)t < WG_DTYPES ? dtype_names[t] : NULL; }

/* Elements of files by their names. */
static const struct {
    const char *name;
    char        kind;
    uint8_t     size;
} elements[] = {{"F64", 'f', 8}, {"F32", 'f', 4}, {"F16", 'f', 2}, {"BF16", 'B', 2}, {"I64", 'i', 8},
                {"I32", 'i', 4}, {"I16", 'i', 2}, {"I8", 'i', 1},  {"U64", 'u', 8},  {"U32", 'u', 4},
                {"U16", 'u', 2}, {"U8", 'u', 1},  {"BOOL", 'b', 1}};

static const struct wg__element *find_element(const char *name)
{
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (strcmp(elements[i].name, name) == 0) return wg__element_of(elements[i].kind, elements[i].size);
    return NULL;
}

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

static bool field(struct scan *s, void *context)
{
    struct pending *p = context;
    const char     *key;
    int             n;
    skip_space(s);
    size_t at = s->at;
    if (!string(s, &key) || !expect(s, ':')) return false;
    unsigned bit = bit_of(key);
    if (!bit || (p->seen & bit)) return refuse(s, at, bit ? "a key twice:" : "a tensor has no key", key);
    p->seen |= bit;
    if (bit == DTYPE) return string(s, &p->dtype);
    if (bit == SHAPE) return numbers(s, WG_MAX_RANK, p->t.shape.dim, &p->rank);
    return numbers(s, 2, p->offsets, &n) && (n == 2 || refuse(s, at, "data_offsets are two numbers", ""));
}

/* rank and dtype have been seen to fit this library. */
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
        int   cap = f->cap ? 2 * f->cap : 16;
        void *p = realloc(f->tensor, (size_t)cap * sizeof *f->tensor);
        if (!p) return false;
        f->tensor = p;
        p = realloc(f->place, (size_t)cap * sizeof *f->place);
        if (!p) return false;
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

static bool tensor(struct scan *s, const char *name, size_t at)
{
    struct pending p = {.t.name = name};
    if (!object(s, field, &p)) return false;
    if (p.seen != WHOLE) return refuse(s, at, "dtype, shape or data_offsets missing: tensor", name);
    p.place = (struct wg__tensor_span){.begin = (size_t)p.offsets[0], .end = (size_t)p.offsets[1], .at = at + 8};
    p.place.element = find_element(p.dtype);
    if (p.place.begin > p.place.end || p.place.end > s->f->size - 8 - s->n)
        return refuse(s, at, "data_offsets outside of the file: tensor", name);
    p.t.shape.rank = p.rank < WG_MAX_RANK ? p.rank : WG_MAX_RANK;
    if (p.place.element && p.rank <= WG_MAX_RANK) {
        if (!check_size(s, &p, at)) return false;
        p.t.dtype = p.place.element->dtype;
        p.t.data = s->f->file + 8 + s->n + p.place.begin;
    }
    return take_tensor(s, &p);
}

/* ---- The whole ---- */

static bool keep_meta(struct wg_safetensors *f, const struct wg__tensor_note *m)
{
    if (f->n_meta == f->cap_meta) {
        int   cap = f->cap_meta ? 2 * f->cap_meta : 16;
        void *p = realloc(f->meta, (size_t)cap * sizeof *f->meta);
        if (!p) return false;
        f->meta = p;
        f->cap_meta = cap;
    }
    f->meta[f->n_meta++] = *m;
    return true;
}

static bool metadatum(struct scan *s, void *context)
{
    (void)context;
    skip_space(s);
    struct wg__tensor_note m = {.at = s->at + 8};
    if (!string(s, &m.key) || !expect(s, ':') || !string(s, &m.text)) return false;
    return keep_meta(s->f, &m) || no_memory(s);
}

static bool member(struct scan *s, void *context)
{
    bool       *seen_metadata = context;
    const char *name;
    skip_space(s);
    size_t at = s->at;
    if (!string(s, &name) || !expect(s, ':')) return false;
    if (strcmp(name, "__metadata__") != 0) return tensor(s, name, at);
    if (*seen_metadata) return refuse(s, at, "a key twice:", name);
    *seen_metadata = true;
    return object(s, metadatum, NULL);
}

int wg__st_header(struct wg_safetensors *f, wg_error *e)
{
    struct scan s = {.f = f, .p = f->file + 8, .n = f->header, .text = f->text, .e = e};
    bool        seen_metadata = false;
    if (!s.n || s.p[0] != '{') return refuse(&s, 0, "the header does not begin with '{'", ""), s.status;
    if (!object(&s, member, &seen_metadata)) return s.status;
    skip_space(&s);
    if (s.at < s.n) refuse(&s, s.at, "something after the header's end", "");
    return s.status;
}
