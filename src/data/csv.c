/* CSV to a matrix of numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/csv_impl.h"
#include "graph/graph_impl.h"

struct table {
    struct wg__csv_reader r;
    const wg_csv_options *o;
    wg_csv               *out;
    bool                  sized;  /* the first record told the width */
    int                   width;  /* fields of every record */
    int                  *pick;   /* [out->columns] fields, in the order of the result */
    size_t                n, cap; /* bytes of values */
};

static const wg_csv_options defaults;

static int check_options(const struct wg__file *f, const wg_csv_options *o)
{
    char d = o->delimiter;
    if (o->dtype != WG_F32 && o->dtype != WG_F64)
        return wg__bad(f, WG_EDTYPE, -1, "CSV gives f32 or f64, not %s", wg_dtype_name(o->dtype));
    if (d == '"' || d == '\n' || d == '\r') return wg__bad(f, WG_EARG, -1, "that character cannot be the delimiter");
    if (o->n_columns < 0 || (o->n_columns > 0) != (o->columns || o->names) || (o->columns && o->names))
        return wg__bad(f, WG_EARG, -1, "give n_columns with either columns or names");
    if (o->names && !o->header) return wg__bad(f, WG_EARG, -1, "columns by name need a header");
    return WG_OK;
}

/* ---- Which columns ---- */

static const char *text_of(const struct table *t, int k) { return t->r.text + t->r.field[k].text; }

static int find_name(const struct table *t, const char *name)
{
    for (int k = 0; name && k < t->width; k++)
        if (strcmp(text_of(t, k), name) == 0) return k;
    return -1;
}

static int pick_one(struct table *t, int i)
{
    const wg_csv_options *o = t->o;
    int                   k = !o->n_columns ? i : o->names ? find_name(t, o->names[i]) : o->columns[i];
    if (o->names && k < 0)
        return wg__bad(t->r.s.f, WG_EARG, -1, "has no column named '%.60s'", o->names[i] ? o->names[i] : "(null)");
    if (k < 0 || k >= t->width)
        return wg__bad(t->r.s.f, WG_EARG, -1, "column %d was asked for, but there are %d", k, t->width);
    t->pick[i] = k;
    return WG_OK;
}

static int keep_name(struct table *t, int i)
{
    const struct wg__csv_field *f = &t->r.field[t->pick[i]];
    if (!(t->out->name[i] = malloc(f->n + 1))) return wg__bad_memory(t->r.s.f);
    memcpy(t->out->name[i], text_of(t, t->pick[i]), f->n + 1);
    return WG_OK;
}

/* The first record says how many columns there are. */
static int first_record(struct table *t)
{
    int n = t->o->n_columns ? t->o->n_columns : t->r.fields, status = WG_OK;
    t->sized = true;
    t->width = t->r.fields;
    t->pick = calloc((size_t)n, sizeof *t->pick);
    if (t->o->header) t->out->name = calloc((size_t)n, sizeof *t->out->name);
    if (!t->pick || (t->o->header && !t->out->name)) return wg__bad_memory(t->r.s.f);
    t->out->columns = n;
    for (int i = 0; !status && i < n; i++) status = pick_one(t, i);
    for (int i = 0; !status && i < n && t->o->header; i++) status = keep_name(t, i);
    return status;
}

/* ---- Values ---- */

static int parse_field(struct table *t, int k, double *value)
{
    const struct wg__csv_field *f = &t->r.field[k];
    *value = NAN;
    if (f->n == 0 && t->o->missing) return WG_OK;
    const char *why = wg__csv_number(text_of(t, k), f->n, t->o->dtype, value);
    return why ? wg__csv_bad(&t->r, k, WG_EFORMAT, "'%.40s' %s", text_of(t, k), why) : WG_OK;
}

static int make_room(struct table *t, size_t more)
{
    if (more <= t->cap - t->n) return WG_OK;
    size_t cap = t->cap > more ? 2 * t->cap : t->cap + more;
    if (cap > PTRDIFF_MAX / 2 || !wg__data_resize(&t->out->values.data, t->n, cap)) return wg__bad_memory(t->r.s.f);
    t->cap = cap;
    return WG_OK;
}

static int value_record(struct table *t)
{
    size_t size = wg_dtype_size(t->o->dtype);
    if (t->r.fields != t->width)
        return wg__csv_bad(&t->r, t->r.fields - 1, WG_EFORMAT, "the record has %d fields, the first one has %d",
                           t->r.fields, t->width);
    int status = make_room(t, (size_t)t->out->columns * size);
    for (int i = 0; !status && i < t->out->columns; i++) {
        double value;
        if ((status = parse_field(t, t->pick[i], &value))) break;
        wg__store(t->o->dtype, (char *)t->out->values.data + t->n, 0, value);
        t->n += size;
    }
    t->out->values.shape.dim[0]++;
    return status;
}

static int read_records(struct table *t)
{
    int status;
    while (!(status = wg__csv_record(&t->r)) && t->r.fields) {
        bool header = !t->sized && t->o->header;
        if (!t->sized && (status = first_record(t))) return status;
        if (!header && (status = value_record(t))) return status;
    }
    return status;
}

/* Values grew by doubling: gives back what is not used. */
static int finish(struct table *t)
{
    wg_array *v = &t->out->values;
    if (!t->sized && t->o->names) return wg__bad(t->r.s.f, WG_EARG, 0, "is empty: no column has a name");
    v->dtype = t->o->dtype;
    v->shape.rank = 2;
    v->shape.dim[1] = t->out->columns;
    if (v->data && t->n == t->cap) return WG_OK;
    return wg__data_resize(&v->data, t->n, t->n) ? WG_OK : wg__bad_memory(t->r.s.f);
}

static int read_file(struct wg__file *f, const wg_csv_options *options, wg_csv *out)
{
    struct table t = {.o = options ? options : &defaults, .out = out};
    int          status = check_options(f, t.o);
    if (status || (status = wg__csv_open(&t.r, f, t.o->delimiter))) return status;
    status = read_records(&t);
    if (!status) status = finish(&t);
    wg__csv_close(&t.r);
    free(t.pick);
    if (status) wg_csv_free(out);
    return status;
}

int wg_csv_read(const char *path, const wg_csv_options *options, wg_csv *out, wg_error *e)
{
    struct wg__file f;
    *out = (wg_csv){0};
    int status = wg__file_open(&f, path, e);
    if (status) return status;
    status = read_file(&f, options, out);
    wg__file_close(&f);
    return status;
}

int wg_csv_parse(const void *bytes, size_t n, const wg_csv_options *options, wg_csv *out, wg_error *e)
{
    struct wg__file f;
    *out = (wg_csv){0};
    wg__file_memory(&f, bytes, n, e);
    return read_file(&f, options, out);
}

int wg_csv_find(const wg_csv *c, const char *name)
{
    for (int i = 0; c && c->name && name && i < c->columns; i++)
        if (strcmp(c->name[i], name) == 0) return i;
    return -1;
}

void wg_csv_free(wg_csv *c)
{
    if (!c) return;
    for (int i = 0; c->name && i < c->columns; i++) free(c->name[i]);
    free(c->name);
    wg_array_free(&c->values);
    *c = (wg_csv){0};
}
