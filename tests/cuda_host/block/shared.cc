/* shared.cc - finds __shared__ variables, to fill them before each block.
 *
 * They are thread-local variables of functions, so each has a row in the
 * symbol table of its program or library whose name begins as those of C++
 * function-locals do: that tells them from thread-locals of C. */
#include "shared.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "cuda_host/inside.h"

#ifdef WG_SHIM_ASAN
#include <sanitizer/asan_interface.h>
#endif

alignas(256) thread_local unsigned char wg_shared[shim::SHARED_MAX + 256];
/* The ABI's initialiser of wg_shared: gcc calls it from templates even where there is none. */
extern "C" void wg_shim_nothing(void) __asm__("_ZTH9wg_shared");
extern "C" void wg_shim_nothing(void) {}

namespace shim
{

struct variable {
    std::string module;
    size_t      offset, size;
};
static std::vector<variable> variables;

struct place {
    char  *at;
    size_t size;
};

static void read_symbols(const char *path, const std::string &module)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    struct stat st;
    const char *p = (const char *)MAP_FAILED;
    if (fstat(fd, &st) == 0 && (size_t)st.st_size > sizeof(ElfW(Ehdr)))
        p = (const char *)mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED) return;
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)p;
    const ElfW(Shdr) *section = (const ElfW(Shdr) *)(p + head->e_shoff);
    for (int i = 0; i < head->e_shnum; i++) {
        if (section[i].sh_type != SHT_SYMTAB) continue;
        const ElfW(Sym) *s = (const ElfW(Sym) *)(p + section[i].sh_offset);
        const char *names = p + section[section[i].sh_link].sh_offset;
        for (size_t k = 0; k < section[i].sh_size / sizeof *s; k++)
            if (ELF64_ST_TYPE(s[k].st_info) == STT_TLS && s[k].st_shndx != SHN_UNDEF &&
                strncmp(names + s[k].st_name, "_ZZ", 3) == 0)
                variables.push_back({module, (size_t)s[k].st_value, (size_t)s[k].st_size});
    }
    munmap((void *)p, (size_t)st.st_size);
}

static std::vector<std::string> seen;

static int see(struct dl_phdr_info *m, size_t size, void *context)
{
    (void)size;
    std::vector<place> *found = (std::vector<place> *)context;
    if (!m->dlpi_tls_modid) return 0;
    std::string name = m->dlpi_name ? m->dlpi_name : "";
    bool        known = false;
    for (const std::string &s : seen) known |= s == name;
    if (!known) {
        seen.push_back(name);
        read_symbols(name.empty() ? "/proc/self/exe" : name.c_str(), name);
    }
    if (m->dlpi_tls_data)
        for (const variable &v : variables)
            if (v.module == name) found->push_back({(char *)m->dlpi_tls_data + v.offset, v.size});
    return 0;
}

/* Of the calling thread. */
static const std::vector<place> &places()
{
    static std::vector<place> found;
    static const void        *of;
    if (of != (void *)wg_shared) {
        found.clear();
        dl_iterate_phdr(see, &found);
        of = wg_shared;
    }
    return found;
}

static void close_rest(size_t bytes)
{
#ifdef WG_SHIM_ASAN
    __asan_poison_memory_region(wg_shared + bytes, sizeof wg_shared - bytes);
#else
    (void)bytes;
#endif
}

void poison_shared(size_t bytes)
{
    static size_t last = sizeof wg_shared - 256;
#ifdef WG_SHIM_ASAN
    __asan_unpoison_memory_region(wg_shared, sizeof wg_shared);
#endif
    size_t n = bytes > last ? bytes : last; /* what may have been written */
    memset(wg_shared, 0xff, n + 256);
    last = bytes;
    for (const place &p : places()) memset(p.at, 0xff, p.size);
    close_rest(bytes);
}

const char *check_shared(size_t bytes)
{
#ifdef WG_SHIM_ASAN
    (void)bytes;
#else
    for (size_t i = bytes; i < bytes + 256; i++)
        if (wg_shared[i] != 0xff) return "wrote past the end of its dynamic shared memory";
#endif
    return NULL;
}

} // namespace shim
