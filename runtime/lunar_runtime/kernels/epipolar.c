/* From a depth to the right pixel and back: see geometry/epipolar.py.
 *
 * Fields are (height, width) of the left image. camera: (3, 4), what gives the homogeneous right
 * pixel at infinity by the left ray's x and y and 1, and at depth zero. x: (width,) and y:
 * (height,) of the rays. Nothing is seen behind the right camera: NaN. */
#include "kernels.h"

#include <math.h>

static const float NEAREST = 1e-6f; /* Z in baselines below which a point has no pixel */

/* Of one row, the homogeneous pixel at infinity. */
typedef struct {
    float by_x[3], rest[3], near[3];
} Row;

static Row row_of(const float *camera, float y) {
    Row row;
    for (int k = 0; k < 3; k++) {
        row.by_x[k] = camera[4 * k];
        row.rest[k] = camera[4 * k + 1] * y + camera[4 * k + 2];
        row.near[k] = camera[4 * k + 3];
    }
    return row;
}

static inline float inverse_of(float z) {
    return 1 / (z > NEAREST ? z : NAN);
}

/* Pixels u and v at an inverse depth, baseline / Z. */
LUNAR_PUBLIC int lunar_project(const float *camera, const float *restrict x, const float *y,
                               const float *depth, ptrdiff_t height, ptrdiff_t width, float *u,
                               float *v) {
    for (ptrdiff_t i = 0; i < height; i++) {
        const Row row = row_of(camera, y[i]);
        const float *restrict d = depth + i * width;
        float *restrict to_u = u + i * width, *restrict to_v = v + i * width;
        for (ptrdiff_t j = 0; j < width; j++) {
            float z = d[j] * row.near[2] + (row.by_x[2] * x[j] + row.rest[2]);
            float inverse = inverse_of(z);
            to_u[j] = (d[j] * row.near[0] + (row.by_x[0] * x[j] + row.rest[0])) * inverse;
            to_v[j] = (d[j] * row.near[1] + (row.by_x[1] * x[j] + row.rest[1])) * inverse;
        }
    }
    return DONE;
}

/* The same, and how far they move by the inverse depth. */
LUNAR_PUBLIC int lunar_follow(const float *camera, const float *restrict x, const float *y,
                              const float *depth, ptrdiff_t height, ptrdiff_t width, float *u,
                              float *v, float *du, float *dv) {
    for (ptrdiff_t i = 0; i < height; i++) {
        const Row row = row_of(camera, y[i]);
        const float *restrict d = depth + i * width;
        float *restrict to_u = u + i * width, *restrict to_v = v + i * width;
        float *restrict to_du = du + i * width, *restrict to_dv = dv + i * width;
        for (ptrdiff_t j = 0; j < width; j++) {
            float z = d[j] * row.near[2] + (row.by_x[2] * x[j] + row.rest[2]);
            float inverse = inverse_of(z);
            float at_u = (d[j] * row.near[0] + (row.by_x[0] * x[j] + row.rest[0])) * inverse;
            float at_v = (d[j] * row.near[1] + (row.by_x[1] * x[j] + row.rest[1])) * inverse;
            to_u[j] = at_u;
            to_v[j] = at_v;
            to_du[j] = (row.near[0] - at_u * row.near[2]) * inverse;
            to_dv[j] = (row.near[1] - at_v * row.near[2]) * inverse;
        }
    }
    return DONE;
}

/* The inverse depth whose right pixel is nearest to u and v. */
LUNAR_PUBLIC int lunar_triangulate(const float *camera, const float *restrict x, const float *y,
                                   const float *u, const float *v, ptrdiff_t height,
                                   ptrdiff_t width, float *depth) {
    for (ptrdiff_t i = 0; i < height; i++) {
        const Row row = row_of(camera, y[i]);
        const float *restrict at_u = u + i * width, *restrict at_v = v + i * width;
        float *restrict d = depth + i * width;
        for (ptrdiff_t j = 0; j < width; j++) {
            float far_z = row.by_x[2] * x[j] + row.rest[2];
            float offset_u = (row.by_x[0] * x[j] + row.rest[0]) - at_u[j] * far_z;
            float offset_v = (row.by_x[1] * x[j] + row.rest[1]) - at_v[j] * far_z;
            float along_u = row.near[0] - at_u[j] * row.near[2];
            float along_v = row.near[1] - at_v[j] * row.near[2];
            float square = along_u * along_u + along_v * along_v;
            d[j] = -(offset_u * along_u + offset_v * along_v) / (square < 1e-30f ? 1e-30f : square);
        }
    }
    return DONE;
}

/* What `lunar_follow` gives, n numbers each, to half a pixel along the epipolar line, in place.
 *
 * u, v: become pixels as OpenCV counts them, -9 where there is none. du, dv: become the step, 0
 * where there is none. pixels: how far they were. inside: 1 where a pixel is `margin` and more from
 * the edges of the right image, right_width by right_height. */
LUNAR_PUBLIC int lunar_half_steps(float *restrict u, float *restrict v, float *restrict du,
                                  float *restrict dv, ptrdiff_t n, double margin,
                                  ptrdiff_t right_height, ptrdiff_t right_width,
                                  float *restrict pixels, unsigned char *restrict inside) {
    float least = (float)margin;
    float most_u = (float)right_width - least, most_v = (float)right_height - least;
    for (ptrdiff_t i = 0; i < n; i++) {
        float length = sqrtf(du[i] * du[i] + dv[i] * dv[i]), half = 0.5f / length;
        float step_u = du[i] * half, step_v = dv[i] * half;
        inside[i] = (u[i] > least) & (v[i] > least) & (u[i] < most_u) & (v[i] < most_v);
        pixels[i] = length;
        du[i] = step_u == step_u ? step_u : 0;
        dv[i] = step_v == step_v ? step_v : 0;
        u[i] = u[i] == u[i] ? u[i] - 0.5f : -9;
        v[i] = v[i] == v[i] ? v[i] - 0.5f : -9;
    }
    return DONE;
}
