/* What residuals of the brightness are worth: see refinement/match_noise.py. */
#include "kernels.h"

/* One over the variance of n residuals, less of an outlier (Geman and McClure).
 *
 * The variance is grey / contrast² + share + steep · change²; outlier: its square is where a
 * residual begins to be one, in variances; pixels share one value of the noise. */
LUNAR_PUBLIC int lunar_match_weight(const float *restrict residual, const float *restrict contrast,
                                    const float *restrict change, double grey, double share,
                                    double steep, double outlier, double pixels, ptrdiff_t n,
                                    float *restrict weight) {
    float g = (float)grey, s = (float)share, c = (float)steep, many = (float)pixels;
    float less = (float)(1 / (outlier * outlier));
    for (ptrdiff_t i = 0; i < n; i++) {
        float variance = c * (change[i] * change[i]) + s + g / (contrast[i] * contrast[i]);
        float outlying = 1 + less * (residual[i] * residual[i]) / variance;
        weight[i] = 1 / (outlying * outlying * variance * many);
    }
    return DONE;
}
