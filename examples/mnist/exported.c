/* The trained net for other programs: an ONNX file. */
#include <stdio.h>

#include <wengert/onnx.h>

#include "mnist.h"

int exported_write(const struct net *n, const wg_tape *t, const struct options *o, double accuracy)
{
    char step[32], right[32];
    snprintf(step, sizeof step, "%llu", (unsigned long long)wg_run_number(t));
    snprintf(right, sizeof right, "%.4f", accuracy);
    const char *const      meta[][2] = {{"training.step", step}, {"test.accuracy", right}};
    wg_onnx_export_options e = {.graph_name = "mnist",
                                .doc = "Handwritten digits: image [batch, 784], rows from the top, ink 1 and paper 0, "
                                       "to the probability of each digit.",
                                .n_meta = 2,
                                .meta = meta};
    wg_node               *out = n->probability;
    return wg_onnx_export(n->g, 1, &out, o->onnx, &e) ? complain("%s", wg_message(n->g)) : 0;
}
