/* bench_csv - CPU seconds that reading a CSV file takes: bench_csv FILE [TIMES] [f32|f64].
 *
 *   python3 -c "import numpy as np, pandas as pd
 *   pd.DataFrame(np.random.rand(10**6, 10)).to_csv('t.csv', index=False)"
 *   bench_csv t.csv 5 f64
 *
 * To compare with another reader, alternate between the two on a quiet machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wengert/data.h>

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

int main(int argc, char **argv)
{
    enum { MOST = 1000 };
    double         time[MOST];
    int            times = argc > 2 ? atoi(argv[2]) : 5;
    wg_csv_options o = {.header = 1, .dtype = argc > 3 && !strcmp(argv[3], "f64") ? WG_F64 : WG_F32};
    if (argc < 2 || times < 1 || times > MOST) return fprintf(stderr, "usage: bench_csv FILE [TIMES] [f32|f64]\n"), 2;
    for (int i = 0; i < times; i++) {
        wg_csv   c;
        wg_error e;
        double   begin = cpu_seconds();
        if (wg_csv_read(argv[1], &o, &c, &e)) return fprintf(stderr, "bench_csv: %s\n", e.message), 1;
        time[i] = cpu_seconds() - begin;
        if (!i) printf("%lld records of %d columns\n", (long long)c.values.shape.dim[0], c.columns);
        wg_csv_free(&c);
    }
    qsort(time, (size_t)times, sizeof *time, by_size);
    printf("CPU seconds: median %.3f, least %.3f, of %d\n", time[times / 2], time[0], times);
    return 0;
}
