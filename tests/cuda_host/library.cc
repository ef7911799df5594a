/* library.cc - libraries of kernels, loaded from bytes while the program runs.
 *
 * The bytes are a shared object for this machine, as nvrtc/nvrtc.cc makes it:
 * beside each kernel it has a function <kernel>_bind, which copies the
 * arguments and gives the call of one thread.  Static shared memory of its
 * kernels is not filled before each block. */
#include <dlfcn.h>
#include <elf.h>
#include <functional>
#include <link.h>
#include <map>
#include <memory>
#include <set>
#include <sys/mman.h>
#include <unistd.h>

#include "inside.h"

using namespace shim;

typedef std::function<void()> bind_function(void **args);

struct CUkern_st {
    std::string    name;
    bind_function *bind;
};
/* Unloaded ones stay, so that a late use is a complaint and no crash. */
struct CUlib_st {
    void                                             *code;
    bool                                              dead;
    std::map<std::string, std::unique_ptr<CUkern_st>> kernels;
};

namespace
{

std::map<std::string, void *> &images = *new std::map<std::string, void *>(); /* by their bytes: never closed */
std::set<cudaLibrary_t>       &libraries = *new std::set<cudaLibrary_t>();

bool live(cudaLibrary_t l) { return libraries.count(l) && !l->dead; }

/* The library of a kernel, or NULL. */
cudaLibrary_t owner(const void *kernel)
{
    for (cudaLibrary_t l : libraries)
        for (auto &k : l->kernels)
            if (k.second.get() == kernel) return l;
    return NULL;
}

/* As the driver does, which is given no size either: from the headers. */
size_t size_of(const void *code)
{
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)code;
    return head->e_shoff + (size_t)head->e_shnum * head->e_shentsize;
}

void *open_image(const void *code)
{
    std::string bytes((const char *)code, size_of(code));
    auto        found = images.find(bytes);
    if (found != images.end()) return found->second;
    int         fd = memfd_create("kernels", 0);
    bool        whole = fd >= 0 && write(fd, bytes.data(), bytes.size()) == (ssize_t)bytes.size();
    std::string path = "/proc/self/fd/" + std::to_string(fd);
    void       *lib = whole ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : NULL; /* fd stays: it is the file's name */
    if (lib) images[bytes] = lib;
    return lib;
}

cudaError_t unknown(const char *call, const void *kernel)
{
    cudaLibrary_t l = owner(kernel);
    if (!l) return wrong(cudaErrorInvalidDeviceFunction, "%s: no such kernel of a library", call);
    return wrong(cudaErrorInvalidResourceHandle, "%s: %s is of a library that was unloaded", call,
                 ((const CUkern_st *)kernel)->name.c_str());
}

} // namespace

void shim::forget_libraries()
{
    for (cudaLibrary_t l : libraries) l->dead = true;
}

int shim::leaked_libraries(bool say)
{
    int n = 0;
    for (cudaLibrary_t l : libraries) n += !l->dead;
    if (n && say) complain("leak: " + std::to_string(n) + " libraries of kernels");
    return n;
}

cudaError_t cudaLibraryLoadData(cudaLibrary_t *library, const void *code, cudaJitOption *, void **, unsigned n_jit,
                                cudaLibraryOption *, void **, unsigned n)
{
    call c(true, cudaErrorMemoryAllocation);
    if (c.error) return c.error;
    if (!library || !code || n_jit || n) return wrong(cudaErrorInvalidValue, "cudaLibraryLoadData: NULL, or options");
    if (forbidden()) return wrong(cudaErrorStreamCaptureUnsupported, "cudaLibraryLoadData while a stream is capturing");
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)code;
    if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0) return keep(cudaErrorInvalidKernelImage);
    if (head->e_machine == EM_CUDA) return keep(cudaErrorNoKernelImageForDevice);
    void *image = open_image(code);
    if (!image) return wrong(cudaErrorInvalidKernelImage, "cudaLibraryLoadData: %s", dlerror());
    *library = new CUlib_st{image, false, {}};
    libraries.insert(*library);
    return cudaSuccess;
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t *kernel, cudaLibrary_t l, const char *name)
{
    call c;
    if (c.error) return c.error;
    if (!live(l)) return wrong(cudaErrorInvalidResourceHandle, "cudaLibraryGetKernel: no such library");
    void *bind = dlsym(l->code, (std::string(name) + "_bind").c_str());
    if (!bind) return wrong(cudaErrorSymbolNotFound, "cudaLibraryGetKernel: there is no %s", name);
    std::unique_ptr<CUkern_st> &k = l->kernels[name];
    if (!k) k.reset(new CUkern_st{name, (bind_function *)bind});
    *kernel = k.get();
    return cudaSuccess;
}

cudaError_t cudaLibraryUnload(cudaLibrary_t l)
{
    call c(false);
    if (!live(l)) return wrong(cudaErrorInvalidResourceHandle, "cudaLibraryUnload: no such library");
    l->dead = true;
    return c.error;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *a, const void *kernel)
{
    call c;
    if (c.error) return c.error;
    cudaLibrary_t l = owner(kernel);
    if (!l || l->dead) return unknown("cudaFuncGetAttributes", kernel);
    *a = cudaFuncAttributes();
    a->maxThreadsPerBlock = 1024;
    a->binaryVersion = 90;
    return cudaSuccess;
}

/* Arguments are those of now; the library must be there when the kernel runs. */
cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t s)
{
    cudaLibrary_t l;
    {
        call c(false);
        l = owner(kernel);
        if (!l || l->dead) return unknown("cudaLaunchKernel", kernel);
    }
    const CUkern_st      *k = (const CUkern_st *)kernel;
    std::function<void()> thread = k->bind(args);
    wg_shim_launch(kernel, k->name.c_str(), grid, block, shared, s, [=]() {
        if (l->dead) {
            complain(k->name + ": its library was unloaded before it ran");
            return broken(cudaErrorIllegalAddress);
        }
        thread();
    });
    return cudaPeekAtLastError();
}
