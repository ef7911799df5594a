/* csv_impl.h - records of a CSV file. */
#ifndef WENGERT_DATA_CSV_IMPL_H
#define WENGERT_DATA_CSV_IMPL_H

#include "data/io_impl.h"

struct wg__csv_field {
    size_t   text;   /* where in wg__csv_reader.text it starts; a zero byte ends it */
    size_t   n;      /* bytes; the text itself may hold zeros */
    uint64_t offset; /* in the file */
    int64_t  line;   /* from 1 */
    bool     quoted;
};

struct wg__csv_reader {
    struct wg__stream s;
    char              delimiter;
    /* The record read last. */
    int                   fields, cap_fields;
    struct wg__csv_field *field;
    char                 *text;
    size_t                n_text, cap_text;
    /* What is ahead. */
    uint8_t  buf[8192];
    size_t   pos, len;
    uint64_t at; /* offset of buf[pos] */
    int64_t  line;
};

/* delimiter 0: a comma. */
int  wg__csv_open(struct wg__csv_reader *c, struct wg__file *f, char delimiter);
void wg__csv_close(struct wg__csv_reader *c);
/* The next record that is not an empty line; fields is 0 at the end. */
int wg__csv_record(struct wg__csv_reader *c);
/* Complains about field k of the record: line, column, offset. */
#define wg__csv_bad(c, k, status, format, ...)                                                                      \
    wg__bad((c)->s.f, status, (c)->field[k].offset, "line %lld, column %d: " format, (long long)(c)->field[k].line, \
            (k) + 1, __VA_ARGS__)

/* A decimal number, inf or nan that fills text but for blanks around it, whatever
 * the locale; rounded once to t.  NULL, or what is wrong with it. */
const char *wg__csv_number(const char *text, size_t n, wg_dtype t, double *value);

#endif
