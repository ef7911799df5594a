/* Text that grows: what is written is there, within a budget of bytes, and a failure is remembered. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/system/clock.h"
#include "base/text/text.h"
#include "support/alloc.h"

Test(base_text, text_is_added_as_it_is)
{
    struct wg__text t = {0};
    char            want[3001], *p = want;
    for (int i = 0; i < 500; i++) {
        wg__text_say(&t, "%d,", i);
        p += sprintf(p, "%d,", i);
        wg__text_add(&t, "\0x", 2 * (size_t)(i % 2));
        if (i % 2) *p++ = 0, *p++ = 'x';
    }
    cr_assert(t.n == (size_t)(p - want) && !memcmp(t.at, want, t.n));
    wg__text_free(&t);
    cr_assert(!t.at && !t.n && !t.size);
}

static void write_all(struct wg__text *t)
{
    struct wg__text other = {0};
    wg__text_put(&other, "other ");
    for (int i = 0; i < 100; i++) {
        wg__text_add(t, "bytes\0", 6);
        wg__text_put(t, "text ");
        wg__text_say(t, "%d %s ", i, "said");
        wg__text_append(t, &other);
    }
    wg__text_free(&other);
}

Test(base_text, short_memory_keeps_a_beginning)
{
    struct wg__text whole = {0};
    write_all(&whole);
    cr_assert(!whole.failed && whole.n > 1000);
    bool failed = true;
    int  n = 0;
    for (; failed; n++) {
        struct wg__text t = {0};
        alloc_fail_once_at(n);
        write_all(&t);
        alloc_restore();
        failed = t.failed;
        cr_expect(failed ? t.n < whole.n : t.n == whole.n, "allocation %d", n);
        cr_expect(t.n == 0 || !memcmp(t.at, whole.at, t.n), "allocation %d: nothing is written after the failure", n);
        wg__text_free(&t);
    }
    cr_expect_gt(n, 3, "growing was met");
    wg__text_free(&whole);
}

Test(base_text, a_budget_is_kept_and_given_back)
{
    struct wg__budget b = {.limit = 10000};
    struct wg__text   t = {.budget = &b};
    while (!t.failed) {
        wg__text_put(&t, "0123456789abcdef");
        cr_assert(b.used == (int64_t)t.size && b.used <= b.limit);
    }
    cr_expect_geq(t.n, 4096);
    wg__text_free(&t);
    cr_expect_eq(b.used, 0);
}

Test(base_text, late_text_is_no_text)
{
    struct wg__text t = {.until_ns = wg__now_ns() - 1};
    char            piece[20000] = "";
    cr_expect(!wg__text_is_late(&t), "the clock is not looked at for every byte");
    wg__text_add(&t, piece, sizeof piece);
    cr_expect(wg__text_is_late(&t) && t.late && t.failed);
    wg__text_add(&t, piece, 1);
    cr_expect_eq(t.n, sizeof piece);
    wg__text_free(&t);
}
