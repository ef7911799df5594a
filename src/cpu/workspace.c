/* One workspace for each thread that runs loops and products: made on the thread's first use, released at its end. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "cpu/workspace.h"

__thread struct wg__workspace *wg__own_workspace;
static pthread_key_t           key; /* frees a thread's workspace */
static pthread_once_t          key_once = PTHREAD_ONCE_INIT;
static bool                    has_key;

static void free_workspace(void *w)
{
    free(w);
    wg__own_workspace = NULL;
}

static void make_key(void) { has_key = pthread_key_create(&key, free_workspace) == 0; }

/* Finds the bytes of panels that leave half of the second-level cache to what else a product reads. */
static size_t find_panel_bytes(void)
{
    enum { LEAST = 128 << 10 /* half of the smallest such cache, for a system that does not tell */ };
    long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return cache / 2 < LEAST ? LEAST : cache / 2 < WG__PANEL_BYTES ? (size_t)cache / 2 : WG__PANEL_BYTES;
}

/* Leaves the memory uncleared, since most of it is never touched. */
struct wg__workspace *wg__workspace_new(void)
{
    struct wg__workspace *w = aligned_alloc(64, (sizeof(struct wg__workspace) + 63) / 64 * 64);
    if (w) w->panel_bytes = find_panel_bytes();
    return w;
}

bool wg__workspace_adopt(struct wg__workspace *w)
{
    pthread_once(&key_once, make_key);
    if (!w || !has_key || pthread_setspecific(key, w)) {
        free(w);
        return false;
    }
    wg__own_workspace = w;
    return true;
}

static struct wg__workspace *make_own(void)
{
    wg__workspace_adopt(wg__workspace_new());
    return wg__own_workspace;
}

bool wg__workspace_made(void) { return make_own() != NULL; }

struct wg__workspace *wg__workspace(void) { return wg__own_workspace ? wg__own_workspace : make_own(); }
