/* Device code of generated sources, by NVRTC.
 *
 * NVRTC is loaded when it is first needed: libnvrtc.so.13 or .12 from where
 * the loader looks, or the file that WG_NVRTC names.  WG_NVRTC=none: there are
 * no sources, the interpreter runs all loops.  What NVRTC made is kept in
 * $XDG_CACHE_HOME/wengert or ~/.cache/wengert, under the XXH3 of source,
 * options, WG_NVRTC, and the versions of NVRTC and of the driver.  A cache that
 * cannot be read or written is no error. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "cuda/loop/cuda_loop.h"

/* ---- NVRTC, as far as it is used ---- */

typedef struct _nvrtcProgram *nvrtcProgram;
#define NVRTC_MAP(X)                                                                                              \
    X(CreateProgram, (nvrtcProgram *, const char *, const char *, int, const char *const *, const char *const *)) \
    X(CompileProgram, (nvrtcProgram, int, const char *const *))                                                   \
    X(GetProgramLogSize, (nvrtcProgram, size_t *))                                                                \
    X(GetProgramLog, (nvrtcProgram, char *))                                                                      \
    X(GetCUBINSize, (nvrtcProgram, size_t *))                                                                     \
    X(GetCUBIN, (nvrtcProgram, char *))                                                                           \
    X(Version, (int *, int *))                                                                                    \
    X(DestroyProgram, (nvrtcProgram *))
struct nvrtc {
#define X(name, parameters) int(*name) parameters;
    NVRTC_MAP(X)
#undef X
};

/* Opens NVRTC. It stays loaded: loading it again would take longer than compiling. */
static void *open_library(void)
{
    static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12"};
    const char              *named = getenv("WG_NVRTC");
    int                      own = CUDART_VERSION < 13000; /* first that of the runtime's own release */
    if (named && *named) return dlopen(named, RTLD_NOW | RTLD_LOCAL);
    void *lib = dlopen(names[own], RTLD_NOW);
    return lib ? lib : dlopen(names[!own], RTLD_NOW);
}

static bool find(struct nvrtc *r, char *why, size_t why_size)
{
    void *lib = open_library();
    if (!lib) {
        const char *reason = dlerror();
        snprintf(why, why_size, "no NVRTC: %s", reason ? reason : "not found");
        return false;
    }
    bool all = true;
#define X(name, parameters)                                 \
    *(void **)(void *)&r->name = dlsym(lib, "nvrtc" #name); \
    all = all && r->name;
    NVRTC_MAP(X)
#undef X
    if (!all) snprintf(why, why_size, "NVRTC lacks a function: too old");
    return all;
}

/* ---- Compiling ---- */

/* Contraction off: a loop has the bits of its steps one by one. Subnormal f32 numbers count as zero, as on the CPU. */
enum { OPTIONS = 5 };
static void options(int sm, char arch[static 48], const char *o[static OPTIONS])
{
    snprintf(arch, 48, "--gpu-architecture=sm_%d", sm);
    o[0] = arch;
    o[1] = "--std=c++17";
    o[2] = "--fmad=false";
    o[3] = "--device-int128";
    o[4] = "--ftz=true";
}

/* Writes NVRTC's log as one message. */
static void say_log(const struct nvrtc *r, nvrtcProgram p, int status, char *why, size_t why_size)
{
    size_t n = 0;
    char  *log = NULL;
    if (!r->GetProgramLogSize(p, &n) && n > 1) log = malloc(n);
    if (log && r->GetProgramLog(p, log)) *log = '\0';
    snprintf(why, why_size, "NVRTC: status %d: %s", status, log ? log : "no log");
    free(log);
}

static void *code_of(const struct nvrtc *r, nvrtcProgram p, size_t *bytes, char *why, size_t why_size)
{
    int   status = r->GetCUBINSize(p, bytes);
    char *code = status ? NULL : malloc(*bytes ? *bytes : 1);
    if (code) status = r->GetCUBIN(p, code);
    if (code && !status) return code;
    free(code);
    snprintf(why, why_size, status ? "NVRTC: status %d" : "out of memory", status);
    return NULL;
}

static void *compile(const struct nvrtc *r, const char *source, int sm, size_t *bytes, char *why, size_t why_size)
{
    nvrtcProgram p = NULL;
    char         arch[48];
    const char  *o[OPTIONS];
    void        *code = NULL;
    options(sm, arch, o);
    int status = r->CreateProgram(&p, source, "wg_loop.cu", 0, NULL, NULL);
    if (status) {
        snprintf(why, why_size, "NVRTC: status %d", status);
        return NULL;
    }
    status = r->CompileProgram(p, OPTIONS, o);
    if (status) say_log(r, p, status, why, why_size);
    else code = code_of(r, p, bytes, why, why_size);
    r->DestroyProgram(&p);
    return code;
}

/* ---- The cache: a file is a header and the code ---- */

struct header {
    char     magic[8];
    uint64_t bytes, hash;
};
static const char magic[8] = "wgcubin1";

/* Finds the folder of the cache, and makes it where it is missing. False if there can be none. */
static bool find_folder(char *path, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool        named = cache && *cache == '/';
    if (!named && (!home || *home != '/')) return false;
    int n = snprintf(path, size, "%s%s", named ? cache : home, named ? "" : "/.cache");
    if (n < 0 || (size_t)n + sizeof "/wengert" > size) return false;
    mkdir(path, 0700);
    memcpy(path + n, "/wengert", sizeof "/wengert");
    mkdir(path, 0700);
    return access(path, W_OK | X_OK) == 0;
}

/* Makes the name of a source's file in the cache. It depends on NVRTC, options and driver too: another
 * NVRTC in the same place makes other code. */
static bool cached_name(const struct nvrtc *r, const char *source, int sm, int driver, char *path, size_t size)
{
    int         version[3] = {0, 0, driver}; /* machines that share a home may differ in it */
    char        arch[48], dir[3072];
    const char *o[OPTIONS], *named = getenv("WG_NVRTC");
    if (r->Version(&version[0], &version[1]) || !find_folder(dir, sizeof dir)) return false;
    options(sm, arch, o);
    XXH64_hash_t seed = named ? XXH3_64bits(named, strlen(named)) : 0;
    seed = XXH3_64bits_withSeed(version, sizeof version, seed);
    for (int i = 0; i < OPTIONS; i++) seed = XXH3_64bits_withSeed(o[i], strlen(o[i]), seed);
    XXH128_hash_t h = XXH3_128bits_withSeed(source, strlen(source), seed);
    int           n = snprintf(path, size, "%s/loop-%016llx%016llx-sm_%d.cubin", dir, (unsigned long long)h.high64,
                               (unsigned long long)h.low64, sm);
    return n > 0 && (size_t)n < size;
}

static void *read_cached(const char *path, size_t *bytes)
{
    struct header h;
    struct stat   st;
    char         *code = NULL;
    FILE         *f = fopen(path, "rb");
    if (!f) return NULL;
    bool ok = fread(&h, sizeof h, 1, f) == 1 && !memcmp(h.magic, magic, sizeof magic) && !fstat(fileno(f), &st) &&
              (uint64_t)st.st_size == h.bytes + sizeof h && h.bytes > 0;
    if (ok) code = malloc(h.bytes);
    if (code && (fread(code, h.bytes, 1, f) != 1 || XXH3_64bits(code, h.bytes) != h.hash)) {
        free(code);
        code = NULL;
    }
    fclose(f);
    *bytes = code ? h.bytes : 0;
    return code;
}

/* Writes a file of the cache beside its place and renames it, so that a reader sees all of it or nothing. */
static void write_cached(const char *path, const void *code, size_t bytes)
{
    struct header h = {.bytes = bytes, .hash = XXH3_64bits(code, bytes)};
    char          beside[4096];
    int           n = snprintf(beside, sizeof beside, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof beside) return;
    memcpy(h.magic, magic, sizeof magic);
    int   fd = mkstemp(beside);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!f) {
        if (fd >= 0) {
            close(fd);
            unlink(beside);
        }
        return;
    }
    bool ok = fwrite(&h, sizeof h, 1, f) == 1 && fwrite(code, bytes, 1, f) == 1;
    ok = !fclose(f) && ok;
    if (!ok || rename(beside, path)) unlink(beside);
}

bool wg__cuda_compiles(void)
{
    const char *named = getenv("WG_NVRTC");
    return !named || strcmp(named, "none") != 0;
}

void *wg__cuda_compile(const char *source, int sm, int driver, size_t *bytes, char *why, size_t why_size)
{
    struct nvrtc r;
    char         path[4000];
    if (!find(&r, why, why_size)) return NULL;
    bool  cache = cached_name(&r, source, sm, driver, path, sizeof path);
    void *code = cache ? read_cached(path, bytes) : NULL;
    if (code) return code;
    code = compile(&r, source, sm, bytes, why, why_size);
    if (code && cache && *bytes) write_cached(path, code, *bytes);
    return code;
}
