"""The paper's figures on public tables, with thresholds, baselines, labels and transfer."""
