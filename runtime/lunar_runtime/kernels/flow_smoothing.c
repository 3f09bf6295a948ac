/* A dense flow that fits two images and itself better (Brox et al. 2004): brightness and its
 * changes stay along the flow, and the flow is even, each up to outliers.
 *
 * Fields have a row and a column more at every side. */
#include "flow_grid.h"

#include <string.h>

/* Weights of the flow's evenness, of the brightness and of its changes. */
static const float EVEN = 20, BRIGHT = 5, CHANGE = 10;
static const float OUTLIER = 2e-2f; /* pixels: misses of less count by their square */
static const float LEAST = 0.1f;    /* grey levels: a change of less tells no place */
enum { SWEEPS = 5 };                /* of successive overrelaxation, in every step */
static const float BEYOND = 1.6f;   /* of a correction, how far it goes */

typedef struct {
    ptrdiff_t height, width, apart;
    float *bright, *changed;            /* mean of both images, and how the other differs */
    float *u, *v;                       /* corrections of the flow */
    float *even;                        /* weights of the steps to the right and down */
    float *inverse_u, *inverse_v, *uv;  /* of the normal equations at each pixel */
    float *pull_u, *pull_v;             /* what they ask for */
    float *step_u, *step_v, *alternate; /* of a row */
} Fields;

enum { FIELDS = 10, ROWS = 3 };

ptrdiff_t smoothing_floats(ptrdiff_t height, ptrdiff_t width) {
    return FIELDS * (height + 2) * (width + 2) + ROWS * (width + 2);
}

static Fields fields_of(const FlowGrid *g, float *work) {
    Fields f = {.height = g->height, .width = g->width, .apart = g->width + 2};
    float **fields[] = {&f.bright,    &f.changed,   &f.u,  &f.v,      &f.even,
                        &f.inverse_u, &f.inverse_v, &f.uv, &f.pull_u, &f.pull_v};
    float *next = work;
    memset(next, 0, (size_t)smoothing_floats(g->height, g->width) * sizeof(float));
    for (int k = 0; k < FIELDS; k++) {
        *fields[k] = next + f.apart + 1; /* its first pixel */
        next += (g->height + 2) * f.apart;
    }
    f.step_u = next;
    f.step_v = next + f.apart;
    f.alternate = next + 2 * f.apart;
    for (ptrdiff_t x = 0; x < f.width + 1; x++)
        f.alternate[x] = x % 2 ? 0 : BEYOND;
    return f;
}

/* The other image along the flow, beside the one; their edges repeat themselves. */
static void meet(const FlowGrid *g, const Fields *f) {
    ptrdiff_t apart = g->width + 2 * AROUND;
    for (ptrdiff_t y = 0; y < f->height; y++) {
        float *bright = f->bright + y * f->apart, *changed = f->changed + y * f->apart;
        for (ptrdiff_t x = 0; x < f->width; x++) {
            ptrdiff_t at = y * f->width + x;
            float top = place_in((float)y + g->v[at], f->height);
            float left = place_in((float)x + g->u[at], f->width);
            ptrdiff_t row = (ptrdiff_t)top, column = (ptrdiff_t)left;
            float down = top - (float)row, along = left - (float)column;
            const float *upper = g->other + row * apart + column, *lower = upper + apart;
            float above = upper[0] + along * (upper[1] - upper[0]);
            float below = lower[0] + along * (lower[1] - lower[0]);
            float there = above + down * (below - above);
            bright[x] = 0.5f * (there + g->one[at]);
            changed[x] = there - g->one[at];
        }
        for (int part = 0; part < 2; part++) {
            float *row = part ? changed : bright;
            row[-1] = row[0];
            row[f->width] = row[f->width - 1];
        }
    }
    size_t row = (size_t)f->apart * sizeof(float);
    for (int part = 0; part < 2; part++) {
        float *first = (part ? f->changed : f->bright) - 1;
        memcpy(first - f->apart, first, row);
        memcpy(first + f->height * f->apart, first + (f->height - 1) * f->apart, row);
    }
}

/* A row of a grid, as both passes over it see it. */
typedef struct {
    ptrdiff_t apart, up, down; /* to the next row of fields, and of the flow if there is one */
    float above, below;        /* 1 where there is a row */
    const float *u, *v;        /* the flow */
    const float *bright, *changed, *du, *dv;
    float *even, *inverse_u, *inverse_v, *uv, *pull_u, *pull_v;
} Row;

static Row row_of(const FlowGrid *g, const Fields *f, ptrdiff_t y) {
    ptrdiff_t at = y * f->apart, from = y * f->width, more = y + 1 < f->height;
    Row row = {f->apart,
               y > 0 ? f->width : 0,
               more ? f->width : 0,
               y > 0,
               (float)more,
               g->u + from,
               g->v + from,
               f->bright + at,
               f->changed + at,
               f->u + at,
               f->v + at,
               f->even + at,
               f->inverse_u + at,
               f->inverse_v + at,
               f->uv + at,
               f->pull_u + at,
               f->pull_v + at};
    return row;
}

/* Weights of the steps from some pixels to the right, `next` pixels on, and down: less where the
 * flow breaks. */
LUNAR_LOOP weigh_steps(const Row *r, ptrdiff_t from, ptrdiff_t to, ptrdiff_t next) {
    const float *restrict u = r->u, *restrict v = r->v;
    const float *restrict du = r->du, *restrict dv = r->dv;
    const float *restrict lower_u = u + r->down, *restrict lower_v = v + r->down;
    const float *restrict lower_du = du + (r->down ? r->apart : 0);
    const float *restrict lower_dv = dv + (r->down ? r->apart : 0);
    float *restrict even = r->even;
    for (ptrdiff_t x = from; x < to; x++) {
        float here_u = u[x] + du[x], here_v = v[x] + dv[x];
        float right_u = (u[x + next] + du[x + next]) - here_u;
        float right_v = (v[x + next] + dv[x + next]) - here_v;
        float down_u = (lower_u[x] + lower_du[x]) - here_u;
        float down_v = (lower_v[x] + lower_dv[x]) - here_v;
        even[x] = EVEN / sqrtf((right_u * right_u + right_v * right_v) +
                               (down_u * down_u + down_v * down_v) + OUTLIER * OUTLIER);
    }
}

/* What some pixels ask for by themselves, and by the evenness of the flow so far; with one to the
 * left (`last`) and to the right (`next`), or 0. */
LUNAR_LOOP ask(const Row *r, ptrdiff_t from, ptrdiff_t to, ptrdiff_t last, ptrdiff_t next) {
    const float *restrict m = r->bright, *restrict m_up = m - r->apart;
    const float *restrict m_down = m + r->apart;
    const float *restrict t = r->changed, *restrict t_up = t - r->apart;
    const float *restrict t_down = t + r->apart;
    const float *restrict du = r->du, *restrict dv = r->dv, *restrict even = r->even;
    const float *restrict even_up = even - r->apart;
    const float *restrict u = r->u, *restrict u_up = u - r->up, *restrict u_down = u + r->down;
    const float *restrict v = r->v, *restrict v_up = v - r->up, *restrict v_down = v + r->down;
    float *restrict uv = r->uv, *restrict inverse_u = r->inverse_u;
    float *restrict inverse_v = r->inverse_v, *restrict pull_u = r->pull_u;
    float *restrict pull_v = r->pull_v;
    const float least = LEAST * LEAST, outlier = OUTLIER * OUTLIER;
    const float with_right = next ? 1 : 0, with_left = last ? 1 : 0;
    const float with_below = r->below, with_above = r->above;
    for (ptrdiff_t x = from; x < to; x++) {
        float mx = 0.5f * (m[x + 1] - m[x - 1]), my = 0.5f * (m_down[x] - m_up[x]);
        float mxx = (m[x + 1] - m[x]) + (m[x - 1] - m[x]);
        float myy = (m_down[x] - m[x]) + (m_up[x] - m[x]);
        float mxy = 0.25f * ((m_down[x + 1] - m_down[x - 1]) - (m_up[x + 1] - m_up[x - 1]));
        float tx = 0.5f * (t[x + 1] - t[x - 1]), ty = 0.5f * (t_down[x] - t_up[x]);
        float miss = t[x] + (mx * du[x] + my * dv[x]);
        float size = 1 / ((mx * mx + my * my) + least);
        float weight = BRIGHT * size / sqrtf(miss * miss * size + outlier);
        float miss_x = tx + (mxx * du[x] + mxy * dv[x]), miss_y = ty + (mxy * du[x] + myy * dv[x]);
        float size_x = 1 / ((mxx * mxx + mxy * mxy) + least);
        float size_y = 1 / ((mxy * mxy + myy * myy) + least);
        float changing =
            CHANGE / sqrtf((miss_x * miss_x * size_x + miss_y * miss_y * size_y) + outlier);
        float weight_x = changing * size_x, weight_y = changing * size_y;
        float uu = weight * (mx * mx) + (weight_x * (mxx * mxx) + weight_y * (mxy * mxy));
        float vv = weight * (my * my) + (weight_x * (mxy * mxy) + weight_y * (myy * myy));
        float asked_u = weight * (mx * t[x]) + (weight_x * (mxx * tx) + weight_y * (mxy * ty));
        float asked_v = weight * (my * t[x]) + (weight_x * (mxy * tx) + weight_y * (myy * ty));
        float right = with_right * even[x], left = with_left * even[x - 1];
        float below = with_below * even[x], above = with_above * even_up[x];
        float joined = (right + left) + (below + above);
        uv[x] = weight * (mx * my) + mxy * (weight_x * mxx + weight_y * myy);
        inverse_u[x] = 1 / (uu + joined);
        inverse_v[x] = 1 / (vv + joined);
        pull_u[x] = ((right * (u[x + next] - u[x]) + left * (u[x - last] - u[x])) +
                     (below * (u_down[x] - u[x]) + above * (u_up[x] - u[x]))) -
                    asked_u;
        pull_v[x] = ((right * (v[x + next] - v[x]) + left * (v[x - last] - v[x])) +
                     (below * (v_down[x] - v[x]) + above * (v_up[x] - v[x]))) -
                    asked_v;
    }
}

static void linearise(const FlowGrid *g, const Fields *f) {
    ptrdiff_t end = f->width - 1;
    for (ptrdiff_t y = 0; y < f->height; y++) {
        Row row = row_of(g, f, y);
        weigh_steps(&row, 0, end, 1);
        weigh_steps(&row, end, end + 1, 0);
    }
    for (ptrdiff_t y = 0; y < f->height; y++) {
        Row row = row_of(g, f, y);
        ask(&row, 0, 1, 0, 1);
        ask(&row, 1, end, 1, 1);
        ask(&row, end, end + 1, 1, 0);
    }
}

/* What half a sweep adds to a row: to every second pixel, by its neighbours. */
LUNAR_LOOP steps_of(const Fields *f, ptrdiff_t y, ptrdiff_t first) {
    ptrdiff_t at = y * f->apart, apart = f->apart;
    const float *restrict u = f->u + at, *restrict u_up = u - apart, *restrict u_down = u + apart;
    const float *restrict v = f->v + at, *restrict v_up = v - apart, *restrict v_down = v + apart;
    const float *restrict even = f->even + at, *restrict even_up = even - apart;
    const float *restrict uv = f->uv + at;
    const float *restrict inverse_u = f->inverse_u + at, *restrict inverse_v = f->inverse_v + at;
    const float *restrict pull_u = f->pull_u + at, *restrict pull_v = f->pull_v + at;
    const float *restrict share = f->alternate + first;
    float *restrict step_u = f->step_u, *restrict step_v = f->step_v;
    for (ptrdiff_t x = 0; x < f->width; x++) {
        float there_u =
            (even[x] * (u[x + 1] + u_down[x]) + even[x - 1] * u[x - 1]) + even_up[x] * u_up[x];
        float there_v =
            (even[x] * (v[x + 1] + v_down[x]) + even[x - 1] * v[x - 1]) + even_up[x] * v_up[x];
        float du = share[x] * (inverse_u[x] * (pull_u[x] + (there_u - uv[x] * v[x])) - u[x]);
        step_u[x] = du;
        step_v[x] =
            share[x] * (inverse_v[x] * (pull_v[x] + (there_v - uv[x] * (u[x] + du))) - v[x]);
    }
}

LUNAR_LOOP relax(const Fields *f, ptrdiff_t y, ptrdiff_t first) {
    float *restrict u = f->u + y * f->apart, *restrict v = f->v + y * f->apart;
    const float *restrict step_u = f->step_u, *restrict step_v = f->step_v;
    steps_of(f, y, first);
    for (ptrdiff_t x = 0; x < f->width; x++) {
        u[x] += step_u[x];
        v[x] += step_v[x];
    }
}

void smooth_flow(const FlowGrid *g, float *work, int steps) {
    if (steps < 1)
        return;
    Fields f = fields_of(g, work);
    meet(g, &f);
    for (int step = 0; step < steps; step++) {
        linearise(g, &f);
        /* Each half a row behind the one before: as if one came after the other, but in the cache.
         */
        for (ptrdiff_t turn = 0; turn < f.height + 2 * SWEEPS - 1; turn++)
            for (int half = 0; half < 2 * SWEEPS; half++) {
                ptrdiff_t y = turn - half;
                if (y >= 0 && y < f.height)
                    relax(&f, y, (y + half) % 2);
            }
    }
    for (ptrdiff_t y = 0; y < f.height; y++)
        for (ptrdiff_t x = 0; x < f.width; x++) {
            g->u[y * f.width + x] += f.u[y * f.apart + x];
            g->v[y * f.width + x] += f.v[y * f.apart + x];
        }
}
