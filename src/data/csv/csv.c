/* CSV to a matrix of numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/csv/csv_impl.h"
#include "graph/graph_impl.h"

/* What a column holds.  OPEN: its first value decides. */
enum kind { NUMBERS, OPEN, CLASSES };

struct column {
    int                       field; /* of each record */
    enum kind                 kind;
    struct wg__csv_dictionary classes;
};

struct table {
    struct wg__csv_reader r;
    const wg_csv_options *o;
    wg_csv               *out;
    bool                  sized;  /* the first record told the width */
    int                   width;  /* fields of every record */
    struct column        *column; /* [out->columns] */
    size_t                n, cap; /* bytes of values */
};

static int refuse_character(const struct wg__file *f, char c, const char *why)
{
    if (c == '\n' || c == '\r') return wg__bad(f, WG_EARG, -1, "'\\%c' %s", c == '\n' ? 'n' : 'r', why);
    return wg__bad(f, WG_EARG, -1, "'%c' %s", c, why);
}

static int check_options(const struct wg__file *f, const wg_csv_options *o)
{
    char d = o->delimiter;
    if (o->dtype != WG_F32 && o->dtype != WG_F64)
        return wg__bad(f, WG_EDTYPE, -1, "CSV gives f32 or f64, not %s", wg_dtype_name(o->dtype));
    if (d == '"' || d == '\n' || d == '\r') return refuse_character(f, d, "cannot be the delimiter");
    if (o->comment == '"' || o->comment == '\n' || o->comment == '\r')
        return refuse_character(f, o->comment, "cannot begin comments");
    if (o->comment && o->comment == (d ? d : ','))
        return refuse_character(f, o->comment, "cannot begin comments, for it is the delimiter");
    if (o->skip < 0) return wg__bad(f, WG_EARG, -1, "%d lines to skip", o->skip);
    if (o->n_columns < 0 || (o->n_columns > 0) != (o->columns || o->names) || (o->columns && o->names))
        return wg__bad(f, WG_EARG, -1, "give n_columns with either columns or names");
    if (o->n_classes < 0 || (o->n_classes > 0) != (o->class_columns || o->class_names) ||
        (o->class_columns && o->class_names))
        return wg__bad(f, WG_EARG, -1, "give n_classes with either class_columns or class_names");
    if ((o->names || o->class_names) && !o->header) return wg__bad(f, WG_EARG, -1, "columns by name need a header");
    return WG_OK;
}

/* ---- Which columns ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Takes the blanks around an unquoted text away. */
static void trim(struct wg__csv_field *f)
{
    if (f->quoted) return;
    while (f->n && is_blank(f->text[f->n - 1])) f->text[--f->n] = 0;
    for (; f->n && is_blank(*f->text); f->n--) f->text++;
}

static int find_name(const struct table *t, const char *name)
{
    for (int k = 0; name && k < t->width; k++)
        if (strcmp(t->r.field[k].text, name) == 0) return k;
    return -1;
}

/* Finds the field of a record that an option names by index or by name; -1 with a complaint. */
static int find_field(const struct table *t, int i, const int *columns, const char *const *names)
{
    int k = names ? find_name(t, names[i]) : columns[i];
    if (names && !names[i]) wg__bad(t->r.s.f, WG_EARG, -1, "name %d of the columns asked for is NULL", i);
    else if (names && k < 0) wg__bad(t->r.s.f, WG_EARG, -1, "has no column named '%.60s'", names[i]);
    else if (k < 0 || k >= t->width)
        wg__bad(t->r.s.f, WG_EARG, -1, "column %d was asked for, but there are %d", k, t->width);
    return k < t->width ? k : -1;
}

static int pick_column(struct table *t, int i)
{
    const wg_csv_options *o = t->o;
    struct column        *c = &t->column[i];
    c->field = o->n_columns ? find_field(t, i, o->columns, o->names) : i;
    if (c->field < 0) return WG_EARG;
    c->kind = o->text_is_class ? OPEN : NUMBERS;
    if (!o->header) return WG_OK;
    const struct wg__csv_field *f = &t->r.field[c->field];
    if (!(t->out->name[i] = malloc(f->n + 1))) return wg__bad_memory(t->r.s.f);
    memcpy(t->out->name[i], f->text, f->n + 1);
    return WG_OK;
}

/* Marks the columns of one option as classes: columns that are picked. */
static int mark_classes(struct table *t, int i)
{
    int  k = find_field(t, i, t->o->class_columns, t->o->class_names);
    bool picked = false;
    if (k < 0) return WG_EARG;
    for (int j = 0; j < t->out->columns; j++)
        if (t->column[j].field == k) {
            t->column[j].kind = CLASSES;
            picked = true;
        }
    if (picked) return WG_OK;
    if (t->o->class_names)
        return wg__bad(t->r.s.f, WG_EARG, -1, "column '%.60s' is to be classes, but is not picked",
                       t->o->class_names[i]);
    return wg__bad(t->r.s.f, WG_EARG, -1, "column %d is to be classes, but is not picked", k);
}

/* Finds the classes that an earlier file has in column i of this one; NULL: it has none. */
static const wg_csv_classes *earlier_classes(const struct table *t, int i)
{
    const wg_csv *like = t->o->like;
    if (!like || !like->classes) return NULL;
    if (like->name && t->out->name) i = wg_csv_find(like, t->out->name[i]);
    return i >= 0 && i < like->columns && like->classes[i].n ? &like->classes[i] : NULL;
}

static int take_earlier_classes(struct table *t, int i)
{
    const wg_csv_classes *c = earlier_classes(t, i);
    if (!c) return WG_OK;
    t->column[i].kind = CLASSES;
    return wg__csv_classes_like(&t->column[i].classes, c) ? WG_OK : wg__bad_memory(t->r.s.f);
}

/* Makes the columns when the first record tells how many fields there are. */
static int take_first_record(struct table *t)
{
    int n = t->o->n_columns ? t->o->n_columns : t->r.fields, status = WG_OK;
    t->sized = true;
    t->width = t->r.fields;
    t->column = calloc((size_t)n, sizeof *t->column);
    if (t->o->header) t->out->name = calloc((size_t)n, sizeof *t->out->name);
    if (!t->column || (t->o->header && !t->out->name)) return wg__bad_memory(t->r.s.f);
    t->out->columns = n;
    for (int k = 0; k < t->width && t->o->header; k++) trim(&t->r.field[k]);
    for (int i = 0; !status && i < n; i++) status = pick_column(t, i);
    for (int i = 0; !status && i < t->o->n_classes; i++) status = mark_classes(t, i);
    for (int i = 0; !status && i < n; i++) status = take_earlier_classes(t, i);
    return status;
}

/* ---- Values ---- */

static bool is_marker(const wg_csv_options *o, const char *text)
{
    static const char *const usual[] = {"NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null", "None", "?", NULL};
    for (const char *const *m = o->markers ? o->markers : usual; *m; m++)
        if (strcmp(*m, text) == 0) return true;
    return false;
}

static bool is_missing(const struct table *t, struct wg__csv_field *f)
{
    if (!t->o->missing) return false;
    trim(f);
    return strspn(f->text, " \t") == f->n || is_marker(t->o, f->text);
}

static int read_class(struct table *t, struct column *c, double *value)
{
    enum { MOST_IN_F32 = 1 << 24 };
    struct wg__csv_field *f = &t->r.field[c->field];
    if (is_missing(t, f)) return WG_OK;
    trim(f);
    if (f->n == 0) return wg__csv_bad(&t->r, c->field, WG_EFORMAT, "%s", "a class is missing");
    if (strlen(f->text) != f->n) return wg__csv_bad(&t->r, c->field, WG_EFORMAT, "%s", "a zero byte in a class");
    int i = wg__csv_class(&c->classes, f->text, f->n);
    if (i == WG__CSV_NO_MEMORY) return wg__bad_memory(t->r.s.f);
    if (i == WG__CSV_NO_CLASS)
        return wg__csv_bad(&t->r, c->field, WG_EFORMAT, "'%.40s' is none of the %d classes", f->text, c->classes.c.n);
    if (t->o->dtype == WG_F32 && i > MOST_IN_F32)
        return wg__csv_bad(&t->r, c->field, WG_EFORMAT, "more classes than f32 counts: %d", i);
    *value = i;
    return WG_OK;
}

static int parse_field(struct table *t, struct column *c, double *value)
{
    struct wg__csv_field *f = &t->r.field[c->field];
    *value = NAN;
    if (c->kind == CLASSES) return read_class(t, c, value);
    if (t->o->markers && is_missing(t, f)) return WG_OK; /* a marker may look like a number */
    const char *why = wg__csv_number(f->text, f->n, t->o->dtype, value);
    if (why) {
        *value = NAN;
        if (is_missing(t, f)) return WG_OK;
        if (c->kind == NUMBERS || f->n == 0)
            return wg__csv_bad(&t->r, c->field, WG_EFORMAT, "'%.40s' %s", f->text, why);
        c->kind = CLASSES;
        return read_class(t, c, value);
    }
    c->kind = NUMBERS;
    return WG_OK;
}

/* Estimates the bytes of all values of the file from the length of the records so far; 0: there is nothing to estimate
 * from. */
static size_t expected_bytes(const struct table *t)
{
    enum { ENOUGH = 1 << 14 };
    if (t->r.s.packing != WG__PLAIN || t->n == 0 || t->r.at < ENOUGH) return 0;
    double bytes = (double)t->n / (double)t->r.at * (double)t->r.s.f->size * 1.01;
    return bytes < (double)(PTRDIFF_MAX / 4) ? (size_t)bytes : 0;
}

static int make_room(struct table *t, size_t more)
{
    if (more <= t->cap - t->n) return WG_OK;
    size_t cap = t->cap > more ? 2 * t->cap : t->cap + more, expected = expected_bytes(t);
    if (expected > cap) cap = expected;
    if (cap > PTRDIFF_MAX / 2 || !wg__data_resize(&t->out->values.data, t->n, cap)) return wg__bad_memory(t->r.s.f);
    t->cap = cap;
    return WG_OK;
}

static int take_value_record(struct table *t)
{
    size_t size = wg_dtype_size(t->o->dtype);
    if (t->r.fields != t->width)
        return wg__csv_bad(&t->r, t->r.fields - 1, WG_EFORMAT, "the record has %d fields, the first one has %d",
                           t->r.fields, t->width);
    int status = make_room(t, (size_t)t->out->columns * size);
    for (int i = 0; !status && i < t->out->columns; i++) {
        double value;
        if ((status = parse_field(t, &t->column[i], &value))) break;
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
        if (!t->sized && (status = take_first_record(t))) return status;
        if (!header && (status = take_value_record(t))) return status;
    }
    return status;
}

/* ---- The end ---- */

/* Assigns numbers to the classes of column i in the order of their texts, and moves them to the result. */
static int finish_classes(struct table *t, int i)
{
    struct wg__csv_dictionary *d = &t->column[i].classes;
    wg_array                  *v = &t->out->values;
    if (!d->given) {
        int *map = malloc(((size_t)d->c.n + 1) * sizeof *map);
        if (!map || !wg__csv_classes_sort(d, map)) {
            free(map);
            return wg__bad_memory(t->r.s.f);
        }
        for (int64_t at = i; at < v->shape.dim[0] * t->out->columns; at += t->out->columns) {
            double old = v->dtype == WG_F32 ? (double)((float *)v->data)[at] : ((double *)v->data)[at];
            if (!isnan(old)) wg__store(v->dtype, v->data, at, map[(int)old]);
        }
        free(map);
    }
    t->out->classes[i] = d->c;
    d->c = (wg_csv_classes){0};
    return WG_OK;
}

/* Completes the result.  Room for values grew by doubling or by estimate: what is not used is given back, unless it is
 * little. */
static int finish_table(struct table *t)
{
    wg_array *v = &t->out->values;
    bool      any = false;
    int       status = WG_OK;
    if (!t->sized && (t->o->names || t->o->class_names))
        return wg__bad(t->r.s.f, WG_EARG, 0, "is empty: no column has a name");
    v->dtype = t->o->dtype;
    v->shape.rank = 2;
    v->shape.dim[1] = t->out->columns;
    for (int i = 0; i < t->out->columns; i++) any |= t->column[i].kind == CLASSES;
    if (any && !(t->out->classes = calloc((size_t)t->out->columns, sizeof *t->out->classes)))
        return wg__bad_memory(t->r.s.f);
    for (int i = 0; !status && i < t->out->columns; i++)
        if (t->column[i].kind == CLASSES) status = finish_classes(t, i);
    if (status || (v->data && t->cap - t->n <= t->n / 16)) return status;
    return wg__data_resize(&v->data, t->n, t->n) ? WG_OK : wg__bad_memory(t->r.s.f);
}

static int read_file(struct wg__file *f, const wg_csv_options *options, wg_csv *out)
{
    wg_csv_options o;
    char           why[160];
    struct table   t = {.o = &o, .out = out};
    if (!wg__options_read(&o, sizeof o, options, why)) return wg__bad(f, WG_EARG, -1, "%s", why);
    int status = check_options(f, t.o);
    if (status || (status = wg__csv_open(&t.r, f, t.o))) return status;
    status = read_records(&t);
    if (!status) status = finish_table(&t);
    wg__csv_close(&t.r);
    for (int i = 0; t.column && i < out->columns; i++) wg__csv_dictionary_free(&t.column[i].classes);
    free(t.column);
    if (status) wg_csv_free(out);
    return status;
}

int wg_csv_read(const char *path, const wg_csv_options *options, wg_csv *out, wg_error *e)
{
    struct wg__file f;
    if (wg__lacks(e, "wg_csv_read", "out", out)) return WG_EARG;
    *out = (wg_csv){0};
    if (wg__lacks(e, "wg_csv_read", "path", path)) return WG_EARG;
    int status = wg__file_open(&f, path, e);
    if (status) return status;
    status = read_file(&f, options, out);
    wg__file_close(&f);
    return status;
}

int wg_csv_parse(const void *bytes, size_t n, const wg_csv_options *options, wg_csv *out, wg_error *e)
{
    struct wg__file f;
    if (wg__lacks(e, "wg_csv_parse", "out", out)) return WG_EARG;
    *out = (wg_csv){0};
    if (wg__lacks(e, "wg_csv_parse", "bytes", n ? bytes : "")) return WG_EARG;
    wg__file_memory(&f, bytes, n, e);
    return read_file(&f, options, out);
}
