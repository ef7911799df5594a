/* Finds the records of a CSV file (RFC 4180): a line each, or more lines where quotes hold line feeds. */
#include <stdlib.h>
#include <string.h>

#include "data/csv/csv_impl.h"

enum { PIECE = 1 << 16 }; /* read at a time */

/* ---- Bytes ahead ---- */

/* Reads more behind buf[len), moving what is ahead to the front first. */
static int refill(struct wg__csv_reader *c)
{
    size_t have = c->len - c->pos, got;
    if (c->pos) memmove(c->buf, c->buf + c->pos, have);
    c->pos = 0;
    c->len = have;
    if (c->cap - have < PIECE + WG__CSV_BEHIND) {
        size_t cap = 2 * c->cap + PIECE + WG__CSV_BEHIND;
        char  *p = cap > c->cap ? realloc(c->buf, cap) : NULL;
        if (!p) return wg__bad_memory(c->s.f);
        c->buf = p;
        c->cap = cap;
    }
    int status = wg__stream_read(&c->s, c->buf + have, c->cap - have - WG__CSV_BEHIND, &got);
    if (status) return status;
    c->ended = got < c->cap - have - WG__CSV_BEHIND;
    c->len += got;
    memset(c->buf + c->len, 0, WG__CSV_BEHIND);
    return WG_OK;
}

static void advance(struct wg__csv_reader *c, size_t n)
{
    c->pos += n;
    c->at += n;
}

static int skip_mark(struct wg__csv_reader *c)
{
    int status = refill(c);
    if (!status && c->len >= 3 && memcmp(c->buf, "\xef\xbb\xbf", 3) == 0) advance(c, 3);
    return status;
}

/* Passes over one line, whatever is in it. */
static int skip_line(struct wg__csv_reader *c)
{
    for (;;) {
        char *p = c->buf + c->pos, *end = memchr(p, '\n', c->len - c->pos);
        advance(c, end ? (size_t)(end - p) + 1 : c->len - c->pos);
        c->line += end != NULL;
        if (end || c->ended) return WG_OK;
        int status = refill(c);
        if (status) return status;
    }
}

int wg__csv_open(struct wg__csv_reader *c, struct wg__file *f, const wg_csv_options *o)
{
    int status = wg__stream_open_all(&c->s, f);
    c->delimiter = o->delimiter ? o->delimiter : ',';
    c->blanks = c->delimiter == ' ';
    c->comment = o->comment;
    c->fields = c->cap_fields = 0;
    c->field = NULL;
    c->buf = NULL;
    c->pos = c->len = c->cap = 0;
    c->ended = false;
    c->at = 0;
    c->line = 1;
    if (status) return status;
    status = skip_mark(c);
    for (int i = 0; !status && i < o->skip; i++) status = skip_line(c);
    if (status) wg__csv_close(c);
    return status;
}

void wg__csv_close(struct wg__csv_reader *c)
{
    wg__stream_close(&c->s);
    free(c->field);
    free(c->buf);
}

/* ---- One record ---- */

/* Where a scan for the end of a record is: behind a quote that is still open, or in a comment. */
struct scan {
    size_t done; /* bytes seen */
    bool   quoted, comment;
};

/* Follows quotes and comments through n bytes of one line. */
static void scan_line(const struct wg__csv_reader *c, const char *p, size_t n, struct scan *s)
{
    bool marks = c->comment && memchr(p, c->comment, n);
    if (!marks && !memchr(p, '"', n)) return;
    for (size_t i = 0; i < n && !s->comment; i++) {
        if (p[i] == '"') s->quoted = !s->quoted;
        else s->comment = marks && p[i] == c->comment && !s->quoted;
    }
}

/* Makes a whole record ready at buf[pos]: *n bytes, with a line feed behind them or without. */
static int find_record(struct wg__csv_reader *c, size_t *n, bool *newline)
{
    struct scan s = {0};
    for (;;) {
        const char *p = c->buf + c->pos;
        size_t      have = c->len - c->pos;
        const char *feed = memchr(p + s.done, '\n', have - s.done);
        size_t      to = feed ? (size_t)(feed - p) : have;
        scan_line(c, p + s.done, to - s.done, &s);
        if ((*newline = feed && !s.quoted) || (!feed && c->ended)) {
            *n = to;
            return WG_OK;
        }
        s.done = to + (feed != NULL);
        s.comment = s.comment && !feed;
        int status = feed ? WG_OK : refill(c);
        if (status) return status;
    }
}

static bool is_empty_line(const struct wg__csv_reader *c)
{
    return c->fields == 0 || (c->fields == 1 && c->field[0].n == 0 && !c->field[0].quoted);
}

int wg__csv_record(struct wg__csv_reader *c)
{
    int status;
    do {
        size_t n;
        bool   newline;
        c->fields = 0;
        if ((status = find_record(c, &n, &newline))) return status;
        if (n == 0 && !newline) return WG_OK;
        if ((status = wg__csv_split(c, n, newline))) return status;
        advance(c, n + newline);
        c->line += newline;
    } while (is_empty_line(c));
    return WG_OK;
}
