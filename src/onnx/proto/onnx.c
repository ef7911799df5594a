/* An ONNX model as an object: it is read from a file or from memory, keeps the complaints about it,
 * and answers questions on its metadata. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/io_impl.h"
#include "onnx/proto/onnx_impl.h"

/* ---- Complaints ---- */

int wg__onnx_bad(struct wg__onnx_file *f, int status, const uint8_t *at, const char *format, ...)
{
    if (f->status) return status;
    f->status = status;
    f->offset = at ? at - f->bytes : -1;
    size_t n = strlen(f->name), k = 0;
    wg__append(f->why, sizeof f->why, &k, "%s: ", n > 100 ? f->name + n - 100 : f->name);
    if (at) wg__append(f->why, sizeof f->why, &k, "byte %lld: ", (long long)f->offset);
    va_list ap;
    va_start(ap, format);
    if (k < sizeof f->why) vsnprintf(f->why + k, sizeof f->why - k, format, ap);
    va_end(ap);
    return status;
}

int wg__onnx_say(wg_onnx *m, int status, const char *format, ...)
{
    struct wg__text *t = &m->message;
    size_t           before = t->n;
    va_list          ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    if (before) wg__text_put(t, "\n");
    wg__text_vsay(t, format, ap);
    if (t->failed) {
        if (t->at) t->at[t->n = before] = 0;
        t->failed = false;
        if (!m->status) vsnprintf(m->spare, sizeof m->spare, format, again);
    }
    va_end(again);
    va_end(ap);
    if (!m->status) m->status = status;
    return status;
}

/* Returns the model's status. No model means that there was no memory for one. */
int         wg_onnx_status(const wg_onnx *m) { return m ? m->status : WG_ENOMEM; }
const char *wg_onnx_message(const wg_onnx *m)
{
    if (!m) return "out of memory";
    return m->message.n ? m->message.at : m->spare;
}

/* ---- Files ---- */

int wg__onnx_regular(int fd, const char *name, uint64_t *size, wg_error *e)
{
    struct stat st;
    if (fd < 0) {
        wg__say_errno(e, name, "open");
        return -1;
    }
    if (fstat(fd, &st)) wg__say_errno(e, name, "read");
    else if (!S_ISREG(st.st_mode))
        wg__tell(e, name, WG_EIO, -1, S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file");
    else {
        *size = (uint64_t)st.st_size;
        return fd;
    }
    close(fd);
    return -1;
}

enum { READ = O_RDONLY | O_CLOEXEC | O_NONBLOCK };

/* Finds the start of the path's last name. */
static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool name_file(wg_onnx *m, const char *path)
{
    size_t n = (size_t)(last_name(path) - path);
    m->path = strdup(path);
    m->folder = n ? strndup(path, n) : strdup(".");
    m->file.name = m->path ? m->path : "(no path)";
    m->file.folder = m->folder;
    return m->path && m->folder;
}

/* Reads the whole file into memory, so that nobody can change it while it is in use. */
static int read_whole(wg_onnx *m, int fd, uint64_t size, wg_error *e)
{
    struct wg__file f = {.name = m->file.name, .fd = fd, .size = size, .e = e};
    m->owned = size < PTRDIFF_MAX ? malloc(size ? (size_t)size : 1) : NULL;
    if (!m->owned) return wg__bad_memory(&f);
    m->file.bytes = m->owned;
    m->file.size = (size_t)size;
    return wg__file_read(&f, 0, m->owned, (size_t)size);
}

static int load(wg_onnx *m, const char *path, wg_error *e)
{
    uint64_t size;
    if (!path || !*path) return wg__say(e, "(no path)", WG_EARG, -1, "nothing to read");
    if (!name_file(m, path)) return wg__say(e, path, WG_ENOMEM, -1, "out of memory");
    int fd = wg__onnx_regular(open(path, READ), path, &size, e);
    if (fd < 0) return e->status;
    m->file.home = m->home = wg__onnx_folder_of(fd);
    int status = read_whole(m, fd, size, e);
    close(fd);
    return status;
}

wg_onnx *wg__onnx_load(const char *path)
{
    wg_error e = {0};
    wg_onnx *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->file.name = "(no path)";
    m->file.status = load(m, path, &e);
    m->file.offset = e.offset;
    snprintf(m->file.why, sizeof m->file.why, "%s", e.message);
    return m;
}

/* ---- Models ---- */

static wg_onnx *parse(wg_onnx *m)
{
    if (!m->file.status) wg__onnx_model_parse(&m->file, &m->model);
    if (m->file.status) wg__onnx_say(m, m->file.status, "%s", m->file.why);
    return m;
}

wg_onnx *wg_onnx_read(const char *path)
{
    wg_onnx *m = wg__onnx_load(path);
    return m ? parse(m) : NULL;
}

wg_onnx *wg_onnx_parse(const void *bytes, size_t n)
{
    wg_onnx *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->file = (struct wg__onnx_file){.name = "(memory)", .bytes = bytes, .size = n};
    if (!bytes) wg__onnx_bad(&m->file, WG_EARG, NULL, "nothing to parse");
    return parse(m);
}

void wg_onnx_free(wg_onnx *m)
{
    if (!m) return;
    void *const parts[] = {m->input_name, m->output, m->input, m->value, m->folder, m->home, m->path, m->owned};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    wg__table_free(&m->by_name);
    wg__text_free(&m->message);
    wg__arena_free(&m->file.arena);
    free(m);
}

/* ---- What it says of itself ---- */

static const struct wg__onnx_model *model_of(const wg_onnx *m)
{
    static const struct wg__onnx_model none;
    return m ? &m->model : &none;
}

static int64_t opset(const struct wg__onnx_model *m)
{
    for (int i = 0; i < m->n_opset; i++)
        if (!*m->opset[i].domain || strcmp(m->opset[i].domain, "ai.onnx") == 0) return m->opset[i].version;
    return 0;
}

static const char *text(const char *t) { return t ? t : ""; }

wg_onnx_info wg_onnx_about(const wg_onnx *m)
{
    const struct wg__onnx_model *x = model_of(m);
    return (wg_onnx_info){.producer = text(x->producer),
                          .producer_version = text(x->producer_version),
                          .graph_name = text(x->graph_name),
                          .doc = text(x->doc),
                          .ir_version = x->ir_version,
                          .opset = opset(x),
                          .model_version = x->model_version,
                          .nodes = x->n_node,
                          .initializers = x->n_init,
                          .meta = x->n_meta};
}

int wg_onnx_meta_at(const wg_onnx *m, int i, const char **key, const char **value)
{
    const struct wg__onnx_model *x = model_of(m);
    bool                         there = i >= 0 && i < x->n_meta;
    if (key) *key = there ? x->meta[i].key : NULL;
    if (value) *value = there ? x->meta[i].text : NULL;
    return there;
}

const char *wg_onnx_meta(const wg_onnx *m, const char *key)
{
    const struct wg__onnx_model *x = model_of(m);
    for (int i = 0; key && i < x->n_meta; i++)
        if (strcmp(x->meta[i].key, key) == 0) return x->meta[i].text;
    return NULL;
}
