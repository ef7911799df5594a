/* files.h - what the tests of src/data share: files in memory, damaged files. */
#ifndef WENGERT_TESTS_FILES_H
#define WENGERT_TESTS_FILES_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wengert/data.h>

#include "support/alloc.h"

#define FIXTURE(name) "tests/data/fixtures/" name
#define MNIST "../shared/data/mnist/"

struct bytes {
    uint8_t *data;
    size_t   n;
};

static inline struct bytes slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s is there", path);
    struct bytes b = {.data = malloc(1 << 20)};
    b.n = fread(b.data, 1, 1 << 20, f);
    fclose(f);
    return b;
}

/* Whether a parser takes these bytes; it releases what it made. */
typedef int parser(const void *bytes, size_t n, wg_error *e);

/* In memory of exactly that size, so that a sanitizer sees one byte too many. */
static inline int parse_copy(parser *p, const uint8_t *bytes, size_t n)
{
    wg_error e = {0};
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    int status = p(copy, n, &e);
    cr_assert(status <= 0 && status >= WG_EINTERNAL);
    cr_assert(!status || (e.status == status && e.message[0] && e.offset >= -1), "an error explains itself");
    free(copy);
    return status;
}

static inline uint32_t draw(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

/* No damage crashes a parser: every truncation, then bytes changed here and there. */
static inline void damage(parser *p, struct bytes b, int rounds)
{
    uint32_t state = 1;
    uint8_t *x = malloc(b.n ? b.n : 1);
    for (size_t n = 0; n < b.n; n++) parse_copy(p, b.data, n);
    for (int i = 0; i < rounds; i++) {
        memcpy(x, b.data, b.n);
        for (uint32_t k = 1 + (draw(&state) >> 8) % 4; k > 0; k--) {
            uint32_t r = draw(&state) >> 8;
            x[(draw(&state) >> 8) % b.n] = r % 4 == 0 ? 0xff : r % 4 == 1 ? 0 : (uint8_t)(r >> 4);
        }
        parse_copy(p, x, b.n);
    }
    free(x);
}

/* Whichever allocation fails, with all later ones or alone, the answer is
 * WG_ENOMEM; without failures, WG_OK. */
static inline void starve(parser *p, struct bytes b)
{
    static void (*const fail_at[])(long) = {alloc_fail_at, alloc_fail_once_at};
    for (int i = 0; i < 2; i++) {
        int      status = WG_ENOMEM;
        wg_error e = {0};
        for (int n = 0; status != WG_OK; n++) {
            fail_at[i](n);
            status = p(b.data, b.n, &e);
            alloc_restore();
            cr_assert(status == WG_OK || status == WG_ENOMEM, "allocation %d fails cleanly: %s", n, e.message);
        }
    }
}

/* A new empty directory, and how many files are in it. */
static inline char *make_directory(void)
{
    static char name[64];
    snprintf(name, sizeof name, "/tmp/wengert-data-XXXXXX");
    cr_assert(mkdtemp(name));
    return name;
}
static inline int files_in(const char *directory)
{
    int  n = 0;
    DIR *d = opendir(directory);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}
static inline void remove_directory(const char *directory)
{
    char path[512];
    DIR *d = opendir(directory);
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        if (e->d_name[0] != '.') unlink(path);
    }
    closedir(d);
    rmdir(directory);
}

static inline void expect_array(const wg_array *a, wg_dtype t, wg_shape s)
{
    cr_assert_eq(a->dtype, t, "dtype is %s", wg_dtype_name(a->dtype));
    cr_assert_eq(a->shape.rank, s.rank);
    for (int i = 0; i < s.rank; i++) cr_assert_eq(a->shape.dim[i], s.dim[i]);
    cr_assert(a->data);
    cr_assert_eq((uintptr_t)a->data % 64, 0);
}
static inline void expect_nothing(const wg_array *a)
{
    static const wg_array none;
    cr_assert(a->data == NULL && memcmp(&a->shape, &none.shape, sizeof none.shape) == 0, "*out is zeroed");
}

#endif
