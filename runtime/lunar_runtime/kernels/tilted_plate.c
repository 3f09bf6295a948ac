/* The operator of the thin plate with what brightness says of its tilt: refinement/tilted_plate.py.
 *
 * Row by row: what a row is asked by its neighbours' bends and by the corners above and below. */
#include "kernels.h"

#include <stdlib.h>

typedef struct {
    ptrdiff_t height, width;
    const float *weight, *stiffness; /* (height, width) */
    const float *twist;              /* of the corners, (height - 1, width - 1) */
    /* (count, 3, height - 1, width - 1), of every light: brightness by the differences along both
     * diagonals of a corner, and its information. */
    const float *tilts;
    ptrdiff_t count;
} Plate;

/* Weighted second differences of a row, by steps along it or across rows. */
static void bend(const float *restrict weight, const float *restrict before,
                 const float *restrict row, const float *restrict after, ptrdiff_t width,
                 float *restrict bent) {
    for (ptrdiff_t x = 0; x < width; x++)
        bent[x] = weight[x] * ((before[x] - row[x]) + (after[x] - row[x]));
}

typedef struct {
    float *twisted, *fall, *rise; /* of the corners of a row, with a 0 at both ends */
} Pulls;

/* What the corners between two rows ask of their diagonals. */
static void pull(const Plate *plate, const float *restrict upper, const float *restrict lower,
                 ptrdiff_t y, Pulls pulls) {
    ptrdiff_t corners = plate->width - 1;
    const float *restrict twist = plate->twist + y * corners;
    float *restrict twisted = pulls.twisted, *restrict fall = pulls.fall;
    float *restrict rise = pulls.rise;
    for (ptrdiff_t x = 0; x < corners; x++) {
        twisted[x] = twist[x] * ((lower[x + 1] - lower[x]) - (upper[x + 1] - upper[x]));
        fall[x] = rise[x] = 0;
    }
    for (ptrdiff_t k = 0; k < plate->count; k++) {
        ptrdiff_t size = (plate->height - 1) * corners;
        const float *restrict falling = plate->tilts + 3 * k * size + y * corners;
        const float *restrict rising = falling + size, *restrict information = rising + size;
        for (ptrdiff_t x = 0; x < corners; x++) {
            float bright = information[x] * (falling[x] * (lower[x + 1] - upper[x]) +
                                             rising[x] * (upper[x + 1] - lower[x]));
            fall[x] += falling[x] * bright;
            rise[x] += rising[x] * bright;
        }
    }
}

static double apply(const Plate *plate, const float *e, float *total, float *memory) {
    ptrdiff_t height = plate->height, width = plate->width, apart = width + 2;
    float *rows[8];
    for (int k = 0; k < 8; k++)
        rows[k] = memory + k * apart + 1;
    float *along = rows[0], *bents[3] = {rows[1], rows[2], rows[3]}, *asked = rows[4];
    Pulls pulls = {rows[5], rows[6], rows[7]};
    double energy = 0;
    for (ptrdiff_t y = 0; y < height; y++) {
        const float *restrict row = e + y * width;
        const float *restrict weight = plate->weight + y * width;
        const float *restrict stiffness = plate->stiffness + y * width;
        float *restrict out = total + y * width, *restrict above = bents[0];
        float *restrict here = bents[1], *restrict below = bents[2], *restrict bent = along;
        float *restrict held = asked; /* by the corners above */
        bend(stiffness + 1, row, row + 1, row + 2, width - 2, bent + 1);
        if (y < height - 2)
            bend(stiffness + width, row, row + width, row + 2 * width, width, below);
        else
            for (ptrdiff_t x = 0; x < width; x++)
                below[x] = 0;
        for (ptrdiff_t x = 0; x < width; x++)
            out[x] = weight[x] * row[x] + held[x] + ((above[x] - here[x]) + (below[x] - here[x])) +
                     ((bent[x - 1] - bent[x]) + (bent[x + 1] - bent[x]));
        if (y < height - 1) {
            pull(plate, row, row + width, y, pulls);
            const float *restrict twisted = pulls.twisted, *restrict fall = pulls.fall;
            const float *restrict rise = pulls.rise;
            for (ptrdiff_t x = 0; x < width; x++) {
                out[x] += (twisted[x] - twisted[x - 1]) + (rise[x - 1] - fall[x]);
                held[x] = (twisted[x - 1] - twisted[x]) + (fall[x - 1] - rise[x]);
            }
        }
        energy += dot(row, out, width);
        bents[0] = here;
        bents[1] = below;
        bents[2] = above;
    }
    return energy;
}

static int applied(const Plate *plate, const float *e, float *total, double *energy) {
    if (plate->height < 3 || plate->width < 3)
        return TOO_SMALL;
    float *memory = calloc((size_t)(8 * (plate->width + 2)), sizeof(float));
    if (!memory)
        return NO_MEMORY;
    *energy = apply(plate, e, total, memory);
    free(memory);
    return DONE;
}

/* What the plate makes of a departure e, and eᵀ of that; fields as in Plate. Sides are 3 and more.
 */
LUNAR_PUBLIC int lunar_tilted_plate(const float *e, float *total, const float *weight,
                                    const float *stiffness, const float *twist, const float *tilts,
                                    ptrdiff_t count, ptrdiff_t height, ptrdiff_t width,
                                    double *energy) {
    Plate plate = {height, width, weight, stiffness, twist, tilts, count};
    return applied(&plate, e, total, energy);
}

/* A step of conjugate gradients in a direction, as far as the sum that they minimise falls: `size`
 * is that of the residual. The residual is written once more, scaled; `bent` is work. */
LUNAR_PUBLIC int lunar_tilted_step(const float *direction, float *found, float *residual,
                                   float *bent, const float *scale, float *scaled,
                                   const float *weight, const float *stiffness, const float *twist,
                                   const float *tilts, ptrdiff_t count, ptrdiff_t height,
                                   ptrdiff_t width, double size) {
    Plate plate = {height, width, weight, stiffness, twist, tilts, count};
    double energy;
    int code = applied(&plate, direction, bent, &energy);
    if (code != DONE)
        return code;
    float step = (float)(size / energy);
    for (ptrdiff_t i = 0; i < height * width; i++) {
        found[i] += step * direction[i];
        residual[i] -= step * bent[i];
        scaled[i] = residual[i] * scale[i];
    }
    return DONE;
}

/* The next direction: a preconditioned residual, scaled once more, and as much of the last
 * direction as its size has grown; `size` is the last one, or 0, and then the new one. */
LUNAR_PUBLIC int lunar_next_direction(float *waves, const float *scale, const float *residual,
                                      float *direction, ptrdiff_t n, double *size) {
    for (ptrdiff_t i = 0; i < n; i++)
        waves[i] *= scale[i];
    double last = *size;
    *size = dot(residual, waves, n);
    float kept = last > 0 ? (float)(*size / last) : 0;
    for (ptrdiff_t i = 0; i < n; i++)
        direction[i] = waves[i] + kept * direction[i];
    return DONE;
}
