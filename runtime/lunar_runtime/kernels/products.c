/* Scalar products of fields, for geometry/products.py. */
#include "kernels.h"

/* Of n numbers each, into found. */
LUNAR_PUBLIC int lunar_dot(const float *a, const float *b, ptrdiff_t n, double *found) {
    *found = dot(a, b, n);
    return DONE;
}
