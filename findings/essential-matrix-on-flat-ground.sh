#!/usr/bin/env bash
# On nearly flat ground the essential matrix fits every match and names a wrong direction.
#
# Surprise: two views of ground with a relief of 0.2 % of the distance, the pixels good to a
# tenth. findEssentialMat keeps 99 % of the matches or more, also when recoverPose's translation
# is 70 to 90 degrees off. This is geometry, not a fault of the code: a plane has two poses that
# explain it. The share of inliers does not tell them apart, with RANSAC or USAC_MAGSAC.
#
# Hurt: whoever takes the share of inliers as a proof of the pose, over plains or from high above.
#
# Advice: decompose the homography too, and compare the candidates by more than their inliers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import sys

import cv2
import numpy as np

print("OpenCV", cv2.__version__)
K = np.array([[600.0, 0, 256], [0, 600, 256], [0, 0, 1]])
SCENES, MATCHES = 24, 600
stated = True
for name in ("RANSAC", "USAC_MAGSAC"):
    cv2.setRNGSeed(0)
    random = np.random.default_rng(1)
    wrong, shares = 0, []
    for _ in range(SCENES):
        left = random.uniform(0, 512, (MATCHES, 2))
        rays = np.c_[(left - 256) / 600, np.ones(MATCHES)]
        points = rays * random.normal(1, 0.002, MATCHES)[:, None]
        angle = random.uniform(0, 2 * np.pi)
        t = np.array([np.cos(angle), np.sin(angle), random.normal(0, 0.1)])
        t /= np.linalg.norm(t)
        moved = points @ cv2.Rodrigues(random.normal(0, 0.02, 3))[0].T + 0.06 * t
        right = moved[:, :2] / moved[:, 2:] * 600 + 256
        left = left + random.normal(0, 0.1, left.shape)
        right = right + random.normal(0, 0.1, right.shape)
        E, kept = cv2.findEssentialMat(left, right, K, getattr(cv2, name), 0.999, 1.0)
        found = cv2.recoverPose(E[:3], left, right, K, mask=kept.copy())[2].ravel()
        if found @ t < np.cos(np.radians(60)):
            wrong += 1
            shares.append(kept.mean())
    least = min(shares, default=0)
    print(f"{name}: {wrong} of {SCENES} directions wrong by over 60 deg; inliers there >= {least:.0%}")
    stated &= wrong >= 4 and least > 0.95
sys.exit(0 if stated else "changed: OpenCV no longer does what the comment says")
PYTHON_CODE
