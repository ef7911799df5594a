/* Models by name: which version serves, and how another takes its place.
 *
 * The lock is held to look up or exchange pointers, never while a file is read
 * or a tape runs.  One thread at a time loads a model; another that wants to
 * waits for it. */
#include <stdlib.h>
#include <string.h>

#include "base/system/cgroup.h"
#include "serve/model/model_impl.h"

struct model {
    char                     *name, *path;
    struct wg__loaded        *serves; /* NULL: none yet */
    bool                      loading;
    int64_t                   loading_number;
    struct wg__version_status failure; /* of the last load; code 0: it went well */
    atomic_uint_fast64_t      failures;
    /* Of who loads: no lock. */
    struct wg__look served, seen, failed;
    bool            gone; /* was said */
};

struct wg__repository {
    struct wg__model_options options;
    struct wg__crew         *crew;
    pthread_mutex_t          lock;
    pthread_cond_t           loaded;
    int                      n;
    struct model            *model; /* [n] */
};

static const struct wg__look nothing = {.number = -1};

/* ---- One load at a time ---- */

/* Takes the right to load m.  If another thread has it, waits, or returns false if not patient. */
static bool begin_load(struct wg__repository *r, struct model *m, bool patient)
{
    pthread_mutex_lock(&r->lock);
    while (m->loading && patient) pthread_cond_wait(&r->loaded, &r->lock);
    bool mine = !m->loading;
    if (mine) {
        m->loading = true;
        m->loading_number = -1;
    }
    pthread_mutex_unlock(&r->lock);
    return mine;
}

static void end_load(struct wg__repository *r, struct model *m)
{
    pthread_mutex_lock(&r->lock);
    m->loading = false;
    pthread_cond_broadcast(&r->loaded);
    pthread_mutex_unlock(&r->lock);
}

/* ---- Loading ---- */

static struct wg__loaded *read_version(struct wg__repository *r, struct model *m, const struct wg__look *l, wg_error *e)
{
    if (l->number < 0) return wg__model_say(e, WG_EIO, "there is no model at %.180s", m->path), NULL;
    struct wg__loaded *v = wg__loaded_new(m->name, l->number, l->file, &r->options, r->crew, e);
    struct wg__look    now = wg__look_at(m->path);
    if (!v || wg__look_same(&now, l)) return v;
    wg__version_release(&v->pub);
    return wg__model_say(e, WG_EIO, "%.180s changed while it was read", l->file), NULL;
}

static void note_failure(struct wg__repository *r, struct model *m, const struct wg__look *l, const wg_error *e)
{
    struct wg__version_status s = {.number = l->number < 0 ? 1 : l->number, .state = WG__END, .code = e->status};
    memcpy(s.message, e->message, sizeof e->message < sizeof s.message ? sizeof e->message : sizeof s.message);
    atomic_fetch_add(&m->failures, 1);
    if (e->status != WG_ENOMEM) m->failed = *l; /* not tried again until it changes */
    pthread_mutex_lock(&r->lock);
    m->failure = s;
    pthread_mutex_unlock(&r->lock);
    wg__model_log(&r->options, "error", "model %s: version %lld was not loaded: %s%s", m->name, (long long)s.number,
                  e->message, m->serves ? " (the one before goes on serving)" : "");
}

/* Lets the new version serve from here on; the old version lives until its last request is done. */
static void swap_versions(struct wg__repository *r, struct model *m, const struct wg__look *l, struct wg__loaded *v)
{
    m->served = *l;
    m->failed = nothing;
    m->gone = false;
    pthread_mutex_lock(&r->lock);
    struct wg__loaded *old = m->serves;
    m->serves = v;
    m->failure = (struct wg__version_status){0};
    pthread_mutex_unlock(&r->lock);
    wg__model_log(&r->options, "info", "model %s: version %lld serves, digest %s, loaded in %.0f ms%s", m->name,
                  (long long)v->pub.number, v->pub.digest, v->pub.load_seconds * 1e3,
                  v->pub.batched ? ", batched" : "");
    if (old) wg__version_release(&old->pub);
}

static int load(struct wg__repository *r, struct model *m, const struct wg__look *l, wg_error *e)
{
    pthread_mutex_lock(&r->lock);
    m->loading_number = l->number < 0 ? 1 : l->number;
    pthread_mutex_unlock(&r->lock);
    struct wg__loaded *v = read_version(r, m, l, e);
    if (v) swap_versions(r, m, l, v);
    else note_failure(r, m, l, e);
    return v ? WG_OK : e->status;
}

/* ---- Looking ---- */

static void say_gone(struct wg__repository *r, struct model *m)
{
    if (!m->gone)
        wg__model_log(&r->options, "warn", "model %s: %s is gone: what was loaded goes on serving", m->name, m->path);
    m->gone = true;
}

/* Forgets that a version did not load, as the files are again those of the version that serves. */
static void forget_failure(struct wg__repository *r, struct model *m)
{
    m->gone = false;
    m->failed = nothing;
    pthread_mutex_lock(&r->lock);
    m->failure = (struct wg__version_status){0};
    pthread_mutex_unlock(&r->lock);
}

/* Looks at the model's files, and loads what has changed.  A change counts once two looks have seen the same: then
 * nobody is writing any more. */
static void look_for_change(struct wg__repository *r, struct model *m)
{
    wg_error        e = {0};
    struct wg__look now = wg__look_at(m->path);
    bool            stable = wg__look_same(&now, &m->seen);
    m->seen = now;
    if (now.number < 0) say_gone(r, m);
    else if (!stable) return;
    else if (wg__look_same(&now, &m->served)) forget_failure(r, m);
    else if (!wg__look_same(&now, &m->failed)) load(r, m, &now, &e);
}

void wg__repository_poll(struct wg__repository *r)
{
    for (int i = 0; i < r->n; i++) {
        if (!begin_load(r, &r->model[i], false)) continue;
        look_for_change(r, &r->model[i]);
        end_load(r, &r->model[i]);
    }
}

void wg__repository_expire(struct wg__repository *r) { wg__crew_expire(r->crew); }

/* Of each version, tapes of so many bytes stay ready. */
enum { READY_BYTES = 32 << 20 };

void wg__repository_relieve(struct wg__repository *r, bool all)
{
    for (int i = 0; i < r->n; i++) {
        struct wg__version *v = wg__version_hold(r, r->model[i].name, -1);
        if (v) wg__pool_shrink(wg__loaded_of(v), all ? 0 : READY_BYTES);
        wg__version_release(v);
    }
}

uint64_t wg__repository_failures(struct wg__repository *r, int i) { return atomic_load(&r->model[i].failures); }

static struct model *find(struct wg__repository *r, const char *name)
{
    for (int i = 0; i < r->n; i++)
        if (strcmp(r->model[i].name, name) == 0) return &r->model[i];
    return NULL;
}

int wg__repository_reload(struct wg__repository *r, const char *name, wg_error *e)
{
    wg_error      own = {0};
    struct model *m = find(r, name);
    if (!e) e = &own;
    if (!m) return wg__model_say(e, WG_EARG, "there is no model \"%.80s\"", name);
    begin_load(r, m, true);
    struct wg__look now = wg__look_at(m->path);
    m->seen = now;
    int status = load(r, m, &now, e);
    end_load(r, m);
    return status;
}

/* ---- Opening and closing ---- */

static struct wg__model_options fill_defaults(const struct wg__model_options *given)
{
    struct wg__model_options o = *given;
    if (o.threads < 1) o.threads = wg__cgroup_cpus(WG__CGROUP_PROC, WG__CGROUP_MOUNT);
    if (o.max_batch < 1) o.max_batch = 1;
    if (o.max_delay_us < 0) o.max_delay_us = 0;
    if (o.queue < 1) o.queue = 1;
    if (o.deadline_ms < 0) o.deadline_ms = 0;
    if (o.max_rows < 1) o.max_rows = INT64_MAX;
    if (o.max_bytes < 1) o.max_bytes = INT64_C(1) << 30;
    return o;
}

/* Tells whether a name can stand in the path of a request without being escaped. */
static bool is_name(const char *s, size_t n)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return n > 0 && n < 128 && strspn(s, allowed) >= n && *s != '.';
}

static int add_model(struct wg__repository *r, const char *spec, wg_error *e)
{
    const char   *equals = strchr(spec, '=');
    size_t        n = equals ? (size_t)(equals - spec) : 0;
    struct model *m = &r->model[r->n];
    if (!equals || !equals[1] || !is_name(spec, n))
        return wg__model_say(e, WG_EARG, "\"%.180s\" is not name=path (a name has letters, digits, - _ .)", spec);
    *m = (struct model){.name = strndup(spec, n), .path = strdup(equals + 1)};
    m->served = m->seen = m->failed = nothing;
    if (!m->name || !m->path) {
        free(m->name);
        free(m->path);
        return wg__model_say(e, WG_ENOMEM, "out of memory");
    }
    if (find(r, m->name)) wg__model_say(e, WG_EARG, "two models are called \"%.80s\"", m->name);
    r->n++;
    return e->status;
}

/* Checks that each text is "name=on" or "name=off" of a model that there is. */
static int check_batching(struct wg__repository *r, wg_error *e)
{
    for (int i = 0; i < r->options.n_batching; i++) {
        const char *text = r->options.batching[i], *equals = strchr(text, '=');
        char       *name = equals ? strndup(text, (size_t)(equals - text)) : NULL;
        bool        known = name && find(r, name), said = equals && (!strcmp(equals, "=on") || !strcmp(equals, "=off"));
        free(name);
        if (!said) return wg__model_say(e, WG_EARG, "batching: \"%.150s\" is not NAME=on or NAME=off", text);
        if (!known) return wg__model_say(e, WG_EARG, "batching: there is no model of the name in \"%.150s\"", text);
    }
    return WG_OK;
}

/* Loads a model when the server starts; the model's name goes before the message of a failure. */
static int load_first(struct wg__repository *r, struct model *m, wg_error *e)
{
    wg_error        why = {0};
    struct wg__look now = wg__look_at(m->path);
    m->seen = now;
    begin_load(r, m, true);
    int status = load(r, m, &now, &why);
    end_load(r, m);
    return status ? wg__model_say(e, status, "model %.60s: %.170s", m->name, why.message) : WG_OK;
}

struct wg__repository *wg__repository_open(int n, const char *const spec[], const struct wg__model_options *o,
                                           wg_error *e)
{
    wg_error               own;
    struct wg__repository *r = calloc(1, sizeof *r);
    if (!e) e = &own;
    *e = (wg_error){.offset = -1};
    if (!r) return wg__model_say(e, WG_ENOMEM, "out of memory"), NULL;
    r->options = fill_defaults(o);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->loaded, NULL);
    int status = WG_OK;
    if (n < 1) status = wg__model_say(e, WG_EARG, "no models to serve");
    else if (!(r->model = calloc((size_t)n, sizeof *r->model))) status = wg__model_say(e, WG_ENOMEM, "out of memory");
    for (int i = 0; i < n && !status; i++) status = add_model(r, spec[i], e);
    if (!status) status = check_batching(r, e);
    if (!status && !(r->crew = wg__crew_new(&r->options, e))) status = e->status;
    for (int i = 0; i < n && !status; i++) status = load_first(r, &r->model[i], e);
    if (!status) return r;
    wg__repository_close(r);
    return NULL;
}

void wg__repository_close(struct wg__repository *r)
{
    if (!r) return;
    wg__crew_free(r->crew);
    for (int i = 0; i < r->n; i++) {
        if (r->model[i].serves) wg__version_release(&r->model[i].serves->pub);
        free(r->model[i].name);
        free(r->model[i].path);
    }
    free(r->model);
    pthread_cond_destroy(&r->loaded);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- Asking ---- */

const char *wg__repository_model(struct wg__repository *r, int i)
{
    return i >= 0 && i < r->n ? r->model[i].name : NULL;
}

bool wg__repository_has(struct wg__repository *r, const char *model) { return find(r, model) != NULL; }

struct wg__version *wg__version_hold(struct wg__repository *r, const char *model, int64_t number)
{
    struct model *m = find(r, model);
    if (!m) return NULL;
    pthread_mutex_lock(&r->lock);
    struct wg__loaded *v = m->serves && (number < 0 || m->serves->pub.number == number) ? m->serves : NULL;
    if (v) atomic_fetch_add(&v->users, 1);
    pthread_mutex_unlock(&r->lock);
    return v ? &v->pub : NULL;
}

/* Orders states: newest version first; of one number, the state that serves first. */
static int compare_states(const void *a, const void *b)
{
    const struct wg__version_status *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? 1 : -1;
    return (x->state != WG__AVAILABLE) - (y->state != WG__AVAILABLE);
}

int wg__repository_status(struct wg__repository *r, const char *model, int max, struct wg__version_status to[])
{
    struct wg__version_status all[3];
    struct model             *m = find(r, model);
    int                       n = 0;
    if (!m) return -1;
    pthread_mutex_lock(&r->lock);
    if (m->serves) all[n++] = (struct wg__version_status){.number = m->serves->pub.number, .state = WG__AVAILABLE};
    if (m->failure.code) all[n++] = m->failure;
    if (m->loading && m->loading_number >= 0)
        all[n++] = (struct wg__version_status){.number = m->loading_number, .state = WG__LOADING};
    pthread_mutex_unlock(&r->lock);
    qsort(all, (size_t)n, sizeof *all, compare_states);
    if (n > max) n = max;
    memcpy(to, all, (size_t)n * sizeof *to);
    return n;
}
