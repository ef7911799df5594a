/* csv_impl.h - records of a CSV file, and what their fields mean. */
#ifndef WENGERT_DATA_CSV_IMPL_H
#define WENGERT_DATA_CSV_IMPL_H

#include "base/table.h"
#include "data/io_impl.h"

/* ---- Records (csv_record.c, csv_split.c) ---- */

struct wg__csv_field {
    char    *text;   /* in the reader's buffer until the next record; a zero byte ends it */
    size_t   n;      /* bytes; the text itself may hold zeros */
    uint64_t offset; /* in the file */
    int64_t  line;   /* from 1 */
    bool     quoted;
};

struct wg__csv_reader {
    struct wg__file_stream s;
    char                   delimiter, comment; /* comment 0: there are none */
    bool                   blanks;             /* fields are separated by runs of spaces and tabs */
    /* The record read last. */
    int                   fields, cap_fields;
    struct wg__csv_field *field;
    /* What is ahead: buf[pos..len), with room for WG__CSV_BEHIND bytes behind it. */
    char    *buf;
    size_t   pos, len, cap;
    bool     ended; /* the stream has no more */
    uint64_t at;    /* offset of buf[pos] */
    int64_t  line;
};

/* Reads the options delimiter, comment and skip. */
int  wg__csv_open(struct wg__csv_reader *c, struct wg__file *f, const wg_csv_options *o);
void wg__csv_close(struct wg__csv_reader *c);
/* Reads the next record that is not an empty line; fields is 0 at the end of the file. */
int wg__csv_record(struct wg__csv_reader *c);
/* Splits the n bytes at buf[pos] into fields, in place.  `newline` says that a line feed follows them. */
int wg__csv_split(struct wg__csv_reader *c, size_t n, bool newline);
/* Complains about field k of the record: line, column, offset. */
#define wg__csv_bad(c, k, status, format, ...)                                                                      \
    wg__bad((c)->s.f, status, (c)->field[k].offset, "line %lld, column %d: " format, (long long)(c)->field[k].line, \
            (k) + 1, __VA_ARGS__)

/* ---- Numbers (csv_number.c) ---- */

/* A decimal number, inf, nan, true or false that fills text[0..n) but for blanks
 * around it, whatever the locale; rounded once to t.  A zero byte follows the
 * text, and WG__CSV_BEHIND bytes behind its end may be read.  NULL, or what is wrong with it. */
enum { WG__CSV_BEHIND = 8 };
const char *wg__csv_number(const char *text, size_t n, wg_dtype t, double *value);

/* ---- Classes (csv_classes.c) ---- */

/* The distinct texts of a column, numbered as they come. */
struct wg__csv_dictionary {
    wg_csv_classes   c;
    int              cap;
    struct wg__table by_text;
    bool             given; /* the texts are those of an earlier file: no other is taken */
};
enum { WG__CSV_NO_MEMORY = -1, WG__CSV_NO_CLASS = -2 };
/* Finds the number of a text, or gives a new text the next number; or one of the two above. */
int wg__csv_class(struct wg__csv_dictionary *d, const char *text, size_t n);
/* Takes over the texts of an earlier file; false if memory is short. */
bool wg__csv_classes_like(struct wg__csv_dictionary *d, const wg_csv_classes *c);
/* Sorts the texts, after which none can be looked up; map[old number] is the new number.  map has room for all.
 * False if memory is short. */
bool wg__csv_classes_sort(struct wg__csv_dictionary *d, int *map);
void wg__csv_classes_free(wg_csv_classes *c);
void wg__csv_dictionary_free(struct wg__csv_dictionary *d);

#endif
