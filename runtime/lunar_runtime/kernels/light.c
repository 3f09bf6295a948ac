/* The brightness of a surface under a light that was fitted: refinement/light.py. */
#include "kernels.h"

/* Brightness, and its changes by the tilt.
 *
 * C: (20,) coefficients, in the order of Ground.terms. normal: a, b and c of the unit normal, and
 * its length. x, y: of the rays. All are (n,), as are found, by_p and by_q. */
LUNAR_PUBLIC int lunar_light(const float *C, const float *restrict a, const float *restrict b,
                             const float *restrict c, const float *restrict length,
                             const float *restrict x, const float *restrict y, ptrdiff_t n,
                             float *restrict found, float *restrict by_p, float *restrict by_q) {
    for (ptrdiff_t i = 0; i < n; i++) {
        float A = a[i], B = b[i], c_ = c[i], X = x[i], Y = y[i];
        float of_a = C[1] + C[14] * X + C[16] * Y, of_b = C[2] + C[15] * X + C[17] * Y;
        float of_c = C[3] + C[18] * X + C[19] * Y;
        float flat = C[0] + X * (C[9] + C[11] * X + C[12] * Y) + Y * (C[10] + C[13] * Y);
        found[i] = flat + A * (of_a + C[4] * B + C[5] * c_ + C[7] * A) +
                   B * (of_b + C[6] * c_ - C[7] * B) + c_ * (of_c + C[8] * c_);
        float by_a = of_a + C[4] * B + C[5] * c_ + 2 * C[7] * A;
        float by_b = of_b + C[4] * A + C[6] * c_ - 2 * C[7] * B;
        float by_c = of_c + C[5] * A + C[6] * B + 2 * C[8] * c_;
        /* A change D of the normal turns the unit normal n by (D - n (n · D)) / length. */
        float along = A * by_a + B * by_b + c_ * by_c, inverse = 1 / length[i];
        by_p[i] = (by_a - X * by_c - along * (A - X * c_)) * inverse;
        by_q[i] = (by_b - Y * by_c - along * (B - Y * c_)) * inverse;
    }
    return DONE;
}
