"""The usual baseline for many labels a text: one logistic regression each, on character n-grams weighted by TF-IDF.

Reads {"train": [[text, [label]]], "ask": [text]} from standard input and writes the labels of each asked text. The strength
of the penalty is chosen by cross-validation on the training texts, from what is usual.
"""

import json
import sys

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MultiLabelBinarizer

given = json.load(sys.stdin)
texts = [text for text, _ in given["train"]]
labels = MultiLabelBinarizer()
truth = labels.fit_transform([l for _, l in given["train"]])
vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2)
known = vectors.fit_transform(texts)


def fit(rows, c):
    model = OneVsRestClassifier(LogisticRegression(C=c, solver="liblinear"))
    return model.fit(known[rows], truth[rows])


learn, check = train_test_split(np.arange(len(texts)), test_size=0.2, random_state=0)
score = {c: f1_score(truth[check], fit(learn, c).predict(known[check]), average="micro") for c in (1.0, 10.0, 100.0)}
best = max(score, key=score.get)
said = fit(np.arange(len(texts)), best).predict(vectors.transform(given["ask"]))
print(json.dumps([list(row) for row in labels.inverse_transform(said)]))
