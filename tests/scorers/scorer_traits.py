"""What single scorers cannot or need not promise; each family keeps its own lines."""

# Their scores follow the seed.
SEEDED = {
    # outliers
    "gradient_forest",
    "gradient_forest_by_class",
    # neighbours
    "forest_disagreement",
    "simifeat_rank",
    "simifeat_vote",
    "validation_density_ratio",
    "validation_density_ratio_embedding",
    "validation_joint_ratio_embedding",
    # dynamics
    # labels
}

# They compare a sample with the others; all other scorers look at one sample at a time.
COMPARING = {
    # signals
    "relative_influence_loss",
    "relative_influence_theta",
    "cfrank",
    # outliers
    "gradient_forest",
    "gradient_forest_by_class",
    "gradient_knn_distance",
    "gradient_l1_by_class",
    "gradient_l2_by_class",
    "gradient_lof",
    "gradient_mahalanobis",
    "gradient_mahalanobis_by_class",
    "gradient_svm",
    # neighbours
    "class_distance",
    "class_island",
    "class_mahalanobis",
    "class_similarity",
    "class_split",
    "duplicate_conflict",
    "forest_disagreement",
    "knn_distance",
    "local_distance",
    "mixed_cluster",
    "near_duplicate",
    "simifeat_rank",
    "simifeat_vote",
    "knn_disagreement",
    "validation_density_ratio",
    "validation_density_ratio_embedding",
    "validation_joint_ratio_embedding",
    # dynamics
    "aum_threshold",
    "loss_clusters",
    "loss_interval",
    # labels
    "confident_off_diagonal",
    "confident_off_diagonal_in_sample",
    "prune_by_both",
    "prune_by_both_in_sample",
    "prune_by_class",
    "prune_by_class_in_sample",
    "prune_by_noise_rate",
    "prune_by_noise_rate_in_sample",
    # uncertainty
    "uq_led",
}

# Their draws are bound to positions, so that permuted rows have the scores of another draw.
ORDER_BOUND: set[str] = {
    "simifeat_rank",
    "simifeat_vote",
    "validation_density_ratio",
    "validation_density_ratio_embedding",
    "validation_joint_ratio_embedding",
}

# They look for something else than wrong labels (anomalies, uncertainty, duplicates), or have the
# sign of a publication. Each has tests of its own for what it looks for.
NOT_FOR_LABELS = {
    # signals
    "helping_influence",
    "own_class_influence",
    "pcid",
    "pcid_early",
    # outliers
    # neighbours
    "class_island",
    "class_split",
    "knn_distance",
    "local_distance",
    "mixed_cluster",
    "near_duplicate",
    "validation_distance",
    "validation_distance_embedding",
    "validation_mahalanobis",
    "validation_mahalanobis_embedding",
    "validation_density_ratio",
    "validation_density_ratio_embedding",
    "validation_joint_ratio_embedding",
    # dynamics
    "aum_threshold",  # for labels, but from margins that a change of labels does not change here
    "data_iq_aleatoric",
    "data_map_variability",
    # labels
    # uncertainty
    "checkpoint_aleatoric",
    "checkpoint_epistemic",
    "checkpoint_total",
    "checkpoint_variation_ratio",
    "dropout_aleatoric",
    "dropout_epistemic",
    "dropout_total",
    "dropout_variation_ratio",
    "ensemble_aleatoric",
    "ensemble_epistemic",
    "ensemble_total",
    "ensemble_variation_ratio",
}
