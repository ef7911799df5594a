/* Any bytes as an ONNX model, imported into a graph, and as a tensor's file. */
#include "onnx/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    digest_model(bytes, n);
    digest_file_of_tensor(bytes, n);
    return 0;
}
