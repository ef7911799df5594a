/* v2.c - the Open Inference Protocol (github.com/kserve/
 * open-inference-protocol): /v2. */
#include <string.h>
#include <strings.h>

#include "serve/server_impl.h"
#include "serve/protocol/v2_impl.h"

/* ---- The request ---- */

/* An input as its object has it; the keys come in any order. */
struct given {
    int                  input; /* -1: no name yet */
    struct wg__json_text name, datatype;
    bool                 shaped, listed, parsed;
    bool                 twice; /* an earlier object has that name */
    wg_shape             shape;
    struct wg__json      data;   /* where the list began, if the name was not known then */
    int64_t              binary; /* -1: none */
};

static bool bad(struct wg__request *q, const char *why)
{
    wg__http_error(q, 400, "%s", why);
    return false;
}

static int shown(const struct wg__json_text *s) { return (int)(s->n < 100 ? s->n : 100); }

static bool read_shape(struct wg__json *j, wg_shape *s)
{
    s->rank = 0;
    if (!wg__json_array(j)) return false;
    while (wg__json_more(j)) {
        int64_t n;
        if (s->rank == WG_MAX_RANK) return wg__json_bad(j, NULL, "more than %d dimensions", WG_MAX_RANK);
        if (!wg__json_int64(j, &n)) return false;
        if (n < 0) return wg__json_bad(j, NULL, "a dimension is negative");
        s->dim[s->rank++] = n;
    }
    return !j->status;
}

/* Reads parameters, of which only those of the binary extension mean something. */
static bool read_parameters(struct wg__json *j, const char *flag, bool *on, bool *is_set, int64_t *size)
{
    struct wg__json_text key;
    if (wg__json_null(j)) return true;
    if (!wg__json_object(j)) return false;
    while (wg__json_key(j, &key)) {
        bool ok;
        if (wg__json_null(j)) ok = true;
        else if (flag && wg__json_text_is(&key, flag)) ok = *is_set = wg__json_bool(j, on);
        else if (size && wg__json_text_is(&key, "binary_data_size"))
            ok = wg__json_int64(j, size) && (*size >= 0 || wg__json_bad(j, NULL, "binary_data_size is negative"));
        else ok = wg__json_skip(j);
        if (!ok) return false;
    }
    return !j->status;
}

static bool read_data(struct wg__request *q, struct wg__json *j, struct given *g)
{
    if (wg__json_null(j)) return true;
    g->listed = true;
    g->parsed = g->input >= 0 && !g->twice;
    g->data = *j;
    if (wg__json_peek(j) != WG__JSON_ARRAY) return wg__json_bad(j, NULL, "\"data\" has to be a list");
    if (!g->parsed) return wg__json_skip(j);
    return wg__json_tensor(j, q->job.version->in[g->input].dtype, &q->data[g->input]);
}

/* Reads an input's name, to know where data may go at once.  The input counts when its object is complete. */
static bool read_name(struct wg__request *q, struct wg__json *j, struct wg__v2 *k, struct given *g)
{
    if (!wg__json_string(j, &g->name)) return false;
    g->input = wg__request_input(q, &g->name);
    g->twice = g->input >= 0 && k->out[q->job.version->n_out + g->input].wanted;
    return true;
}

static bool read_input_key(struct wg__request *q, struct wg__json *j, struct wg__v2 *k, struct given *g,
                           const struct wg__json_text *key)
{
    if (wg__json_text_is(key, "name")) return read_name(q, j, k, g);
    if (wg__json_text_is(key, "datatype")) return wg__json_string(j, &g->datatype);
    if (wg__json_text_is(key, "shape")) return g->shaped = read_shape(j, &g->shape);
    if (wg__json_text_is(key, "data")) return read_data(q, j, g);
    if (wg__json_text_is(key, "parameters")) return read_parameters(j, NULL, NULL, NULL, &g->binary);
    return wg__json_skip(j);
}

/* Checks that the data are a flat list, or nested as the shape says. */
static bool check_nesting(struct wg__request *q, const struct given *g)
{
    const wg_shape *s = &q->data[g->input].shape;
    int64_t         have = wg__v2_count(s), want = wg__v2_count(&g->shape);
    bool            same = s->rank == g->shape.rank && !memcmp(s->dim, g->shape.dim, (size_t)s->rank * sizeof *s->dim);
    if (same || (s->rank == 1 && have == want)) return true;
    if (have != want)
        wg__http_error(q, 400, "input \"%s\": data has %lld elements but the shape needs %lld",
                       q->job.version->in[g->input].name, (long long)have, (long long)want);
    else
        wg__http_error(q, 400, "input \"%s\": data is nested otherwise than the shape says",
                       q->job.version->in[g->input].name);
    return false;
}

static bool check_input(struct wg__request *q, const struct given *g)
{
    char names[400];
    if (!g->name.at) return bad(q, "an input has no name");
    if (g->input < 0)
        wg__http_error(q, 400, "unknown input \"%.*s\": the model has %s", shown(&g->name), g->name.at,
                       wg__tensor_names(q->job.version->n_in, q->job.version->in, sizeof names, names));
    else if (g->twice) wg__http_error(q, 400, "input \"%.*s\" is there twice", shown(&g->name), g->name.at);
    if (q->code) return false;
    const struct wg__model_tensor *x = &q->job.version->in[g->input];
    const char                    *missing = !g->datatype.at ? "datatype" : !g->shaped ? "shape" : NULL;
    if (missing) wg__http_error(q, 400, "input \"%s\" has no %s", x->name, missing);
    else if (!wg__json_text_is(&g->datatype, wg__v2_dtypes[x->dtype]))
        wg__http_error(q, 400, "input \"%s\": datatype is %.*s but the model's is %s", x->name, shown(&g->datatype),
                       g->datatype.at, wg__v2_dtypes[x->dtype]);
    else if (g->listed == (g->binary >= 0))
        wg__http_error(q, 400, "input \"%s\" needs either data or the parameter binary_data_size", x->name);
    return !q->code;
}

static bool read_input(struct wg__request *q, struct wg__json *j, struct wg__v2 *k)
{
    struct given         g = {.input = -1, .binary = -1};
    struct wg__json_text key;
    if (!wg__json_object(j)) return false;
    while (wg__json_key(j, &key))
        if (!read_input_key(q, j, k, &g, &key)) return false;
    if (j->status || !check_input(q, &g)) return false;
    k->out[q->job.version->n_out + g.input].wanted = true;
    if (!g.listed) return wg__v2_take(q, k, g.input, &g.shape, g.binary);
    if (!g.parsed && !wg__json_tensor(&g.data, q->job.version->in[g.input].dtype, &q->data[g.input])) {
        *j = g.data;
        return false;
    }
    if (!check_nesting(q, &g)) return false;
    q->given[g.input] = (struct wg__given){q->data[g.input].data, g.shape};
    return true;
}

static int output_of(const struct wg__version *v, const struct wg__json_text *name)
{
    for (int i = 0; i < v->n_out; i++)
        if (wg__json_text_is(name, v->out[i].name)) return i;
    return -1;
}

static bool read_output(struct wg__request *q, struct wg__json *j, struct wg__v2 *k)
{
    const struct wg__version *v = q->job.version;
    struct wg__json_text      key, name = {0};
    bool                      binary = false, is_set = false;
    char                      names[400];
    if (!wg__json_object(j)) return false;
    while (wg__json_key(j, &key)) {
        bool ok = wg__json_text_is(&key, "name")         ? wg__json_string(j, &name)
                  : wg__json_text_is(&key, "parameters") ? read_parameters(j, "binary_data", &binary, &is_set, NULL)
                                                         : wg__json_skip(j);
        if (!ok) return false;
    }
    if (j->status) return false;
    if (!name.at) return bad(q, "an output has no name");
    int i = output_of(v, &name);
    if (i < 0)
        wg__http_error(q, 400, "unknown output \"%.*s\": the model has %s", shown(&name), name.at,
                       wg__tensor_names(v->n_out, v->out, sizeof names, names));
    else if (k->out[i].wanted) wg__http_error(q, 400, "output \"%s\" is asked for twice", v->out[i].name);
    if (q->code) return false;
    k->out[i].wanted = true;
    k->out[k->n_wanted].output = i;
    k->out[k->n_wanted++].binary = is_set ? binary : -1;
    return true;
}

static bool each(struct wg__request *q, struct wg__json *j, struct wg__v2 *k,
                 bool (*read)(struct wg__request *, struct wg__json *, struct wg__v2 *))
{
    if (!wg__json_array(j)) return false;
    while (wg__json_more(j))
        if (!read(q, j, k)) return false;
    return !j->status;
}

static bool read_key(struct wg__request *q, struct wg__json *j, struct wg__v2 *k, const struct wg__json_text *key)
{
    bool is_set;
    if (wg__json_text_is(key, "id")) return wg__json_null(j) || wg__json_string(j, &k->id);
    if (wg__json_text_is(key, "inputs")) return each(q, j, k, read_input);
    if (wg__json_text_is(key, "outputs")) return wg__json_null(j) || each(q, j, k, read_output);
    if (wg__json_text_is(key, "parameters"))
        return read_parameters(j, "binary_data_output", &k->all_binary, &is_set, NULL);
    return wg__json_skip(j);
}

static bool all_came(struct wg__request *q, struct wg__v2 *k)
{
    const struct wg__version *v = q->job.version;
    for (int i = 0; i < v->n_in; i++) {
        if (k->out[v->n_out + i].wanted) continue;
        wg__http_error(q, 400, "missing input \"%s\"", v->in[i].name);
        return false;
    }
    return !k->n_bytes || bad(q, "bytes are left behind the last binary tensor");
}

static bool read_body(struct wg__request *q, struct wg__json *j, struct wg__v2 *k)
{
    struct wg__json_text key;
    if (!wg__json_object(j)) return false;
    while (wg__json_key(j, &key))
        if (!read_key(q, j, k, &key)) return false;
    return !j->status && wg__json_finish(j) && all_came(q, k);
}

/* ---- The answer ---- */

static void say_output(struct wg__request *q, int i, bool binary)
{
    bool                           words = q->server->o.non_finite == WG__NON_FINITE_WORDS;
    const struct wg__model_tensor *x = &q->job.version->out[i];
    const struct wg__result       *r = &q->job.out[i];
    wg__text_add(&q->text, "{\"name\": ", 9);
    wg__text_string(&q->text, x->name);
    wg__text_add(&q->text, ", \"shape\": ", 11);
    wg__v2_say_shape(&q->text, &r->shape);
    wg__text_say(&q->text, ", \"datatype\": \"%s\", ", wg__v2_dtypes[x->dtype]);
    if (binary) {
        wg__text_say(&q->text, "\"parameters\": {\"binary_data_size\": %zu}}", wg__v2_size(q, i));
        return;
    }
    wg__text_add(&q->text, "\"data\": ", 8);
    (words ? wg__text_flat : wg__text_flat_null)(&q->text, x->dtype, wg__v2_count(&r->shape), r->data);
    wg__text_add(&q->text, "}", 1);
}

/* Checks that JSON can say the answer: it has no NaN and no infinity (RFC 8259, 6).  null stands for them, unless the
 * server was told to refuse such an answer.  False with the error filled in. */
static bool check_finite(struct wg__request *q, const struct wg__v2 *k)
{
    const struct wg__version *v = q->job.version;
    if (q->server->o.non_finite != WG__NON_FINITE_ERROR) return true;
    for (int i = 0; i < k->n_wanted; i++) {
        int                      o = k->out[i].output;
        const struct wg__result *r = &q->job.out[o];
        if (k->out[i].binary || wg__all_finite(v->out[o].dtype, wg__v2_count(&r->shape), r->data)) continue;
        wg__http_error(q, 500, "output \"%s\" has a NaN or an infinity, which JSON has not", v->out[o].name);
        return false;
    }
    return true;
}

static void answer(struct wg__request *q)
{
    const struct wg__version *v = q->job.version;
    struct wg__v2            *k = q->protocol;
    bool                      binary = false;
    q->code = 200;
    if (!k->n_wanted)
        for (int i = 0; i < v->n_out; i++) k->out[k->n_wanted++] = (struct wg__v2_output){.output = i, .binary = -1};
    for (int i = 0; i < k->n_wanted; i++)
        if (k->out[i].binary < 0) k->out[i].binary = k->all_binary;
    if (!check_finite(q, k)) return;
    wg__text_add(&q->text, "{\"model_name\": ", 15);
    wg__text_string(&q->text, v->model);
    wg__text_say(&q->text, ", \"model_version\": \"%lld\", ", (long long)v->number);
    if (k->id.at) { /* as it came, escapes and all */
        wg__text_add(&q->text, "\"id\": \"", 7);
        wg__text_add(&q->text, k->id.at, k->id.n);
        wg__text_add(&q->text, "\", ", 3);
    }
    wg__text_add(&q->text, "\"outputs\": [", 12);
    for (int i = 0; i < k->n_wanted; i++) {
        binary |= k->out[i].binary;
        if (i) wg__text_add(&q->text, ", ", 2);
        say_output(q, k->out[i].output, k->out[i].binary);
    }
    wg__text_add(&q->text, "]}", 2);
    if (!binary) return;
    q->type = "application/octet-stream";
    q->json_length = (int64_t)q->text.n;
    for (int i = 0; i < k->n_wanted; i++)
        if (k->out[i].binary) wg__v2_append(q, k->out[i].output);
}

/* Checks Content-Type.  application/x-www-form-urlencoded is accepted, as curl -d sends it unless told otherwise. */
static bool check_type(struct wg__request *q)
{
    static const char *const table[] = {"application/json", "application/octet-stream",
                                        "application/x-www-form-urlencoded"};
    char                     text[200];
    const char              *type = q->header(q, "Content-Type", sizeof text, text);
    size_t                   n = type ? strcspn(type, "; \t") : 0;
    if (!n) return true;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (n == strlen(table[i]) && !strncasecmp(type, table[i], n)) return true;
    wg__http_error(q, 415, "Content-Type is %.100s: application/json or application/octet-stream is needed", type);
    return false;
}

void wg__v2_infer(struct wg__request *q)
{
    struct wg__json j;
    size_t          n_json;
    if (!check_type(q) || !wg__request_version(q) || !wg__request_tensors(q)) return;
    const struct wg__version *v = q->job.version;
    struct wg__v2            *k = wg__request_keep(q, sizeof *k + (size_t)(v->n_in + v->n_out) * sizeof *k->out);
    if (!k || !wg__v2_split(q, k, &n_json)) return;
    wg__json_open_strict(&j, q->body, n_json, &q->keys);
    if (!read_body(q, &j, k)) {
        if (!q->code) wg__http_bad_json(q, &j);
        return;
    }
    q->answer = answer;
}
