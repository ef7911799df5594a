# table.awk RESULTS: the table of tools/gpu-check, in Markdown, out of the lines of
# tapes, limits and torch_mlp.py.  What is missing is "-", what an aim asks for is
# "reached" or "not reached", or "not measured".

# A rate or a time comes once in each round: the median.
function median(key,   n, i, j, t, v) {
    n = split(all[key], v, " ")
    if (!n) return ""
    for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}
# Of a / b in each round, the median: slow drifts of the machine cancel.
function ratio(a, b,   n, m, i, u, v) {
    n = split(all[a], u, " ")
    m = split(all[b], v, " ")
    if (m < n) n = m
    delete all["ratio"]
    for (i = 1; i <= n; i++) all["ratio"] = all["ratio"] " " u[i] / v[i]
    return n ? median("ratio") : ""
}
function number(x, format) { return x == "" ? "-" : sprintf(format, x) }
function thousands(x) { return x == "" ? "-" : sprintf("%.0fk", x / 1000) }
function micro(x) { return x == "" ? "-" : sprintf("%.1f us", x * 1e6) }
function percent(x) { return x == "" ? "-" : sprintf("%.0f %%", 100 * x) }
function divide(a, b) { return a == "" || b == "" || !b ? "" : a / b }
# In Markdown, and remembered for the summary behind the table.
function aim(name, x, least) {
    aims[++n_aims] = sprintf("%s: %s", name, x == "" ? "not measured" : x >= least ? "reached" : "not reached")
    if (x != "") aims[n_aims] = aims[n_aims] sprintf(" (%.2f of %.2f)", x, least)
}

/ absent: / { sub(/ absent: /, "\t"); split($0, part, "\t"); absent[part[1]] = part[2]; next }
$1 == "train" && NF == 6 { all[$2 " " $3] = all[$2 " " $3] " " $4; next }
$1 == "bytes" && NF == 3 { all["bytes " $2] = all["bytes " $2] " " $3; next }
$1 == "product" && NF == 4 { all[$2 " of " $3] = all[$2 " of " $3] " " $4; next }
$1 == "latency" && NF == 3 { all["latency " $2] = all["latency " $2] " " $3; next }
$1 == "limit" && $2 == "copy" { all["copy"] = all["copy"] " " $3; next }
$1 == "limit" && $2 == "product" { all[$3 " by cublas " $4] = all[$3 " by cublas " $4] " " $5; next }

function train_table(suffix, title,   b, i, precision) {
    printf "| %s | Wengert | PyTorch eager | torch.compile | PyTorch CUDA graphs | to CUDA graphs |\n", title
    print "|---|--:|--:|--:|--:|--:|"
    for (i = 1; i <= 2; i++) for (b = 1; b <= 3; b++) {
        precision = precisions[i]
        row = precision suffix " " batches[b]
        gap = ratio(row, "graphs-" row)
        printf "| %s, batch %d | %s | %s | %s | %s | %s |\n", precision, batches[b], thousands(median(row)),
            thousands(median("eager-" row)), thousands(median("compile-" row)), thousands(median("graphs-" row)),
            number(gap, "%.2f x")
        if (suffix == "" && batches[b] == 64) aim(sprintf("twice PyTorch's CUDA graphs at batch 64, %s", precision), gap, 2)
        if (suffix == "" && batches[b] == 4096)
            aim(sprintf("1.2 times PyTorch's CUDA graphs at batch 4096, %s", precision), gap, 1.2)
    }
    print ""
}

END {
    split("fp32 tf32", precisions, " ")
    split("64 512 4096", batches, " ")
    train_table("", "784-512-512-10, Adam, batch on the device, images/s")
    train_table("-fed", "the same, each batch from host memory, images/s")
    print "| what cuBLASLt does on the way, images/s | all | bias and relu | nothing |\n|---|--:|--:|--:|"
    for (i = 1; i <= 2; i++) for (b = 1; b <= 3; b++)
        printf "| %s, batch %d | %s | %s | %s |\n", precisions[i], batches[b], thousands(median(precisions[i] " " batches[b])),
            thousands(median(precisions[i] "-plain " batches[b])), thousands(median(precisions[i] "-loops " batches[b]))
    print ""

    copy = median("copy")
    n = split("elementwise softmax sum_rows sum_columns adam", kinds, " ")
    title["elementwise"] = "x z + x, 64 Mi numbers"
    title["softmax"] = "softmax of 65536 rows of 1024"
    title["sum_rows"] = "sum of each row of 65536x1024"
    title["sum_columns"] = "sum of each column of 65536x1024"
    title["adam"] = "Adam, 100 parameters of 400x800"
    print "| f32, read and written | GB/s | of a copy on the device |\n|---|--:|--:|"
    printf "| cudaMemcpy, 256 MiB | %s | 100 %% |\n", copy == "" ? "-" : sprintf("%.0f", copy / 1e9)
    for (i = 1; i <= n; i++) {
        x = median("bytes " kinds[i])
        printf "| %s | %s | %s |\n", title[kinds[i]], x == "" ? "-" : sprintf("%.0f", x / 1e9), percent(divide(x, copy))
        if (kinds[i] == "elementwise" || kinds[i] == "adam")
            aim(sprintf("85 %% of a copy's bandwidth, %s", kinds[i] == "adam" ? "solver" : kinds[i]), divide(x, copy), 0.85)
    }

    print "\n| product of squares | fp32 | of cuBLASLt | tf32 | of cuBLASLt |\n|---|--:|--:|--:|--:|"
    split("512 2048 4096", sides, " ")
    for (i = 1; i <= 3; i++) {
        printf "| %d |", sides[i]
        for (k = 1; k <= 2; k++) {
            x = median(precisions[k] " of " sides[i])
            best = median(precisions[k] " by cublas " sides[i])
            printf " %s | %s |", x == "" ? "-" : sprintf("%.1f TFLOP/s", 2 * sides[i] ^ 3 / x / 1e12), percent(divide(best, x))
        }
        print ""
    }

    print "\n| a tape's own cost | |\n|---|--:|"
    printf "| step of 4-8-3 with SGD | %s |\n", micro(median("latency step"))
    printf "| the same with a loss that checks labels | %s |\n", micro(median("latency checked"))
    printf "| until wg_run returns, the device behind | %s |\n", micro(median("latency host"))
    printf "| Adam over 400 parameters of 32x32 | %s |\n\n", micro(median("latency adam_small"))

    for (i = 1; i <= n_aims; i++) print "- " aims[i]
    for (w in absent) if (!(absent[w] in told)) {
        told[absent[w]] = 1
        print "- without " w ": " absent[w]
    }
}
