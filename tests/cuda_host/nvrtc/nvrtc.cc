/* nvrtc.cc - NVRTC on the host: what it gives for a cubin is a shared object
 * that the shim's cudaLibraryLoadData takes.
 *
 * Compiles by $CXX with the shim's headers, which it looks for in
 * tests/cuda_host, and links with the shim that lies beside it. */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <unistd.h>

enum { SUCCESS, OUT_OF_MEMORY, CREATION_FAILURE, INVALID_INPUT, INVALID_PROGRAM, INVALID_OPTION, COMPILATION };

struct program {
    std::string source, log, cubin;
};

/* Gives the call of one thread, with copies of its arguments. */
static const char binder[] =
    "\ntemplate <class... P> static std::function<void()> wg_call_of(void (*k)(P...), P... p)\n"
    "{\n    return [=]() { k(p...); };\n}\n"
    "template <class... P, size_t... I>\n"
    "static std::function<void()> wg_bind(void (*k)(P...), void **args, std::index_sequence<I...>)\n"
    "{\n    return wg_call_of<P...>(k, *(P *)args[I]...);\n}\n"
    "template <class... P> static std::function<void()> wg_bind(void (*k)(P...), void **args)\n"
    "{\n    return wg_bind(k, args, std::index_sequence_for<P...>());\n}\n";

static std::string with_binders(const std::string &source)
{
    static const std::regex kernel("extern \"C\" __global__ void(?: __launch_bounds__\\([^)]*\\))? (\\w+)\\(");
    std::string             text = source + binder;
    for (std::sregex_iterator i(source.begin(), source.end(), kernel), end; i != end; ++i)
        text += "extern \"C\" std::function<void()> " + (*i)[1].str() + "_bind(void **args) { return wg_bind(" +
                (*i)[1].str() + ", args); }\n";
    return text;
}

static std::string contents(const std::string &path)
{
    std::ifstream f(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(f), std::istreambuf_iterator<char>());
}

static std::string folder()
{
    Dl_info     here;
    std::string path = dladdr((void *)folder, &here) ? here.dli_fname : "";
    return path.substr(0, path.rfind('/') + 1);
}

static std::string env(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static bool compile(program *p)
{
    char base[] = "/tmp/wg-nvrtc-XXXXXX";
    if (!mkdtemp(base)) return false;
    std::string in = std::string(base) + "/loop.cc", out = std::string(base) + "/loop.so", log = in + ".log";
    std::ofstream(in) << with_binders(p->source);
    std::string command = env("CXX", "c++") + " -std=c++17 -O1 -w -fPIC -shared -pthread -ffp-contract=off " +
                          env("SANITIZE", "") + " -DWG__CUDA_HOST -Itests/cuda_host -include cuda_runtime.h -o " + out +
                          " " + in + " " + folder() + "libwengert-cuda-host.so > " + log + " 2>&1";
    bool good = system(command.c_str()) == 0;
    p->log = contents(log);
    if (good) p->cubin = contents(out);
    unlink(in.c_str()), unlink(out.c_str()), unlink(log.c_str()), rmdir(base);
    return good && !p->cubin.empty();
}

extern "C" {

/* WG_SHIM_NVRTC_MINOR: as if another release were there. */
int nvrtcVersion(int *major, int *minor)
{
    return *major = 13, *minor = atoi(env("WG_SHIM_NVRTC_MINOR", "0").c_str()), SUCCESS;
}

int nvrtcCreateProgram(program **p, const char *source, const char *, int headers, const char *const *,
                       const char *const *)
{
    if (!p || !source || headers) return INVALID_INPUT;
    *p = new program{source, "", ""};
    return SUCCESS;
}

int nvrtcCompileProgram(program *p, int n, const char *const *option)
{
    bool arch = false, no_contraction = false, flushes = false;
    for (int i = 0; i < n; i++) {
        arch |= !strncmp(option[i], "--gpu-architecture=sm_", 22);
        no_contraction |= !strcmp(option[i], "--fmad=false");
        flushes |= !strcmp(option[i], "--ftz=true");
    }
    if (!p) return INVALID_PROGRAM;
    if (!arch || !no_contraction || !flushes) return p->log = "options are missing", INVALID_OPTION;
    return compile(p) ? SUCCESS : COMPILATION;
}

int nvrtcGetProgramLogSize(program *p, size_t *n) { return *n = p->log.size() + 1, SUCCESS; }
int nvrtcGetProgramLog(program *p, char *log) { return memcpy(log, p->log.c_str(), p->log.size() + 1), SUCCESS; }
int nvrtcGetCUBINSize(program *p, size_t *n) { return *n = p->cubin.size(), *n ? SUCCESS : INVALID_PROGRAM; }
int nvrtcGetCUBIN(program *p, char *code) { return memcpy(code, p->cubin.data(), p->cubin.size()), SUCCESS; }
int nvrtcDestroyProgram(program **p) { return delete *p, *p = NULL, SUCCESS; }

} // extern "C"
