/* Which kernel serves a table. */
#include "kernels.h"
#include "target.h"

#include <string.h>
#ifdef LS_X86
#include <immintrin.h>
#endif

/* Lays thresholds out as registers.inc.h searches them, and the values by position. */
static void plant(ls_table *table, const ls_tree_kernels *choice, const char *thresholds)
{
    const int size = table->element_size, lanes = choice->lanes, counts = choice->counts;
    const int last = (1 << table->tree_depth) - 1; /* padding, below nothing */
    const int depth = counts && table->tree_depth < 2 ? 2 : table->tree_depth;
    char *to = table->tree;
    table->tree_depth = depth;
    for (int level = 0, levels; level < depth; level += levels) {
        /* As registers.inc.h takes them. */
        levels = !counts ? 1 : level == 0 ? 2 : level == 2 ? 1 : depth - level;
        const int positions = 1 << level, entries = positions > lanes ? positions : lanes;
        const int stride = 1 << (depth - level), step = stride >> levels;
        for (int i = step; i < stride; i += step, to += entries * size)
            for (int p = 0; p < entries; p++) { /* over again: the root fills a register */
                const int from = p % positions * stride + i - 1;
                memcpy(to + (counts ? (entries - p) % entries : p) * size,
                       thresholds + (from < last ? from : last) * size, (size_t)size);
            }
    }
    if (!table->fused)
        return;
    const int entries = 1 << depth > lanes ? 1 << depth : lanes;
    const char *values = (const char *)table->values + table->first * (size_t)size;
    for (int p = 0; p < (int)(table->k - table->first); p++)
        memcpy(table->palette + (counts ? (entries - p) % entries : p) * size, values + p * size,
               (size_t)size);
}

static const ls_tree_kernels *tree_kernels(ls_isa isa, ls_type type)
{
#ifdef LS_X86
    static const ls_tree_kernels *const trees[LS_ISAS] = {NULL, ls_trees_avx2, ls_trees_avx512};
    return trees[isa] ? &trees[isa][type] : NULL;
#else
    (void)isa, (void)type;
    return NULL;
#endif
}

int ls_register_depth(ls_isa isa, ls_type type)
{
    const ls_tree_kernels *kernels = tree_kernels(isa, type);
    return kernels ? kernels->depth : 0;
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

int ls_node_size(ls_isa isa, ls_type type)
{
    const ls_tree_kernels *kernels = tree_kernels(isa, type);
    return !kernels || !kernels->nodes ? 0 : isa == LS_AVX512 ? 64 : 32;
}

int ls_has_packed(ls_isa isa, ls_type type)
{
    const ls_tree_kernels *kernels = tree_kernels(isa, type);
    return kernels && kernels->packed;
}

/* Levels of a search tree that are one level of nodes. */
static int node_depth(ls_isa isa, ls_type type)
{
    int depth = 0;
    while (ls_element_size[type] << depth < ls_node_size(isa, type))
        depth++;
    return depth;
}

int ls_node_levels(ls_isa isa, ls_type type, int depth)
{
    const int each = node_depth(isa, type);
    const int rest = depth - tree_kernels(isa, type)->nodes_depth;
    return rest > each ? (rest + each - 1) / each : 1;
}

/* Finds the levels, each after the one below. */
static void plant_nodes(ls_table *table, ls_isa isa)
{
    const ls_tree_kernels *kernels = tree_kernels(isa, table->type);
    const int each = node_depth(isa, table->type);
    const char *thresholds = table->thresholds;
    size_t bytes = (size_t)table->element_size << table->depth;
    table->kernel = kernels->nodes;
    table->node_levels = ls_node_levels(isa, table->type, table->depth);
    table->tree_depth = table->depth - table->node_levels * each;
    for (int level = 0; level < table->node_levels; level++) {
        table->nodes[level] = thresholds;
        thresholds += bytes;
        bytes >>= each;
    }
    plant(table, kernels, thresholds);
}

void ls_table_choose(ls_table *table, ls_isa isa, ls_method method)
{
    table->element_size = ls_element_size[table->type];
    table->fused = 0;
    table->reverse = ls_reverse_bytes;
    table->put_where = ls_put_where_portable;
#ifdef LS_X86
    if (isa >= LS_AVX2)
        table->reverse = ls_reverse_bytes_avx2;
    if (isa == LS_AVX512)
        table->put_where = ls_put_where_avx512;
#endif
    if (method == LS_PATTERNS) {
        table->kernel = pattern_kernel(table, isa);
        table->fused = 1;
    } else if (method == LS_REGISTERS) {
        const ls_tree_kernels *kernels = tree_kernels(isa, table->type);
        table->kernel = kernels->search;
        table->fused = table->values && table->value_size == table->element_size
                    && 1 << table->depth <= kernels->values;
        table->tree_depth = table->depth;
        plant(table, kernels, table->thresholds);
    } else if (method == LS_NODES)
        plant_nodes(table, isa);
    else if (method == LS_PACKED)
        table->kernel = tree_kernels(isa, table->type)->packed;
    else if (method == LS_GRID)
        table->kernel = ls_grid_search[table->type];
    else
        table->kernel = (method == LS_COUNT ? ls_count : ls_search)[table->type];
}

void ls_end_streaming(void)
{
#ifdef LS_X86
    _mm_sfence();
#endif
}

#if defined(LS_X86) && defined(_MSC_VER)

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
    const int avx2 = has(7, 1, 5) && has(7, 1, 3) && has(7, 1, 8) && has(1, 2, 23) /* BMI, POPCNT */
                  && (enabled & 0x06) == 0x06;
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
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi")
        || !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("popcnt"))
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
