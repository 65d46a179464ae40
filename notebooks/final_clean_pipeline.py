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
# # The whole pipeline, week by week
#
# The practicum's seven weeks, done right: every number comes with an interval, no radiograph stands on two sides,
# and thresholds are chosen where they are not judged. Runs from top to bottom without a network, in a few minutes
# on two cores. Each section is some prose, a call, and its table or figure; the work is done by `colles`.
#
# **Research software, not a medical device.**

# %%
REBUILD_DATA = False  # make catalog, audit, split and the merged folders again
QUICK_RETRAIN = False  # train the small networks again, even where they are there
FINE_TUNE = False  # go on with one of them: all layers, a lower rate (week 4)
SWEEP = False  # search hyper-parameters (week 5)

# %%
import os

import polars as pl
from IPython.display import Image, Markdown, display

import colles
from colles.evaluation.compare import compare_predictions
from colles.evaluation.predictions import Predictions
from colles.flow import practicum as weeks
from colles.reporting.figures.confusion import confusion_matrices
from colles.reporting.figures.curves import precision_recall_curve, roc_curve
from colles.reporting.figures.learning import learning_curves
from colles.reporting.figures.reliability import reliability_diagram

pl.Config.set_tbl_rows(40)
pl.Config.set_fmt_str_lengths(60)
pl.Config.set_tbl_hide_dataframe_shape(True)
work = weeks.open_practicum(os.environ.get("COLLES_NOTEBOOK", "out/notebook"))
print(work.found)

# %% [markdown]
# ## Week 1 · Data
# Two sets, one in FracAtlas' layout and one YOLO export, become one catalog: a row a radiograph, each file
# decoded once. Where two sets share a file name nothing is overwritten. What cannot be read or has no label is
# kept in the catalog and left out of training, with the reason.

# %%
merged = weeks.prepare(work, rebuild=REBUILD_DATA)
display(weeks.images_table(work))
display(weeks.excluded_table(work))

# %% [markdown]
# The audit looks for what makes scores lie: broken files, copies (exact, near, rotated, mirrored), contradicting
# labels, and leaks across the export's own split. Our split is made by group, so that the last kind cannot
# happen.

# %%
weeks.issues_table(work)

# %% [markdown]
# ## Week 2 · Loading, imbalance, augmentation
# A file that breaks at run time becomes a placeholder of weight 0, so that it teaches nothing. The rarer class is
# drawn more often (`train.sampler: weighted`); what the network really saw in each epoch is written to
# `classes.csv`. Augmentations are named in the recipe. A row shows one training image and four of its changes.
#
# ## Week 3 · A baseline
# `simple_cnn`: two convolutions and two linear layers, as in the practicum. It and the networks of weeks 4 and 5 see
# a part of the data, whole groups drawn by seed, at 96 px, so that this page takes minutes. Their scores are low; the
# network that was trained in full comes in week 6.

# %%
part = weeks.draw_part(work)
display(weeks.images_table(part))
baseline = weeks.train_model(part, "simple_cnn", "model.name=simple_cnn", "model.weights=none", again=QUICK_RETRAIN)
display(Image(weeks.as_jpeg(baseline / "samples.png"), width=560))
display(pl.read_csv(baseline / "classes.csv"))

# %% [markdown]
# ## Week 4 · Transfer learning in two stages
# EfficientNet-Lite0 from ImageNet: first the head alone on a frozen backbone, then all layers. The best epoch is
# chosen on val. Trained networks are kept, so nothing heavy runs twice.

# %%
transfer = weeks.train_model(part, "efficientnet_lite0", again=QUICK_RETRAIN)
runs = {"simple_cnn": baseline, "efficientnet_lite0": transfer}
Image(learning_curves(pl.read_csv(transfer / "metrics.csv")).png, width=640)

# %%
if FINE_TUNE:
    runs["efficientnet_lite0, tuned"] = weeks.fine_tune(part, transfer, again=QUICK_RETRAIN)
else:
    print("Fine-tuning is off (FINE_TUNE = False).")

# %% [markdown]
# ## Week 5 · Search
# Off by default: a search on a set this small finds noise. `colles sweep run` keeps a JSON file a trial and
# `colles sweep show` lists the best by sensitivity and by F1, always of val.

# %%
if SWEEP:
    display(weeks.trials_table(weeks.search(part, again=QUICK_RETRAIN)))
else:
    print("The search is off (SWEEP = False).")

# %% [markdown]
# ## Week 6 · Evaluation
# Everything below is computed from tables of predictions; no image is read. Thresholds were chosen on val and are
# judged on test. First the small networks of this page:

# %%
judged = weeks.judge(part, runs)
weeks.models_table(judged)

# %% [markdown]
# Which one is better? The same images, so the difference is paired. An interval that holds 0 means: cannot be told.

# %%
tables = {label: Predictions.load(run / "predictions.parquet") for label, run in runs.items()}
pair = compare_predictions(tables, replicates=500)["pairs"][0]
print(f"AUROC of {pair['first']} minus {pair['second']}:", colles.Estimate.model_validate(pair["difference_delong"]))

# %% [markdown]
# ### The shipped networks
# They learned from the public sets in full. Their scores of val and test lie in `models/predictions`, and every figure
# here is made anew from them, whatever data were found above: no image is needed. Rows with other numbers of images are
# of other tests: the first network, which answers where none is named, learned from one set alone and is judged on it.
# ResNet50 and SimpleCNN began with random weights, the others with ImageNet's.

# %%
published = weeks.shipped()
display(weeks.models_table(published))
best = next(iter(published.values()))
parts = best.model_dump(mode="json")["subsets"]
display(Image(roc_curve(parts).png, width=420))
display(Image(precision_recall_curve(parts).png, width=420))

# %%
display(weeks.points_table(best))
Image(confusion_matrices(parts["test"]["operating_points"]).png, width=520)

# %% [markdown]
# Is a score of 0.8 right eight times in ten? The line says how far from it we are, and its interval how little a
# set of this size can tell.

# %%
Image(reliability_diagram(parts, "Probability").png, width=420)

# %% [markdown]
# ## Week 7 · Where it looks, and this page
# Heat maps of the shipped network on some hits, misses and false alarms, drawn by seed and not by hand: its location
# map, Grad-CAM and the gradient of the input. A map shows what moved the score; it is no proof that the network found
# the fracture. The reader's box is drawn where there is one. Simulated radiographs it has never seen, so there it is
# often wrong; on the real sets these are images of its own test.

# %%
for sheet in weeks.explain_shipped(work):
    display(Markdown(f"`{sheet.stem}`"), Image(weeks.as_jpeg(sheet), width=760))

# %% [markdown]
# The same as one command, with a report: `colles run recipes/demo.yaml --out out/demo`.
