/* levelsnap from C, C++ and Cython: nearest levels without Python, from any thread.
 *
 * Call levelsnap_import() once in each C file that makes tables, with the GIL held, where the
 * extension module is initialized. Make a table with levelsnap_create, ask it from any number of
 * threads at once, and end with levelsnap_destroy. Both may be called from any thread, with or without
 * the GIL, and take it meanwhile: hold no lock for which a holder of the GIL may wait.
 *
 * What asks a table allocates nothing, starts no thread, raises nothing and uses the kernels of
 * levelsnap.labels and levelsnap.snap. Images, labels and values are contiguous and aligned as
 * their types are; values may be the image itself, otherwise they do not overlap. Distances are
 * compared exactly, a tie goes to the lower level.
 */
#ifndef LEVELSNAP_H
#define LEVELSNAP_H

#include <Python.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The functions below are only ever added to, and this number raised with them: an extension runs
 * with the levelsnap that it was built with and with every later one. */
#define LEVELSNAP_ABI 1

enum {
    LEVELSNAP_UINT8 = 2,
    LEVELSNAP_UINT16 = 4,
    LEVELSNAP_INT32 = 6,
    LEVELSNAP_FLOAT32 = 8,
    LEVELSNAP_INT64 = 9,
    LEVELSNAP_FLOAT64 = 11
};

enum {
    LEVELSNAP_OK,
    LEVELSNAP_BAD_DTYPE,
    LEVELSNAP_BAD_LABEL_SIZE,
    LEVELSNAP_NO_CENTERS,
    LEVELSNAP_NOT_FINITE,
    LEVELSNAP_NOT_DISTINCT,
    LEVELSNAP_TOO_MANY,
    LEVELSNAP_BAD_NAN_LABEL,
    LEVELSNAP_NO_MEMORY,
    LEVELSNAP_NOT_IMPORTED,
    LEVELSNAP_FAILED
};

/* What levelsnap_label gives for an element of another type than the table's. */
#define LEVELSNAP_NO_LABEL UINT32_MAX

typedef struct levelsnap_table levelsnap_table;

typedef struct {
    int abi;
    int (*create)(levelsnap_table **table, int dtype, const double *centers, Py_ssize_t k,
                  int label_size, uint32_t nan_label);
    void (*destroy)(levelsnap_table *table);
    Py_ssize_t (*ask)(const levelsnap_table *table, int dtype, const void *image, Py_ssize_t n,
                      void *labels, void *values);
    uint32_t (*label)(const levelsnap_table *table, int dtype, const void *x);
} levelsnap_functions;

/* More of a table is not known outside of levelsnap. */
struct levelsnap_table {
    const levelsnap_functions *functions;
};

static const levelsnap_functions *levelsnap_imported = NULL;

/* 0, or -1 with an ImportError set. */
static inline int levelsnap_import(void)
{
    const levelsnap_functions *found;
    PyObject *module = PyImport_ImportModule("levelsnap.cython_api");
    if (!module)
        return -1;
    Py_DECREF(module); /* sys.modules holds it */
    found = (const levelsnap_functions *)PyCapsule_Import("levelsnap.cython_api._C_API", 0);
    if (!found)
        return -1;
    if (found->abi < LEVELSNAP_ABI) {
        PyErr_Format(PyExc_ImportError,
                     "this extension was built for version %d of levelsnap's C interface, and the "
                     "installed levelsnap has version %d: install a newer levelsnap, or build the "
                     "extension again",
                     LEVELSNAP_ABI, found->abi);
        return -1;
    }
    levelsnap_imported = found;
    return 0;
}

/* A table for elements of one type. Centers: 1 to 256, 2^16 or 2^24 of them, for labels of 1, 2 or 4
 * bytes, finite and distinct, in any order. Returns LEVELSNAP_OK or what is wrong; *table is NULL
 * then. NaN gets nan_label. */
static inline int levelsnap_create(levelsnap_table **table, int dtype, const double *centers,
                                   Py_ssize_t k, int label_size, uint32_t nan_label)
{
    *table = NULL;
    return levelsnap_imported ? levelsnap_imported->create(table, dtype, centers, k, label_size,
                                                           nan_label)
                              : LEVELSNAP_NOT_IMPORTED;
}

/* NULL is left alone. */
static inline void levelsnap_destroy(levelsnap_table *table)
{
    if (table)
        table->functions->destroy(table);
}

/* An error in words. */
static inline const char *levelsnap_message(int error)
{
    static const char *const messages[] = {
        "no error",
        "the dtype is not one of LEVELSNAP_UINT8 to LEVELSNAP_FLOAT64",
        "the label size is not 1, 2 or 4 bytes",
        "there are no centers",
        "a center is NaN or infinite",
        "two centers are equal",
        "there are more centers than such labels, or than 2^24",
        "the label for NaN does not fit the label size",
        "out of memory",
        "levelsnap_import() was not called, or failed",
    };
    const int known = (int)(sizeof(messages) / sizeof(*messages));
    return error >= 0 && error < known ? messages[error] : "levelsnap failed";
}

/* For each type:
 *
 * levelsnap_labels_and_snap_TYPE labels and snaps n elements; labels, of the table's size, or values
 * may be NULL. Returns how many elements are NaN: their values stay NaN. -1 if the table is for
 * another type or n is negative.
 *
 * levelsnap_label_TYPE and levelsnap_snap_TYPE do so for one element; of a table for another type
 * they give LEVELSNAP_NO_LABEL and x. */
#define LEVELSNAP_DEFINE(NAME, TYPE, DTYPE)                                                       \
    static inline Py_ssize_t levelsnap_labels_and_snap_##NAME(const levelsnap_table *table,       \
                                                              const TYPE *image, Py_ssize_t n,    \
                                                              void *labels, TYPE *values)         \
    {                                                                                             \
        return table->functions->ask(table, DTYPE, image, n, labels, values);                     \
    }                                                                                             \
    static inline uint32_t levelsnap_label_##NAME(const levelsnap_table *table, TYPE x)           \
    {                                                                                             \
        return table->functions->label(table, DTYPE, &x);                                         \
    }                                                                                             \
    static inline TYPE levelsnap_snap_##NAME(const levelsnap_table *table, TYPE x)                \
    {                                                                                             \
        table->functions->ask(table, DTYPE, &x, 1, NULL, &x);                                     \
        return x;                                                                                 \
    }

LEVELSNAP_DEFINE(uint8, uint8_t, LEVELSNAP_UINT8)
LEVELSNAP_DEFINE(uint16, uint16_t, LEVELSNAP_UINT16)
LEVELSNAP_DEFINE(int32, int32_t, LEVELSNAP_INT32)
LEVELSNAP_DEFINE(float32, float, LEVELSNAP_FLOAT32)
LEVELSNAP_DEFINE(int64, int64_t, LEVELSNAP_INT64)
LEVELSNAP_DEFINE(float64, double, LEVELSNAP_FLOAT64)

#ifdef __cplusplus
}
#endif

#endif
