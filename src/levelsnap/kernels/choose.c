/* Which kernel serves a table. */
#include "kernels.h"
#include "target.h"

#include <string.h>

/* A threshold as a lane of a register: 16-bit ones may be searched in 32-bit lanes. */
static void copy_lane(char *to, int lane_size, const char *threshold, ls_type type)
{
    if (lane_size == ls_element_size[type])
        memcpy(to, threshold, (size_t)lane_size);
    else {
        int16_t narrow;
        memcpy(&narrow, threshold, sizeof narrow);
        const int32_t wide = type == LS_UINT16 ? (uint16_t)narrow : narrow;
        memcpy(to, &wide, sizeof wide);
    }
}

/* Lays the thresholds out by level of the search, and the values by position. */
static void plant(ls_table *table, const ls_register_kernel *choice)
{
    const int size = table->element_size;
    const char *thresholds = table->thresholds;
    char *to = table->tree;
    const int levels = choice->depth - choice->in_memory;
    for (int level = 0; level < table->depth && level < levels; level++) {
        const int entries = 1 << level, stride = 1 << (table->depth - level);
        const int lanes = entries < choice->lanes ? choice->lanes : entries;
        for (int p = 0; p < lanes; p++) /* the lone root fills its register */
            if (p < entries || level == 0) {
                const int from = (level == 0 ? 0 : p * stride) + stride / 2 - 1;
                copy_lane(to + p * choice->lane_size, choice->lane_size, thresholds + from * size,
                          table->type);
            }
        to += lanes * choice->lane_size;
    }
    if (table->fused)
        memcpy(table->palette, (const char *)table->values + table->first * (size_t)size,
               (table->k - table->first) * (size_t)size);
}

static const ls_register_kernel *register_kernel(ls_isa isa, ls_type type)
{
#ifdef LS_X86
    static const ls_register_kernel *const registers[LS_ISAS] = {NULL, ls_registers_avx2,
                                                                 ls_registers_avx512};
    return registers[isa] && registers[isa][type].kernel ? &registers[isa][type] : NULL;
#else
    (void)isa, (void)type;
    return NULL;
#endif
}

int ls_register_depth(ls_isa isa, ls_type type)
{
    const ls_register_kernel *kernel = register_kernel(isa, type);
    return kernel ? kernel->depth : 0;
}

static ls_kernel *pattern_kernel(const ls_table *table, ls_isa isa)
{
#ifdef LS_X86
    const int bytes = table->element_size == 1 && table->label_size == 1
                   && (!table->values || table->value_size == 1);
    if (bytes && isa == LS_AVX512 && ls_has_vbmi())
        return ls_bytes_vbmi;
    if (bytes && isa >= LS_AVX2)
        return ls_bytes_avx2;
#else
    (void)table, (void)isa;
#endif
    return ls_by_pattern;
}

static ls_kernel *grid_kernel(ls_isa isa, ls_type type)
{
#ifdef LS_X86
    if (isa == LS_AVX512)
        return ls_grid_search_avx512[type];
#else
    (void)isa;
#endif
    return ls_grid_search[type];
}

void ls_table_choose(ls_table *table, ls_isa isa, ls_method method)
{
    table->element_size = ls_element_size[table->type];
    table->fused = 0;
    if (method == LS_PATTERNS) {
        table->kernel = pattern_kernel(table, isa);
        table->fused = 1;
    } else if (method == LS_REGISTERS) {
        const ls_register_kernel *registers = register_kernel(isa, table->type);
        table->kernel = registers->kernel;
        table->fused = table->values && table->value_size == table->element_size
                    && 1 << table->depth <= registers->values;
        plant(table, registers);
    } else if (method == LS_GRID)
        table->kernel = grid_kernel(isa, table->type);
    else
        table->kernel = (method == LS_COUNT ? ls_count : ls_search)[table->type];
}

#if defined(LS_X86) && defined(_MSC_VER)
#include <intrin.h>

static int has(int leaf, int word, int bit)
{
    int words[4];
    __cpuidex(words, leaf, 0);
    return words[word] >> bit & 1;
}

ls_isa ls_best_isa(void)
{
    if (!has(1, 2, 27)) /* OSXSAVE */
        return LS_BASELINE;
    const unsigned long long enabled = _xgetbv(0);
    const int avx2 = has(7, 1, 5) && (enabled & 0x06) == 0x06;
    const int avx512 = has(7, 1, 16) && has(7, 1, 17) && has(7, 1, 30) && has(7, 1, 31)
                    && (enabled & 0xe6) == 0xe6;
    return avx512 && avx2 ? LS_AVX512 : avx2 ? LS_AVX2 : LS_BASELINE;
}

int ls_has_vbmi(void)
{
    return ls_best_isa() == LS_AVX512 && has(7, 2, 1);
}
#elif defined(LS_X86)
/* These look at what the operating system enables too. */
ls_isa ls_best_isa(void)
{
    if (!__builtin_cpu_supports("avx2"))
        return LS_BASELINE;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
                   && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               ? LS_AVX512
               : LS_AVX2;
}

int ls_has_vbmi(void)
{
    return ls_best_isa() == LS_AVX512 && __builtin_cpu_supports("avx512vbmi");
}
#else
ls_isa ls_best_isa(void)
{
    return LS_BASELINE;
}
#endif
