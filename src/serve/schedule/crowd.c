/* crowd.c - how many connections ask by turns.
 *
 * A thread sees one request at a time, even where others lie unread in their
 * sockets.  But who waits for an answer before it asks again, among n others
 * that do the same, asks every n-th time: so the predictions since the last one
 * of this connection tell how many there are.  If none came for a while, the
 * server has time, and each request may run at once. */
#include "serve/server_impl.h"

enum { ONE = 16, MOST = 256, SMOOTH = 8 };
static const uint64_t quiet_ns = 1000000;

int wg__crowd(struct wg__server *s, struct wg__peer *p)
{
    uint64_t now = wg__now_ns(), before = atomic_exchange(&s->turn_ns, now);
    uint64_t turn = atomic_fetch_add(&s->turn, 1) + 1, since = p->turn ? turn - p->turn : 1;
    int      seen = atomic_load(&s->crowd), n = since < MOST ? (int)since : MOST;
    p->turn = turn;
    seen = now > before + quiet_ns ? ONE : seen + (n * ONE - seen) / SMOOTH;
    atomic_store(&s->crowd, seen); /* of two threads' stores one may be lost: this is an estimate */
    return (seen + ONE / 2) / ONE - 1;
}
