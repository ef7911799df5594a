/* bench_models FOLDER: writes the models that bench/serve serves and bench/run predicts with: linear.onnx (784-10),
 * small.onnx (784-128-10) and mlp.onnx (784-512-512-10), with random weights. */
#include <stdio.h>

#include <wengert/onnx.h>
#include <wengert/train.h>

/* Writes a net with so many hidden layers of that width. */
static int write_model(const char *folder, const char *file, int layers, int64_t width)
{
    char      path[4096];
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "image", WG_F32, WG_SHAPE(wg_dim(g, "batch"), 784)), *h = x;
    for (int i = 0; i < layers; i++) {
        char name[16];
        snprintf(name, sizeof name, "fc%d", i + 1);
        h = wg_relu(wg_dense(h, width, name));
    }
    wg_node *y = wg_named(wg_softmax(wg_dense(h, 10, "out"), 1), "probability");
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int status = wg_onnx_export(g, 1, &y, path, NULL);
    if (status) fprintf(stderr, "bench_models: %s\n", wg_message(g));
    wg_graph_free(g);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 2) return fprintf(stderr, "usage: bench_models FOLDER\n"), 2;
    return write_model(argv[1], "linear.onnx", 0, 0) || write_model(argv[1], "small.onnx", 1, 128) ||
           write_model(argv[1], "mlp.onnx", 2, 512);
}
