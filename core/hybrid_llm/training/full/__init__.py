"""The recipe ``full``: the paper's, an encoder fine-tuned with a one-logit head."""
