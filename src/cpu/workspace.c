/* One workspace for each thread that runs loops and products: made on the thread's first use, released at its end. */
#include <pthread.h>
#include <stdlib.h>

#include "cpu/workspace.h"

static _Thread_local struct wg__workspace *own;
static pthread_key_t                       key; /* frees what `own` points to */
static pthread_once_t                      key_once = PTHREAD_ONCE_INIT;
static bool                                has_key;

static void release(void *w)
{
    free(w);
    own = NULL;
}

static void make_key(void) { has_key = pthread_key_create(&key, release) == 0; }

/* Most of the memory is never touched, so it is not cleared. */
struct wg__workspace *wg__workspace_new(void)
{
    return aligned_alloc(64, (sizeof(struct wg__workspace) + 63) / 64 * 64);
}

bool wg__workspace_adopt(struct wg__workspace *w)
{
    pthread_once(&key_once, make_key);
    if (!w || !has_key || pthread_setspecific(key, w)) return free(w), false;
    own = w;
    return true;
}

static struct wg__workspace *make(void)
{
    wg__workspace_adopt(wg__workspace_new());
    return own;
}

bool wg__workspace_ready(void) { return own || make(); }

struct wg__workspace *wg__workspace(void) { return own ? own : make(); }
