/* RFC 4180: records of fields, quoted where they hold what would end them. */
#include <stdlib.h>
#include <string.h>

#include "data/csv_impl.h"

enum { END = -1, FAILED = -2 };

int wg__csv_open(struct wg__csv_reader *c, struct wg__file *f, char delimiter)
{
    c->delimiter = ',';
    if (delimiter) c->delimiter = delimiter;
    c->fields = c->cap_fields = 0;
    c->field = NULL;
    c->text = NULL;
    c->n_text = c->cap_text = 0;
    c->pos = c->len = 0;
    c->at = 0;
    c->line = 1;
    return wg__stream_open_all(&c->s, f);
}

void wg__csv_close(struct wg__csv_reader *c)
{
    wg__stream_close(&c->s);
    free(c->field);
    free(c->text);
}

/* ---- Bytes ---- */

/* Makes at least one byte ready, unless the end is here. */
static int ready(struct wg__csv_reader *c)
{
    static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};
    if (c->pos < c->len) return WG_OK;
    bool first = c->at == 0 && c->len == 0;
    int  status = wg__stream_read(&c->s, c->buf, sizeof c->buf, &c->len);
    c->pos = 0;
    if (status) return status;
    if (first && c->len >= 3 && memcmp(c->buf, mark, 3) == 0) c->at = c->pos = 3;
    return WG_OK;
}

/* The next byte without taking it, END, or FAILED with *status. */
static int peek(struct wg__csv_reader *c, int *status)
{
    if (c->pos == c->len && (*status = ready(c))) return FAILED;
    return c->pos < c->len ? c->buf[c->pos] : END;
}

static void skip(struct wg__csv_reader *c)
{
    if (c->buf[c->pos] == '\n') c->line++;
    c->pos++;
    c->at++;
}

static int out_of_memory(struct wg__csv_reader *c) { return wg__bad_memory(c->s.f); }

static int keep(struct wg__csv_reader *c, int byte)
{
    if (c->n_text == c->cap_text) {
        size_t cap = c->cap_text ? 2 * c->cap_text : 256;
        char  *p = cap > c->cap_text ? realloc(c->text, cap) : NULL;
        if (!p) return out_of_memory(c);
        c->text = p;
        c->cap_text = cap;
    }
    c->text[c->n_text++] = (char)byte;
    return WG_OK;
}

/* ---- Fields ---- */

static int begin_field(struct wg__csv_reader *c)
{
    if (c->fields == c->cap_fields) {
        int cap = c->cap_fields ? 2 * c->cap_fields : 16;
        if (cap > 1 << 28) return out_of_memory(c);
        struct wg__csv_field *p = realloc(c->field, (size_t)cap * sizeof *p);
        if (!p) return out_of_memory(c);
        c->field = p;
        c->cap_fields = cap;
    }
    c->field[c->fields++] = (struct wg__csv_field){.text = c->n_text, .offset = c->at, .line = c->line};
    return WG_OK;
}

static int end_field(struct wg__csv_reader *c)
{
    struct wg__csv_field *f = &c->field[c->fields - 1];
    f->n = c->n_text - f->text;
    return keep(c, 0);
}

static bool ends_field(const struct wg__csv_reader *c, int byte)
{
    return byte == END || byte == '\n' || byte == '\r' || byte == (unsigned char)c->delimiter;
}

static int plain_field(struct wg__csv_reader *c)
{
    int status = WG_OK, byte;
    while (!status && !ends_field(c, byte = peek(c, &status)) && byte != FAILED) {
        if (byte == '"') return wg__csv_bad(c, c->fields - 1, WG_EFORMAT, "%s", "a quote inside of an unquoted field");
        status = keep(c, byte);
        skip(c);
    }
    return status;
}

/* Two quotes stand for one; what follows the last one ends the field. */
static int quoted_field(struct wg__csv_reader *c)
{
    int status = WG_OK, byte, k = c->fields - 1;
    c->field[k].quoted = true;
    for (skip(c); (byte = peek(c, &status)) >= 0 && !status;) {
        skip(c);
        if (byte == '"') {
            int next = peek(c, &status);
            if (next == FAILED) return status;
            if (next != '"') {
                if (ends_field(c, next)) return WG_OK;
                return wg__csv_bad(c, k, WG_EFORMAT, "%s", "text follows the closing quote");
            }
            skip(c);
        }
        if ((status = keep(c, byte))) return status;
    }
    return status ? status : wg__csv_bad(c, k, WG_EFORMAT, "%s", "the quoted field has no end");
}

static int read_field(struct wg__csv_reader *c)
{
    int status = begin_field(c);
    if (status) return status;
    int byte = peek(c, &status);
    if (byte == FAILED) return status;
    status = byte == '"' ? quoted_field(c) : plain_field(c);
    return status ? status : end_field(c);
}

/* ---- Records ---- */

/* LF, CRLF or the end; *more if a delimiter promises another field. */
static int end_record(struct wg__csv_reader *c, bool *more)
{
    int status = WG_OK, byte = peek(c, &status);
    *more = false;
    if (byte == FAILED || byte == END) return status;
    skip(c);
    *more = byte == (unsigned char)c->delimiter;
    if (byte != '\r') return WG_OK;
    byte = peek(c, &status);
    if (byte == FAILED) return status;
    if (byte != '\n') return wg__csv_bad(c, c->fields - 1, WG_EFORMAT, "%s", "a carriage return without a line feed");
    skip(c);
    return WG_OK;
}

static bool empty_line(const struct wg__csv_reader *c)
{
    return c->fields == 1 && c->field[0].n == 0 && !c->field[0].quoted;
}

int wg__csv_record(struct wg__csv_reader *c)
{
    int status = WG_OK;
    do {
        bool more = true;
        c->fields = 0;
        c->n_text = 0;
        if (peek(c, &status) < 0) return status;
        while (!status && more) {
            status = read_field(c);
            if (!status) status = end_record(c, &more);
        }
    } while (!status && empty_line(c));
    return status;
}
