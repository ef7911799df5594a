/* metrics.c - counters, and the page that Prometheus reads (text format 0.0.4). */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "serve/server_impl.h"

/* prometheus_client's buckets, and two below them. */
static const double bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
static const int    codes[] = {200, 204, 304, 400, 401, 403, 404, 405, 408, 411, 413,
                               414, 415, 431, 499, 500, 501, 503, 504, 505, 0};
enum { BOUNDS = sizeof bounds / sizeof *bounds, CODES = sizeof codes / sizeof *codes, VERSIONS = 8 };

struct histogram {
    atomic_ullong bucket[BOUNDS + 1], sum_ns;
};

/* The counters of one model; the last row counts what concerns no model. */
struct row {
    const char      *model;
    struct histogram request, predict;
    struct by_version {      /* found by search: there are few at a time */
        _Atomic int64_t tag; /* 0: free; 1: no version; 2 + its number */
        atomic_ullong   code[CODES];
    } version[VERSIONS];
};

struct wg__metrics {
    double     started; /* seconds since 1970 */
    int        n;
    struct row row[];
};

struct wg__metrics *wg__metrics_new(struct wg__repository *r)
{
    int n = 0;
    while (wg__repository_model(r, n)) n++;
    struct wg__metrics *m = calloc(1, sizeof *m + (size_t)(n + 1) * sizeof *m->row);
    if (!m) return NULL;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    m->started = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    m->n = n + 1;
    for (int i = 0; i < n; i++) m->row[i].model = wg__repository_model(r, i);
    m->row[n].model = "";
    return m;
}

void wg__metrics_free(struct wg__metrics *m) { free(m); }

static void observe(struct histogram *h, uint64_t ns)
{
    double seconds = (double)ns * 1e-9;
    int    i = 0;
    while (i < BOUNDS && seconds > bounds[i]) i++;
    atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, ns, memory_order_relaxed);
}

/* Finds the counters of a version, or takes free ones; the last place is shared by all versions that find none. */
static struct by_version *version_of(struct row *row, int64_t number)
{
    int64_t tag = number < 0 ? 1 : number + 2;
    for (int i = 0; i < VERSIONS - 1; i++) {
        int64_t seen = 0;
        if (atomic_compare_exchange_strong(&row->version[i].tag, &seen, tag) || seen == tag) return &row->version[i];
    }
    int64_t none = 0;
    atomic_compare_exchange_strong(&row->version[VERSIONS - 1].tag, &none, 1);
    return &row->version[VERSIONS - 1];
}

static int code_index(int code)
{
    int i = 0;
    while (codes[i] && codes[i] != code) i++;
    return i;
}

void wg__metrics_count(struct wg__metrics *m, const struct wg__exchange *x, uint64_t ns)
{
    int i = 0;
    while (i < m->n - 1 && strcmp(m->row[i].model, x->q.at.model) != 0) i++;
    struct row *row = &m->row[i];
    atomic_fetch_add_explicit(&version_of(row, x->version)->code[code_index(x->q.code)], 1, memory_order_relaxed);
    observe(&row->request, ns);
    if (x->predicted) observe(&row->predict, x->predict_ns);
}

void wg__metrics_refusal(struct wg__metrics *m, int code)
{
    struct by_version *none = version_of(&m->row[m->n - 1], -1);
    atomic_fetch_add_explicit(&none->code[code_index(code)], 1, memory_order_relaxed);
}

/* ---- The page ---- */

static void title(struct wg__text *t, const char *name, const char *type, const char *help)
{
    wg__text_say(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Writes a label; \, " and newlines are escaped in its value. */
static void write_label(struct wg__text *t, const char *name, const char *value)
{
    wg__text_say(t, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"') wg__text_add(t, "\\", 1);
        wg__text_add(t, *value == '\n' ? "\\n" : value, *value == '\n' ? 2 : 1);
    }
    wg__text_add(t, "\"", 1);
}

static void gauge(struct wg__text *t, const char *name, const char *type, const char *help, double v)
{
    title(t, name, type, help);
    wg__text_say(t, "%s %.15g\n", name, v);
}

static void say_requests(struct wg__text *t, struct wg__metrics *m)
{
    title(t, "wengert_requests_total", "counter", "Requests by model, version and HTTP code; code 0: any other.");
    for (int i = 0; i < m->n; i++)
        for (int v = 0; v < VERSIONS; v++)
            for (int c = 0; c < CODES; c++) {
                struct by_version *b = &m->row[i].version[v];
                unsigned long long n = atomic_load_explicit(&b->code[c], memory_order_relaxed);
                int64_t            tag = atomic_load(&b->tag);
                if (!n) continue;
                wg__text_say(t, "wengert_requests_total{");
                write_label(t, "model", m->row[i].model);
                if (v == VERSIONS - 1) wg__text_say(t, ",version=\"other\"");
                else if (tag < 2) wg__text_say(t, ",version=\"\"");
                else wg__text_say(t, ",version=\"%lld\"", (long long)tag - 2);
                wg__text_say(t, ",code=\"%d\"} %llu\n", codes[c], n);
            }
}

static void say_histogram(struct wg__text *t, const char *name, const char *key, const char *model, struct histogram *h)
{
    unsigned long long n = 0;
    for (int i = 0; i <= BOUNDS; i++) {
        n += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
        wg__text_say(t, "%s_bucket{", name);
        write_label(t, key, model);
        if (i < BOUNDS) wg__text_say(t, ",le=\"%g\"} %llu\n", bounds[i], n);
        else wg__text_say(t, ",le=\"+Inf\"} %llu\n", n);
    }
    wg__text_say(t, "%s_sum{", name);
    write_label(t, key, model);
    wg__text_say(t, "} %.9f\n%s_count{", (double)atomic_load_explicit(&h->sum_ns, memory_order_relaxed) * 1e-9, name);
    write_label(t, key, model);
    wg__text_say(t, "} %llu\n", n);
}

static void say_times(struct wg__text *t, struct wg__metrics *m)
{
    title(t, "wengert_request_duration_seconds", "histogram", "From the request line to the end of the answer.");
    for (int i = 0; i < m->n; i++)
        say_histogram(t, "wengert_request_duration_seconds", "model", m->row[i].model, &m->row[i].request);
    title(t, "request_predict_seconds", "histogram", "Waiting and computing, as KServe names it.");
    for (int i = 0; i < m->n - 1; i++)
        say_histogram(t, "request_predict_seconds", "model_name", m->row[i].model, &m->row[i].predict);
}

/* What the models count themselves. */
struct loaded {
    struct wg__version         *version;
    struct wg__version_counters count;
};

static double rows(const struct loaded *l) { return (double)l->count.rows; }
static double batches(const struct loaded *l) { return (double)l->count.batches; }
static double refused(const struct loaded *l) { return (double)l->count.refused; }
static double late(const struct loaded *l) { return (double)l->count.late; }
static double failed(const struct loaded *l) { return (double)l->count.failed; }
static double queue_seconds(const struct loaded *l) { return l->count.queue_seconds; }
static double run_seconds(const struct loaded *l) { return l->count.run_seconds; }
static double waiting(const struct loaded *l) { return l->count.waiting; }
static double load_seconds(const struct loaded *l) { return l->version->load_seconds; }

static const struct family {
    const char *name, *type, *help;
    double (*value)(const struct loaded *l);
} families[] = {
    {"wengert_inference_rows_total", "counter", "Rows predicted.", rows},
    {"wengert_inference_batches_total", "counter", "Runs of the net.", batches},
    {"wengert_inference_refused_total", "counter", "Jobs refused because the queue was full.", refused},
    {"wengert_inference_late_total", "counter", "Jobs whose deadline passed.", late},
    {"wengert_inference_failed_total", "counter", "Jobs that failed.", failed},
    {"wengert_queue_seconds_total", "counter", "Time that jobs waited.", queue_seconds},
    {"wengert_inference_seconds_total", "counter", "Time that runs of the net took.", run_seconds},
    {"wengert_queue_jobs", "gauge", "Jobs that wait now.", waiting},
    {"wengert_model_load_seconds", "gauge", "Time that loading took.", load_seconds},
};

static void say_family(struct wg__text *t, const struct family *f, int n, const struct loaded all[])
{
    title(t, f->name, f->type, f->help);
    for (int i = 0; i < n; i++) {
        wg__text_say(t, "%s{", f->name);
        write_label(t, "model", all[i].version->model);
        wg__text_say(t, ",version=\"%lld\"} %.15g\n", (long long)all[i].version->number, f->value(&all[i]));
    }
}

static int hold_all(struct wg__repository *r, int max, struct loaded to[])
{
    const char *name;
    int         n = 0;
    for (int i = 0; n < max && (name = wg__repository_model(r, i)); i++) {
        to[n].version = wg__version_hold(r, name, -1);
        if (!to[n].version) continue;
        to[n].count = wg__version_count(to[n].version);
        n++;
    }
    return n;
}

static void say_models(struct wg__text *t, struct wg__server *s)
{
    int            max = s->metrics->n;
    struct loaded *all = calloc((size_t)max, sizeof *all);
    if (!all) {
        t->failed = true;
        return;
    }
    int n = hold_all(s->repository, max, all);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) say_family(t, &families[i], n, all);
    title(t, "wengert_model_loaded", "gauge", "1 for each version that serves.");
    for (int i = 0; i < n; i++) {
        wg__text_say(t, "wengert_model_loaded{");
        write_label(t, "model", all[i].version->model);
        wg__text_say(t, ",version=\"%lld\",digest=\"%s\"} 1\n", (long long)all[i].version->number,
                     all[i].version->digest);
    }
    while (n--) wg__version_release(all[n].version);
    free(all);
}

static void say_loads(struct wg__text *t, struct wg__repository *r)
{
    const char *name;
    title(t, "wengert_model_load_failures_total", "counter", "Loads of a model that failed.");
    for (int i = 0; (name = wg__repository_model(r, i)); i++) {
        wg__text_say(t, "wengert_model_load_failures_total{");
        write_label(t, "model", name);
        wg__text_say(t, "} %llu\n", (unsigned long long)wg__repository_failures(r, i));
    }
}

static double open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int  n = 0;
    if (!d) return 0;
    while (readdir(d)) n++;
    closedir(d);
    return n - 3; /* ".", ".." and the folder itself */
}

static void memory(double *virtual, double *resident)
{
    unsigned long long all = 0, here = 0;
    FILE              *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%llu %llu", &all, &here) != 2) all = here = 0;
    if (f) fclose(f);
    double page = (double)sysconf(_SC_PAGESIZE);
    *virtual = (double)all * page;
    *resident = (double)here * page;
}

static void say_process(struct wg__text *t, const struct wg__metrics *m)
{
    struct rusage u = {0};
    struct rlimit l = {0};
    double virtual, resident;
    getrusage(RUSAGE_SELF, &u);
    getrlimit(RLIMIT_NOFILE, &l);
    memory(&virtual, &resident);
    gauge(t, "process_cpu_seconds_total", "counter", "CPU time, user and system.",
          (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6);
    gauge(t, "process_virtual_memory_bytes", "gauge", "Virtual memory.", virtual);
    gauge(t, "process_resident_memory_bytes", "gauge", "Resident memory.", resident);
    gauge(t, "process_start_time_seconds", "gauge", "Start, in seconds since 1970.", m->started);
    gauge(t, "process_open_fds", "gauge", "Open file descriptors.", open_files());
    gauge(t, "process_max_fds", "gauge", "Limit of file descriptors.", (double)l.rlim_cur);
}

void wg__metrics_page(struct wg__request *q)
{
    struct wg__server *s = q->server;
    struct wg__text   *t = &q->text;
    q->code = 200;
    q->type = "text/plain; version=0.0.4";
    title(t, "wengert_build_info", "gauge", "Version.");
    wg__text_say(t, "wengert_build_info{version=\"%s\"} 1\n", WG_VERSION);
    gauge(t, "wengert_ready", "gauge", "1 while requests are taken.", !atomic_load(&s->unready));
    gauge(t, "wengert_connections", "gauge", "Open connections.", atomic_load(&s->connections));
    gauge(t, "wengert_inflight_requests", "gauge", "Requests begun and not yet answered.", atomic_load(&s->inflight));
    say_requests(t, s->metrics);
    say_times(t, s->metrics);
    say_models(t, s);
    say_loads(t, s->repository);
    gauge(t, "wengert_memory_bytes", "gauge", "Bytes of bodies, values and answers.",
          (double)atomic_load(&s->budget.used));
    gauge(t, "wengert_memory_limit_bytes", "gauge", "What they may come to.", (double)s->budget.limit);
    say_process(t, s->metrics);
}
