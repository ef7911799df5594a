/* Reading zip directories.  Every number in one is a claim: it is held against
 * the size of the file before it is believed. */
#include <stdlib.h>
#include <string.h>

#include "data/numpy/zip_impl.h"

enum { LOCATOR_SIZE = 20, END64_SIZE = 56, MOST_COMMENT = 65535, ENCRYPTED = 1 };

struct directory {
    uint64_t at, size, n;
};

/* ---- Where the directory is ---- */

/* Finds the end record.  It is the last thing in the file but for a comment, whose length it gives. */
static int find_end(const struct wg__file *f, uint8_t *end, uint64_t *at)
{
    uint64_t most = WG__ZIP_END_SIZE + MOST_COMMENT, n = f->size < most ? f->size : most;
    uint8_t *tail = malloc(n ? (size_t)n : 1);
    if (!tail) return wg__bad_memory(f);
    int  status = wg__file_read(f, f->size - n, tail, (size_t)n);
    bool found = false;
    for (uint64_t k = WG__ZIP_END_SIZE; !status && !found && k <= n; k++) {
        const uint8_t *p = tail + n - k;
        found = wg__le32(p) == WG__ZIP_END && wg__le16(p + 20) == k - WG__ZIP_END_SIZE;
        if (!found) continue;
        memcpy(end, p, WG__ZIP_END_SIZE);
        *at = f->size - k;
    }
    free(tail);
    if (status || found) return status;
    return wg__bad(f, WG_EFORMAT, f->size, "no end record of a zip file is there");
}

/* Reads the 20 bytes before the end record; *there says whether they are a zip64 locator. */
static int read_locator(const struct wg__file *f, uint64_t end, uint8_t *locator, bool *there)
{
    *there = false;
    if (end < LOCATOR_SIZE) return WG_OK;
    int status = wg__file_read(f, end - LOCATOR_SIZE, locator, LOCATOR_SIZE);
    *there = !status && wg__le32(locator) == WG__ZIP64_LOCATOR;
    return status;
}

/* Tells whether a field of the end record is all ones or agrees with the field of the zip64 record. */
static bool agrees(uint64_t narrow, uint64_t ones, uint64_t wide) { return narrow == ones || narrow == wide; }

/* Reads the zip64 end record, which has all fields of the end record with 64 bits.  Writers may put it where none is
 * needed. */
static int read_end64(const struct wg__file *f, uint64_t end, const uint8_t *locator, struct directory *d,
                      uint64_t *limit)
{
    uint8_t  h[END64_SIZE];
    uint64_t at = wg__le64(locator + 8);
    if (wg__le32(locator + 16) > 1 || end - LOCATOR_SIZE < END64_SIZE || at > end - LOCATOR_SIZE - END64_SIZE)
        return wg__bad(f, WG_EFORMAT, end - LOCATOR_SIZE, "no valid zip64 locator is there");
    int status = wg__file_read(f, at, h, sizeof h);
    if (status) return status;
    if (wg__le32(h) != WG__ZIP64_END || wg__le64(h + 24) != wg__le64(h + 32))
        return wg__bad(f, WG_EFORMAT, at, "no valid zip64 end record is there");
    struct directory wide = {.n = wg__le64(h + 32), .size = wg__le64(h + 40), .at = wg__le64(h + 48)};
    if (!agrees(d->n, UINT16_MAX, wide.n) || !agrees(d->size, UINT32_MAX, wide.size) ||
        !agrees(d->at, UINT32_MAX, wide.at))
        return wg__bad(f, WG_EFORMAT, at, "the two end records of the zip file do not agree");
    *d = wide;
    *limit = at;
    return WG_OK;
}

static int find_directory(const struct wg__file *f, struct directory *d)
{
    uint8_t  h[WG__ZIP_END_SIZE] = {0}, locator[LOCATOR_SIZE] = {0};
    uint64_t end = 0;
    bool     wide = false;
    int      status = find_end(f, h, &end);
    if (!status) status = read_locator(f, end, locator, &wide);
    if (status) return status;
    uint64_t limit = end;
    *d = (struct directory){.n = wg__le16(h + 10), .size = wg__le32(h + 12), .at = wg__le32(h + 16)};
    if (!wide && (wg__le16(h + 4) || wg__le16(h + 6) || wg__le16(h + 8) != d->n))
        return wg__bad(f, WG_EFORMAT, end + 4, "archives in several parts are not supported");
    if (wide && (status = read_end64(f, end, locator, d, &limit))) return status;
    if (d->at > limit || d->size != limit - d->at || d->n > d->size / WG__ZIP_ENTRY_SIZE)
        return wg__bad(f, WG_EFORMAT, end,
                       "the end record puts %llu entries in %llu bytes at %llu, which does not fit the file",
                       (unsigned long long)d->n, (unsigned long long)d->size, (unsigned long long)d->at);
    return WG_OK;
}

/* ---- Its entries ---- */

/* Reads the sizes and the offset that are all ones in the entry from its zip64 extra field, where they come in this
 * order. */
static int read_extra64(const struct wg__file *f, struct wg__zip_member *m, const uint8_t *p, size_t n)
{
    uint64_t *wide[] = {&m->size, &m->packed, &m->header};
    for (size_t len; n >= 4; p += 4 + len, n -= 4 + len) {
        len = wg__le16(p + 2);
        if (len > n - 4) break;
        if (wg__le16(p) != 1) continue;
        const uint8_t *at = p + 4, *end = at + len;
        for (int i = 0; i < 3; i++) {
            if (*wide[i] != UINT32_MAX) continue;
            if (end - at < 8) return wg__bad(f, WG_EFORMAT, m->entry, "the zip64 sizes of an entry are cut off");
            *wide[i] = wg__le64(at);
            at += 8;
        }
        return WG_OK;
    }
    return WG_OK;
}

static int check_entry(const struct wg__file *f, const struct wg__zip_member *m, size_t n_name)
{
    if (n_name == 0 || strlen(m->name) != n_name)
        return wg__bad(f, WG_EFORMAT, m->entry, "the name of an entry is empty or holds a zero byte");
    if (m->method == 0 && !(m->flags & ENCRYPTED) && m->packed != m->size)
        return wg__bad(f, WG_EFORMAT, m->entry, "'%.60s' is stored, but its two sizes differ", m->name);
    return WG_OK;
}

/* Reads the entry at offset `entry`, whose bytes start at p and may fill n.  *used: its size. */
static int read_entry(const struct wg__file *f, struct wg__zip_member *m, const uint8_t *p, uint64_t n, size_t *used)
{
    if (n < WG__ZIP_ENTRY_SIZE || wg__le32(p) != WG__ZIP_ENTRY)
        return wg__bad(f, WG_EFORMAT, m->entry, "no valid entry of a zip directory is there");
    size_t name = wg__le16(p + 28), extra = wg__le16(p + 30), comment = wg__le16(p + 32);
    *used = WG__ZIP_ENTRY_SIZE + name + extra + comment;
    if (*used > n) return wg__bad(f, WG_EFORMAT, m->entry, "an entry is longer than the directory");
    m->flags = wg__le16(p + 8);
    m->method = wg__le16(p + 10);
    m->crc = wg__le32(p + 16);
    m->packed = wg__le32(p + 20);
    m->size = wg__le32(p + 24);
    m->header = wg__le32(p + 42);
    if (!(m->name = malloc(name + 1))) return wg__bad_memory(f);
    memcpy(m->name, p + WG__ZIP_ENTRY_SIZE, name);
    m->name[name] = 0;
    int status = read_extra64(f, m, p + WG__ZIP_ENTRY_SIZE + name, extra);
    return status ? status : check_entry(f, m, name);
}

static int read_entries(const struct wg__file *f, const struct directory *d, const uint8_t *p, struct wg__zip *z)
{
    uint64_t at = 0;
    for (uint64_t i = 0; i < d->n; i++) {
        size_t used = 0;
        z->member[i].entry = d->at + at;
        z->n = (int)i + 1;
        int status = read_entry(f, &z->member[i], p + at, d->size - at, &used);
        if (status) return status;
        at += used;
    }
    return at == d->size ? WG_OK : wg__bad(f, WG_EFORMAT, d->at + at, "bytes follow the last entry of the directory");
}

/* ---- Laws between entries ---- */

static int by_place(const void *x, const void *y)
{
    const struct wg__zip_member *a = *(struct wg__zip_member *const *)x, *b = *(struct wg__zip_member *const *)y;
    return (a->header > b->header) - (a->header < b->header);
}
static int by_name(const void *x, const void *y)
{
    return strcmp((*(struct wg__zip_member *const *)x)->name, (*(struct wg__zip_member *const *)y)->name);
}

static int check_places(const struct wg__file *f, struct wg__zip_member **m, int n, uint64_t end)
{
    for (int i = 0; i < n; i++) {
        m[i]->limit = i + 1 < n ? m[i + 1]->header : end;
        if (m[i]->limit > end || m[i]->limit < m[i]->header || m[i]->limit - m[i]->header < WG__ZIP_LOCAL_SIZE ||
            m[i]->packed > m[i]->limit - m[i]->header - WG__ZIP_LOCAL_SIZE)
            return wg__bad(f, WG_EFORMAT, m[i]->entry, "'%.60s' reaches into what follows it", m[i]->name);
    }
    return WG_OK;
}

static int check_members(const struct wg__file *f, struct wg__zip *z, uint64_t end)
{
    size_t                  n = (size_t)z->n;
    struct wg__zip_member **m = n ? malloc(n * sizeof *m) : NULL;
    if (!m) return n ? wg__bad_memory(f) : WG_OK;
    for (size_t i = 0; i < n; i++) m[i] = &z->member[i];
    qsort(m, n, sizeof *m, by_place);
    int status = check_places(f, m, z->n, end);
    qsort(m, n, sizeof *m, by_name);
    for (size_t i = 1; !status && i < n; i++)
        if (strcmp(m[i - 1]->name, m[i]->name) == 0)
            status = wg__bad(f, WG_EFORMAT, m[i]->entry, "'%.60s' is there twice", m[i]->name);
    free(m);
    return status;
}

/* ---- The calls ---- */

static int read_directory(const struct wg__file *f, const struct directory *d, struct wg__zip *z)
{
    uint8_t *p = malloc(d->size ? (size_t)d->size : 1);
    z->member = calloc(d->n ? (size_t)d->n : 1, sizeof *z->member);
    int status = !p || !z->member ? wg__bad_memory(f) : wg__file_read(f, d->at, p, (size_t)d->size);
    if (!status) status = read_entries(f, d, p, z);
    free(p);
    return status ? status : check_members(f, z, d->at);
}

int wg__zip_read(struct wg__file *f, struct wg__zip *z)
{
    struct directory d = {0};
    *z = (struct wg__zip){0};
    int status = find_directory(f, &d);
    if (!status && d.n > INT32_MAX) status = wg__bad(f, WG_EFORMAT, d.at, "too many entries");
    if (!status) status = read_directory(f, &d, z);
    if (status) wg__zip_free(z);
    return status;
}

void wg__zip_free(struct wg__zip *z)
{
    for (int i = 0; i < z->n; i++) free(z->member[i].name);
    free(z->member);
    *z = (struct wg__zip){0};
}

/* Opens a member's data.  The sizes in a local header may be missing (then they follow the data), so the directory's
 * are used.  The header's name and extra field only tell where the data begin. */
int wg__zip_open(struct wg__file_stream *s, struct wg__file *f, const struct wg__zip_member *m)
{
    uint8_t h[WG__ZIP_LOCAL_SIZE];
    if (m->flags & ENCRYPTED) return wg__foreign(f, WG_EFORMAT, m->entry, "'%.60s' is encrypted", m->name);
    if (m->method != 0 && m->method != 8)
        return wg__foreign(f, WG_EFORMAT, m->entry, "'%.60s' is packed by method %d; stored and deflated are supported",
                           m->name, m->method);
    int status = wg__file_read(f, m->header, h, sizeof h);
    if (status) return status;
    uint64_t begin = m->header + WG__ZIP_LOCAL_SIZE + wg__le16(h + 26) + wg__le16(h + 28);
    if (wg__le32(h) != WG__ZIP_LOCAL || wg__le16(h + 8) != m->method)
        return wg__bad(f, WG_EFORMAT, m->header, "no valid header of '%.60s' is there", m->name);
    if (begin > m->limit || m->packed > m->limit - begin)
        return wg__bad(f, WG_EFORMAT, m->header, "'%.60s' reaches into what follows it", m->name);
    enum wg__packing p = m->method ? WG__DEFLATE : WG__PLAIN;
    status = wg__stream_open(s, f, p, begin, begin + m->packed);
    s->checked = true;
    return status;
}

int wg__zip_check(const struct wg__file_stream *s, const struct wg__zip_member *m)
{
    if (s->at != m->size)
        return wg__bad(s->f, WG_EFORMAT, m->entry, "'%.60s' has %llu bytes, its entry says %llu", m->name,
                       (unsigned long long)s->at, (unsigned long long)m->size);
    if (s->crc != m->crc)
        return wg__bad(s->f, WG_EFORMAT, s->begin, "the checksum of '%.60s' does not match its data", m->name);
    return WG_OK;
}
