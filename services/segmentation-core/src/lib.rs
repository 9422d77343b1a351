//! segmentation-core.
