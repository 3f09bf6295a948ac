/* A pose's fit to matches, by Levenberg and Marquardt: see refinement/relative_pose.py. */
#include "sampson.h"
#include "sums.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128, TRIES = 6 };

/* Starts are near, and what tells poses apart on flat ground is a weak direction. */
static const double FIRST_DAMPING = 1e-6, LEAST_DAMPING = 1e-9;
/* Relative gain of the cost at which a fit ends. */
static const double SETTLED = 1e-6;

/* X_right = R · X_left + t, |t| = 1; as NumPy has them, one after the other. */
typedef struct {
    double R[9], t[3];
} Pose;

static void times(const double A[9], const double B[9], double found[9]) {
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            found[3 * i + j] = A[3 * i] * B[j] + A[3 * i + 1] * B[3 + j] + A[3 * i + 2] * B[6 + j];
}

/* Times w it is v × w. */
static void cross_matrix(const double v[3], double found[9]) {
    const double matrix[9] = {0, -v[2], v[1], v[2], 0, -v[0], -v[1], v[0], 0};
    memcpy(found, matrix, sizeof matrix);
}

static void essential(const Pose *pose, double E[9]) {
    double across[9];
    cross_matrix(pose->t, across);
    times(across, pose->R, E);
}

/* Unit vectors perpendicular to t, as in refinement/sampson.py. */
static void tangents(const double t[3], double first[3], double second[3]) {
    double x = t[0], y = t[1], z = t[2];
    int least = 0;
    for (int k = 1; k < 3; k++)
        if (fabs(t[k]) < fabs(t[least]))
            least = k;
    const double all[3][3] = {{0, z, -y}, {-z, 0, x}, {y, -x, 0}};
    double a = all[least][0], b = all[least][1], c = all[least][2];
    double length = sqrt(a * a + b * b + c * c);
    const double found[2][3] = {{a, b, c}, {y * c - z * b, z * a - x * c, x * b - y * a}};
    for (int k = 0; k < 3; k++) {
        first[k] = found[0][k] / length;
        second[k] = found[1][k] / length;
    }
}

/* Of the essential matrix by the steps of `moved`. */
static void changes_of(const Pose *pose, double changes[STEPS][9]) {
    double across[9], turned[9], matrix[9], sides[2][3];
    cross_matrix(pose->t, across);
    for (int axis = 0; axis < 3; axis++) {
        double unit[3] = {axis == 0, axis == 1, axis == 2};
        cross_matrix(unit, matrix);
        times(matrix, pose->R, turned);
        times(across, turned, changes[axis]);
    }
    tangents(pose->t, sides[0], sides[1]);
    for (int side = 0; side < 2; side++) {
        cross_matrix(sides[side], matrix);
        times(matrix, pose->R, changes[3 + side]);
    }
}

/* Turned by three small angles, its direction moved by two; radians. */
static Pose moved(const Pose *pose, const double step[STEPS]) {
    double angle = sqrt(step[0] * step[0] + step[1] * step[1] + step[2] * step[2]);
    double by_sine = angle > 1e-12 ? sin(angle) / angle : 1;
    double by_square = angle > 1e-6 ? (1 - cos(angle)) / (angle * angle) : 0.5;
    double axis[9], twice[9], turn[9], first[3], second[3];
    cross_matrix(step, axis);
    times(axis, axis, twice);
    for (int k = 0; k < 9; k++)
        turn[k] = (k % 4 == 0) + by_sine * axis[k] + by_square * twice[k];
    Pose found;
    times(turn, pose->R, found.R);
    tangents(pose->t, first, second);
    double length = 0;
    for (int k = 0; k < 3; k++) {
        found.t[k] = pose->t[k] + step[3] * first[k] + step[4] * second[k];
        length += found.t[k] * found.t[k];
    }
    for (int k = 0; k < 3; k++)
        found.t[k] /= sqrt(length);
    return found;
}

/* Sum of Geman and McClure's cost; every outlier costs one. */
static double cost_of(const double *restrict residual, ptrdiff_t n, double width) {
    double sums[SUMS] = {0}, square = width * width;
    ptrdiff_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++) {
            double one = residual[i + k] * residual[i + k];
            sums[k] += one / (one + square);
        }
    double total = sum_of(sums);
    for (; i < n; i++)
        total += residual[i] * residual[i] / (residual[i] * residual[i] + square);
    return total;
}

/* Normal equations of a step, weighted by the cost. */
static void equations(const Matches *of, const Pose *pose, const double *residual, double width,
                      double A[STEPS][STEPS], double b[STEPS]) {
    double E[9], changes[STEPS][9], J[STEPS][BLOCK], weighted[BLOCK], weight[BLOCK];
    essential(pose, E);
    changes_of(pose, changes);
    memset(A, 0, STEPS * STEPS * sizeof(double));
    memset(b, 0, STEPS * sizeof(double));
    for (ptrdiff_t start = 0; start < of->n; start += BLOCK) {
        ptrdiff_t count = of->n - start < BLOCK ? of->n - start : BLOCK;
        for (ptrdiff_t i = 0; i < count; i++) {
            double one = residual[start + i] / width;
            weight[i] = 1 / ((1 + one * one) * (1 + one * one));
        }
        for (int row = 0; row < STEPS; row++)
            derivative(of, E, changes[row], start, count, J[row]);
        for (int row = 0; row < STEPS; row++) {
            for (ptrdiff_t i = 0; i < count; i++)
                weighted[i] = J[row][i] * weight[i];
            for (int other = 0; other <= row; other++)
                A[row][other] += product_of(weighted, J[other], count);
            b[row] += product_of(weighted, residual + start, count);
        }
    }
}

/* Solve (A + damping · its diagonal) step = -b; 0 where that has no Cholesky factor. */
static int step_of(double A[STEPS][STEPS], const double b[STEPS], double damping,
                   double step[STEPS]) {
    double L[STEPS][STEPS];
    for (int i = 0; i < STEPS; i++) {
        double left = -b[i];
        for (int j = 0; j <= i; j++) {
            double rest = A[i][j] * (i == j ? 1 + damping : 1);
            for (int k = 0; k < j; k++)
                rest -= L[i][k] * L[j][k];
            if (i == j && !(rest > 0))
                return 0;
            L[i][j] = i == j ? sqrt(rest) : rest / L[j][j];
        }
        for (int k = 0; k < i; k++)
            left -= L[i][k] * step[k];
        step[i] = left / L[i][i];
    }
    for (int i = STEPS - 1; i >= 0; i--) {
        for (int k = i + 1; k < STEPS; k++)
            step[i] -= L[k][i] * step[k];
        step[i] /= L[i][i];
    }
    return 1;
}

/* Whether a pose is as near to a known one as both cosines say. */
static int came_to_one(const Pose *pose, const double *known, ptrdiff_t count, double least_aside,
                       double least_turned) {
    for (ptrdiff_t i = 0; i < count; i++) {
        const double *R = known + 12 * i, *t = R + 9;
        double along = pose->t[0] * t[0] + pose->t[1] * t[1] + pose->t[2] * t[2], trace = 0;
        for (int k = 0; k < 9; k++)
            trace += pose->R[k] * R[k];
        if (fabs(along) > least_aside && (trace - 1) / 2 >= least_turned)
            return 1;
    }
    return 0;
}

/* Fit a pose to matches.
 *
 * left, right: (3, n) rays. pose: (12,) R and t, the start, and what comes out. width: of the cost,
 * pixels; 0 = `per_sigma` times the matches' own sigma, in every step, which is `finest` at least.
 * known: (count, 12) poses at which a fit on its way ends, where the cosines of the angles to one,
 * between baselines and between turns, are at least so large. found: (2,) the cost and the sigma.
 */
LUNAR_PUBLIC int lunar_fit_pose(const double *left, const double *right, double focal, ptrdiff_t n,
                                double *pose, double width, double per_sigma, double finest,
                                ptrdiff_t iterations, const double *known, ptrdiff_t count,
                                double least_aside, double least_turned, double *found) {
    Matches matches = matches_of(left, right, focal, n);
    double *memory = malloc((size_t)n * (2 * sizeof(double) + sizeof(float)) + 1);
    if (!memory)
        return NO_MEMORY;
    double *residual = memory, *next = memory + n;
    float *work = (float *)(memory + 2 * n);
    double E[9], A[STEPS][STEPS], b[STEPS], step[STEPS], damping = FIRST_DAMPING;
    int measured = !(width > 0);
    Pose now;
    memcpy(&now, pose, sizeof now);
    essential(&now, E);
    distances(&matches, E, 0, n, residual);
    if (measured)
        width = per_sigma * fmax(robust_sigma(residual, n, work), finest);
    double cost = cost_of(residual, n, width);
    for (ptrdiff_t i = 0; i < iterations; i++) {
        if (came_to_one(&now, known, count, least_aside, least_turned))
            break;
        equations(&matches, &now, residual, width, A, b);
        int flat = 0, better = 0;
        for (int k = 0; k < STEPS; k++)
            flat |= !(A[k][k] > 0);
        if (flat)
            break;
        double gained = 0;
        for (int attempt = 0; attempt < TRIES && !better; attempt++) {
            if (step_of(A, b, damping, step)) {
                Pose candidate = moved(&now, step);
                essential(&candidate, E);
                distances(&matches, E, 0, n, next);
                double lower = cost_of(next, n, width);
                if (lower < cost) {
                    double *held = residual;
                    better = 1;
                    gained = cost - lower;
                    now = candidate;
                    residual = next;
                    next = held;
                    cost = lower;
                }
            }
            if (!better)
                damping *= 10;
        }
        if (!better)
            break;
        damping = fmax(damping / 10, LEAST_DAMPING);
        if (measured) {
            width = per_sigma * fmax(robust_sigma(residual, n, work), finest);
            cost = cost_of(residual, n, width);
        }
        if (gained < SETTLED * cost)
            break;
    }
    memcpy(pose, &now, sizeof now);
    found[0] = cost;
    found[1] = fmax(robust_sigma(residual, n, work), finest);
    free(memory);
    return DONE;
}
