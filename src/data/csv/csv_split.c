/* Splits a record into fields, in place: a zero byte takes the delimiter's place, and doubled quotes close up. */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "data/csv/csv_impl.h"

/* The record on its way: [at, end) is ahead. */
struct split {
    struct wg__csv_reader *c;
    char                  *begin, *at, *end;
};

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static int begin_field(struct split *s, char *text)
{
    struct wg__csv_reader *c = s->c;
    struct wg__csv_field  *p = wg__list_grow(c->field, &c->cap_fields, c->fields + 1, sizeof *p);
    if (!p) return wg__bad_memory(c->s.f);
    c->field = p;
    c->field[c->fields++] =
        (struct wg__csv_field){.text = text, .offset = c->at + (uint64_t)(text - s->begin), .line = c->line};
    return WG_OK;
}

static int refuse(const struct split *s, const char *why)
{
    return wg__csv_bad(s->c, s->c->fields - 1, WG_EFORMAT, "%s", why);
}

static bool is_delimiter(const struct split *s, char byte)
{
    return s->c->blanks ? is_blank(byte) : byte == s->c->delimiter;
}

/* ---- Records without quotes and carriage returns ---- */

static int split_simple(struct split *s)
{
    struct wg__csv_reader *c = s->c;
    for (char *p = s->at, *next; p; p = next) {
        int status = begin_field(s, p);
        if (status) return status;
        char *stop = memchr(p, c->delimiter, (size_t)(s->end - p));
        next = stop ? stop + 1 : NULL;
        if (!stop) stop = s->end;
        c->field[c->fields - 1].n = (size_t)(stop - p);
        *stop = 0;
    }
    return WG_OK;
}

/* ---- All others ---- */

static int split_plain_field(struct split *s)
{
    struct wg__csv_field *f = &s->c->field[s->c->fields - 1];
    char                 *p = s->at;
    for (; p < s->end && !is_delimiter(s, *p); p++) {
        if (*p == '"') return refuse(s, "a quote inside of an unquoted field");
        if (*p == '\r') return refuse(s, "a carriage return without a line feed");
        if (s->c->comment && *p == s->c->comment) s->end = p;
        if (p == s->end) break;
    }
    f->n = (size_t)(p - f->text);
    s->at = p;
    return WG_OK;
}

/* Takes a quoted field: two quotes stand for a quote, and what follows the last quote ends the field. */
static int split_quoted_field(struct split *s)
{
    struct wg__csv_reader *c = s->c;
    struct wg__csv_field  *f = &c->field[c->fields - 1];
    char                  *p = s->at + 1, *to = p;
    f->quoted = true;
    f->text = to;
    for (; p < s->end; p++) {
        if (*p == '"' && (p + 1 == s->end || p[1] != '"')) break;
        p += *p == '"';
        c->line += *p == '\n';
        *to++ = *p;
    }
    if (p == s->end) return refuse(s, "the quoted field has no end");
    p++;
    if (p < s->end && *p == '\r') return refuse(s, "a carriage return without a line feed");
    if (p < s->end && c->comment && *p == c->comment) s->end = p;
    if (p < s->end && !is_delimiter(s, *p)) return refuse(s, "text follows the closing quote");
    f->n = (size_t)(to - f->text);
    s->at = p;
    return WG_OK;
}

static void skip_blanks(struct split *s)
{
    while (s->c->blanks && s->at < s->end && is_blank(*s->at)) s->at++;
}

static int split_careful(struct split *s)
{
    for (bool more = true; more;) {
        skip_blanks(s);
        if (s->c->blanks && (s->at == s->end || (s->c->comment && *s->at == s->c->comment))) return WG_OK;
        int status = begin_field(s, s->at);
        if (!status) status = s->at < s->end && *s->at == '"' ? split_quoted_field(s) : split_plain_field(s);
        if (status) return status;
        more = s->at < s->end;
        s->at += more;
    }
    return WG_OK;
}

/* Ends each text with a zero, which overwrites the delimiter or line feed after the text. */
static void end_texts(struct wg__csv_reader *c)
{
    for (int i = 0; i < c->fields; i++) c->field[i].text[c->field[i].n] = 0;
}

/* Drops the field of a line that has only blanks before a comment: an empty line. */
static void drop_blank_comment(struct wg__csv_reader *c, const struct split *s, const char *end)
{
    if (s->end == end || c->fields != 1 || c->field[0].quoted) return;
    size_t k = 0;
    while (k < c->field[0].n && is_blank(c->field[0].text[k])) k++;
    if (k == c->field[0].n) c->fields = 0;
}

int wg__csv_split(struct wg__csv_reader *c, size_t n, bool newline)
{
    struct split s = {.c = c, .begin = c->buf + c->pos};
    s.at = s.begin;
    s.end = s.begin + n;
    if (newline && n && s.end[-1] == '\r') s.end--;
    size_t size = (size_t)(s.end - s.begin);
    if (!c->blanks && !c->comment && !memchr(s.begin, '"', size) && !memchr(s.begin, '\r', size))
        return split_simple(&s);
    char *end = s.end;
    int   status = split_careful(&s);
    if (status) return status;
    end_texts(c);
    drop_blank_comment(c, &s, end);
    return WG_OK;
}
