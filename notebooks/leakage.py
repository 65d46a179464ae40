# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What a careless split does to the scores
#
# One set of radiographs judged wrongly in four ways, each of which has been published. The same small network and
# the same settings every time; only the split or the threshold changes. It prints what it reaches: on so few images
# the differences are not always large, and the intervals say so. Simulated radiographs have known patients and planted
# copies; in the real sets groups are copies, base names and neighbouring file numbers.

# %%
import os

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.metrics.intervals import wilson
from colles.evaluation.operating import choose_operating_points
from colles.evaluation.predictions import Predictions
from colles.evaluation.scores import Scores
from colles.flow import practicum as weeks

pl.Config.set_tbl_hide_dataframe_shape(True)
pl.Config.set_fmt_str_lengths(60)
found = weeks.open_practicum(os.environ.get("COLLES_NOTEBOOK", "out/notebook"))
weeks.prepare(found)
print(found.found)
work = weeks.draw_part(found)
weeks.images_table(work)

# %% [markdown]
# ## 0 · Done right
# Patients, visits and copies stand on one side. This is the score that a new patient will see.

# %%
rows = {}
rows["by group"] = weeks.train_model(work, "efficientnet_lite0")

# %% [markdown]
# ## 1 · A random split
# Every image is drawn for itself. Two views of one wrist, or two copies of one radiograph, fall on both sides.

# %%
rng = np.random.default_rng(0)
frame = work.split.frame
careless = frame.with_columns(subset=pl.Series(rng.permutation(frame["subset"].to_numpy())))
rows["random"] = weeks.train_model(weeks.with_split(work, careless, "careless"), "random")
sides = careless.group_by("group_id").agg(pl.col("subset").n_unique())
print(f"{(sides['subset'] > 1).sum()} of {sides.height} groups stand on several sides")

# %% [markdown]
# ## 2 · Copies of the test images in training
# What happens when augmented copies are written to disk before the split: the network has seen every test image.

# %%
copied = weeks.with_test_copies(work, "copies")
rows["test copies in train"] = weeks.train_model(copied, "copied")

# %%
judged = weeks.judge(work, {"by group": rows["by group"]})
judged["random"] = weeks.judge(weeks.with_split(work, careless, "careless"), {"x": rows["random"]})["x"]
judged["test copies in train"] = weeks.judge(copied, {"x": rows["test copies in train"]})["x"]
weeks.models_table(judged).select("model", "auroc", "average_precision", "sensitivity", "specificity")

# %% [markdown]
# ## 3 · A threshold tuned on test
# The same scores twice: the threshold with the best F1 on val, and the one with the best F1 on the very images
# that it is then judged on. The second can only look better.

# %%
table = Predictions.load(rows["by group"] / "predictions.parquet")
test = table.frame.filter(pl.col("subset") == "test")
scores = Scores.from_arrays(test["y_true"].to_numpy(), test["y_score"].to_numpy(), test["group_id"].to_numpy())
honest = judged["by group"].subsets["test"].operating_points["f1"]
tuned = evaluate(Predictions(test), EvaluateRecipe(replicates=500)).subsets["test"].operating_points["f1"]
point = choose_operating_points(scores, chosen_on="test")["f1"]
print("F1, threshold from val: ", honest.figures["f1"])
print("F1, threshold from test:", tuned.figures["f1"], f"(threshold {point.threshold:.3f})")

# %% [markdown]
# ## 4 · Three fractures
# A validation set of the practicum held 3 fractures among 1,647 images. Draw three positives from our test set
# again and again: the AUROC is whatever one likes.

# %%
positives, negatives = np.flatnonzero(scores.y_true), np.flatnonzero(~scores.y_true.astype(bool))
drawn = []
for _ in range(200):
    chosen = np.concatenate([rng.choice(positives, 3, replace=False), negatives])
    drawn.append(roc_auc_score(scores.y_true[chosen], scores.y_score[chosen]))
low, high = wilson(2 / 3, 3)
print("AUROC of all test images:      ", judged["by group"].subsets["test"].figures["auroc"])
print(f"AUROC with three fractures:     {min(drawn):.3f} to {max(drawn):.3f} in 200 draws")
print(f"Two of three found:             sensitivity 0.67, interval {low:.2f}–{high:.2f}")

# %% [markdown]
# ## What remains
# Only the first row of the table says anything about a new patient, and only as much as its interval allows. The
# others measure memory.
