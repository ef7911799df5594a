/* Schedules: the rate as a function of the step. */
#include <math.h>

#include "train/train_impl.h"

static const double pi = 3.14159265358979323846;

/* Interpolates from a (u = 0) to b (u = 1) along half a cosine. */
static double cosine(double a, double b, double u) { return b + (a - b) * (1 + cos(pi * u)) / 2; }

static double or_default(double value, double usual) { return value == 0 ? usual : value < 0 ? 0 : value; }

/* Computes the rate at step t of OneCycleLR's schedule.  As there, both turning points are one step before the end of
 * their phase. */
static double one_cycle(const wg_schedule *s, double t)
{
    double first = s->rate / or_default(s->div, 25), last = first / or_default(s->final_div, 1e4);
    double top = or_default(s->up, 0.3) * (double)s->steps - 1, end = (double)s->steps - 1;
    if (t < top) return cosine(first, s->rate, t / top);
    return t >= end ? last : cosine(s->rate, last, (t - top) / (end - top));
}

double wg_schedule_at(const wg_schedule *schedule, int64_t t)
{
    wg_schedule own, *s = &own;
    char        why[160];
    if (!schedule || t < 0 || !wg__options_read(s, sizeof *s, schedule, why)) return NAN;
    /* A chain of warm-ups is walked, not called. */
    while (s->kind == WG_RATE_WARMUP && s->steps > 0 && t >= s->steps && s->next) {
        t -= s->steps;
        if (!wg__options_read(s, sizeof *s, s->next, why)) return NAN;
    }
    if (s->kind == WG_RATE_CONSTANT) return s->rate;
    if (s->steps < 1) return NAN;
    double  n = (double)s->steps, u = t < s->steps ? (double)t / n : 1, factor;
    int64_t periods = t / s->steps;
    switch (s->kind) {
    case WG_RATE_STEP: return s->rate * pow(or_default(s->factor, 0.1), (double)periods);
    case WG_RATE_COSINE: return u < 1 ? cosine(s->rate, s->low, u) : s->low;
    case WG_RATE_WARMUP:
        factor = or_default(s->factor, 1.0 / 3);
        return u < 1 ? s->rate * (factor + (1 - factor) * u) : s->rate;
    case WG_RATE_ONE_CYCLE: return one_cycle(s, (double)t);
    default: return NAN;
    }
}
