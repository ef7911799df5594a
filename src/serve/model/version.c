/* A version: from a file to a graph that only predicts.
 *
 * What was said in the file (names, texts) is copied; the file's own bytes are
 * released as soon as the graph has what it needs of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include <wengert/onnx.h>

#include "base/system/calls.h"
#include "serve/model/model_impl.h"

enum { TAPES_A_WORKER = 16, SYMBOL_NAME = 1024 };

void wg__model_log(const struct wg__model_options *o, const char *level, const char *format, ...)
{
    char    line[600];
    va_list ap;
    if (!o->log) return;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    o->log(o->log_context, level, line);
}

/* Fills in e; a message of several lines becomes one line. */
int wg__model_say(wg_error *e, int status, const char *format, ...)
{
    va_list ap;
    if (!e) return status;
    e->status = status;
    e->offset = -1;
    va_start(ap, format);
    vsnprintf(e->message, sizeof e->message, format, ap);
    va_end(ap);
    for (char *c = e->message; (c = strchr(c, '\n')) != NULL;) *c = c[1] ? ';' : 0;
    return status;
}

const char *wg__model_state_name(enum wg__model_state s)
{
    static const char *const name[] = {"START", "LOADING", "AVAILABLE", "UNLOADING", "END"};
    return (unsigned)s < sizeof name / sizeof *name ? name[s] : "?";
}

/* ---- Texts that stay ---- */

struct wg__note {
    struct wg__note *next;
    char             text[];
};

static const char *keep_text(struct wg__loaded *v, const char *text)
{
    size_t           n = strlen(text) + 1;
    struct wg__note *note = malloc(sizeof *note + n);
    if (!note) return NULL;
    memcpy(note->text, text, n);
    note->next = v->notes;
    v->notes = note;
    return note->text;
}

/* ---- Inputs, outputs, symbols ---- */

/* Finds the number of a symbol, or gives a new symbol the next number if `add`; or a status. */
static int symbol_of(struct wg__loaded *v, int64_t dim, bool add, wg_error *e)
{
    char name[SYMBOL_NAME];
    wg_dim_name(v->graph, dim, name, sizeof name);
    for (int i = 0; i < v->n_symbol; i++)
        if (strcmp(v->symbol[i], name) == 0) return i;
    if (!add) return WG_EBOUND;
    if (strlen(name) + 1 == sizeof name)
        return wg__model_say(e, WG_EARG, "the name of a symbolic dimension is too long: %.60s..", name);
    if (v->n_symbol == WG__MAX_SYMBOLS)
        return wg__model_say(e, WG_EARG, "more than %d symbolic dimensions", WG__MAX_SYMBOLS);
    if (!(v->symbol[v->n_symbol] = keep_text(v, name))) return wg__model_say(e, WG_ENOMEM, "out of memory");
    return v->n_symbol++;
}

/* Describes an input or output.  An output's symbol that follows from others ("2*batch") has no number. */
static int describe_port(struct wg__loaded *v, struct wg__port *p, struct wg__model_tensor *t, wg_node *x,
                         const char *name, bool input, wg_error *e)
{
    p->node = x;
    *t = (struct wg__model_tensor){keep_text(v, name), wg_node_dtype(x), *wg_node_shape(x)};
    if (!t->name) return wg__model_say(e, WG_ENOMEM, "out of memory");
    for (int i = 0; i < WG_MAX_RANK; i++) {
        bool symbolic = i < t->shape.rank && t->shape.dim[i] < 0;
        int  symbol = symbolic ? symbol_of(v, t->shape.dim[i], input, e) : -1;
        if (symbolic && input && symbol < 0) return symbol;
        p->symbol[i] = (int8_t)(symbol < 0 ? -1 : symbol);
        if (symbolic) t->shape.dim[i] = -1;
    }
    return WG_OK;
}

/* Tells whether symbol 0 is the first axis and no other.  Whether outputs hold it in an expression is seen by
 * warm.c. */
static bool is_batch_axis(const struct wg__port *p, const struct wg__model_tensor *t)
{
    if (t->shape.rank < 1 || p->symbol[0] != 0) return false;
    for (int i = 1; i < t->shape.rank; i++)
        if (p->symbol[i] == 0) return false;
    return true;
}

static int take_ports(struct wg__loaded *v, const wg_onnx *m, wg_error *e)
{
    int n_in = wg_onnx_input_count(m), n_out = wg_onnx_output_count(m), status = WG_OK;
    if (n_out < 1) return wg__model_say(e, WG_EARG, "the model has no outputs");
    v->in = calloc((size_t)n_in + (size_t)n_out, sizeof *v->in);
    v->tensor = calloc((size_t)n_in + (size_t)n_out, sizeof *v->tensor);
    v->root = calloc((size_t)n_out, sizeof(wg_node *));
    if (!v->in || !v->tensor || !v->root) return wg__model_say(e, WG_ENOMEM, "out of memory");
    v->out = v->in + n_in;
    for (int i = 0; i < n_in && !status; i++)
        status = describe_port(v, &v->in[i], &v->tensor[i], wg_onnx_input(m, i), wg_onnx_input_name(m, i), true, e);
    for (int i = 0; i < n_out && !status; i++) {
        v->root[i] = wg_onnx_output(m, i);
        status = describe_port(v, &v->out[i], &v->tensor[n_in + i], v->root[i], wg_onnx_output_name(m, i), false, e);
    }
    v->pub.n_in = n_in;
    v->pub.n_out = n_out;
    v->pub.in = v->tensor;
    v->pub.out = v->tensor + n_in;
    v->batch_axis = n_in > 0 && !status;
    for (int i = 0; i < n_in + n_out && v->batch_axis; i++) v->batch_axis = is_batch_axis(&v->in[i], &v->tensor[i]);
    return status;
}

/* ---- What the file says of itself ---- */

static int take_texts(struct wg__loaded *v, const wg_onnx *m, wg_error *e)
{
    wg_onnx_info about = wg_onnx_about(m);
    bool         whole = true;
    v->meta = calloc((size_t)about.meta + 1, sizeof *v->meta);
    if (!v->meta) return wg__model_say(e, WG_ENOMEM, "out of memory");
    for (int i = 0; i < about.meta; i++) {
        const char *key, *text;
        if (!wg_onnx_meta_at(m, i, &key, &text)) continue;
        v->meta[v->pub.n_meta][0] = keep_text(v, key);
        v->meta[v->pub.n_meta][1] = keep_text(v, text);
        whole = whole && v->meta[v->pub.n_meta][0] && v->meta[v->pub.n_meta][1];
        v->pub.n_meta++;
    }
    v->pub.producer = keep_text(v, about.producer);
    v->pub.doc = keep_text(v, about.doc);
    v->pub.meta = (const char *const(*)[2])v->meta;
    if (whole && v->pub.producer && v->pub.doc) return WG_OK;
    return wg__model_say(e, WG_ENOMEM, "out of memory");
}

static int digest_all(int fd, XXH3_state_t *state)
{
    static const size_t size = 1 << 16;
    char               *block = malloc(size);
    ssize_t             n = 0;
    if (!block) return WG_ENOMEM;
    do {
        n = wg__read_some(fd, block, size);
        if (n > 0) XXH3_64bits_update(state, block, (size_t)n);
    } while (n > 0);
    free(block);
    return n < 0 ? WG_EIO : WG_OK;
}

static int take_digest(struct wg__loaded *v, const char *file, wg_error *e)
{
    int           fd = open(file, O_RDONLY | O_CLOEXEC), status = WG_ENOMEM;
    char          text[80];
    XXH3_state_t *state = XXH3_createState();
    if (fd < 0) status = WG_EIO;
    else if (state && XXH3_64bits_reset(state) == XXH_OK) status = digest_all(fd, state);
    if (status == WG_EIO) wg__model_say(e, WG_EIO, "%.120s: %s", file, strerror_r(errno, text, sizeof text));
    else if (status) wg__model_say(e, status, "out of memory");
    else snprintf(v->pub.digest, sizeof v->pub.digest, "%016llx", (unsigned long long)XXH3_64bits_digest(state));
    XXH3_freeState(state);
    if (fd >= 0) close(fd);
    return status;
}

/* ---- The whole ---- */

/* Imports the model.  Weights become constants, laid out as products like them best; all tapes read the same memory. */
static int import_model(struct wg__loaded *v, const char *file, wg_error *e)
{
    wg_onnx *m = wg_onnx_read(file);
    if (!m) return wg__model_say(e, WG_ENOMEM, "out of memory");
    int status = wg_onnx_status(m);
    if (!status) status = wg_onnx_import(m, v->graph, &(wg_onnx_import_options){.constants = 1});
    if (status) wg__model_say(e, status, "%s", wg_onnx_message(m));
    if (!status) status = take_ports(v, m, e);
    if (!status) status = take_texts(v, m, e);
    wg_onnx_free(m);
    return status;
}

static void destroy(struct wg__loaded *v)
{
    wg__pool_clear(&v->pool);
    pthread_cond_destroy(&v->lane.more);
    wg_graph_free(v->graph);
    free(v->in);
    free(v->root);
    free(v->tensor);
    free(v->meta);
    for (struct wg__note *note = v->notes, *next; note; note = next) {
        next = note->next;
        free(note);
    }
    free(v);
}

static bool begin(struct wg__loaded *v)
{
    bool made = wg__steady_cond(&v->lane.more);
    if (made && wg__pool_init(&v->pool, TAPES_A_WORKER * v->options.threads, v->options.budget)) return true;
    if (made) pthread_cond_destroy(&v->lane.more);
    return false;
}

struct wg__loaded *wg__loaded_new(const char *model, int64_t number, const char *file,
                                  const struct wg__model_options *o, struct wg__crew *crew, wg_error *e)
{
    uint64_t           start = wg__now_ns();
    struct wg__loaded *v = calloc(1, sizeof *v);
    if (v) *v = (struct wg__loaded){.options = *o, .crew = crew, .users = 1, .lane.last = &v->lane.first};
    if (!v || !begin(v)) {
        free(v);
        return wg__model_say(e, WG_ENOMEM, "out of memory"), NULL;
    }
    int status = WG_OK;
    v->pub.number = number;
    v->pub.model = keep_text(v, model);
    v->graph = wg_graph_new();
    if (!v->pub.model || !v->graph) status = wg__model_say(e, WG_ENOMEM, "out of memory");
    if (!status) status = take_digest(v, file, e);
    if (!status) status = import_model(v, file, e);
    if (!status) status = wg__loaded_warm(v, e);
    v->pub.load_seconds = (double)(wg__now_ns() - start) * 1e-9;
    if (!status) return v;
    destroy(v);
    return NULL;
}

void wg__version_release(struct wg__version *pub)
{
    struct wg__loaded *v = pub ? wg__loaded_of(pub) : NULL;
    if (v && atomic_fetch_sub(&v->users, 1) == 1) destroy(v);
}

struct wg__version_counters wg__version_count(struct wg__version *pub)
{
    struct wg__loaded *v = wg__loaded_of(pub);
    return (struct wg__version_counters){.rows = atomic_load(&v->rows),
                                         .batches = atomic_load(&v->batches),
                                         .refused = atomic_load(&v->refused),
                                         .late = atomic_load(&v->late),
                                         .failed = atomic_load(&v->failed),
                                         .queue_seconds = (double)atomic_load(&v->queue_ns) * 1e-9,
                                         .run_seconds = (double)atomic_load(&v->run_ns) * 1e-9,
                                         .waiting = atomic_load(&v->waiting)};
}
