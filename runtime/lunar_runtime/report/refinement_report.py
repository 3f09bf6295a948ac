"""What report.json says of a refinement."""

from __future__ import annotations

from lunar_runtime.inference.result import Refinement
from lunar_runtime.report.refinement_records import (
    MisfitReport,
    OtherSunReport,
    RefinementReport,
    ShadingReport,
)


def refinement_report(refinement: Refinement) -> RefinementReport:
    """The record of a refinement that was tried."""
    return RefinementReport(
        status="refined" if refinement.done else "kept",
        reason=refinement.reason,
        pose_source=refinement.pose_source,
        pose_held=refinement.pose_held,
        matches=refinement.matches,
        inliers=refinement.inliers,
        epipolar_px=refinement.epipolar_px,
        pattern_px=refinement.pattern_px,
        rival_pose=refinement.rival_pose,
        network_differs_deg=refinement.network_differs_deg,
        parallax_deg=refinement.parallax_deg,
        relief_gain=refinement.relief_gain,
        pose_sigma_deg=refinement.pose_sigma_deg,
        focal_ratio=refinement.focal_ratio,
        focal_sigma=refinement.focal_sigma,
        cameras_err=refinement.cameras_err,
        rig_apart=refinement.rig_apart,
        misfits=[
            MisfitReport(one.number, one.change, one.sigma, one.depth_change)
            for one in refinement.misfits
        ],
        views={side: view._asdict() for side, view in refinement.views.items()},
        shading={
            side: ShadingReport(
                reason=told.reason,
                explained=told.explained,
                width_px=told.width_px,
                other_suns=tuple(OtherSunReport(**one._asdict()) for one in told.other_suns),
            )
            for side, told in refinement.shading.items()
        },
    )
