/* loops_group.h - several loops as one launch, against each alone. */
#ifndef WENGERT_TEST_LOOPS_GROUP_H
#define WENGERT_TEST_LOOPS_GROUP_H

typedef void loops_kernel(const wg_loop_args *args, const unsigned *first, int n);
enum { MEMBERS = 4 };

/* Member k of a group: the sample over fewer rows of its first axis, into outputs of its own. */
static void make_member(const sample &s, int k, wg__cuda_loop &l, result &r)
{
    l = s.gpu;
    l.dim[0] = k == 3 ? 0 : l.dim[0] / (k + 1);
    int64_t count = 1;
    for (int d = 0; d < l.rank; d++) count *= l.dim[d];
    for (int o = 0; o < l.outputs; o++) {
        r.out[o].assign((size_t)count * wg_dtype_size((wg_dtype)l.out[o].dtype), 0xa5);
        l.out[o].data = to_device(r.out[o]);
    }
}

static void take_member(const wg__cuda_loop &l, result &r)
{
    for (int o = 0; o < l.outputs; o++) from_device(r.out[o], l.out[o].data);
}

/* All members: each alone by the interpreter (sms < 0), or as one, on a device of sms multiprocessors. */
static bool run_members(const sample &s, result *r, loops_kernel *own, int sms)
{
    wg__cuda_loop        l[MEMBERS];
    wg_loop_args         args[MEMBERS];
    unsigned             first[MEMBERS + 1];
    struct wg__cuda_plan p;
    wg__cuda_launch      at = {};
    cudaError_t          status = cudaSuccess;
    at.sms = 1;
    for (int k = 0; k < MEMBERS; k++) {
        make_member(s, k, l[k], r[k]);
        wg__cuda_plan(&l[k], &at, &p);
        args[k] = p.args;
        if (sms < 0 && !status) status = wg__cuda_loop_run(&l[k], &at);
    }
    if (sms >= 0) {
        wg__cuda_deal(MEMBERS, args, sms, first);
        bytes          table((unsigned char *)args, (unsigned char *)(args + MEMBERS));
        bytes          blocks((unsigned char *)first, (unsigned char *)(first + MEMBERS + 1));
        wg_loop_args  *a = (wg_loop_args *)to_device(table);
        unsigned      *f = (unsigned *)to_device(blocks);
        wg__cuda_group g = {a, f, MEMBERS, first[MEMBERS]};
        if (!own) status = wg__cuda_loops_run(&s.gpu, &g, at.stream);
        else if (g.grid) WG_LAUNCH(own, g.grid, WG_LOOP_BLOCK, 0, at.stream)(a, f, MEMBERS);
        status = status ? status : cudaDeviceSynchronize();
        cudaFree(a);
        cudaFree(f);
    }
    bool good = status == cudaSuccess && cudaDeviceSynchronize() == cudaSuccess;
    for (int k = 0; k < MEMBERS; k++) take_member(l[k], r[k]);
    return good;
}

static bool group_agrees(sample &s, loops_kernel *own)
{
    result alone[MEMBERS], interpreted[MEMBERS], few[MEMBERS], many[MEMBERS];
    if (s.gpu.tail >= 0) return !own;
    for (int i = 0; i < s.gpu.inputs; i++) s.gpu.in[i].data = to_device(s.in[i]);
    bool good = own && run_members(s, alone, NULL, -1) && run_members(s, interpreted, NULL, 0) &&
                run_members(s, few, own, 0) && run_members(s, many, own, 100);
    for (int i = 0; i < s.gpu.inputs; i++) cudaFree(s.gpu.in[i].data);
    for (int k = 0; k < MEMBERS && good; k++)
        for (int o = 0; o < s.gpu.outputs; o++)
            good = good && interpreted[k].out[o] == alone[k].out[o] && few[k].out[o] == alone[k].out[o] &&
                   many[k].out[o] == alone[k].out[o];
    if (!good) printf("# as one of several\n");
    return good;
}

#endif
