/* v1.c - TensorFlow Serving's REST interface, which KServe V1 is a
 * part of: /v1/models.
 *
 * A request has rows, {"instances": [x0, x1, ..]} with an object of named
 * inputs for each where there are several, or columns, {"inputs": x}.  The
 * answer, {"predictions": ..} or {"outputs": ..}, has the same form. */
#include <stdlib.h>
#include <string.h>

#include "serve/server_impl.h"

enum form { NEITHER, ROWS, COLUMNS };

struct keep {
    enum form form;
    int64_t   rows;
    int64_t   seen[]; /* [n_in] rows that each input has so far */
};

/* ---- The request ----
 *
 * A reader returns false on failure.  Where the JSON is malformed (j->status), the caller answers; any other failure
 * has been answered. */

static const char *input_names(const struct wg__request *q, char to[static 400])
{
    return wg__tensor_names(q->job.version->n_in, q->job.version->in, 400, to);
}

/* Answers that the model has no input of that name; false. */
static bool refuse_input(struct wg__request *q, const struct wg__json_text *key)
{
    char names[400];
    wg__http_error(q, 400, "unknown input \"%.*s\": the model has %s", (int)(key->n < 100 ? key->n : 100), key->at,
                   input_names(q, names));
    return false;
}

static bool check_one_input(struct wg__request *q, const char *what)
{
    char names[400];
    if (q->job.version->n_in == 1) return true;
    wg__http_error(q, 400, "the model has %d inputs: %s has to name them: %s", q->job.version->n_in, what,
                   input_names(q, names));
    return false;
}

static bool read_tensor(struct wg__request *q, struct wg__json *j, int i, struct wg__json_data *to)
{
    return wg__json_tensor(j, q->job.version->in[i].dtype, to);
}

static int64_t count_of(const wg_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dim[i];
    return n;
}

/* Makes room for n bytes, twice as much as before, of which `used` stay. */
static bool reserve(struct wg__json_data *d, size_t used, size_t n)
{
    size_t size = d->size < 4096 ? 4096 : d->size;
    while (size < n) size *= 2;
    return wg__json_data_reserve(d, used, size);
}

static bool same_row(const wg_shape *all, const wg_shape *row)
{
    return all->rank == row->rank + 1 && !memcmp(all->dim + 1, row->dim, (size_t)row->rank * sizeof *row->dim);
}

/* Puts q->scratch behind the rows that input i has. */
static bool add_row(struct wg__request *q, struct wg__json *j, struct keep *k, int i, const char *at)
{
    const wg_shape       *row = &q->scratch.shape;
    struct wg__json_data *d = &q->data[i];
    const char           *name = q->job.version->in[i].name;
    size_t                n = (size_t)count_of(row) * wg_dtype_size(q->job.version->in[i].dtype);
    if (row->rank == WG_MAX_RANK) return wg__json_bad(j, at, "\"%s\" is nested too deep", name);
    if (k->rows == 0) {
        d->shape.rank = row->rank + 1;
        memcpy(d->shape.dim + 1, row->dim, (size_t)row->rank * sizeof *row->dim);
    } else if (!same_row(&d->shape, row)) {
        return wg__json_bad(j, at, "\"%s\" has another shape than in the first instance", name);
    }
    if (!reserve(d, (size_t)k->rows * n, (size_t)(k->rows + 1) * n)) {
        wg__http_error(q, 503, "out of memory");
        return false;
    }
    if (n) memcpy((char *)d->data + (size_t)k->rows * n, q->scratch.data, n);
    k->seen[i] = k->rows + 1;
    return true;
}

static bool read_object_row(struct wg__request *q, struct wg__json *j, struct keep *k)
{
    struct wg__json_text key;
    if (!wg__json_object(j)) return false;
    while (wg__json_key(j, &key)) {
        int i = wg__request_input(q, &key);
        if (i < 0) return refuse_input(q, &key);
        const char *at = j->at;
        if (!read_tensor(q, j, i, &q->scratch) || !add_row(q, j, k, i, at)) return false;
    }
    if (j->status) return false;
    for (int i = 0; i < q->job.version->n_in; i++) {
        if (k->seen[i] > k->rows) continue;
        wg__http_error(q, 400, "instance %lld has no input \"%s\"", (long long)k->rows, q->job.version->in[i].name);
        return false;
    }
    k->rows++;
    return true;
}

/* Checks that the model has rows: an axis with which all inputs and outputs begin. */
static bool check_rows(struct wg__request *q)
{
    const struct wg__version *v = q->job.version;
    if (!v->n_in) return check_one_input(q, "each instance");
    for (int i = 0; i < v->n_in + v->n_out; i++) {
        const struct wg__model_tensor *x = i < v->n_in ? &v->in[i] : &v->out[i - v->n_in];
        if (x->shape.rank && x->shape.dim[0] == v->in[0].shape.dim[0]) continue;
        wg__http_error(q, 400, "\"%s\" has no batch axis, so that \"instances\" have no meaning: use \"inputs\"",
                       x->name);
        return false;
    }
    return true;
}

/* Takes "instances": []: each input has no row, and size 1 along its other symbols. */
static bool take_no_rows(struct wg__request *q, struct keep *k)
{
    const struct wg__version *v = q->job.version;
    k->rows = 0;
    for (int i = 0; i < v->n_in; i++) {
        q->data[i].shape = v->in[i].shape;
        for (int axis = 0; axis < v->in[i].shape.rank; axis++)
            if (q->data[i].shape.dim[axis] < 0 || !axis) q->data[i].shape.dim[axis] = axis > 0;
    }
    return true;
}

static bool read_rows(struct wg__request *q, struct wg__json *j, struct keep *k)
{
    struct wg__json mark = *j;
    if (!check_rows(q) || !wg__json_array(j)) return false;
    bool some = wg__json_more(j);
    if (j->status) return false;
    k->rows = 0;
    for (int i = 0; i < q->job.version->n_in; i++) k->seen[i] = 0;
    if (!some) return take_no_rows(q, k);
    if (wg__json_peek(j) != WG__JSON_OBJECT) {
        *j = mark;
        if (!check_one_input(q, "each instance") || !read_tensor(q, j, 0, &q->data[0])) return false;
        k->rows = q->data[0].shape.dim[0];
        return true;
    }
    do {
        if (wg__json_peek(j) != WG__JSON_OBJECT)
            return wg__json_bad(j, NULL, "objects and values mixed in \"instances\"");
        if (!read_object_row(q, j, k)) return false;
    } while (wg__json_more(j));
    for (int i = 0; i < q->job.version->n_in; i++) q->data[i].shape.dim[0] = k->rows;
    return !j->status;
}

static bool read_columns(struct wg__request *q, struct wg__json *j, struct keep *k)
{
    struct wg__json_text key;
    if (wg__json_peek(j) != WG__JSON_OBJECT)
        return check_one_input(q, "\"inputs\"") && read_tensor(q, j, 0, &q->data[0]);
    for (int i = 0; i < q->job.version->n_in; i++) k->seen[i] = 0;
    if (!wg__json_object(j)) return false;
    while (wg__json_key(j, &key)) {
        int i = wg__request_input(q, &key);
        if (i < 0) return refuse_input(q, &key);
        if (!read_tensor(q, j, i, &q->data[i])) return false;
        k->seen[i] = 1;
    }
    if (j->status) return false;
    for (int i = 0; i < q->job.version->n_in; i++) {
        if (k->seen[i]) continue;
        wg__http_error(q, 400, "missing input \"%s\"", q->job.version->in[i].name);
        return false;
    }
    return true;
}

static bool read_signature(struct wg__request *q, struct wg__json *j)
{
    struct wg__json_text name;
    if (wg__json_null(j)) return true;
    if (!wg__json_string(j, &name)) return false;
    if (!name.n || wg__json_text_is(&name, "serving_default")) return true;
    wg__http_error(q, 400, "Serving signature name: \"%.*s\" not found in signature def: there is \"serving_default\"",
                   (int)(name.n < 100 ? name.n : 100), name.at);
    return false;
}

static bool read_key(struct wg__request *q, struct wg__json *j, struct keep *k, const struct wg__json_text *key)
{
    enum form form = wg__json_text_is(key, "instances") ? ROWS : wg__json_text_is(key, "inputs") ? COLUMNS : NEITHER;
    if (form) {
        if (k->form && k->form != form) {
            wg__http_error(q, 400, "Not formatted correctly: 'inputs' and 'instances' exclude each other");
            return false;
        }
        k->form = form;
        return form == ROWS ? read_rows(q, j, k) : read_columns(q, j, k);
    }
    return wg__json_text_is(key, "signature_name") ? read_signature(q, j) : wg__json_skip(j);
}

static bool read_body(struct wg__request *q, struct wg__json *j, struct keep *k)
{
    struct wg__json_text key;
    if (!wg__json_object(j)) return false;
    while (wg__json_key(j, &key))
        if (!read_key(q, j, k, &key)) return false;
    if (j->status || !wg__json_finish(j)) return false;
    if (k->form) return true;
    wg__http_error(q, 400, "Missing 'inputs' or 'instances' key");
    return false;
}

/* ---- The answer ---- */

static void answer_columns(struct wg__request *q)
{
    const struct wg__version *v = q->job.version;
    const struct wg__result  *out = q->job.out;
    struct wg__text          *t = &q->text;
    wg__text_add(t, "{\"outputs\": ", 12);
    if (v->n_out != 1) wg__text_add(t, "{", 1);
    for (int i = 0; i < v->n_out; i++) {
        if (i) wg__text_add(t, ", ", 2);
        if (v->n_out != 1) {
            wg__text_string(t, v->out[i].name);
            wg__text_add(t, ": ", 2);
        }
        wg__text_tensor(t, v->out[i].dtype, &out[i].shape, out[i].data);
    }
    if (v->n_out != 1) wg__text_add(t, "}", 1);
    wg__text_add(t, "}\n", 2);
}

static void say_row(struct wg__request *q, int64_t row)
{
    const struct wg__version *v = q->job.version;
    for (int i = 0; i < v->n_out; i++) {
        const struct wg__result *r = &q->job.out[i];
        wg_shape                 s = {.rank = r->shape.rank - 1};
        memcpy(s.dim, r->shape.dim + 1, (size_t)s.rank * sizeof *s.dim);
        size_t n = (size_t)count_of(&s) * wg_dtype_size(v->out[i].dtype);
        wg__text_add(&q->text, i ? ", " : "{", i ? 2 : 1);
        wg__text_string(&q->text, v->out[i].name);
        wg__text_add(&q->text, ": ", 2);
        wg__text_tensor(&q->text, v->out[i].dtype, &s, (const char *)r->data + (size_t)row * n);
    }
    wg__text_add(&q->text, "}", 1);
}

static void answer_rows(struct wg__request *q)
{
    const struct wg__version *v = q->job.version;
    const struct keep        *k = q->protocol;
    for (int i = 0; i < v->n_out; i++) {
        const wg_shape *s = &q->job.out[i].shape;
        if (s->rank && s->dim[0] == k->rows) continue;
        wg__http_error(q, 400, "output \"%s\" has no row for each instance: use \"inputs\"", v->out[i].name);
        return;
    }
    wg__text_add(&q->text, "{\"predictions\": ", 16);
    if (v->n_out == 1) {
        wg__text_tensor(&q->text, v->out[0].dtype, &q->job.out[0].shape, q->job.out[0].data);
    } else {
        for (int64_t r = 0; r < k->rows; r++) {
            wg__text_add(&q->text, r ? ", " : "[", r ? 2 : 1);
            say_row(q, r);
        }
        wg__text_add(&q->text, k->rows ? "]" : "[]", k->rows ? 1 : 2);
    }
    wg__text_add(&q->text, "}\n", 2);
}

static void answer(struct wg__request *q)
{
    const struct keep *k = q->protocol;
    q->code = 200;
    if (k->form == ROWS) answer_rows(q);
    else answer_columns(q);
}

void wg__v1_predict(struct wg__request *q)
{
    struct wg__json j;
    if (!wg__request_version(q) || !wg__request_tensors(q)) return;
    const struct wg__version *v = q->job.version;
    struct keep              *k = wg__request_keep(q, sizeof *k + (size_t)v->n_in * sizeof *k->seen);
    if (!k) return;
    wg__json_open_strict(&j, q->body, q->n_body, &q->keys);
    if (!read_body(q, &j, k)) {
        if (!q->code) wg__http_bad_json(q, &j);
        return;
    }
    for (int i = 0; i < v->n_in; i++) q->given[i] = (struct wg__given){q->data[i].data, q->data[i].shape};
    q->answer = answer;
}
