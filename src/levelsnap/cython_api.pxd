# levelsnap for other Cython modules; include/levelsnap.h says what each function does.
#
# Compile with include_dirs=[levelsnap.get_include()].
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t


cdef extern from "levelsnap.h":
    # Once, at the top of the module, as numpy's import_array().
    int levelsnap_import() except -1


cdef extern from "levelsnap.h" nogil:
    const int LEVELSNAP_ABI

    enum:
        LEVELSNAP_UINT8
        LEVELSNAP_UINT16
        LEVELSNAP_INT32
        LEVELSNAP_FLOAT32
        LEVELSNAP_INT64
        LEVELSNAP_FLOAT64

    enum:
        LEVELSNAP_OK
        LEVELSNAP_BAD_DTYPE
        LEVELSNAP_BAD_LABEL_SIZE
        LEVELSNAP_NO_CENTERS
        LEVELSNAP_NOT_FINITE
        LEVELSNAP_NOT_DISTINCT
        LEVELSNAP_TOO_MANY
        LEVELSNAP_BAD_NAN_LABEL
        LEVELSNAP_NO_MEMORY
        LEVELSNAP_NOT_IMPORTED
        LEVELSNAP_FAILED

    const uint32_t LEVELSNAP_NO_LABEL

    ctypedef struct levelsnap_functions:
        int abi
        int (*create)(
            levelsnap_table **table, int dtype, const double *centers, Py_ssize_t k,
            int label_size, uint32_t nan_label,
        ) noexcept nogil
        void (*destroy)(levelsnap_table *table) noexcept nogil
        Py_ssize_t (*ask)(
            const levelsnap_table *table, int dtype, const void *image, Py_ssize_t n,
            void *labels, void *values,
        ) noexcept nogil
        uint32_t (*label)(const levelsnap_table *table, int dtype, const void *x) noexcept nogil

    ctypedef struct levelsnap_table:
        const levelsnap_functions *functions

    int levelsnap_create(
        levelsnap_table **table, int dtype, const double *centers, Py_ssize_t k, int label_size,
        uint32_t nan_label,
    ) noexcept
    void levelsnap_destroy(levelsnap_table *table) noexcept
    const char *levelsnap_message(int error) noexcept

    Py_ssize_t levelsnap_labels_and_snap_uint8(
        const levelsnap_table *table, const uint8_t *image, Py_ssize_t n, void *labels,
        uint8_t *values,
    ) noexcept
    Py_ssize_t levelsnap_labels_and_snap_uint16(
        const levelsnap_table *table, const uint16_t *image, Py_ssize_t n, void *labels,
        uint16_t *values,
    ) noexcept
    Py_ssize_t levelsnap_labels_and_snap_int32(
        const levelsnap_table *table, const int32_t *image, Py_ssize_t n, void *labels,
        int32_t *values,
    ) noexcept
    Py_ssize_t levelsnap_labels_and_snap_float32(
        const levelsnap_table *table, const float *image, Py_ssize_t n, void *labels, float *values,
    ) noexcept
    Py_ssize_t levelsnap_labels_and_snap_int64(
        const levelsnap_table *table, const int64_t *image, Py_ssize_t n, void *labels,
        int64_t *values,
    ) noexcept
    Py_ssize_t levelsnap_labels_and_snap_float64(
        const levelsnap_table *table, const double *image, Py_ssize_t n, void *labels,
        double *values,
    ) noexcept

    uint32_t levelsnap_label_uint8(const levelsnap_table *table, uint8_t x) noexcept
    uint32_t levelsnap_label_uint16(const levelsnap_table *table, uint16_t x) noexcept
    uint32_t levelsnap_label_int32(const levelsnap_table *table, int32_t x) noexcept
    uint32_t levelsnap_label_float32(const levelsnap_table *table, float x) noexcept
    uint32_t levelsnap_label_int64(const levelsnap_table *table, int64_t x) noexcept
    uint32_t levelsnap_label_float64(const levelsnap_table *table, double x) noexcept

    uint8_t levelsnap_snap_uint8(const levelsnap_table *table, uint8_t x) noexcept
    uint16_t levelsnap_snap_uint16(const levelsnap_table *table, uint16_t x) noexcept
    int32_t levelsnap_snap_int32(const levelsnap_table *table, int32_t x) noexcept
    float levelsnap_snap_float32(const levelsnap_table *table, float x) noexcept
    int64_t levelsnap_snap_int64(const levelsnap_table *table, int64_t x) noexcept
    double levelsnap_snap_float64(const levelsnap_table *table, double x) noexcept
