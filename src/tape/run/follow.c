/* Values that are followed: taken after every so many runs, and kept until they are asked for. From a device they come
 * by themselves; nobody waits unless more are on their way than a reader has slots. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape/device/device.h"

struct wg__follow {
    struct wg__follow *next;
    const wg_node     *x; /* the user's */
    int                value, every;
    struct wg__reader *reader; /* of a device */
    struct moment {
        uint64_t run, begun;
    } asked[WG__READER_SLOTS];          /* runs whose values are on their way */
    int            first, coming;       /* slots: the oldest, and their number */
    struct moment  of[WG_FOLLOW_KEEPS]; /* runs whose values have arrived */
    double         number[WG_FOLLOW_KEEPS];
    int            oldest, n; /* of what has arrived */
    struct wg__why why;       /* why a value did not arrive */
};

/* ---- What has arrived ---- */

static void store_number(struct wg__follow *f, struct moment of, double number)
{
    int at = (f->oldest + f->n) % WG_FOLLOW_KEEPS;
    f->of[at] = of;
    f->number[at] = number;
    if (f->n < WG_FOLLOW_KEEPS) f->n++;
    else f->oldest = (f->oldest + 1) % WG_FOLLOW_KEEPS;
}

static wg_dtype find_dtype(const wg_tape *t, const struct wg__follow *f)
{
    return (wg_dtype)t->g->node[f->value]->dtype;
}

static const struct wg__value *find_place(const wg_tape *t, const struct wg__follow *f)
{
    return &t->value[t->value[f->value].root];
}

/* ---- Values on their way from a device ---- */

/* Takes the oldest value on its way; false if the value is not there yet. A value that cannot be had is left out. */
static bool take_oldest(const wg_tape *t, struct wg__follow *f, bool wait)
{
    const void *p = NULL;
    int         status = t->device->api->reader_take(f->reader, f->first, wait, &p, &f->why);
    if (!status && !p) return false;
    if (!status) store_number(f, f->asked[f->first], wg__load(find_dtype(t, f), p, 0));
    f->first = (f->first + 1) % WG__READER_SLOTS;
    f->coming--;
    return true;
}

static void ask_reader(const wg_tape *t, struct wg__follow *f)
{
    while (f->coming == WG__READER_SLOTS) take_oldest(t, f, true);
    int slot = (f->first + f->coming) % WG__READER_SLOTS;
    if (t->device->api->reader_ask(f->reader, slot, find_place(t, f)->data, wg_dtype_size(find_dtype(t, f)), &f->why))
        return;
    f->asked[slot] = (struct moment){t->run, t->begun};
    f->coming++;
}

/* ---- Around runs ---- */

void wg__follow_run(wg_tape *t)
{
    for (struct wg__follow *f = t->follow; f; f = f->next)
        if ((t->run + 1) % (uint64_t)f->every == 0) {
            if (f->reader) ask_reader(t, f);
            else
                store_number(f, (struct moment){t->run, t->begun},
                             wg__load(find_dtype(t, f), find_place(t, f)->data, 0));
        }
}

/* Takes back the values of the failed run, which the next run repeats, and of the runs behind it. */
void wg__follow_failed(wg_tape *t)
{
    for (struct wg__follow *f = t->follow; f; f = f->next) {
        while (f->coming && f->asked[(f->first + f->coming - 1) % WG__READER_SLOTS].begun >= t->begun) f->coming--;
        while (f->n && f->of[(f->oldest + f->n - 1) % WG_FOLLOW_KEEPS].begun >= t->begun) f->n--;
    }
}

/* ---- The list ---- */

static void free_follow(const wg_tape *t, struct wg__follow *f)
{
    if (f->reader) t->device->api->reader_free(f->reader);
    free(f);
}

void wg__follow_free(wg_tape *t)
{
    for (struct wg__follow *f = t->follow, *next; f; f = next) {
        next = f->next;
        free_follow(t, f);
    }
    t->follow = NULL;
}

static struct wg__follow **find_follow(wg_tape *t, const wg_node *x)
{
    struct wg__follow **at = &t->follow;
    while (*at && (*at)->x != x) at = &(*at)->next;
    return at;
}

static void stop_following(wg_tape *t, const wg_node *x)
{
    struct wg__follow **at = find_follow(t, x), *f = *at;
    if (!f) return;
    *at = f->next;
    free_follow(t, f);
}

static int start_following(wg_tape *t, const wg_node *x, int value, int every)
{
    struct wg__why     w = {0};
    struct wg__follow *f = calloc(1, sizeof *f);
    if (!f) return wg__tape_fail(t, WG_ENOMEM, "out of memory");
    *f = (struct wg__follow){.x = x, .value = value, .every = every};
    if (t->device && t->device->api->reader_new(t->device->program, &f->reader, &w)) {
        free(f);
        return wg__tape_fail(t, w.status, "follow: %s", w.text);
    }
    *find_follow(t, x) = f; /* at the end */
    return WG_OK;
}

int wg_follow(wg_tape *t, const wg_node *x, int every)
{
    char   name[128];
    size_t bytes;
    if (!t) return wg__no_tape("follow");
    if (t->eager) return wg__tape_fail(t, WG_EARG, "follow: an eager tape has no runs to follow");
    if (every < 0) return wg__tape_fail(t, WG_EARG, "follow: every %d runs", every);
    const wg_node *v = wg__kept(t, x, "follow", &bytes);
    if (!v) return t->status;
    if (wg_count(v->shape) != 1)
        return wg__tape_fail(t, WG_ESHAPE, "follow: %s has more or less than one element",
                             wg__node_label(x, name, sizeof name));
    stop_following(t, x);
    return every ? start_following(t, x, v->id, every) : WG_OK;
}

/* Reports why a value did not arrive, once, when the values before it have been read. */
static int report_missing(wg_tape *t, struct wg__follow *f)
{
    struct wg__why w = f->why;
    f->why = (struct wg__why){0};
    return w.status ? wg__tape_fail(t, w.status, "followed: %s%s", w.text, w.late ? WG__DEVICE_LATE : "") : 0;
}

int wg_followed(wg_tape *t, const wg_node *x, uint64_t *run, double *value)
{
    char name[128];
    if (!t) return wg__no_tape("followed");
    struct wg__follow *f = x ? *find_follow(t, x) : NULL;
    if (!f)
        return wg__tape_fail(t, WG_EARG, "followed: %s is not followed: see wg_follow",
                             x ? wg__node_label(x, name, sizeof name) : "NULL");
    while (f->coming && take_oldest(t, f, false)) {}
    int status = t->device ? wg__device_fault(t) : WG_OK;
    if (status) return status;
    if (!f->n) return report_missing(t, f);
    if (run) *run = f->of[f->oldest].run;
    if (value) *value = f->number[f->oldest];
    WG__INVARIANT(f->n > 0 && f->n <= WG_FOLLOW_KEEPS);
    f->oldest = (f->oldest + 1) % WG_FOLLOW_KEEPS;
    f->n--;
    return 1;
}
