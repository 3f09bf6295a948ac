/* Sampson distances for refinement/sampson.py. left, right: (3, n) rays; E: (3, 3) essential
 * matrix; focal: pixels. */
#include "sampson.h"

/* (n,) signed distances, pixels. */
LUNAR_PUBLIC int lunar_sampson(const double *left, const double *right, const double *E,
                               double focal, ptrdiff_t n, double *found) {
    Matches matches = matches_of(left, right, focal, n);
    distances(&matches, E, 0, n, found);
    return DONE;
}

/* (5, n) their derivatives by five steps of the pose, which change E by changes, (5, 3, 3). */
LUNAR_PUBLIC int lunar_sampson_derivative(const double *left, const double *right, const double *E,
                                          const double *changes, double focal, ptrdiff_t n,
                                          double *found) {
    Matches matches = matches_of(left, right, focal, n);
    for (int step = 0; step < STEPS; step++)
        derivative(&matches, E, changes + 9 * step, 0, n, found + step * n);
    return DONE;
}
