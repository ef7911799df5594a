/* Checkpoints: every parameter of a graph as one safetensors file.
 *
 * Loading reads and checks all, then copies: nothing can fail between the
 * first and the last parameter that changes. */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/number/number.h"
#include "train/safetensors/safetensors_impl.h"
#include "train/train_impl.h"

#define FORMAT "2"
#define WITHOUT_ROLES "1"
#define OWN_KEYS "wengert."
enum { MAX_OWN = 4 };

/* ---- Saving ---- */

static int check_save(const wg_graph *g, const wg_save_options *o, wg_error *e)
{
    if (!g) return wg__say(e, "checkpoint_save", WG_EARG, -1, "the graph is NULL");
    if (o->n_meta < 0) return wg__say(e, "checkpoint_save", WG_EARG, -1, "n_meta cannot be %d", o->n_meta);
    if (o->n_meta && !o->meta)
        return wg__say(e, "checkpoint_save", WG_EARG, -1, "n_meta is %d, but meta is NULL", o->n_meta);
    for (int i = 0; i < o->n_meta; i++)
        if (o->meta[i][0] && strncmp(o->meta[i][0], OWN_KEYS, strlen(OWN_KEYS)) == 0)
            return wg__say(e, "checkpoint_save", WG_EARG, -1, "the key %.100s begins with " OWN_KEYS, o->meta[i][0]);
    return WG_OK;
}

/* Lists the parameters as tensors that borrow their values; returns the length of the list. */
static int list_params(const wg_graph *g, bool weights_only, wg_safetensor *x)
{
    int n = 0;
    for (int i = 0; i < wg_param_count(g); i++) {
        const wg_node *p = wg_param_at(g, i);
        if (weights_only && p->of_solver) continue;
        x[n++] = (wg_safetensor){wg_node_name(p), wg_node_dtype(p), *wg_node_shape(p), wg_param_view(p)};
    }
    return n;
}

int wg_checkpoint_save(const wg_graph *g, const wg_tape *t, const char *path, const wg_save_options *options,
                       wg_error *e)
{
    wg_save_options o;
    char            seed[24], run[24], why[160];
    if (!wg__options_read(&o, sizeof o, options, why)) return wg__say(e, "checkpoint_save", WG_EARG, -1, "%s", why);
    int status = check_save(g, &o, e), n = 0;
    if (!status) status = wg__lacks(e, "wg_checkpoint_save", "path", path);
    if (status) return status;
    size_t         params = (size_t)wg_param_count(g);
    wg_safetensor *x = calloc(params + 1, sizeof *x);
    const char *(*meta)[2] = calloc((size_t)o.n_meta + MAX_OWN + params, sizeof *meta);
    char *roles = meta ? wg__roles_write(g, o.weights_only, meta, &n) : NULL;
    if (x && roles) {
        snprintf(seed, sizeof seed, "%" PRIu64, wg_seed(g));
        memcpy(meta[n++], (const char *[]){OWN_KEYS "checkpoint", FORMAT}, sizeof *meta);
        memcpy(meta[n++], (const char *[]){OWN_KEYS "version", WG_VERSION}, sizeof *meta);
        memcpy(meta[n++], (const char *[]){OWN_KEYS "seed", seed}, sizeof *meta);
        if (t) {
            snprintf(run, sizeof run, "%" PRIu64, wg_run_number(t));
            memcpy(meta[n++], (const char *[]){OWN_KEYS "run", run}, sizeof *meta);
        }
        for (int i = 0; i < o.n_meta; i++) memcpy(meta[n++], o.meta[i], sizeof *meta);
        status = wg_safetensors_write(path, list_params(g, o.weights_only, x), x, n, (const char *const(*)[2])meta, e);
    } else status = wg__say(e, "checkpoint_save", WG_ENOMEM, -1, "out of memory");
    free(roles);
    free(meta);
    free(x);
    return status;
}

/* ---- Loading: checks ---- */

struct load {
    wg_graph             *g;
    wg_tape              *t;
    const char           *path;
    const wg_safetensors *f;
    wg_load_options       o;
    wg_load_info          info;
    const wg_safetensor **from;   /* [parameters] NULL: stays as it is */
    void                **turned; /* [parameters] the tensor's transpose, where the caller asks for it */
    uint8_t              *role;   /* [tensors] of enum wg__kept_role */
    bool                  has_roles;
    wg_error             *e;
};

static int complain(const struct load *l, int status, const char *why, const char *name)
{
    return wg__say(l->e, l->path, status, -1, "%s %.120s", why, name);
}

/* Reads a whole number from the metadata, in decimal as wg_save writes it; *has: the key is there.  Any other text is
 * an error. */
static int read_number(const struct load *l, const char *key, int *has, uint64_t *value)
{
    const char *text = wg_safetensors_meta(l->f, key);
    *has = text != NULL;
    if (!text) return WG_OK;
    bool saved = (text[0] != '0' || !text[1]) && wg__count_read(text, strlen(text), UINT64_MAX, value);
    return saved ? WG_OK : complain(l, WG_EFORMAT, "no number in its metadata for", key);
}

static int check_metadata(struct load *l)
{
    const char *format = wg_safetensors_meta(l->f, OWN_KEYS "checkpoint");
    const char *bad;
    l->has_roles = format && strcmp(format, FORMAT) == 0;
    if (format && !l->has_roles && strcmp(format, WITHOUT_ROLES) != 0)
        return complain(l, WG_EFORMAT, "an unknown format of checkpoint:", format);
    if (format && !l->has_roles) wg__roles_guess(l->f, l->role);
    if (l->has_roles && wg__roles_read(l->f, l->role, &bad))
        return complain(l, WG_EFORMAT, "no role of a parameter:", bad);
    int status = read_number(l, OWN_KEYS "seed", &l->info.has_seed, &l->info.seed);
    if (!status) status = read_number(l, OWN_KEYS "run", &l->info.has_run, &l->info.run);
    if (status || l->o.partial || l->o.weights_only || !l->t || !l->info.has_seed || l->info.seed == wg_seed(l->g))
        return status;
    return wg__say(l->e, l->path, WG_EARG, -1,
                   "was saved with seed %" PRIu64 " but the graph of the tape has %" PRIu64 ": set it before compiling",
                   l->info.seed, wg_seed(l->g));
}

static wg_shape transposed_shape(const wg_shape *s)
{
    return s->rank == 2 ? wg_shape_make(2, (int64_t[]){s->dim[1], s->dim[0]}) : *s;
}

/* Tells whether the caller says that this matrix of the file is the transpose of its parameter. */
static bool is_transposed(const struct load *l, const wg_safetensor *x)
{
    return l->o.transpose && x->shape.rank == 2 && fnmatch(l->o.transpose, x->name, 0) == 0;
}

static int mismatch(const struct load *l, const wg_node *p, const wg_safetensor *x, const wg_shape *file)
{
    char     have[96], want[96];
    wg_shape other = is_transposed(l, x) ? *file : transposed_shape(file);
    bool     hint = x->dtype == wg_node_dtype(p) && wg__shape_equal(&other, wg_node_shape(p));
    return wg__say(l->e, l->path, x->dtype != wg_node_dtype(p) ? WG_EDTYPE : WG_ESHAPE, -1,
                   "%.60s is %s %s in the graph but %s %s in the file%s", x->name, wg_dtype_name(wg_node_dtype(p)),
                   wg__shape_str(l->g, wg_node_shape(p), want, sizeof want), wg_dtype_name(x->dtype),
                   wg__shape_str(l->g, &x->shape, have, sizeof have),
                   !hint                 ? ""
                   : is_transposed(l, x) ? ", which .transpose turns: leave it out"
                                         : ", its transpose: load with .transpose = \"*.weight\"");
}

/* Refuses a square matrix of PyTorch's unless the caller says whether to transpose: it fits either way, and PyTorch
 * keeps the weights of Linear as [out,in]. */
static int check_square(const struct load *l, const wg_safetensor *x)
{
    const char *format = wg_safetensors_meta(l->f, "format");
    bool        square = x->shape.rank == 2 && x->shape.dim[0] == x->shape.dim[1] && x->shape.dim[0] > 1;
    if (!square || l->o.transpose || !format || strcmp(format, "pt") != 0 ||
        wg_safetensors_meta(l->f, OWN_KEYS "checkpoint"))
        return WG_OK;
    return wg__say(l->e, l->path, WG_EARG, -1,
                   "PyTorch wrote the file and keeps weights [out,in]; %.60s is square and would fit either way: load "
                   "with .transpose = \"*.weight\", or \"\" where it is [in,out] already",
                   x->name);
}

static int check_tensor(const struct load *l, const wg_node *p, const wg_safetensor *x)
{
    wg_shape s = is_transposed(l, x) ? transposed_shape(&x->shape) : x->shape;
    if (x->dtype != wg_node_dtype(p) || !wg__shape_equal(&s, wg_node_shape(p))) return mismatch(l, p, x, &x->shape);
    return check_square(l, x);
}

/* Tells whether tensor i of the file is a solver's state: by the parameter of its name, or, where there is none, by the
 * file. */
static bool is_solvers(const struct load *l, int i)
{
    const wg_node *p = wg_param_find(l->g, wg_safetensors_at(l->f, i)->name);
    return p ? p->of_solver : l->role[i] == WG__KEPT_SOLVER;
}

/* Returns what a message adds on a solver's state: how to load a file without the state into a graph that has some, and
 * the other way round. */
static const char *say_weights_only(bool of_solver)
{
    return of_solver ? ", which is a solver's: to load the weights alone, say .weights_only" : "";
}

/* Refuses a pattern that matches no matrix of the file, as it is misspelt.  "" says that no matrix is transposed. */
static int check_pattern(const struct load *l)
{
    if (!l->o.transpose || !*l->o.transpose) return WG_OK;
    for (int i = 0; i < wg_safetensors_count(l->f); i++)
        if (is_transposed(l, wg_safetensors_at(l->f, i))) return WG_OK;
    return wg__say(l->e, l->path, WG_EARG, -1, ".transpose = \"%.100s\" matches no matrix of the file", l->o.transpose);
}

/* Finds the tensor of each parameter. */
static int match_params(struct load *l)
{
    for (int i = 0; i < wg_param_count(l->g); i++) {
        const wg_node *p = wg_param_at(l->g, i);
        const char    *name = wg_node_name(p);
        if (l->o.weights_only && p->of_solver) continue;
        const wg_safetensor *x = wg_safetensors_find(l->f, name);
        const char          *reason = wg_safetensors_reason(l->f, name);
        if (reason) return complain(l, WG_EDTYPE, "cannot take", reason);
        if (!x && l->o.partial) continue;
        if (!x)
            return wg__say(l->e, l->path, WG_EARG, -1, "no tensor for parameter %.100s%s", name,
                           say_weights_only(p->of_solver));
        int status = check_tensor(l, p, x);
        if (status) return status;
        l->from[i] = x;
        l->info.loaded++;
    }
    if (l->info.loaded || !l->o.partial) return WG_OK;
    return complain(l, WG_EARG, "no tensor for any parameter of", "the graph");
}

/* Refuses tensors without a parameter.  Each parameter has found its tensor, and names are unique on both sides, so a
 * count tells whether a tensor is left; only then is it searched for. */
static int check_left(const struct load *l)
{
    int wanted = 0;
    if (l->o.partial) return WG_OK;
    for (int i = 0; i < wg_safetensors_count(l->f); i++) wanted += !(l->o.weights_only && is_solvers(l, i));
    if (wanted == l->info.loaded) return WG_OK;
    for (int i = 0; i < wg_safetensors_count(l->f); i++) {
        const char *name = wg_safetensors_at(l->f, i)->name;
        if (l->o.weights_only && is_solvers(l, i)) continue;
        if (!wg_param_find(l->g, name))
            return wg__say(l->e, l->path, WG_EARG, -1, "the graph has no parameter for tensor %.100s%s", name,
                           say_weights_only(is_solvers(l, i)));
    }
    return complain(l, WG_EINTERNAL, "tensors do not match", "the graph");
}

/* ---- Loading: the copy ---- */

/* Writes the transpose, y[j][i] = x[i][j].  x may be unaligned. */
static void copy_transposed(const wg_safetensor *x, char *y)
{
    size_t  size = wg_dtype_size(x->dtype);
    int64_t rows = x->shape.dim[0], columns = x->shape.dim[1];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            memcpy(y + (size_t)(j * rows + i) * size, (const char *)x->data + (size_t)(i * columns + j) * size, size);
}

/* Turns every matrix that the caller asks for in memory of its own before any parameter is written. */
static int transpose_all(struct load *l)
{
    for (int i = 0; i < wg_param_count(l->g); i++) {
        const wg_safetensor *x = l->from[i];
        if (!x || !is_transposed(l, x)) continue;
        if (!(l->turned[i] = malloc(wg__bytes(x->dtype, &x->shape) + 1)))
            return wg__say(l->e, l->path, WG_ENOMEM, -1, "out of memory");
        copy_transposed(x, l->turned[i]);
    }
    return WG_OK;
}

/* Gives p the role that the file has for it, if the file has roles.  A role that the program has set stays. */
static void take_role(const struct load *l, wg_node *p, const wg_safetensor *x)
{
    if (!l->has_roles || p->role_set) return;
    enum wg__kept_role role = l->role[wg__st_find(l->f, x->name)];
    p->role = role == WG__KEPT_WEIGHT ? WG_ROLE_WEIGHT : role == WG__KEPT_FROZEN ? WG_ROLE_FROZEN : WG_ROLE_STATE;
    p->of_solver = role == WG__KEPT_SOLVER;
}

static void write_params(const struct load *l)
{
    for (int i = 0; i < wg_param_count(l->g); i++)
        if (l->from[i]) wg_param_set(wg_param_at(l->g, i), l->turned[i] ? l->turned[i] : l->from[i]->data);
    if (l->o.partial || l->o.weights_only) return;
    for (int i = 0; i < wg_param_count(l->g); i++) take_role(l, wg_param_at(l->g, i), l->from[i]);
    if (l->info.has_seed) wg_set_seed(l->g, l->info.seed);
    if (l->info.has_run && l->t) wg_set_run_number(l->t, l->info.run);
}

static int load(struct load *l)
{
    int status;
    l->from = calloc((size_t)wg_param_count(l->g) + 1, sizeof *l->from);
    l->turned = calloc((size_t)wg_param_count(l->g) + 1, sizeof *l->turned);
    l->role = calloc((size_t)wg_safetensors_count(l->f) + 1, sizeof *l->role);
    if (!l->from || !l->turned || !l->role) status = wg__say(l->e, l->path, WG_ENOMEM, -1, "out of memory");
    else if (!(status = check_metadata(l)) && !(status = check_pattern(l)) && !(status = match_params(l)) &&
             !(status = check_left(l)) && !(status = transpose_all(l)))
        write_params(l);
    for (int i = 0; l->turned && i < wg_param_count(l->g); i++) free(l->turned[i]);
    free(l->role);
    free(l->turned);
    free(l->from);
    return status;
}

int wg_checkpoint_load(wg_graph *g, wg_tape *t, const char *path, const wg_load_options *options, wg_load_info *info,
                       wg_error *e)
{
    wg_error own;
    if (!e) e = &own;
    if (!g || (t && wg_tape_graph(t) != g))
        return wg__say(e, "checkpoint_load", WG_EARG, -1, g ? "the tape is of another graph" : "the graph is NULL");
    if (wg__lacks(e, "wg_checkpoint_load", "path", path)) return WG_EARG;
    struct load l = {.g = g, .t = t, .path = path, .e = e};
    char        why[160];
    if (!wg__options_read(&l.o, sizeof l.o, options, why)) return wg__say(e, "checkpoint_load", WG_EARG, -1, "%s", why);
    wg_safetensors *f = wg_safetensors_read(path, e);
    if (!f) return e->status;
    l.f = f;
    int status = load(&l);
    if (!status && info) *info = l.info;
    wg_safetensors_free(f);
    return status;
}
