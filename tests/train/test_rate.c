/* Schedules against those of PyTorch, and their laws. */
#include <criterion/criterion.h>
#include <math.h>

#include <wengert/train.h>

#define STRIP(...) __VA_ARGS__

static void expect_rates(const char *name, const wg_schedule *s, const double *want, int n)
{
    for (int t = 0; t < n; t++) {
        double have = wg_schedule_at(s, t);
        double error = fabs(have - want[t]);
        cr_assert(error <= 1e-13 * fabs(want[t]) + 1e-16, "%s at %d: %.17g, not %.17g", name, t, have, want[t]);
    }
}

Test(schedule, agrees_with_pytorch)
{
#define CASE(name, init, ...)                                                      \
    expect_rates(#name, &(wg_schedule){STRIP init}, (const double[]){__VA_ARGS__}, \
                 (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)));
#include "reference/schedules.inc"
#undef CASE
}

Test(schedule, a_warmup_goes_over_into_the_next)
{
    wg_schedule cosine = {.kind = WG_RATE_COSINE, .rate = 0.2, .steps = 10};
    wg_schedule second = {.kind = WG_RATE_WARMUP, .rate = 0.2, .steps = 4, .factor = 0.5, .next = &cosine};
    wg_schedule first = {.kind = WG_RATE_WARMUP, .rate = 0.1, .steps = 5, .factor = -1, .next = &second};
    cr_assert_eq(wg_schedule_at(&first, 0), 0);
    cr_assert_float_eq(wg_schedule_at(&first, 4), 0.08, 1e-15);
    for (int t = 0; t < 4; t++) cr_assert_eq(wg_schedule_at(&first, 5 + t), wg_schedule_at(&second, t));
    for (int t = 0; t < 20; t++) cr_assert_eq(wg_schedule_at(&first, 9 + t), wg_schedule_at(&cosine, t));
    first.next = NULL;
    cr_assert_eq(wg_schedule_at(&first, 1000), 0.1);
}

Test(schedule, ends_and_stays)
{
    wg_schedule s = {.kind = WG_RATE_COSINE, .rate = 0.2, .steps = 10, .low = 0.05};
    cr_assert_eq(wg_schedule_at(&s, 10), 0.05);
    cr_assert_eq(wg_schedule_at(&s, INT64_MAX), 0.05);
    s = (wg_schedule){.kind = WG_RATE_ONE_CYCLE, .rate = 1, .steps = 10, .div = 4, .final_div = 8};
    cr_assert_float_eq(wg_schedule_at(&s, 9), 1.0 / 32, 1e-15);
    cr_assert_eq(wg_schedule_at(&s, 9), wg_schedule_at(&s, INT64_MAX));
    s.up = 0.1;
    cr_assert_eq(wg_schedule_at(&s, 0), 1, "a way up of one step begins at the top");
    s.steps = 1;
    cr_assert(isfinite(wg_schedule_at(&s, 0)));
    s = (wg_schedule){.kind = WG_RATE_CONSTANT, .rate = 0.25};
    cr_assert_eq(wg_schedule_at(&s, 12345), 0.25);
}

Test(schedule, nonsense_is_nan)
{
    wg_schedule s = {.kind = WG_RATE_STEP, .rate = 1};
    cr_assert(isnan(wg_schedule_at(NULL, 0)));
    cr_assert(isnan(wg_schedule_at(&s, 0)));
    s.steps = 3;
    cr_assert(isnan(wg_schedule_at(&s, -1)));
    s.kind = (enum wg_schedule_kind)99;
    cr_assert(isnan(wg_schedule_at(&s, 0)));
}
