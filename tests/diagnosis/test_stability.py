import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.diagnosis.stability import stability


def slow(evidences, count):
    records = []
    for one in evidences:
        for logits in (one.logits, one.held_out_logits):
            if logits is None:
                continue
            times = np.zeros(len(one))
            for epoch in logits:
                losses = [
                    -np.log(np.exp(np.float64(row))[code] / np.exp(np.float64(row)).sum())
                    for row, code in zip(epoch, one.labels.codes, strict=True)
                ]
                for i in sorted(range(len(one)), key=lambda i: -losses[i])[:count]:
                    times[i] += 1
            records.append(times / len(logits))
    return np.mean(records, axis=0)


@given(st.integers(6, 30), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_it_is_the_mean_share_of_epochs(synthetic, size, epochs, trainings, seed):
    evidences = [
        synthetic(size, 3, 0.2, seed + number, epochs + number).evidence
        for number in range(trainings)
    ]
    flagged = np.zeros(size, dtype=bool)
    flagged[: 1 + seed % 4] = True
    found = stability(evidences[0], flagged, evidences[1:])
    np.testing.assert_allclose(found, slow(evidences, int(flagged.sum())))
    assert found.sum() == np.float64(flagged.sum()) or abs(found.sum() - flagged.sum()) < 1e-9


def test_wrong_labels_are_stable(synthetic):
    made = synthetic(200, 3, 0.1)
    found = stability(made.evidence, made.errors)
    assert found[made.errors].mean() > 0.8
    assert found[~made.errors].mean() < 0.05


def test_nothing_flagged_and_nothing_known(synthetic):
    made = synthetic(40)
    assert not stability(made.evidence, np.zeros(40, dtype=bool)).any()
    assert np.isnan(stability(made.only("embeddings"), made.errors)).all()
